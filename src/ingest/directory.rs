//! A directory under watch: which files are new, complete and ready to be counted.
//!
//! The listing is the truth, by set difference against what is known; events are only a hint to
//! list sooner. No modification time is a high-water mark: files come late and clocks are wrong.

use super::DirectoryConfig;
use super::listing::{Listed, list};
use crate::error::{Error, Result};
use crate::position::{PathState, Stat};
use crate::telemetry::{ErrorReason, FileResult, SourceTelemetry};
use crate::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// A file must look the same for so long before it is opened.
const SETTLE: Duration = Duration::from_millis(200);

/// A file that was seen first no longer ago than this is about to be counted, most likely.
const SETTLING: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct Known {
    stat: Stat,
    state: PathState,
    /// It had another content before.
    is_rewritten: bool,
}

/// The paths of one directory source.
#[derive(Debug)]
pub struct Directory {
    config: DirectoryConfig,
    known: HashMap<PathBuf, Known>,
    /// Stuck files that were logged.
    told_stuck: HashSet<PathBuf>,
}

/// One look at the directory.
#[derive(Debug, Default)]
pub struct Look {
    /// Files to open now, oldest first.
    pub ready: Vec<PathBuf>,
    /// Paths that are gone, for the state to forget.
    pub vanished: Vec<PathBuf>,
    /// Folders that could not be listed.
    pub errors: Vec<Error>,
    /// When a file will have settled.
    pub again_in: Option<Duration>,
}

impl Directory {
    /// Continues from what the state remembers.
    pub fn new(
        config: DirectoryConfig,
        remembered: impl Iterator<Item = (PathBuf, Stat, PathState)>,
    ) -> Directory {
        let known = remembered
            .map(|(path, stat, state)| (path, Known { stat, state, is_rewritten: false }))
            .collect();
        Directory { config, known, told_stuck: HashSet::new() }
    }

    pub fn config(&self) -> &DirectoryConfig {
        &self.config
    }

    /// Lists the directory and tells what to do about it.
    pub fn look(&mut self, now: Timestamp, telemetry: &SourceTelemetry) -> Result<Look> {
        let listing = list(&self.config.path)?;
        telemetry.errors(ErrorReason::List).add(listing.errors.len() as u64);
        let mut look = Look { errors: listing.errors, ..Look::default() };
        if look.errors.is_empty() {
            look.vanished = self.forget_vanished(&listing.files, telemetry);
        }
        let mut ready: Vec<&Listed> = Vec::new();
        for file in &listing.files {
            let known = self.known.get(&file.path).filter(|known| known.stat == file.stat);
            match known.map(|known| &known.state) {
                Some(PathState::Done | PathState::Quarantined(_)) => {}
                Some(PathState::Pending { unchanged_since, .. })
                    if now.since(*unchanged_since) >= SETTLE =>
                {
                    ready.push(file);
                }
                _ => {
                    self.note_change(file, now);
                    look.again_in = Some(SETTLE);
                }
            }
        }
        // Oldest first. Files of one second were written together, as by a copy or a checkout, and
        // stay in path order: the sort is stable. Before a file is taken for rewritten, what was in
        // it is looked for elsewhere: logs are rotated.
        let is_rewritten =
            |path: &Path| self.known.get(path).is_some_and(|known| known.is_rewritten);
        ready.sort_by_key(|f| (is_rewritten(&f.path), f.stat.mtime_ns / 1_000_000_000));
        look.ready = ready.into_iter().map(|file| file.path.clone()).collect();
        telemetry.last_success.set(now.0);
        Ok(look)
    }

    fn note_change(&mut self, file: &Listed, now: Timestamp) {
        let (first_seen, unchanged_since) = match self.known.get(&file.path) {
            Some(Known {
                stat, state: PathState::Pending { first_seen, unchanged_since }, ..
            }) => (*first_seen, if *stat == file.stat { *unchanged_since } else { now }),
            _ => (now, now),
        };
        let is_rewritten = self
            .known
            .get(&file.path)
            .is_some_and(|known| known.is_rewritten || known.state == PathState::Done);
        let state = PathState::Pending { first_seen, unchanged_since };
        self.known.insert(file.path.clone(), Known { stat: file.stat, state, is_rewritten });
    }

    fn forget_vanished(&mut self, files: &[Listed], telemetry: &SourceTelemetry) -> Vec<PathBuf> {
        let listed: HashSet<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let gone = self.known.keys().filter(|path| !listed.contains(path.as_path()));
        let gone: Vec<PathBuf> = gone.cloned().collect();
        for path in &gone {
            if let Some(Known { state: PathState::Pending { .. }, .. }) = self.known.remove(path) {
                telemetry.files(FileResult::Vanished).add(1);
            }
        }
        gone
    }

    /// Whether a file was seen that will be ready in a moment.
    pub fn is_settling(&self, now: Timestamp) -> bool {
        self.known.values().any(|known| match &known.state {
            PathState::Pending { first_seen, .. } => now.since(*first_seen) < SETTLING,
            _ => false,
        })
    }

    /// The stat at which a path was last seen.
    pub fn stat(&self, path: &Path) -> Option<Stat> {
        self.known.get(path).map(|known| known.stat)
    }

    /// Records what became of a file.
    pub fn settle(&mut self, path: &Path, stat: Stat, state: PathState) {
        self.told_stuck.remove(path);
        self.known.insert(path.to_owned(), Known { stat, state, is_rewritten: false });
    }

    /// Sets the gauges of waiting and unreadable files.
    pub fn report(&mut self, now: Timestamp, telemetry: &SourceTelemetry) {
        let (mut pending, mut stuck, mut quarantined) = (0, 0, 0);
        let mut oldest = None;
        for (path, known) in &self.known {
            match &known.state {
                PathState::Done => {}
                PathState::Quarantined(_) => quarantined += 1,
                PathState::Pending { first_seen, unchanged_since } => {
                    if now.since(*unchanged_since) >= self.config.stuck_after {
                        stuck += 1;
                        if self.told_stuck.insert(path.clone()) {
                            warn!(path = %path.display(), "incomplete, and does not grow");
                        }
                    } else {
                        pending += 1;
                    }
                    oldest = Some(oldest.map_or(first_seen.0, |o: i64| o.min(first_seen.0)));
                }
            }
        }
        telemetry.files_pending.set(pending);
        telemetry.files_stuck.set(stuck);
        telemetry.files_quarantined.set(quarantined);
        telemetry.oldest_pending.set(oldest.unwrap_or(0));
    }
}
