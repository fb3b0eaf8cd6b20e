//! Parquet files, read by column chunk where they are counted.

mod checked_pages;
mod chunk;
mod column_chunks;
mod column_schema;
mod dictionary_values;
mod footer;
mod key_pages;
mod one_chunk;
mod packed;
pub mod page_headers;
mod parquet_table;
mod presence;
mod thrift;

pub use parquet_table::{PAGE_BYTES_MAX, PAGE_BYTES_MAX_TEXT, ParquetTable};
