//! Some features in the last windows of one name, as a table of features wants them.

use super::ModelStore;
use super::compared_features;
use crate::error::{Fault, Result, StateError};
use crate::monitor::figures::FeatureFigures;
use rusqlite::params;
use std::collections::HashMap;

/// What was read by the name of the feature, oldest window first; none of a window without it.
pub type ByFeature<T> = HashMap<String, Vec<Option<T>>>;

impl ModelStore {
    /// What `read` makes of these features in the newest `windows` closed windows of one name.
    pub fn recent_features<T: Clone>(
        &self,
        window: &str,
        names: &[&str],
        windows: u32,
        read: impl Fn(&FeatureFigures) -> T,
    ) -> Result<ByFeature<T>, StateError> {
        let places = self.newest(window, windows)?;
        let columns = self.store.feature_windows();
        // The windows are few, the features are many: one look-up for each of both.
        let sql = format!(
            "SELECT {}, {} FROM feature f CROSS JOIN feature_window v
                 ON v.window = ?1 AND v.feature = f.id
             WHERE f.model = ?2 AND f.name IN (SELECT value FROM json_each(?3))",
            compared_features::selected(),
            columns.selected("v")
        );
        let wanted = super::to_text(&names);
        let mut found: ByFeature<T> = ByFeature::new();
        for (place, id) in places.iter().enumerate() {
            let rows: Vec<Result<(String, T), Fault>> = self.store.read(|connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                let rows = statement.query_map(params![id, self.model, wanted], |row| {
                    let name = match compared_features::read_name(row, 0)? {
                        Ok(name) => name,
                        Err(fault) => return Ok(Err(fault)),
                    };
                    let own = columns.read(row, compared_features::N_SELECTED, name)?;
                    Ok(own.map(|own| (own.name.clone(), read(&own))))
                })?;
                rows.collect()
            })?;
            for row in rows {
                let (name, own) = self.undamaged(window, row)?;
                let all = found.entry(name).or_insert_with(|| vec![None; places.len()]);
                all[place] = Some(own);
            }
        }
        Ok(found)
    }

    /// The ids of the newest closed windows of one name, oldest first.
    fn newest(&self, window: &str, windows: u32) -> Result<Vec<i64>, StateError> {
        let sql = "SELECT id FROM closed_window WHERE model = ?1 AND window = ?2
                   ORDER BY coalesce(\"end\", closed) DESC, id DESC LIMIT ?3";
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let ids =
                statement.query_map(params![self.model, window, windows], |row| row.get(0))?;
            let mut ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>()?;
            ids.reverse();
            Ok(ids)
        })
    }
}
