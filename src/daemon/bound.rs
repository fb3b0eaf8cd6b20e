//! A model with everything that was taken and opened for it, before it is started.

use super::loaded_reference::LoadedReference;
use crate::config::Model;
use crate::error::Result;
use crate::export::live::{LiveModel, LiveSource};
use crate::monitor::snapshot::{ModelSnapshot, WindowSnapshot};
use crate::source::{self, SourceConfig, SourceOwner};
use crate::store::{ModelStore, Store};
use crate::telemetry::{ModelTelemetry, SourceTelemetry};
use crate::time::Timestamp;
use std::sync::Arc;
use tracing::info;

/// Name and version.
pub type ModelLabel = (String, String);

/// The name and version of a configured model.
pub fn label(model: &Model) -> ModelLabel {
    (model.model.name.clone(), model.model.version.clone())
}

/// A source among those of all models.
pub fn owner(model: &Model, source: &SourceConfig) -> SourceOwner {
    SourceOwner {
        model: model.model.name.clone(),
        version: model.model.version.clone(),
        source: source.name.clone(),
    }
}

/// A model whose ports are taken and whose part of the state is open.
pub struct BoundModel {
    pub model: Model,
    pub store: ModelStore,
    pub sources: Vec<ModelSource>,
    /// When the state first knew of the model.
    pub created: Timestamp,
    /// What was loaded beforehand.
    pub reference: Option<LoadedReference>,
}

/// A bound source with its name and gauges.
pub struct ModelSource {
    pub name: String,
    pub telemetry: Arc<SourceTelemetry>,
    pub source: Box<dyn source::BoundSource>,
}

impl BoundModel {
    /// Takes what the sources of a model need, such as ports.
    pub fn bind(
        model: Model,
        store: &Arc<Store>,
        shared: &source::SharedByAll,
    ) -> Result<BoundModel> {
        let mut sources = Vec::new();
        for config in &model.sources {
            let source = config.kind.bind(&config.settings, &owner(&model, config), shared)?;
            if let Some(address) = source.address() {
                info!(model = model.model.name, source = config.name, address, "taking rows");
            }
            let (name, telemetry) = (config.name.clone(), Arc::default());
            sources.push(ModelSource { name, telemetry, source });
        }
        store.keep_measures(&model.model.drift.measures)?;
        let store = store.model(&model.model.name, &model.model.version)?;
        let created = store.created()?;
        Ok(BoundModel { model, store, sources, created, reference: None })
    }

    pub fn label(&self) -> ModelLabel {
        label(&self.model)
    }

    /// What the state has to show of the model.
    pub fn restored_snapshot(&self) -> Result<ModelSnapshot> {
        let windows = self.model.model.windows.iter().map(|window| {
            Ok(WindowSnapshot::resumed(&window.name, self.store.latest(&window.name)?))
        });
        let windows = windows.collect::<Result<_>>()?;
        let (name, version) = self.label();
        let totals = self.store.totals()?;
        let predictions = self.model.model.predictions.clone();
        let accepted = self.store.acceptance()?.map(Arc::new);
        let reference = None;
        Ok(ModelSnapshot { name, version, reference, windows, predictions, accepted, totals })
    }

    /// What is live of the model.
    pub fn live(&self, telemetry: Arc<ModelTelemetry>) -> LiveModel {
        let (name, version) = self.label();
        let sources = self.sources.iter().map(|source| {
            let (name, telemetry) = (source.name.clone(), Arc::clone(&source.telemetry));
            let (listens, has_lag) = (source.source.address().is_some(), source.source.has_lag());
            LiveSource { name, listens, has_lag, telemetry }
        });
        let sources = sources.collect();
        LiveModel { name, version, created: self.created, telemetry, sources }
    }
}
