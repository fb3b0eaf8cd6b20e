//! Where rows come from: files of a directory, lines of a socket.
//!
//! Sources yield [tables](crate::monitor::table::Table) with an identity, whatever the transport;
//! decoders know no transport. Nothing here knows what is counted.

mod chunk;
mod column;
pub mod directory;
mod footer;
pub mod identity;
pub mod inputs;
pub mod listing;
pub mod ndjson;
pub mod open;
mod packed;
pub mod parquet;
pub mod partition;
pub mod tcp;
pub mod warm_up;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[[model.source]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// Label `source`.
    pub name: String,
    pub kind: SourceKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    Directory(DirectoryConfig),
    Tcp(TcpConfig),
}

/// A directory of Parquet files, watched with all its subdirectories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryConfig {
    pub path: PathBuf,
    /// How long a file can go unnoticed when no event tells of it.
    pub reconcile_interval: Duration,
    /// An incomplete file that has not changed for so long is reported as stuck.
    pub stuck_after: Duration,
    /// Count a file again that has the content of another.
    pub count_duplicates: bool,
    pub rewritten: Rewritten,
}

/// What becomes of a file that has another content than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// It counts in place of what was there, as far as that is in open windows.
    Replace,
    /// It counts as well.
    Count,
    /// It does not count.
    Ignore,
}

impl Rewritten {
    pub const ALL: [(&'static str, Rewritten); 3] = [
        ("replace", Rewritten::Replace),
        ("count", Rewritten::Count),
        ("ignore", Rewritten::Ignore),
    ];
}

/// A TCP listener for newline-delimited JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpConfig {
    pub listen: SocketAddr,
    /// Longer lines are rejected unread.
    pub line_bytes_max: usize,
    /// Further connections wait to be accepted.
    pub connections_max: usize,
}
