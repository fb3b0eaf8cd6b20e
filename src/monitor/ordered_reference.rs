//! A reference whose rows are in the order of time: cut into stretches, it is a history from which
//! it is known how much a feature varies before the first window closes.

use super::model::{ArrivalTime, ModelConfig, Monitor, Restored};
use super::reference::Reference;
use super::table::Table;
use crate::error::{Fault, StateError};
use crate::judge::drift_config::STEPS_MIN;
use crate::judge::evidence::WindowEvidence;
use crate::position::Arrival;
use crate::time::Timestamp;
use crate::window::open::{DeltaId, PaneCounts};
use crate::window::pane::{Pane, PaneRange};
use crate::window::{WindowConfig, WindowKind};
use std::sync::Arc;

/// Rows of a stretch, at least.
const ROWS_MIN: u64 = 100;

/// Counts of features in stretches that are held at a time.
const COUNTS_MAX: u64 = 250_000;

/// Stretches that are counted at a time.
const STRETCHES_MAX: u64 = 10_000;

/// Everything is held in memory.
struct InMemory;

impl PaneCounts for InMemory {
    fn deltas(&mut self, _ranges: &[PaneRange]) -> Result<Vec<DeltaId>, StateError> {
        Ok(Vec::new())
    }

    fn read(&self, _delta: &DeltaId) -> Result<Pane, StateError> {
        unreachable!("nothing is anywhere else")
    }
}

/// What stretches of the reference's rows leave for judging windows, as if they had been windows:
/// of the size of the windows where these are cut by rows, else as many as are learned from. Empty
/// where there are too few rows, or very many features.
pub fn evidence(
    config: &ModelConfig,
    reference: &Arc<Reference>,
    tables: &[&dyn Table],
) -> Result<Vec<WindowEvidence>, Fault> {
    let Some((size, wanted)) = stretches(config, reference) else { return Ok(Vec::new()) };
    let windows = ModelConfig {
        windows: vec![WindowConfig { name: "rows".into(), kind: WindowKind::Rows { size } }],
        baselines: Vec::new(),
        sampling: None,
        time: None,
        cluster: None,
        distributions: false,
        cells: Vec::new(),
        profiles: false,
        ..config.clone()
    };
    let mut monitor = Monitor::new(windows, Arc::clone(reference), Restored::default());
    let now = Timestamp(1);
    let time = ArrivalTime { arrival: Arrival::File, fallback: now, now };
    let mut evidence = Vec::new();
    for table in tables {
        let counted = monitor.count(*table, time, None, false)?;
        let completed = monitor.add("reference", counted, now);
        let closing = monitor.close(&completed, None, now, &mut InMemory);
        let closing = closing.map_err(|error| Fault::unreadable(error.to_string()))?;
        let remembered = closing.closed.into_iter().filter_map(|closed| closed.remembered);
        evidence.extend(remembered.map(|own| own.evidence.as_ref().clone()));
    }
    let older = evidence.len().saturating_sub(wanted);
    Ok(evidence.split_off(older))
}

/// Whether this is what stretches of the reference would leave now, and not under other windows.
pub fn is_current(
    known: &[WindowEvidence],
    config: &ModelConfig,
    reference: &Arc<Reference>,
) -> bool {
    match stretches(config, reference) {
        None => known.is_empty(),
        Some((size, wanted)) => {
            let own = known.first().and_then(|window| window.feature(0));
            known.len() == wanted && own.is_some_and(|own| own.rows == size)
        }
    }
}

/// The rows of a stretch, and how many are kept; none where there are too few rows.
fn stretches(config: &ModelConfig, reference: &Reference) -> Option<(u64, usize)> {
    let (all, features) = (reference.rows, reference.features.len() as u64);
    let most = config.drift.history as u64 + 1;
    let held = (COUNTS_MAX / features.max(1)).clamp(1, STRETCHES_MAX);
    let least = STEPS_MIN as u64 + 1;
    let of_rows = config.windows.iter().find_map(|window| match window.kind {
        WindowKind::Rows { size } if size.saturating_mul(least) <= all => Some(size),
        _ => None,
    });
    let size = of_rows.unwrap_or(all / most).max(ROWS_MIN).max(all.div_ceil(held));
    let n = all / size;
    (n >= least).then_some((size, n.min(most) as usize))
}
