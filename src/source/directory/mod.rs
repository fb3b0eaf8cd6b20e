//! A directory of files of one format, watched with all its subdirectories.

mod directory_source;
pub mod events;
pub mod walk;

use super::files::{self, FilesConfig};
use super::value_names::{NAMES, RESPONSE_NAMES};
use super::{BoundSource, Resource, SharedByAll, Source, SourceContext, SourceOwner, SourceType};
use crate::error::Result;
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use directory_source::DirectorySource;
use events::FileEvents;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "path";
const RECONCILE_INTERVAL: &str = "reconcile_interval";
const QUIET: &str = "quiet";

/// What tells that it is whole is opened soon.
const STABLE_FOR: Duration = Duration::from_millis(200);

const KEYS: &[Key] = &[
    Key { name: PATH, kind: SettingKind::Path, default: None, meaning: "the directory" },
    files::FORMAT,
    NAMES,
    RESPONSE_NAMES,
    Key {
        name: QUIET,
        kind: SettingKind::Duration,
        default: Some("5s"),
        meaning: "a file of texts counts when it has not changed for so long: nothing in it tells \
                  that it is whole",
    },
    Key {
        name: RECONCILE_INTERVAL,
        kind: SettingKind::Duration,
        default: Some("5s"),
        meaning: "how long a file can go unnoticed when no event tells of it",
    },
    files::STUCK_AFTER,
    files::DUPLICATES,
    files::REWRITTEN,
    files::PAGE_MAX,
];

/// `type = "directory"`.
pub struct Directory;

/// What is set of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DirectoryConfig {
    path: PathBuf,
    files: FilesConfig,
    /// How long a file can go unnoticed when no event tells of it.
    reconcile_interval: Duration,
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
        walk::list(settings.path(PATH), files::file_format(settings))?;
        Ok(())
    }

    fn bind(
        &self,
        settings: &Settings,
        _owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let mut files = FilesConfig::of(settings);
        files.stable_for =
            if files.format.is_text() { settings.duration(QUIET) } else { STABLE_FOR };
        let config = DirectoryConfig {
            path: settings.path(PATH).to_owned(),
            files,
            reconcile_interval: settings.duration(RECONCILE_INTERVAL),
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
