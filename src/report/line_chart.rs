//! Lines over time: a point for each window, with the reference's own as a dashed line.

use maud::{Markup, Render, html};
use std::fmt::Write;

/// Units wide and high, and how far apart the points of few windows are at most.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 90.0;
const STEP_MAX: f64 = 40.0;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub name: &'static str,
    /// By window, the oldest first; none where there is no number.
    pub points: Vec<Option<f64>>,
    pub reference: Option<f64>,
}

/// Lines over time in one picture. What they show stands in a table beside them.
pub struct LineChart<'a> {
    pub title: &'a str,
    pub lines: Vec<Line>,
    /// How a number is told.
    pub told: &'a dyn Fn(f64) -> String,
    /// The lowest that is shown, if it is not the least number.
    pub floor: Option<f64>,
    /// Which of the points is marked.
    pub marked: usize,
}

impl LineChart<'_> {
    /// Least and greatest of all numbers; none where there are none.
    fn range(&self) -> Option<(f64, f64)> {
        let own = self.lines.iter().flat_map(|line| line.points.iter().flatten());
        let all = own.chain(self.lines.iter().filter_map(|line| line.reference.as_ref()));
        let finite = all.copied().filter(|value| value.is_finite()).chain(self.floor);
        let range = finite.fold(None, |range: Option<(f64, f64)>, value| match range {
            Some((least, most)) => Some((least.min(value), most.max(value))),
            None => Some((value, value)),
        });
        range.filter(|_| self.lines.iter().any(|line| line.points.iter().any(Option::is_some)))
    }

    /// Strokes from point to point, broken where there is none; a point alone is a dot.
    fn stroke(points: &[Option<f64>], at: impl Fn(usize, f64) -> (f64, f64)) -> String {
        let mut path = String::new();
        let mut is_on = false;
        for (place, value) in points.iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else {
                is_on = false;
                continue;
            };
            let (x, y) = at(place, value);
            let next = points.get(place + 1).copied().flatten().filter(|next| next.is_finite());
            match (is_on, next) {
                (true, _) => write!(path, "L{x:.1} {y:.1}"),
                (false, Some(_)) => write!(path, "M{x:.1} {y:.1}"),
                (false, None) => write!(path, "M{x:.1} {y:.1}h.1"),
            }
            .expect("memory");
            is_on = true;
        }
        path
    }
}

impl Render for LineChart<'_> {
    fn render(&self) -> Markup {
        let Some((least, most)) = self.range() else { return html! {} };
        let points = self.lines.iter().map(|line| line.points.len()).max().unwrap_or(0);
        let step = (WIDTH / points.saturating_sub(1).max(1) as f64).min(STEP_MAX);
        let extent = if most > least { most - least } else { 1.0 };
        // Between the margins; a line that never moves runs through the middle, or on the floor.
        let height = |value: f64| match most > least || self.floor.is_some() {
            true => HEIGHT - 4.0 - (value - least) / extent * (HEIGHT - 8.0),
            false => HEIGHT / 2.0,
        };
        let at = |place: usize, value: f64| (place as f64 * step, height(value));
        let names: Vec<&str> = self.lines.iter().map(|line| line.name).collect();
        let label = format!(
            "{} of {points} windows, between {} and {}",
            self.title,
            (self.told)(least),
            (self.told)(most)
        );
        html! {
            figure {
                figcaption {
                    (self.title)
                    @if names.len() > 1 { span.soft { ": " (names.join(", ")) } }
                }
                div.plot {
                    div.ends {
                        @if most > least { span { ((self.told)(most)) } }
                        span { ((self.told)(least)) }
                    }
                    svg width=(WIDTH) height=(HEIGHT) viewBox={ "-3 0 " (WIDTH + 6.0) " " (HEIGHT) }
                        role="img" aria-label=(label) {
                        rect.rail x="-3" y="0" width=(WIDTH + 6.0) height=(HEIGHT) {}
                        rect.marked x={ (format!("{:.1}", self.marked as f64 * step - 1.0)) }
                            y="0" width="2" height=(HEIGHT) {}
                        @for line in &self.lines {
                            @if let Some(reference) = line.reference.filter(|own| own.is_finite()) {
                                path.dashed d={ "M-3 " (format!("{:.1}", height(reference)))
                                    "H" (WIDTH + 3.0) } {}
                            }
                            path.line d=(Self::stroke(&line.points, at)) {}
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Option<f64>>) -> String {
        let line = Line { name: "mean", points, reference: Some(2.0) };
        let told = |value: f64| format!("{value}");
        let chart =
            LineChart { title: "Mean", lines: vec![line], told: &told, floor: None, marked: 0 };
        chart.render().into_string()
    }

    #[test]
    fn lines_break_where_there_is_no_number() {
        let drawn = chart(vec![Some(1.0), Some(3.0), None, Some(3.0), Some(f64::INFINITY)]);
        assert!(drawn.contains("d=\"M0.0 86.0L40.0 4.0M120.0 4.0h.1\""), "{drawn}");
        assert!(drawn.contains("class=\"dashed\" d=\"M-3 45.0H403\""), "{drawn}");
        assert!(drawn.contains("aria-label=\"Mean of 5 windows, between 1 and 3\""), "{drawn}");
    }

    #[test]
    fn without_any_number_there_is_no_chart() {
        assert_eq!(chart(vec![None, None]), "");
    }
}
