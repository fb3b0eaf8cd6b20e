//! What was counted before: answered from the state, from what is on its way to it, and from what
//! is pending, without waiting for any of them.
//!
//! Each of the three says something of a path or a content, or nothing; the newest that says
//! something is right.

use super::Journal;
use crate::error::{Fault, Result, StateError};
use crate::identity::Identity;
use crate::monitor::lateness::EarlierVersion;
use crate::source::{FileDelivery, OnRewrite};
use crate::store::commit::{Commit, FileKey, LedgerEntry, SourceId};
use std::path::{Path, PathBuf};

/// What the journal has of a file.
#[derive(Debug)]
pub enum Known {
    /// Its content was not counted; another may have been, at this path and no other.
    New { earlier: Option<Earlier> },
    /// Its content was counted at this path; the file was only touched.
    Touched(Identity),
    /// Its content was counted at another path, or at this one some time ago.
    Copy { identity: Identity, first: PathBuf, earlier: Option<Earlier> },
    /// It could not be read to the end.
    Unidentified(Fault),
}

/// The file that was at a path before.
#[derive(Debug)]
pub struct Earlier {
    pub content: u128,
    pub version: EarlierVersion,
}

impl Journal {
    /// What was counted of a file before. It is read to its end only where a file of its size was
    /// counted; no other can be a copy.
    pub fn known(&self, source: SourceId, rows: &FileDelivery) -> Result<Known, StateError> {
        let path = &rows.file.path;
        let here = self.content_at(source, path)?;
        let earlier = |journal: &Journal| match (here, rows.on_rewrite) {
            (Some(content), OnRewrite::Replace | OnRewrite::Ignore) => {
                journal.earlier(source, path, content)
            }
            _ => Ok(None),
        };
        if self.has_size(source, rows.file.stat.size)? {
            let identity = match rows.identity() {
                Ok(identity) => identity,
                Err(fault) => return Ok(Known::Unidentified(fault)),
            };
            if here == Some(identity.content) {
                return Ok(Known::Touched(identity));
            }
            if let Some(first) = self.first_path(source, &identity)? {
                return Ok(Known::Copy { identity, first, earlier: earlier(self)? });
            }
        }
        Ok(Known::New { earlier: earlier(self)? })
    }

    /// What is not in the state yet, newest first.
    fn ahead(&self) -> impl Iterator<Item = &Commit> {
        let writing = self.writing.as_ref().map(|writing| &*writing.commit);
        std::iter::once(&self.pending.commit).chain(writing)
    }

    fn has_size(&self, source: SourceId, size: u64) -> Result<bool, StateError> {
        let is_ahead = self.ahead().any(|commit| commit.ledger.has_size(source, size));
        if is_ahead { Ok(true) } else { self.store.has_size(source, size) }
    }

    fn content_at(&self, source: SourceId, path: &Path) -> Result<Option<u128>, StateError> {
        for commit in self.ahead() {
            match commit.ledger.path(source, path) {
                LedgerEntry::Removed => return Ok(None),
                LedgerEntry::Set(record) if record.content.is_some() => return Ok(record.content),
                // What cannot be read leaves what was counted before.
                LedgerEntry::Set(_) | LedgerEntry::Unchanged => {}
            }
        }
        self.store.content_at(source, path)
    }

    fn first_path(
        &self,
        source: SourceId,
        identity: &Identity,
    ) -> Result<Option<PathBuf>, StateError> {
        for commit in self.ahead() {
            match commit.ledger.counted((source, identity.content)) {
                LedgerEntry::Set(file) => return Ok(Some(file.path.clone())),
                LedgerEntry::Removed => return Ok(None),
                LedgerEntry::Unchanged => {}
            }
        }
        self.store.first_path(source, identity)
    }

    /// What a content added that is at this path and nowhere else.
    fn earlier(
        &self,
        source: SourceId,
        path: &Path,
        content: u128,
    ) -> Result<Option<Earlier>, StateError> {
        let file = (source, content);
        let ahead = self.ahead().flat_map(|commit| commit.ledger.paths_of(file));
        let mut others: Vec<PathBuf> = ahead.map(Path::to_owned).collect();
        others.extend(self.store.paths_of(file)?);
        for other in others.iter().filter(|other| *other != path) {
            if self.content_at(source, other)? == Some(content) {
                return Ok(None);
            }
        }
        Ok(Some(Earlier { content, version: self.version(file)? }))
    }

    /// What a content added; all of it was, or will be, committed at once.
    fn version(&self, file: FileKey) -> Result<EarlierVersion, StateError> {
        for commit in self.ahead() {
            if let LedgerEntry::Set(_) = commit.ledger.counted(file) {
                let own = commit.deltas.iter().filter(|delta| delta.file == Some(file));
                let rows = commit.file_rows.iter().filter(|rows| rows.file == file);
                return Ok(EarlierVersion {
                    panes: own.map(|delta| (delta.pane.clone(), delta.rows)).collect(),
                    rows: rows.map(|rows| (rows.start, rows.rows)).collect(),
                });
            }
        }
        Ok(EarlierVersion { panes: self.store.panes_of(file)?, rows: self.store.rows_of(file)? })
    }
}
