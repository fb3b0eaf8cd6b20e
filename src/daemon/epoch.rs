//! What a model's open panes become when its reference or its windows change.
//!
//! Counts mean nothing without the grid that they were counted on. So when a feature of the old
//! reference has another grid in the new one, or none, the open windows close as they are, under
//! the old reference, and counting starts anew: every row is in one window, under one grid. A
//! reference that only adds features leaves the others' counts as they are. A window that goes, or
//! is cut otherwise, closes as it is; the others go on.

use super::parts::PartsOf;
use super::reference::{Loaded, contents};
use crate::error::Result;
use crate::monitor::model::{Change, ModelConfig, Monitor, Remembered};
use crate::monitor::reference::Reference;
use crate::store::reference::KeptReference;
use crate::store::{Commit, Epoch, ModelStore, Scope};
use crate::time::Timestamp;
use crate::window::cursor::{Axes, Place};
use crate::window::open::Renamed;
use crate::window::pane::{CLOSED, PaneKey};
use crate::window::period::PeriodPlace;
use crate::window::{WindowConfig, WindowKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::warn;

/// Goes on from the state, and makes it one of the loaded reference and the configured windows.
pub fn enter(
    config: &ModelConfig,
    loaded: Loaded,
    store: &ModelStore,
    now: Timestamp,
) -> Result<(Arc<Reference>, Remembered)> {
    let Loaded { reference, kept, parts } = loaded;
    let reference = Arc::new(reference);
    let before = store.known_windows()?;
    let kept_before = store.kept_reference()?;
    // The profile in the state may be another than when this one was loaded.
    let is_kept = |before: &KeptReference| {
        before.settings == kept.settings && contents(&before.files).eq(contents(&kept.files))
    };
    let parts = match parts {
        None if !kept_before.as_ref().is_some_and(is_kept) => Some(reference.to_parts()),
        parts => parts,
    };
    let is_same = kept_before.as_ref() == Some(&kept) && before == config.windows;
    if !is_same {
        let mut commit = Commit::default();
        if !before.is_empty() {
            let earlier = match &parts {
                Some(_) => Arc::new(Reference::from_parts(&store.reference_parts()?)?),
                None => Arc::clone(&reference),
            };
            let change = Transition { config, before: &before, reference: &reference, earlier };
            change.note(store, now, &mut commit)?;
        }
        let windows = config.windows.clone();
        commit.epoch = Some(Epoch { windows, reference: kept, parts });
        store.commit(&commit)?;
    }
    Ok((reference, remembered(config, store)?))
}

fn remembered(config: &ModelConfig, store: &ModelStore) -> Result<Remembered> {
    let mut remembered = Remembered { panes: store.open_panes()?, ..Remembered::default() };
    for window in &config.windows {
        remembered.places.push(store.place(&window.name)?);
        remembered.latest.push(store.latest(&window.name)?);
    }
    Ok(remembered)
}

/// From one reference and its windows to others.
struct Transition<'a> {
    config: &'a ModelConfig,
    before: &'a [WindowConfig],
    reference: &'a Arc<Reference>,
    earlier: Arc<Reference>,
}

impl Transition<'_> {
    fn note(&self, store: &ModelStore, now: Timestamp, commit: &mut Commit) -> Result<()> {
        let keeps_grids = self.keeps_grids();
        let survivors: Vec<Option<usize>> = (0..self.before.len())
            .map(|window| self.survivor(window).filter(|_| keeps_grids))
            .collect();
        let config = ModelConfig { windows: self.before.to_vec(), ..self.config.clone() };
        let mut remembered = remembered(&config, store)?;
        let panes = std::mem::take(&mut remembered.panes);
        let places = remembered.places.clone();
        let known = Remembered { panes: panes.clone(), ..remembered };
        let mut monitor = Monitor::new(config, Arc::clone(&self.earlier), known);
        let leaving = survivors.iter().enumerate().filter(|(_, survivor)| survivor.is_none());
        let leaving: Vec<usize> = leaving.map(|(window, _)| window).collect();
        let parts = PartsOf { store, pending: None, reference: &self.earlier };
        let change: Change = monitor.leave(&leaving, now, &parts)?;
        for figures in &change.closed {
            let (window, rows) = (&figures.window, figures.rows);
            let model = &self.config.name;
            warn!(model, window, rows, "closed as it is: the reference or the windows changed");
            let verdict = figures.verdict().name();
            commit.add_total(Scope::Window, window, verdict, 1);
        }
        commit.closed = change.closed;
        let (old, new) = (Axes::new(self.before), Axes::new(&self.config.windows));
        commit.renamed = panes
            .iter()
            .map(|(key, _)| {
                let to = if keeps_grids { self.renamed(key, &survivors, &old, &new) } else { None };
                Renamed { from: key.clone(), to }
            })
            .filter(|renamed| renamed.to.as_ref() != Some(&renamed.from))
            .collect();
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
        Ok(())
    }

    /// Whether every grid that was counted on is still there.
    fn keeps_grids(&self) -> bool {
        let grids: BTreeSet<_> = self.reference.grids().map(|grid| grid.id.0).collect();
        self.earlier.grids().all(|grid| grids.contains(&grid.id.0))
    }

    /// The window that goes on counting where one of before was.
    fn survivor(&self, window: usize) -> Option<usize> {
        let before = &self.before[window];
        let width = |windows: &[WindowConfig]| Axes::new(windows).width();
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
        old: &Axes,
        new: &Axes,
    ) -> Option<PaneKey> {
        let mut numbers = vec![CLOSED; new.len()];
        for (before, now) in survivors.iter().enumerate() {
            if let Some(now) = now {
                numbers[new.of(*now)] = key.0[old.of(before)];
            }
        }
        // Panes of the same width are of use to any window by event time.
        if let (Some(before), Some(now)) = (old.time(), new.time())
            && old.width() == new.width()
        {
            numbers[now] = key.0[before];
        }
        numbers.iter().any(|number| *number != CLOSED).then_some(PaneKey(numbers))
    }
}

fn without_open(place: Place) -> Place {
    match place {
        Place::Slots(place) => Place::Slots(place.without_open()),
        Place::Period(place) => Place::Period(place),
    }
}

/// Where a window begins that has the name of one before and nothing else: what was late for that
/// is not late for this.
fn cut_otherwise(place: Place) -> Place {
    match place {
        Place::Slots(place) => Place::Slots(place.without_open()),
        Place::Period(_) => Place::Period(PeriodPlace::default()),
    }
}
