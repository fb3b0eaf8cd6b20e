//! All integration tests, in one binary to link once.

/// Alert rules and unit files, with Prometheus' own tools.
mod alerts;
mod bombs;
mod browser;
mod buckets;
/// The command line as a shell sees it.
mod cli;
mod clusters;
/// Configurations, good and bad.
mod config;
/// Kills at any moment.
mod crash;
/// The running daemon: files that come, change, break and go.
mod daemon;
/// Values and sizes at the edges: constants, infinities, nothing at all.
mod dashboards;
mod deciding;
mod distributions;
mod edge;
/// Changes of reference and windows over open rows.
mod epochs;
/// Parts that fail, and the rest that goes on.
mod flips;
mod gate;
mod health;
/// Inputs that must not hide one another.
mod hints;
mod history_profile;
mod init;
mod inputs;
mod ipc;
/// Laws that hold for any split, order and merge.
mod laws;
/// What is learned from closed windows, and kept.
mod learning;
mod logs;
/// The whole `/metrics` page of the demo, and pages with hostile names.
mod metrics;
/// Clients that send, stop, hang and lie, and what becomes of their rows.
mod model_pages;
mod network;
/// Scores of samples without drift.
mod noise;
mod notification;
/// Every figure against scipy and numpy.
mod oracle;
mod past;
mod payloads;
mod posts;
/// A real Prometheus with the shipped configuration and rules.
mod prometheus;
/// Reloading the configuration.
mod quiet;
mod reload;
/// Crashes and restarts.
mod report_page;
mod restart;
/// Samples of rows and of row groups.
mod sampling;
/// Rows over TCP.
mod stream;
mod support;
/// The same values in other types.
mod topics;
mod types;
/// States that an older driftd wrote.
mod upgrade;
/// The rule of the verdict, against numbers of scipy.
mod verdict;
/// Windows by event time.
mod web_config;
mod why;
mod windows;
/// Files of other engines.
mod writers;
