//! What the last closed windows counted: a profile each, to judge them again or to add them up.

use super::{ModelStore, StateConfig, StateError};
use crate::monitor::close::ClosedWindow;
use crate::monitor::reference::{CurrentProfile, Profile};
use rusqlite::{OptionalExtension, Transaction, params};

impl ModelStore {
    /// The profile of the window with this id and name; none where it has gone.
    pub fn window_profile(
        &self,
        id: i64,
        window: &str,
    ) -> Result<Option<CurrentProfile>, StateError> {
        let body: Option<Vec<u8>> = self.store.read(|connection| {
            let select = "SELECT body FROM window_profile WHERE window = ?1";
            connection.prepare_cached(select)?.query_row(params![id], |row| row.get(0)).optional()
        })?;
        let Some(body) = body else { return Ok(None) };
        match Profile::from_bytes(&body) {
            Ok(Profile::Current(profile)) => Ok(Some(profile)),
            Ok(Profile::Reference(_)) => unreachable!("windows leave counts alone"),
            Err(fault) => {
                let what = format_args!("the profile of a closed window {window:?}");
                Err(self.store.named(StateError::damaged(what, fault)))
            }
        }
    }
}

/// Writes the profile of a window that was written with this id, and drops the oldest of its name.
pub(super) fn write(
    transaction: &Transaction<'_>,
    (model, id): (i64, i64),
    closed: &ClosedWindow,
    config: &StateConfig,
) -> rusqlite::Result<()> {
    let most = i64::try_from(config.profiles_max).unwrap_or(i64::MAX);
    let insert = "INSERT INTO window_profile (window, body) VALUES (?1, ?2)";
    if let Some(profile) = &closed.profile {
        transaction.prepare_cached(insert)?.execute(params![id, &**profile])?;
    }
    let beyond = "DELETE FROM window_profile WHERE window IN (
                      SELECT p.window FROM window_profile p JOIN closed_window w ON w.id = p.window
                      WHERE w.model = ?1 AND w.window = ?2
                      ORDER BY p.window DESC LIMIT -1 OFFSET ?3)";
    let window = &closed.figures.window;
    transaction.prepare_cached(beyond)?.execute(params![model, window, most]).map(|_| ())
}

/// Drops the oldest profiles of all windows until what is too much is gone, but for the last of
/// each name; what is left of that.
pub(super) fn drop_bytes(transaction: &Transaction<'_>, excess: i64) -> rusqlite::Result<i64> {
    let mut left = excess;
    let oldest = "SELECT window, length(body) FROM window_profile
                  WHERE window NOT IN (SELECT max(p.window) FROM window_profile p
                      JOIN closed_window w ON w.id = p.window GROUP BY w.model, w.window)
                  ORDER BY window LIMIT 1";
    let mut oldest = transaction.prepare_cached(oldest)?;
    let mut delete = transaction.prepare_cached("DELETE FROM window_profile WHERE window = ?1")?;
    while left > 0 {
        let mut rows = oldest.query([])?;
        let Some(row) = rows.next()? else { break };
        let (window, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        drop(rows);
        delete.execute(params![window])?;
        left -= bytes;
    }
    Ok(left)
}
