//! driftd watches the inputs of machine-learning models and tells Prometheus, per feature, how far
//! they have moved from what the model was trained on, and how sound they are.
//!
//! # The path of a row
//!
//! A file comes to rest in a watched directory. [`ingest`] notices it, waits until it is whole and
//! reads its footer; its name is a hash of its content, taken from the bytes as they are read. The
//! [`window`] plan says which pane each of its rows goes to, and which rows of a sample are
//! counted. [`monitor::count`] decodes every column of every row group where it is
//! counted, on all cores: a value is looked up among the cells that the reference fixed for its
//! feature, and the count of its cell grows by one ([`profile`]). Nothing else is kept of it.
//!
//! When the whole file was counted, its counts are added to the open panes. A window is a merge of
//! panes; when its file, its rows or its time are complete it is scored by [`drift`]: every measure
//! compares two count vectors over one grid, and the verdict says whether that is enough to call
//! the feature drifted. The file's line in the ledger, what it added and the closed window are one
//! transaction of the [`store`], for several files at a time; after it the snapshot that readers
//! see is replaced, and the next scrape makes its gauges from it ([`export`]).
//!
//! # Layout
//!
//! A file imports its own folder and lower floors; never a higher floor, never a sibling folder of
//! its own floor. `tests/tidy.rs` checks it.
//!
//! | floor | modules |
//! |---|---|
//! | 0 | [`error`], [`feature`], [`position`], [`time`], [`telemetry`]: the field's nouns |
//! | 1 | [`stats`], [`schema`]: numerics that packages lack; from column types to features |
//! | 2 | [`profile`]: grids, cells, moments, categories; what splits and merges |
//! | 3 | [`drift`]: measures and the verdict |
//! | 4 | [`window`]: plans, panes, periods, baselines and samples |
//! | 5 | [`monitor`]: a model under watch; the only thread pool; top of the pure part |
//! | 6 | [`net`]: listening and serving |
//! | 7 | [`ingest`], [`store`], [`export`], [`report`]: files and sockets, SQLite, Prometheus, people |
//! | 8 | [`config`]: as written, then checked |
//! | 9 | [`daemon`]: the pipeline, epochs, reloading, the real clock, stopping |
//! | 10 | [`cli`]: arguments, a file per command |

pub mod cli;
pub mod config;
pub mod daemon;
pub mod drift;
pub mod error;
pub mod export;
pub mod feature;
pub mod ingest;
pub mod monitor;
pub mod net;
pub mod position;
pub mod profile;
pub mod report;
pub mod schema;
pub mod stats;
pub mod store;
pub mod telemetry;
pub mod time;
pub mod window;
