//! Rules of data quality: what a window must hold, whatever the reference says of chance.
//!
//! A rule is checked on the counts that there are, when a window closes. So it says of a share of
//! rows that they break it, and never which; what counts cannot tell is not told.

mod broken_rows;
pub mod rule;
pub mod suggestion;
pub mod window_counts;
