//! What closed windows left for judging those after them.

use super::ModelStore;
use super::commit::Commit;
use super::reference_record::Epoch;
use super::row_sums::WINDOW_EVIDENCE;
use crate::error::{Fault, Result, StateError};
use crate::judge::evidence::WindowEvidence;
use crate::profile::codec::{Content, decode, encode};
use rusqlite::{Transaction, params};

impl ModelStore {
    /// Of the windows of one name, oldest first.
    pub fn window_evidence(&self, window: &str) -> Result<Vec<WindowEvidence>, StateError> {
        let sql = format!(
            "SELECT body, {} FROM window_evidence WHERE model = ?1 AND window = ?2 ORDER BY slot",
            WINDOW_EVIDENCE.is_whole()
        );
        let bodies: Vec<Vec<u8>> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![self.model, window], |row| {
                WINDOW_EVIDENCE.expect_whole(row, 1)?;
                row.get(0)
            })?;
            rows.collect()
        })?;
        let decoded = bodies.iter().map(|body| {
            decode(Content::Evidence, body).map_err(|fault: Fault| {
                let what = format_args!("what a closed window {window:?} left");
                self.store.named(StateError::damaged(what, fault))
            })
        });
        decoded.collect()
    }
}

/// What was counted on another reference, or in windows that were cut otherwise, tells nothing.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    model: i64,
    epoch: &Epoch,
) -> rusqlite::Result<()> {
    if epoch.profile.is_some() {
        transaction.execute("DELETE FROM window_evidence WHERE model = ?1", params![model])?;
    }
    for window in &epoch.left {
        let sql = "DELETE FROM window_evidence WHERE model = ?1 AND window = ?2";
        transaction.execute(sql, params![model, window])?;
    }
    Ok(())
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(&WINDOW_EVIDENCE.insert())?;
    let mut prune = transaction.prepare_cached(
        "DELETE FROM window_evidence WHERE model = ?1 AND window = ?2 AND slot < ?3",
    )?;
    for closed in &commit.closed {
        let (window, Some(remembered)) = (&closed.figures.window, &closed.remembered) else {
            continue;
        };
        let body = encode(Content::Evidence, remembered.evidence.as_ref());
        insert.execute(params![model, window, remembered.evidence.slot as i64, body])?;
        prune.execute(params![model, window, remembered.oldest as i64])?;
    }
    Ok(())
}
