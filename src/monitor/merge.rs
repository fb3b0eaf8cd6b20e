//! Merging panes, on all cores.

use super::close::Extent;
use super::model::Monitor;
use crate::error::Result;
use crate::profile::Accumulator;
use crate::window::open::PaneParts;
use crate::window::pane::{Pane, PaneKey};
use rayon::prelude::*;

/// Features that one task merges: each takes about a microsecond.
const FEATURES_MIN: usize = 256;

/// Adds the rows of one pane to another of the same model.
pub fn merge_into(into: &mut Pane, mut from: Pane) {
    const SAME: &str = "the panes of a model are on its grids";
    let features = std::mem::take(&mut from.features);
    assert_eq!(into.features.len(), features.len(), "{SAME}");
    let features = into.features.par_iter_mut().zip(features).with_min_len(FEATURES_MIN);
    features.for_each(|(into, from)| into.merge(&from).expect(SAME));
    into.merge_rest(&from).expect(SAME);
}

impl Monitor {
    /// All panes of the extents as one; none when there is no such pane.
    pub(super) fn merged(&self, extents: &[Extent], parts: &dyn PaneParts) -> Result<Option<Pane>> {
        let is_inside = |key: &&PaneKey| extents.iter().any(|extent| extent.holds(key));
        let keys: Vec<&PaneKey> = self.open.iter().map(|(key, _)| key).filter(is_inside).collect();
        let add = |into: Option<Pane>, pane: &Pane| match into {
            None => Some(pane.clone()),
            Some(mut into) => {
                into.merge(pane).expect("the panes of a model are on its grids");
                Some(into)
            }
        };
        keys.into_par_iter()
            .try_fold(
                || None,
                |merged, key| match self.open.counts(key) {
                    Some(counts) => Ok(add(merged, counts)),
                    None => Ok(parts.parts(key)?.iter().fold(merged, add)),
                },
            )
            .try_reduce(
                || None,
                |a, b| {
                    Ok(match b {
                        Some(b) => add(a, &b),
                        None => a,
                    })
                },
            )
    }
}
