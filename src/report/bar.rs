//! Bars in a row of a table.

use maud::{Markup, Render, html};

/// Bars of a row; what they show stands in words beside them.
pub struct Bar {
    /// Class, place from the top, height, and length in parts of the whole.
    bars: Vec<(&'static str, u32, u32, f64)>,
    /// Where a threshold is marked.
    threshold: Option<f64>,
}

/// Units of a drawing.
const WIDTH: f64 = 200.0;

/// Thresholds that a bar or a column is long at most.
pub const THRESHOLDS_MAX: f64 = 3.0;

impl Bar {
    /// A score in thresholds, with the threshold marked.
    pub fn of_thresholds(ratio: f64, is_drifted: bool) -> Bar {
        let class = if is_drifted { "bar-over" } else { "bar-window" };
        let length = (ratio / THRESHOLDS_MAX).clamp(0.0, 1.0);
        Bar { bars: vec![(class, 3, 8, length)], threshold: Some(1.0 / THRESHOLDS_MAX) }
    }

    /// Two shares, in parts of the largest.
    pub fn of_shares(reference: f64, window: f64) -> Bar {
        let bars = vec![("bar-reference", 1, 5, reference), ("bar-window", 8, 5, window)];
        Bar { bars, threshold: None }
    }
}

impl Render for Bar {
    fn render(&self) -> Markup {
        let at = |part: f64| format!("{:.1}", part * WIDTH);
        html! {
            svg width="200" height="14" viewBox="0 0 200 14" aria-hidden="true" {
                @if self.threshold.is_some() {
                    rect.rail x="0" y="3" width="200" height="8" {}
                }
                @for (class, y, height, length) in &self.bars {
                    rect.(class) x="0" y=(y) width=(at(*length)) height=(height) {}
                }
                @if let Some(threshold) = self.threshold {
                    rect.threshold x=(at(threshold)) y="0" width="2" height="14" {}
                }
            }
        }
    }
}
