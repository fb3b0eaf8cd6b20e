//! What a reload, or a window that becomes a reference, is going to change. Everything that can
//! fail is tried here, before anything is stopped.

use super::bound::{ModelLabel, label, owner};
use super::check_sources;
use super::loaded_reference::{LoadedReference, ReferenceLoader};
use super::reference_request::ReferenceRequest;
use super::references::References;
use crate::config::{Config, Model, load};
use crate::error::{Error, Result};
use crate::export::ExportConfig;
use crate::net::ServerConfig;
use crate::net::stop::Stop;
use crate::source::{Gate, ListenerKey, SharedByAll};
use crate::store::{StateConfig, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tracing::{info, warn};

/// What is in force, for a reload to compare with.
pub struct InForce {
    pub file: PathBuf,
    pub server: ServerConfig,
    pub state: StateConfig,
    pub models: BTreeMap<ModelLabel, Model>,
    pub store: Arc<Store>,
    pub sources: Arc<SharedByAll>,
    pub references: Arc<References>,
    pub stop: Stop,
}

/// A configuration that was found to be good, against what is in force.
pub struct Change {
    /// None where it stays as it is.
    pub export: Option<ExportConfig>,
    /// How many models there will be.
    pub n_models: usize,
    pub gone: Vec<ModelLabel>,
    pub changed: Vec<ChangedModel>,
    pub listeners: BTreeSet<ListenerKey>,
    /// Of sockets that are open and let connections in otherwise now.
    pub gates: Vec<(ListenerKey, Arc<Gate>)>,
}

/// A model that is new, or another than before.
pub struct ChangedModel {
    pub model: Model,
    /// None while a warm-up waits.
    pub reference: Option<LoadedReference>,
}

impl InForce {
    /// Reads the configuration, loads the references of what is changed, and opens the sockets that
    /// are not open. Those that are of no use after a failure are the caller's to close.
    pub fn compare(self) -> Result<Change> {
        let config = load(&self.file).map_err(|faults| Error::new(faults.to_string()))?;
        if config.server != self.server || config.state != self.state {
            return Err(Error::new(
                "[server] or [state] has changed, which takes a restart to apply",
            ));
        }
        check_sources(&config.models, Some(&self.store))?;
        let labels: BTreeSet<ModelLabel> = config.models.iter().map(label).collect();
        let gone = self.models.keys().filter(|label| !labels.contains(*label)).cloned().collect();
        let (n_models, listeners) = (config.models.len(), listeners(&config.models));
        let Config { export, models, .. } = config;
        let gates = gates(&models, &self.sources)?;
        let mut changed = Vec::new();
        for model in models {
            let wanted = &listeners;
            let named = |error: Error| error.context(format_args!("model {:?}", model.model.name));
            changed.extend(self.changed(&model, wanted).map_err(named)?);
        }
        let export = Some(export);
        Ok(Change { export, n_models, gone, changed, listeners, gates })
    }

    /// One of the models in force, with another reference.
    pub fn with_reference(self, request: ReferenceRequest) -> Result<Change> {
        let label = request.label().clone();
        let named = || format!("model {:?} version {:?}", label.0, label.1);
        let model = self.models.get(&label);
        let model = model.ok_or_else(|| Error::new(format!("{} is not watched", named())))?.clone();
        let store = self.store.model(&label.0, &label.1)?;
        let loader = ReferenceLoader { references: &self.references, stop: &self.stop };
        let reference = request.load(&model, &store, &loader);
        let reference = reference.map_err(|error| error.context(named()))?;
        let models: Vec<Model> = self.models.into_values().collect();
        Ok(Change {
            export: None,
            n_models: models.len(),
            gone: Vec::new(),
            changed: vec![ChangedModel { model, reference: Some(reference) }],
            listeners: listeners(&models),
            gates: Vec::new(),
        })
    }

    /// The model with its reference, if it or the reference is another than before.
    fn changed(
        &self,
        model: &Model,
        wanted: &BTreeSet<ListenerKey>,
    ) -> Result<Option<ChangedModel>> {
        let is_same = self.models.get(&label(model)).is_some_and(|before| before == model);
        let store = self.store.model(&model.model.name, &model.model.version)?;
        let loader = ReferenceLoader { references: &self.references, stop: &self.stop };
        if is_same {
            match loader.is_another(model, &store) {
                Ok(true) => info!(model = model.model.name, "the reference is another"),
                Ok(false) => return Ok(None),
                Err(error) => {
                    warn!(%error, "the reference cannot be looked at; the model goes on with it");
                    return Ok(None);
                }
            }
        }
        let reference = loader.load(model, &store)?;
        for source in &model.sources {
            let (owner, sockets) = (owner(model, source), &self.sources.listeners);
            // What is open stays as it is until nothing can fail any more. What one that goes holds
            // can only be had when that has gone.
            let is_tried = source
                .listener(&owner)
                .is_some_and(|key| sockets.has(&key) || sockets.has_in_the_way(&key, wanted));
            if !is_tried {
                source.kind.bind(&source.settings, &owner, &self.sources)?;
            }
        }
        Ok(Some(ChangedModel { model: model.clone(), reference }))
    }
}

/// The gates of sockets that are open and let connections in otherwise.
pub fn gates(models: &[Model], shared: &SharedByAll) -> Result<Vec<(ListenerKey, Arc<Gate>)>> {
    let sources = models.iter().flat_map(|model| model.sources.iter().map(move |own| (model, own)));
    let mut gates = Vec::new();
    for (model, source) in sources {
        let Some(key) = source.listener(&owner(model, source)) else { continue };
        if shared.listeners.has_gate_of(&key, &source.settings) == Some(false) {
            let gate = source.kind.gate(&source.settings)?;
            gates.extend(gate.map(|gate| (key, Arc::new(gate))));
        }
    }
    Ok(gates)
}

/// The sockets of all models.
pub fn listeners(models: &[Model]) -> BTreeSet<ListenerKey> {
    let sources = models.iter().flat_map(|model| model.sources.iter().map(move |own| (model, own)));
    sources.filter_map(|(model, source)| source.listener(&owner(model, source))).collect()
}
