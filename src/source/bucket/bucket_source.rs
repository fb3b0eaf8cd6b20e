//! A bucket while it is watched: when to list it, and what is being fetched.

use super::BucketStore;
use super::fetcher::{Fetched, Fetcher, FetcherConfig};
use crate::error::Result;
use crate::net::stop::Stop;
use crate::source::files::{FilesConfig, WatchedFiles};
use crate::source::{DeliveryId, Fate, Poll, Source, SourceContext};
use crate::time::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// What is set of one bucket.
pub struct BucketConfig {
    pub root: PathBuf,
    pub files: FilesConfig,
    pub list_interval: Duration,
    /// Where objects are kept until they are counted; the system's folder for such files if none.
    pub folder: Option<PathBuf>,
    pub ahead_max: u64,
}

/// The objects of a bucket, as a source.
pub struct BucketSource {
    files: WatchedFiles,
    fetcher: Fetcher,
    list_interval: Duration,
    stop: Stop,
    /// When to list next.
    at: Timestamp,
    is_listing: bool,
    /// Objects that are fetched now. The next listing waits for them, so that a backlog has an end
    /// although new ones keep coming.
    underway: usize,
}

impl BucketSource {
    pub fn start(
        config: BucketConfig,
        store: BucketStore,
        mut context: SourceContext,
    ) -> Result<BucketSource> {
        let BucketConfig { root, files, list_interval, folder, ahead_max } = config;
        let fetching =
            FetcherConfig { root: root.clone(), format: files.format, folder, ahead_max };
        let files = WatchedFiles::new(root, files, &mut context);
        Ok(BucketSource {
            files,
            fetcher: Fetcher::start(store, fetching, context.wake)?,
            list_interval,
            stop: context.stop,
            at: Timestamp(0),
            is_listing: false,
            underway: 0,
        })
    }

    /// What is to be done about what has come, if anything is.
    fn take(&mut self, fetched: Fetched, now: Timestamp) -> Option<Poll> {
        match fetched {
            Fetched::Listing(listing) => {
                self.is_listing = false;
                self.at = now.plus(self.list_interval);
                let found = self.files.take_listing(listing, now)?;
                self.underway = found.ready.len();
                found.ready.into_iter().for_each(|listed| self.fetcher.fetch(listed));
                found.gone
            }
            Fetched::Object(listed, opened, _ahead) => {
                self.underway -= 1;
                self.files.deliver(&listed, opened, now)
            }
        }
    }
}

impl Source for BucketSource {
    fn poll(&mut self, now: Timestamp) -> Poll {
        if self.stop.is_on() {
            // What was not begun is counted after the next start.
            return Poll::Ended;
        }
        while let Some(fetched) = self.fetcher.take() {
            if let Some(poll) = self.take(fetched, now) {
                return poll;
            }
        }
        if self.underway == 0 && !self.is_listing {
            if self.at > now {
                return Poll::At(self.at);
            }
            self.is_listing = true;
            self.fetcher.list();
        }
        Poll::Idle
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate) {
        self.files.settled(id, fate);
    }

    fn is_behind(&self, _now: Timestamp) -> bool {
        !self.files.is_listed() || self.underway > 0
    }

    fn is_ready(&self) -> bool {
        self.files.is_listed()
    }

    fn update_gauges(&mut self, now: Timestamp) {
        self.files.update_gauges(now, self.underway > 0);
    }
}
