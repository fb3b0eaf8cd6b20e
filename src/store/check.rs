//! Whether a state is as it was written: its pages, its indexes, its rows.

use super::closed_windows::Query;
use super::feature_windows::FeatureWindows;
use super::{ModelStore, Store, failed, row_sums};
use crate::error::{Result, StateError};
use crate::monitor::reference::Reference;
use rusqlite::{Connection, ErrorCode, MAIN_DB, params};
use std::sync::Arc;
use tracing::warn;

/// What a check of the whole state found.
#[derive(Debug, Default)]
pub struct StateCheck {
    pub models: u64,
    /// Counts of open panes.
    pub counts: u64,
    /// Closed windows.
    pub windows: u64,
    /// What is damaged, each with its place.
    pub faults: Vec<String>,
}

/// An index, whose entries are compared with what its table has.
struct Index {
    name: &'static str,
    table: &'static str,
    /// All that the index has of a row, the key of the row included.
    columns: &'static str,
    condition: &'static str,
}

const INDEXES: [Index; 12] = [
    Index::of_all("sqlite_autoindex_model_1", "model", "name, version, id"),
    Index::of_all("sqlite_autoindex_source_1", "source", "model, name, id"),
    Index::of_all("sqlite_autoindex_reference_part_1", "reference_part", "model, number, rowid"),
    Index::of_all("file_size", "file", "source, size, content, partition"),
    Index::of_all("pane_delta_pane", "pane_delta", "model, bucket, slots, rows, id"),
    Index::of_all("window_evidence_slot", "window_evidence", "model, window, slot"),
    Index::of_all("closed_window_latest", "closed_window", "model, window, \"end\", id"),
    Index::of_all("feature_name", "feature", "model, name, kind, content, id"),
    Index {
        condition: "content IS NOT NULL",
        ..Index::of_all("path_content", "path", "source, content, path")
    },
    Index {
        condition: "content IS NOT NULL",
        ..Index::of_all("pane_delta_content", "pane_delta", "source, content, id")
    },
    Index {
        condition: "content IS NULL",
        ..Index::of_all("pane_delta_level", "pane_delta", "model, level, id")
    },
    Index {
        condition: "drifted = 1",
        ..Index::of_all("feature_window_drifted", "feature_window", "window, feature")
    },
];

/// Those that are compared at every start: the last is of the history, which may be large.
const INDEXES_OF_START: &[Index] = INDEXES.split_at(INDEXES.len() - 1).0;

impl Index {
    const fn of_all(name: &'static str, table: &'static str, columns: &'static str) -> Index {
        Index { name, table, columns, condition: "true" }
    }

    /// SQL for number and sum of what it has, or of what its table has of it.
    fn sums(&self, of_table: bool) -> String {
        let Index { name, table, columns, condition } = self;
        if of_table {
            // No index has the sums of rows, so that SQLite has to read the table.
            let filter = format!("FILTER (WHERE {condition})");
            let sums = format!("count(sum) {filter}, sum(row_sum({columns})) {filter}");
            return format!("SELECT {sums} FROM {table} NOT INDEXED");
        }
        let sums = format!("count(*), sum(row_sum({columns}))");
        format!("SELECT {sums} FROM {table} INDEXED BY {name} WHERE {condition}")
    }

    fn fault(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let sums = |sql: &str| -> rusqlite::Result<(i64, Option<i64>)> {
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        };
        let is_same = sums(&self.sums(false))? == sums(&self.sums(true))?;
        let fault = || format!("index {} is not that of table {}", self.name, self.table);
        Ok((!is_same).then(fault))
    }
}

/// Refuses a file whose pages are damaged. Indexes are made of what the tables have, so damaged
/// ones are built anew.
pub fn mend_indexes(connection: &Connection) -> Result<(), StateError> {
    let tried = |error: rusqlite::Error| failed("open", &error);
    let damaged = |faults: &[String]| StateError::damaged("it", faults[0].trim());
    if connection.is_readonly(MAIN_DB).map_err(tried)? {
        return Err(StateError::damaged("it", "it says that it must not be written"));
    }
    let faults = page_faults(connection, 1, INDEXES_OF_START).map_err(tried)?;
    if faults.is_empty() {
        return Ok(());
    }
    if let Err(error) = connection.execute_batch("REINDEX") {
        let of_content = [ErrorCode::DatabaseCorrupt, ErrorCode::ConstraintViolation];
        let is_damage = error.sqlite_error_code().is_some_and(|code| of_content.contains(&code));
        return Err(if is_damage { damaged(&faults) } else { failed("repair", &error) });
    }
    let left = page_faults(connection, 1, INDEXES_OF_START).map_err(tried)?;
    if !left.is_empty() {
        return Err(damaged(&left));
    }
    warn!(
        fault = faults[0],
        "an index of the state was damaged and was built anew; nothing is lost"
    );
    Ok(())
}

/// Refuses a state of an older format whose pages are damaged, before any of it is rewritten.
pub fn expect_sound_pages(connection: &Connection) -> Result<(), StateError> {
    let faults = quick_check(connection, 1).map_err(|error| failed("open", &error))?;
    match faults.first() {
        Some(fault) => Err(StateError::damaged("it", fault.trim())),
        None => Ok(()),
    }
}

/// Refuses a state that lacks a row, or that has another than was written.
pub fn expect_whole(connection: &Connection) -> Result<(), StateError> {
    let faults = row_sums::faults(connection).map_err(|error| failed("open", &error))?;
    match faults.first() {
        Some(fault) => Err(StateError::damaged("it", fault)),
        None => Ok(()),
    }
}

/// What is wrong with pages, at most `limit` things, and with indexes. SQLite's own check of
/// indexes looks every row up in each of them, and takes 5 s of a ledger of a million files.
fn page_faults(
    connection: &Connection,
    limit: u32,
    indexes: &[Index],
) -> rusqlite::Result<Vec<String>> {
    let mut faults = quick_check(connection, limit)?;
    if faults.is_empty() {
        for index in indexes {
            faults.extend(index.fault(connection)?);
        }
    }
    Ok(faults)
}

fn quick_check(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA quick_check({limit})"))?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

impl Store {
    /// Reads everything there is; what is damaged.
    pub fn check(self: &Arc<Store>) -> Result<StateCheck, StateError> {
        // All of it as it is in one moment, whatever is being written.
        self.read(|connection| connection.execute_batch("BEGIN"))?;
        let found = self.check_all();
        self.read(|connection| connection.execute_batch("COMMIT"))?;
        found
    }

    fn check_all(self: &Arc<Store>) -> Result<StateCheck, StateError> {
        let faults = self.read(|connection| {
            let mut faults = page_faults(connection, 100, &INDEXES)?;
            faults.extend(row_sums::faults(connection)?);
            faults.extend(FeatureWindows::of(connection)?.fault(connection)?);
            Ok(faults)
        })?;
        let mut found = StateCheck { faults, ..StateCheck::default() };
        for (name, version, model) in self.models()? {
            found.models += 1;
            let before = found.faults.len();
            model.check(&mut found)?;
            for fault in &mut found.faults[before..] {
                *fault = format!("model {name:?} version {version:?}: {fault}");
            }
        }
        Ok(found)
    }
}

impl ModelStore {
    /// Decodes all that is stored of the model.
    fn check(&self, found: &mut StateCheck) -> Result<(), StateError> {
        let reference = self.reference_profile();
        match reference.map(|chunks| Reference::from_chunks(&chunks)) {
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => found.faults.push(format!("the profile of the reference: {fault}")),
            Err(fault) => found.faults.push(fault.to_string()),
        }
        let ids = |sql: &str| -> Result<Vec<(i64, String)>, StateError> {
            self.store.read(|connection| {
                let mut statement = connection.prepare(sql)?;
                let rows = statement.query_map(params![self.model], |r| Ok((r.get(0)?, r.get(1)?)));
                rows.and_then(Iterator::collect)
            })
        };
        for (id, _) in ids("SELECT id, '' FROM pane_delta WHERE model = ?1")? {
            found.counts += 1;
            found.faults.extend(self.delta(id).err().map(|fault| fault.to_string()));
        }
        let windows = "SELECT count(*), window FROM closed_window WHERE model = ?1 GROUP BY window";
        for (n, window) in ids(windows)? {
            found.windows += n as u64;
            let read = self.windows(&window, &Query::default());
            found.faults.extend(read.err().map(|fault| fault.to_string()));
        }
        let profiles = "SELECT p.window, w.window FROM window_profile p
                        JOIN closed_window w ON w.id = p.window WHERE w.model = ?1";
        for (id, window) in ids(profiles)? {
            let read = self.window_profile(id, &window);
            found.faults.extend(read.err().map(|fault| fault.to_string()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StateConfig;

    /// Entries that are read from the table would tell nothing about the index; and one that is not
    /// looked at could be wrong.
    #[test]
    fn every_index_is_read_alone() {
        let config = StateConfig::default();
        let store = Store::open(&config).unwrap();
        let connection = store.connection();
        let plan = |sql: &str| -> String {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            connection.query_row(&sql, [], |row| row.get(3)).unwrap()
        };
        for index in &INDEXES {
            // Its condition is on a column that it does not have; its ids are looked up.
            let is_covering = index.name != "pane_delta_level";
            let covering = if is_covering { "COVERING " } else { "" };
            let from_index = format!("SCAN {} USING {covering}INDEX {}", index.table, index.name);
            assert_eq!(plan(&index.sums(false)), from_index);
            assert_eq!(plan(&index.sums(true)), format!("SCAN {}", index.table));
        }
        let known: i64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND rootpage > 0
                     AND NOT (name LIKE 'sqlite_autoindex%' AND tbl_name IN (
                         SELECT name FROM pragma_table_list WHERE wr))",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(known, INDEXES.len() as i64);
    }
}
