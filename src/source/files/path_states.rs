//! What is known of the paths of a source: which files are new, complete and ready.
//!
//! The listing is the truth, by set difference against what is known; events are only a hint to
//! list sooner. No modification time is a high-water mark: files come late and clocks are wrong.

use super::listing::{Ignored, Listed, Listing};
use crate::error::Error;
use crate::identity::Stat;
use crate::store::commit::PathRecord;
use crate::telemetry::SourceTelemetry;
use crate::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// A file that was first seen no longer ago than this is most likely about to be counted.
const RECENT: Duration = Duration::from_secs(1);

/// What is known of one path, at one stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// Its content is in the state.
    Done,
    /// It cannot be read.
    Quarantined,
    /// Seen, but not known to be complete.
    Pending { first_seen: Timestamp, unchanged_since: Timestamp },
    /// On its way to the state: its turn comes, or it was delivered.
    Underway { first_seen: Timestamp, unchanged_since: Timestamp },
}

#[derive(Debug, Clone)]
struct PathEntry {
    stat: Stat,
    state: PathState,
    /// Another content was counted at the path.
    is_rewritten: bool,
}

/// When a path is ready, stuck or gone.
#[derive(Debug, Clone, Copy)]
pub struct PathRules {
    /// A file must look the same for this long before it is opened.
    pub stable_for: Duration,
    /// An incomplete file that has not changed for this long is reported as stuck.
    pub stuck_after: Duration,
    /// What is gone may come back, and would then count again.
    pub keeps_all: bool,
}

/// The paths of one source.
#[derive(Debug)]
pub struct PathStates {
    rules: PathRules,
    paths: HashMap<PathBuf, PathEntry>,
    logged_stuck: HashSet<PathBuf>,
}

/// What a listing found.
#[derive(Debug)]
pub struct ScanResult {
    /// Files to open now, oldest first.
    pub ready: Vec<Listed>,
    /// Paths that are gone.
    pub gone: Vec<PathBuf>,
    /// How many of those were never counted.
    pub vanished: u64,
    /// Folders that could not be listed.
    pub errors: Vec<Error>,
    /// Files that are left out because of their ending.
    pub ignored: Ignored,
    /// When a file will have been stable for long enough.
    pub again_in: Option<Duration>,
}

impl ScanResult {
    fn new(ignored: Ignored, errors: Vec<Error>) -> ScanResult {
        let (ready, gone) = (Vec::new(), Vec::new());
        ScanResult { ready, gone, vanished: 0, errors, ignored, again_in: None }
    }
}

impl PathStates {
    /// Resumes from what the state has.
    pub fn new(rules: PathRules, restored: Vec<(PathBuf, PathRecord)>) -> PathStates {
        let paths = restored.into_iter().map(|(path, record)| {
            let is_quarantined = record.quarantined.is_some();
            let state = if is_quarantined { PathState::Quarantined } else { PathState::Done };
            (path, PathEntry { stat: record.stat, state, is_rewritten: false })
        });
        PathStates { rules, paths: paths.collect(), logged_stuck: HashSet::new() }
    }

    /// Tells what to do about a listing. What is ready is under way from here on.
    pub fn scan(&mut self, listing: Listing, now: Timestamp) -> ScanResult {
        let PathRules { stable_for, keeps_all, .. } = self.rules;
        let Listing { files, ignored, errors } = listing;
        let mut found = ScanResult::new(ignored, errors);
        // A directory that is empty all at once is more likely to be away. What comes back as it
        // was must not count as another copy.
        let is_away = keeps_all && files.is_empty();
        if found.errors.is_empty() && !is_away {
            self.forget_gone(&files, &mut found);
        }
        let mut ready: Vec<Listed> = Vec::new();
        for file in files {
            let known = self.paths.get(&file.path).filter(|known| known.stat == file.stat);
            match known.map(|known| &known.state) {
                Some(PathState::Done | PathState::Quarantined | PathState::Underway { .. }) => {}
                Some(PathState::Pending { unchanged_since, .. })
                    if now.since(*unchanged_since) >= stable_for =>
                {
                    ready.push(file);
                }
                _ => {
                    self.note_change(&file, now);
                    match stable_for.is_zero() {
                        true => ready.push(file),
                        false => found.again_in = Some(stable_for),
                    }
                }
            }
        }
        // Oldest first. Files of one second were written together, as by a copy or a checkout, and
        // stay in path order: the sort is stable. Before a file is taken for rewritten, what was in
        // it is looked for elsewhere: logs are rotated.
        let is_rewritten =
            |path: &Path| self.paths.get(path).is_some_and(|known| known.is_rewritten);
        ready.sort_by_key(|f| (is_rewritten(&f.path), f.stat.mtime_ns / 1_000_000_000));
        ready.iter().for_each(|file| self.set_underway(&file.path));
        found.ready = ready;
        found
    }

    fn note_change(&mut self, file: &Listed, now: Timestamp) {
        let before = self.paths.get(&file.path);
        let (first_seen, unchanged_since) = match before {
            Some(PathEntry {
                stat,
                state: PathState::Pending { first_seen, unchanged_since },
                ..
            }) => (*first_seen, if *stat == file.stat { *unchanged_since } else { now }),
            _ => (now, now),
        };
        let is_counted =
            |state: &PathState| matches!(state, PathState::Done | PathState::Underway { .. });
        let is_rewritten =
            before.is_some_and(|before| before.is_rewritten || is_counted(&before.state));
        let state = PathState::Pending { first_seen, unchanged_since };
        self.paths.insert(file.path.clone(), PathEntry { stat: file.stat, state, is_rewritten });
    }

    fn forget_gone(&mut self, files: &[Listed], found: &mut ScanResult) {
        let listed: HashSet<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let gone = self.paths.keys().filter(|path| !listed.contains(path.as_path()));
        found.gone = gone.cloned().collect();
        for path in &found.gone {
            if let Some(PathEntry { state: PathState::Pending { .. }, .. }) =
                self.paths.remove(path)
            {
                found.vanished += 1;
            }
        }
    }

    /// Whether a file was seen that will be ready in a moment.
    pub fn is_settling(&self, now: Timestamp) -> bool {
        self.paths.values().any(|known| match &known.state {
            PathState::Pending { first_seen, .. } => {
                now.since(*first_seen) < RECENT + self.rules.stable_for
            }
            _ => false,
        })
    }

    fn set_underway(&mut self, path: &Path) {
        if let Some(entry) = self.paths.get_mut(path)
            && let PathState::Pending { first_seen, unchanged_since } = entry.state
        {
            entry.state = PathState::Underway { first_seen, unchanged_since };
        }
    }

    /// What became of a file that was delivered with this stat; nothing when it has changed since.
    pub fn resolve(&mut self, path: &Path, stat: Stat, state: PathState) {
        let is_underway =
            |entry: &&mut PathEntry| matches!(entry.state, PathState::Underway { .. });
        let entry = self.paths.get_mut(path).filter(|entry| entry.stat == stat);
        if let Some(entry) = entry.filter(is_underway) {
            *entry = PathEntry { stat, state, is_rewritten: false };
            self.logged_stuck.remove(path);
        }
    }

    /// A file that was under way has to be opened again.
    pub fn defer(&mut self, path: &Path, stat: Stat) {
        let entry = self.paths.get_mut(path).filter(|entry| entry.stat == stat);
        if let Some(entry) = entry
            && let PathState::Underway { first_seen, unchanged_since } = entry.state
        {
            entry.state = PathState::Pending { first_seen, unchanged_since };
        }
    }

    /// Sets the gauges of waiting and unreadable files.
    pub fn update_gauges(&mut self, now: Timestamp, telemetry: &SourceTelemetry) {
        let (mut pending, mut stuck, mut quarantined) = (0, 0, 0);
        let mut oldest: Option<Timestamp> = None;
        for (path, known) in &self.paths {
            let first_seen = match known.state {
                PathState::Done => continue,
                PathState::Quarantined => {
                    quarantined += 1;
                    continue;
                }
                PathState::Underway { first_seen, .. } => {
                    pending += 1;
                    first_seen
                }
                PathState::Pending { first_seen, unchanged_since } => {
                    if now.since(unchanged_since) >= self.rules.stuck_after {
                        stuck += 1;
                        if self.logged_stuck.insert(path.clone()) {
                            warn!(path = %path.display(), "incomplete, and does not grow");
                        }
                    } else {
                        pending += 1;
                    }
                    first_seen
                }
            };
            oldest = Some(oldest.map_or(first_seen, |oldest| oldest.min(first_seen)));
        }
        telemetry.files_pending.set(pending);
        telemetry.files_stuck.set(stuck);
        telemetry.files_quarantined.set(quarantined);
        telemetry.oldest_pending.set(oldest.unwrap_or_default().0);
    }
}
