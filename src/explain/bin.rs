//! What stands in a bin or a cell: a value, or a stretch of values.

use super::number::of_kind;
use crate::feature::Kind;
use crate::profile::feature::{FeatureGrid, Frame};
use crate::profile::grid::NumericGrid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The values of a bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Bin {
    /// One number.
    Value(f64),
    /// Numbers greater than the first and up to the second; none where there is no end.
    Between(Option<f64>, Option<f64>),
    /// One category.
    Text(String),
    /// All other categories.
    Other,
    /// Rows without a value.
    Missing,
    /// A bin with the name that a user gave it.
    Named(String, Box<Bin>),
}

impl Bin {
    /// The bins of `psi`, in their order.
    pub fn all(grid: &FeatureGrid) -> Vec<Bin> {
        match &grid.frame {
            Frame::Numeric(frame) => Bin::all_of_numbers(grid, frame.grid()),
            Frame::Categorical(categories) => {
                let own = categories.kept().iter().take(categories.n_bins() - 1);
                let own = own.map(|text| Bin::Text(text.clone())).chain([Bin::Other]);
                own.chain(missing(grid)).collect()
            }
            Frame::Opaque => Vec::new(),
        }
    }

    /// Those of a number that is compared on this grid, the reference's own or a narrower one.
    pub fn all_of_numbers(grid: &FeatureGrid, cells: &NumericGrid) -> Vec<Bin> {
        let (mut bins, names) = (of_numbers(cells), &grid.own_bins.names);
        if bins.len() == names.len() {
            let named = names.iter().zip(bins);
            bins = named.map(|(name, bin)| Bin::Named(name.clone(), Box::new(bin))).collect();
        }
        bins.into_iter().chain(missing(grid)).collect()
    }

    /// What is in a bin, whatever it is called.
    pub fn content(&self) -> &Bin {
        match self {
            Bin::Named(_, content) => content,
            own => own,
        }
    }

    /// As people read it: of times as times.
    pub fn told(&self, kind: Kind) -> String {
        let value = |value: f64| of_kind(kind, value);
        match self {
            Bin::Value(own) => value(*own),
            Bin::Between(None, None) => "all".to_owned(),
            Bin::Between(None, Some(upper)) => format!("up to {}", value(*upper)),
            Bin::Between(Some(lower), None) => format!("above {}", value(*lower)),
            Bin::Between(Some(lower), Some(upper)) => match [lower, upper].map(|own| value(*own)) {
                [lower, upper] if lower == upper => format!("about {lower}"),
                [lower, upper] => format!("{lower} to {upper}"),
            },
            Bin::Text(text) => printable(text),
            Bin::Other => "all other values".to_owned(),
            Bin::Missing => "missing".to_owned(),
            Bin::Named(name, content) => format!("{} ({})", printable(name), content.told(kind)),
        }
    }

    /// A finite cell.
    pub fn of_cell(grid: &NumericGrid, cell: usize) -> Bin {
        let (lower, upper) = grid.bounds(cell);
        grid.atom(cell).map_or_else(|| between(lower, upper), Bin::Value)
    }
}

fn missing(grid: &FeatureGrid) -> Option<Bin> {
    grid.own_bins.has_missing.then_some(Bin::Missing)
}

/// The bins of `psi` of a numeric grid.
fn of_numbers(grid: &NumericGrid) -> Vec<Bin> {
    let ends = grid.bin_ends();
    let lower = [f64::NEG_INFINITY].into_iter().chain(ends.iter().copied());
    let upper = ends.iter().copied().chain([f64::MAX]);
    lower
        .zip(upper)
        .map(|(lower, upper)| match lower.next_up() == upper {
            true => Bin::Value(upper),
            false => between(lower, upper),
        })
        .collect()
}

/// A text that cannot break a line, or a terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn between(lower: f64, upper: f64) -> Bin {
    Bin::Between((lower > f64::MIN).then_some(lower), (upper < f64::MAX).then_some(upper))
}

impl fmt::Display for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(Kind::Numeric))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_told_by_their_ends() {
        let five = 5f64;
        let edges = vec![f64::NEG_INFINITY, 1.0, five.next_down(), five, 9.0, f64::MAX];
        let grid = NumericGrid::new(edges, &[1.0, five.next_down(), five], Some((0.0, 9.0)));
        let told: Vec<String> = of_numbers(&grid).iter().map(Bin::to_string).collect();
        assert_eq!(told, ["up to 1", "1 to 5", "5", "above 5"]);
        assert_eq!(Bin::of_cell(&grid, 4), Bin::Between(Some(5.0), Some(9.0)));
        assert_eq!(Bin::of_cell(&grid, 3), Bin::Value(5.0));
        assert_eq!(Bin::Text("a\n\u{1b}[1m".to_owned()).to_string(), "a\\n\\u{1b}[1m");
    }
}
