//! The categories of one feature: a cell per frequent value of the reference, one for its rare
//! values, one for values it never had.

use super::column::number_text;
use super::distinct::Distinct;
use super::grid::Repeated;
use super::{Accumulator, Mismatch, merge_counts};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A value has a bin of its own from this share of the reference's rows …
const BIN_PER_CENT: u64 = 1;
/// … and from this many rows: below, its share is too uncertain for `psi` to be about drift.
const BIN_ROWS_MIN: u64 = 30;
/// A value has a cell from one part in this many.
const CELL_PARTS: u64 = 1_000;
const CELLS_MAX: usize = 1_000;
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
    seen: Option<Vec<u64>>,
    /// By the hash of the text, which needs no further hashing.
    cells: HashMap<u64, u32, BuildHasherDefault<Hashed>>,
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
}

impl From<Stored> for CategoryGrid {
    fn from(Stored { kept, bins, seen }: Stored) -> CategoryGrid {
        let cell = |(cell, text): (usize, &String)| (xxh3_64(text.as_bytes()), cell as u32);
        let cells = kept.iter().enumerate().map(cell).collect();
        CategoryGrid { kept, bins, seen, cells }
    }
}

impl From<CategoryGrid> for Stored {
    fn from(CategoryGrid { kept, bins, seen, .. }: CategoryGrid) -> Stored {
        Stored { kept, bins, seen }
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
        let is_kept = |rows: u64| rows * CELL_PARTS >= present;
        let n_kept = ordered.iter().take(CELLS_MAX).take_while(|(_, rows)| is_kept(*rows)).count();
        let has_bin = |rows: u64| rows >= BIN_ROWS_MIN && rows * 100 >= present * BIN_PER_CENT;
        let bins = ordered[..n_kept].iter().take_while(|(_, rows)| has_bin(*rows)).count();
        let (kept, rare) = ordered.split_at(n_kept);
        let seen = (rare.len() <= SEEN_MAX).then(|| {
            let mut seen: Vec<u64> =
                rare.iter().map(|(text, _)| xxh3_64(text.as_bytes())).collect();
            seen.sort_unstable();
            seen
        });
        Stored { kept: kept.iter().map(|(text, _)| (*text).to_owned()).collect(), bins, seen }
            .into()
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

/// Rows per category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryCounts {
    grid: Repeated,
    kept: Vec<u64>,
    /// Rows of values that the reference had, but rarely.
    seen: u64,
    /// Rows of values that the reference never had.
    unseen: u64,
    /// The values without a cell.
    others: Distinct,
}

impl CategoryCounts {
    pub fn new(grid: &CategoryGrid) -> CategoryCounts {
        let kept = vec![0; grid.kept.len()];
        CategoryCounts { grid: Repeated, kept, seen: 0, unseen: 0, others: Distinct::default() }
    }

    pub fn total(&self) -> u64 {
        self.kept.iter().sum::<u64>() + self.seen + self.unseen
    }

    /// Bytes that the counts take in memory, about.
    pub fn bytes(&self) -> usize {
        size_of_val(self.kept.as_slice())
    }

    pub fn unseen(&self) -> u64 {
        self.unseen
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
        let text = category(text);
        let hash = xxh3_64(text.as_bytes());
        match grid.place(&text, hash) {
            Place::Kept(cell) => {
                self.kept[cell] += rows;
                return;
            }
            Place::Seen => self.seen += rows,
            Place::Unseen => self.unseen += rows,
        }
        self.others.update(hash);
    }

    fn merge(&mut self, other: &CategoryCounts) -> Result<(), Mismatch> {
        merge_counts(&mut self.kept, &other.kept)?;
        self.seen += other.seen;
        self.unseen += other.unseen;
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
    fn long_texts_stay_distinct() {
        let (a, b) = ("x".repeat(1_000), "x".repeat(1_001));
        assert_ne!(category(&a), category(&b));
        assert!(category(&a).len() < 100);
    }
}
