//! The table of metrics. `driftd metrics`, pages, dashboards and the README read it.

use super::metric::{
    BASELINE, BIN, FEATURE, Family, MEASURE, Metric, SOURCE, UP_TO, WINDOW, cells, counter, gauge,
    histogram,
};
use crate::monitor::figures::Statistics;

pub const DRIFT_SCORE: Metric = gauge(
    "driftd_drift_score",
    Some(Family::Drift),
    MEASURE,
    "Distance between reference and window by one measure; higher is worse. Do not aggregate over \
     measure.",
);
pub const DRIFT_THRESHOLD: Metric = gauge(
    "driftd_drift_threshold",
    Some(Family::Drift),
    MEASURE,
    "Score from which a deciding measure calls the feature drifted.",
);
pub const DRIFT_CALLED: Metric = gauge(
    "driftd_drift_called",
    Some(Family::Drift),
    MEASURE,
    "Whether a deciding measure calls drift, 0 or 1: its score is at least its threshold, and its \
     p-value at most p_max; absent when it has too few rows to say.",
);
pub const DRIFT_DETECTED: Metric = gauge(
    "driftd_drift_detected",
    Some(Family::Drift),
    &["model_name", "model_version", "window", "feature", "baseline"],
    "Verdict on the feature, 0 or 1; absent when it was not judged.",
);
pub const DRIFT_PERSISTENT: Metric = gauge(
    "driftd_drift_persistent",
    Some(Family::Drift),
    &["model_name", "model_version", "window", "feature", "baseline"],
    "Whether the feature has drifted in as many of its last judged windows as model.alert.windows \
     asks for, 0 or 1; absent where it does not.",
);
pub const BASELINE_DECIDES: Metric = gauge(
    "driftd_baseline_decides",
    None,
    &["model_name", "model_version", "window", "baseline"],
    "1 for what the verdicts of the latest closed window are against: the reference, or the \
     baseline with decides = true.",
);
pub const DRIFT_REASON: Metric = gauge(
    "driftd_drift_reason",
    Some(Family::Drift),
    &["model_name", "model_version", "window", "feature", "reason"],
    "1 for each kind of what moved in a drifted feature: scaled, clipped, filled, constant, \
     missing_more, missing_less, new_values, below_range, above_range, higher, lower, wider, \
     narrower, value_more, value_less, shape.",
);
pub const DESIGN_EFFECT: Metric = gauge(
    "driftd_feature_design_effect",
    Some(Family::Evidence),
    &["model_name", "model_version", "window", "feature", "series"],
    "How many rows are taken to tell as much as one, by what is measured: centre, spread, bins, \
     missing.",
);
pub const HISTORY_STEPS: Metric = gauge(
    "driftd_feature_history_steps",
    Some(Family::Evidence),
    &["model_name", "model_version", "window", "feature"],
    "Steps between closed windows that design effects are learned from; absent before there are \
     enough.",
);
pub const FEATURE_STATUS: Metric = gauge(
    "driftd_feature_status",
    Some(Family::Drift),
    &["model_name", "model_version", "window", "feature", "status"],
    "1 for the status that holds.",
);
pub const DRIFT_P_VALUE: Metric = gauge(
    "driftd_drift_p_value",
    Some(Family::Drift),
    MEASURE,
    "Probability of such a score without drift, given how much the feature varies; of the measures \
     that do not decide only with the family p_values.",
);
pub const DRIFT_NOISE: Metric = gauge(
    "driftd_drift_noise",
    Some(Family::Evidence),
    MEASURE,
    "What a score comes to by chance alone, about: what rows so few give on average without drift.",
);
pub const FEATURE_PERCENTILE: Metric = gauge(
    "driftd_feature_percentile",
    Some(Family::Percentiles),
    &["model_name", "model_version", "window", "feature", "percentile"],
    "Value below which that per cent of the window's finite values lie.",
);
pub const REFERENCE_PERCENTILE: Metric = gauge(
    "driftd_reference_percentile",
    Some(Family::Reference),
    &["model_name", "model_version", "window", "feature", "percentile"],
    "Value below which that per cent of the reference's finite values lie.",
);
pub const FEATURE_DISTRIBUTION: Metric = histogram(
    "driftd_feature_distribution",
    "Values of a number in the latest closed window; buckets end where the bins of psi do.",
);
pub const REFERENCE_DISTRIBUTION: Metric = histogram(
    "driftd_reference_distribution",
    "Values of the reference, of numeric features, in the buckets of the windows.",
);

pub const FEATURE_BIN_ROWS: Metric = cells(
    "driftd_feature_bin_rows",
    BIN,
    "Rows with a value in each bin of psi; those of several daemons add, bin by bin, where the \
     grid is the same.",
);
pub const REFERENCE_BIN_ROWS: Metric =
    cells("driftd_reference_bin_rows", BIN, "Rows of the reference in each bin of psi.");
pub const FEATURE_CUMULATIVE_ROWS: Metric = cells(
    "driftd_feature_cumulative_rows",
    UP_TO,
    "Rows of a number up to and with each value at which ks can be greatest; those of several \
     daemons add where the grid is the same.",
);
pub const REFERENCE_CUMULATIVE_ROWS: Metric = cells(
    "driftd_reference_cumulative_rows",
    UP_TO,
    "Rows of the reference up to and with each of these values.",
);

pub const REFERENCE_ACCEPTED: Metric = gauge(
    "driftd_reference_accepted_timestamp_seconds",
    None,
    &["model_name", "model_version"],
    "Wall-clock time at which a window was made the reference; absent where that is what is \
     configured.",
);

const RULE: &[&str] = &["model_name", "model_version", "window", "feature", "rule"];

const BROKEN: &str = "Whether the latest closed window breaks a rule of quality, 0 or 1.";
pub const RULE_VIOLATED: Metric = gauge("driftd_rule_violated", None, RULE, BROKEN);
const BROKEN_BY: &str =
    "Share of rows that break a rule; of windows as a whole, by how much it is broken.";
pub const RULE_RATIO: Metric = gauge("driftd_rule_ratio", None, RULE, BROKEN_BY);

pub const WINDOW_ROWS: Metric =
    gauge("driftd_window_rows", None, WINDOW, "Rows of the latest closed window.");
pub const WINDOW_ROWS_KEPT: Metric = gauge(
    "driftd_window_rows_kept",
    None,
    WINDOW,
    "Rows of the latest closed window that were counted; fewer than all when rows are sampled.",
);
pub const WINDOW_START: Metric = gauge(
    "driftd_window_start_timestamp_seconds",
    None,
    WINDOW,
    "Event time at which the latest closed window starts; absent without event time.",
);
pub const WINDOW_END: Metric = gauge(
    "driftd_window_end_timestamp_seconds",
    None,
    WINDOW,
    "Event time at which the latest closed window ends; absent without event time.",
);
pub const WINDOW_CLOSED: Metric = gauge(
    "driftd_window_closed_timestamp_seconds",
    None,
    WINDOW,
    "Wall-clock time at which the latest closed window was closed.",
);
pub const OPEN_WINDOW_ROWS: Metric =
    gauge("driftd_open_window_rows", None, WINDOW, "Rows counted into the window that is open.");
pub const FEATURES_MONITORED: Metric =
    gauge("driftd_features_monitored", None, WINDOW, "Features of the reference.");
pub const FEATURES_JUDGED: Metric = gauge(
    "driftd_features_judged",
    None,
    BASELINE,
    "Features of the latest closed window that were judged.",
);
pub const FEATURES_DRIFTED: Metric = gauge(
    "driftd_features_drifted",
    None,
    BASELINE,
    "Features of the latest closed window that were judged drifted.",
);
pub const FEATURES_DRIFTED_RATIO: Metric = gauge(
    "driftd_features_drifted_ratio",
    None,
    BASELINE,
    "Drifted among the judged features; absent when none was judged.",
);
pub const WINDOWS_CLOSED: Metric = counter(
    "driftd_windows_closed_total",
    &["model_name", "model_version", "window", "verdict"],
    "Windows closed, by verdict on the whole window.",
);
pub const WINDOW_LATE: Metric = counter(
    "driftd_window_late_rows_total",
    WINDOW,
    "Rows that came after a window that they belong to had closed; they count in those still open.",
);
pub const SERIES_DROPPED: Metric = gauge(
    "driftd_series_dropped",
    None,
    &[],
    "Series not exported because of series_max; whole features, in name order.",
);

pub const SOURCE_ROWS: Metric = counter(
    "driftd_source_rows_total",
    SOURCE,
    "Rows that arrived, the rejected and the late included.",
);
pub const SOURCE_BYTES: Metric =
    counter("driftd_source_bytes_total", SOURCE, "Bytes of files counted and of lines received.");
pub const SOURCE_FILES_DONE: Metric = counter(
    "driftd_source_files_total",
    &["model_name", "model_version", "source", "result"],
    "Files dealt with, by result.",
);
pub const SOURCE_REJECTED: Metric = counter(
    "driftd_source_rows_rejected_total",
    &["model_name", "model_version", "source", "reason"],
    "Rows that arrived and were not counted, by reason.",
);
pub const SOURCE_LATE: Metric = counter(
    "driftd_source_late_rows_total",
    SOURCE,
    "Rows that arrived after all their windows by event time had closed; only windows of rows \
     count them.",
);
pub const SOURCE_UNTIMED: Metric = counter(
    "driftd_source_untimed_rows_total",
    SOURCE,
    "Rows without a usable time of their own; theirs is that of the path, the file or the arrival.",
);
pub const SOURCE_REPLACED: Metric = counter(
    "driftd_source_replaced_rows_total",
    SOURCE,
    "Rows that gave way to another version of their file, or came with one again.",
);
pub const SOURCE_UNKNOWN_KEYS: Metric = counter(
    "driftd_source_unknown_keys_total",
    SOURCE,
    "Keys of lines that are no feature, each time that one came; the log names them.",
);
pub const SOURCE_CONNECTIONS: Metric = gauge(
    "driftd_source_connections",
    None,
    SOURCE,
    "Connections that are open, or requests under way; only of sources that listen.",
);
pub const SOURCE_WAITING: Metric = gauge(
    "driftd_source_waiting_bytes",
    None,
    SOURCE,
    "Bytes of rows that were taken and are not counted yet, in memory and on the disk; only of \
     sources that listen, and of Kafka.",
);
pub const SOURCE_LAG: Metric = gauge(
    "driftd_source_lag_messages",
    None,
    SOURCE,
    "Messages that the broker has and that were not read yet; only of Kafka.",
);
pub const SOURCE_ERRORS: Metric = counter(
    "driftd_source_errors_total",
    &["model_name", "model_version", "source", "reason"],
    "Failures of the source that no single file's content is to blame for, by reason.",
);
pub const SOURCE_FILES: Metric = gauge(
    "driftd_source_files",
    None,
    &["model_name", "model_version", "source", "state"],
    "Files that wait to be complete, are stuck at that, unreadable, or ignored for their ending.",
);
pub const SOURCE_LAST_SUCCESS: Metric = gauge(
    "driftd_source_last_success_timestamp_seconds",
    None,
    SOURCE,
    "Wall-clock time of the last listing or message that worked; absent before the first.",
);
pub const SOURCE_OLDEST_PENDING: Metric = gauge(
    "driftd_source_oldest_pending_timestamp_seconds",
    None,
    SOURCE,
    "Wall-clock time at which the oldest waiting file was first seen; absent when none waits.",
);
pub const MODEL_UP: Metric = gauge(
    "driftd_model_up",
    None,
    &["model_name", "model_version"],
    "1 while the model is being watched, 0 after it failed and until it is started again.",
);
pub const MODEL_RESTARTS: Metric = counter(
    "driftd_model_restarts_total",
    &["model_name", "model_version"],
    "How often the model failed in this process and was started again.",
);
pub const MODEL_PROGRESS: Metric = gauge(
    "driftd_model_last_progress_timestamp_seconds",
    None,
    &["model_name", "model_version"],
    "Wall-clock time at which the model last worked; absent while its reference is loaded.",
);
pub const MODEL_CREATED: Metric = gauge(
    "driftd_model_created_timestamp_seconds",
    None,
    &["model_name", "model_version"],
    "Wall-clock time at which the state first knew of the model; its counters began at 0 then.",
);
pub const SERVER_INFO: Metric = gauge(
    "driftd_server_info",
    None,
    &["external_url"],
    "1; where people reach the daemon is in the label. Absent without server.external_url.",
);
pub const BUILD_INFO: Metric =
    gauge("driftd_build_info", None, &["version"], "1; the version is in the label.");
pub const HTTP_CONNECTIONS: Metric =
    gauge("driftd_http_connections", None, &[], "HTTP connections that are open.");
pub const STATE_WRITE_ERRORS: Metric = counter(
    "driftd_state_write_errors_total",
    &[],
    "Commits of the state that failed; each is tried again until it succeeds.",
);

pub const RELOAD_SUCCESSFUL: Metric = gauge(
    "driftd_config_last_reload_successful",
    None,
    &[],
    "1 when the configuration in force is the last that was read, else 0.",
);
pub const RELOAD_SUCCESS_TIME: Metric = gauge(
    "driftd_config_last_reload_success_timestamp_seconds",
    None,
    &[],
    "Wall-clock time at which the configuration in force was read.",
);

pub const REMOTE_WRITE_SAMPLES: Metric = counter(
    "driftd_remote_write_samples_total",
    &["result"],
    "Samples that the receiver took (sent), and that were given up (failed); only with \
     export.remote_write.",
);
pub const REMOTE_WRITE_SUCCESS: Metric = gauge(
    "driftd_remote_write_last_success_timestamp_seconds",
    None,
    &[],
    "Wall-clock time at which the receiver last took samples; absent before the first time.",
);

/// A statistic of a feature, on both sides.
pub struct StatisticMetric {
    pub feature: Metric,
    pub reference: Metric,
    pub value: fn(&Statistics) -> Option<f64>,
}

macro_rules! statistics {
    ($($name:literal, $family:ident, $value:expr, $help:literal;)+) => {
        /// Every statistic that is one number.
        pub const STATISTICS: &[StatisticMetric] = &[$(StatisticMetric {
            feature: gauge(
                concat!("driftd_feature_", $name), Some(Family::$family), FEATURE, $help,
            ),
            reference: gauge(
                concat!("driftd_reference_", $name),
                Some(Family::Reference),
                FEATURE,
                concat!("Of the reference. ", $help),
            ),
            value: $value,
        }),+];
    };
}

statistics! {
    "rows", Quality, |s| Some(s.rows as f64), "Rows that were counted, missing included.";
    "missing_ratio", Quality, |s| s.missing_ratio,
        "Rows without a usable value: null, NaN, of the wrong type, or without the column.";
    "null_ratio", Quality, |s| s.null_ratio, "Nulls among the rows.";
    "nan_ratio", Quality, |s| s.nan_ratio, "NaNs among the rows.";
    "infinite_ratio", Quality, |s| s.infinite_ratio, "Infinities among the rows.";
    "zero_ratio", Quality, |s| s.zero_ratio, "Zeros among the rows.";
    "unseen_ratio", Quality, |s| s.unseen_ratio,
        "Present values that are not in the reference, of categorical features.";
    "out_of_range_ratio", Quality, |s| s.out_of_range_ratio,
        "Present values outside the reference's least and greatest, of numeric features.";
    "outlier_ratio", Quality, |s| s.outlier_ratio,
        "Present values outside Tukey's fences of the reference; absent when its quartiles \
         coincide.";
    "mean", Moments, |s| s.mean, "Mean of the finite values.";
    "stddev", Moments, |s| s.stddev, "Sample standard deviation of the finite values.";
    "min", Moments, |s| s.min, "Least finite value.";
    "max", Moments, |s| s.max, "Greatest finite value.";
    "distinct_values", Moments, |s| s.distinct.map(|n| n as f64),
        "Distinct values; exact where each has a cell, else estimated with a standard error of \
         1.6 %.";
}

const SCORES: &[&Metric] = &[
    &DRIFT_SCORE,
    &DRIFT_THRESHOLD,
    &DRIFT_P_VALUE,
    &DRIFT_CALLED,
    &DRIFT_DETECTED,
    &DRIFT_PERSISTENT,
    &DRIFT_REASON,
    &FEATURE_STATUS,
    &DESIGN_EFFECT,
    &DRIFT_NOISE,
    &HISTORY_STEPS,
];

const WINDOWS: &[&Metric] = &[
    &FEATURE_PERCENTILE,
    &REFERENCE_PERCENTILE,
    &FEATURE_DISTRIBUTION,
    &REFERENCE_DISTRIBUTION,
    &FEATURE_BIN_ROWS,
    &REFERENCE_BIN_ROWS,
    &FEATURE_CUMULATIVE_ROWS,
    &REFERENCE_CUMULATIVE_ROWS,
    &BASELINE_DECIDES,
    &REFERENCE_ACCEPTED,
    &RULE_VIOLATED,
    &RULE_RATIO,
    &WINDOW_ROWS,
    &WINDOW_ROWS_KEPT,
    &WINDOW_START,
    &WINDOW_END,
    &WINDOW_CLOSED,
    &OPEN_WINDOW_ROWS,
    &FEATURES_MONITORED,
    &FEATURES_JUDGED,
    &FEATURES_DRIFTED,
    &FEATURES_DRIFTED_RATIO,
    &WINDOWS_CLOSED,
    &WINDOW_LATE,
    &SERIES_DROPPED,
];

/// Metrics of the daemon's own work, read at each scrape.
pub const LIVE: &[&Metric] = &[
    &SOURCE_ROWS,
    &SOURCE_BYTES,
    &SOURCE_FILES_DONE,
    &SOURCE_REJECTED,
    &SOURCE_LATE,
    &SOURCE_UNTIMED,
    &SOURCE_REPLACED,
    &SOURCE_UNKNOWN_KEYS,
    &SOURCE_ERRORS,
    &SOURCE_CONNECTIONS,
    &SOURCE_WAITING,
    &SOURCE_LAG,
    &SOURCE_FILES,
    &SOURCE_LAST_SUCCESS,
    &SOURCE_OLDEST_PENDING,
    &MODEL_UP,
    &MODEL_RESTARTS,
    &MODEL_PROGRESS,
    &MODEL_CREATED,
    &BUILD_INFO,
    &SERVER_INFO,
    &HTTP_CONNECTIONS,
    &STATE_WRITE_ERRORS,
    &RELOAD_SUCCESSFUL,
    &RELOAD_SUCCESS_TIME,
    &REMOTE_WRITE_SAMPLES,
    &REMOTE_WRITE_SUCCESS,
];

/// Metrics of the process, under the names that every client library gives them.
pub const PROCESS: &[Metric] = &[
    counter("process_cpu_seconds_total", &[], "User and system CPU time, in seconds."),
    gauge("process_max_fds", None, &[], "Open file descriptors at most."),
    gauge("process_open_fds", None, &[], "Open file descriptors."),
    gauge("process_resident_memory_bytes", None, &[], "Resident memory."),
    gauge("process_start_time_seconds", None, &[], "When the process started, in Unix time."),
    gauge("process_threads", None, &[], "Threads of the process."),
    gauge("process_virtual_memory_bytes", None, &[], "Virtual memory."),
];

/// All metrics in the order that they are documented in, `process_*` aside.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let statistics = STATISTICS.iter().flat_map(|s| [&s.feature, &s.reference]);
    let of_snapshot = SCORES.iter().copied().chain(statistics).chain(WINDOWS.iter().copied());
    of_snapshot.chain(LIVE.iter().copied())
}
