//! Columns over time: a column for each window, taller where more has moved.

use crate::explain::number::percent;
use crate::monitor::figures::WindowSummary;
use maud::{Markup, Render, html};
use std::fmt::Write;

/// Units between two columns.
const GAP: usize = 1;
/// Units that nothing is shown in; what is 0 is seen to be there.
const HEIGHT_MIN: f64 = 1.0;

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Parts of the whole height, at most 1; none where there is nothing to show.
    pub height: Option<f64>,
    pub is_drifted: bool,
}

/// Columns over time, the oldest first. What they show stands in a table beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnChart {
    pub columns: Vec<Column>,
    /// Units from a column to the next, and of the whole height.
    pub pitch: usize,
    pub height: usize,
    /// Where a threshold is marked, in parts of the whole height.
    pub threshold: Option<f64>,
    /// What is shown, for whoever cannot see it; none where the words beside it say so.
    pub label: Option<String>,
}

/// Units from a column to the next, so that a chart of so many is wide and not too wide.
pub fn pitch_of(columns: usize) -> usize {
    const WIDTH: usize = 400;
    (WIDTH / columns.max(1)).clamp(4, 20)
}

impl ColumnChart {
    /// The outlines of all columns that have drifted, or of all others.
    fn outlines(&self, is_drifted: bool) -> String {
        let mut path = String::new();
        let columns = self.columns.iter().enumerate();
        for (place, column) in columns.filter(|(_, own)| own.is_drifted == is_drifted) {
            let Some(part) = column.height else { continue };
            let tall = (part.clamp(0.0, 1.0) * self.height as f64).max(HEIGHT_MIN);
            let (x, wide) = (place * self.pitch, self.pitch - GAP);
            let bottom = self.height;
            write!(path, "M{x} {bottom}v-{tall:.1}h{wide}v{tall:.1}z").expect("memory");
        }
        path
    }
}

impl Render for ColumnChart {
    fn render(&self) -> Markup {
        let (width, height) = (self.columns.len().max(1) * self.pitch, self.height);
        let threshold = self.threshold.map(|part| (1.0 - part) * height as f64);
        let is_told = self.label.is_some();
        html! {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) }
                role=[is_told.then_some("img")] aria-label=[self.label.as_deref()]
                aria-hidden=[(!is_told).then_some("true")] {
                rect.rail x="0" y="0" width=(width) height=(height) {}
                path.bar-window d=(self.outlines(false)) {}
                path.bar-over d=(self.outlines(true)) {}
                @if let Some(y) = threshold {
                    rect.threshold x="0" y={ (format!("{y:.1}")) } width=(width) height="1" {}
                }
            }
        }
    }
}

/// The share of drifted features by window; the highest that there was fills the height.
pub fn shares_over_time(past: &[WindowSummary], pitch: usize, height: usize) -> Markup {
    let most = past.iter().filter_map(WindowSummary::drifted_ratio).fold(0.0, f64::max);
    let columns = past.iter().map(|own| Column {
        height: own.drifted_ratio().map(|share| if most > 0.0 { share / most } else { 0.0 }),
        is_drifted: own.drifted > 0,
    });
    let label = format!(
        "drifted features in the last {} windows, at most {} of a window",
        past.len(),
        percent(most)
    );
    let chart = ColumnChart {
        columns: columns.collect(),
        pitch,
        height,
        threshold: None,
        label: Some(label),
    };
    html! { @if past.len() > 1 { (chart) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_tall_as_its_part() {
        let column = |height, is_drifted| Column { height, is_drifted };
        let chart = ColumnChart {
            columns: vec![column(Some(0.5), false), column(None, false), column(Some(7.0), true)],
            pitch: 4,
            height: 20,
            threshold: Some(0.25),
            label: None,
        };
        let drawn = chart.render().into_string();
        assert!(drawn.contains("viewBox=\"0 0 12 20\"") && drawn.contains("y=\"15.0\""));
        assert!(drawn.contains("class=\"bar-window\" d=\"M0 20v-10.0h3v10.0z\""), "{drawn}");
        assert!(drawn.contains("class=\"bar-over\" d=\"M8 20v-20.0h3v20.0z\""), "{drawn}");
    }
}
