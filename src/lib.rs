//! driftd watches the inputs of machine-learning models and tells Prometheus, per feature, how far
//! they have moved from what the model was trained on, and how sound they are.
//!
//! # The path of a row
//!
//! A file comes to rest in a watched directory. Its [`source`] notices it, waits until it is whole,
//! reads its footer by a [`format`], and delivers it when the pipeline of its model ([`daemon`])
//! polls it. The [`journal`] tells whether it was counted before. The [`window`] plan says which
//! pane each of its rows goes to, and which rows of a sample are counted. [`monitor::count`]
//! decodes every column of every row group where it is counted, on all cores: a value is looked up
//! among the cells that the reference fixed for its feature, and the count of its cell grows by one
//! ([`profile`]). Nothing else is kept of it. A file is known by a hash of its content, taken from
//! the bytes as they are read.
//!
//! When the whole file was counted, its counts are recorded in the journal and added to the open
//! panes. A window is a merge of panes; when its file, its rows or its time are complete it is
//! scored by [`drift`]: every measure compares two count vectors over one grid. [`judge`] says
//! whether that is enough to call the feature drifted, given how much it has varied from window to
//! window before, and [`explain`] what moved. The file's line in the ledger, what it
//! added and the closed window are one transaction of the [`store`], for several files at a time;
//! after it the snapshot that readers see is replaced, the source is told what became of its
//! delivery, and the next scrape makes its gauges from the snapshot ([`export`]).
//!
//! A row of a socket comes as a line. The socket belongs to the daemon and not to a model: its
//! connections put whole lines into an inbox, and the model takes them from there in its turn and
//! makes batches of them, which go the way of a file.
//!
//! # Threads
//!
//! Models are tasks that work on a few threads which they share, in the order in which they have
//! something to do, and counting fans out from there to all cores. The HTTP server has a thread of
//! its own. The supervisor owns every model's task: one that ends unasked is started again.
//!
//! # Layout
//!
//! A file imports its own folder and lower floors; never a higher floor, never a sibling folder of
//! its own floor, and no two files of a folder import each other. `tests/tidy.rs` checks it.
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`error`], [`feature`], [`identity`], [`position`], [`settings`], [`telemetry`], [`time`], [`totals`]: the field's nouns |
//! | 1 | [`stats`], [`schema`]: numerics that packages lack; from column types to features |
//! | 2 | [`profile`]: grids, cells, moments, categories; what splits and merges |
//! | 3 | [`drift`], [`quality`]: measures of two profiles; rules that one must keep |
//! | 4 | [`explain`], [`judge`], [`window`]: what moved; thresholds, learned variation, the verdict; plans, panes, periods, baselines and samples |
//! | 5 | [`monitor`]: a model under watch; the only thread pool; top of the pure part |
//! | 6 | [`net`]: listening, who is let in, serving and stopping |
//! | 7 | [`format`], [`store`], [`export`], [`report`]: bytes to tables, SQLite, Prometheus, people |
//! | 8 | [`source`]: directories, buckets and sockets, polled for deliveries |
//! | 9 | [`journal`], [`config`]: what was counted, pending, being written and stored; the configuration, as written, then checked |
//! | 10 | [`daemon`]: the pipeline, epochs, supervision, reloading, the real clock |
//! | 11 | [`cli`]: arguments, a file per command |
//! | 12 | [`fuzzing`]: what fuzzers call, and nothing else has |
//!
//! [`format`]: mod@format
//! [`fuzzing`]: https://llvm.org/docs/LibFuzzer.html

pub mod cli;
pub mod config;
pub mod daemon;
pub mod drift;
pub mod error;
pub mod explain;
pub mod export;
pub mod feature;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod identity;
pub mod journal;
pub mod judge;
pub mod monitor;
pub mod net;
pub mod position;
pub mod profile;
pub mod quality;
pub mod report;
pub mod schema;
pub mod settings;
pub mod source;
pub mod stats;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod time;
pub mod totals;
pub mod window;
