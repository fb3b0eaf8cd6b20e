//! Reading the numbers of a block.

use super::block::Block;
use super::column::numbers;
use super::extremes::Span;
use super::repeated_numbers::RepeatedNumbers;
use super::survey::{Survey, survey};
use super::tally::Tally;
use arrow_array::{Array, BooleanArray};
use arrow_select::filter::filter;

/// Rows for each value of a dictionary, from which it is quicker to count them by key.
const REPEATS_MIN: usize = 4;

/// The numbers of a block.
pub struct Numbers<'a> {
    /// Where rows without a value went.
    pub tally: Tally,
    /// Those that are not NaN; −0.0 may be among them.
    pub values: &'a [f64],
    /// The rows that they stand in; none where that is one each.
    pub repeats: Option<RepeatedNumbers<'a>>,
    /// None without values.
    pub span: Option<Span>,
}

impl Numbers<'_> {
    /// Rows with a value.
    pub fn n_rows(&self) -> usize {
        self.repeats.map_or(self.values.len(), |repeats| repeats.keys.len())
    }

    /// The value of one of those rows, in their order.
    pub fn of_row(&self, row: usize) -> f64 {
        match &self.repeats {
            Some(repeats) => repeats.dictionary[repeats.keys[row] as usize],
            None => self.values[row],
        }
    }
}

/// Room for numbers that have to be moved; kept by whoever reads many blocks.
#[derive(Debug, Default)]
pub struct NumbersScratch {
    values: Vec<f64>,
    dictionary: Vec<f64>,
    rows: Vec<u64>,
    /// By key, the rows that each of some lanes counted.
    apart: Vec<[u32; LANES]>,
}

/// Keys next to each other are counted apart, where few values make them the same …
const LANES: usize = 4;
/// … and their counts stay in the first cache.
const APART_MAX: usize = 1_024;

impl NumbersScratch {
    /// Reads a block of numbers.
    pub fn read<'a>(&'a mut self, block: &'a Block) -> Numbers<'a> {
        let by_key = block.by_key();
        let read =
            by_key.and_then(|(keys, values)| Some((keys, self.read_repeated(keys, values)?)));
        let Some((keys, span)) = read else { return self.read_each(block) };
        let (rows, dictionary) = (&self.rows[..], &self.dictionary[..]);
        let repeats = RepeatedNumbers { rows, keys, dictionary };
        Numbers {
            tally: Tally::of_block(block),
            values: &self.values,
            repeats: Some(repeats),
            span,
        }
    }

    /// Counts the keys of a dictionary; none where NaN is among its values, or too many values for
    /// its rows.
    fn read_repeated(&mut self, keys: &[i32], dictionary: &dyn Array) -> Option<Option<Span>> {
        if keys.is_empty() || keys.len() < REPEATS_MIN * dictionary.len() {
            return None;
        }
        self.dictionary.clear();
        let mut written = numbers(dictionary, &mut self.dictionary);
        let mut found = survey(&self.dictionary);
        if self.dictionary.len() != dictionary.len() || found.nans > 0 {
            return None;
        }
        self.count(keys, dictionary.len());
        self.values.clear();
        if self.rows.contains(&0) {
            let used: BooleanArray = self.rows.iter().map(|rows| Some(*rows > 0)).collect();
            let used = filter(dictionary, &used).expect("a bit for every value");
            written = numbers(&*used, &mut self.values);
            found = survey(&self.values);
            self.rows.retain(|rows| *rows > 0);
        } else {
            self.values.extend_from_slice(&self.dictionary);
        }
        let span = || found.range.map(|(min, max)| Span { min, max, exact: None });
        Some(written.or_else(span))
    }

    /// Counts keys; neighbours apart, since a count that was just written is read slowly.
    fn count(&mut self, keys: &[i32], n: usize) {
        self.rows.clear();
        if n > APART_MAX {
            self.rows.resize(n, 0);
            keys.iter().for_each(|key| self.rows[*key as usize] += 1);
            return;
        }
        self.apart.clear();
        self.apart.resize(n, [0; LANES]);
        let (groups, rest) = keys.as_chunks::<LANES>();
        for group in groups {
            (0..LANES).for_each(|lane| self.apart[group[lane] as usize][lane] += 1);
        }
        rest.iter().for_each(|key| self.apart[*key as usize][0] += 1);
        self.rows
            .extend(self.apart.iter().map(|own| own.iter().copied().map(u64::from).sum::<u64>()));
    }

    fn read_each<'a>(&'a mut self, block: &'a Block) -> Numbers<'a> {
        let mut tally = Tally::of_block(block);
        let values = block.values();
        let in_place = block.doubles();
        let scratch = &mut self.values;
        scratch.clear();
        let written = if in_place.is_none() { numbers(&*values, scratch) } else { None };
        let n_read = in_place.unwrap_or(scratch).len();
        // Texts of a path that are no numbers.
        tally.wrong_type += (block.rows() - block.n_missing() - n_read) as u64;
        if written.is_some() {
            return Numbers { tally, values: scratch, repeats: None, span: written };
        }
        let Survey { range, nans } = survey(in_place.unwrap_or(scratch));
        tally.nans = nans;
        let span = range.map(|(min, max)| Span { min, max, exact: None });
        if nans > 0 {
            match in_place {
                Some(values) => scratch.extend(values.iter().filter(|value| !value.is_nan())),
                None => scratch.retain(|value| !value.is_nan()),
            }
        }
        let values = in_place.filter(|_| nans == 0).unwrap_or(scratch);
        Numbers { tally, values, repeats: None, span }
    }
}
