//! One file on its way: opened, identified, counted, noted in the ledger.

use super::pipeline::Pipeline;
use super::source::Source;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::Rewritten;
use crate::ingest::identity::stat;
use crate::ingest::open::OpenFile;
use crate::monitor::count::Delta;
use crate::monitor::model::Moment;
use crate::monitor::table::rows;
use crate::position::{Arrival, Identity, PathState, Stat};
use crate::store::parts::{EarlierPart, PartRecord};
use crate::store::{Counted, PathRecord, Scope, Verified};
use crate::telemetry::{ErrorReason, FileResult};
use crate::time::Timestamp;
use crate::window::pane::{CLOSED, PaneKey};
use crate::window::plan::Plan;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tracing::{debug, info, warn};

/// What became of a file.
#[derive(Debug, Clone, Copy)]
pub enum Taken {
    Counted(FileRows),
    /// Counted in place of what was at its path before.
    Rewritten(FileRows),
    /// Its content was counted before, at another path.
    Duplicate,
    /// Another content than before at its path, which the configuration says to leave alone.
    Ignored,
    /// Its content was counted before, at this path.
    Touched,
    Quarantined,
    /// Not complete, or gone; the next listing will tell.
    Waiting,
}

/// The rows of a file by what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileRows {
    pub rows: u64,
    pub bytes: u64,
    /// All windows by event time had closed.
    pub late: u64,
    /// Their time is that of the file.
    pub untimed: u64,
    /// Rows of the file's earlier version, or of this one and known from that.
    pub replaced: u64,
}

/// What was at a file's path before.
struct Earlier {
    content: u128,
    /// In windows that are open.
    open: Vec<EarlierPart>,
    /// In windows that have closed; only baselines may still look at it.
    closed: Vec<EarlierPart>,
}

/// What a file turned out to hold.
enum Content {
    New(Box<New>),
    Known(Identity, Taken, Option<Earlier>),
}

struct New {
    identity: Identity,
    rows: FileRows,
    plan: Plan,
    delta: Delta,
    earlier: Option<Earlier>,
    /// Rows by the start of panes that have closed.
    closed: BTreeMap<Timestamp, u64>,
}

impl Pipeline {
    /// Counts a file and deals with its faults; only the state's own faults come out.
    pub fn take_file(&mut self, source: usize, path: &Path) -> Result<()> {
        let stat_before = std::fs::symlink_metadata(path).map(|m| stat(&m));
        let telemetry = Arc::clone(&self.sources[source].telemetry);
        let taken = match self.count_file(source, path) {
            Ok(taken) => taken,
            Err(error) => match (error.kind(), stat_before) {
                (ErrorKind::State, _) => return Err(error),
                (_, Err(_)) => {
                    debug!(path = %path.display(), "gone; the next listing will tell");
                    Taken::Waiting
                }
                (ErrorKind::Incomplete, _) => {
                    debug!(path = %path.display(), %error, "not complete");
                    Taken::Waiting
                }
                (ErrorKind::Io, _) => {
                    telemetry.errors(ErrorReason::Read).add(1);
                    let source = &mut self.sources[source];
                    if source.is_news(path, &error) {
                        let name = &source.name;
                        warn!(source = name, path = %path.display(), %error, "not read; will be tried again");
                    }
                    Taken::Waiting
                }
                (_, Ok(stat)) => self.quarantine(source, path, stat, &error),
            },
        };
        self.pending.taken.push((source, taken));
        Ok(())
    }

    /// Counts one file, whole or not at all.
    fn count_file(&mut self, source: usize, path: &Path) -> Result<Taken> {
        let root = self.directory(source).config().path.clone();
        let file = OpenFile::open(&root, path)?;
        if self.directory(source).stat(path) != Some(file.stat) {
            return Err(Error::new(ErrorKind::Incomplete, "changed since it was listed"));
        }
        // The ledger is asked next, and must know of what is on its way to it.
        let (id, size) = (self.sources[source].id, file.stat.size);
        if self.pending.commit.concerns(id, path, size) {
            self.commit()?;
        } else if self.writing.as_ref().is_some_and(|w| w.commit.concerns(id, path, size)) {
            self.confirm()?;
        }
        let content = self.read_content(source, &file);
        // Before any fault is believed: a file that is rewritten while it is read decodes badly.
        file.check_untouched()?;
        match content? {
            Content::New(new) => self.add_file(source, &file, *new),
            Content::Known(identity, taken, earlier) => {
                self.give_way(source, earlier, identity.content);
                self.skip(source, &file, &identity, taken);
                Ok(taken)
            }
        }
    }

    /// Plans and counts a file's rows, unless they were counted before.
    fn read_content(&mut self, source: usize, file: &OpenFile) -> Result<Content> {
        let config = self.directory(source).config();
        let (count_duplicates, rewritten) = (config.count_duplicates, config.rewritten);
        let id = self.sources[source].id;
        let table = file.table()?.hashing();
        let earlier = match rewritten {
            Rewritten::Count => None,
            _ => self.earlier(id, &file.path)?,
        };
        // Only a file of a known size can be a copy; any other is hashed while it is counted.
        if self.store.knows_size(id, file.stat.size)? {
            let identity = file.identity(&table)?;
            match self.store.verify(id, &file.path, &identity)? {
                Verified::Touched => return Ok(Content::Known(identity, Taken::Touched, None)),
                Verified::Copy(first) if !count_duplicates => {
                    let (path, first) = (file.path.display(), first.display());
                    info!(%path, %first, "counted before");
                    return Ok(Content::Known(identity, Taken::Duplicate, earlier));
                }
                Verified::Copy(_) | Verified::New => {}
            }
        }
        if rewritten == Rewritten::Ignore && earlier.is_some() {
            return Ok(Content::Known(file.identity(&table)?, Taken::Ignored, None));
        }
        let moment = self.moment(file);
        let gives_way = open_parts(earlier.as_ref());
        let plan = self.monitor.plan(&table, Arrival::File, moment, &gives_way)?;
        // Only what may have to give way is stored file by file.
        let delta = match rewritten {
            Rewritten::Replace => self.monitor.count_and_encode(&table, &plan)?,
            _ => Delta { panes: self.monitor.count(&table, &plan)?, ..Delta::default() },
        };
        let identity = file.identity(&table)?;
        let (late, known, closed) = self.late(&plan, earlier.as_ref());
        let given: u64 = gives_way.iter().map(|(_, rows)| rows).sum();
        let rows = FileRows {
            rows: rows(&table),
            bytes: file.stat.size,
            late,
            untimed: plan.untimed,
            replaced: given + known,
        };
        Ok(Content::New(Box::new(New { identity, rows, plan, delta, earlier, closed })))
    }

    /// What was counted at a path, if it is nowhere else.
    fn earlier(&mut self, source: i64, path: &Path) -> Result<Option<Earlier>> {
        if !self.store.knows_content(source, path)? {
            return Ok(None);
        }
        // It may have come to another place, or have gone from one, since the last commit.
        self.commit()?;
        let earlier = self.store.earlier(source, path)?;
        Ok(earlier.map(|(content, parts)| {
            let is_open = |part: &EarlierPart| {
                part.pane.as_ref().is_some_and(|pane| self.monitor.is_open(pane))
            };
            let (open, closed) = parts.into_iter().partition(is_open);
            Earlier { content, open, closed }
        }))
    }

    /// When rows happened that do not say so: what the path says, else when the file was written.
    fn moment(&self, file: &OpenFile) -> Moment {
        let now = self.shared.clock.now();
        let written = Timestamp(file.stat.mtime_ns.div_euclid(1_000));
        let fallback = file.partition_time.filter(|time| *time <= now).unwrap_or(written);
        Moment { fallback: fallback.clamp(Timestamp(0), now), now }
    }

    /// Rows of a plan that came too late, those that an earlier version of the file brought in
    /// time, and what a later version is to be held against.
    fn late(&self, plan: &Plan, earlier: Option<&Earlier>) -> (u64, u64, BTreeMap<Timestamp, u64>) {
        let mut known: BTreeMap<Timestamp, u64> = BTreeMap::new();
        let axis = self.monitor.axes().time();
        let is_over = |key: &PaneKey| axis.is_some_and(|axis| key.0[axis] == CLOSED);
        let parts = earlier.iter().flat_map(|earlier| {
            let open = earlier.open.iter();
            open.filter(|part| part.pane.as_ref().is_some_and(is_over)).chain(&earlier.closed)
        });
        for part in parts {
            *known.entry(part.start.unwrap_or_default()).or_default() += part.rows;
        }
        let (mut late, mut again) = (0, 0);
        for (start, rows) in self.monitor.late(plan) {
            let known = known.entry(start).or_default();
            // Windows of rows count them again, in place of those that give way.
            again += if self.monitor.axes().has_slots() { 0 } else { rows.min(*known) };
            late += rows.saturating_sub(*known);
            *known = rows.max(*known);
        }
        // What stays where it is tells of its rows itself.
        for part in earlier.iter().flat_map(|earlier| &earlier.closed) {
            if let Some(known) = known.get_mut(&part.start.unwrap_or_default()) {
                *known = known.saturating_sub(part.rows);
            }
        }
        known.retain(|_, rows| *rows > 0);
        (late, again, known)
    }

    fn add_file(&mut self, source: usize, file: &OpenFile, new: New) -> Result<Taken> {
        let New { identity, rows, plan, delta, earlier, closed } = new;
        let is_rewritten = earlier.is_some();
        self.give_way(source, earlier, identity.content);
        let now = self.shared.clock.now();
        let replaces = matches!(self.directory(source).config().rewritten, Rewritten::Replace);
        if replaces {
            let tag = Some((self.sources[source].id, identity.content));
            for (key, body) in delta.bodies {
                let (rows, start) = (delta.panes.0[&key].rows, self.start(&key));
                let part = PartRecord { pane: Some(key), rows, file: tag, start, body };
                self.pending.add_part(part);
            }
            for (start, rows) in closed {
                let (file, start) = (tag, Some(start));
                self.pending.add_part(PartRecord { pane: None, rows, file, start, body: vec![] });
            }
        } else {
            self.pending.add_merged(&delta.panes);
        }
        self.merge(delta.panes, &plan, now)?;
        self.note_counted(source, file, identity, &rows, now);
        Ok(if is_rewritten { Taken::Rewritten(rows) } else { Taken::Counted(rows) })
    }

    /// Takes back what the earlier version of a file added to windows that are open. What is in
    /// closed ones belongs to the new version from now on.
    fn give_way(&mut self, source: usize, earlier: Option<Earlier>, content: u128) {
        let Some(earlier) = earlier else { return };
        for part in &earlier.open {
            if let Some(pane) = &part.pane {
                self.monitor.remove(pane, part.rows);
            }
        }
        let commit = &mut self.pending.commit;
        commit.removed.extend(earlier.open.iter().map(|part| part.id));
        commit.retagged.extend(earlier.closed.iter().map(|part| (part.id, content)));
        commit.superseded.push((self.sources[source].id, earlier.content));
    }

    fn quarantine(&mut self, source: usize, path: &Path, stat: Stat, error: &Error) -> Taken {
        let reason = error.to_string();
        let name = self.sources[source].name.clone();
        warn!(source = name, path = %path.display(), reason, "quarantined until it changes");
        self.pending.commit.add_total(Scope::Source, &name, "files_quarantined", 1);
        self.settle(source, path, stat, Err(reason));
        Taken::Quarantined
    }

    /// Notes a file whose content is in the ledger, or is left alone.
    fn skip(&mut self, source: usize, file: &OpenFile, identity: &Identity, taken: Taken) {
        let name = self.sources[source].name.clone();
        let total = match taken {
            Taken::Duplicate => Some("files_duplicate"),
            Taken::Ignored => Some("files_ignored"),
            _ => None,
        };
        if let Some(total) = total {
            self.pending.commit.add_total(Scope::Source, &name, total, 1);
        }
        self.settle(source, &file.path, file.stat, Ok(identity.content));
    }

    fn note_counted(
        &mut self,
        source: usize,
        file: &OpenFile,
        identity: Identity,
        rows: &FileRows,
        now: Timestamp,
    ) {
        let model = &self.monitor.config().name;
        let Source { id, name, .. } = &self.sources[source];
        let (id, name) = (*id, name.clone());
        info!(model, source = name, path = %file.path.display(), rows = rows.rows, "counted");
        let commit = &mut self.pending.commit;
        for (total, value) in [
            ("files_counted", 1),
            ("rows", rows.rows),
            ("bytes", rows.bytes),
            ("rows_late", rows.late),
            ("rows_untimed", rows.untimed),
            ("rows_replaced", rows.replaced),
        ] {
            commit.add_total(Scope::Source, &name, total, value);
        }
        let (path, content) = (file.path.clone(), identity.content);
        commit.counted.push(Counted { source: id, identity, path, rows: rows.rows, at: now });
        self.settle(source, &file.path, file.stat, Ok(content));
    }

    /// Notes what became of a path: its content, or why it cannot be read.
    fn settle(
        &mut self,
        source: usize,
        path: &Path,
        stat: Stat,
        outcome: std::result::Result<u128, String>,
    ) {
        let content = outcome.as_ref().ok().copied();
        let quarantined = outcome.err();
        let state = quarantined.clone().map_or(PathState::Done, PathState::Quarantined);
        self.directory(source).settle(path, stat, state);
        let (source, path) = (self.sources[source].id, path.to_owned());
        self.pending.commit.paths.push(PathRecord { source, path, stat, quarantined, content });
        self.pending.hurry(self.shared.clock.now());
    }

    /// Moves the counters of files that are committed.
    pub fn tell_taken(&self, taken: Vec<(usize, Taken)>) {
        for (source, taken) in taken {
            let telemetry = &self.sources[source].telemetry;
            let result = match taken {
                Taken::Counted(rows) | Taken::Rewritten(rows) => {
                    telemetry.rows.add(rows.rows);
                    telemetry.bytes.add(rows.bytes);
                    telemetry.late_rows.add(rows.late);
                    telemetry.untimed_rows.add(rows.untimed);
                    telemetry.replaced_rows.add(rows.replaced);
                    match taken {
                        Taken::Counted(_) => FileResult::Counted,
                        _ => FileResult::Rewritten,
                    }
                }
                Taken::Duplicate => FileResult::Duplicate,
                Taken::Ignored => FileResult::Ignored,
                Taken::Quarantined => FileResult::Quarantined,
                Taken::Touched | Taken::Waiting => continue,
            };
            telemetry.files(result).add(1);
        }
    }
}

/// Names and rows of the panes that an earlier version would be taken out of.
fn open_parts(earlier: Option<&Earlier>) -> Vec<(PaneKey, u64)> {
    let parts = earlier.iter().flat_map(|earlier| &earlier.open);
    parts.filter_map(|part| Some((part.pane.clone()?, part.rows))).collect()
}
