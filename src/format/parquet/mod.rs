//! Parquet files, read by column chunk where they are counted.

mod chunk;
mod column_chunks;
mod column_schema;
mod footer;
mod packed;
mod parquet_table;
mod presence;

pub use parquet_table::ParquetTable;
