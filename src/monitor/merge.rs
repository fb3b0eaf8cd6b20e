//! Merging panes, on all cores.

use crate::error::{Result, StateError};
use crate::profile::Accumulator;
use crate::window::open::{OpenPanes, PaneCounts};
use crate::window::pane::{Axis, Pane, PaneRange};
use crate::window::pane_sums::PaneSums;
use rayon::prelude::*;

/// Features that one task merges: each takes about a microsecond.
const FEATURES_MIN: usize = 256;

const SAME: &str = "the panes of a model are on its grids";

/// Adds the rows of one pane to another of the same model.
pub fn merge_into(into: &mut Pane, mut from: Pane) {
    let features = std::mem::take(&mut from.features);
    assert_eq!(into.features.len(), features.len(), "{SAME}");
    let features = into.features.par_iter_mut().zip(features).with_min_len(FEATURES_MIN);
    features.for_each(|(into, from)| into.merge(&from).expect(SAME));
    into.merge_rest(&from).expect(SAME);
}

/// All panes of some ranges as one; none when there is no such pane.
pub fn merged(
    open: &OpenPanes,
    ranges: &[PaneRange],
    counts: &mut dyn PaneCounts,
) -> Result<Option<Pane>, StateError> {
    if let Some(panes) = open.counts(ranges) {
        let sum = panes.into_par_iter().fold(|| None, add);
        return Ok(sum.reduce(|| None, add_both));
    }
    let deltas = counts.deltas(ranges)?;
    let counts: &dyn PaneCounts = counts;
    let sum = deltas.into_par_iter().try_fold(
        || None,
        |sum: Option<Pane>, delta| {
            let read = counts.read(&delta)?;
            Ok(add_both(sum, Some(read)))
        },
    );
    sum.try_reduce(|| None, |a, b| Ok(add_both(a, b)))
}

/// Adds up the panes of each block of time in some ranges that others will ask for again, where
/// memory has all of them and room for more.
pub fn sum_up(open: &mut OpenPanes, ranges: &[PaneRange]) {
    for block in open.unsummed(ranges) {
        if !open.has_room() {
            return;
        }
        let own = PaneRange { axis: Axis::Bucket, numbers: PaneSums::buckets(block) };
        let panes = open.counts(&[own]);
        let sum = panes
            .and_then(|panes| panes.into_par_iter().fold(|| None, add).reduce(|| None, add_both));
        if let Some(sum) = sum {
            open.keep_sum(block, sum);
        }
    }
}

fn add(sum: Option<Pane>, pane: &Pane) -> Option<Pane> {
    match sum {
        None => Some(pane.clone()),
        Some(mut sum) => {
            sum.merge(pane).expect(SAME);
            Some(sum)
        }
    }
}

fn add_both(a: Option<Pane>, b: Option<Pane>) -> Option<Pane> {
    match (a, b) {
        (Some(mut a), Some(b)) => {
            a.merge(&b).expect(SAME);
            Some(a)
        }
        (a, b) => a.or(b),
    }
}
