//! The state: a ledger of counted files, open panes, closed windows, in one SQLite file.
//!
//! What a file changed and the fact that it was counted are one transaction. After any crash
//! either both are there or neither, and then the file is counted again from its start.

mod accepted_references;
pub mod added_windows;
mod check;
pub mod closed_windows;
pub mod commit;
mod compared_features;
mod counters;
mod deltas;
#[cfg(test)]
pub mod faults;
pub mod feature_details;
mod feature_windows;
mod ledger;
mod lock;
mod migration;
mod places;
mod recent_features;
mod recent_verdicts;
pub mod reference_record;
mod row_sums;
mod window_evidence;
mod window_profiles;

use crate::drift::{Measure, measure};
use crate::error::{Result, StateError};
use crate::time::Timestamp;
pub use check::StateCheck;
use commit::{Commit, SourceId};
pub use deltas::StoredDelta;
use feature_windows::FeatureWindows;
use lock::StateLock;
use row_sums::{MODEL, SOURCE};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

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
    /// Bytes that all closed windows and their profiles take at most, about; profiles go before
    /// windows, and the oldest first.
    pub history_max: u64,
    /// Profiles kept per model and window; the oldest go first.
    pub profiles_max: u64,
    /// How long closed windows are kept; as long as there is room, where it is not said.
    pub history_age: Option<Duration>,
    /// Bytes of counts that are held in memory although they are in the state.
    pub memory_max: u64,
}

impl Default for StateConfig {
    fn default() -> StateConfig {
        let (history_max, memory_max) = (1 << 30, 1 << 30);
        StateConfig {
            path: None,
            windows_max: 100,
            history_max,
            profiles_max: 0,
            history_age: None,
            memory_max,
        }
    }
}

/// The open state.
pub struct Store {
    connection: Mutex<Connection>,
    /// Another one, which reads while that writes; none of a state in memory.
    reader: Option<Mutex<Connection>>,
    /// None of a state in memory.
    path: Option<PathBuf>,
    config: StateConfig,
    feature_windows: RwLock<Arc<FeatureWindows>>,
    #[cfg(test)]
    pub faults: Arc<faults::StateFaults>,
    /// Dropped last: closing any of its files would unlock what SQLite has locked.
    lock: Option<StateLock>,
}

/// One model's part of the state.
#[derive(Clone)]
pub struct ModelStore {
    store: Arc<Store>,
    model: i64,
}

impl Store {
    /// Opens or creates the state. Refuses a state that a newer driftd wrote, one that another
    /// process has open, and one that is damaged.
    pub fn open(config: &StateConfig) -> Result<Store, StateError> {
        let Some(path) = &config.path else {
            let connection = Connection::open_in_memory().map_err(|e| failed("open", &e))?;
            return Store::with(connection, config, None);
        };
        let open = || {
            // A link to a state that is not there yet stays one.
            if path.symlink_metadata().is_err() {
                create(path)?;
            }
            if path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
                return Err(StateError::damaged("it", "it is empty, as no state is"));
            }
            let lock = StateLock::acquire(path)?;
            let connection = Connection::open(path).map_err(|error| failed("open", &error))?;
            let store = Store::with(connection, config, Some(lock))?;
            let reader = Some(Mutex::new(open_to_read(path)?));
            Ok(Store { reader, path: Some(path.clone()), ..store })
        };
        open().map_err(|error: StateError| error.context(format_args!("state {}", path.display())))
    }

    /// Opens a state to look at it, also while a daemon writes it.
    pub fn open_read_only(path: &Path) -> Result<Store, StateError> {
        let open = || {
            let connection = open_to_read(path)?;
            let version = version(&connection)?;
            if version != migration::VERSION as i32 {
                return Err(StateError::failed(format!(
                    "schema version {version} is not this driftd's, which is {}; a driftd of this \
                     version takes over what an older one wrote when it starts on it once",
                    migration::VERSION
                )));
            }
            let feature_windows = FeatureWindows::of(&connection);
            Ok(Store {
                feature_windows: in_force(feature_windows.map_err(|error| failed("open", &error))?),
                connection: Mutex::new(connection),
                reader: None,
                path: Some(path.to_owned()),
                config: StateConfig::default(),
                #[cfg(test)]
                faults: Arc::default(),
                lock: None,
            })
        };
        open().map_err(|error: StateError| error.context(format_args!("state {}", path.display())))
    }

    /// Moves all that was written last into the one file, so that a copy of it is whole.
    pub fn checkpoint(&self) -> Result<(), StateError> {
        let connection = self.connection();
        let moved = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        moved.map_err(|error| self.named(failed("checkpoint", &error)))
    }

    /// Writes a copy of the state as it is in this moment, also while it is being written.
    pub fn back_up(&self, to: &Path) -> Result<(), StateError> {
        let to = to.to_string_lossy();
        let copied = self.reader().execute("VACUUM INTO ?1", params![to]);
        copied.map(|_| ()).map_err(|error| self.named(failed("copy", &error)))
    }

    /// All models in the state: name, version and their part of it.
    pub fn models(self: &Arc<Store>) -> Result<Vec<(String, String, ModelStore)>, StateError> {
        let sql = "SELECT id, name, version FROM model ORDER BY name, version";
        let models: Vec<(i64, String, String)> = self.read(|connection| {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
            rows.collect()
        })?;
        let store = || Arc::clone(self);
        let models = models.into_iter();
        Ok(models.map(|(model, n, v)| (n, v, ModelStore { store: store(), model })).collect())
    }

    fn with(
        mut connection: Connection,
        config: &StateConfig,
        lock: Option<StateLock>,
    ) -> Result<Store, StateError> {
        let tried = |error: rusqlite::Error| failed("open", &error);
        // A commit survives a power cut, readers with the sqlite3 shell disturb nobody, a row that
        // is replaced is one that is removed, and no folder for temporary files is needed.
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
                 PRAGMA recursive_triggers = ON; PRAGMA temp_store = MEMORY;"
            ))
            .map_err(tried)?;
        row_sums::register(&connection).map_err(tried)?;
        let version = version(&connection)?;
        let known = migration::VERSION;
        let Some(version) = usize::try_from(version).ok().filter(|version| *version <= known)
        else {
            return Err(StateError::failed(format!(
                "schema version {version} is not known to this driftd, which knows {known}; run \
                 the driftd that wrote it, restore a copy, or name another path"
            )));
        };
        if (1..known).contains(&version) {
            check::expect_sound_pages(&connection)?;
        }
        migration::migrate(&mut connection, version).map_err(tried)?;
        check::mend_indexes(&connection)?;
        check::expect_whole(&connection)?;
        Ok(Store {
            feature_windows: in_force(FeatureWindows::of(&connection).map_err(tried)?),
            connection: Mutex::new(connection),
            reader: None,
            path: None,
            config: config.clone(),
            #[cfg(test)]
            faults: Arc::default(),
            lock,
        })
    }

    /// The part of one model.
    pub fn model(self: &Arc<Store>, name: &str, version: &str) -> Result<ModelStore, StateError> {
        let sql =
            format!("SELECT id, {} FROM model WHERE name = ?1 AND version = ?2", MODEL.is_whole());
        let select = |connection: &Connection| {
            connection.query_row(&sql, params![name, version], |row| {
                MODEL.expect_whole(row, 1)?;
                row.get(0)
            })
        };
        // Without waiting for what is being written, where it is known.
        if let Ok(model) = select(&self.reader()) {
            return Ok(ModelStore { store: Arc::clone(self), model });
        }
        let connection = self.connection();
        let id = connection
            .execute(
                &MODEL.insert_selected(
                    "SELECT 1 + coalesce(max(id), 0) AS id, ?1 AS name, ?2 AS version,
                         '[]' AS windows, CAST(unixepoch('subsec') * 1e6 AS INTEGER) AS created
                     FROM model",
                ),
                params![name, version],
            )
            .and_then(|_| select(&connection));
        let model = id.map_err(|error| self.named(failed("write", &error)))?;
        Ok(ModelStore { store: Arc::clone(self), model })
    }

    /// Makes room for what some measures say of closed windows. Only measures that a model asks for
    /// have columns, since each takes bytes of every row.
    pub fn keep_measures(&self, measures: &[&'static dyn Measure]) -> Result<(), StateError> {
        let (known, wanted) = (self.feature_windows(), measures.iter().map(|own| own.name()));
        if wanted.clone().all(|name| known.measures().any(|own| own == name)) {
            return Ok(());
        }
        let mut connection = self.connection();
        let extended = connection.transaction().and_then(|transaction| {
            FeatureWindows::extend(&transaction, wanted)?;
            row_sums::write_schema_sum(&transaction)?;
            let extended = FeatureWindows::of(&transaction)?;
            transaction.commit()?;
            Ok(extended)
        });
        let extended = extended.map_err(|error| self.named(failed("write", &error)))?;
        let mut own = self.feature_windows.write().unwrap_or_else(PoisonError::into_inner);
        *own = Arc::new(extended);
        Ok(())
    }

    /// The columns of the features of closed windows, as they are now.
    fn feature_windows(&self) -> Arc<FeatureWindows> {
        // Another process may have added some to a state that is only looked at.
        let is_of_another = self.lock.is_none() && self.path.is_some();
        if let Some(Ok(now)) = is_of_another.then(|| FeatureWindows::of(&self.reader())) {
            return Arc::new(now);
        }
        Arc::clone(&self.feature_windows.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a model has counted under some windows.
    pub fn has_counted(&self, name: &str, version: &str) -> Result<bool, StateError> {
        let sql = "SELECT count(*) FROM model WHERE name = ?1 AND version = ?2 AND windows != '[]'";
        let found: i64 = self.read(|connection| {
            connection.query_row(sql, params![name, version], |row| row.get(0))
        })?;
        Ok(found > 0)
    }

    /// The connection that writes. A panic between statements has rolled its transaction back.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that sees what is committed, and does not wait for what is being written.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let reader = self.reader.as_ref().unwrap_or(&self.connection);
        reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is committed.
    fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        read(&self.reader()).map_err(|error| self.named(failed("read", &error)))
    }

    /// Puts the file in front of what is wrong with it.
    fn named(&self, error: StateError) -> StateError {
        match &self.path {
            Some(path) => error.context(format_args!("state {}", path.display())),
            None => error,
        }
    }
}

impl ModelStore {
    /// Measures that closed windows have room for.
    pub fn measures(&self) -> Vec<&'static dyn Measure> {
        self.store.feature_windows().measures().filter_map(measure).collect()
    }

    /// Writes everything or nothing.
    pub fn commit(&self, commit: &Commit) -> Result<(), StateError> {
        self.write(commit).map_err(|error| self.store.named(error))
    }

    fn write(&self, commit: &Commit) -> Result<(), StateError> {
        let tried = |error: rusqlite::Error| failed("write", &error);
        self.fault_point()?;
        if let Some(lock) = &self.store.lock {
            lock.check_in_place()?;
        }
        let mut connection = self.store.connection();
        let transaction = connection.transaction().map_err(tried)?;
        let model = self.model;
        ledger::write(&transaction, commit).map_err(tried)?;
        deltas::write(&transaction, model, commit)?;
        if let Some(epoch) = &commit.epoch {
            reference_record::write(&transaction, model, epoch).map_err(tried)?;
            window_evidence::forget(&transaction, model, epoch).map_err(tried)?;
        }
        places::write(&transaction, model, commit).map_err(tried)?;
        closed_windows::write(&transaction, self, commit).map_err(tried)?;
        window_evidence::write(&transaction, model, commit).map_err(tried)?;
        counters::write(&transaction, model, commit).map_err(tried)?;
        self.fault_point()?;
        #[cfg(test)]
        self.store.faults.commit()?;
        transaction.commit().map_err(tried)?;
        self.fault_point()
    }

    #[cfg(test)]
    pub fn faults(&self) -> &faults::StateFaults {
        &self.store.faults
    }

    /// A place where tests let the process end.
    fn fault_point(&self) -> Result<(), StateError> {
        #[cfg(test)]
        self.store.faults.point()?;
        Ok(())
    }

    /// The id of a source, which the ledger is kept by.
    pub fn source(&self, name: &str) -> Result<SourceId, StateError> {
        let sql =
            format!("SELECT id, {} FROM source WHERE model = ?1 AND name = ?2", SOURCE.is_whole());
        let select = |connection: &Connection| {
            connection.query_row(&sql, params![self.model, name], |row| {
                SOURCE.expect_whole(row, 1)?;
                row.get(0)
            })
        };
        let connection = self.store.connection();
        let known = select(&connection).optional();
        let id = known.and_then(|known| match known {
            Some(id) => Ok(id),
            None => {
                let insert = SOURCE.insert_selected(
                    "SELECT 1 + coalesce(max(id), 0) AS id, ?1 AS model, ?2 AS name FROM source",
                );
                connection.execute(&insert, params![self.model, name])?;
                select(&connection)
            }
        });
        id.map_err(|error| self.store.named(failed("write", &error)))
    }

    /// When the state first knew of the model; wall clock.
    pub fn created(&self) -> Result<Timestamp, StateError> {
        let sql = "SELECT created FROM model WHERE id = ?1";
        let created =
            self.store.read(|connection| connection.query_row(sql, [self.model], |row| row.get(0)));
        created.map(Timestamp)
    }
}

/// Makes a state under another name first: one that has its name is never empty.
fn create(path: &Path) -> Result<(), StateError> {
    let new = path.with_added_extension("new");
    let io = |tried: &str, error: std::io::Error| {
        StateError::failed(format!("cannot {tried} {}: {error}", new.display()))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| io("create the folder of", error))?;
    }
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(io("remove", error));
    }
    let connection = Connection::open(&new).map_err(|error| failed("create", &error))?;
    drop(Store::with(connection, &StateConfig::default(), None)?);
    match renameat_with(CWD, &new, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Another process was faster; which of them may use it is told by the lock.
        Err(Errno::EXIST) => std::fs::remove_file(&new).map_err(|error| io("remove", error)),
        // Not every file system can tell.
        Err(_) => std::fs::rename(&new, path).map_err(|error| io("rename", error)),
    }
}

fn in_force(columns: FeatureWindows) -> RwLock<Arc<FeatureWindows>> {
    RwLock::new(Arc::new(columns))
}

fn open_to_read(path: &Path) -> Result<Connection, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        row_sums::register(&connection)?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| failed("open", &error))
}

fn version(connection: &Connection) -> Result<i32, StateError> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0));
    version.map_err(|error| failed("open", &error))
}

/// What SQLite said; where it is about what the file has, trying again does not help.
fn failed(tried: &str, error: &rusqlite::Error) -> StateError {
    let is_damage = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => true,
        // Such as a table that is not there.
        Some(ErrorCode::Unknown) => matches!(tried, "open" | "read"),
        Some(_) => false,
    };
    match is_damage {
        true => StateError::damaged("it", error),
        false => StateError::failed(format!("cannot {tried} it: {error}")),
    }
}

/// Reads what the state keeps as text.
fn from_text<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
    })
}

/// Serializes what the state keeps as text.
fn to_text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data has a JSON form")
}
