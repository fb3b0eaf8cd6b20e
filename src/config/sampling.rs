//! `[model.sampling]`.

use super::raw::Section;
use crate::window::sampling::{SamplingConfig, SamplingMode};
use crate::window::{WindowConfig, WindowKind};

const SEED_DEFAULT: u64 = 0;

pub fn sampling(model: &Section<'_>, windows: Option<&[WindowConfig]>) -> Option<SamplingConfig> {
    let section = model.section("sampling")?;
    let rate =
        section.number("rate", "a number over 0, at most 1", |rate| 0.0 < rate && rate <= 1.0);
    let rows_max = section.integer("rows_max", 1);
    if !section.has("rate") && !section.has("rows_max") {
        section.fault("rate", "is missing: give a rate, rows_max, or both");
    }
    let is_time = |window: &WindowConfig| matches!(window.kind, WindowKind::Time(_));
    if rows_max.is_some() && windows.is_some_and(|windows| windows.iter().any(is_time)) {
        section.fault(
            "rows_max",
            "needs windows whose rows are known beforehand; with windows of type \"time\" the rows \
             that come first would be kept rather than the others; give a rate instead",
        );
    }
    let mode = section.choice("mode", &SamplingMode::ALL).unwrap_or(SamplingMode::Rows);
    let key = section.string("key");
    if key.is_some() && mode == SamplingMode::RowGroups {
        section.fault("key", "names rows, which mode \"row_groups\" does not choose one by one");
    }
    let seed = section.integer("seed", 0).unwrap_or(SEED_DEFAULT);
    section.finish();
    Some(SamplingConfig { rate: rate.unwrap_or(1.0), seed, key, mode, rows_max })
}
