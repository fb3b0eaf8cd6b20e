//! Windows that were made the reference of their model.

use super::row_sums::ACCEPTED_REFERENCE;
use super::{ModelStore, StateError};
use crate::error::Result;
use crate::monitor::acceptance::Acceptance;
use crate::time::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

impl ModelStore {
    /// All of them, oldest first.
    pub fn acceptances(&self) -> Result<Vec<Acceptance>, StateError> {
        self.store.read(|connection| all(connection, self.model))
    }

    /// The one in force.
    pub fn acceptance(&self) -> Result<Option<Acceptance>, StateError> {
        Ok(self.acceptances()?.pop().filter(|last| last.ended.is_none()))
    }
}

fn all(connection: &Connection, model: i64) -> rusqlite::Result<Vec<Acceptance>> {
    let table = ACCEPTED_REFERENCE;
    let (columns, whole) = (table.columns(), table.is_whole());
    let sql = format!(
        "SELECT {columns}, {whole} FROM accepted_reference WHERE model = ?1 ORDER BY accepted"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![model], |row| {
        ACCEPTED_REFERENCE.expect_whole(row, 11)?;
        acceptance(row)
    })?;
    rows.collect()
}

fn acceptance(row: &Row<'_>) -> rusqlite::Result<Acceptance> {
    let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp));
    Ok(Acceptance {
        accepted: Timestamp(row.get(1)?),
        by: row.get(2)?,
        window: row.get(3)?,
        windows: row.get::<_, i64>(4)? as u64,
        start: time(5)?,
        end: time(6)?,
        rows: row.get::<_, i64>(7)? as u64,
        in_place_of: row.get(8)?,
        replaced: u128::from_be_bytes(row.get(9)?),
        ended: time(10)?,
    })
}

/// Writes the one that is in force from now on, if any, and ends the one before.
pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    now: Option<&Acceptance>,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let before = all(transaction, model)?.pop().filter(|last| last.ended.is_none());
    if before.as_ref() == now {
        return Ok(());
    }
    let mut replace = transaction.prepare(&ACCEPTED_REFERENCE.replace())?;
    let ended = before.map(|before| Acceptance { ended: Some(at), ..before });
    for own in ended.iter().chain(now) {
        replace.execute(params![
            model,
            own.accepted.0,
            own.by,
            own.window,
            own.windows as i64,
            own.start.map(|time| time.0),
            own.end.map(|time| time.0),
            own.rows as i64,
            own.in_place_of,
            own.replaced.to_be_bytes(),
            own.ended.map(|time| time.0),
        ])?;
    }
    Ok(())
}
