//! What Prometheus sees: the table of metrics, samples made from a snapshot, pages.
//!
//! No gauge is kept and set. Samples are made when a page is asked for, from an immutable
//! snapshot, so that series vanish with their feature and a scrape never waits for ingestion.

pub mod dashboards;
pub mod history;
pub mod history_parquet;
pub mod label;
pub mod live;
pub mod metrics;
pub mod page;
pub mod sample;
pub mod snapshot;

use crate::explain::phrases::ShownValues;
use metrics::Family;

/// `[export]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportConfig {
    pub families: Vec<Family>,
    /// Series of features at most; whole features are dropped beyond, in name order.
    pub series_max: usize,
    /// How values of categories are told in reports and by the API; never in labels and logs.
    pub values: ShownValues,
}

impl Default for ExportConfig {
    fn default() -> ExportConfig {
        let families = vec![Family::Drift, Family::Quality, Family::Moments];
        ExportConfig { families, series_max: 400_000, values: ShownValues::Shown }
    }
}
