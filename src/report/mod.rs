//! Reports for people and programs: a table for the terminal, a page to look at, JSON for all
//! else.

pub mod acceptance_entry;
mod bar;
mod column_chart;
pub mod feature_page;
mod feature_section;
mod feature_table;
pub mod history;
pub mod html;
pub mod json;
pub mod junit;
mod line_chart;
pub mod markdown;
pub mod model_list;
pub mod overview_page;
mod page_frame;
mod page_links;
mod ranking;
mod rule_words;
pub mod table;
mod why;
pub mod window_page;

use crate::explain::phrases::ShownValues;
use crate::monitor::figures::{ReferenceFigures, WindowFigures};

/// One window of one model against its reference.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    pub model: &'a str,
    pub version: &'a str,
    /// None while the reference is being loaded.
    pub reference: Option<&'a ReferenceFigures>,
    pub figures: &'a WindowFigures,
    /// Tell rows by bin, in JSON.
    pub has_bins: bool,
    /// How values of categories are told.
    pub shown: ShownValues,
    /// Features that are what the model answered.
    pub predictions: &'a [String],
}

impl Report<'_> {
    /// What a feature is besides a feature.
    pub fn role(&self, feature: &str) -> Option<&'static str> {
        role(self.predictions, feature)
    }
}

/// The same of features that are such.
pub fn role(predictions: &[String], feature: &str) -> Option<&'static str> {
    predictions.iter().any(|own| own == feature).then_some("prediction")
}
