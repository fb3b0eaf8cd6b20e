//! What Prometheus sees: the table of metrics, samples made from a snapshot, pages.
//!
//! No gauge is kept and set. Samples are made when a page is asked for, from an immutable
//! snapshot, so that series vanish with their feature and a scrape never waits for ingestion.

pub mod dashboards;
mod distribution;
pub mod exposition;
pub mod history;
pub mod history_parquet;
pub mod live;
pub mod metric;
pub mod metrics;
pub mod page;
mod page_parts;
mod process;
mod protobuf_format;
pub mod push;
pub mod remote_write;
pub mod sample;
pub mod snapshot;
mod text_format;
pub mod write_request;

use crate::explain::phrases::ShownValues;
use crate::schema::NamePattern;
use metric::Family;
use remote_write::RemoteWriteConfig;

/// `[export]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportConfig {
    pub families: Vec<Family>,
    /// Series of features at most; whole features are dropped beyond, in name order.
    pub series_max: usize,
    /// How values of categories are told in reports and by the API; never in labels and logs.
    pub values: ShownValues,
    /// Features of which rows by cell are exported.
    pub cells: Vec<NamePattern>,
    /// Where samples are sent to.
    pub remote_write: Option<RemoteWriteConfig>,
}

impl Default for ExportConfig {
    fn default() -> ExportConfig {
        let families = vec![Family::Drift, Family::Quality, Family::Moments];
        ExportConfig {
            families,
            series_max: 400_000,
            values: ShownValues::Shown,
            cells: Vec::new(),
            remote_write: None,
        }
    }
}
