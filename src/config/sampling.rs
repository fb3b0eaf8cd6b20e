//! `[model.sampling]`.

use super::raw::Section;
use crate::window::sampling::{SamplingConfig, SamplingMode};

const SEED_DEFAULT: u64 = 0;

pub fn sampling(model: &Section<'_>) -> Option<SamplingConfig> {
    let section = model.section("sampling")?;
    let rate =
        section.number("rate", "a number over 0, at most 1", |rate| 0.0 < rate && rate <= 1.0);
    let rows_max = section.integer("rows_max", 1);
    if !section.has("rate") && !section.has("rows_max") {
        section.fault("rate", "is missing: give a rate, rows_max, or both");
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
