//! Where windows stand.

use super::commit::Commit;
use super::row_sums::PLACE;
use super::{ModelStore, to_text};
use crate::error::{Result, StateError};
use crate::window::cursor::Place;
use rusqlite::{OptionalExtension, Transaction, params};

impl ModelStore {
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
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
) -> rusqlite::Result<()> {
    let mut place = transaction.prepare_cached(&PLACE.replace())?;
    for (window, body) in &commit.places {
        place.execute(params![model, window, to_text(body)])?;
    }
    Ok(())
}
