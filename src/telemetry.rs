//! Numbers about the daemon's own work, set by every part and read at scrape time.
//!
//! Label values are closed lists, so that each series exists from the start with the value 0.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// What was added since the last time that this was asked.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A value that is replaced as a whole.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! labels {
    (
        $(#[$doc:meta])* $name:ident, $total:literal
        { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The name of its total in the state.
            pub fn total(self) -> &'static str {
                match self { $($name::$variant => concat!($total, $text)),+ }
            }
        }
    };
}

labels! {
    /// What became of a file.
    FileResult, "files_" {
        Counted = "counted",
        /// Counted in place of what was at its path before.
        Rewritten = "rewritten",
        /// The same content was counted before.
        Duplicate = "duplicate",
        /// Not what was at its path before, and left alone as configured.
        Ignored = "ignored",
        Quarantined = "quarantined",
        /// Gone between the listing and the reading.
        Vanished = "vanished",
    }
}

labels! {
    /// Why a row that arrived was not counted.
    RejectReason, "rows_rejected_" {
        /// Not JSON.
        Malformed = "malformed",
        /// JSON, but no object of feature names and values.
        NotAnObject = "not_an_object",
        TooLong = "too_long",
        NotUtf8 = "not_utf8",
        /// An Arrow stream that could not be read further; how many rows it would have had, nobody
        /// knows.
        BrokenStream = "broken_stream",
        /// Values that came without names, where none are configured.
        Unnamed = "unnamed",
        /// Not as many values as there are names, or as a shape says.
        WrongShape = "wrong_shape",
        /// A batch of rows that could not be counted as a whole.
        Uncountable = "uncountable",
        /// Sent to a socket whose model was not there to take it before the end.
        NotTaken = "not_taken",
    }
}

labels! {
    /// What failed without being the fault of one file's content.
    ErrorReason, "errors_" {
        /// A folder could not be listed.
        List = "list",
        /// A file could not be opened or read.
        Read = "read",
        /// A connection broke.
        Connection = "connection",
        /// A connection was not let in: no certificate, or no token that is known.
        Refused = "refused",
        /// A request was turned away, since there was no room for its rows.
        Full = "full",
        /// A connection was closed before its end: for another, or when the time to stop was up.
        CutOff = "cut_off",
        /// A request whose response did not come within `response_wait`; it counts without.
        Unanswered = "unanswered",
        /// A response whose request did not come.
        Unmatched = "unmatched",
        /// File events are not available or overflowed; the periodic listing finds the files.
        Events = "events",
    }
}

/// What one source is doing.
#[derive(Debug, Default)]
pub struct SourceTelemetry {
    /// Since they were last put among the totals.
    errors: [Counter; ErrorReason::ALL.len()],
    /// Files seen, not complete or not counted yet.
    pub files_pending: Gauge,
    /// Files seen, not complete and not growing.
    pub files_stuck: Gauge,
    /// Files that cannot be read, until they change or go.
    pub files_quarantined: Gauge,
    /// Files that are left out because of their ending.
    pub files_ignored: Gauge,
    /// Connections that are open, or requests under way.
    pub connections: Gauge,
    /// Bytes of rows that were taken and are not counted.
    pub waiting_bytes: Gauge,
    /// Messages of a broker that are not read yet.
    pub lag: Gauge,
    /// Microseconds since 1970 of the last listing or message that worked; 0 before the first.
    pub last_success: Gauge,
    /// Microseconds since 1970 when the oldest pending file was first seen; 0 when none waits.
    pub oldest_pending: Gauge,
}

impl SourceTelemetry {
    pub fn errors(&self, reason: ErrorReason) -> &Counter {
        &self.errors[reason as usize]
    }

    /// Errors since the last time that this was asked, by reason.
    pub fn take_errors(&self) -> Vec<(ErrorReason, u64)> {
        let all = ErrorReason::ALL.iter().map(|reason| (*reason, self.errors(*reason).take()));
        all.filter(|(_, n)| *n > 0).collect()
    }
}

/// Whether a model lives.
#[derive(Debug, Default)]
pub struct ModelTelemetry {
    /// 1 while its task runs, 0 while it waits to be started again.
    pub up: Gauge,
    /// 1 while it waits for others to have worked.
    pub is_queued: Gauge,
    /// How often its task ended unasked and was started again.
    pub restarts: Counter,
    /// Microseconds since 1970 when its loop last turned, or when it last read a part of a file; 0
    /// while its reference is being loaded.
    pub last_progress: Gauge,
}

/// What the process as a whole did.
#[derive(Debug, Default)]
pub struct ProcessTelemetry {
    pub state_write_errors: Counter,
    /// Microseconds since 1970 when the state could last not be written; 0 when it always could.
    pub state_write_failed: Gauge,
    /// HTTP connections that are open.
    pub http_connections: Gauge,
    /// 1 when the configuration in force is the last that was read.
    pub reload_successful: Gauge,
    /// Microseconds since 1970 when the configuration in force was read.
    pub reload_success: Gauge,
    /// 1 while samples are sent somewhere.
    pub remote_write_is_on: Gauge,
    /// Samples that a receiver has taken, and that were given up.
    pub remote_write_sent: Counter,
    pub remote_write_failed: Counter,
    /// Microseconds since 1970 when a receiver last took samples; 0 when none has.
    pub remote_write_success: Gauge,
}
