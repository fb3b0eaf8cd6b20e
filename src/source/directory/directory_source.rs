//! A directory while it is watched: when to list it, and which file is next.

use super::DirectoryConfig;
use super::events::{FileEvents, Subscription};
use super::walk::list;
use crate::error::Fault;
use crate::format::OpenFile;
use crate::net::stop::Stop;
use crate::source::files::WatchedFiles;
use crate::source::files::listing::Listed;
use crate::source::{DeliveryId, Fate, Poll, Source, SourceContext};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long files that are not ready yet are waited for before windows close. With many files a
/// second there always is one.
const SETTLING_MAX: Duration = Duration::from_secs(3);

/// Events come in bursts; one listing serves those of this time.
const EVENT_PAUSE: Duration = Duration::from_millis(20);

/// Listings take no more than one part in so many of the time, however many events there are.
const LISTING_PARTS: u32 = 10;

/// The files of a directory, as a source.
pub struct DirectorySource {
    files: WatchedFiles,
    /// How long a file can go unnoticed when no event tells of it.
    reconcile_interval: Duration,
    stop: Stop,
    /// Says when something seems to have changed.
    events: Subscription,
    /// When to list next.
    at: Timestamp,
    /// When an event may bring that forward to.
    not_before: Timestamp,
    /// Files of the last listing that are still to be delivered. The next listing waits for them,
    /// so that a backlog has an end although new files keep coming.
    ready: VecDeque<Listed>,
    /// Since when there has always been a file that will be ready in a moment.
    settling_since: Option<Timestamp>,
}

impl DirectorySource {
    pub fn start(
        config: DirectoryConfig,
        events: &Arc<FileEvents>,
        mut context: SourceContext,
    ) -> DirectorySource {
        let DirectoryConfig { path, files, reconcile_interval } = config;
        let files = WatchedFiles::new(path, files, &mut context);
        let SourceContext { telemetry, wake, stop, .. } = context;
        DirectorySource {
            events: events.subscribe(files.root(), wake, telemetry),
            files,
            reconcile_interval,
            stop,
            at: Timestamp(0),
            not_before: Timestamp(0),
            ready: VecDeque::new(),
            settling_since: None,
        }
    }

    /// Lists the directory if it is time and all that was ready has been delivered. What is gone,
    /// if anything.
    fn scan(&mut self, now: Timestamp) -> Option<Poll> {
        if self.at > now || !self.ready.is_empty() {
            return None;
        }
        let begun = Instant::now();
        let listing = list(self.files.root(), self.files.config().format);
        let found = self.files.take_listing(listing, now);
        self.not_before = now.plus(begun.elapsed() * LISTING_PARTS);
        self.at = now.plus(self.reconcile_interval);
        let found = found?;
        self.ready = found.ready.into();
        if let Some(wait) = found.again_in {
            self.at = self.at.min(now.plus(wait).max(self.not_before));
        }
        found.gone
    }

    fn open(&self, listed: &Listed) -> Result<OpenFile, Fault> {
        let path = &listed.path;
        OpenFile::open(self.files.root(), path).map_err(|fault| match path.symlink_metadata() {
            Ok(_) => fault,
            Err(_) => Fault::incomplete("gone since it was listed"),
        })
    }
}

impl Source for DirectorySource {
    fn poll(&mut self, now: Timestamp) -> Poll {
        if self.stop.is_on() {
            // What was not begun is counted after the next start.
            return Poll::Ended;
        }
        if self.events.take() {
            self.at = self.at.min(now.plus(EVENT_PAUSE).max(self.not_before));
        }
        if let Some(gone) = self.scan(now) {
            return gone;
        }
        while let Some(listed) = self.ready.pop_front() {
            let opened = self.open(&listed);
            if let Some(poll) = self.files.deliver(&listed, opened, now) {
                return poll;
            }
        }
        // Those that turned out not to be whole are among them.
        let is_settling = self.files.is_settling(now);
        self.settling_since = is_settling.then(|| self.settling_since.unwrap_or(now));
        Poll::At(self.at)
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate) {
        self.files.settled(id, fate);
    }

    fn is_behind(&self, now: Timestamp) -> bool {
        let is_settling =
            |since: Timestamp| now.since(since) < SETTLING_MAX + self.files.config().stable_for;
        !self.files.is_listed()
            || !self.ready.is_empty()
            || self.settling_since.is_some_and(is_settling)
    }

    fn is_ready(&self) -> bool {
        self.files.is_listed()
    }

    fn update_gauges(&mut self, now: Timestamp) {
        self.files.update_gauges(now, !self.ready.is_empty());
    }
}
