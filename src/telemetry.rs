//! Plain counters about the daemon's own work, bumped by every part and read at scrape time.
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
}

/// A value that is replaced as a whole.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant),+];

            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }
    };
}

labels! {
    /// How the daemon was done with a file.
    FileResult {
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
    RejectReason {
        /// Not JSON.
        Malformed = "malformed",
        /// JSON, but no object of feature names and values.
        NotAnObject = "not_an_object",
        TooLong = "too_long",
        NotUtf8 = "not_utf8",
    }
}

labels! {
    /// What failed without being the fault of one file's content.
    ErrorReason {
        /// A folder could not be listed.
        List = "list",
        /// A file could not be opened or read.
        Read = "read",
        /// A connection broke.
        Connection = "connection",
        /// File events are not available or overflowed; the periodic listing finds the files.
        Events = "events",
    }
}

/// What one source did since the process started.
#[derive(Debug, Default)]
pub struct SourceTelemetry {
    pub rows: Counter,
    pub bytes: Counter,
    /// Rows that came when all windows by event time had closed.
    pub late_rows: Counter,
    /// Rows whose time is that of their file, or of their arrival.
    pub untimed_rows: Counter,
    /// Rows that gave way to another version of their file, or came with one again.
    pub replaced_rows: Counter,
    files: [Counter; FileResult::ALL.len()],
    rejected: [Counter; RejectReason::ALL.len()],
    errors: [Counter; ErrorReason::ALL.len()],
    /// Files seen, not complete yet.
    pub files_pending: Level,
    /// Files seen, not complete and not growing.
    pub files_stuck: Level,
    /// Files that cannot be read, until they change or go.
    pub files_quarantined: Level,
    /// Microseconds since 1970 of the last listing or message that worked; 0 before the first.
    pub last_success: Level,
    /// Microseconds since 1970 when the oldest pending file was first seen; 0 when none waits.
    pub oldest_pending: Level,
}

impl SourceTelemetry {
    pub fn files(&self, result: FileResult) -> &Counter {
        &self.files[result as usize]
    }

    pub fn rejected(&self, reason: RejectReason) -> &Counter {
        &self.rejected[reason as usize]
    }

    pub fn errors(&self, reason: ErrorReason) -> &Counter {
        &self.errors[reason as usize]
    }
}

/// What the process as a whole did.
#[derive(Debug, Default)]
pub struct ProcessTelemetry {
    pub state_write_errors: Counter,
    /// Models whose reference is loaded and whose sources were listed once, or that wait for the
    /// files of their warm-up.
    pub models_ready: Level,
    /// 1 once all models of the start were ready.
    pub ready: Level,
    /// 1 when the configuration in force is the last that was read.
    pub reload_successful: Level,
    /// Microseconds since 1970 when the configuration in force was read.
    pub reload_success: Level,
}
