//! The ledger of contents, what is known of paths, and how far partitions were counted.

use super::ModelStore;
use super::commit::{Commit, FileKey, PathRecord, SourceId};
use super::row_sums::{FILE, PATH, POSITION};
use crate::error::{Result, StateError};
use crate::identity::{Identity, Stat};
use crate::position::Position;
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

impl ModelStore {
    /// Whether any counted file has this size. No other can be a copy of one.
    pub fn has_size(&self, source: SourceId, size: u64) -> Result<bool, StateError> {
        self.fault_point()?;
        let sql = "SELECT EXISTS (SELECT 1 FROM file WHERE source = ?1 AND size = ?2)";
        self.store.read(|connection| {
            let values = params![source, size as i64];
            connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))
        })
    }

    /// The path at which a content was found first, if it was counted.
    pub fn first_path(
        &self,
        source: SourceId,
        identity: &Identity,
    ) -> Result<Option<PathBuf>, StateError> {
        self.fault_point()?;
        let sql = format!(
            "SELECT path, {} FROM file
             WHERE source = ?1 AND content = ?2 AND size = ?3 AND partition = ?4",
            FILE.is_whole()
        );
        let first: Option<String> = self.store.read(|connection| {
            let Identity { content, size, partition } = identity;
            let values = params![source, content.to_be_bytes(), *size as i64, partition];
            let path = connection.prepare_cached(&sql)?.query_row(values, |row| {
                FILE.expect_whole(row, 1)?;
                row.get(0)
            });
            path.optional()
        })?;
        Ok(first.map(PathBuf::from))
    }

    /// The content that was counted at a path.
    pub fn content_at(&self, source: SourceId, path: &Path) -> Result<Option<u128>, StateError> {
        self.fault_point()?;
        let whole = PATH.is_whole();
        let sql = format!("SELECT content, {whole} FROM path WHERE source = ?1 AND path = ?2");
        let content: Option<Option<[u8; 16]>> = self.store.read(|connection| {
            let values = params![source, path.as_os_str().as_bytes()];
            let content = connection.prepare_cached(&sql)?.query_row(values, |row| {
                PATH.expect_whole(row, 1)?;
                row.get(0)
            });
            content.optional()
        })?;
        Ok(content.flatten().map(u128::from_be_bytes))
    }

    /// The paths at which a content is.
    pub fn paths_of(&self, (source, content): FileKey) -> Result<Vec<PathBuf>, StateError> {
        self.fault_point()?;
        self.store.read(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT path FROM path WHERE source = ?1 AND content = ?2")?;
            let rows = statement.query_map(params![source, content.to_be_bytes()], |row| {
                Ok(PathBuf::from(OsString::from_vec(row.get(0)?)))
            })?;
            rows.collect()
        })
    }

    /// How far each partition of a source was counted.
    pub fn positions(&self, source: SourceId) -> Result<BTreeMap<String, Position>, StateError> {
        let whole = POSITION.is_whole();
        let sql = format!("SELECT partition, position, {whole} FROM position WHERE source = ?1");
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([source], |row| {
                POSITION.expect_whole(row, 2)?;
                Ok((row.get(0)?, Position(row.get::<_, i64>(1)? as u64)))
            })?;
            rows.collect()
        })
    }

    /// Paths of a source that cannot be read and why, in their order, at most so many.
    pub fn unreadable(
        &self,
        source: &str,
        most: u32,
    ) -> Result<Vec<(PathBuf, String)>, StateError> {
        let sql = "SELECT p.path, p.quarantined FROM source s JOIN path p ON p.source = s.id
                   WHERE s.model = ?1 AND s.name = ?2 AND p.quarantined IS NOT NULL
                   ORDER BY p.path LIMIT ?3";
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![self.model, source, most], |row| {
                Ok((PathBuf::from(OsString::from_vec(row.get(0)?)), row.get(1)?))
            })?;
            rows.collect()
        })
    }

    /// Every path that is known.
    pub fn paths(&self, source: SourceId) -> Result<Vec<(PathBuf, PathRecord)>, StateError> {
        let sql = format!(
            "SELECT path, dev, ino, size, mtime_ns, ctime_ns, quarantined, content, {}
             FROM path WHERE source = ?1",
            PATH.is_whole()
        );
        self.store.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params![source], |row| {
                PATH.expect_whole(row, 8)?;
                let stat = Stat {
                    dev: row.get::<_, i64>(1)? as u64,
                    ino: row.get::<_, i64>(2)? as u64,
                    size: row.get::<_, i64>(3)? as u64,
                    mtime_ns: row.get(4)?,
                    ctime_ns: row.get(5)?,
                };
                let content: Option<[u8; 16]> = row.get(7)?;
                let content = content.map(u128::from_be_bytes);
                let record = PathRecord { stat, quarantined: row.get(6)?, content };
                Ok((PathBuf::from(OsString::from_vec(row.get(0)?)), record))
            })?;
            rows.collect()
        })
    }
}

pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> rusqlite::Result<()> {
    write_files(transaction, commit)?;
    write_paths(transaction, commit)?;
    let mut position = transaction.prepare_cached(&POSITION.replace())?;
    for ((source, partition), counted) in &commit.positions {
        position.execute(params![source, partition, counted.0 as i64])?;
    }
    Ok(())
}

fn write_files(transaction: &Transaction<'_>, commit: &Commit) -> rusqlite::Result<()> {
    let mut supersede =
        transaction.prepare_cached("DELETE FROM file WHERE source = ?1 AND content = ?2")?;
    for (source, content) in commit.ledger.all_superseded() {
        supersede.execute(params![source, content.to_be_bytes()])?;
    }
    let mut counted = transaction.prepare_cached(&FILE.insert_new())?;
    for (source, file) in commit.ledger.all_counted() {
        counted.execute(params![
            source,
            file.identity.content.to_be_bytes(),
            file.identity.size as i64,
            file.identity.partition,
            file.path.to_string_lossy(),
            file.rows as i64,
            file.at.0,
        ])?;
    }
    Ok(())
}

fn write_paths(transaction: &Transaction<'_>, commit: &Commit) -> rusqlite::Result<()> {
    let mut forget =
        transaction.prepare_cached("DELETE FROM path WHERE source = ?1 AND path = ?2")?;
    // What cannot be read leaves what was counted before in its place.
    let mut set = transaction.prepare_cached(&format!(
        "{} ON CONFLICT DO UPDATE SET dev = ?3, ino = ?4, size = ?5, mtime_ns = ?6, ctime_ns = ?7,
             quarantined = ?8, content = coalesce(?9, content),
             sum = row_sum('path', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce(?9, content))",
        PATH.insert()
    ))?;
    for (source, path, record) in commit.ledger.paths() {
        let path = path.as_os_str().as_bytes();
        let Some(PathRecord { stat, quarantined, content }) = record else {
            forget.execute(params![source, path])?;
            continue;
        };
        set.execute(params![
            source,
            path,
            stat.dev as i64,
            stat.ino as i64,
            stat.size as i64,
            stat.mtime_ns,
            stat.ctime_ns,
            quarantined,
            content.map(u128::to_be_bytes),
        ])?;
    }
    Ok(())
}
