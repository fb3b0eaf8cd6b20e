//! What readers see: an immutable picture of every model, replaced as a whole.

use super::acceptance::Acceptance;
use super::figures::{ReferenceFigures, WindowFigures};
use crate::totals::Totals;
use std::sync::{Arc, RwLock};

/// All models at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows with every change; a page that was encoded for it stays right.
    pub generation: u64,
    pub models: Vec<Arc<ModelSnapshot>>,
}

/// One model.
#[derive(Debug, Clone)]
pub struct ModelSnapshot {
    /// Label `model_name`.
    pub name: String,
    /// Label `model_version`.
    pub version: String,
    /// None while it is being loaded.
    pub reference: Option<Arc<ReferenceFigures>>,
    pub windows: Vec<WindowSnapshot>,
    /// Features that are what the model answered.
    pub predictions: Vec<String>,
    /// The window that is the reference, in place of what is configured.
    pub accepted: Option<Arc<Acceptance>>,
    /// Counters over all runs, as they are committed.
    pub totals: Totals,
}

/// One configured window of a model.
#[derive(Debug, Clone)]
pub struct WindowSnapshot {
    pub name: String,
    /// The closed window with the greatest end, then the greatest slot.
    pub latest: Option<Arc<WindowFigures>>,
    pub open_rows: u64,
}

impl ModelSnapshot {
    /// The reference, if this is what a window was compared with, and not another since.
    pub fn compared_with(&self, window: &WindowFigures) -> Option<&ReferenceFigures> {
        self.reference.as_deref().filter(|own| window.compared == Some(own.content))
    }
}

impl WindowSnapshot {
    /// A window as the state remembers it.
    pub fn resumed(name: &str, latest: Option<WindowFigures>) -> WindowSnapshot {
        WindowSnapshot { name: name.to_owned(), latest: latest.map(Arc::new), open_rows: 0 }
    }
}

/// Where the newest snapshot is found. A reader holds the lock only to copy a pointer.
#[derive(Debug, Default)]
pub struct Published(RwLock<Arc<Snapshot>>);

impl Published {
    pub fn load(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.read().expect("no writer panics"))
    }

    /// Takes one model away.
    pub fn remove(&self, name: &str, version: &str) {
        let mut current = self.0.write().expect("no writer panics");
        let models = current.models.iter();
        let models = models.filter(|m| m.name != name || m.version != version).cloned().collect();
        *current = Arc::new(Snapshot { generation: current.generation + 1, models });
    }

    /// The same models again, for pages that are made otherwise from now on.
    pub fn renew(&self) {
        let mut current = self.0.write().expect("no writer panics");
        let (generation, models) = (current.generation + 1, current.models.clone());
        *current = Arc::new(Snapshot { generation, models });
    }

    /// Replaces one model, or adds it.
    pub fn publish(&self, model: ModelSnapshot) {
        let mut current = self.0.write().expect("no writer panics");
        let mut models = current.models.clone();
        let model = Arc::new(model);
        match models.iter_mut().find(|m| m.name == model.name && m.version == model.version) {
            Some(old) => *old = model,
            None => models.push(model),
        }
        *current = Arc::new(Snapshot { generation: current.generation + 1, models });
    }
}
