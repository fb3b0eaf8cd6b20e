//! The places of windows, and closed windows with their figures.

use super::commit::Commit;
use super::row_sums::{CLOSED_WINDOW, PLACE};
use super::{ModelStore, to_text};
use crate::error::{Fault, Result, StateError};
use crate::monitor::figures::WindowFigures;
use crate::monitor::figures_before::WindowFiguresBefore;
use crate::profile::codec::{Content, decode, decode_versions, encode, version};
use crate::time::Timestamp;
use crate::window::cursor::Place;
use rusqlite::{OptionalExtension, Transaction, params};

/// Which closed windows are wanted: those that end in a stretch of time, by event time or, where
/// windows have none, by the clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query {
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
    /// The newest of them.
    pub limit: Option<u32>,
}

impl ModelStore {
    /// The names of all windows that any have closed of.
    fn window_names(&self) -> Result<Vec<String>, StateError> {
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT window FROM closed_window WHERE model = ?1 ORDER BY window",
            )?;
            let rows = statement.query_map(params![self.model], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// Closed windows of one name, or of all, name by name and oldest first.
    pub fn past(
        &self,
        window: Option<&str>,
        query: &Query,
    ) -> Result<Vec<WindowFigures>, StateError> {
        let names = self.window_names()?.into_iter();
        let wanted = names.filter(|name| window.is_none_or(|window| window == name));
        let past = wanted.map(|name| self.windows(&name, query));
        Ok(past.collect::<Result<Vec<_>, StateError>>()?.into_iter().flatten().collect())
    }

    /// Closed windows, oldest first.
    pub fn windows(&self, window: &str, query: &Query) -> Result<Vec<WindowFigures>, StateError> {
        let bodies: Vec<Vec<u8>> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT figures, {} FROM closed_window
                 WHERE model = ?1 AND window = ?2 AND coalesce(\"end\", closed) >= ?3
                     AND coalesce(\"end\", closed) < ?4
                 ORDER BY coalesce(\"end\", closed) DESC, id DESC LIMIT ?5",
                CLOSED_WINDOW.is_whole()
            ))?;
            let from = query.from.map_or(i64::MIN, |from| from.0);
            let to = query.to.map_or(i64::MAX, |to| to.0);
            let limit = query.limit.map_or(-1, i64::from);
            let values = params![self.model, window, from, to, limit];
            let rows = statement.query_map(values, |row| {
                CLOSED_WINDOW.expect_whole(row, 1)?;
                row.get(0)
            })?;
            rows.collect()
        })?;
        bodies.iter().rev().map(|body| self.figures(window, body)).collect()
    }

    /// Where a window stood when the last process ended.
    pub fn place(&self, window: &str) -> Result<Option<Place>, StateError> {
        let whole = PLACE.is_whole();
        let sql = format!("SELECT body, {whole} FROM place WHERE model = ?1 AND window = ?2");
        let body: Option<String> = self.store.read(|connection| {
            let place = connection.query_row(&sql, params![self.model, window], |row| {
                PLACE.expect_whole(row, 1)?;
                row.get(0)
            });
            place.optional()
        })?;
        let Some(body) = body else { return Ok(None) };
        serde_json::from_str(&body).map(Some).map_err(|error| {
            let what = format_args!("the place of window {window:?}");
            self.store.named(StateError::damaged(what, error))
        })
    }

    /// The closed window that is shown: greatest end, then ledger order.
    pub fn latest(&self, window: &str) -> Result<Option<WindowFigures>, StateError> {
        let latest = Query { limit: Some(1), ..Query::default() };
        Ok(self.windows(window, &latest)?.pop())
    }

    fn figures(&self, window: &str, body: &[u8]) -> Result<WindowFigures, StateError> {
        let before = decode_versions::<WindowFiguresBefore>;
        let figures = match version(body) {
            Some(3..5) => before(3..=4, Content::Window, body).map(WindowFigures::from),
            _ => decode(Content::Window, body),
        };
        figures.map_err(|fault: Fault| {
            let what = format_args!("a closed window {window:?}");
            self.store.named(StateError::damaged(what, fault))
        })
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
    windows_max: u64,
) -> rusqlite::Result<()> {
    let mut place = transaction.prepare_cached(&PLACE.replace())?;
    for (window, body) in &commit.places {
        place.execute(params![model, window, to_text(body)])?;
    }
    let mut insert = transaction.prepare_cached(&CLOSED_WINDOW.insert())?;
    let mut prune = transaction.prepare_cached(
        "DELETE FROM closed_window WHERE model = ?1 AND window = ?2 AND id <= (
             SELECT id FROM closed_window WHERE model = ?1 AND window = ?2
             ORDER BY id DESC LIMIT 1 OFFSET ?3)",
    )?;
    for closed in &commit.closed {
        let figures = &closed.figures;
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
