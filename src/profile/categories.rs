//! The categories of one feature: a cell per frequent value of the reference, and hashed cells for
//! all others, whether the reference had them or not.

use super::distinct::Distinct;
use super::new_values::NewValues;
use super::row_order::RowOrder;
use super::texts::number_text;
use super::{Accumulator, Mismatch, merge_counts};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};
use xxhash_rust::xxh64::xxh64;

/// A value has a bin of its own from this share of the reference's rows …
const BIN_PER_CENT: u64 = 1;
/// … and from this many rows: below, its share is too uncertain for `psi` to be about drift.
const BIN_ROWS_MIN: u64 = 30;
/// A value has a cell from one part in this many.
const CELL_PARTS: u64 = 1_000;
const CELLS_MAX: usize = 1_000;
/// A value is compared under its own name from this many rows of the reference.
const NAMED_ROWS_MIN: u64 = 20;
/// Rows of the reference that each hashed cell holds on average, at least …
const HASHED_ROWS: u64 = 20;
/// … and no more cells than these.
const HASHED_MAX: u64 = 1_024;
/// Values of the reference that can be told from unseen ones; 8 bytes each.
const SEEN_MAX: usize = 1 << 20;
/// Longer texts are told apart by their head and a hash.
const TEXT_BYTES_MAX: usize = 256;

/// The categories that the reference fixed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct CategoryGrid {
    /// Most frequent first, ties by bytes.
    kept: Vec<String>,
    /// This many of `kept`, from the front, have a bin of their own.
    bins: usize,
    /// Hashes of the reference's other values, ascending; none when there are too many.
    pub(super) seen: Option<Vec<u64>>,
    /// None of a reference that was profiled before they were counted.
    rare: Option<RareValues>,
    /// By the hash of the text, which needs no further hashing.
    cells: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
}

/// The most frequent values are told apart in the order of rows …
const CLASSES_KEPT: usize = 24;
/// … and all others as far as their hash tells them apart.
const CLASSES_HASHED: u64 = 8;

fn class_of_hash(hash: u64) -> u8 {
    CLASSES_KEPT as u8 + (hash % CLASSES_HASHED) as u8
}

/// What the reference tells of its values that have few rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RareValues {
    /// This many of the kept values, from the front, have rows enough to be compared by name.
    pub named: usize,
    /// Cells that all others are hashed into, by XXH64 of their text modulo this number.
    pub cells: usize,
    /// Values that one row of the reference had …
    pub once: u64,
    /// … and two.
    pub twice: u64,
}

impl RareValues {
    pub(super) fn cell(&self, text: &str) -> usize {
        (xxh64(text.as_bytes(), 0) % self.cells as u64) as usize
    }
}

/// Takes a hash for what it is.
#[derive(Debug, Clone, Copy, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        unreachable!("{bytes:?} is no hash")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    kept: Vec<String>,
    bins: usize,
    seen: Option<Vec<u64>>,
    rare: Option<RareValues>,
}

/// What versions up to 4 of the format wrote.
#[derive(Serialize, Deserialize)]
pub(super) struct CategoryGridBefore {
    kept: Vec<String>,
    bins: usize,
    seen: Option<Vec<u64>>,
}

impl From<Stored> for CategoryGrid {
    fn from(Stored { kept, bins, seen, rare }: Stored) -> CategoryGrid {
        let cell = |(cell, text): (usize, &String)| (xxh3_64(text.as_bytes()), cell as u32);
        let cells = kept.iter().enumerate().map(cell).collect();
        CategoryGrid { kept, bins, seen, rare, cells }
    }
}

impl From<CategoryGrid> for Stored {
    fn from(CategoryGrid { kept, bins, seen, rare, .. }: CategoryGrid) -> Stored {
        Stored { kept, bins, seen, rare }
    }
}

impl From<CategoryGridBefore> for CategoryGrid {
    fn from(CategoryGridBefore { kept, bins, seen }: CategoryGridBefore) -> CategoryGrid {
        Stored { kept, bins, seen, rare: None }.into()
    }
}

/// Where a value belongs.
enum Place {
    Kept(usize),
    Seen,
    Unseen,
}

impl CategoryGrid {
    /// The categories of a reference, from the rows of each of its values.
    pub fn from_counts(counts: &HashMap<Box<str>, u64>) -> CategoryGrid {
        let present: u64 = counts.values().sum();
        let mut ordered: Vec<(&str, u64)> = counts.iter().map(|(text, &n)| (&**text, n)).collect();
        ordered.sort_unstable_by(|(a, a_rows), (b, b_rows)| b_rows.cmp(a_rows).then(a.cmp(b)));
        let (n_kept, bins, named) = CategoryGrid::places(&ordered, present);
        let (kept, rare) = ordered.split_at(n_kept);
        let seen = (rare.len() <= SEEN_MAX).then(|| {
            let mut seen: Vec<u64> =
                rare.iter().map(|(text, _)| xxh3_64(text.as_bytes())).collect();
            seen.sort_unstable();
            seen
        });
        let of_hashed: u64 = ordered[named..].iter().map(|(_, rows)| rows).sum();
        let with = |rows: u64| rare.iter().chain(kept).filter(|own| own.1 == rows).count() as u64;
        let cells = (of_hashed / HASHED_ROWS).clamp(1, HASHED_MAX) as usize;
        let rare = Some(RareValues { named, cells, once: with(1), twice: with(2) });
        let kept = kept.iter().map(|(text, _)| (*text).to_owned()).collect();
        Stored { kept, bins, seen, rare }.into()
    }

    /// How many of these values, most frequent first, are kept, have bins, and are named.
    pub(super) fn places(ordered: &[(&str, u64)], present: u64) -> (usize, usize, usize) {
        let is_kept = |rows: u64| rows * CELL_PARTS >= present;
        let n_kept = ordered.iter().take(CELLS_MAX).take_while(|(_, rows)| is_kept(*rows)).count();
        let has_bin = |rows: u64| rows >= BIN_ROWS_MIN && rows * 100 >= present * BIN_PER_CENT;
        let bins = ordered[..n_kept].iter().take_while(|(_, rows)| has_bin(*rows)).count();
        let is_named = |rows: u64| rows >= NAMED_ROWS_MIN;
        let named = ordered[..n_kept].iter().take_while(|(_, rows)| is_named(*rows)).count();
        (n_kept, bins, named)
    }

    /// Of what others have put together.
    pub(super) fn of_parts(
        kept: Vec<String>,
        bins: usize,
        seen: Option<Vec<u64>>,
        rare: Option<RareValues>,
    ) -> CategoryGrid {
        Stored { kept, bins, seen, rare }.into()
    }

    /// What is known of rare values.
    pub fn rare(&self) -> Option<&RareValues> {
        self.rare.as_ref()
    }

    /// Whether the reference had a value, too rarely for a cell of its own.
    pub fn is_rare(&self, text: &str) -> bool {
        let hash = xxh3_64(text.as_bytes());
        !self.cells.contains_key(&hash)
            && self.seen.as_ref().is_some_and(|seen| seen.binary_search(&hash).is_ok())
    }

    /// The hashed cell of a value that is not kept; none where rare values were not counted.
    pub fn hashed_cell(&self, text: &str) -> Option<usize> {
        self.rare.map(|rare| rare.cell(text))
    }

    /// Rows of each named value, then of each hashed cell; none where rare values were not counted,
    /// or in other cells than these.
    pub fn cells(&self, counts: &CategoryCounts) -> Option<Vec<u64>> {
        let rare = self.rare.filter(|rare| rare.cells == counts.hashed.len())?;
        let (named, others) = counts.kept.split_at(rare.named);
        let mut cells = [named, &counts.hashed].concat();
        for (text, rows) in self.kept[rare.named..].iter().zip(others) {
            cells[rare.named + rare.cell(text)] += rows;
        }
        Some(cells)
    }

    /// One bin per frequent value, and `other`.
    pub fn n_bins(&self) -> usize {
        self.bins + 1
    }

    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// Whether each is a number as driftd writes one: `1` or `2.5`, but not `01`.
    pub fn are_numbers(&self) -> bool {
        let is_number = |text: &str| match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(whole), _) => whole.to_string() == text,
            (_, Ok(value)) => value.is_finite() && number_text(value) == text,
            _ => false,
        };
        !self.kept.is_empty() && self.kept.iter().all(|text| is_number(text))
    }

    /// Whether a value that the reference never had can be told from a rare one.
    pub fn knows_unseen(&self) -> bool {
        self.seen.is_some()
    }

    /// The bin of a value, as [`category`] has it.
    pub fn bin(&self, text: &str) -> usize {
        match self.place(text, xxh3_64(text.as_bytes())) {
            Place::Kept(cell) => cell.min(self.bins),
            Place::Seen | Place::Unseen => self.bins,
        }
    }

    /// Sums counts into the bins of `psi`: the frequent values in order, then all others.
    pub fn bins(&self, counts: &CategoryCounts) -> Vec<u64> {
        let (own, rest) = counts.kept.split_at(self.bins);
        let other = rest.iter().sum::<u64>() + counts.seen + counts.unseen;
        own.iter().copied().chain([other]).collect()
    }

    pub fn hash_into(&self, hash: &mut Xxh3) {
        hash.update(&self.bins.to_le_bytes());
        for text in &self.kept {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        }
        for seen in self.seen.iter().flatten() {
            hash.update(&seen.to_le_bytes());
        }
    }

    fn place(&self, text: &str, hash: u64) -> Place {
        match self.cells.get(&hash) {
            Some(&cell) if self.kept[cell as usize] == text => Place::Kept(cell as usize),
            _ => match &self.seen {
                Some(seen) if seen.binary_search(&hash).is_err() => Place::Unseen,
                _ => Place::Seen,
            },
        }
    }
}

/// The text that stands for a value: itself, or the head of a long one with a hash of the whole.
pub fn category(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text.into();
    }
    let head = &text[..text.floor_char_boundary(64)];
    format!("{head}~{:016x}", xxh3_64(text.as_bytes())).into()
}

/// Whether a text stands for a longer one, as far as can be seen.
pub fn is_shortened(text: &str) -> bool {
    let hash = text.rsplit_once('~').map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|own| own.is_ascii_hexdigit()))
}

/// Rows per category. How it is stored is `category_layout.rs`'s.
#[derive(Debug, Clone)]
pub struct CategoryCounts {
    pub(super) kept: Vec<u64>,
    /// Rows of values that the reference had, but rarely.
    pub(super) seen: u64,
    /// Rows of values that the reference never had.
    pub(super) unseen: u64,
    /// The values without a cell.
    pub(super) others: Distinct,
    /// Rows of all values that are not kept, by hashed cell; empty where those are not counted.
    pub(super) hashed: Vec<u64>,
    /// Values that the reference never had, by name; fewer than all where there are many.
    pub(super) new: NewValues,
    /// How rows resemble those next to them.
    pub(super) order: RowOrder,
}

/// Equal counts, in whatever order the rows came.
impl PartialEq for CategoryCounts {
    fn eq(&self, other: &CategoryCounts) -> bool {
        let CategoryCounts { kept, seen, unseen, others, hashed, new, order: _ } = self;
        (kept, seen, unseen) == (&other.kept, &other.seen, &other.unseen)
            && (others, hashed, new) == (&other.others, &other.hashed, &other.new)
    }
}

impl CategoryCounts {
    pub fn new(grid: &CategoryGrid) -> CategoryCounts {
        let kept = vec![0; grid.kept.len()];
        let hashed = vec![0; grid.rare.map_or(0, |rare| rare.cells)];
        let (others, new) = (Distinct::default(), NewValues::default());
        let order = RowOrder::default();
        CategoryCounts { kept, seen: 0, unseen: 0, others, hashed, new, order }
    }

    pub fn total(&self) -> u64 {
        self.kept.iter().sum::<u64>() + self.seen + self.unseen
    }

    /// Bytes that the counts take in memory, about.
    pub fn bytes(&self) -> usize {
        size_of_val(self.kept.as_slice()) + size_of_val(self.hashed.as_slice()) + self.new.bytes()
    }

    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// Rows of values that the reference had, and that are not kept.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Rows of kept values, in the grid's order.
    pub fn kept(&self) -> &[u64] {
        &self.kept
    }

    /// Rows of all values that are not kept, by hashed cell; empty where those were not counted.
    pub fn hashed(&self) -> &[u64] {
        &self.hashed
    }

    /// Values that the reference never had.
    pub fn new_values(&self) -> &NewValues {
        &self.new
    }

    /// Adds a value of so many rows, and tells its class for the order of rows.
    pub fn add(&mut self, grid: &CategoryGrid, text: &str, rows: u64) -> u8 {
        let text = category(text);
        let hash = xxh3_64(text.as_bytes());
        match grid.place(&text, hash) {
            Place::Kept(cell) => {
                self.kept[cell] += rows;
                return if cell < CLASSES_KEPT { cell as u8 } else { class_of_hash(hash) };
            }
            Place::Seen => self.seen += rows,
            Place::Unseen => {
                self.unseen += rows;
                self.new.add(&text, hash, rows);
            }
        }
        if let Some(rare) = grid.rare.filter(|rare| rare.cells == self.hashed.len()) {
            self.hashed[rare.cell(&text)] += rows;
        }
        self.others.update(hash);
        class_of_hash(hash)
    }

    /// Exact where every value has a cell.
    pub fn distinct(&self) -> u64 {
        self.kept.iter().filter(|rows| **rows > 0).count() as u64 + self.others.estimate()
    }
}

impl Accumulator for CategoryCounts {
    /// A value and the number of rows that hold it.
    type Input<'a> = (&'a CategoryGrid, &'a str, u64);

    fn update(&mut self, (grid, text, rows): (&CategoryGrid, &str, u64)) {
        self.add(grid, text, rows);
    }

    fn merge(&mut self, other: &CategoryCounts) -> Result<(), Mismatch> {
        merge_counts(&mut self.kept, &other.kept)?;
        // Rows that were counted before the reference was profiled anew have none or others.
        if merge_counts(&mut self.hashed, &other.hashed).is_err() {
            self.hashed.clear();
        }
        self.seen += other.seen;
        self.unseen += other.unseen;
        self.order.merge(&other.order);
        self.new.merge(&other.new);
        self.others.merge(&other.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_rare_and_unseen_values_are_told_apart() {
        let counts: HashMap<Box<str>, u64> =
            [("a".into(), 5_000), ("b".into(), 100), ("c".into(), 29), ("d".into(), 1)].into();
        let grid = CategoryGrid::from_counts(&counts);
        assert_eq!(grid.kept(), ["a", "b", "c"]);
        assert_eq!(grid.n_bins(), 3);
        let mut current = CategoryCounts::new(&grid);
        for (text, rows) in [("a", 10), ("c", 3), ("d", 2), ("e", 7)] {
            current.update((&grid, text, rows));
        }
        assert_eq!(grid.bins(&current), [10, 0, 12]);
        assert_eq!((current.unseen(), current.total(), current.distinct()), (7, 22, 4));
    }

    #[test]
    fn values_without_a_name_have_hashed_cells() {
        let mut counts: HashMap<Box<str>, u64> =
            (0..200).map(|i| (format!("code {i}").into(), 1 + i % 2)).collect();
        counts.insert("frequent".into(), 700);
        counts.insert("few".into(), 19);
        let grid = CategoryGrid::from_counts(&counts);
        // 100 values once and 100 twice, and one too rare to be named.
        let cells = 319 / 20;
        let rare = RareValues { named: 1, cells, once: 100, twice: 100 };
        assert_eq!(grid.rare(), Some(&rare));
        let mut own = CategoryCounts::new(&grid);
        counts.iter().for_each(|(text, rows)| own.update((&grid, text, *rows)));
        let found = grid.cells(&own).unwrap();
        assert_eq!((found.len(), found[0]), (1 + cells, 700));
        assert_eq!(found.iter().sum::<u64>(), own.total());
        // `xxhash.xxh64(b"code 7").intdigest() % 15` is 2, by Python's xxhash 4.1.0.
        let mut one = CategoryCounts::new(&grid);
        one.update((&grid, "code 7", 3));
        assert_eq!((cells, grid.cells(&one).unwrap()[1 + 2]), (15, 3));
    }

    /// A window that was open when the reference was profiled anew goes on without them.
    #[test]
    fn hashed_cells_of_two_references_are_left_out() {
        let grid = |rows| {
            let counts: HashMap<Box<str>, u64> =
                [("a".into(), 9_000), ("b".into(), rows), ("c".into(), 1)].into();
            CategoryGrid::from_counts(&counts)
        };
        let (one, two) = (grid(2), grid(2));
        let mut counts = CategoryCounts::new(&one);
        counts.update((&one, "c", 1));
        let mut before = CategoryCounts { hashed: vec![0; 7], ..CategoryCounts::new(&two) };
        before.update((&two, "a", 4));
        counts.merge(&before).unwrap();
        assert_eq!((counts.total(), one.cells(&counts)), (5, None));
    }

    #[test]
    fn long_texts_stay_distinct() {
        let (a, b) = ("x".repeat(1_000), "x".repeat(1_001));
        assert_ne!(category(&a), category(&b));
        assert!(category(&a).len() < 100);
    }
}
