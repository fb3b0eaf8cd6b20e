//! Where rows come from. Nothing here knows what is counted.
//!
//! A source is polled by its model and hands over deliveries: a table, and what makes it
//! recognisable when it comes again. It is told what became of each once the state has it, which is
//! when an offset can be acknowledged or a file be left alone.
//!
//! ```text
//! poll ──▶ Delivery ──▶ counted ──▶ recorded in the journal ──▶ on the disk ──▶ settled(Fate)
//! ```
//!
//! # Another transport
//!
//! One file or folder here that implements [`SourceType`] and [`Source`], and one line in
//! [`SOURCE_TYPES`] (and a [`Resource`] where it reads something of a new kind). Checking a
//! configuration, showing it and reloading read that list. What has to wait (a socket, a broker)
//! waits in a task of its own, and hands over through a bounded channel, so that the sender waits
//! while its model is busy. A broker delivers ranges of positions that follow
//! each other: where it skips some, the range that comes next begins where the last one ended. When
//! a delivery is deferred it goes back to what was settled. `daemon/simulation/memory_source.rs` is
//! such a source in small.

// Transports that are left out of a build leave what only they use.
#![cfg_attr(not(all(feature = "buckets", feature = "kafka")), allow(dead_code))]

pub mod bucket;
pub mod directory;
pub mod files;
pub mod http;
pub mod inputs;
mod kafka;
mod listeners;
mod row_pieces;
mod spool;
pub mod stream;
mod tcp;
mod unix;
mod value_names;
pub mod warm_up;

pub use directory::events::FileEvents;
pub use listeners::{ListenerKey, Listeners, RowListener};
pub use stream::{Abandoned, Gate};

use crate::error::{Fault, Result};
use crate::format::file_format::FileFormat;
use crate::format::line_schema::LineSchema;
use crate::format::{FileTable, OpenFile};
use crate::identity::{Identity, Stat};
use crate::monitor::table::Table;
use crate::net::stop::Stop;
use crate::position::{Arrival, Position, PositionRange};
use crate::settings::{Key, Settings};
use crate::store::commit::PathRecord;
use crate::telemetry::SourceTelemetry;
use crate::time::Timestamp;
use crate::totals::Rejected;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;
use xxhash_rust::xxh3::xxh3_128;

/// Every type of source.
pub const SOURCE_TYPES: &[&dyn SourceType] =
    &[&directory::Directory, &bucket::Bucket, &tcp::Tcp, &unix::Unix, &http::Http, &kafka::Kafka];

/// One place that rows come from, while its model counts them.
pub trait Source: Send {
    /// What there is to do. Never waits.
    fn poll(&mut self, now: Timestamp) -> Poll;

    /// What became of a delivery. The state has it, unless it is only deferred.
    fn settled(&mut self, id: DeliveryId, fate: Fate);

    /// Whether rows are there that have not been delivered. Windows by event time wait for them,
    /// since a backlog comes in any order of its times.
    fn is_behind(&self, now: Timestamp) -> bool;

    /// Whether it has found out what was there at the start.
    fn is_ready(&self) -> bool;

    /// Sets the gauges of the source.
    fn update_gauges(&mut self, now: Timestamp);
}

/// The answer of a source that was polled.
pub enum Poll {
    /// Rows to count.
    Ready(Box<Delivery>),
    /// A file that cannot be read, until it changes.
    Unreadable { id: DeliveryId, path: PathBuf, stat: Stat, fault: Fault },
    /// Paths that are gone, so many of them before they were counted.
    Gone { paths: Vec<PathBuf>, vanished: u64 },
    /// Nothing before this time, unless the model is woken.
    At(Timestamp),
    /// Nothing until the model is woken.
    Idle,
    /// Nothing any more: the source was told to stop, and all that it had taken is delivered.
    Ended,
}

/// Names a delivery of one source; given by the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// Rows on their way to a model.
pub struct Delivery {
    pub id: DeliveryId,
    pub rows: Rows,
    /// When rows happened that do not say so themselves; none when they happened now.
    pub happened: Option<Timestamp>,
    pub bytes: u64,
    /// Lines that arrived with these rows, and are none.
    pub rejected: Rejected,
    /// Keys of lines that are no feature, each time that one came.
    pub unknown_keys: u64,
}

/// Rows, and how they are known when they come again.
pub enum Rows {
    /// Known by their content, and counted whole or not at all.
    File(FileDelivery),
    /// Known by their positions, and counted once. Without positions they count whenever they come,
    /// and a crash loses those of the last second.
    Batch { table: Box<dyn Table + Send>, positions: Vec<PositionRange> },
}

/// A file, and what to do when it or its path is known.
pub struct FileDelivery {
    pub file: OpenFile,
    pub table: Box<dyn FileTable + Send>,
    pub on_duplicate: OnDuplicate,
    pub on_rewrite: OnRewrite,
}

/// What becomes of a file whose content was counted at another path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    Skip,
    Count,
}

/// What becomes of a file that has another content than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRewrite {
    /// It counts in place of what was there, as far as that is in open windows.
    Replace,
    /// It counts as well.
    Count,
    /// It does not count.
    Ignore,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Counted,
    /// Counted in place of what was at its path before.
    Rewritten,
    /// Counted before.
    Duplicate,
    /// Counted before, at this path.
    Touched,
    /// Another content than before at its path, which is left alone as configured.
    Ignored,
    /// Cannot be read, for this reason.
    Quarantined(String),
    /// Not counted now; it has to be delivered again.
    Deferred(Fault),
}

impl FileDelivery {
    /// Reads what has not been read of the file. Fails when it changed meanwhile.
    pub fn identity(&self) -> Result<Identity, Fault> {
        let content = self.table.content();
        self.file.check_untouched()?;
        Ok(self.file.identity(content?))
    }
}

/// What a source needs of its model.
pub struct SourceContext {
    /// Label `source`.
    pub name: String,
    /// What rows without columns of their own are read for.
    pub schema: Arc<LineSchema>,
    pub telemetry: Arc<SourceTelemetry>,
    /// What the state knows of the paths of this source.
    pub paths: Vec<(PathBuf, PathRecord)>,
    /// How far each partition was counted.
    pub positions: BTreeMap<String, Position>,
    /// Called again and again by a poll that takes a while, so that its model is seen to live.
    pub on_read: Arc<dyn Fn() + Send + Sync>,
    /// Has the model poll its sources.
    pub wake: Arc<Notify>,
    pub stop: Stop,
}

/// One type of source: what can be set, and how to start it.
pub trait SourceType: Sync {
    /// As in `type = "…"`.
    fn name(&self) -> &'static str;

    /// All that can be set besides `name` and `type`.
    fn keys(&self) -> &'static [Key];

    /// How its rows arrive.
    fn arrival(&self) -> Arrival;

    /// What it reads or listens on.
    fn resource(&self, settings: &Settings) -> Resource;

    /// Bytes of rows that it holds in memory at most, for a model of so many features that is
    /// counted on so many threads.
    fn memory_max(&self, _settings: &Settings, _features: usize, _threads: usize) -> u64 {
        0
    }

    /// Whether another source, such as that of a new version, takes over what it listens on, with
    /// what was sent to it.
    fn is_handed_on(&self) -> bool {
        true
    }

    /// Whether it keeps rows beside the state, which then has to be on the disk.
    fn needs_state(&self, _settings: &Settings) -> bool {
        false
    }

    /// Looks at what the settings name, before anything is started.
    fn check(&self, _settings: &Settings) -> Result<()> {
        Ok(())
    }

    /// Who may send to it, where that is asked; none of what nobody sends to.
    fn gate(&self, _settings: &Settings) -> Result<Option<Gate>> {
        Ok(None)
    }

    /// Takes what only one can have, such as a port, before anything is loaded.
    fn bind(
        &self,
        settings: &Settings,
        owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>>;
}

/// A source among those of all models.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceOwner {
    pub model: String,
    pub version: String,
    pub source: String,
}

impl SourceOwner {
    /// A name that no other source has, of letters, digits and what any file may be called by.
    pub fn file_name(&self) -> String {
        let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let name = [&self.model, &self.version, &self.source].map(|text| quoted(text)).join("-");
        match name.len() {
            0..=FILE_NAME_MAX => name,
            _ => format!("{:032x}", xxh3_128(name.as_bytes())),
        }
    }
}

/// What file systems take, with an ending and what SQLite adds to it.
const FILE_NAME_MAX: usize = 200;

/// What the sources of all models have together.
#[derive(Default)]
pub struct SharedByAll {
    pub listeners: Listeners,
    pub file_events: Arc<FileEvents>,
    /// The paths of the server that rows are posted to.
    pub endpoints: Arc<http::Endpoints>,
    /// Where rows are kept that their senders have been answered; none without a state.
    pub spool_folder: Option<PathBuf>,
}

/// A source that can be started.
pub trait BoundSource: Send + Sync {
    /// Where rows can be sent to, if anywhere.
    fn address(&self) -> Option<String>;

    /// Whether it reads what waits elsewhere.
    fn has_lag(&self) -> bool {
        false
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>>;
}

/// What a source reads or listens on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// A directory of files, with all its subdirectories.
    Directory(PathBuf),
    /// The objects of a bucket.
    Bucket(PathBuf),
    /// A port that is listened on.
    Address(SocketAddr),
    /// A socket file that is listened on.
    SocketFile(PathBuf),
    /// Topics of a broker, all of them.
    Topics(String),
    /// Topics of a broker as a member of a group, each of which has other rows.
    Group(String),
    /// A path of the server.
    Server,
}

impl Resource {
    /// Whether only one source can have it.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Resource::Address(_) | Resource::SocketFile(_) | Resource::Group(_))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Address(address) => write!(f, "{address}"),
            Resource::Server => f.write_str("the server"),
            Resource::Topics(topics) | Resource::Group(topics) => f.write_str(topics),
            Resource::Directory(path) | Resource::Bucket(path) | Resource::SocketFile(path) => {
                write!(f, "{}", path.display())
            }
        }
    }
}

/// `[[model.source]]`, checked.
#[derive(Clone)]
pub struct SourceConfig {
    /// Label `source`.
    pub name: String,
    pub kind: &'static dyn SourceType,
    pub settings: Settings,
}

impl PartialEq for SourceConfig {
    fn eq(&self, other: &SourceConfig) -> bool {
        self.name == other.name
            && self.kind.name() == other.kind.name()
            && self.settings == other.settings
    }
}

impl SourceConfig {
    pub fn resource(&self) -> Resource {
        self.kind.resource(&self.settings)
    }

    /// What its socket is known by, if it has one.
    pub fn listener(&self, owner: &SourceOwner) -> Option<ListenerKey> {
        match self.resource() {
            Resource::Directory(_)
            | Resource::Bucket(_)
            | Resource::Topics(_)
            | Resource::Group(_) => None,
            resource => Some(ListenerKey::new(self.kind, resource, owner)),
        }
    }

    /// The directory that it reads, if it reads one.
    pub fn directory(&self) -> Option<PathBuf> {
        match self.resource() {
            Resource::Directory(path) => Some(path),
            _ => None,
        }
    }

    /// Where its files are, if it reads files: a directory, or an address of a bucket.
    pub fn files_root(&self) -> Option<PathBuf> {
        match self.resource() {
            Resource::Directory(root) | Resource::Bucket(root) => Some(root),
            Resource::Address(_)
            | Resource::SocketFile(_)
            | Resource::Topics(_)
            | Resource::Group(_)
            | Resource::Server => None,
        }
    }

    /// The format of its files, if it reads files.
    pub fn file_format(&self) -> Option<FileFormat> {
        self.files_root().map(|_| files::file_format(&self.settings))
    }

    /// Bytes that a page of its files may unpack to, if it reads files.
    pub fn page_bytes_max(&self) -> Option<u64> {
        self.files_root().map(|_| files::page_bytes_max(&self.settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_type_can_be_told_apart_and_has_defaults_of_their_kinds() {
        let names: BTreeSet<&str> = SOURCE_TYPES.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), SOURCE_TYPES.len());
        for kind in SOURCE_TYPES {
            for key in kind.keys() {
                assert!(!key.meaning.is_empty(), "{}.{}", kind.name(), key.name);
                if let Some(default) = key.default {
                    let parsed = key.kind.parse(default);
                    assert!(parsed.is_some(), "{}.{}: {default}", kind.name(), key.name);
                }
            }
        }
    }
}
