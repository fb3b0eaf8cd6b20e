//! Rows on the disk of a source, until the state has them counted.

mod exchanges;
mod row_spool;
pub mod spool_entry;
mod spool_source;
mod spool_writer;

pub use row_spool::Spool;
pub use spool_source::{SpoolOwner, SpoolSource};
pub use spool_writer::SpoolLimits;
