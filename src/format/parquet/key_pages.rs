//! Numbers of one column chunk by the keys of its dictionary.
//!
//! Where few values stand in many rows, keys can be counted before anybody asks what they stand
//! for. The decoder gives no keys of numbers, but values by key; so it is handed a dictionary in
//! which every value is its own key.

use super::packed::{LeafPages, read_blocks};
use crate::monitor::table::Blocks;
use crate::profile::block::Block;
use ::parquet::basic::Encoding;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::data_type::Int32Type;
use ::parquet::errors::Result as ParquetResult;
use ::parquet::schema::types::ColumnDescPtr;
use arrow_array::ArrayRef;
use std::sync::Arc;

/// Rows of a chunk for each value of its dictionary, from which keys are read.
const CHUNK_REPEATS_MIN: u64 = 4;

/// Rows read at a time: many for each value, which is looked at once, within bounds.
const BATCH_REPEATS: usize = 16;
const BATCH_ROWS_MIN: usize = 32_768;
const BATCH_ROWS_MAX: usize = 1 << 18;

/// Whether so few values stand in the rows of a chunk, and of each batch of it, that keys are worth
/// reading.
pub fn are_few(values: u64, rows: usize) -> bool {
    let rows = rows.min(BATCH_ROWS_MAX) as u64;
    (1..=rows / CHUNK_REPEATS_MIN).contains(&values)
}

/// The pages of a chunk, with every value of the dictionary in place of itself.
pub struct KeyPages<P> {
    pub pages: P,
}

/// A dictionary of so many values, each of which is its own key.
fn own_keys(values: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values as usize * size_of::<u32>());
    (0..values).for_each(|key| bytes.extend_from_slice(&key.to_le_bytes()));
    bytes
}

impl<P: PageReader> PageReader for KeyPages<P> {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.pages.get_next_page()?.map(|page| match page {
            Page::DictionaryPage { num_values, is_sorted, .. } => Page::DictionaryPage {
                buf: own_keys(num_values).into(),
                num_values,
                encoding: Encoding::PLAIN,
                is_sorted,
            },
            other => other,
        }))
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> ParquetResult<bool> {
        self.pages.at_record_boundary()
    }
}

impl<P: PageReader> Iterator for KeyPages<P> {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<ParquetResult<Page>> {
        self.get_next_page().transpose()
    }
}

/// The blocks of a chunk without its nulls, by the `dictionary` that its keys point to. `leaf` is a
/// column of 32-bit integers that has the levels of the chunk's own.
pub fn keyed_blocks(
    leaf: ColumnDescPtr,
    pages: impl PageReader + 'static,
    rows: usize,
    dictionary: ArrayRef,
) -> Blocks<'static> {
    let batch_rows = dictionary.len().saturating_mul(BATCH_REPEATS);
    let batch_rows = batch_rows.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX);
    let pages = LeafPages { leaf, pages: Box::new(KeyPages { pages }), rows };
    read_blocks::<Int32Type>(pages, batch_rows, move |keys| {
        Block::keyed(Arc::clone(&dictionary), keys.into())
    })
}
