//! A directory of Parquet files, watched with all its subdirectories.

mod directory_source;
pub mod events;
pub mod listing;
mod path_states;

use super::{
    BoundSource, OnDuplicate, OnRewrite, Resource, SharedByAll, Source, SourceContext, SourceOwner,
    SourceType,
};
use crate::error::Result;
use crate::format::parquet::PAGE_BYTES_MAX_TEXT;
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use directory_source::DirectorySource;
use events::FileEvents;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "path";
const RECONCILE_INTERVAL: &str = "reconcile_interval";
const STUCK_AFTER: &str = "stuck_after";
const DUPLICATES: &str = "duplicates";
const REWRITTEN: &str = "rewritten";
const PAGE_MAX: &str = "page_max";

const KEYS: &[Key] = &[
    Key { name: PATH, kind: SettingKind::Path, default: None, meaning: "the directory" },
    Key {
        name: RECONCILE_INTERVAL,
        kind: SettingKind::Duration,
        default: Some("5s"),
        meaning: "how long a file can go unnoticed when no event tells of it",
    },
    Key {
        name: STUCK_AFTER,
        kind: SettingKind::Duration,
        default: Some("60s"),
        meaning: "an incomplete file that does not change for so long counts as stuck",
    },
    Key {
        name: DUPLICATES,
        kind: SettingKind::Choice(&["skip", "count"]),
        default: Some("skip"),
        meaning: "or \"count\": also a file with the content of another",
    },
    Key {
        name: REWRITTEN,
        kind: SettingKind::Choice(&["replace", "count", "ignore"]),
        default: Some("replace"),
        meaning: "a file with another content than before: \"replace\" what it added to windows \
                  that are open, \"count\" it as well, or \"ignore\" it",
    },
    Key {
        name: PAGE_MAX,
        kind: SettingKind::Bytes,
        default: Some(PAGE_BYTES_MAX_TEXT),
        meaning: "a file that has a page which unpacks to more is quarantined",
    },
];

/// Bytes that a page of a file may unpack to.
pub fn page_bytes_max(settings: &Settings) -> u64 {
    settings.bytes(PAGE_MAX)
}

/// `type = "directory"`.
pub struct Directory;

/// What is set of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DirectoryConfig {
    path: PathBuf,
    /// How long a file can go unnoticed when no event tells of it.
    reconcile_interval: Duration,
    stuck_after: Duration,
    on_duplicate: OnDuplicate,
    on_rewrite: OnRewrite,
    page_bytes_max: u64,
}

impl SourceType for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn arrival(&self) -> Arrival {
        Arrival::File
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::Directory(settings.path(PATH).to_owned())
    }

    fn check(&self, settings: &Settings) -> Result<()> {
        listing::list(settings.path(PATH))?;
        Ok(())
    }

    fn bind(
        &self,
        settings: &Settings,
        _owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let config = DirectoryConfig {
            path: settings.path(PATH).to_owned(),
            reconcile_interval: settings.duration(RECONCILE_INTERVAL),
            stuck_after: settings.duration(STUCK_AFTER),
            on_duplicate: match settings.choice(DUPLICATES) {
                "count" => OnDuplicate::Count,
                _ => OnDuplicate::Skip,
            },
            on_rewrite: match settings.choice(REWRITTEN) {
                "count" => OnRewrite::Count,
                "ignore" => OnRewrite::Ignore,
                _ => OnRewrite::Replace,
            },
            page_bytes_max: page_bytes_max(settings),
        };
        let events = Arc::clone(&shared.file_events);
        Ok(Box::new(BoundDirectory { config, events }))
    }
}

struct BoundDirectory {
    config: DirectoryConfig,
    events: Arc<FileEvents>,
}

impl BoundSource for BoundDirectory {
    fn address(&self) -> Option<String> {
        None
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        Ok(Box::new(DirectorySource::start(self.config, &self.events, context)))
    }
}
