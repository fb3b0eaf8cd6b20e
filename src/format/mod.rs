//! From bytes to tables. Nothing here knows where the bytes come from, or what is counted of them.

pub mod arrow;
mod arrow_file;
mod extent_hashes;
pub mod file_format;
mod flat_row;
pub mod ipc_reader;
pub mod ipc_stream;
mod json_check;
mod json_value;
mod line_file;
mod line_scan;
pub mod line_schema;
pub mod line_split;
pub mod ndjson;
mod open_file;
pub mod parquet;
pub mod partition;
pub mod payload;
mod row_group_cache;
mod row_reader;

pub use open_file::{OpenFile, stat};

use crate::error::{Fault, Result};
use crate::monitor::table::Table;

/// A table that is a file's.
pub trait FileTable: Table {
    /// The hash of the whole content: XXH3, 128 bits. Reads what has not been read of it.
    fn content(&self) -> Result<u128, Fault>;
}
