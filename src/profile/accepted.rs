//! A feature as a window has counted it, as the reference of windows to come.
//!
//! Its grid is cut anew where counts allow it, see `recut_grid.rs`; values that were new and
//! frequent have bins of their own from then on. Counts are exact, and so are mean, deviation,
//! least and greatest value; how many values one row had is taken to be the share that the
//! reference before had of them.

use super::Accumulator;
use super::categories::{CategoryCounts, CategoryGrid, RareValues};
use super::cells::Cells;
use super::distinct::Distinct;
use super::extremes::{Extremes, Span};
use super::feature::{FeatureGrid, FeatureProfile, Frame, Values};
use super::grid::NumericGrid;
use super::log_cells::LogCells;
use super::moments::{Moments, RoundedSums};
use super::narrow_lane::FloatGrid;
use super::new_values::NewValues;
use super::numeric::{NumericProfile, Rounded};
use super::numeric_frame::{FrameParts, NumericFrame};
use super::percentiles::percentiles_in_cells;
use super::recut_grid::RecutGrid;
use crate::feature::Width;
use crate::stats::sum::Sum;
use xxhash_rust::xxh3::xxh3_64;

/// The grid and the profile of a window's counts, which became the reference; `before` is the
/// profile of the reference until then.
pub fn accepted(
    grid: &FeatureGrid,
    before: &FeatureProfile,
    window: &FeatureProfile,
) -> (FeatureGrid, FeatureProfile) {
    // What has no values leaves the grid as it was.
    let is_empty = window.tally.present() == 0;
    let (frame, values) = match (&grid.frame, &window.values) {
        (Frame::Numeric(frame), Values::Numeric(values)) if !is_empty => {
            let (frame, values) = numeric(frame, values, !grid.own_bins.ends.is_empty());
            (Frame::Numeric(Box::new(frame)), Values::Numeric(Box::new(values)))
        }
        (Frame::Categorical(categories), Values::Categorical(counts)) if !is_empty => {
            let (categories, counts) = categorical(categories, before.tally.present(), counts);
            (Frame::Categorical(categories), Values::Categorical(counts))
        }
        (frame, values) => (frame.clone(), values.clone()),
    };
    let FeatureGrid { name, kind, declared, unscored, id, .. } = grid.clone();
    let mut new = FeatureGrid::new(name, kind, declared, unscored, frame);
    new.own_bins = grid.own_bins.clone();
    // Those are by bins of before.
    let groups = window.groups.clone().filter(|_| new.id == id);
    let profile = FeatureProfile { grid: new.id, tally: window.tally, values, groups };
    (new, profile)
}

fn numeric(
    frame: &NumericFrame,
    window: &NumericProfile,
    are_own_bins: bool,
) -> (NumericFrame, NumericProfile) {
    let width = window.width_written().narrower(frame.width);
    let (grid, cells) = window.cells_as(frame, width);
    let extremes = &window.extremes;
    let RecutGrid { grid: native, counts } =
        RecutGrid::new(grid, &cells.counts(), (&window.log, extremes), are_own_bins);
    let narrow = frame.narrow.as_ref().filter(|_| width == Width::F64).map(|lane| {
        let cells = window.narrow_cells(frame, lane.grid());
        let (log, extremes) = (LogCells::default(), rounded(extremes));
        let RecutGrid { grid, counts } =
            RecutGrid::new(lane.grid(), &cells.counts(), (&log, &extremes), are_own_bins);
        FloatGrid { grid, reference: Cells::of_counts(counts.into_iter()) }.into()
    });
    let quartiles = percentiles_in_cells(&native, &counts, extremes, [25, 50, 75]);
    let center = quartiles.map_or(0.0, |[_, median, _]| median);
    let fences = quartiles.filter(|[low, _, high]| low < high);
    let fences = fences.map(|[low, _, high]| Fences::new(&native, &counts, (low, high)));
    let profile = NumericProfile {
        native: Some(Cells::of_counts(counts.iter().copied())),
        narrow: None,
        half: None,
        rounded: Rounded::Nothing,
        moments: moments(frame, window),
        extremes: *extremes,
        zeros: window.zeros,
        outliers: fences.map_or(0, |own| own.outside),
        others: window.others.clone(),
        log: window.log.filtered(|value| native.wide().by_cell().value(native.cell(value))),
        order: window.order.clone(),
    };
    let parts = FrameParts {
        width,
        narrow,
        center,
        fences: fences.map(|own| own.ends),
        tracks_distinct: frame.tracks_distinct,
        native,
    };
    (parts.into(), profile)
}

fn rounded(extremes: &Extremes) -> Extremes {
    let mut own = Extremes::default();
    if let Some((min, max)) = extremes.min().zip(extremes.max()) {
        own.update(Span { min: Width::F32.round(min), max: Width::F32.round(max), exact: None });
    }
    own
}

/// Tukey's fences, moved outwards to where the rows beyond are known.
#[derive(Debug, Clone, Copy)]
struct Fences {
    ends: (f64, f64),
    outside: u64,
}

impl Fences {
    fn new(grid: &NumericGrid, counts: &[u64], (low, high): (f64, f64)) -> Fences {
        let reach = 1.5 * (high - low);
        let edges = grid.edges();
        // Values up to and with the edge before `below` lie under the fence …
        let below = edges.partition_point(|edge| *edge < low - reach);
        // … and those beyond the edge at `above` over it.
        let above = edges.partition_point(|edge| *edge < high + reach).min(edges.len() - 1);
        let under = below.checked_sub(1).map_or(f64::NEG_INFINITY, |edge| edges[edge].next_up());
        let outside = counts[..below].iter().chain(&counts[above + 1..]).sum();
        Fences { ends: (under, edges[above]), outside }
    }
}

/// The same mean and deviation, whatever the frame.
fn moments(frame: &NumericFrame, window: &NumericProfile) -> Moments {
    let finite = window.total() - window.infinities();
    let (Some(mean), Some(least), Some(greatest)) =
        (window.mean(frame), window.extremes.min(), window.extremes.max())
    else {
        return Moments::default();
    };
    let deviation = window.stddev(frame).unwrap_or(0.0);
    let second = Sum::product(finite.saturating_sub(1) as f64 * deviation, deviation);
    let sums = RoundedSums { center: mean, n: finite, first: Sum::product(0.0, 0.0), second };
    Moments::of_rounded(sums, least.abs().max(greatest.abs()))
}

/// The values of a window whose names are known.
struct NamedValues<'a> {
    grid: &'a CategoryGrid,
    window: &'a CategoryCounts,
    /// Those that the reference before never had: hash, name and rows.
    new: Vec<(u64, &'a str, u64)>,
    /// Those that are kept from now on.
    kept: Vec<(&'a str, u64)>,
}

fn categorical(
    grid: &CategoryGrid,
    rows_before: u64,
    window: &CategoryCounts,
) -> (CategoryGrid, CategoryCounts) {
    let present = window.total();
    let known = grid.kept().iter().map(String::as_str).zip(window.kept.iter().copied());
    // By their whole names, and not by their heads.
    let new = window.new.all().filter(|(hash, text, _)| xxh3_64(text.as_bytes()) == *hash);
    let new: Vec<(u64, &str, u64)> = new.collect();
    let named = known.chain(new.iter().map(|(_, text, rows)| (*text, *rows)));
    let mut ordered: Vec<(&str, u64)> = named.filter(|(_, rows)| *rows > 0).collect();
    ordered.sort_unstable_by(|(a, a_rows), (b, b_rows)| b_rows.cmp(a_rows).then(a.cmp(b)));
    let (n_kept, bins, named) = CategoryGrid::places(&ordered, present);
    ordered.truncate(n_kept);
    let values = NamedValues { grid, window, new, kept: ordered };
    let of_kept: u64 = values.kept.iter().map(|(_, rows)| rows).sum();
    let names = values.kept.iter().map(|(text, _)| (*text).to_owned());
    let share = present as f64 / rows_before.max(1) as f64;
    let grid =
        CategoryGrid::of_parts(names.collect(), bins, values.seen(), values.rare(named, share));
    let counts = CategoryCounts {
        kept: values.kept.iter().map(|(_, rows)| *rows).collect(),
        seen: present - of_kept,
        unseen: 0,
        others: values.others(),
        hashed: values.hashed(),
        new: NewValues::default(),
        order: window.order.clone(),
    };
    (grid, counts)
}

impl NamedValues<'_> {
    fn is_kept(&self, text: &str) -> bool {
        self.kept.iter().any(|(own, _)| *own == text)
    }

    /// Those that were kept and are not any more, with their rows.
    fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        let before = self.grid.kept().iter().map(String::as_str);
        let before = before.zip(self.window.kept.iter().copied());
        before.filter(|(text, _)| !self.is_kept(text))
    }

    /// Hashes of new values that are not kept, those with long names among them.
    fn new_and_rare(&self) -> impl Iterator<Item = u64> {
        let kept = self.new.iter().filter(|(_, text, _)| self.is_kept(text));
        let kept: Vec<u64> = kept.map(|(hash, ..)| *hash).collect();
        self.window.new.all().map(|(hash, ..)| hash).filter(move |hash| !kept.contains(hash))
    }

    fn hashed_by(&self) -> Option<&RareValues> {
        self.grid.rare().filter(|rare| rare.cells == self.window.hashed.len())
    }

    /// Rows of all values that are not kept, by hashed cell.
    fn hashed(&self) -> Vec<u64> {
        let mut hashed = self.window.hashed.clone();
        let Some(rare) = self.hashed_by() else { return hashed };
        self.dropped().for_each(|(text, rows)| hashed[rare.cell(text)] += rows);
        let kept = self.new.iter().filter(|(_, text, _)| self.is_kept(text));
        kept.for_each(|(_, text, rows)| hashed[rare.cell(text)] -= rows);
        hashed
    }

    /// Hashes of values that are not kept and that windows may have: none where there were more new
    /// ones than were remembered.
    fn seen(&self) -> Option<Vec<u64>> {
        let mut seen = self.grid.seen.clone().filter(|_| self.window.new.are_all())?;
        seen.extend(self.dropped().map(|(text, _)| xxh3_64(text.as_bytes())));
        seen.extend(self.new_and_rare());
        seen.sort_unstable();
        Some(seen)
    }

    /// Values without a cell; where some of them have no name, those are counted as they were.
    fn others(&self) -> Distinct {
        if self.window.seen > 0 || !self.window.new.are_all() {
            return self.window.others.clone();
        }
        let mut others = Distinct::default();
        let dropped = self.dropped().filter(|(_, rows)| *rows > 0);
        let dropped = dropped.map(|(text, _)| xxh3_64(text.as_bytes()));
        dropped.chain(self.new_and_rare()).for_each(|hash| others.update(hash));
        others
    }

    /// Of values that nobody knows by name, there are as many for each row as there were before.
    fn rare(&self, named: usize, share: f64) -> Option<RareValues> {
        let before = self.hashed_by()?;
        let with = |before: u64, rows: u64| {
            let own = self.new.iter().filter(|(_, text, n)| *n == rows && !self.is_kept(text));
            (before as f64 * share).round() as u64 + own.count() as u64
        };
        let (once, twice) = (with(before.once, 1), with(before.twice, 2));
        Some(RareValues { named, cells: before.cells, once, twice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Kind;
    use std::collections::HashMap;

    fn counts(values: &[(&str, u64)]) -> HashMap<Box<str>, u64> {
        values.iter().map(|(text, rows)| ((*text).into(), *rows)).collect()
    }

    fn of_texts(grid: &FeatureGrid, values: &[(&str, u64)]) -> FeatureProfile {
        let mut profile = FeatureProfile::new(grid);
        let rows = values.iter().map(|(_, rows)| rows).sum();
        profile.tally = crate::profile::tally::Tally { rows, ..Default::default() };
        let (Frame::Categorical(categories), Values::Categorical(own)) =
            (&grid.frame, &mut profile.values)
        else {
            unreachable!("it is categorical")
        };
        values.iter().for_each(|(text, rows)| own.update((categories, text, *rows)));
        profile
    }

    fn categories(values: &[(&str, u64)]) -> FeatureGrid {
        let frame = Frame::Categorical(CategoryGrid::from_counts(&counts(values)));
        FeatureGrid::new("kind".to_owned(), Kind::Categorical, false, None, frame)
    }

    /// Whoever counts the same rows on the new grid comes to the counts of the accepted window; new
    /// values that are frequent have bins, old ones that are gone have none, and nothing that came
    /// is unseen.
    #[test]
    fn new_values_have_bins_of_their_own() {
        let before = [("a", 1_500), ("b", 800), ("c", 200), ("rare", 2)];
        let grid = categories(&before);
        let long = "x".repeat(200);
        let window = [("a", 500), ("c", 1), ("rare", 2), ("new", 300), ("odd", 1), (&*long, 196)];
        let counted = of_texts(&grid, &window);
        let (new, profile) = accepted(&grid, &of_texts(&grid, &before), &counted);
        let again = of_texts(&new, &window);
        assert_eq!(again.bins(&new), profile.bins(&new));
        assert_eq!(profile.bins(&new), [500, 300, 200]);
        profile.assert_complete();
        let (Frame::Categorical(own), Values::Categorical(counts), Values::Categorical(same)) =
            (&new.frame, &profile.values, &again.values)
        else {
            unreachable!("it is categorical")
        };
        // What was rare has no name that anybody knows.
        assert_eq!(own.kept(), ["a", "new", "c", "odd"]);
        assert_eq!(own.cells(counts), own.cells(same));
        assert_eq!((same.unseen(), counts.unseen()), (0, 0));
        let other = of_texts(&new, &[("b", 1), ("other", 1)]);
        let Values::Categorical(other) = &other.values else { unreachable!() };
        // What the first reference had may come back.
        assert_eq!(other.unseen(), 1);
    }

    #[test]
    fn a_feature_without_values_keeps_its_grid() {
        let before = [("a", 600), ("b", 300)];
        let grid = categories(&before);
        let mut empty = FeatureProfile::new(&grid);
        empty.add_absent(900);
        let (new, profile) = accepted(&grid, &of_texts(&grid, &before), &empty);
        assert_eq!((new.id, profile), (grid.id, empty));
    }

    #[test]
    fn fences_lie_where_the_rows_beyond_are_known() {
        let edges = vec![f64::NEG_INFINITY, 0.0, 1.0, 2.0, 5.0, f64::MAX];
        let grid = NumericGrid::new(edges, &[], Some((0.5, 4.0)));
        // Cells: −∞, up to 0, 1, 2, 5, MAX, and ∞.
        let counts = [1, 2, 40, 40, 3, 0, 1];
        let own = Fences::new(&grid, &counts, (0.8, 1.4));
        assert_eq!((own.ends, own.outside), ((f64::NEG_INFINITY.next_up(), 5.0), 2));
        let own = Fences::new(&grid, &counts, (0.9, 1.1));
        assert_eq!((own.ends, own.outside), ((0f64.next_up(), 2.0), 7));
    }
}
