//! One feature: what the reference fixed for it, and what was counted of it.

use super::block::Block;
use super::categories::{CategoryCounts, CategoryGrid, CategoryGridBefore};
use super::exponential_histogram::ExponentialHistogram;
use super::extremes::Span;
use super::grid::GridId;
use super::numbers::{Numbers, NumbersScratch};
use super::numeric::{NumericInput, NumericProfile, NumericScratch};
use super::numeric_frame::NumericFrame;
use super::own_bins::OwnBins;
use super::random_groups::RandomGroups;
use super::row_bins::{category_bins, number_bins, presence_bins};
use super::row_order::RowOrder;
use super::tally::Tally;
use super::texts::{boolean, texts};
use super::{Accumulator, Mismatch};
use crate::feature::{Kind, Status, Width};
use crate::schema::binding::Wanted;
use crate::schema::kinds::{is_binary, value_type};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// What the reference fixed for one feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeatureGrid {
    pub name: String,
    pub kind: Kind,
    /// The kind was given by the user, not inferred.
    pub declared: bool,
    /// Why the feature is profiled but not scored, if so.
    pub unscored: Option<Status>,
    pub frame: Frame,
    pub id: GridId,
    /// What the configuration says; a profile does not have it.
    #[serde(skip)]
    pub own_bins: OwnBins,
}

/// The cells of one feature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "StoredFrame", into = "StoredFrame")]
pub enum Frame {
    Numeric(Box<NumericFrame>),
    Categorical(CategoryGrid),
    /// Rows and missing values only.
    Opaque,
}

/// What stands in bytes; the variants are numbered.
#[derive(Serialize, Deserialize)]
enum StoredFrame {
    Numeric(Box<NumericFrame>),
    /// Up to version 4 of the format.
    CategoricalBefore(CategoryGridBefore),
    Opaque,
    Categorical(CategoryGrid),
}

impl From<StoredFrame> for Frame {
    fn from(stored: StoredFrame) -> Frame {
        match stored {
            StoredFrame::Numeric(frame) => Frame::Numeric(frame),
            StoredFrame::CategoricalBefore(grid) => Frame::Categorical(grid.into()),
            StoredFrame::Opaque => Frame::Opaque,
            StoredFrame::Categorical(grid) => Frame::Categorical(grid),
        }
    }
}

impl From<Frame> for StoredFrame {
    fn from(frame: Frame) -> StoredFrame {
        match frame {
            Frame::Numeric(frame) => StoredFrame::Numeric(frame),
            Frame::Categorical(grid) => StoredFrame::Categorical(grid),
            Frame::Opaque => StoredFrame::Opaque,
        }
    }
}

impl FeatureGrid {
    pub fn new(
        name: String,
        kind: Kind,
        declared: bool,
        unscored: Option<Status>,
        frame: Frame,
    ) -> FeatureGrid {
        let mut hash = Xxh3::new();
        hash.update(name.as_bytes());
        hash.update(&[0]);
        hash.update(kind.name().as_bytes());
        hash.update(&[u8::from(declared)]);
        match &frame {
            Frame::Numeric(frame) => frame.hash_into(&mut hash),
            Frame::Categorical(grid) => grid.hash_into(&mut hash),
            Frame::Opaque => {}
        }
        let (id, own_bins) = (GridId(hash.digest128()), OwnBins::default());
        FeatureGrid { name, kind, declared, unscored, frame, id, own_bins }
    }

    /// What binding needs to know of it.
    pub fn wanted(&self) -> Wanted<'_> {
        let has_codes = match &self.frame {
            Frame::Categorical(categories) => categories.are_numbers(),
            Frame::Numeric(_) | Frame::Opaque => false,
        };
        Wanted { name: &self.name, kind: self.kind, declared: self.declared, has_codes }
    }

    /// Cells that the counts of a window have.
    pub fn n_cells(&self) -> usize {
        match &self.frame {
            Frame::Numeric(frame) => frame.n_cells(),
            Frame::Categorical(grid) => grid.kept().len(),
            Frame::Opaque => 0,
        }
    }

    pub fn n_bins(&self) -> usize {
        match &self.frame {
            Frame::Numeric(frame) => frame.n_bins(),
            Frame::Categorical(grid) => grid.n_bins(),
            Frame::Opaque => 0,
        }
    }
}

/// The counts of one feature in a pane, a window or the reference. How they are stored is
/// `feature_layout.rs`'s.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureProfile {
    pub grid: GridId,
    pub tally: Tally,
    pub values: Values,
    /// The same rows by cluster, where a column names those.
    pub groups: Option<Box<RandomGroups>>,
}

/// The counts of present values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Values {
    Numeric(Box<NumericProfile>),
    Categorical(CategoryCounts),
    /// Present rows.
    Opaque(u64),
}

/// What counting needs room for; kept by whoever counts many blocks.
#[derive(Debug, Default)]
pub struct Scratch {
    numbers: NumbersScratch,
    numeric: NumericScratch,
}

/// Rows of one column.
pub struct FeatureInput<'a> {
    pub grid: &'a FeatureGrid,
    pub width: Width,
    pub block: &'a Block,
    pub scratch: &'a mut Scratch,
}

impl FeatureProfile {
    pub fn new(grid: &FeatureGrid) -> FeatureProfile {
        let values = match &grid.frame {
            Frame::Numeric(_) => Values::Numeric(Box::default()),
            Frame::Categorical(categories) => Values::Categorical(CategoryCounts::new(categories)),
            Frame::Opaque => Values::Opaque(0),
        };
        FeatureProfile { grid: grid.id, tally: Tally::default(), values, groups: None }
    }

    /// The profile of numbers that were read before, in any order, and stretches of them as they
    /// came.
    pub fn of_numbers(
        grid: &FeatureGrid,
        tally: Tally,
        width: Width,
        values: &[f64],
        span: Option<Span>,
        stretches: &[Vec<f64>],
    ) -> FeatureProfile {
        let mut profile = FeatureProfile::new(grid);
        profile.tally = tally;
        if let (Frame::Numeric(frame), Values::Numeric(counts)) = (&grid.frame, &mut profile.values)
        {
            let scratch = &mut NumericScratch::default();
            let repeats = None;
            counts.update(NumericInput { frame, width, values, repeats, span, scratch });
            counts.order = frame.row_order(stretches);
        }
        profile
    }

    /// The profile of texts that were counted before, and how rows resemble those next to them.
    pub fn of_texts(
        grid: &FeatureGrid,
        tally: Tally,
        rows: &HashMap<Box<str>, u64>,
        order: RowOrder,
    ) -> FeatureProfile {
        let mut profile = FeatureProfile::new(grid);
        profile.tally = tally;
        if let (Frame::Categorical(categories), Values::Categorical(counts)) =
            (&grid.frame, &mut profile.values)
        {
            rows.iter().for_each(|(text, n)| counts.update((categories, text, *n)));
            counts.order = order;
        }
        profile
    }

    /// Rows by bin of `psi`, and those that are missing: what row groups of a sample are compared
    /// by.
    pub fn cluster_bins(&self, grid: &FeatureGrid) -> Vec<u64> {
        let mut bins = match &self.values {
            Values::Opaque(present) => vec![*present],
            Values::Numeric(_) | Values::Categorical(_) => self.bins(grid),
        };
        bins.push(self.tally.missing());
        bins
    }

    /// Rows with a value by bin of `psi`; none where there are no bins.
    pub fn bins(&self, grid: &FeatureGrid) -> Vec<u64> {
        match (&grid.frame, &self.values) {
            (Frame::Numeric(frame), Values::Numeric(values)) => {
                let (grid, cells) = values.cells(frame);
                grid.bins(&cells.counts())
            }
            (Frame::Categorical(grid), Values::Categorical(counts)) => grid.bins(counts),
            (Frame::Opaque, Values::Opaque(_)) => Vec::new(),
            _ => unreachable!("a profile is made from its grid"),
        }
    }

    /// The values by Prometheus' native buckets; none of what is no number.
    pub fn histogram(&self, grid: &FeatureGrid) -> Option<ExponentialHistogram> {
        match (&grid.frame, &self.values) {
            (Frame::Numeric(frame), Values::Numeric(values)) => {
                Some(values.exponential_histogram(frame))
            }
            _ => None,
        }
    }

    /// Makes its counts small; nothing is added to them any more.
    #[must_use]
    pub fn at_rest(mut self) -> FeatureProfile {
        if let Values::Numeric(values) = &mut self.values {
            values.rest();
        }
        self
    }

    /// Bytes that the counts take in memory, about; sketches of distinct values aside.
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Numeric(values) => values.bytes(),
            Values::Categorical(counts) => counts.bytes(),
            Values::Opaque(_) => 0,
        };
        let groups = self.groups.as_ref().map_or(0, |groups| groups.bytes());
        size_of::<FeatureProfile>() + values + groups
    }

    /// Rows of a file that has no such column.
    pub fn add_absent(&mut self, rows: u64) {
        self.tally.update(Tally { rows, absent: rows, ..Tally::default() });
    }

    /// Rows of a file whose column is of another kind.
    pub fn add_retyped(&mut self, rows: u64) {
        self.tally.update(Tally { rows, wrong_type: rows, ..Tally::default() });
    }

    /// So many rows tell as much as one that was drawn alone, as far as those next to each other
    /// show; none where that is not known.
    pub fn design_effect(&self) -> Option<f64> {
        match &self.values {
            Values::Numeric(values) => values.order.design_effect(),
            Values::Categorical(counts) => counts.order.design_effect(),
            Values::Opaque(_) => None,
        }
    }

    /// Counts rows by their clusters, where these are known.
    pub fn update_groups(&mut self, grid: &FeatureGrid, block: &Block) {
        let Some(groups) = block.groups() else { return };
        let bins = match &grid.frame {
            Frame::Numeric(frame) => number_bins(frame, block),
            Frame::Categorical(categories) => category_bins(categories, grid.kind, block),
            Frame::Opaque => presence_bins(block),
        };
        let n_bins = grid.n_bins().max(1) + 1;
        self.groups.get_or_insert_default().update(groups, &bins, n_bins);
    }

    /// The rows by cluster, if that is known of all.
    pub fn known_groups(&self) -> Option<&RandomGroups> {
        self.groups.as_deref().filter(|groups| groups.total() == self.tally.rows)
    }

    /// Every row is counted exactly once, as missing or in a cell.
    pub fn assert_complete(&self) {
        let present = match &self.values {
            Values::Numeric(profile) => profile.total(),
            Values::Categorical(counts) => counts.total(),
            Values::Opaque(rows) => *rows,
        };
        assert_eq!(self.tally.present(), present, "every row goes somewhere, once");
    }
}

/// Reads a block of categories: where its rows without a value went; every text and the rows it
/// stands in, to `f`.
/// What `f` makes of a text goes to `order`.
pub fn read_texts(
    block: &Block,
    kind: Kind,
    order: &mut RowOrder,
    mut f: impl FnMut(&str, u64) -> Option<u8>,
) -> Tally {
    let mut tally = Tally::of_block(block);
    let present = tally.present();
    let mut written = 0;
    // Numbers as they would come without a dictionary, which nobody chose.
    let values = if block.by_key().is_some() { block.by_row() } else { block.values() };
    texts(&*values, order, |text, rows| {
        written += rows;
        match (kind, boolean(text)) {
            (Kind::Boolean, None) => {
                tally.wrong_type += rows;
                None
            }
            (Kind::Boolean, Some(text)) => f(text, rows),
            _ => f(text, rows),
        }
    });
    match is_binary(value_type(block.values().data_type())) {
        // Bytes that are no text.
        true => tally.wrong_type += present - written,
        // Codes that are logged as floats can be NaN, which has no text.
        false => tally.nans = present - written,
    }
    tally
}

impl Accumulator for FeatureProfile {
    type Input<'a> = FeatureInput<'a>;

    fn update(&mut self, input: FeatureInput<'_>) {
        let FeatureInput { grid, width, block, scratch } = input;
        assert_eq!(self.grid, grid.id, "a profile stays on its grid");
        let tally = match (&grid.frame, &mut self.values) {
            (Frame::Numeric(frame), Values::Numeric(profile)) => {
                let Scratch { numbers, numeric: scratch } = scratch;
                let Numbers { tally, values, repeats, span } = numbers.read(block);
                profile.update(NumericInput { frame, width, values, repeats, span, scratch });
                tally
            }
            (Frame::Categorical(categories), Values::Categorical(counts)) => {
                let mut order = std::mem::take(&mut counts.order);
                let tally = read_texts(block, grid.kind, &mut order, |text, rows| {
                    Some(counts.add(categories, text, rows))
                });
                counts.order = order;
                tally
            }
            (Frame::Opaque, Values::Opaque(present)) => {
                let tally = Tally::of_block(block);
                *present += tally.present();
                tally
            }
            _ => unreachable!("a profile is made from its grid"),
        };
        self.tally.update(tally);
        self.update_groups(grid, block);
    }

    fn merge(&mut self, other: &FeatureProfile) -> Result<(), Mismatch> {
        match (&mut self.values, &other.values) {
            _ if self.grid != other.grid => return Err(Mismatch),
            (Values::Numeric(into), Values::Numeric(from)) => into.merge(from)?,
            (Values::Categorical(into), Values::Categorical(from)) => into.merge(from)?,
            (Values::Opaque(into), Values::Opaque(from)) => *into += from,
            _ => return Err(Mismatch),
        }
        if let Some(groups) = &other.groups {
            self.groups.get_or_insert_default().merge(groups);
        }
        self.tally.merge(&other.tally)
    }
}
