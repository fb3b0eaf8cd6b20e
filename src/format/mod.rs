//! From bytes to tables. Nothing here knows where the bytes come from, or what is counted of them.

pub mod arrow;
mod extent_hashes;
pub mod ipc_stream;
mod json_value;
pub mod ndjson;
mod open_file;
pub mod parquet;
pub mod partition;
pub mod payload;

pub use open_file::{OpenFile, stat};

use crate::error::{Fault, Result};
use crate::monitor::table::Table;

/// A table that is a file's.
pub trait FileTable: Table {
    /// The hash of the whole content: XXH3, 128 bits. Reads what has not been read of it.
    fn content(&self) -> Result<u128, Fault>;
}
