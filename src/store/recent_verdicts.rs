//! The last verdicts of each feature, out of the history.

use super::ModelStore;
use crate::error::StateError;
use crate::judge::persistence::{OF_MAX, Persistence, RecentVerdicts};
use rusqlite::params;

impl ModelStore {
    /// Of the windows of one name that were compared with the reference that the last of them was
    /// compared with; another one says nothing of this one.
    pub fn recent_verdicts(&self, window: &str) -> Result<RecentVerdicts, StateError> {
        let sql = "WITH recent AS (
                       SELECT id FROM closed_window WHERE model = ?1 AND window = ?2
                       ORDER BY id DESC LIMIT ?3)
                   SELECT f.name, v.drifted FROM recent w
                   CROSS JOIN feature_window v ON v.window = w.id
                   JOIN feature f ON f.id = v.feature
                   WHERE v.drifted IS NOT NULL AND v.feature IN (
                       SELECT feature FROM feature_window
                       WHERE window = (SELECT max(id) FROM recent))
                   ORDER BY w.id";
        let verdicts: Vec<(String, bool)> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map(params![self.model, window, OF_MAX], |r| Ok((r.get(0)?, r.get(1)?)))?;
            rows.collect()
        })?;
        let mut recent = RecentVerdicts::default();
        let any = Persistence { windows: 1, of: OF_MAX };
        for (feature, drifted) in verdicts {
            recent.add(&feature, Some(drifted), any);
        }
        Ok(recent)
    }
}
