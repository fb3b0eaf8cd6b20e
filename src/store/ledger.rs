//! The ledger of contents, and what is known of paths.

use super::{Commit, ModelStore, state};
use crate::error::Result;
use crate::position::{Identity, PathState, Stat};
use rusqlite::{OptionalExtension, Transaction, params};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the ledger says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    New,
    /// This content was found at this very path before; the file was only touched.
    Touched,
    /// Counted before, at another path.
    Copy(PathBuf),
}

impl ModelStore {
    /// Whether any counted file has this size. No other can be a copy of one.
    pub fn knows_size(&self, source: i64, size: u64) -> Result<bool> {
        let connection = self.store.reader();
        let known = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM file WHERE source = ?1 AND size = ?2)",
            params![source, size as i64],
            |row| row.get(0),
        );
        known.map_err(|error| state("read", &error))
    }

    pub fn verify(&self, source: i64, path: &Path, identity: &Identity) -> Result<Verified> {
        let connection = self.store.reader();
        let content = identity.content.to_be_bytes();
        let size = identity.size as i64;
        let read = || -> rusqlite::Result<Verified> {
            let is_touched = connection.query_row(
                "SELECT count(*) FROM path
                 WHERE source = ?1 AND path = ?2 AND content = ?3 AND size = ?4",
                params![source, path.as_os_str().as_bytes(), content, size],
                |row| row.get::<_, i64>(0),
            )?;
            if is_touched > 0 {
                return Ok(Verified::Touched);
            }
            let first: Option<String> = connection
                .query_row(
                    "SELECT path FROM file
                     WHERE source = ?1 AND content = ?2 AND size = ?3 AND partition = ?4",
                    params![source, content, size, identity.partition],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(first.map_or(Verified::New, |first| Verified::Copy(first.into())))
        };
        read().map_err(|error| state("read", &error))
    }

    /// Whether a content was found at a path.
    pub fn knows_content(&self, source: i64, path: &Path) -> Result<bool> {
        let connection = self.store.reader();
        let known = connection.query_row(
            "SELECT EXISTS (
                 SELECT 1 FROM path WHERE source = ?1 AND path = ?2 AND content IS NOT NULL)",
            params![source, path.as_os_str().as_bytes()],
            |row| row.get(0),
        );
        known.map_err(|error| state("read", &error))
    }

    /// The content that was counted at a path, unless it is there at another path as well.
    pub(super) fn only_content(&self, source: i64, path: &Path) -> Result<Option<u128>> {
        let connection = self.store.reader();
        let content: Option<[u8; 16]> = connection
            .query_row(
                "SELECT content FROM path AS own
                 WHERE source = ?1 AND path = ?2 AND content IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM path WHERE source = ?1 AND content = own.content
                     AND path <> ?2)",
                params![source, path.as_os_str().as_bytes()],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| state("read", &error))?;
        Ok(content.map(u128::from_be_bytes))
    }

    /// Every path whose fate is known.
    pub fn paths(&self, source: i64) -> Result<Vec<(PathBuf, Stat, PathState)>> {
        let connection = self.store.reader();
        let read = || -> rusqlite::Result<Vec<(PathBuf, Stat, PathState)>> {
            let mut statement = connection.prepare(
                "SELECT path, dev, ino, size, mtime_ns, ctime_ns, quarantined
                 FROM path WHERE source = ?1",
            )?;
            let rows = statement.query_map(params![source], |row| {
                let stat = Stat {
                    dev: row.get::<_, i64>(1)? as u64,
                    ino: row.get::<_, i64>(2)? as u64,
                    size: row.get::<_, i64>(3)? as u64,
                    mtime_ns: row.get(4)?,
                    ctime_ns: row.get(5)?,
                };
                let quarantined: Option<String> = row.get(6)?;
                let state = quarantined.map_or(PathState::Done, PathState::Quarantined);
                Ok((PathBuf::from(OsString::from_vec(row.get(0)?)), stat, state))
            })?;
            rows.collect()
        };
        read().map_err(|error| state("read", &error))
    }
}

pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> rusqlite::Result<()> {
    let mut forget =
        transaction.prepare_cached("DELETE FROM path WHERE source = ?1 AND path = ?2")?;
    for (source, path) in &commit.forgotten {
        forget.execute(params![source, path.as_os_str().as_bytes()])?;
    }
    let mut supersede =
        transaction.prepare_cached("DELETE FROM file WHERE source = ?1 AND content = ?2")?;
    for (source, content) in &commit.superseded {
        supersede.execute(params![source, content.to_be_bytes()])?;
    }
    let mut counted = transaction.prepare_cached(
        "INSERT OR IGNORE INTO file (source, content, size, partition, path, rows, counted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for line in &commit.counted {
        counted.execute(params![
            line.source,
            line.identity.content.to_be_bytes(),
            line.identity.size as i64,
            line.identity.partition,
            line.path.to_string_lossy(),
            line.rows as i64,
            line.at.0,
        ])?;
    }
    let mut path = transaction.prepare_cached(
        // What cannot be read leaves what was counted before in its place.
        "INSERT INTO path
         (source, path, dev, ino, size, mtime_ns, ctime_ns, quarantined, content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET dev = ?3, ino = ?4, size = ?5, mtime_ns = ?6, ctime_ns = ?7,
             quarantined = ?8, content = coalesce(?9, content)",
    )?;
    for record in &commit.paths {
        path.execute(params![
            record.source,
            record.path.as_os_str().as_bytes(),
            record.stat.dev as i64,
            record.stat.ino as i64,
            record.stat.size as i64,
            record.stat.mtime_ns,
            record.stat.ctime_ns,
            record.quarantined,
            record.content.map(u128::to_be_bytes),
        ])?;
    }
    Ok(())
}
