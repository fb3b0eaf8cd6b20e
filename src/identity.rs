//! What makes two files the same file, and what the operating system says of one.

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
