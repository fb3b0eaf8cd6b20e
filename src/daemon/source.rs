//! One source while the daemon runs: when to list it, what was last said of it.

use crate::error::Error;
use crate::ingest::directory::Directory;
use crate::telemetry::{ErrorReason, SourceTelemetry};
use crate::time::{Clock, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// While files are being taken, the gauges of waiting files may be so old.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Listings take no more than one part in so many of the time, however many events there are.
const LISTING_PARTS: u32 = 10;

/// A source, as the state and the counters know it.
pub struct Source {
    pub id: i64,
    pub name: String,
    pub telemetry: Arc<SourceTelemetry>,
    /// None of a socket.
    pub watched: Option<Watched>,
    /// What was last logged of a path that fails again and again; it is not repeated.
    logged: HashMap<PathBuf, String>,
}

/// A directory and its times.
pub struct Watched {
    pub directory: Directory,
    /// When to list it next.
    at: Timestamp,
    /// When an event may bring that forward to.
    not_before: Timestamp,
    is_listed: bool,
    /// Files of the last listing that are still to be counted. The next listing waits for them, so
    /// that a backlog has an end although new files keep coming.
    ready: VecDeque<PathBuf>,
    reported: Timestamp,
}

impl Source {
    pub fn new(
        id: i64,
        name: String,
        telemetry: Arc<SourceTelemetry>,
        directory: Option<Directory>,
    ) -> Source {
        let start = Timestamp(0);
        let watched = directory.map(|directory| Watched {
            directory,
            at: start,
            not_before: start,
            is_listed: false,
            ready: VecDeque::new(),
            reported: start,
        });
        Source { id, name, telemetry, watched, logged: HashMap::new() }
    }

    /// Listed once without an error; a socket needs no listing.
    pub fn is_ready(&self) -> bool {
        self.watched.as_ref().is_none_or(|watched| watched.is_listed)
    }

    /// When there is something to do next.
    pub fn due(&self) -> Option<Timestamp> {
        let watched = self.watched.as_ref()?;
        Some(if watched.ready.is_empty() { watched.at } else { Timestamp(0) })
    }

    /// Whether files are waiting to be counted.
    pub fn has_ready(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| !watched.ready.is_empty())
    }

    /// Whether rows are missing that are there to be counted. Files of a backlog come in any order
    /// of their times, and only after the last of them is it known what is late.
    pub fn is_backlog(&self, now: Timestamp) -> bool {
        self.watched.as_ref().is_some_and(|watched| {
            !watched.is_listed || !watched.ready.is_empty() || watched.directory.is_settling(now)
        })
    }

    /// The next file to count.
    pub fn next_ready(&mut self) -> Option<PathBuf> {
        self.watched.as_mut()?.ready.pop_front()
    }

    /// Something seems to have changed.
    pub fn wake(&mut self, now: Timestamp) {
        if let Some(watched) = &mut self.watched {
            watched.at = watched.at.min(now.max(watched.not_before));
        }
    }

    /// Lists the directory, if it is time, all that was ready has been taken, and it can be listed;
    /// the paths that are gone.
    pub fn look(&mut self, clock: &dyn Clock) -> Vec<PathBuf> {
        let now = clock.now();
        let is_due = |watched: &&mut Watched| watched.at <= now && watched.ready.is_empty();
        let Some(watched) = self.watched.as_mut().filter(is_due) else { return Vec::new() };
        let config = watched.directory.config();
        let (root, interval) = (config.path.clone(), config.reconcile_interval);
        let looked = watched.directory.look(now, &self.telemetry);
        watched.not_before = now.plus(clock.now().since(now) * LISTING_PARTS);
        watched.at = now.plus(interval);
        match looked {
            Ok(look) => {
                watched.is_listed = true;
                watched.ready = look.ready.into();
                if let Some(wait) = look.again_in {
                    watched.at = watched.at.min(now.plus(wait).max(watched.not_before));
                }
                if self.logged.remove(&root).is_some() {
                    info!(source = self.name, "listed again");
                }
                for error in &look.errors {
                    // The text names the folder.
                    if self.is_news(Path::new(&error.to_string()), error) {
                        warn!(source = self.name, %error, "a folder was not listed");
                    }
                }
                look.vanished
            }
            Err(error) => {
                self.telemetry.errors(ErrorReason::List).add(1);
                if self.is_news(&root, &error) {
                    error!(source = self.name, %error, "not listed; will be tried again");
                }
                Vec::new()
            }
        }
    }

    /// Whether this is not what was last said of the path.
    pub fn is_news(&mut self, path: &Path, error: &Error) -> bool {
        let text = error.to_string();
        self.logged.insert(path.to_owned(), text.clone()) != Some(text)
    }

    /// Sets the gauges of waiting files; that takes a look at every path, so that during a long
    /// backlog it is done now and then.
    pub fn report(&mut self, now: Timestamp, is_backlog: bool) {
        let Some(watched) = &mut self.watched else { return };
        if !is_backlog || now.since(watched.reported) >= REPORT_INTERVAL {
            watched.directory.report(now, &self.telemetry);
            watched.reported = now;
        }
    }
}
