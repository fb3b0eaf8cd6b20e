//! Who is let in: rate limit, headers and passwords of the web configuration, before any route.
//!
//! The file, and the certificates that it names, are read again when they change. What cannot be
//! read then leaves in force what was, and is told once: a certificate that is half written must
//! not lock everybody out, and one that is half of a file let nobody in who was not.

use super::passwords::{Answer, Passwords};
use super::web_config::WebConfig;
use crate::error::{Error, Result};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Files are looked at this often, and only when somebody comes.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Who asks; nobody is named where no users are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(pub Option<Arc<str>>);

/// Lets requests in.
pub struct Guard {
    /// None lets everybody in, over plain HTTP.
    file: Mutex<Option<PathBuf>>,
    current: Mutex<Current>,
    passwords: Passwords,
}

struct Current {
    config: Arc<WebConfig>,
    /// Of its files, when they were read.
    stamps: Vec<Stamp>,
    looked: Instant,
    /// Why what is there now is not in force.
    refused: Option<String>,
}

/// Inode, size and time of change of a file; none where it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Guard {
    /// Reads the configuration; a fault in it stops the start.
    pub fn open(file: Option<PathBuf>) -> Result<Guard> {
        let (config, stamps) = file.as_deref().map(read).transpose()?.unwrap_or_default();
        tell(&config);
        let looked = Instant::now();
        let current = Current { config: Arc::new(config), stamps, looked, refused: None };
        let (file, current) = (Mutex::new(file), Mutex::new(current));
        Ok(Guard { file, current, passwords: Passwords::default() })
    }

    /// Lets in by another file from now on, which may ask for less.
    pub fn read_from(&self, file: Option<&Path>) -> Result<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if own.as_deref() == file {
            return Ok(());
        }
        let (config, stamps) = file.map(read).transpose()?.unwrap_or_default();
        tell(&config);
        *own = file.map(Path::to_owned);
        let (config, looked) = (Arc::new(config), Instant::now());
        *current = Current { config, stamps, looked, refused: None };
        Ok(())
    }

    /// What is in force.
    pub fn config(&self) -> Arc<WebConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(file) = &file
            && current.looked.elapsed() >= LOOK_INTERVAL
        {
            current.looked = Instant::now();
            current.look(file);
        }
        Arc::clone(&current.config)
    }

    /// Who asks, or why nobody is let in.
    pub async fn admit(
        &self,
        config: &WebConfig,
        headers: &HeaderMap,
    ) -> std::result::Result<User, Response> {
        if let Some(limit) = &config.rate_limit
            && !limit.allows(Instant::now())
        {
            return Err(refusal(StatusCode::TOO_MANY_REQUESTS));
        }
        if config.users.is_empty() {
            return Ok(User(None));
        }
        let Some((user, password)) = basic(headers) else { return Err(unauthorized()) };
        match self.passwords.check(&config.users, &user, &password).await {
            Answer::Right => Ok(User(Some(user.into()))),
            Answer::Wrong => Err(unauthorized()),
            Answer::Later => {
                let soon = [(header::RETRY_AFTER, "1")];
                Err((soon, refusal(StatusCode::TOO_MANY_REQUESTS)).into_response())
            }
        }
    }
}

impl Current {
    fn look(&mut self, file: &Path) {
        if self.refused.is_none() && stamps(&self.config.files) == self.stamps {
            return;
        }
        let read = read(file).and_then(|(config, stamps)| match drops(&self.config, &config) {
            None => Ok((config, stamps)),
            // Half of a file can be a whole one, which lets everybody in.
            Some(what) => Err(Error::new(format!("it drops {what}, which takes a restart"))),
        });
        match read {
            Ok((config, stamps)) => {
                info!(file = %file.display(), "the web configuration was read again");
                tell(&config);
                *self = Current {
                    config: Arc::new(config),
                    stamps,
                    looked: self.looked,
                    refused: None,
                };
            }
            Err(fault) => {
                let fault = fault.to_string();
                if self.refused.as_ref() != Some(&fault) {
                    error!(fault, "the web configuration stays as it was");
                    self.refused = Some(fault);
                }
            }
        }
    }
}

/// The configuration, and the stamps that its files had before they were read.
fn read(file: &Path) -> Result<(WebConfig, Vec<Stamp>)> {
    let mut files = WebConfig::load(file)?.files;
    loop {
        let stamps = stamps(&files);
        let config = WebConfig::load(file)?;
        if config.files == files {
            return Ok((config, stamps));
        }
        files = config.files;
    }
}

/// What guards now and would not any more.
fn drops(now: &WebConfig, next: &WebConfig) -> Option<&'static str> {
    match () {
        () if now.tls.is_some() && next.tls.is_none() => Some("TLS"),
        () if !now.users.is_empty() && next.users.is_empty() => Some("all users"),
        () if now.verifies_clients && !next.verifies_clients => Some("the check of clients"),
        () => None,
    }
}

fn tell(config: &WebConfig) {
    if !config.left_out.is_empty() {
        let names = config.left_out.join(", ");
        warn!(names, "the web configuration asks for these, which are not spoken and left out");
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
    };
    files.iter().map(stamp).collect()
}

/// Name and password of `Authorization: Basic`.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (user.to_owned(), password.to_owned()))
}

fn unauthorized() -> Response {
    let asked = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))];
    (asked, refusal(StatusCode::UNAUTHORIZED)).into_response()
}

/// The status and its words.
fn refusal(status: StatusCode) -> Response {
    let words = status.canonical_reason().unwrap_or_default();
    let as_text = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, as_text, format!("{words}\n")).into_response()
}
