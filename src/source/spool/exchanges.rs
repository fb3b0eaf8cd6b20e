//! Requests that wait on the disk for what was answered, and responses whose request is not there
//! yet: whichever comes second makes a row of both.

use super::spool_entry::{ENTRY_BYTES, Entry, EntryForm, Exchange, Side};
use crate::format::payload::joined;
use rusqlite::{Connection, OptionalExtension, Row, params};
use xxhash_rust::xxh3::xxh3_128;

/// What no longer waits.
#[derive(Debug, Default)]
pub struct Released {
    /// Rows that are now to be counted.
    pub entries: Vec<Entry>,
    /// Both sides are there.
    pub has_met: bool,
    /// Bytes that it took while it waited.
    pub bytes: u64,
    /// Requests that were not answered, and responses to nothing.
    pub unanswered: u64,
    pub unmatched: u64,
}

pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS waiting (
        exchange BLOB NOT NULL,
        side INTEGER NOT NULL,
        at INTEGER NOT NULL,
        form INTEGER NOT NULL,
        happened TEXT,
        rows INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (exchange, side)
    );
    CREATE INDEX IF NOT EXISTS waiting_at ON waiting (at);
";

/// Bytes of all that waits.
pub fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let sum = "SELECT coalesce(sum(length(bytes) + 64), 0) FROM waiting";
    connection.query_row(sum, [], |row| row.get::<_, i64>(0)).map(|bytes| bytes as u64)
}

/// Takes one side of an exchange: it waits, or its other side waited for it.
pub fn meet(
    connection: &Connection,
    exchange: &Exchange,
    entry: &Entry,
) -> rusqlite::Result<Released> {
    let (id, side) = (xxh3_128(exchange.id.as_bytes()).to_be_bytes(), exchange.side);
    let mut released = Released::default();
    if let Some(other) = take(connection, &id, side.other())? {
        (released.has_met, released.bytes) = (true, other.size());
        let (request, response) = match side {
            Side::Request => (entry.clone(), &other),
            Side::Response => (other, entry),
        };
        released.entries = together(request, response).split();
        return Ok(released);
    }
    // Another use of the same id.
    if let Some(before) = take(connection, &id, side)? {
        released.let_go(side, before);
    }
    let Entry { form, happened, rows, bytes } = entry;
    let mut statement = connection
        .prepare_cached("INSERT INTO waiting VALUES (?1, ?2, unixepoch(), ?3, ?4, ?5, ?6)")?;
    statement.execute(params![id, side.code(), form.code(), happened, *rows as i64, bytes])?;
    Ok(released)
}

/// What has waited for longer than so many seconds.
pub fn overdue(connection: &Connection, seconds: u64) -> rusqlite::Result<Released> {
    let before = "at < unixepoch() - ?1";
    let mut statement = connection.prepare_cached(&format!(
        "SELECT side, form, happened, rows, bytes FROM waiting WHERE {before} ORDER BY at, rowid"
    ))?;
    let mut rows = statement.query([seconds as i64])?;
    let mut released = Released::default();
    while let Some(row) = rows.next()? {
        let side = if row.get::<_, i64>(0)? == 0 { Side::Request } else { Side::Response };
        released.let_go(side, entry(row, 1)?);
    }
    drop(rows);
    let mut delete = connection.prepare_cached(&format!("DELETE FROM waiting WHERE {before}"))?;
    delete.execute([seconds as i64])?;
    Ok(released)
}

impl Released {
    /// A request counts by itself, and a response does not.
    fn let_go(&mut self, side: Side, own: Entry) {
        self.bytes += own.size();
        match side {
            Side::Request => {
                self.unanswered += 1;
                self.entries.extend(own.split());
            }
            Side::Response => self.unmatched += 1,
        }
    }
}

/// The rows of a request with what was answered; without, where that has other rows.
fn together(request: Entry, response: &Entry) -> Entry {
    let Some(bytes) = joined(&request.bytes, &response.bytes) else { return request };
    let are_texts = [request.form, response.form].contains(&EntryForm::Texts);
    let form = if are_texts { EntryForm::Texts } else { EntryForm::Lines };
    Entry { form, bytes, ..request }
}

fn take(connection: &Connection, id: &[u8], side: Side) -> rusqlite::Result<Option<Entry>> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM waiting WHERE exchange = ?1 AND side = ?2
         RETURNING form, happened, rows, bytes",
    )?;
    statement.query_row(params![id, side.code()], |row| entry(row, 0)).optional()
}

/// The entry whose columns begin there.
fn entry(row: &Row<'_>, first: usize) -> rusqlite::Result<Entry> {
    let form = EntryForm::of(row.get(first)?).unwrap_or(EntryForm::Lines);
    let rows = row.get::<_, i64>(first + 2)? as u64;
    Ok(Entry { form, happened: row.get(first + 1)?, rows, bytes: row.get(first + 3)? })
}

const _: () = assert!(ENTRY_BYTES == 64, "SQL says so");
