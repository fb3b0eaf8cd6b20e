//! What a model's open panes become when its reference or its windows change.
//!
//! Counts mean nothing without the grid that they were counted on. So when a feature of the old
//! reference has another grid in the new one, or none, the open windows close as they are, under
//! the old reference, and counting starts anew: every row is in one window, under one grid. A
//! reference that only adds features leaves the others' counts as they are. A window that goes, or
//! is cut otherwise, closes as it is; the others go on.

use super::loaded_reference::{LoadedReference, contents, stored};
use crate::error::{Result, StateError};
use crate::judge::evidence::WindowEvidence;
use crate::monitor::close::ClosedWindow;
use crate::monitor::figures::ReferenceFigures;
use crate::monitor::model::{ModelConfig, Monitor, Restored};
use crate::monitor::ordered_reference::is_current;
use crate::monitor::reference::Reference;
use crate::store::ModelStore;
use crate::store::commit::Commit;
use crate::store::reference_record::{Epoch, ReferenceRecord};
use crate::time::Timestamp;
use crate::totals::OF_WINDOWS;
use crate::window::baseline::REFERENCE;
use crate::window::cursor::{PaneLayout, Place};
use crate::window::open::{DeltaId, PaneCounts};
use crate::window::pane::{Axis, CLOSED, Pane, PaneKey, PaneRange};
use crate::window::period::PeriodPlace;
use crate::window::{WindowConfig, WindowKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::warn;

/// Resumes from what the state has, and moves it to the loaded reference and the configured windows
/// where those are others.
pub fn resume(
    config: &ModelConfig,
    loaded: LoadedReference,
    ordered: Option<&OrderedReference<'_>>,
    store: &ModelStore,
    now: Timestamp,
) -> Result<(Arc<Reference>, Restored), StateError> {
    let LoadedReference { reference, record } = loaded;
    let before = store.known_windows()?;
    let record_before = store.reference_record()?;
    let is_stored = |before: &ReferenceRecord| {
        (before.settings, &before.accepted) == (record.settings, &record.accepted)
            && contents(&before.files).eq(contents(&record.files))
    };
    let is_stored = record_before.as_ref().is_some_and(is_stored);
    let profile = (!is_stored).then(|| reference.to_chunks());
    let is_same = record_before.as_ref() == Some(&record) && before == config.windows;
    if !is_same {
        let mut commit = Commit::default();
        let (mut renamed, mut left) = (Vec::new(), Vec::new());
        if !before.is_empty() {
            let earlier = match &profile {
                Some(_) => Arc::new(stored(store)?.seen_as(&reference)),
                None => Arc::clone(&reference),
            };
            let change = Transition { config, before: &before, reference: &reference, earlier };
            (renamed, left) = change.note(store, now, &mut commit)?;
        }
        let windows = config.windows.clone();
        let begun = now;
        commit.epoch = Some(Epoch { windows, reference: record, begun, profile, renamed, left });
        store.commit(&commit)?;
    }
    let mut restored = restored(config, &reference, store)?;
    if let Some(read) = ordered {
        restored.of_reference = store.evidence_of_reference()?;
        if !is_current(&restored.of_reference, config, &reference) {
            restored.of_reference = read(&reference);
            let of_reference = Some(restored.of_reference.clone());
            store.commit(&Commit { of_reference, ..Commit::default() })?;
        }
    }
    Ok((reference, restored))
}

/// Reads what stretches of a reference in the order of time leave; none where that fails.
pub type OrderedReference<'a> = dyn Fn(&Arc<Reference>) -> Vec<WindowEvidence> + 'a;

fn restored(
    config: &ModelConfig,
    reference: &Reference,
    store: &ModelStore,
) -> Result<Restored, StateError> {
    let accepted = store.acceptance()?.map(Arc::new);
    let mut restored = Restored { panes: store.panes()?, accepted, ..Restored::default() };
    let figures = config.drift.persistence.map(|_| ReferenceFigures::of(reference, false));
    for window in &config.windows {
        restored.places.push(store.place(&window.name)?);
        restored.latest.push(store.latest(&window.name)?);
        restored.evidence.push(store.window_evidence(&window.name)?);
        if let Some(figures) = &figures {
            let deciding = config.baselines.iter().find(|baseline| baseline.decides);
            let deciding = deciding.map_or(REFERENCE, |baseline| &baseline.name);
            restored.recent.push(store.recent_verdicts(&window.name, figures, deciding)?);
        }
    }
    Ok(restored)
}

/// The counts of panes that are in the state, on the grids of their reference.
struct StoredCounts<'a> {
    store: &'a ModelStore,
    reference: &'a Reference,
}

impl PaneCounts for StoredCounts<'_> {
    fn deltas(&mut self, ranges: &[PaneRange]) -> Result<Vec<DeltaId>, StateError> {
        let deltas = self.store.deltas(ranges)?.into_iter();
        Ok(deltas.map(|delta| DeltaId::Stored(delta.id)).collect())
    }

    fn read(&self, delta: &DeltaId) -> Result<Pane, StateError> {
        let DeltaId::Stored(id) = delta else { unreachable!("nothing waits to be written") };
        Ok(self.reference.adopt(self.store.delta(*id)?))
    }
}

/// From one reference and its windows to others.
struct Transition<'a> {
    config: &'a ModelConfig,
    before: &'a [WindowConfig],
    reference: &'a Arc<Reference>,
    earlier: Arc<Reference>,
}

/// What panes are called from now on; those without a name are dropped.
type Renamed = Vec<(PaneKey, Option<PaneKey>)>;

impl Transition<'_> {
    fn note(
        &self,
        store: &ModelStore,
        now: Timestamp,
        commit: &mut Commit,
    ) -> Result<(Renamed, Vec<String>), StateError> {
        let keeps_grids = self.keeps_grids();
        let survivors: Vec<Option<usize>> = (0..self.before.len())
            .map(|window| self.survivor(window).filter(|_| keeps_grids))
            .collect();
        let config = ModelConfig { windows: self.before.to_vec(), ..self.config.clone() };
        let restored = restored(&config, &self.earlier, store)?;
        let (panes, places) = (restored.panes.clone(), restored.places.clone());
        let mut monitor = Monitor::new(config, Arc::clone(&self.earlier), restored);
        let leaving = survivors.iter().enumerate().filter(|(_, survivor)| survivor.is_none());
        let leaving: Vec<usize> = leaving.map(|(window, _)| window).collect();
        let mut counts = StoredCounts { store, reference: &self.earlier };
        let closing = monitor.leave(&leaving, now, &mut counts)?;
        for ClosedWindow { figures, .. } in &closing.closed {
            let (window, rows) = (&figures.window, figures.rows);
            let model = &self.config.name;
            warn!(model, window, rows, "closed as it is: the reference or the windows changed");
            commit.totals.add(OF_WINDOWS, window, figures.verdict().name(), 1);
        }
        let closed = closing.closed.into_iter();
        commit.closed = closed.map(|own| ClosedWindow { remembered: None, ..own }).collect();
        let left = leaving.iter().map(|window| self.before[*window].name.clone()).collect();
        let layouts = (PaneLayout::new(self.before), PaneLayout::new(&self.config.windows));
        // Windows of the same name go on from where they were, even if with nothing in them.
        for (window, place) in places.into_iter().enumerate() {
            let place = place.map(|place| match (survivors[window], self.survivor(window)) {
                (Some(_), _) => place,
                (None, Some(_)) => without_open(place),
                (None, None) => cut_otherwise(place),
            });
            let name = &self.before[window].name;
            let is_left = self.config.windows.iter().any(|w| w.name == *name);
            commit.places.extend(place.filter(|_| is_left).map(|place| (name.clone(), place)));
        }
        let renamed = panes.into_iter().map(|(key, _)| {
            let to = keeps_grids.then(|| self.renamed(&key, &survivors, &layouts)).flatten();
            (key, to)
        });
        let renamed = renamed.filter(|(from, to)| to.as_ref() != Some(from)).collect();
        Ok((renamed, left))
    }

    /// Whether every grid that was counted on is still there.
    fn keeps_grids(&self) -> bool {
        let grids: BTreeSet<_> = self.reference.grids().map(|grid| grid.id.0).collect();
        self.earlier.grids().all(|grid| grids.contains(&grid.id.0))
    }

    /// The window that goes on counting where one of before was.
    fn survivor(&self, window: usize) -> Option<usize> {
        let before = &self.before[window];
        let width = |windows: &[WindowConfig]| PaneLayout::new(windows).width();
        let is_cut_alike = |now: &WindowConfig| match (before.kind, now.kind) {
            (WindowKind::Batch { .. }, WindowKind::Batch { .. }) => true,
            (WindowKind::Rows { size }, WindowKind::Rows { size: now }) => size == now,
            (WindowKind::Time(period), WindowKind::Time(now)) => {
                (period.size, period.slide, period.offset) == (now.size, now.slide, now.offset)
                    && width(self.before) == width(&self.config.windows)
            }
            _ => false,
        };
        let same = |now: &WindowConfig| now.name == before.name && is_cut_alike(now);
        self.config.windows.iter().position(same)
    }

    /// What a pane is called under the windows of now.
    fn renamed(
        &self,
        key: &PaneKey,
        survivors: &[Option<usize>],
        (before, now): &(PaneLayout, PaneLayout),
    ) -> Option<PaneKey> {
        let mut to = PaneKey { slots: vec![CLOSED; now.n_slots()], bucket: CLOSED };
        for (window, survivor) in survivors.iter().enumerate() {
            if let Some(Axis::Slot(slot)) = survivor.map(|survivor| now.axis(survivor)) {
                to.slots[slot] = key.number(before.axis(window));
            }
        }
        // Panes of the same width are of use to any window by event time.
        if now.width().is_some() && now.width() == before.width() {
            to.bucket = key.bucket;
        }
        (!to.is_closed()).then_some(to)
    }
}

fn without_open(place: Place) -> Place {
    match place {
        Place::Slots(place) => Place::Slots(place.without_open()),
        Place::Period(place) => Place::Period(place),
    }
}

/// Where a window starts that shares only its name with a previous one: its lateness starts afresh.
fn cut_otherwise(place: Place) -> Place {
    match place {
        Place::Slots(place) => Place::Slots(place.without_open()),
        Place::Period(_) => Place::Period(PeriodPlace::default()),
    }
}
