//! What was counted into the panes of a model: what each file and each commit's streams added.
//!
//! What a file added stays apart, so that it can be retracted when the file is rewritten. What
//! streams added is merged, sixteen deltas into one of the next level, so that a pane of n commits
//! has some 16 log16(n) deltas and each was written log16(n) times. Panes that no open window tells
//! apart any more are merged alike.

use super::commit::{Commit, FileKey, PaneDelta};
use super::row_sums::{FILE_ROWS, PANE_DELTA};
use super::{ModelStore, failed, to_text};
use crate::error::{Result, StateError};
use crate::profile::codec::{Content, decode, encode};
use crate::time::Timestamp;
use crate::window::pane::{Axis, CLOSED, Horizons, Pane, PaneKey, PaneRange};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params};
use std::collections::BTreeMap;

/// Deltas of one level that are merged into one of the next.
const DELTAS_MERGED: usize = 16;

/// A delta in the state, without its counts.
#[derive(Debug, Clone)]
pub struct StoredDelta {
    pub id: i64,
    pub pane: PaneKey,
    pub file: Option<FileKey>,
}

impl ModelStore {
    /// Names and rows of all panes.
    pub fn panes(&self) -> Result<Vec<(PaneKey, u64)>, StateError> {
        self.store.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT bucket, slots, sum(rows) FROM pane_delta WHERE model = ?1
                 GROUP BY bucket, slots",
            )?;
            let rows = statement
                .query_map([self.model], |row| Ok((pane_key(row, 0)?, row.get::<_, i64>(2)?)))?;
            rows.map(|row| row.map(|(pane, rows)| (pane, rows as u64))).collect()
        })
    }

    /// The deltas of all panes that are in one of the ranges, in the order in which they came.
    pub fn deltas(&self, ranges: &[PaneRange]) -> Result<Vec<StoredDelta>, StateError> {
        self.fault_point()?;
        let mut found = BTreeMap::new();
        for range in ranges {
            let (from, to) = (range.numbers.start as i64, range.numbers.end as i64);
            let (filter, bounds) = match range.axis {
                Axis::Bucket => ("AND bucket >= ?2 AND bucket < ?3", vec![from, to]),
                Axis::Slot(_) => ("", vec![]),
            };
            let sql = format!(
                "SELECT bucket, slots, id, source, content FROM pane_delta
                 WHERE model = ?1 {filter}"
            );
            self.store.read(|connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let values = std::iter::once(self.model).chain(bounds);
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    let pane = pane_key(row, 0)?;
                    if range.holds(&pane) {
                        let id = row.get(2)?;
                        let file = file_key(row.get(3)?, row.get(4)?);
                        found.insert(id, StoredDelta { id, pane, file });
                    }
                }
                Ok(())
            })?;
        }
        Ok(found.into_values().collect())
    }

    /// The counts of one delta.
    pub fn delta(&self, id: i64) -> Result<Pane, StateError> {
        self.fault_point()?;
        let body = self.store.read(|connection| body(connection, id))?;
        decode(Content::Pane, &body).map_err(|fault| self.store.named(damaged(id, &fault)))
    }

    /// Panes and rows of what a file added, as far as its counts are still kept.
    pub fn panes_of(&self, (source, content): FileKey) -> Result<Vec<(PaneKey, u64)>, StateError> {
        self.fault_point()?;
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT bucket, slots, rows FROM pane_delta WHERE source = ?1 AND content = ?2",
            )?;
            let rows = statement.query_map(params![source, content.to_be_bytes()], |row| {
                Ok((pane_key(row, 0)?, row.get::<_, i64>(2)? as u64))
            })?;
            rows.collect()
        })
    }

    /// Rows of a file by the start of their stretch of event time.
    pub fn rows_of(
        &self,
        (source, content): FileKey,
    ) -> Result<BTreeMap<Timestamp, u64>, StateError> {
        self.fault_point()?;
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT start, rows, {} FROM file_rows WHERE source = ?1 AND content = ?2",
                FILE_ROWS.is_whole()
            ))?;
            let rows = statement.query_map(params![source, content.to_be_bytes()], |row| {
                FILE_ROWS.expect_whole(row, 2)?;
                Ok((Timestamp(row.get(0)?), row.get::<_, i64>(1)? as u64))
            })?;
            rows.collect()
        })
    }
}

/// The bytes of the counts of one delta.
fn body(connection: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    let sql = format!("SELECT body, {} FROM pane_delta WHERE id = ?1", PANE_DELTA.is_whole());
    connection.prepare_cached(&sql)?.query_row([id], |row| {
        PANE_DELTA.expect_whole(row, 1)?;
        row.get(0)
    })
}

fn damaged(id: i64, fault: &dyn std::fmt::Display) -> StateError {
    StateError::damaged(format_args!("row {id} of table pane_delta"), fault)
}

/// The number of a pane's stretch of event time, as it is stored.
pub fn bucket_column(key: &PaneKey) -> Option<i64> {
    (key.bucket != CLOSED).then_some(key.bucket as i64)
}

/// The numbers of a pane's windows of rows, as they are stored.
pub fn slots_column(key: &PaneKey) -> String {
    let slots = key.slots.iter().map(|slot| (*slot != CLOSED).then_some(*slot));
    to_text(&slots.collect::<Vec<_>>())
}

/// Reads a pane's name from two columns, the first of them at `at`.
fn pane_key(row: &Row<'_>, at: usize) -> rusqlite::Result<PaneKey> {
    let bucket: Option<i64> = row.get(at)?;
    let slots: String = row.get(at + 1)?;
    let slots: Vec<Option<u64>> = serde_json::from_str(&slots).map_err(|error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(at + 1, kind, Box::new(error))
    })?;
    Ok(PaneKey {
        slots: slots.into_iter().map(|slot| slot.unwrap_or(CLOSED)).collect(),
        bucket: bucket.map_or(CLOSED, |bucket| bucket as u64),
    })
}

fn file_key(source: Option<i64>, content: Option<[u8; 16]>) -> Option<FileKey> {
    Some((source?, u128::from_be_bytes(content?)))
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
) -> Result<(), StateError> {
    let tried = |error: rusqlite::Error| failed("write", &error);
    retract(transaction, commit).map_err(tried)?;
    if let Some(epoch) = &commit.epoch {
        rename(transaction, model, &epoch.renamed).map_err(tried)?;
    }
    insert(transaction, model, commit).map_err(tried)?;
    let Some(horizons) = &commit.horizons else { return Ok(()) };
    if commit.is_horizon_moved {
        drop_closed(transaction, model, horizons).map_err(tried)?;
    }
    if commit.deltas.iter().any(|delta| delta.file.is_none()) {
        compact(transaction, model, horizons)?;
    }
    Ok(())
}

/// Takes back what files added that others were written over. What of it windows still need that
/// have closed belongs to no file any more.
fn retract(transaction: &Transaction<'_>, commit: &Commit) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached(
        "DELETE FROM pane_delta
         WHERE source = ?1 AND content = ?2 AND bucket IS ?3 AND slots = ?4",
    )?;
    for ((source, content), pane) in &commit.retracted {
        let (bucket, slots) = (bucket_column(pane), slots_column(pane));
        delete.execute(params![source, content.to_be_bytes(), bucket, slots])?;
    }
    let mut release = transaction.prepare_cached(
        "UPDATE pane_delta SET source = NULL, content = NULL,
             sum = row_sum('pane_delta', model, bucket, slots, rows, level, NULL, NULL, body)
         WHERE source = ?1 AND content = ?2",
    )?;
    let mut forget =
        transaction.prepare_cached("DELETE FROM file_rows WHERE source = ?1 AND content = ?2")?;
    for (source, content) in commit.ledger.all_superseded() {
        release.execute(params![source, content.to_be_bytes()])?;
        forget.execute(params![source, content.to_be_bytes()])?;
    }
    Ok(())
}

/// Row by row, since the new name of one pane can be the old one of another.
fn rename(
    transaction: &Transaction<'_>,
    model: i64,
    renamed: &[(PaneKey, Option<PaneKey>)],
) -> rusqlite::Result<()> {
    let names: BTreeMap<&PaneKey, &Option<PaneKey>> =
        renamed.iter().map(|(from, to)| (from, to)).collect();
    let mut update = transaction.prepare(
        "UPDATE pane_delta SET bucket = ?2, slots = ?3,
             sum = row_sum('pane_delta', model, ?2, ?3, rows, level, source, content, body)
         WHERE id = ?1",
    )?;
    for (id, pane) in ids(transaction, "WHERE model = ?1", &[model.into()])? {
        match names.get(&pane) {
            None => {}
            Some(Some(to)) => {
                update.execute(params![id, bucket_column(to), slots_column(to)])?;
            }
            Some(None) => delete(transaction, id)?,
        }
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, model: i64, commit: &Commit) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(&PANE_DELTA.insert())?;
    for PaneDelta { pane, rows, file, body } in &commit.deltas {
        let (bucket, slots) = (bucket_column(pane), slots_column(pane));
        let (source, content) = file.unzip();
        let content = content.map(u128::to_be_bytes);
        insert.execute(params![model, bucket, slots, *rows as i64, 0, source, content, body])?;
    }
    let mut rows = transaction.prepare_cached(&FILE_ROWS.replace())?;
    for own in &commit.file_rows {
        let (source, content) = own.file;
        rows.execute(params![source, content.to_be_bytes(), own.start.0, own.rows as i64])?;
    }
    Ok(())
}

/// Ids and panes of the deltas that fulfil a condition, whose counts are not read.
fn ids(
    transaction: &Transaction<'_>,
    condition: &str,
    values: &[Value],
) -> rusqlite::Result<Vec<(i64, PaneKey)>> {
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT id, bucket, slots FROM pane_delta {condition} ORDER BY id"
    ))?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok((row.get(0)?, pane_key(row, 1)?))
    })?;
    rows.collect()
}

fn delete(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM pane_delta WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Drops what no window and no baseline needs any more.
fn drop_closed(
    transaction: &Transaction<'_>,
    model: i64,
    horizons: &Horizons,
) -> rusqlite::Result<()> {
    let values: [Value; 2] = [model.into(), (horizons.bucket as i64).into()];
    let below = "WHERE model = ?1 AND (bucket IS NULL OR bucket < ?2)";
    for (id, pane) in ids(transaction, below, &values)? {
        if horizons.group(&pane).is_none() {
            delete(transaction, id)?;
        }
    }
    Ok(())
}

/// Merges deltas that no file can take back, level by level.
fn compact(
    transaction: &Transaction<'_>,
    model: i64,
    horizons: &Horizons,
) -> Result<(), StateError> {
    let tried = |error: rusqlite::Error| failed("write", &error);
    for level in 0.. {
        let values: [Value; 2] = [model.into(), Value::Integer(level)];
        let own = "WHERE model = ?1 AND level = ?2 AND content IS NULL";
        let mut groups: BTreeMap<PaneKey, Vec<i64>> = BTreeMap::new();
        for (id, pane) in ids(transaction, own, &values).map_err(tried)? {
            if let Some(group) = horizons.group(&pane) {
                groups.entry(group).or_default().push(id);
            }
        }
        groups.retain(|_, deltas| deltas.len() >= DELTAS_MERGED);
        if groups.is_empty() {
            return Ok(());
        }
        for (pane, deltas) in groups {
            merge(transaction, model, &pane, &deltas, level + 1)?;
        }
    }
    Ok(())
}

/// Puts one delta of a level in the place of several of the level below.
fn merge(
    transaction: &Transaction<'_>,
    model: i64,
    pane: &PaneKey,
    deltas: &[i64],
    level: i64,
) -> Result<(), StateError> {
    let tried = |error: rusqlite::Error| failed("write", &error);
    let mut counts: Vec<(i64, Pane)> = Vec::new();
    for id in deltas {
        let body = body(transaction, *id).map_err(tried)?;
        counts.push((*id, decode(Content::Pane, &body).map_err(|fault| damaged(*id, &fault))?));
    }
    // Those that were counted before the reference got more features stay apart.
    let grids = |pane: &Pane| pane.features.iter().map(|f| f.grid).collect::<Vec<_>>();
    let newest = counts.last().map(|(_, counts)| grids(counts));
    counts.retain(|(_, counts)| Some(grids(counts)) == newest);
    if counts.len() < DELTAS_MERGED {
        return Ok(());
    }
    for (id, _) in &counts {
        delete(transaction, *id).map_err(tried)?;
    }
    let merged = counts.into_iter().map(|(_, counts)| counts).reduce(|mut sum, counts| {
        sum.merge(&counts).expect("they are on the same grids");
        sum
    });
    let merged = merged.expect("there are several");
    let (bucket, slots) = (bucket_column(pane), slots_column(pane));
    let (rows, body) = (merged.rows as i64, encode(Content::Pane, &merged));
    let none: (Option<i64>, Option<Vec<u8>>) = (None, None);
    let values = params![model, bucket, slots, rows, level, none.0, none.1, body];
    let insert = transaction.prepare_cached(&PANE_DELTA.insert());
    insert.and_then(|mut insert| insert.execute(values)).map_err(tried)?;
    Ok(())
}
