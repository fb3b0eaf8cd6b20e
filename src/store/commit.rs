//! What one transaction changes in the state of a model.

use super::reference_record::Epoch;
use crate::error::Fault;
use crate::identity::{Identity, Stat};
use crate::judge::evidence::WindowEvidence;
use crate::monitor::close::ClosedWindow;
use crate::position::Position;
use crate::profile::codec::{Content, decode};
use crate::time::Timestamp;
use crate::totals::Totals;
use crate::window::cursor::Place;
use crate::window::pane::{Horizons, Pane, PaneKey};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The id of a source, which the ledger is kept by.
pub type SourceId = i64;

/// The source and content of a file.
pub type FileKey = (SourceId, u128);

/// Everything that one step changes; committed as a whole.
#[derive(Default)]
pub struct Commit {
    pub ledger: LedgerChanges,
    /// Counts that were added.
    pub deltas: Vec<PaneDelta>,
    /// Counts of files that others were written over, by pane.
    pub retracted: Vec<(FileKey, PaneKey)>,
    pub file_rows: Vec<FileRows>,
    /// How far each partition of a source has been counted.
    pub positions: BTreeMap<(SourceId, String), Position>,
    pub epoch: Option<Epoch>,
    /// Window and place.
    pub places: Vec<(String, Place)>,
    pub closed: Vec<ClosedWindow>,
    /// What stretches of a reference in the order of time leave for judging windows.
    pub of_reference: Option<Vec<WindowEvidence>>,
    pub totals: Totals,
    /// From where on panes are still needed; none when nothing is to be dropped or merged.
    pub horizons: Option<Horizons>,
    /// Whether they are others than those of the commit before.
    pub is_horizon_moved: bool,
}

/// What one file, or the streams of one commit, added to one pane.
#[derive(Debug, Clone)]
pub struct PaneDelta {
    pub pane: PaneKey,
    pub rows: u64,
    /// Of a file that may be rewritten.
    pub file: Option<FileKey>,
    pub body: Vec<u8>,
}

impl PaneDelta {
    pub fn counts(&self) -> Result<Pane, Fault> {
        decode(Content::Pane, &self.body)
    }
}

/// The rows of a file in one stretch of event time, which starts at `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRows {
    pub file: FileKey,
    pub start: Timestamp,
    pub rows: u64,
}

/// What changes in the ledger; later changes take the place of earlier ones.
#[derive(Debug, Default)]
pub struct LedgerChanges {
    paths: HashMap<(SourceId, PathBuf), Option<PathRecord>>,
    counted: HashMap<FileKey, CountedFile>,
    superseded: HashSet<FileKey>,
    /// Of counted files.
    sizes: HashSet<(SourceId, u64)>,
}

/// What a commit changes of one entry of the ledger.
#[derive(Debug)]
pub enum LedgerEntry<'a, T> {
    /// What was there before holds.
    Unchanged,
    Removed,
    Set(&'a T),
}

/// A file that was counted.
#[derive(Debug, Clone)]
pub struct CountedFile {
    pub identity: Identity,
    pub path: PathBuf,
    pub rows: u64,
    pub at: Timestamp,
}

/// What is known of a path.
#[derive(Debug, Clone)]
pub struct PathRecord {
    pub stat: Stat,
    /// Why the file cannot be read.
    pub quarantined: Option<String>,
    /// Of the file that was counted there last; a file that cannot be read leaves it as it is.
    pub content: Option<u128>,
}

impl LedgerChanges {
    pub fn set_path(&mut self, source: SourceId, path: &Path, record: PathRecord) {
        let key = (source, path.to_owned());
        let before = self.paths.get(&key).and_then(|record| record.as_ref()?.content);
        let content = record.content.or(before);
        self.paths.insert(key, Some(PathRecord { content, ..record }));
    }

    pub fn forget_path(&mut self, source: SourceId, path: &Path) {
        self.paths.insert((source, path.to_owned()), None);
    }

    pub fn set_counted(&mut self, source: SourceId, file: CountedFile) {
        self.sizes.insert((source, file.identity.size));
        self.counted.insert((source, file.identity.content), file);
    }

    /// Another file was written over the one with this content.
    pub fn supersede(&mut self, file: FileKey) {
        self.counted.remove(&file);
        self.superseded.insert(file);
    }

    pub fn path(&self, source: SourceId, path: &Path) -> LedgerEntry<'_, PathRecord> {
        if self.paths.is_empty() {
            return LedgerEntry::Unchanged;
        }
        match self.paths.get(&(source, path.to_owned())) {
            Some(Some(record)) => LedgerEntry::Set(record),
            Some(None) => LedgerEntry::Removed,
            None => LedgerEntry::Unchanged,
        }
    }

    pub fn counted(&self, file: FileKey) -> LedgerEntry<'_, CountedFile> {
        match self.counted.get(&file) {
            Some(counted) => LedgerEntry::Set(counted),
            None if self.superseded.contains(&file) => LedgerEntry::Removed,
            None => LedgerEntry::Unchanged,
        }
    }

    /// Whether a counted file may have this size.
    pub fn has_size(&self, source: SourceId, size: u64) -> bool {
        self.sizes.contains(&(source, size))
    }

    /// Paths of a source at which this says that a content is.
    pub fn paths_of(&self, file: FileKey) -> impl Iterator<Item = &Path> {
        let (source, content) = file;
        let own = self.paths.iter().filter(move |((own, _), _)| *own == source);
        own.filter(move |(_, record)| record.as_ref().is_some_and(|r| r.content == Some(content)))
            .map(|((_, path), _)| path.as_path())
    }

    pub fn paths(&self) -> impl Iterator<Item = (SourceId, &Path, Option<&PathRecord>)> {
        self.paths.iter().map(|((source, path), record)| (*source, path.as_path(), record.as_ref()))
    }

    pub fn all_counted(&self) -> impl Iterator<Item = (SourceId, &CountedFile)> {
        self.counted.iter().map(|((source, _), file)| (*source, file))
    }

    pub fn all_superseded(&self) -> impl Iterator<Item = FileKey> {
        self.superseded.iter().copied()
    }
}
