//! Parquet files, read by column chunk where they are counted.

mod chunk;
mod column_chunks;
mod footer;
mod packed;
mod parquet_table;

pub use parquet_table::ParquetTable;
