//! What a spool keeps: rows that are written and read as one, and what became of them.

use crate::error::Error;
use crate::format::payload::TableForm;
use memchr::memchr_iter;
use std::ops::Range;
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

    /// Lines in entries of so many rows and bytes as are read as one.
    pub fn split(self) -> Vec<Entry> {
        if self.rows <= PIECE_ROWS as u64 && self.bytes.len() <= PIECE_BYTES {
            return vec![self];
        }
        let ends: Vec<usize> = memchr_iter(b'\n', &self.bytes).map(|end| end + 1).collect();
        let pieces = pieces(&ends).into_iter();
        let own = |(range, rows): (Range<usize>, u64)| Entry {
            form: self.form,
            happened: self.happened.clone(),
            rows,
            bytes: self.bytes[range].to_vec(),
        };
        pieces.map(own).collect()
    }
}

/// Rows and bytes that are read as one.
pub const PIECE_ROWS: usize = 1_024;
pub const PIECE_BYTES: usize = 1 << 20;

/// Lines that end there in pieces of so many rows and bytes, with the rows of each.
pub fn pieces(ends: &[usize]) -> Vec<(Range<usize>, u64)> {
    let (mut pieces, mut begun, mut rows) = (Vec::new(), 0, 0);
    for (number, end) in ends.iter().enumerate() {
        rows += 1;
        let next = ends.get(number + 1);
        if rows as usize == PIECE_ROWS || next.is_none_or(|next| next - begun > PIECE_BYTES) {
            pieces.push((begun..*end, rows));
            (begun, rows) = (*end, 0);
        }
    }
    pieces
}

/// The two sides of an inference, which both carry its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub id: String,
    pub side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Request,
    Response,
}

impl Side {
    /// As SQL has it.
    pub fn code(self) -> i64 {
        match self {
            Side::Request => 0,
            Side::Response => 1,
        }
    }

    pub fn other(self) -> Side {
        match self {
            Side::Request => Side::Response,
            Side::Response => Side::Request,
        }
    }
}

/// The rows of one event, which are kept together or not at all.
#[derive(Debug, Default)]
pub struct SpoolEvent {
    /// One that was seen is not kept again.
    pub id: Option<String>,
    /// It waits for its other side, and has one entry.
    pub exchange: Option<Exchange>,
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
