//! What every source of files does, wherever they are: tell which are data, which are new and which
//! were counted, open them as tables, and remember what became of them.

pub mod listing;
mod path_states;
mod watched_files;

pub use watched_files::WatchedFiles;

use super::value_names::value_names;
use super::{OnDuplicate, OnRewrite};
use crate::format::file_format::FileFormat;
use crate::format::parquet::PAGE_BYTES_MAX_TEXT;
use crate::format::payload::ValueNames;
use crate::settings::{Key, SettingKind, Settings};
use std::time::Duration;

pub const FORMAT: Key = Key {
    name: "format",
    kind: SettingKind::Choice(&FileFormat::NAMES),
    default: Some("parquet"),
    meaning: "of the files: \"parquet\", \"arrow\", \"csv\", \"ndjson\", \"json\", or what \
              \"bentoml\", \"sagemaker\" and \"kserve\" log",
};

pub const STUCK_AFTER: Key = Key {
    name: "stuck_after",
    kind: SettingKind::Duration,
    default: Some("60s"),
    meaning: "an incomplete file that does not change for so long counts as stuck",
};

pub const DUPLICATES: Key = Key {
    name: "duplicates",
    kind: SettingKind::Choice(&["skip", "count"]),
    default: Some("skip"),
    meaning: "or \"count\": also a file with the content of another",
};

pub const REWRITTEN: Key = Key {
    name: "rewritten",
    kind: SettingKind::Choice(&["replace", "count", "ignore"]),
    default: Some("replace"),
    meaning: "a file with another content than before: \"replace\" what it added to windows that \
              are open, \"count\" it as well, or \"ignore\" it",
};

pub const PAGE_MAX: Key = Key {
    name: "page_max",
    kind: SettingKind::Bytes,
    default: Some(PAGE_BYTES_MAX_TEXT),
    meaning: "a file that has a page which unpacks to more is quarantined",
};

/// What is set of the files of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    pub format: FileFormat,
    pub names: ValueNames,
    /// How long a file must look the same before it is opened.
    pub stable_for: Duration,
    pub stuck_after: Duration,
    pub on_duplicate: OnDuplicate,
    pub on_rewrite: OnRewrite,
    pub page_bytes_max: u64,
}

impl FilesConfig {
    /// Of settings that have all keys above. What is seen was written whole.
    pub fn of(settings: &Settings) -> FilesConfig {
        FilesConfig {
            format: file_format(settings),
            names: value_names(settings),
            stable_for: Duration::ZERO,
            stuck_after: settings.duration(STUCK_AFTER.name),
            on_duplicate: match settings.choice(DUPLICATES.name) {
                "count" => OnDuplicate::Count,
                _ => OnDuplicate::Skip,
            },
            on_rewrite: match settings.choice(REWRITTEN.name) {
                "count" => OnRewrite::Count,
                "ignore" => OnRewrite::Ignore,
                _ => OnRewrite::Replace,
            },
            page_bytes_max: page_bytes_max(settings),
        }
    }
}

/// The format of the files.
pub fn file_format(settings: &Settings) -> FileFormat {
    FileFormat::named(settings.choice(FORMAT.name)).expect("all choices are formats")
}

/// Bytes that a page of a file may unpack to.
pub fn page_bytes_max(settings: &Settings) -> u64 {
    settings.bytes(PAGE_MAX.name)
}
