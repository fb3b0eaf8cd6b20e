//! A model under watch: its reference, what is being counted, what was found.
//!
//! The top of the pure part: no files, no sockets, no clock. Tables come in through a trait,
//! "now" is an argument, and the only thread pool of the crate works here.

pub mod acceptance;
pub mod accepted_reference;
mod build;
pub mod cell_rows;
pub mod close;
pub mod clustered_table;
pub mod count;
mod encoded;
pub mod event_time;
pub mod figures;
pub mod figures_before;
pub mod footprint;
mod horizons;
pub mod label;
pub mod lateness;
mod merge;
pub mod model;
pub mod ordered_reference;
mod pane_splitter;
pub mod pieces;
pub mod reference;
pub mod reference_columns;
pub mod renamed_table;
pub mod row_sample;
pub mod score;
pub mod snapshot;
pub mod table;
pub mod whole;
pub mod window_history;
