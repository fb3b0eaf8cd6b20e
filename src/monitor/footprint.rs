//! What a model's open windows take, before any row is counted.

use super::model::ModelConfig;
use super::reference::Reference;
use crate::profile::feature::{FeatureGrid, FeatureProfile};
use crate::profile::numeric::NumericProfile;
use crate::profile::random_groups::RandomGroups;
use crate::window::WindowKind;
use crate::window::cursor::PaneLayout;

/// Bytes of a counted cell in the state, about: gaps and counts are small numbers.
const STATE_BYTES_PER_CELL: f64 = 2.0;
/// Bytes of a feature's sums, extremes and identity there.
const STATE_BYTES_PER_FEATURE: f64 = 115.0;

/// Bytes that a feature leaves when its window closes, about, and more for each of its bins.
const EVIDENCE_BYTES_PER_FEATURE: u64 = 30;
const EVIDENCE_BYTES_PER_BIN: u64 = 2;

/// Bytes and panes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// Counts of one pane in memory.
    pub pane: u64,
    /// Panes that are open at a time, when every stretch of time has rows.
    pub panes: u64,
    /// Needed to count and to close a window at all.
    pub least: u64,
    /// Counts of the open panes in the state, when every cell is filled; streams. Files have a part
    /// each, and no more than their rows need.
    pub state: u64,
    /// What closed windows leave for judging others, in memory and in the state.
    pub evidence: u64,
}

/// What `config` takes with this reference, counted on so many threads.
pub fn footprint(reference: &Reference, config: &ModelConfig, threads: usize) -> Footprint {
    let (features, cells) = reference
        .grids()
        .fold((0, 0), |(features, cells), grid| (features + 1, cells + grid.n_cells() as u64));
    let fixed = size_of::<FeatureProfile>() + size_of::<NumericProfile>();
    let groups: u64 = match config.cluster {
        Some(_) => {
            let of_feature = |grid: &FeatureGrid| RandomGroups::bytes_of(grid.n_bins() + 1) as u64;
            reference.grids().map(of_feature).sum()
        }
        None => 0,
    };
    let pane = cells * 8 + features * fixed as u64 + groups;
    let panes = panes(config);
    // A file's own counts, those of the pane, the merged window per thread, and its baselines.
    let at_once = 2 + threads as u64 + config.baselines.len() as u64;
    let state = cells as f64 * STATE_BYTES_PER_CELL + features as f64 * STATE_BYTES_PER_FEATURE;
    let bins: u64 = reference.grids().map(|grid| grid.n_bins() as u64).sum();
    let window = features * EVIDENCE_BYTES_PER_FEATURE + bins * EVIDENCE_BYTES_PER_BIN;
    let remembered = (config.drift.history as u64 + 1) * config.windows.len() as u64;
    Footprint {
        pane,
        panes,
        least: pane * at_once,
        state: (state * panes as f64) as u64,
        evidence: window * remembered,
    }
}

fn panes(config: &ModelConfig) -> u64 {
    let width = PaneLayout::new(&config.windows).width().unwrap_or(1).max(1) as u128;
    let by_time = config.windows.iter().filter_map(|window| match &window.kind {
        WindowKind::Time(period) => {
            let reach = config.baselines.iter().map(|baseline| baseline.kind.reach(period)).max();
            let span = period.size + period.lateness + reach.unwrap_or_default();
            Some(span.as_micros().div_ceil(width) as u64 + 1)
        }
        _ => None,
    });
    let slots_reach = config.baselines.iter().map(|baseline| baseline.kind.slots_reach()).max();
    let by_rows = config.windows.iter().filter(|w| !matches!(w.kind, WindowKind::Time(_)));
    by_time.max().unwrap_or(0).max(1) + by_rows.count() as u64 * slots_reach.unwrap_or(0)
}
