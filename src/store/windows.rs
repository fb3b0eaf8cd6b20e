//! The places of windows, and closed windows with their figures.

use super::{Commit, ModelStore, state, to_text};
use crate::error::{Error, Result};
use crate::monitor::figures::WindowFigures;
use crate::profile::codec::{Content, decode, encode};
use crate::window::cursor::Place;
use rusqlite::{OptionalExtension, Transaction, params};

impl ModelStore {
    /// Where a window stood when the last process ended.
    pub fn place(&self, window: &str) -> Result<Option<Place>> {
        let body: Option<String> = self
            .store
            .connection()
            .query_row(
                "SELECT body FROM place WHERE model = ?1 AND window = ?2",
                params![self.model, window],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| state("read", &error))?;
        let Some(body) = body else { return Ok(None) };
        let place = serde_json::from_str(&body);
        place.map(Some).map_err(|e| Error::decode(format!("place of window {window:?}: {e}")))
    }

    /// The closed window that is shown: greatest end, then ledger order.
    pub fn latest(&self, window: &str) -> Result<Option<WindowFigures>> {
        let body: Option<Vec<u8>> = self
            .store
            .connection()
            .query_row(
                "SELECT figures FROM closed_window WHERE model = ?1 AND window = ?2
                 ORDER BY \"end\" DESC, id DESC LIMIT 1",
                params![self.model, window],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| state("read", &error))?;
        body.map(|body| decode(Content::Window, &body)).transpose()
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
    windows_max: u64,
) -> rusqlite::Result<()> {
    let mut place = transaction
        .prepare_cached("INSERT OR REPLACE INTO place (model, window, body) VALUES (?1, ?2, ?3)")?;
    for (window, body) in &commit.places {
        place.execute(params![model, window, to_text(body)])?;
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO closed_window (model, window, slot, \"end\", closed, rows, verdict, figures)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut prune = transaction.prepare_cached(
        "DELETE FROM closed_window WHERE model = ?1 AND window = ?2 AND id <= (
             SELECT id FROM closed_window WHERE model = ?1 AND window = ?2
             ORDER BY id DESC LIMIT 1 OFFSET ?3)",
    )?;
    for figures in &commit.closed {
        insert.execute(params![
            model,
            figures.window,
            figures.slot as i64,
            figures.end.map(|end| end.0),
            figures.closed.map(|closed| closed.0),
            figures.rows as i64,
            figures.verdict().name(),
            encode(Content::Window, figures.as_ref()),
        ])?;
        prune.execute(params![model, figures.window, windows_max as i64])?;
    }
    Ok(())
}
