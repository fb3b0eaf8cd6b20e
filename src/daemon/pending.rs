//! What was counted and is not in the state yet.
//!
//! Files and batches are committed in groups: a commit costs a flush of the disk, whatever it
//! holds. What is pending when the process is killed was never shown, and is counted again.

use super::file::Taken;
use crate::error::Result;
use crate::monitor::model::Change;
use crate::store::parts::PartRecord;
use crate::store::{Commit, Scope};
use crate::time::Timestamp;
use crate::window::open::Renamed;
use crate::window::pane::{Pane, PaneKey, Panes};
use std::collections::BTreeSet;
use std::time::Duration;

/// Rows of a stream are committed at the latest after this time; a crash loses no more.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of counts after which is committed without waiting.
pub const COMMIT_BYTES: usize = 64 << 20;

/// One commit in the making.
#[derive(Default)]
pub struct Pending {
    pub commit: Commit,
    /// What was added and cannot be taken back; by pane, to be written as one part each.
    merged: Panes,
    bytes: usize,
    since: Option<Timestamp>,
    /// Something that should be shown as soon as nothing else is ready.
    is_urgent: bool,
    /// Files whose counters move once they are committed, by source.
    pub taken: Vec<(usize, Taken)>,
}

impl Pending {
    /// There is something to commit, from now on.
    pub fn begin(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// There is something that others wait for.
    pub fn hurry(&mut self, now: Timestamp) {
        self.begin(now);
        self.is_urgent = true;
    }

    /// When to commit at the latest.
    pub fn deadline(&self) -> Option<Timestamp> {
        Some(self.since?.plus(COMMIT_INTERVAL))
    }

    /// Whether to commit now; `is_busy` when more is about to come, as long as there is room for
    /// `bytes_max`.
    pub fn is_due(&self, now: Timestamp, is_busy: bool, bytes_max: usize) -> bool {
        let is_over = self.deadline().is_some_and(|deadline| deadline <= now);
        is_over || self.bytes >= bytes_max || (self.is_urgent && !is_busy)
    }

    /// Adds counts that no file can take back.
    pub fn add_merged(&mut self, delta: &Panes) {
        for (key, pane) in &delta.0 {
            match self.merged.0.get_mut(key) {
                Some(into) => into.merge(pane).expect("all panes are on the model's grids"),
                None => {
                    self.bytes += pane.bytes();
                    self.merged.0.insert(key.clone(), pane.clone());
                }
            }
        }
    }

    /// Adds the counts of one file.
    pub fn add_part(&mut self, part: PartRecord) {
        self.bytes += part.body.len();
        self.commit.parts.push(part);
    }

    /// Adds what closing changed.
    pub fn add_change(&mut self, change: Change) {
        for figures in &change.closed {
            let verdict = figures.verdict().name();
            self.commit.add_total(Scope::Window, &figures.window, verdict, 1);
        }
        self.commit.closed.extend(change.closed);
        for renamed in change.renamed {
            self.commit.parts.retain_mut(|part| part.rename(&renamed));
            self.rename_merged(&renamed);
            self.commit.renamed.push(renamed);
        }
    }

    fn rename_merged(&mut self, renamed: &Renamed) {
        let Some(pane) = self.merged.0.remove(&renamed.from) else { return };
        if let Some(to) = &renamed.to {
            match self.merged.0.get_mut(to) {
                Some(into) => into.merge(&pane).expect("all panes are on the model's grids"),
                None => drop(self.merged.0.insert(to.clone(), pane)),
            }
        }
    }

    /// The names that the parts of a pane have in the state, until this is committed.
    pub fn names<'a>(&'a self, key: &'a PaneKey) -> BTreeSet<&'a PaneKey> {
        let renamed = &self.commit.renamed;
        let becomes = |name: &'a PaneKey| {
            renamed.iter().try_fold(name, |name, renamed| {
                if *name == renamed.from { renamed.to.as_ref() } else { Some(name) }
            })
        };
        let names = renamed.iter().map(|renamed| &renamed.from).chain([key]);
        names.filter(|name| becomes(name) == Some(key)).collect()
    }

    /// Appends the parts of one pane.
    pub fn parts(&self, key: &PaneKey, parts: &mut Vec<Pane>) -> Result<()> {
        for part in self.commit.parts.iter().filter(|part| part.pane.as_ref() == Some(key)) {
            parts.push(part.counts()?);
        }
        parts.extend(self.merged.0.get(key).cloned());
        Ok(())
    }

    /// Everything as it is to be written; nothing is pending any more. `start` tells when a pane
    /// starts.
    pub fn take(
        &mut self,
        start: impl Fn(&PaneKey) -> Option<Timestamp>,
    ) -> (Commit, Vec<(usize, Taken)>) {
        let Pending { mut commit, merged, taken, .. } = std::mem::take(self);
        let merged =
            merged.0.iter().map(|(key, pane)| PartRecord::new(key, pane, None, start(key)));
        commit.parts.extend(merged);
        (commit, taken)
    }
}
