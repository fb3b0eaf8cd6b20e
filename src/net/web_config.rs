//! `--web.config.file`, in the format of Prometheus' exporter-toolkit: TLS, users, headers and a
//! rate limit.
//!
//! The words of faults are the toolkit's, so that they are found where people look for them.

use super::rate_limit::RateLimit;
use super::tls::{self, TlsFiles};
use crate::error::{Error, Result};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig as TlsConfig;
use serde::Deserialize;
use serde_yaml_ng::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls;

/// Bytes of a bcrypt hash: `$2y$10$` and 53 more.
const HASH_BYTES: usize = 60;

/// Headers that can be set, and what each can be set to; anything where there is no list.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-XSS-Protection", &[]),
    ("Strict-Transport-Security", &[]),
];

/// The file, checked. No secret of it is ever shown.
#[derive(Default)]
pub struct WebConfig {
    /// None speaks plain HTTP.
    pub tls: Option<Arc<TlsConfig>>,
    /// Added to every answer.
    pub headers: HeaderMap,
    /// Clients need a certificate.
    pub verifies_clients: bool,
    /// bcrypt hashes by name; without any, everybody may do everything.
    pub users: BTreeMap<String, String>,
    pub rate_limit: Option<RateLimit>,
    /// What it was read from: itself, certificates and keys.
    pub files: Vec<PathBuf>,
    /// What is asked for and not offered, for the log.
    pub left_out: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Written {
    tls_server_config: Option<TlsFiles>,
    http_server_config: Option<HttpWritten>,
    basic_auth_users: Value,
    rate_limit: Option<RateLimitWritten>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct HttpWritten {
    /// Taken and not used: HTTP/1.1 is spoken.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RateLimitWritten {
    interval: Value,
    burst: u32,
}

impl WebConfig {
    /// Reads the file, and all that it names; paths in it are relative to it.
    pub fn load(path: &Path) -> Result<WebConfig> {
        let context = |error: Error| error.context(format_args!("web config {}", path.display()));
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut config = WebConfig::parse(&text, folder).map_err(context)?;
        config.files.push(path.to_owned());
        Ok(config)
    }

    fn parse(text: &str, folder: &Path) -> Result<WebConfig> {
        let written: Option<Written> =
            serde_yaml_ng::from_str(text).map_err(|error| Error::new(format!("yaml: {error}")))?;
        let written = written.unwrap_or_default();
        let users = users(&written.basic_auth_users)?;
        let headers = headers(&written.http_server_config.unwrap_or_default().headers)?;
        let rate_limit = written.rate_limit.map(|written| {
            let interval = interval(&written.interval)?;
            Ok::<_, Error>(interval.map(|interval| RateLimit::new(interval, written.burst)))
        });
        let rate_limit = rate_limit.transpose()?.flatten();
        let mut config = WebConfig { headers, users, rate_limit, ..WebConfig::default() };
        if let Some(files) = written.tls_server_config.filter(|files| !files.are_empty()) {
            let built = tls::server_config(files, folder)?;
            config.tls = Some(Arc::new(built.config));
            config.verifies_clients = built.verifies_clients;
            (config.files, config.left_out) = (built.files, built.left_out);
        }
        Ok(config)
    }
}

/// Names and hashes. No fault shows what stands there: it may be a secret in the wrong place.
fn users(written: &Value) -> Result<BTreeMap<String, String>> {
    let written = match written {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Mapping(written) => written,
        _ => {
            return Err(Error::new("yaml: basic_auth_users: no names with a hash each".to_owned()));
        }
    };
    let pairs = written.iter().map(|(name, hash)| {
        let (Value::String(name), Value::String(hash)) = (name, hash) else {
            let text = "yaml: basic_auth_users: a name or a hash is no text";
            return Err(Error::new(text.to_owned()));
        };
        check_hash(hash).map_err(|error| error.context(format_args!("user {name:?}")))?;
        Ok((name.clone(), hash.clone()))
    });
    pairs.collect()
}

fn check_hash(hash: &str) -> Result<()> {
    if hash.len() < HASH_BYTES {
        let text = "crypto/bcrypt: hashedSecret too short to be a bcrypted password";
        return Err(Error::new(text.to_owned()));
    }
    let parts = hash.parse::<bcrypt::HashParts>();
    parts.map(|_| ()).map_err(|error| Error::new(format!("no bcrypt hash: {error}")))
}

fn headers(written: &BTreeMap<String, Value>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| known == name) else {
            return Err(Error::new(format!("HTTP header {name:?} can not be configured")));
        };
        let value = text(value);
        if value.is_empty() {
            continue;
        }
        if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
            return Err(Error::new(format!(
                "invalid value for {name}. Expected one of: [{}], but got: {value:?}",
                allowed.iter().map(|own| format!("{own:?}")).collect::<Vec<_>>().join(" ")
            )));
        }
        let no_header = || Error::new(format!("HTTP header {name:?}: {value:?} cannot be sent"));
        let value = HeaderValue::from_str(&value).map_err(|_| no_header())?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header())?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// A scalar as it is written.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

/// A duration as Prometheus writes it: `1h30m`, `500ms`; none where it is 0.
fn interval(written: &Value) -> Result<Option<Duration>> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
        ("y", 31_536_000_000),
    ];
    let text = text(written);
    let fault = || Error::new(format!("yaml: rate_limit.interval: not a valid duration: {text:?}"));
    let mut rest = text.as_str();
    let mut all = 0u64;
    while !rest.is_empty() && rest != "0" {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*millis));
        all = part.and_then(|part| all.checked_add(part)).ok_or_else(fault)?;
        rest = after;
    }
    Ok((all > 0).then(|| Duration::from_millis(all)))
}
