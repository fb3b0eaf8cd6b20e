//! The last verdicts of each feature, out of the history.

use super::ModelStore;
use crate::error::StateError;
use crate::judge::persistence::{OF_MAX, Persistence, RecentVerdicts};
use crate::monitor::figures::ReferenceFigures;
use rusqlite::params;

impl ModelStore {
    /// Of the windows of one name that were compared with `reference`, and decided by `deciding`;
    /// others say nothing of these.
    pub fn recent_verdicts(
        &self,
        window: &str,
        reference: &ReferenceFigures,
        deciding: &str,
    ) -> Result<RecentVerdicts, StateError> {
        let sql = "WITH recent AS (
                       SELECT id FROM closed_window
                       WHERE model = ?1 AND window = ?2 AND compared = ?5
                           AND coalesce((SELECT value ->> 'name' FROM json_each(baselines)
                               WHERE value ->> 'decides'), 'reference') = ?4
                       ORDER BY id DESC LIMIT ?3)
                   SELECT f.name, v.drifted FROM recent w
                   CROSS JOIN feature_window v ON v.window = w.id
                   JOIN feature f ON f.id = v.feature
                   WHERE v.drifted IS NOT NULL
                   ORDER BY w.id";
        let compared = reference.content.to_le_bytes();
        let verdicts: Vec<(String, bool)> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let values = params![self.model, window, OF_MAX, deciding, compared];
            let rows = statement.query_map(values, |r| Ok((r.get(0)?, r.get(1)?)))?;
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
