//! A bucket of an object store, whose objects are files: those of S3, Google Cloud Storage, Azure,
//! and of servers that list by WebDAV.
//!
//! Stores tell of nothing by themselves, so the bucket is listed from time to time. An object is
//! there whole or not at all; its tag and its size tell whether it is another than before. It is
//! fetched whole into a file without a name and counted from there, as a file of a directory is:
//! by the hash of its content, once.

#[cfg(not(feature = "buckets"))]
mod absent_store;
mod bucket_source;
#[cfg(feature = "buckets")]
mod bucket_store;
mod bucket_url;
mod fetcher;

#[cfg(not(feature = "buckets"))]
use absent_store::AbsentStore as BucketStore;
#[cfg(feature = "buckets")]
use bucket_store::BucketStore;

use super::files::listing::{Listed, Listing};
use super::files::{self, FilesConfig};
use super::value_names::{NAMES, RESPONSE_NAMES};
use super::{BoundSource, Resource, SharedByAll, Source, SourceContext, SourceOwner, SourceType};
use crate::error::{Error, Fault, Result};
use crate::format::OpenFile;
use crate::format::file_format::FileFormat;
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use bucket_source::{BucketConfig, BucketSource};
use bucket_url::BucketUrl;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::future::Future;
use std::path::Path;

const URL: &str = "url";
const LIST_INTERVAL: &str = "list_interval";
const AHEAD_MAX: &str = "ahead_max";

/// Objects of a reference that are fetched at once.
const OBJECTS_AT_ONCE: usize = 4;

const KEYS: &[Key] = &[
    Key {
        name: URL,
        kind: SettingKind::Url,
        default: None,
        meaning: "the bucket, and a folder in it: s3://, gs://, az://, abfss://, https:// (WebDAV)",
    },
    files::FORMAT,
    NAMES,
    RESPONSE_NAMES,
    Key {
        name: LIST_INTERVAL,
        kind: SettingKind::Duration,
        default: Some("60s"),
        meaning: "how often the bucket is listed; a store charges for every 1,000 objects",
    },
    Key {
        name: AHEAD_MAX,
        kind: SettingKind::Bytes,
        default: Some("256MB"),
        meaning: "of objects that are fetched before their turn, on the disk beside the state; a \
                  larger one is fetched alone",
    },
    files::STUCK_AFTER,
    files::DUPLICATES,
    files::REWRITTEN,
    files::PAGE_MAX,
];

/// `type = "bucket"`.
pub struct Bucket;

impl SourceType for Bucket {
    fn name(&self) -> &'static str {
        "bucket"
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn arrival(&self) -> Arrival {
        Arrival::File
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::Bucket(settings.url(URL).to_owned())
    }

    /// Sends nothing: a bucket that is away is waited for.
    fn check(&self, settings: &Settings) -> Result<()> {
        open(settings.url(URL)).map(drop)
    }

    fn bind(
        &self,
        settings: &Settings,
        _owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let root = settings.url(URL).to_owned();
        let store = open(&root)?;
        let config = BucketConfig {
            root,
            files: FilesConfig::of(settings),
            list_interval: settings.duration(LIST_INTERVAL),
            folder: shared.spool_folder.clone(),
            ahead_max: settings.bytes(AHEAD_MAX),
        };
        Ok(Box::new(BoundBucket { config, store }))
    }
}

struct BoundBucket {
    config: BucketConfig,
    store: BucketStore,
}

impl BoundSource for BoundBucket {
    fn address(&self) -> Option<String> {
        None
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        if let Some(folder) = &self.config.folder {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("make", folder, &e))?;
        }
        Ok(Box::new(BucketSource::start(self.config, self.store, context)?))
    }
}

fn open(root: &Path) -> Result<BucketStore> {
    BucketStore::open(&BucketUrl::parse(root)?)
}

/// Says what is wrong with an address, if anything is.
pub fn check(address: &Path) -> Result<()> {
    open(address).map(drop)
}

/// The objects below an address that have this format by their names.
pub fn list(root: &Path, format: FileFormat) -> Result<Listing> {
    let store = open(root)?;
    wait(store.list(format))
}

/// The object of an address, or those that a pattern matches; none where the address is that of
/// others below it.
pub fn find(address: &Path) -> Result<Vec<Listed>> {
    let store = open(address)?;
    wait(store.find())
}

/// Fetches objects of one bucket. Folders below `root` can hold partition values.
pub fn fetch(root: &Path, objects: &[Listed]) -> Result<Vec<OpenFile>, Fault> {
    let Some(first) = objects.first() else { return Ok(Vec::new()) };
    let store = open(&first.path).map_err(|error| Fault::unreadable(error.to_string()))?;
    let store = &store;
    let all = objects.iter().map(|object| store.fetch(root, object, None));
    wait(stream::iter(all).buffered(OBJECTS_AT_ONCE).try_collect())
}

/// Waits on a thread of its own, since a runtime may already be at work on the caller's.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(work)
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
