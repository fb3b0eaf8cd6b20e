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
    /// There may be more of it.
    pub are_more: bool,
    /// Requests that were not answered, or not row by row, and responses to nothing.
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
        let (own, is_answered) = together(request, response);
        released.unanswered = u64::from(!is_answered);
        released.entries = own.split();
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

/// Whether the other side of an exchange waits.
pub fn is_awaited(connection: &Connection, exchange: &Exchange) -> rusqlite::Result<bool> {
    let (id, side) = (xxh3_128(exchange.id.as_bytes()).to_be_bytes(), exchange.side.other());
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM waiting WHERE exchange = ?1 AND side = ?2")?;
    statement.query_row(params![id, side.code()], |_| Ok(())).optional().map(|own| own.is_some())
}

/// What has waited for longer than so many seconds, as much as is read at a time, oldest first.
pub fn overdue(connection: &Connection, seconds: u64) -> rusqlite::Result<Released> {
    let mut released = Released::default();
    let mut places = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT rowid, side, form, happened, rows, bytes FROM waiting
         WHERE at < unixepoch() - ?1 ORDER BY at, rowid LIMIT ?2",
    )?;
    let mut rows = statement.query([seconds as i64, OVERDUE_MAX as i64])?;
    while let Some(row) = rows.next()? {
        let side = if row.get::<_, i64>(1)? == 0 { Side::Request } else { Side::Response };
        places.push(row.get::<_, i64>(0)?);
        released.let_go(side, entry(row, 2)?);
        if released.bytes >= OVERDUE_BYTES_MAX {
            break;
        }
    }
    drop(rows);
    released.are_more = places.len() == OVERDUE_MAX || released.bytes >= OVERDUE_BYTES_MAX;
    let mut delete = connection.prepare_cached("DELETE FROM waiting WHERE rowid = ?1")?;
    for place in places {
        delete.execute([place])?;
    }
    Ok(released)
}

/// What is overdue and let go at a time.
const OVERDUE_MAX: usize = 4_096;
const OVERDUE_BYTES_MAX: u64 = 32 << 20;

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

/// The rows of a request with what was answered, and whether they have it: an answer of other rows
/// is none.
fn together(request: Entry, response: &Entry) -> (Entry, bool) {
    match joined(&request.bytes, &response.bytes) {
        Some(bytes) => (Entry { bytes, ..request }, true),
        None => (request, false),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// However much is due, all of it is let go, and each once.
    #[test]
    fn what_is_overdue_is_let_go_part_by_part() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let entry = |n: usize| Entry {
            form: EntryForm::Lines,
            happened: None,
            rows: 1,
            bytes: format!("{{\"x\":{n}}}\n").into_bytes(),
        };
        let all = OVERDUE_MAX + 100;
        for n in 0..all {
            let exchange = Exchange { id: n.to_string(), side: Side::Request };
            assert!(!meet(&connection, &exchange, &entry(n)).unwrap().has_met);
        }
        assert!(overdue(&connection, 60).unwrap().entries.is_empty());
        connection.execute("UPDATE waiting SET at = at - 100", []).unwrap();
        let (first, second) =
            (overdue(&connection, 60).unwrap(), overdue(&connection, 60).unwrap());
        assert_eq!((first.entries.len(), first.are_more), (OVERDUE_MAX, true));
        assert_eq!((second.entries.len(), second.are_more), (100, false));
        assert_eq!(first.unanswered + second.unanswered, all as u64);
        let found: Vec<Entry> = first.entries.into_iter().chain(second.entries).collect();
        assert_eq!(found, (0..all).map(entry).collect::<Vec<_>>());
        assert_eq!(bytes(&connection).unwrap(), 0);
        assert_eq!(first.bytes + second.bytes, found.iter().map(Entry::size).sum::<u64>());
    }
}
