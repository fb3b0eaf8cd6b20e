//! Addresses of buckets and of the objects in them, such as `s3://bucket/logs/2026/a.parquet`.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Whose protocol a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Amazon's S3, and the many that speak as it does.
    S3,
    GoogleCloud,
    Azure,
    /// Plain HTTP; listing takes WebDAV.
    Http,
}

/// As addresses begin.
const SCHEMES: &[(&str, StoreKind)] = &[
    ("s3", StoreKind::S3),
    ("s3a", StoreKind::S3),
    ("gs", StoreKind::GoogleCloud),
    ("az", StoreKind::Azure),
    ("azure", StoreKind::Azure),
    ("abfs", StoreKind::Azure),
    ("abfss", StoreKind::Azure),
    ("http", StoreKind::Http),
    ("https", StoreKind::Http),
];

/// An address of a bucket, of a prefix in it, or of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    pub kind: StoreKind,
    /// Scheme and bucket, with the slash after it.
    pub bucket: String,
    /// What is in the bucket, without a slash at the end; empty for all of it.
    pub key: String,
}

impl BucketUrl {
    /// Reads an address. Keys are taken as they are written, and not unquoted.
    pub fn parse(path: &Path) -> Result<BucketUrl> {
        let text = path.to_string_lossy();
        let wrong = || {
            let schemes: Vec<&str> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
            let schemes = schemes.join("://, ");
            let wanted =
                format!("is no address of a bucket, which begins with {schemes}:// and a name");
            Error::new(format!("{text:?} {wanted}"))
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let known = SCHEMES.iter().find(|(own, _)| scheme.eq_ignore_ascii_case(own));
        let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (_, kind) = known.filter(|_| !name.is_empty()).ok_or_else(wrong)?;
        let bucket = format!("{}://{name}/", scheme.to_ascii_lowercase());
        Ok(BucketUrl { kind: *kind, bucket, key: key.trim_end_matches('/').to_owned() })
    }

    /// The address of an object of the same bucket.
    pub fn object(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("{}{key}", self.bucket))
    }

    /// The folders up to the first that has a wildcard in it, if any has.
    pub fn fixed_part(&self) -> Option<&str> {
        let at = self.key.find(['*', '?', '['])?;
        Some(self.key[..at].rsplit_once('/').map_or("", |(folders, _)| folders))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_key() {
        for (text, kind, bucket, key) in [
            ("s3://logs", StoreKind::S3, "s3://logs/", ""),
            ("S3://logs/a b/%41/", StoreKind::S3, "s3://logs/", "a b/%41"),
            ("gs://logs/day=1/x.csv", StoreKind::GoogleCloud, "gs://logs/", "day=1/x.csv"),
            (
                "abfss://c@a.dfs.core.windows.net/x",
                StoreKind::Azure,
                "abfss://c@a.dfs.core.windows.net/",
                "x",
            ),
            ("http://127.0.0.1:80/x", StoreKind::Http, "http://127.0.0.1:80/", "x"),
        ] {
            let url = BucketUrl::parse(Path::new(text)).unwrap();
            assert_eq!((url.kind, url.bucket.as_str(), url.key.as_str()), (kind, bucket, key));
        }
        for text in ["logs", "/logs/s3", "ftp://host/logs", "s3://", "s3:///logs"] {
            let error = BucketUrl::parse(Path::new(text)).unwrap_err().to_string();
            assert!(error.contains("s3://, s3a://"), "{error}");
        }
    }

    #[test]
    fn what_has_no_wildcard_is_listed() {
        let fixed =
            |text: &str| BucketUrl::parse(Path::new(text)).unwrap().fixed_part().map(str::to_owned);
        assert_eq!(fixed("s3://b/a/b*/c.parquet").as_deref(), Some("a"));
        assert_eq!(fixed("s3://b/*.parquet").as_deref(), Some(""));
        assert_eq!(fixed("s3://b/a/b.parquet"), None);
    }
}
