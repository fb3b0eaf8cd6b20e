//! Rows on the disk, from the moment that their sender was told that they are taken until the state
//! has them counted.
//!
//! One SQLite file for each source. A thread writes to it: whatever waits is one transaction, which
//! is on the disk before any of its senders is answered. The position of a row is its number in the
//! file, and never used again; what was counted is remembered by the state as a position, in the
//! transaction of the counts, so that after a crash each row counts once.
//!
//! Rows of which somebody else decides whether they are ours are prepared first: they are on the
//! disk, and nobody reads them until they are settled.

use super::exchanges;
use super::spool_entry::{Entry, EntryForm, PreparedRows, SpoolEvent, Spooled, Unsettled, failure};
use super::spool_writer::{Order, SpoolLimits, SpoolWriter, WriterState, prepared};
use crate::error::{Error, Result};
use crossbeam_channel::{Sender, bounded, unbounded};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Entries that are looked at together, at most.
const READ_MAX: u64 = 256;

/// How long one connection waits for the other.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The rows of one source that wait on the disk.
pub struct Spool {
    pub path: PathBuf,
    /// What its positions are known by in the state.
    pub partition: String,
    /// None once it is closed.
    orders: Option<Sender<Order>>,
    writer: Option<JoinHandle<()>>,
    reader: Mutex<Connection>,
    shared: Arc<WriterState>,
}

impl Spool {
    /// Opens the file, or makes it. `on_rows` is called when there are new rows.
    pub fn open(
        path: &Path,
        limits: SpoolLimits,
        on_rows: impl Fn() + Send + 'static,
    ) -> Result<Spool> {
        let failed = |error: rusqlite::Error| failure(path, &error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
        }
        let connection = connect(path).map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
        connection.execute_batch(exchanges::SCHEMA).map_err(failed)?;
        let partition: String =
            connection.query_row("SELECT name FROM spool", [], |row| row.get(0)).map_err(failed)?;
        let shared = Arc::new(WriterState::of(&connection).map_err(failed)?);
        shared.set_limits(limits);
        let (orders, waiting) = unbounded();
        let reader = Mutex::new(connect(path).map_err(failed)?);
        let (counted, own) = (None, Arc::clone(&shared));
        let writer = SpoolWriter {
            connection,
            counted,
            shared: own,
            path: path.to_owned(),
            are_overdue: false,
        };
        let writer = std::thread::Builder::new()
            .name("driftd-spool".into())
            .spawn(move || writer.run(&waiting, on_rows))
            .map_err(|error| Error::new(format!("no thread for a spool: {error}")))?;
        let (orders, writer, path) = (Some(orders), Some(writer), path.to_owned());
        Ok(Spool { path, partition, orders, writer, reader, shared })
    }

    pub fn set_limits(&self, limits: SpoolLimits) {
        self.shared.set_limits(limits);
    }

    /// Writes the events of a request. The answer comes when they are on the disk.
    pub async fn append(
        &self,
        events: Vec<SpoolEvent>,
        room: OwnedSemaphorePermit,
    ) -> Result<Spooled> {
        let (answer, written) = oneshot::channel();
        let gone = || Error::new("the spool is not written any more");
        self.order(Order::Append(events, room, answer)).ok_or_else(gone)?;
        written.await.map_err(|_| gone())?
    }

    /// Whether so many bytes may wait besides what does; what is alone may be as large as it is.
    pub fn has_room(&self, bytes: u64) -> bool {
        let waiting = self.bytes();
        waiting == 0 || waiting + bytes <= self.shared.bytes_max.load(Ordering::Relaxed)
    }

    /// Writes rows that nobody reads before they are settled. Whether there was room for them.
    pub fn prepare(&self, rows: Vec<PreparedRows>) -> Result<bool> {
        let (answer, written) = bounded(1);
        let gone = || Error::new("the spool is not written any more");
        self.order(Order::Prepare(rows, answer)).ok_or_else(gone)?;
        written.recv().map_err(|_| gone())?
    }

    /// What was prepared and not settled.
    pub fn unsettled(&self) -> Result<Vec<Unsettled>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        prepared(&reader).map_err(|error| failure(&self.path, &error))
    }

    /// Of what was prepared, the rows of these partitions are ours, and all others are forgotten.
    pub fn settle(&self, ours: Vec<String>) -> Result<()> {
        let (answer, written) = bounded(1);
        let gone = || Error::new("the spool is not written any more");
        self.order(Order::Settle(ours, answer)).ok_or_else(gone)?;
        written.recv().map_err(|_| gone())?
    }

    /// Up to this position all is counted, and the state has it.
    pub fn forget(&self, position: u64) {
        // Without a writer the next start forgets it.
        let _ = self.order(Order::Forget(position));
    }

    /// None when there is nobody to follow it.
    fn order(&self, order: Order) -> Option<()> {
        self.orders.as_ref()?.send(order).ok()
    }

    /// The last position that is in use or was, besides what is not settled.
    pub fn last(&self) -> u64 {
        self.shared.last.load(Ordering::Acquire)
    }

    /// Requests that were not answered since this was asked last, and responses to nothing.
    pub fn take_unmet(&self) -> (u64, u64) {
        let WriterState { unanswered, unmatched, .. } = &*self.shared;
        (unanswered.swap(0, Ordering::Relaxed), unmatched.swap(0, Ordering::Relaxed))
    }

    /// Bytes of rows that wait.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// The entries after a position, in their order: as many as `is_enough` is not told of, and at
    /// least one if there is one.
    pub fn read(
        &self,
        after: u64,
        mut is_enough: impl FnMut(&Entry) -> bool,
    ) -> Result<Vec<(u64, Entry)>> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = || -> rusqlite::Result<Vec<(u64, Entry)>> {
            let mut statement = reader.prepare_cached(
                "SELECT position, form, happened, rows, bytes FROM entry
                 WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
            )?;
            let mut rows =
                statement.query(params![after as i64, self.last() as i64, READ_MAX as i64])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                let form = EntryForm::of(row.get(1)?).unwrap_or(EntryForm::Lines);
                let (happened, n_rows) = (row.get(2)?, row.get::<_, i64>(3)? as u64);
                let entry = Entry { form, happened, rows: n_rows, bytes: row.get(4)? };
                if is_enough(&entry) && !entries.is_empty() {
                    break;
                }
                entries.push((row.get::<_, i64>(0)? as u64, entry));
            }
            Ok(entries)
        };
        read().map_err(|error| failure(&self.path, &error))
    }
}

impl Drop for Spool {
    /// Waits until all is written that was ordered.
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

/// The name is drawn when the file is made: a file that takes the place of another begins to count
/// anew, and the state must not take its rows for those of the other.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS spool (name TEXT NOT NULL);
    INSERT INTO spool SELECT 'spool ' || lower(hex(randomblob(8)))
        WHERE NOT EXISTS (SELECT * FROM spool);
    CREATE TABLE IF NOT EXISTS entry (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        form INTEGER NOT NULL,
        happened TEXT,
        rows INTEGER NOT NULL,
        bytes BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS seen (id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS seen_at ON seen (at);
    CREATE TABLE IF NOT EXISTS prepared (
        partition TEXT NOT NULL,
        from_offset INTEGER NOT NULL,
        to_offset INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL
    );
";

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The log is on the disk with every transaction.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::super::spool_entry::{ENTRY_BYTES, Exchange, Side};
    use super::*;

    const LIMITS: SpoolLimits = SpoolLimits {
        bytes_max: 1_000,
        dedupe: Duration::from_secs(600),
        response_wait: Duration::from_secs(1),
    };

    fn room() -> OwnedSemaphorePermit {
        let room = Arc::new(tokio::sync::Semaphore::new(0));
        room.try_acquire_many_owned(0).unwrap()
    }

    fn event(id: Option<&str>, texts: &[&str]) -> SpoolEvent {
        let entry = |text: &&str| Entry {
            form: EntryForm::Lines,
            happened: None,
            rows: 1,
            bytes: text.as_bytes().to_vec(),
        };
        SpoolEvent {
            id: id.map(str::to_owned),
            exchange: None,
            entries: texts.iter().map(entry).collect(),
        }
    }

    fn texts(spool: &Spool, after: u64) -> Vec<(u64, String)> {
        let entries = spool.read(after, |_| false).unwrap().into_iter();
        entries.map(|(at, entry)| (at, String::from_utf8(entry.bytes).unwrap())).collect()
    }

    #[tokio::test]
    async fn what_was_taken_is_there_after_a_start_and_an_id_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/rows.db");
        let spool = Spool::open(&path, LIMITS, || ()).unwrap();
        let kept = spool.append(vec![event(Some("a"), &["1", "2"]), event(None, &["3"])], room());
        assert_eq!(kept.await.unwrap(), Spooled::Written(vec![true, true]));
        let kept =
            spool.append(vec![event(Some("a"), &["1", "2"]), event(Some("b"), &["4"])], room());
        assert_eq!(kept.await.unwrap(), Spooled::Written(vec![false, true]));
        let partition = spool.partition.clone();
        drop(spool);
        let spool = Spool::open(&path, LIMITS, || ()).unwrap();
        assert_eq!((spool.partition.clone(), spool.last()), (partition, 4));
        let kept = spool.append(vec![event(Some("a"), &["1"])], room()).await.unwrap();
        assert_eq!(kept, Spooled::Written(vec![false]));
        let all = [(1, "1"), (2, "2"), (3, "3"), (4, "4")];
        assert_eq!(texts(&spool, 0), all.map(|(at, text)| (at, text.to_owned())));
        assert_eq!(spool.read(1, |_| true).unwrap().len(), 1);
    }

    /// A spool that is full of requests takes what was answered to them, and nothing else.
    #[tokio::test]
    async fn responses_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(&folder.path().join("rows.db"), LIMITS, || ()).unwrap();
        let side = |id: &str, side, text: &str| {
            let exchange = Some(Exchange { id: id.to_owned(), side });
            vec![SpoolEvent { exchange, ..event(None, &[text]) }]
        };
        let request = format!("{{\"x\":\"{}\"}}\n", "a".repeat(800));
        let kept = spool.append(side("1", Side::Request, &request), room()).await.unwrap();
        assert_eq!((kept, spool.last()), (Spooled::Written(vec![true]), 0));
        let waiting = spool.bytes();
        let other = spool.append(side("2", Side::Response, &request), room()).await.unwrap();
        assert_eq!(other, Spooled::Full);
        let response = format!("{{\"p\":\"{}\"}}\n", "b".repeat(200));
        let kept = spool.append(side("1", Side::Response, &response), room()).await.unwrap();
        assert_eq!((kept, spool.last()), (Spooled::Written(vec![true]), 1));
        let row = format!("{},{}", &response[..response.len() - 2], &request[1..]);
        assert_eq!(texts(&spool, 0), [(1, row)]);
        assert_eq!(spool.bytes(), waiting + response.len() as u64 - 2);
        spool.forget(1);
        assert_eq!(spool.append(vec![], room()).await.unwrap(), Spooled::Written(vec![]));
        assert_eq!(spool.bytes(), 0);
    }

    #[tokio::test]
    async fn what_is_counted_makes_room_and_no_position_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.db");
        let spool = Spool::open(&path, LIMITS, || ()).unwrap();
        let long = "x".repeat(600);
        let append =
            async |spool: &Spool| spool.append(vec![event(None, &[&long])], room()).await.unwrap();
        assert_eq!(append(&spool).await, Spooled::Written(vec![true]));
        assert_eq!(append(&spool).await, Spooled::Full);
        let more = "x".repeat(2_000);
        let kept = spool.append(vec![event(None, &[&more])], room()).await.unwrap();
        assert_eq!(kept, Spooled::TooLarge);
        assert_eq!(spool.bytes(), 600 + ENTRY_BYTES);
        spool.forget(1);
        assert_eq!(append(&spool).await, Spooled::Written(vec![true]));
        spool.forget(2);
        drop(spool);
        let spool = Spool::open(&path, LIMITS, || ()).unwrap();
        assert_eq!(append(&spool).await, Spooled::Written(vec![true]));
        assert_eq!(texts(&spool, 0), [(3, long.clone())]);
        // Another file is another partition.
        let other = Spool::open(&folder.path().join("other.db"), LIMITS, || ()).unwrap();
        assert_ne!(other.partition, spool.partition);
    }

    #[tokio::test]
    async fn an_id_is_forgotten_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let limits = SpoolLimits { dedupe: Duration::ZERO, ..LIMITS };
        let spool = Spool::open(&folder.path().join("rows.db"), limits, || ()).unwrap();
        let append = async || spool.append(vec![event(Some("a"), &["1"])], room()).await.unwrap();
        assert_eq!(append().await, Spooled::Written(vec![true]));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(append().await, Spooled::Written(vec![true]));
    }

    fn rows(partition: &str, from: u64, texts: &[&str]) -> PreparedRows {
        let (entries, to) = (event(None, texts).entries, from + texts.len() as u64);
        PreparedRows { partition: partition.to_owned(), from, to, entries }
    }

    #[test]
    fn what_is_prepared_is_read_when_it_is_settled_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.db");
        let spool = Spool::open(&path, LIMITS, || ()).unwrap();
        assert!(spool.prepare(vec![rows("a", 0, &["1"]), rows("b", 7, &["2", "3"])]).unwrap());
        assert_eq!((texts(&spool, 0), spool.last()), (Vec::new(), 0));
        spool.settle(vec!["a".to_owned(), "b".to_owned()]).unwrap();
        assert_eq!((texts(&spool, 0).len(), spool.last()), (3, 3));
        assert!(spool.prepare(vec![rows("a", 1, &["4"]), rows("b", 9, &["5"])]).unwrap());
        drop(spool);
        // Nobody knows whose they are before somebody was asked.
        let spool = Spool::open(&path, LIMITS, || ()).unwrap();
        assert_eq!((texts(&spool, 0).len(), spool.last()), (3, 3));
        let unsettled = spool.unsettled().unwrap();
        let expected = Unsettled { partition: "a".to_owned(), from: 1, to: 2, first: 4, last: 4 };
        assert_eq!((unsettled.len(), &unsettled[0]), (2, &expected));
        spool.settle(vec!["b".to_owned()]).unwrap();
        assert!(spool.unsettled().unwrap().is_empty());
        assert_eq!(texts(&spool, 3), [(5, "5".to_owned())]);
        assert_eq!(spool.bytes(), 4 * (1 + ENTRY_BYTES));
        let long = "x".repeat(900);
        assert!(!spool.prepare(vec![rows("a", 1, &[&long])]).unwrap());
        spool.forget(5);
        assert!(spool.prepare(vec![rows("a", 1, &[&long, &long])]).unwrap());
    }
}
