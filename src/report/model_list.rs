//! The models that are watched, as JSON: what each is compared with, and where its windows stand.

use super::acceptance_entry::acceptance;
use super::history::Summary;
use super::json::{SCHEMA, to_line};
use crate::monitor::figures::WindowSummary;
use crate::monitor::snapshot::{ModelSnapshot, WindowSnapshot};
use serde::Serialize;
use serde_json::Value;

/// A model that is watched.
pub struct ListedModel<'a> {
    pub figures: &'a ModelSnapshot,
    pub is_up: bool,
    pub sources: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    models: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    model: &'a str,
    version: &'a str,
    up: bool,
    /// Null while it is being loaded.
    reference: Option<Reference>,
    sources: &'a [String],
    windows: Vec<OpenWindow<'a>>,
}

#[derive(Serialize)]
struct Reference {
    rows: u64,
    features: usize,
    /// The window that it is; null of what is configured.
    accepted: Option<Value>,
}

#[derive(Serialize)]
struct OpenWindow<'a> {
    name: &'a str,
    open_rows: u64,
    /// Null while none has closed.
    latest: Option<Summary<'a>>,
}

/// All models, in their order.
pub fn models(models: &[ListedModel<'_>]) -> String {
    // What is told of a window names its drifted features.
    let latest: Vec<Vec<Option<WindowSummary>>> =
        models.iter().map(|model| model.figures.windows.iter().map(summary).collect()).collect();
    let listed = models.iter().zip(&latest).map(|(model, latest)| {
        let ModelSnapshot { name, version, reference, windows, .. } = model.figures;
        let windows = windows.iter().zip(latest).map(|(window, latest)| OpenWindow {
            name: &window.name,
            open_rows: window.open_rows,
            latest: latest.as_ref().map(|own| Summary::of(name, version, own)),
        });
        Model {
            model: name,
            version,
            up: model.is_up,
            reference: reference.as_ref().map(|own| Reference {
                rows: own.rows,
                features: own.features.len(),
                accepted: model.figures.accepted.as_deref().map(acceptance),
            }),
            sources: &model.sources,
            windows: windows.collect(),
        }
    });
    to_line(&Document { schema: SCHEMA, models: listed.collect() })
}

fn summary(window: &WindowSnapshot) -> Option<WindowSummary> {
    window.latest.as_deref().map(WindowSummary::of)
}
