//! The parts of panes that are not held in memory: those in the state, and those on their way.

use super::pending::Pending;
use crate::error::Result;
use crate::monitor::reference::Reference;
use crate::store::ModelStore;
use crate::window::open::PaneParts;
use crate::window::pane::{Pane, PaneKey};

/// Where a model's parts are.
pub struct PartsOf<'a> {
    pub store: &'a ModelStore,
    pub pending: Option<&'a Pending>,
    pub reference: &'a Reference,
}

impl PaneParts for PartsOf<'_> {
    fn parts(&self, key: &PaneKey) -> Result<Vec<Pane>> {
        let mut parts = Vec::new();
        match self.pending {
            None => parts.extend(self.store.parts(key, &[])?),
            // The state does not know yet of what is on its way to it.
            Some(pending) => {
                for name in pending.names(key) {
                    parts.extend(self.store.parts(name, &pending.commit.removed)?);
                }
                pending.parts(key, &mut parts)?;
            }
        }
        let grids = || self.reference.grids().map(|grid| grid.id);
        for part in &mut parts {
            // Counted before the reference got more features.
            if !part.features.iter().map(|feature| feature.grid).eq(grids()) {
                let none = Pane { rows: 0, rows_kept: 0, features: vec![], clusters: vec![] };
                *part = std::mem::replace(part, none).rebase(self.reference.grids());
            }
        }
        Ok(parts)
    }
}
