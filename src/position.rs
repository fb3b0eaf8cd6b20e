//! Where rows come from: the name of a file's content, whatever its path.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What makes two files the same file: a hash of the whole content, its size, and the partition
/// values of the path. A name or an inode is none of it; a copy or a rename changes nothing.
///
/// The footer does not do: files of small domains can have identical footers and other rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// XXH3, 128 bits, over the content and the partition.
    pub content: u128,
    /// Bytes.
    pub size: u64,
    /// `key=value/key=value`, empty without partitions.
    pub partition: String,
}

/// What the operating system says of a file: a shortcut for "not touched since", never an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stat {
    pub dev: u64,
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Nanoseconds since 1970.
    pub ctime_ns: i64,
}

/// What is known of one path, at one stat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathState {
    /// Its content is in the ledger.
    Done,
    /// It cannot be read, for this reason.
    Quarantined(String),
    /// Seen, but not known to be complete.
    Pending { first_seen: Timestamp, unchanged_since: Timestamp },
}

/// What was rows' way into the daemon; decides what a `batch` window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A file: counted whole or not at all.
    File,
    /// Rows from a socket, without an end.
    Stream,
}
