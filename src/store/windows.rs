//! Open panes, the places of windows, and closed windows with their figures.

use super::{Commit, ModelStore, signature, state, to_text};
use crate::error::{Error, Result};
use crate::monitor::figures::WindowFigures;
use crate::monitor::model::Remembered;
use crate::profile::codec::{Content, decode, encode};
use crate::window::WindowConfig;
use crate::window::cursor::Place;
use crate::window::pane::{Pane, PaneKey, Panes};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

impl ModelStore {
    /// What was open and what was shown when the last process ended.
    pub fn remembered(&self, windows: &[WindowConfig]) -> Result<Remembered> {
        let connection = self.store.connection();
        let mut remembered = Remembered::default();
        for window in windows {
            remembered.places.push(self.place(&connection, &window.name)?);
            remembered.latest.push(self.latest(&connection, &window.name)?);
        }
        remembered.panes = self.panes(&connection)?;
        Ok(remembered)
    }

    /// Takes other windows, under which open panes and places mean nothing: forgets those.
    pub fn change_windows(&self, windows: &[WindowConfig]) -> Result<()> {
        let mut connection = self.store.connection();
        let changed = connection.transaction().and_then(|transaction| {
            transaction.execute("DELETE FROM pane WHERE model = ?1", params![self.model])?;
            transaction.execute("DELETE FROM place WHERE model = ?1", params![self.model])?;
            transaction.execute(
                "UPDATE model SET windows = ?2 WHERE id = ?1",
                params![self.model, signature(windows)],
            )?;
            transaction.commit()
        });
        changed.map_err(|error| state("write", &error))
    }

    fn place(&self, connection: &Connection, window: &str) -> Result<Place> {
        let body: Option<String> = connection
            .query_row(
                "SELECT body FROM place WHERE model = ?1 AND window = ?2",
                params![self.model, window],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| state("read", &error))?;
        let Some(body) = body else { return Ok(Place::default()) };
        serde_json::from_str(&body)
            .map_err(|error| Error::decode(format!("place of window {window:?}: {error}")))
    }

    /// The closed window that is shown: greatest end, then ledger order.
    fn latest(&self, connection: &Connection, window: &str) -> Result<Option<WindowFigures>> {
        let body: Option<Vec<u8>> = connection
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

    fn panes(&self, connection: &Connection) -> Result<Panes> {
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            let mut statement =
                connection.prepare("SELECT key, body FROM pane WHERE model = ?1")?;
            let rows = statement.query_map(params![self.model], |r| Ok((r.get(0)?, r.get(1)?)))?;
            rows.collect()
        };
        let mut panes = Panes::default();
        for (key, body) in read().map_err(|error| state("read", &error))? {
            let key: PaneKey = serde_json::from_str(&key)
                .map_err(|error| Error::decode(format!("pane {key}: {error}")))?;
            panes.0.insert(key, decode(Content::Pane, &body)?);
        }
        Ok(panes)
    }
}

/// The form of a pane in a [`Commit`].
pub fn pane_record(key: &PaneKey, pane: Option<&Pane>) -> (String, Option<Vec<u8>>) {
    (to_text(key), pane.map(|pane| encode(Content::Pane, pane)))
}

/// The form of a window's place in a [`Commit`].
pub fn place_record(window: &str, place: &Place) -> (String, String) {
    (window.to_owned(), to_text(place))
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
    windows_max: u64,
) -> rusqlite::Result<()> {
    let mut put = transaction
        .prepare_cached("INSERT OR REPLACE INTO pane (model, key, body) VALUES (?1, ?2, ?3)")?;
    let mut delete =
        transaction.prepare_cached("DELETE FROM pane WHERE model = ?1 AND key = ?2")?;
    for (key, body) in &commit.panes {
        match body {
            Some(body) => put.execute(params![model, key, body])?,
            None => delete.execute(params![model, key])?,
        };
    }
    let mut place = transaction
        .prepare_cached("INSERT OR REPLACE INTO place (model, window, body) VALUES (?1, ?2, ?3)")?;
    for (window, body) in &commit.places {
        place.execute(params![model, window, body])?;
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
