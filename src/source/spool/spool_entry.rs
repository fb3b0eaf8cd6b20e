//! What a spool keeps: rows that are written and read as one, and what became of them.

use crate::error::Error;
use crate::format::payload::TableForm;
use std::path::Path;

/// Bytes of an entry besides its rows.
pub const ENTRY_BYTES: u64 = 64;

/// How the rows of an entry are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryForm {
    /// Lines of JSON.
    Lines,
    /// Lines of JSON whose values are all strings.
    Texts,
    Table(TableForm),
}

impl EntryForm {
    const ALL: [(EntryForm, i64); 4] = [
        (EntryForm::Lines, 0),
        (EntryForm::Texts, 1),
        (EntryForm::Table(TableForm::Arrow), 2),
        (EntryForm::Table(TableForm::Parquet), 3),
    ];

    pub fn are_lines(self) -> bool {
        !matches!(self, EntryForm::Table(_))
    }

    pub fn code(self) -> i64 {
        let own = EntryForm::ALL.iter().find(|(form, _)| *form == self);
        own.expect("all are listed").1
    }

    pub fn of(code: i64) -> Option<EntryForm> {
        EntryForm::ALL.iter().find(|(_, own)| *own == code).map(|(form, _)| *form)
    }
}

/// Rows that are written and read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub form: EntryForm,
    /// When they happened that do not say so themselves.
    pub happened: Option<String>,
    pub rows: u64,
    pub bytes: Vec<u8>,
}

impl Entry {
    /// Bytes that it takes of the disk, about; SQL says the same.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64 + ENTRY_BYTES
    }
}

/// The rows of one event, which are kept together or not at all.
#[derive(Debug, Default)]
pub struct SpoolEvent {
    /// One that was seen is not kept again.
    pub id: Option<String>,
    pub entries: Vec<Entry>,
}

/// What became of the events of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Spooled {
    /// They are on the disk, but for those that were before: by event, whether it is new.
    Written(Vec<bool>),
    /// There is no room for them.
    Full,
    /// There never is: they are more than may wait.
    TooLarge,
}

/// Rows of one partition of a broker, after one offset and up to another.
#[derive(Debug)]
pub struct PreparedRows {
    pub partition: String,
    pub from: u64,
    pub to: u64,
    pub entries: Vec<Entry>,
}

/// Rows that are on the disk, and of which it is not known whether they are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    pub partition: String,
    /// Offsets of the broker.
    pub from: u64,
    pub to: u64,
    /// Positions of the spool.
    pub first: u64,
    pub last: u64,
}

pub fn failure(path: &Path, error: &rusqlite::Error) -> Error {
    Error::new(format!("spool {}: {error}", path.display()))
}
