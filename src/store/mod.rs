//! The state: a ledger of counted files, open panes, closed windows, in one SQLite file.
//!
//! What a file changed and the fact that it was counted are one transaction. After any crash
//! either both are there or neither, and then the file is counted again from its start.

mod ledger;
pub mod parts;
pub mod reference;
pub mod windows;

pub use ledger::Verified;

use crate::error::{Error, ErrorKind, Result};
use crate::monitor::figures::WindowFigures;
use crate::position::{Identity, Stat};
use crate::time::Timestamp;
use crate::window::WindowConfig;
use crate::window::cursor::Place;
use crate::window::open::Renamed;
use parts::PartRecord;
use reference::KeptReference;
use rusqlite::{Connection, OpenFlags, Transaction, params};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What makes each version of the schema out of the one before.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// Counts of panes are large values: they are written in half the time on pages of 16 KiB instead
/// of 4.
const PAGE_BYTES: u32 = 16 << 10;

/// Pages of the log, 32 MiB, after which they are moved to their places; what is written again
/// before then is moved once.
const CHECKPOINT_PAGES: u32 = 2_048;

/// How long a reader waits for the writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `[state]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateConfig {
    /// None keeps the state in memory, and it ends with the process.
    pub path: Option<PathBuf>,
    /// Closed windows kept per model and window; the oldest go first.
    pub windows_max: u64,
    /// Bytes of counts that are held in memory although they are in the state.
    pub memory_max: u64,
}

/// The open state.
pub struct Store {
    connection: Mutex<Connection>,
    /// Another one, which reads while that writes; none of a state in memory.
    reader: Option<Mutex<Connection>>,
    windows_max: u64,
    /// Held as long as the state is open: two daemons would count everything twice.
    _lock: Option<File>,
}

/// One model's part of the state.
#[derive(Clone)]
pub struct ModelStore {
    store: Arc<Store>,
    model: i64,
}

/// Everything that one step changes; committed as a whole.
#[derive(Default)]
pub struct Commit {
    pub counted: Vec<Counted>,
    pub paths: Vec<PathRecord>,
    /// Source and path.
    pub forgotten: Vec<(i64, PathBuf)>,
    /// Source and content of files that others were written over.
    pub superseded: Vec<(i64, u128)>,
    /// Counts that were added.
    pub parts: Vec<PartRecord>,
    /// Parts that are taken back.
    pub removed: Vec<i64>,
    /// Parts that belong to another content of their file from now on.
    pub retagged: Vec<(i64, u128)>,
    /// Panes with another name, or that are closed; of parts that are in the state already.
    pub renamed: Vec<Renamed>,
    pub epoch: Option<Epoch>,
    /// Window and place.
    pub places: Vec<(String, Place)>,
    pub closed: Vec<Arc<WindowFigures>>,
    pub totals: Vec<(Scope, String, &'static str, u64)>,
}

/// What panes are counted under from now on.
pub struct Epoch {
    pub windows: Vec<WindowConfig>,
    pub reference: KeptReference,
    /// Its profile, when that is another than before.
    pub parts: Option<Vec<Vec<u8>>>,
}

/// A line of the ledger.
pub struct Counted {
    pub source: i64,
    pub identity: Identity,
    pub path: PathBuf,
    pub rows: u64,
    pub at: Timestamp,
}

/// What became of a path.
pub struct PathRecord {
    pub source: i64,
    pub path: PathBuf,
    pub stat: Stat,
    pub quarantined: Option<String>,
    /// Of a file that was read.
    pub content: Option<u128>,
}

/// What a total is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Source,
    Window,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Scope::Source => "sources",
            Scope::Window => "windows",
        }
    }
}

/// Totals over all runs: scope, which one, name, value.
pub type Totals = BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>;

impl Store {
    /// Opens or creates the state. Refuses a state that a newer driftd wrote, one that another
    /// process has open, and one that is damaged.
    pub fn open(config: &StateConfig) -> Result<Store> {
        let Some(path) = &config.path else {
            let connection = Connection::open_in_memory().map_err(|e| state("open", &e))?;
            return Store::with(connection, config.windows_max, None);
        };
        let open = || {
            let lock = lock(path)?;
            let connection = Connection::open(path).map_err(|error| state("open", &error))?;
            let store = Store::with(connection, config.windows_max, Some(lock))?;
            Ok(Store { reader: Some(Mutex::new(open_to_read(path)?)), ..store })
        };
        open().map_err(|error: Error| error.context(format_args!("state {}", path.display())))
    }

    /// Opens a state to look at it, also while a daemon writes it.
    pub fn open_read_only(path: &Path) -> Result<Store> {
        let open = || {
            let connection = open_to_read(path)?;
            let version = version(&connection)?;
            if version != MIGRATIONS.len() as i32 {
                return Err(Error::new(
                    ErrorKind::State,
                    format!("schema version {version} is not this driftd's; start it once with it"),
                ));
            }
            Ok(Store {
                connection: Mutex::new(connection),
                reader: None,
                windows_max: 0,
                _lock: None,
            })
        };
        open().map_err(|error: Error| error.context(format_args!("state {}", path.display())))
    }

    /// All models in the state: name, version and their part of it.
    pub fn models(self: &Arc<Store>) -> Result<Vec<(String, String, ModelStore)>> {
        let connection = self.reader();
        let read = || -> rusqlite::Result<Vec<(i64, String, String)>> {
            let mut statement =
                connection.prepare("SELECT id, name, version FROM model ORDER BY name, version")?;
            let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
            rows.collect()
        };
        let models = read().map_err(|error| state("read", &error))?.into_iter();
        let store = || Arc::clone(self);
        Ok(models.map(|(model, n, v)| (n, v, ModelStore { store: store(), model })).collect())
    }

    fn with(connection: Connection, windows_max: u64, lock: Option<File>) -> Result<Store> {
        let tried = |error: rusqlite::Error| state("open", &error);
        // A commit survives a power cut, and readers with the sqlite3 shell disturb nobody.
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
            ))
            .map_err(tried)?;
        let version = version(&connection)?;
        let known = MIGRATIONS.len();
        let Some(missing) = usize::try_from(version).ok().and_then(|v| MIGRATIONS.get(v..)) else {
            return Err(Error::new(
                ErrorKind::State,
                format!(
                    "schema version {version} is not known to this driftd, which knows {known}; \
                     run the driftd that wrote it, or name another path"
                ),
            ));
        };
        if !missing.is_empty() {
            let steps = missing.join("\n");
            connection
                .execute_batch(&format!("BEGIN; {steps} PRAGMA user_version = {known}; COMMIT;"))
                .map_err(tried)?;
        }
        let check: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(tried)?;
        if check != "ok" {
            return Err(Error::new(
                ErrorKind::State,
                format!("damaged ({check}); restore a copy, or move it away to start anew"),
            ));
        }
        Ok(Store { connection: Mutex::new(connection), reader: None, windows_max, _lock: lock })
    }

    /// The part of one model.
    pub fn model(self: &Arc<Store>, name: &str, version: &str) -> Result<ModelStore> {
        let connection = self.connection();
        let id = connection
            .execute(
                "INSERT OR IGNORE INTO model (name, version, windows) VALUES (?1, ?2, '[]')",
                params![name, version],
            )
            .and_then(|_| {
                connection.query_row(
                    "SELECT id FROM model WHERE name = ?1 AND version = ?2",
                    params![name, version],
                    |row| row.get(0),
                )
            });
        let model = id.map_err(|error| state("write", &error))?;
        Ok(ModelStore { store: Arc::clone(self), model })
    }

    /// The connection that writes.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().expect("no statement panics")
    }

    /// A connection that sees what is committed, and does not wait for what is being written.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let reader = self.reader.as_ref().unwrap_or(&self.connection);
        reader.lock().expect("no statement panics")
    }
}

impl ModelStore {
    /// Writes everything or nothing.
    pub fn commit(&self, commit: &Commit) -> Result<()> {
        let tried = |error: rusqlite::Error| state("write", &error);
        let mut connection = self.store.connection();
        let transaction = connection.transaction().map_err(tried)?;
        let model = self.model;
        ledger::write(&transaction, commit).map_err(tried)?;
        parts::write(&transaction, model, &commit.parts, commit)?;
        if let Some(epoch) = &commit.epoch {
            reference::write(&transaction, model, epoch).map_err(tried)?;
        }
        windows::write(&transaction, model, commit, self.store.windows_max).map_err(tried)?;
        write_totals(&transaction, model, commit).map_err(tried)?;
        transaction.commit().map_err(tried)
    }

    /// The id of a source, which the ledger is kept by.
    pub fn source(&self, name: &str) -> Result<i64> {
        let connection = self.store.connection();
        let id = connection
            .execute(
                "INSERT OR IGNORE INTO source (model, name) VALUES (?1, ?2)",
                params![self.model, name],
            )
            .and_then(|_| {
                connection.query_row(
                    "SELECT id FROM source WHERE model = ?1 AND name = ?2",
                    params![self.model, name],
                    |row| row.get(0),
                )
            });
        id.map_err(|error| state("write", &error))
    }

    pub fn totals(&self) -> Result<Totals> {
        let connection = self.store.reader();
        let read = || -> rusqlite::Result<Totals> {
            let mut totals = Totals::new();
            let mut statement =
                connection.prepare("SELECT scope, of, name, value FROM total WHERE model = ?1")?;
            let mut rows = statement.query(params![self.model])?;
            while let Some(row) = rows.next()? {
                let scope = totals.entry(row.get(0)?).or_default();
                let of: &mut BTreeMap<String, u64> = scope.entry(row.get(1)?).or_default();
                of.insert(row.get(2)?, row.get::<_, i64>(3)? as u64);
            }
            Ok(totals)
        };
        read().map_err(|error| state("read", &error))
    }
}

impl Commit {
    /// Whether it changes what the ledger says of a path, or of files of a size.
    pub fn concerns(&self, source: i64, path: &Path, size: u64) -> bool {
        let is_path = |record: &PathRecord| record.source == source && record.path == path;
        let is_size = |file: &Counted| file.source == source && file.identity.size == size;
        !self.superseded.is_empty()
            || self.paths.iter().any(is_path)
            || self.counted.iter().any(is_size)
    }

    pub fn add_total(&mut self, scope: Scope, of: &str, name: &'static str, value: u64) {
        if value > 0 {
            self.totals.push((scope, of.to_owned(), name, value));
        }
    }
}

fn write_totals(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO total (model, scope, of, name, value) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET value = value + excluded.value",
    )?;
    for (scope, of, name, value) in &commit.totals {
        statement.execute(params![model, scope.name(), of, name, *value as i64])?;
    }
    Ok(())
}

fn open_to_read(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| state("open", &error))
}

fn version(connection: &Connection) -> Result<i32> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    version.map_err(|error| state("open", &error))
}

fn lock(path: &Path) -> Result<File> {
    let path = path.with_added_extension("lock");
    let file = File::create(&path).map_err(|error| Error::io("create", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::State,
            "in use by another driftd; two of them would count the same files twice",
        )),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, &error)),
    }
}

fn state(tried: &str, error: &rusqlite::Error) -> Error {
    Error::new(ErrorKind::State, format!("cannot {tried} the state: {error}"))
}

/// Serializes what the state keeps as text.
fn to_text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
