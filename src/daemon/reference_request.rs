//! Giving a model another reference while it is watched: a window, or again what is configured.

use super::bound::ModelLabel;
use super::loaded_reference::{LoadedReference, ReferenceLoader, accepted_now, stored_for};
use crate::config::Model;
use crate::error::{Error, Result};
use crate::monitor::acceptance::Acceptance;
use crate::monitor::accepted_reference::accepted_reference;
use crate::monitor::figures::ReferenceFigures;
use crate::store::ModelStore;
use crate::store::added_windows::AddedWindows;
use crate::store::closed_windows::Query;
use crate::time::Timestamp;

/// What becomes the reference of a model.
pub enum ReferenceRequest {
    /// Closed windows.
    Accept(AcceptRequest),
    /// What is configured, in place of a window that was accepted.
    Undo(ModelLabel),
}

/// Which windows of which model become its reference.
pub struct AcceptRequest {
    pub label: ModelLabel,
    pub window: String,
    /// All windows that end at or after this time, added up; the last of the others without.
    pub from: Option<Timestamp>,
    /// Windows that end before this time.
    pub to: Option<Timestamp>,
    /// Who asks, where there are users.
    pub by: Option<String>,
    /// Wall clock.
    pub at: Timestamp,
}

impl ReferenceRequest {
    pub fn label(&self) -> &ModelLabel {
        match self {
            ReferenceRequest::Accept(request) => &request.label,
            ReferenceRequest::Undo(label) => label,
        }
    }

    /// The reference from now on; nothing is changed yet.
    pub fn load(
        self,
        model: &Model,
        store: &ModelStore,
        loader: &ReferenceLoader<'_>,
    ) -> Result<LoadedReference> {
        match self {
            ReferenceRequest::Accept(request) => request.load(model, store),
            ReferenceRequest::Undo(_) if store.acceptance()?.is_none() => {
                Err(Error::new("no window was accepted; the reference is what is configured"))
            }
            ReferenceRequest::Undo(_) => loader
                .load_configured(model, store)?
                .ok_or_else(|| Error::new("the first files, which were the reference, are gone")),
        }
    }
}

impl AcceptRequest {
    fn load(self, model: &Model, store: &ModelStore) -> Result<LoadedReference> {
        if !model.model.windows.iter().any(|own| own.name == self.window) {
            let names = model.model.windows.iter().map(|own| format!("{:?}", own.name));
            let (window, names) = (self.window, names.collect::<Vec<_>>().join(", "));
            return Err(Error::new(format!("no window {window:?}; there are: {names}")));
        }
        if !model.model.profiles {
            return Err(Error::new(
                "windows do not keep what they counted; set state.profiles_max = 50, and accept \
                 one that closes after that",
            ));
        }
        let limit = self.from.is_none().then_some(1);
        let query = Query { from: self.from, to: self.to, limit };
        let added = store.added_windows(&self.window, &query)?;
        let AddedWindows { profile, windows, start, end } = added;
        let before = stored_for(model, store)?;
        let rows_min = model.model.drift.rows_min;
        let reference = accepted_reference(&before, &profile, rows_min).map_err(|error| {
            error.context(format_args!("window {:?} cannot be the reference", self.window))
        })?;
        let acceptance = Acceptance {
            accepted: self.at,
            by: self.by,
            window: self.window,
            windows,
            start,
            end,
            rows: reference.rows,
            in_place_of: String::new(),
            replaced: ReferenceFigures::of(&before, false).content,
            ended: None,
        };
        accepted_now(model, store, reference, acceptance)
    }
}
