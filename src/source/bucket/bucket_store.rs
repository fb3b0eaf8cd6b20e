//! A bucket of an object store: listing it, and fetching objects into files.

use super::bucket_url::{BucketUrl, StoreKind};
use crate::error::{Error, Fault, FaultKind, Result};
use crate::format::OpenFile;
use crate::format::file_format::FileFormat;
use crate::identity::Stat;
use crate::net::http_client::install_tls;
use crate::source::files::listing::{
    ICEBERG, ICEBERG_ENDING, Listed, Listing, TABLE_FORMATS, is_hidden, refuse_table,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// An object comes in ranges of this size, several at once.
const RANGE_BYTES: u64 = 8 << 20;

const RANGES_AT_ONCE: usize = 4;

/// Whoever lists a bucket that is away is told soon, and tries again himself.
const RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// Variables of the environment that begin so are credentials and places of clouds.
const VARIABLES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// What the clouds' own tools call some of them.
const OTHER_NAMES: [(&str, &str); 2] = [
    ("AZURE_STORAGE_ACCOUNT", "azure_storage_account_name"),
    ("AZURE_STORAGE_KEY", "azure_storage_account_key"),
];

/// Where machines of Amazon learn of their role.
const ROLES_OF_MACHINES: &str = "169.254.169.254";

/// Where Google's own tools find an emulator.
const GOOGLE_EMULATOR: &str = "STORAGE_EMULATOR_HOST";

/// A bucket.
#[derive(Clone)]
pub struct BucketStore {
    store: Arc<dyn ObjectStore>,
    url: BucketUrl,
}

/// Sets one builder up by what the environment says.
macro_rules! built {
    ($builder:expr, $variables:expr) => {{
        let options = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_read_timeout(READ_TIMEOUT)
            // What is large and still arrives is not late.
            .with_timeout_disabled();
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        };
        let builder = $builder.with_client_options(options).with_retry(retry);
        let variables = $variables.into_iter();
        let set = variables.fold(builder, |builder, (name, value): (String, String)| {
            match name.parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            }
        });
        set.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    }};
}

impl BucketStore {
    /// Sends nothing yet. Credentials come from the environment, as each cloud's tools take them.
    pub fn open(url: &BucketUrl) -> Result<BucketStore> {
        install_tls();
        // Before anybody waits for it.
        Key::parse(&url.key).map_err(|error| key_fault(&url.bucket, &url.key, &error))?;
        let (bucket, variables) = (url.bucket.trim_end_matches('/'), variables(url.kind));
        let store = match url.kind {
            StoreKind::S3 => {
                built!(object_store::aws::AmazonS3Builder::new().with_url(bucket), variables)
            }
            StoreKind::GoogleCloud => {
                built!(
                    object_store::gcp::GoogleCloudStorageBuilder::new().with_url(bucket),
                    variables
                )
            }
            StoreKind::Azure => {
                built!(
                    object_store::azure::MicrosoftAzureBuilder::new().with_url(bucket),
                    variables
                )
            }
            StoreKind::Http => {
                built!(object_store::http::HttpBuilder::new().with_url(bucket), variables)
            }
        };
        let store = store.map_err(|error| Error::new(format!("{bucket}: {error}")))?;
        Ok(BucketStore { store, url: url.clone() })
    }

    /// All objects below the address that have this format by their names, in the order of keys.
    pub async fn list(&self, format: FileFormat) -> Result<Listing> {
        let root = self.url.object(&self.url.key);
        let mut listing = Listing::new(format);
        for (key, meta) in self.objects(&self.url.key).await? {
            let below = key.strip_prefix(&self.url.key).unwrap_or(&key).trim_start_matches('/');
            if let Some(table) = table_format(below) {
                return Err(refuse_table(&root, table));
            }
            if !below.split('/').any(|name| is_hidden(OsStr::new(name))) {
                listing.add(self.url.object(&key), stat(&meta));
            }
        }
        Ok(listing.sorted())
    }

    /// The objects that a pattern of keys matches, or that of the address itself if there is one.
    pub async fn find(&self) -> Result<Vec<Listed>> {
        let key = &self.url.key;
        let listed = |key: &str, meta| Listed { path: self.url.object(key), stat: stat(meta) };
        // What is there is meant, whatever its name looks like.
        let found = if key.is_empty() { None } else { self.head(key).await? };
        let Some(fixed) = self.url.fixed_part().filter(|_| found.is_none()) else {
            return Ok(found.iter().map(|meta| listed(key, meta)).collect());
        };
        let pattern = glob::Pattern::new(key)
            .map_err(|error| Error::new(format!("{key} is no pattern: {error}")))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let mut found = self.objects(fixed).await?;
        found.retain(|(key, _)| {
            let name = key.rsplit('/').next().unwrap_or(key);
            pattern.matches_with(key, options) && !is_hidden(OsStr::new(name))
        });
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found.iter().map(|(key, meta)| listed(key, meta)).collect())
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        match self.store.head(&self.key(key)?).await {
            // Some stores have empty objects for folders.
            Ok(meta) => Ok(Some(meta).filter(|meta| meta.size > 0)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("look at", key, &error)),
        }
    }

    async fn objects(&self, prefix: &str) -> Result<Vec<(String, ObjectMeta)>> {
        let failed = |error| self.failed("list", prefix, &error);
        let key = self.key(prefix)?;
        let prefix = Some(&key).filter(|_| !prefix.is_empty());
        let objects = self.store.list(prefix).map_ok(|meta| (meta.location.to_string(), meta));
        objects.try_collect().await.map_err(failed)
    }

    fn key(&self, key: &str) -> Result<Key> {
        Key::parse(key).map_err(|error| key_fault(&self.url.bucket, key, &error))
    }

    fn failed(&self, tried: &str, key: &str, error: &object_store::Error) -> Error {
        if let object_store::Error::InvalidPath { source } = error {
            return key_fault(&self.url.bucket, key, source);
        }
        Error::new(format!("{}{key}: cannot {tried}: {}", self.url.bucket, told(error)))
    }

    /// Fetches an object whole into a file without a name; it is gone when it is closed. A part
    /// alone would not do: an object is known by a hash of all its bytes.
    /// Folders below `root` can hold partition values.
    pub async fn fetch(
        &self,
        root: &Path,
        listed: &Listed,
        folder: Option<&Path>,
    ) -> Result<OpenFile, Fault> {
        let made = match folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        };
        let place = || folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let file = made.map_err(|error| Fault::io("make a file in", &place(), &error))?;
        let url = BucketUrl::parse(&listed.path).map_err(|e| Fault::incomplete(e.to_string()))?;
        let key = Key::parse(&url.key).map_err(|error| Fault::unreadable(error.to_string()))?;
        let starts = (0..listed.stat.size).step_by(RANGE_BYTES as usize);
        let ranges = starts.map(|from| from..(from + RANGE_BYTES).min(listed.stat.size));
        let (file_of, key, place) = (&file, &key, &place());
        stream::iter(ranges.map(|range| self.fetch_range(listed, key, range, (file_of, place))))
            .buffer_unordered(RANGES_AT_ONCE)
            .try_collect::<()>()
            .await?;
        OpenFile::fetched(root, listed.path.clone(), listed.stat, file)
    }

    async fn fetch_range(
        &self,
        listed: &Listed,
        key: &Key,
        range: std::ops::Range<u64>,
        (file, place): (&File, &PathBuf),
    ) -> Result<(), Fault> {
        let (from, wanted) = (range.start, range.end);
        // Whoever serves plain files may know no ranges.
        let is_whole = range == (0..listed.stat.size);
        let range = (!is_whole).then_some(GetRange::Bounded(range));
        let options = GetOptions { range, ..Default::default() };
        let failed = |error| fault(&listed.path, &error);
        let got = self.store.get_opts(key, options).await.map_err(failed)?;
        if !is_same(&listed.stat, &stat(&got.meta)) {
            return Err(Fault::incomplete("changed since it was listed"));
        }
        let (mut bytes, mut at) = (got.into_stream(), from);
        while let Some(bytes) = bytes.try_next().await.map_err(failed)? {
            file.write_all_at(&bytes, at).map_err(|e| Fault::io("write to", place, &e))?;
            at += bytes.len() as u64;
        }
        if at < wanted {
            return Err(Fault::incomplete("came short"));
        }
        Ok(())
    }
}

/// What failed, without how long it took and how often it was tried: the same is told once.
fn told(error: &object_store::Error) -> String {
    let text = error.to_string();
    let took = text.find(" in ").and_then(|at| Some((at, at + text[at..].find(" - ")?)));
    let text = match took {
        Some((from, to)) => format!("{}:{}", &text[..from], &text[to + 2..]),
        None => text,
    };
    match text.contains(ROLES_OF_MACHINES) {
        true => format!("no credentials in the environment, and no role of the machine: {text}"),
        false => text,
    }
}

/// A key that the library does not read; it would not find it again.
fn key_fault(bucket: &str, key: &str, error: &object_store::path::Error) -> Error {
    let remedy = "keys with empty parts, \".\" or \"..\" are not read; keep them elsewhere";
    Error::new(format!("{bucket}{key}: {error}; {remedy}"))
}

/// What is kept of the environment, by names in small letters.
fn variables(kind: StoreKind) -> Vec<(String, String)> {
    let taken = |name: &str| VARIABLES.iter().any(|prefix| name.starts_with(prefix));
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, value)| taken(name) && !value.is_empty())
        .map(|(name, value)| {
            let other = OTHER_NAMES.iter().find(|(own, _)| *own == name);
            (other.map_or_else(|| name.to_ascii_lowercase(), |own| own.1.to_owned()), value)
        })
        .collect();
    let emulator = std::env::var(GOOGLE_EMULATOR).ok().filter(|host| !host.is_empty());
    if let Some(host) = emulator.filter(|_| kind == StoreKind::GoogleCloud) {
        let url = if host.contains("://") { host } else { format!("http://{host}") };
        variables.push(("google_base_url".to_owned(), url));
        variables.push(("google_skip_signature".to_owned(), "true".to_owned()));
    }
    // Who names an endpoint without TLS wants to talk to it, as with the clouds' own tools.
    if kind == StoreKind::Http || variables.iter().any(|(_, value)| value.starts_with("http://")) {
        variables.push(("allow_http".to_owned(), "true".to_owned()));
    }
    variables
}

/// An object has no inode; its tag, which changes with its content, stands for it.
fn stat(meta: &ObjectMeta) -> Stat {
    let tag = meta.e_tag.as_deref().map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
    Stat {
        dev: 0,
        ino: tag.map_or(0, |tag| xxh3_64(tag.as_bytes())),
        size: meta.size,
        mtime_ns: meta.last_modified.timestamp_nanos_opt().unwrap_or(0),
        ctime_ns: 0,
    }
}

/// Whether what is fetched is what was listed. A header has whole seconds, and a listing may have
/// more; without a tag they have to do.
fn is_same(listed: &Stat, fetched: &Stat) -> bool {
    let second = |stat: &Stat| stat.mtime_ns.div_euclid(1_000_000_000);
    listed.size == fetched.size
        && match (listed.ino, fetched.ino) {
            (0, _) | (_, 0) => second(listed) == second(fetched),
            (listed, fetched) => listed == fetched,
        }
}

fn fault(path: &Path, error: &object_store::Error) -> Fault {
    use object_store::Error::{NotFound, Precondition};
    match error {
        NotFound { .. } | Precondition { .. } => Fault::incomplete("gone since it was listed"),
        error => {
            Fault::new(FaultKind::Io, format!("{}: cannot fetch: {}", path.display(), told(error)))
        }
    }
}

/// The table format that a key below an address gives away.
fn table_format(below: &str) -> Option<(&'static str, &'static str)> {
    let (first, rest) = below.split_once('/')?;
    let found = TABLE_FORMATS.iter().find(|(folder, _)| *folder == first);
    let is_iceberg = first == ICEBERG.0 && rest.ends_with(ICEBERG_ENDING);
    found.copied().or_else(|| is_iceberg.then_some(ICEBERG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_give_themselves_away() {
        let format = |key: &str| table_format(key).map(|(_, format)| format);
        assert_eq!(format("_delta_log/000.json"), Some("Delta Lake"));
        assert_eq!(format("metadata/v1.metadata.json"), Some("Iceberg"));
        assert_eq!(format("metadata/notes.json"), None);
        assert_eq!(format("day=1/_delta_log"), None);
    }

    #[test]
    fn the_same_failure_has_the_same_words() {
        let told = |text: &str| {
            let source = text.to_owned().into();
            told(&object_store::Error::Generic { store: "S3", source })
        };
        let (a, b) =
            ("GET http://h/b in 4.6ms, after 3 retries  - no", "GET http://h/b in 1s - no");
        assert_eq!(told(a), "Generic S3 error: GET http://h/b: no");
        assert_eq!(told(a), told(b));
        assert_eq!(told("no"), "Generic S3 error: no");
        assert!(told("PUT http://169.254.169.254/x in 1ms - no").starts_with("no credentials"));
    }

    #[test]
    fn what_was_replaced_is_another() {
        let stat = |ino, mtime_ns| Stat { dev: 0, ino, size: 9, mtime_ns, ctime_ns: 0 };
        assert!(is_same(&stat(1, 1_999_000_000), &stat(1, 1_000_000_000)));
        assert!(!is_same(&stat(1, 1_000_000_000), &stat(2, 1_000_000_000)));
        assert!(is_same(&stat(0, 1_999_000_000), &stat(0, 1_000_000_000)));
        assert!(!is_same(&stat(0, 2_000_000_000), &stat(0, 1_000_000_000)));
    }
}
