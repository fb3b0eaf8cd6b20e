//! Parts of panes: what files and streams added, as it was committed.
//!
//! What a file added stays a part of its own, so that it can give way when the file is rewritten.
//! What streams added is merged, sixteen parts into one of the next level, so that a pane of n
//! commits has some 16 log16(n) parts and each was written log16(n) times.

use super::{Commit, ModelStore, state, to_text};
use crate::error::{Error, Result};
use crate::profile::codec::{Content, decode, encode};
use crate::time::Timestamp;
use crate::window::open::Renamed;
use crate::window::pane::{Pane, PaneKey};
use rusqlite::{Transaction, params};

/// Parts of one level that are merged into one of the next.
const PARTS_MERGED: usize = 16;

/// A part that is to be written.
#[derive(Debug, Clone)]
pub struct PartRecord {
    /// None once its windows have closed; then only the rows are kept.
    pub pane: Option<PaneKey>,
    pub rows: u64,
    /// The source and content of a file that may be rewritten.
    pub file: Option<(i64, u128)>,
    /// Event time at which the pane starts.
    pub start: Option<Timestamp>,
    pub body: Vec<u8>,
}

/// What an earlier version of a file added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierPart {
    pub id: i64,
    /// None once its windows have closed.
    pub pane: Option<PaneKey>,
    pub rows: u64,
    pub start: Option<Timestamp>,
}

impl PartRecord {
    pub fn new(
        pane: &PaneKey,
        counts: &Pane,
        file: Option<(i64, u128)>,
        start: Option<Timestamp>,
    ) -> PartRecord {
        let body = encode(Content::Pane, counts);
        PartRecord { pane: Some(pane.clone()), rows: counts.rows, file, start, body }
    }

    /// The counts.
    pub fn counts(&self) -> Result<Pane> {
        decode(Content::Pane, &self.body)
    }

    /// Takes part in a change of names. False when nothing of it is of interest any more.
    pub fn rename(&mut self, renamed: &Renamed) -> bool {
        if self.pane.as_ref() != Some(&renamed.from) {
            return true;
        }
        self.pane.clone_from(&renamed.to);
        if self.pane.is_none() {
            self.body = Vec::new();
        }
        self.pane.is_some() || self.is_remembered()
    }

    /// Whether its rows are of interest although they are closed: their file may come again.
    fn is_remembered(&self) -> bool {
        self.file.is_some() && self.start.is_some()
    }
}

impl ModelStore {
    /// Names and rows of all open panes.
    pub fn open_panes(&self) -> Result<Vec<(PaneKey, u64)>> {
        let connection = self.store.reader();
        let read = || -> rusqlite::Result<Vec<(String, i64)>> {
            let mut statement = connection.prepare(
                "SELECT pane, sum(rows) FROM part WHERE model = ?1 AND pane IS NOT NULL
                 GROUP BY pane",
            )?;
            let rows = statement.query_map(params![self.model], |r| Ok((r.get(0)?, r.get(1)?)))?;
            rows.collect()
        };
        let panes = read().map_err(|error| state("read", &error))?.into_iter();
        panes.map(|(name, rows)| Ok((pane_key(&name)?, rows as u64))).collect()
    }

    /// The parts of one pane, but for those that are about to be `removed`.
    pub fn parts(&self, pane: &PaneKey, removed: &[i64]) -> Result<Vec<Pane>> {
        let read = || -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
            let connection = self.store.reader();
            let mut statement = connection.prepare_cached(
                "SELECT id, body FROM part WHERE model = ?1 AND pane = ?2 ORDER BY id",
            )?;
            let rows = statement
                .query_map(params![self.model, to_text(pane)], |r| Ok((r.get(0)?, r.get(1)?)))?;
            rows.collect()
        };
        let parts = read().map_err(|error| state("read", &error))?;
        let parts = parts.iter().filter(|(id, _)| !removed.contains(id));
        parts.map(|(_, body)| decode(Content::Pane, body)).collect()
    }

    /// What a content added, when it is known at `path` and nowhere else.
    pub fn earlier(
        &self,
        source: i64,
        path: &std::path::Path,
    ) -> Result<Option<(u128, Vec<EarlierPart>)>> {
        let Some(content) = self.only_content(source, path)? else { return Ok(None) };
        let connection = self.store.reader();
        type Row = (i64, Option<String>, i64, Option<i64>);
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = connection.prepare_cached(
                "SELECT id, pane, rows, start FROM part WHERE source = ?1 AND content = ?2",
            )?;
            let rows = statement.query_map(params![source, content.to_be_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            rows.collect()
        };
        let parts = read().map_err(|error| state("read", &error))?.into_iter();
        let parts = parts.map(|(id, pane, rows, start)| {
            let pane = pane.as_deref().map(pane_key).transpose()?;
            Ok(EarlierPart { id, pane, rows: rows as u64, start: start.map(Timestamp) })
        });
        Ok(Some((content, parts.collect::<Result<_>>()?)))
    }
}

fn pane_key(name: &str) -> Result<PaneKey> {
    serde_json::from_str(name).map_err(|error| Error::decode(format!("pane {name}: {error}")))
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    parts: &[PartRecord],
    commit: &Commit,
) -> Result<()> {
    let Commit { removed, renamed, retagged, .. } = commit;
    let tried = |error: rusqlite::Error| state("write", &error);
    // The names of another epoch all change at once: a new name can be another's old one.
    let mark = if commit.epoch.is_some() { "~" } else { "" };
    rename(transaction, model, renamed, mark).map_err(tried)?;
    transaction
        .execute(
            "UPDATE part SET pane = substr(pane, 2) WHERE model = ?1 AND pane LIKE '~%'",
            params![model],
        )
        .map_err(tried)?;
    let mut retag =
        transaction.prepare_cached("UPDATE part SET content = ?2 WHERE id = ?1").map_err(tried)?;
    for (id, content) in retagged {
        retag.execute(params![id, content.to_be_bytes()]).map_err(tried)?;
    }
    let mut delete = transaction.prepare_cached("DELETE FROM part WHERE id = ?1").map_err(tried)?;
    for id in removed {
        delete.execute(params![id]).map_err(tried)?;
    }
    let mut insert = transaction.prepare_cached(INSERT).map_err(tried)?;
    for part in parts {
        let pane = part.pane.as_ref().map(to_text);
        let (source, content) = part.file.unzip();
        let content = content.map(u128::to_be_bytes);
        let (rows, start) = (part.rows as i64, part.start.map(|start| start.0));
        let body = part.pane.as_ref().map(|_| &part.body);
        let values = params![model, pane, rows, 0, source, content, start, body];
        insert.execute(values).map_err(tried)?;
    }
    let mut panes: Vec<&PaneKey> =
        parts.iter().filter(|part| part.file.is_none()).filter_map(|p| p.pane.as_ref()).collect();
    panes.sort_unstable();
    panes.dedup();
    panes.into_iter().try_for_each(|pane| compact(transaction, model, pane))
}

const INSERT: &str = "INSERT INTO part (model, pane, rows, level, source, content, start, body)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

fn rename(
    transaction: &Transaction<'_>,
    model: i64,
    renamed: &[Renamed],
    mark: &str,
) -> rusqlite::Result<()> {
    let mut other =
        transaction.prepare_cached("UPDATE part SET pane = ?3 WHERE model = ?1 AND pane = ?2")?;
    let mut remember = transaction.prepare_cached(
        "UPDATE part SET pane = NULL, body = NULL
         WHERE model = ?1 AND pane = ?2 AND content IS NOT NULL AND start IS NOT NULL",
    )?;
    let mut forget =
        transaction.prepare_cached("DELETE FROM part WHERE model = ?1 AND pane = ?2")?;
    for Renamed { from, to } in renamed {
        let from = to_text(from);
        match to {
            Some(to) => {
                other.execute(params![model, from, format!("{mark}{}", to_text(to))])?;
            }
            None => {
                remember.execute(params![model, from])?;
                forget.execute(params![model, from])?;
            }
        }
    }
    Ok(())
}

/// Merges the parts of a pane that no file can take back, level by level.
fn compact(transaction: &Transaction<'_>, model: i64, pane: &PaneKey) -> Result<()> {
    let tried = |error: rusqlite::Error| state("write", &error);
    let name = to_text(pane);
    type Row = (i64, Option<i64>, Vec<u8>);
    for level in 0.. {
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut statement = transaction.prepare_cached(
                "SELECT id, start, body FROM part
                 WHERE model = ?1 AND pane = ?2 AND level = ?3 AND content IS NULL ORDER BY id",
            )?;
            let rows = statement.query_map(params![model, name, level], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            rows.collect()
        };
        let count: i64 = transaction
            .prepare_cached(
                "SELECT count(*) FROM part
                 WHERE model = ?1 AND pane = ?2 AND level = ?3 AND content IS NULL",
            )
            .and_then(|mut statement| {
                statement.query_row(params![model, name, level], |row| row.get(0))
            })
            .map_err(tried)?;
        if (count as usize) < PARTS_MERGED {
            return Ok(());
        }
        let mut parts = Vec::new();
        for (id, start, body) in read().map_err(tried)? {
            parts.push((id, start, decode::<Pane>(Content::Pane, &body)?));
        }
        // Those that were counted before the reference got more features stay apart.
        let grids = |pane: &Pane| pane.features.iter().map(|f| f.grid).collect::<Vec<_>>();
        let newest = parts.last().map(|(.., pane)| grids(pane));
        parts.retain(|(.., pane)| Some(grids(pane)) == newest);
        if parts.len() < PARTS_MERGED {
            return Ok(());
        }
        let start = parts[0].1;
        let mut merged = Pane { rows: 0, rows_kept: 0, features: vec![], clusters: vec![] };
        for (index, (.., pane)) in parts.iter().enumerate() {
            if index == 0 {
                merged = pane.clone();
            } else {
                merged.merge(pane).expect("they are on the same grids");
            }
        }
        let mut delete =
            transaction.prepare_cached("DELETE FROM part WHERE id = ?1").map_err(tried)?;
        for (id, ..) in &parts {
            delete.execute(params![id]).map_err(tried)?;
        }
        let (rows, body) = (merged.rows as i64, encode(Content::Pane, &merged));
        let none: (Option<i64>, Option<Vec<u8>>) = (None, None);
        let values = params![model, name, rows, level + 1, none.0, none.1, start, body];
        transaction.prepare_cached(INSERT).and_then(|mut i| i.execute(values)).map_err(tried)?;
    }
    Ok(())
}
