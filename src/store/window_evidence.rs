//! What closed windows left for judging those after them.

use super::commit::Commit;
use super::reference_record::Epoch;
use super::row_sums::WINDOW_EVIDENCE;
use super::{ModelStore, failed};
use crate::error::{Fault, Result, StateError};
use crate::judge::evidence::WindowEvidence;
use crate::profile::codec::{Content, decode, encode};
use rusqlite::{Transaction, params};

/// Stands in place of a window's name, which is never empty.
const OF_REFERENCE: &str = "";

impl ModelStore {
    /// Of stretches of a reference in the order of time.
    pub fn evidence_of_reference(&self) -> Result<Vec<WindowEvidence>, StateError> {
        self.window_evidence(OF_REFERENCE)
    }

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

impl ModelStore {
    /// Forgets what closed windows of all names left, and not what is known of the reference: of
    /// one feature, by its place in the reference, or of all. How many windows had it.
    pub fn reset_history(&self, feature: Option<usize>) -> Result<usize, StateError> {
        let mut connection = self.store.connection();
        let mut reset = || {
            let transaction = connection.transaction()?;
            let sql = "SELECT id, body FROM window_evidence WHERE model = ?1 AND window != ?2";
            let mut select = transaction.prepare(sql)?;
            let rows = select
                .query_map(params![self.model, OF_REFERENCE], |row| Ok((row.get(0)?, row.get(1)?)));
            let rows: Vec<(i64, Vec<u8>)> = rows?.collect::<rusqlite::Result<_>>()?;
            drop(select);
            let (sum, delete) =
                (WINDOW_EVIDENCE.sum(), "DELETE FROM window_evidence WHERE id = ?1");
            for (id, body) in &rows {
                // What cannot be read is of no use.
                let kept = feature.and_then(|feature| {
                    let own: WindowEvidence = decode(Content::Evidence, body).ok()?;
                    Some(encode(Content::Evidence, &own.without(feature)))
                });
                match kept {
                    None => transaction.execute(delete, params![id])?,
                    Some(body) => {
                        let sql = "UPDATE window_evidence SET body = ?2 WHERE id = ?1";
                        transaction.execute(sql, params![id, body])?;
                        let sql = format!("UPDATE window_evidence SET sum = {sum} WHERE id = ?1");
                        transaction.execute(&sql, params![id])?
                    }
                };
            }
            transaction.commit()?;
            Ok(rows.len())
        };
        reset().map_err(|error| self.store.named(failed("write", &error)))
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
    if let Some(stretches) = &commit.of_reference {
        let sql = "DELETE FROM window_evidence WHERE model = ?1 AND window = ?2";
        transaction.execute(sql, params![model, OF_REFERENCE])?;
        for own in stretches {
            let body = encode(Content::Evidence, own);
            insert.execute(params![model, OF_REFERENCE, own.slot as i64, body])?;
        }
    }
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
