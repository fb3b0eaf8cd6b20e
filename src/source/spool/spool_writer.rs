//! The thread that writes a spool: whatever waits is one transaction.

use super::exchanges::{self, Released};
use super::spool_entry::{Entry, PreparedRows, SpoolEvent, Spooled, Unsettled, failure};
use crate::error::{Error, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use xxhash_rust::xxh3::xxh3_128;

/// Requests that are written together, at most.
const GROUP_MAX: usize = 256;

/// How often it is looked whether something has waited for long enough.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is set of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolLimits {
    pub bytes_max: u64,
    /// How long an id is remembered.
    pub dedupe: Duration,
    /// How long a request waits for its response.
    pub response_wait: Duration,
}

/// What the writer and all others know.
#[derive(Default)]
pub struct WriterState {
    pub bytes: AtomicU64,
    pub bytes_max: AtomicU64,
    pub dedupe_seconds: AtomicU64,
    pub response_seconds: AtomicU64,
    /// Something waits for its other side.
    pub has_waiting: AtomicBool,
    /// Requests that were not answered, and responses to nothing.
    pub unanswered: AtomicU64,
    pub unmatched: AtomicU64,
    /// The last position that is in use or was, besides what is not settled.
    pub last: AtomicU64,
}

impl WriterState {
    pub fn set_limits(&self, limits: SpoolLimits) {
        self.bytes_max.store(limits.bytes_max, Ordering::Relaxed);
        self.dedupe_seconds.store(limits.dedupe.as_secs(), Ordering::Relaxed);
        self.response_seconds.store(limits.response_wait.as_secs(), Ordering::Relaxed);
    }

    /// As the file has it.
    pub fn of(connection: &Connection) -> rusqlite::Result<WriterState> {
        let state = WriterState::default();
        let bytes: i64 = connection.query_row(
            "SELECT coalesce(sum(length(bytes) + 64), 0) FROM entry",
            [],
            |row| row.get(0),
        )?;
        let waiting = exchanges::bytes(connection)?;
        state.bytes.store(bytes as u64 + waiting, Ordering::Relaxed);
        state.has_waiting.store(waiting > 0, Ordering::Relaxed);
        let first = prepared(connection)?.iter().map(|own| own.first).min();
        let last = match first {
            Some(first) => first - 1,
            None => last_used(connection)?,
        };
        state.last.store(last, Ordering::Release);
        Ok(state)
    }
}

fn last_used(connection: &Connection) -> rusqlite::Result<u64> {
    let sequence = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entry'), 0)";
    connection.query_row(sequence, [], |row| row.get::<_, i64>(0)).map(|last| last as u64)
}

/// What was prepared and not settled.
pub fn prepared(connection: &Connection) -> rusqlite::Result<Vec<Unsettled>> {
    let mut statement = connection
        .prepare_cached("SELECT partition, from_offset, to_offset, first, last FROM prepared")?;
    let rows = statement.query_map([], |row| {
        let number = |column| row.get::<_, i64>(column).map(|own| own as u64);
        let (from, to, first, last) = (number(1)?, number(2)?, number(3)?, number(4)?);
        Ok(Unsettled { partition: row.get(0)?, from, to, first, last })
    })?;
    rows.collect()
}

/// What a writer is told to do.
pub enum Order {
    /// With the room in memory that the events take until then.
    Append(Vec<SpoolEvent>, OwnedSemaphorePermit, oneshot::Sender<Result<Spooled>>),
    /// Up to this position all is counted.
    Forget(u64),
    /// Rows that nobody reads until they are settled.
    Prepare(Vec<PreparedRows>, Sender<Result<bool>>),
    /// Which partitions of what was prepared are ours.
    Settle(Vec<String>, Sender<Result<()>>),
}

/// Writes one spool.
pub struct SpoolWriter {
    pub connection: Connection,
    /// Up to there all is counted, and what is counted is to be deleted.
    pub counted: Option<u64>,
    pub shared: Arc<WriterState>,
    pub path: PathBuf,
    /// More has waited for long enough than was let go.
    pub are_overdue: bool,
}

impl SpoolWriter {
    /// Writes what is ordered, until nobody can order anything.
    pub fn run(mut self, waiting: &Receiver<Order>, on_rows: impl Fn()) {
        while let Some(first) = self.next(waiting) {
            let (mut appends, mut rooms) = (Vec::new(), Vec::new());
            let rest = waiting.try_iter().take(GROUP_MAX);
            for order in first.into_iter().chain(rest) {
                match order {
                    Order::Append(events, room, answer) => {
                        rooms.push(room);
                        appends.push((events, answer));
                    }
                    Order::Forget(position) => self.counted = self.counted.max(Some(position)),
                    Order::Prepare(rows, answer) => {
                        let written = self.prepare(&rows);
                        let _ = answer.send(written.map_err(|e| failure(&self.path, &e)));
                    }
                    Order::Settle(ours, answer) => {
                        let settled = self.settle(&ours);
                        on_rows();
                        let _ = answer.send(settled.map_err(|e| failure(&self.path, &e)));
                    }
                }
            }
            let (events, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
            match self.write(&events) {
                Ok(kept) => {
                    self.counted = None;
                    // Who was told has rows that can be read.
                    on_rows();
                    for (kept, answer) in kept.into_iter().zip(answers) {
                        let _ = answer.send(Ok(kept));
                    }
                }
                Err(error) => {
                    let text = failure(&self.path, &error).to_string();
                    tracing::error!(error = text, "rows were not written, and not taken");
                    for answer in answers {
                        let _ = answer.send(Err(Error::new(&text)));
                    }
                }
            }
        }
    }

    /// What is ordered next; nothing when it is time to look at what waits. None when nobody can
    /// order anything.
    fn next(&self, waiting: &Receiver<Order>) -> Option<Option<Order>> {
        if !self.shared.has_waiting.load(Ordering::Relaxed) {
            return waiting.recv().ok().map(Some);
        }
        let pause = if self.are_overdue { Duration::ZERO } else { LOOK_EVERY };
        match waiting.recv_timeout(pause) {
            Ok(order) => Some(Some(order)),
            Err(RecvTimeoutError::Timeout) => Some(None),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }

    /// One transaction. Nothing of it is there when it fails.
    fn write(&mut self, requests: &[Vec<SpoolEvent>]) -> rusqlite::Result<Vec<Spooled>> {
        let SpoolWriter { connection, shared, counted, are_overdue, .. } = self;
        let bytes_max = shared.bytes_max.load(Ordering::Relaxed);
        let transaction = connection.transaction()?;
        let mut disk = Disk {
            bytes: shared.bytes.load(Ordering::Relaxed),
            last: shared.last.load(Ordering::Relaxed),
            unanswered: 0,
            unmatched: 0,
        };
        if let Some(position) = *counted {
            disk.bytes = forget(&transaction, position, disk.bytes)?;
        }
        let seconds = shared.dedupe_seconds.load(Ordering::Relaxed) as i64;
        transaction.execute("DELETE FROM seen WHERE at < unixepoch() - ?1", [seconds])?;
        if shared.has_waiting.load(Ordering::Relaxed) {
            let seconds = shared.response_seconds.load(Ordering::Relaxed);
            let overdue = exchanges::overdue(&transaction, seconds)?;
            *are_overdue = overdue.are_more;
            disk.release(&transaction, overdue)?;
        }
        let mut kept = Vec::new();
        for events in requests {
            let entries = || events.iter().flat_map(|event| &event.entries);
            let own: u64 = entries().map(Entry::size).sum();
            if own > bytes_max {
                kept.push(Spooled::TooLarge);
                continue;
            }
            if disk.bytes + own > bytes_max && !are_awaited(&transaction, events)? {
                kept.push(Spooled::Full);
                continue;
            }
            let mut are_new = Vec::new();
            for event in events {
                let is_new = note(&transaction, event)?;
                are_new.push(is_new);
                if is_new {
                    disk.keep(&transaction, event)?;
                }
            }
            kept.push(Spooled::Written(are_new));
        }
        let has_waiting = "SELECT EXISTS (SELECT * FROM waiting)";
        let has_waiting = transaction.query_row(has_waiting, [], |row| row.get(0))?;
        transaction.commit()?;
        shared.has_waiting.store(has_waiting, Ordering::Relaxed);
        shared.bytes.store(disk.bytes, Ordering::Relaxed);
        shared.unanswered.fetch_add(disk.unanswered, Ordering::Relaxed);
        shared.unmatched.fetch_add(disk.unmatched, Ordering::Relaxed);
        shared.last.store(disk.last, Ordering::Release);
        Ok(kept)
    }
}

impl SpoolWriter {
    /// One transaction. Whether there was room; what is alone may be as large as it is.
    fn prepare(&mut self, rows: &[PreparedRows]) -> rusqlite::Result<bool> {
        let SpoolWriter { connection, shared, counted, .. } = self;
        let mut bytes = shared.bytes.load(Ordering::Relaxed);
        let transaction = connection.transaction()?;
        if let Some(position) = *counted {
            bytes = forget(&transaction, position, bytes)?;
        }
        let own: u64 = rows.iter().flat_map(|own| &own.entries).map(Entry::size).sum();
        let is_full = bytes > 0 && bytes + own > shared.bytes_max.load(Ordering::Relaxed);
        for PreparedRows { partition, from, to, entries } in rows.iter().filter(|_| !is_full) {
            let (first, mut last) = (last_used(&transaction)? + 1, last_used(&transaction)?);
            for entry in entries {
                last = insert(&transaction, entry)?;
            }
            transaction.execute(
                "INSERT INTO prepared VALUES (?1, ?2, ?3, ?4, ?5)",
                params![partition, *from as i64, *to as i64, first as i64, last as i64],
            )?;
        }
        transaction.commit()?;
        *counted = None;
        shared.bytes.store(if is_full { bytes } else { bytes + own }, Ordering::Relaxed);
        Ok(!is_full)
    }

    /// One transaction.
    fn settle(&mut self, ours: &[String]) -> rusqlite::Result<()> {
        let SpoolWriter { connection, shared, .. } = self;
        let transaction = connection.transaction()?;
        let mut gone = 0;
        for Unsettled { partition, first, last, .. } in prepared(&transaction)? {
            if !ours.contains(&partition) {
                let range = params![first as i64, last as i64];
                gone += transaction.query_row(
                    "SELECT coalesce(sum(length(bytes) + 64), 0) FROM entry
                     WHERE position BETWEEN ?1 AND ?2",
                    range,
                    |row| row.get::<_, i64>(0),
                )? as u64;
                let delete = "DELETE FROM entry WHERE position BETWEEN ?1 AND ?2";
                transaction.execute(delete, range)?;
            }
        }
        transaction.execute("DELETE FROM prepared", [])?;
        let last = last_used(&transaction)?;
        transaction.commit()?;
        let bytes = shared.bytes.load(Ordering::Relaxed).saturating_sub(gone);
        shared.bytes.store(bytes, Ordering::Relaxed);
        shared.last.store(last, Ordering::Release);
        Ok(())
    }
}

/// Whether the other sides of all events wait, and would make room.
fn are_awaited(transaction: &Connection, events: &[SpoolEvent]) -> rusqlite::Result<bool> {
    let mut all = !events.is_empty();
    for event in events {
        let Some(exchange) = &event.exchange else { return Ok(false) };
        all &= exchanges::is_awaited(transaction, exchange)?;
    }
    Ok(all)
}

/// What a transaction makes of the disk.
struct Disk {
    bytes: u64,
    last: u64,
    unanswered: u64,
    unmatched: u64,
}

impl Disk {
    fn keep(&mut self, transaction: &Connection, event: &SpoolEvent) -> rusqlite::Result<()> {
        for entry in &event.entries {
            match &event.exchange {
                Some(exchange) => {
                    let released = exchanges::meet(transaction, exchange, entry)?;
                    if !released.has_met {
                        self.bytes += entry.size();
                    }
                    self.release(transaction, released)?;
                }
                None => self.insert(transaction, entry)?,
            }
        }
        Ok(())
    }

    /// Rows that waited are to be read.
    fn release(&mut self, transaction: &Connection, released: Released) -> rusqlite::Result<()> {
        self.bytes -= released.bytes.min(self.bytes);
        self.unanswered += released.unanswered;
        self.unmatched += released.unmatched;
        released.entries.iter().try_for_each(|entry| self.insert(transaction, entry))
    }

    fn insert(&mut self, transaction: &Connection, entry: &Entry) -> rusqlite::Result<()> {
        self.last = insert(transaction, entry)?;
        self.bytes += entry.size();
        Ok(())
    }
}

/// Deletes what is counted up to a position. Bytes that are left of so many.
fn forget(transaction: &Connection, position: u64, bytes: u64) -> rusqlite::Result<u64> {
    let own: i64 = transaction.query_row(
        "SELECT coalesce(sum(length(bytes) + 64), 0) FROM entry WHERE position <= ?1",
        [position as i64],
        |row| row.get(0),
    )?;
    transaction.execute("DELETE FROM entry WHERE position <= ?1", [position as i64])?;
    // Whoever wrote to it before may have deleted some of them.
    let is_empty = "SELECT NOT EXISTS (SELECT * FROM entry)
                    AND NOT EXISTS (SELECT * FROM waiting)";
    match transaction.query_row(is_empty, [], |row| row.get(0))? {
        true => Ok(0),
        false => Ok(bytes.saturating_sub(own as u64)),
    }
}

/// Remembers the id of an event. Whether it is new.
fn note(transaction: &Connection, event: &SpoolEvent) -> rusqlite::Result<bool> {
    let Some(id) = &event.id else { return Ok(true) };
    let id = xxh3_128(id.as_bytes()).to_be_bytes();
    let mut known = transaction.prepare_cached("SELECT 1 FROM seen WHERE id = ?1")?;
    if known.query_row([id], |_| Ok(())).optional()?.is_some() {
        return Ok(false);
    }
    let mut seen = transaction.prepare_cached("INSERT INTO seen VALUES (?1, unixepoch())")?;
    seen.execute([id])?;
    Ok(true)
}

fn insert(transaction: &Connection, entry: &Entry) -> rusqlite::Result<u64> {
    let Entry { form, happened, rows, bytes } = entry;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO entry (form, happened, rows, bytes) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let position = statement.insert(params![form.code(), happened, *rows as i64, bytes])?;
    Ok(position as u64)
}
