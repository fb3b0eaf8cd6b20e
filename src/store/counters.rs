//! Counters over all runs.

use super::ModelStore;
use super::commit::Commit;
use super::row_sums::TOTAL;
use crate::error::{Result, StateError};
use crate::totals::Totals;
use rusqlite::{Transaction, params};

impl ModelStore {
    /// Counters over all runs.
    pub fn totals(&self) -> Result<Totals, StateError> {
        let whole = TOTAL.is_whole();
        let sql = format!("SELECT scope, of, name, value, {whole} FROM total WHERE model = ?1");
        self.store.read(|connection| {
            let mut totals = Totals::default();
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query(params![self.model])?;
            while let Some(row) = rows.next()? {
                TOTAL.expect_whole(row, 4)?;
                let [scope, of, name]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
                totals.add(&scope, &of, &name, row.get::<_, i64>(3)? as u64);
            }
            Ok(totals)
        })
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    commit: &Commit,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(&format!(
        "{} ON CONFLICT DO UPDATE SET value = value + excluded.value,
             sum = row_sum('total', model, scope, of, name, value + excluded.value)",
        TOTAL.insert()
    ))?;
    for (scope, of, name, value) in commit.totals.iter() {
        statement.execute(params![model, scope, of, name, value as i64])?;
    }
    Ok(())
}
