//! Who may send rows to a socket: whoever has a certificate, or says a token first.

use crate::error::{Error, Result};
use crate::net::guard::Guard;
use crate::settings::{Key, SettingKind, Settings};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

/// How long a connection may take for its handshake and its token.
const ENTER_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of the line with the token, at most.
const TOKEN_LINE_MAX: usize = 8_192;

/// Those who are refused are logged at most this often.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

pub const TOKEN_FILE: Key = Key {
    name: "token_file",
    kind: SettingKind::OptionalPath,
    default: Some(""),
    meaning: "tokens, one a line; a connection then begins with the line {\"token\": \"…\"}",
};

pub const WEB_CONFIG_FILE: Key = Key {
    name: "web_config_file",
    kind: SettingKind::OptionalPath,
    default: Some(""),
    meaning: "a file as --web.config.file takes it, whose tls_server_config holds here as well",
};

/// What a connection is read from.
pub type Entered = Box<dyn AsyncRead + Send + Unpin>;

/// Lets connections in.
#[derive(Default)]
pub struct Gate {
    /// Whose TLS is spoken.
    tls: Option<Arc<Guard>>,
    web_config_file: Option<PathBuf>,
    /// Read for each connection, so that a token can be changed at any time.
    token_file: Option<PathBuf>,
    told: Mutex<Option<Instant>>,
}

/// What a connection begins with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    token: String,
}

impl Gate {
    /// Of a source whose settings have [`TOKEN_FILE`], and [`WEB_CONFIG_FILE`] if it can have TLS.
    pub fn open(settings: &Settings) -> Result<Gate> {
        let named = |key: &'static str| move |error: Error| error.context(key);
        let token_file = settings.optional_path(TOKEN_FILE.name).map(Path::to_owned);
        if let Some(file) = &token_file {
            tokens(file).map_err(named(TOKEN_FILE.name))?;
        }
        let web_config_file = settings.optional_path(WEB_CONFIG_FILE.name).map(Path::to_owned);
        let tls = match &web_config_file {
            None => None,
            Some(file) => {
                let guard = Guard::open(Some(file.clone()));
                let guard = guard.map_err(named(WEB_CONFIG_FILE.name))?;
                if guard.config().tls.is_none() {
                    let text = format!("{}: there is no tls_server_config", file.display());
                    return Err(Error::new(text).context(WEB_CONFIG_FILE.name));
                }
                Some(Arc::new(guard))
            }
        };
        Ok(Gate { tls, web_config_file, token_file, told: Mutex::default() })
    }

    /// Whether these settings ask for it. What its files hold may have changed since: the gate sees
    /// to that, and does not forget what it asked for when a model is started again.
    pub fn is_of(&self, settings: &Settings) -> bool {
        let own = [self.token_file.as_deref(), self.web_config_file.as_deref()];
        own == [TOKEN_FILE, WEB_CONFIG_FILE].map(|key| settings.optional_path(key.name))
    }

    /// Agrees on TLS and takes the token, as far as they are asked for.
    pub async fn enter<S>(&self, stream: S) -> io::Result<Entered>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let entering = async {
            let tls = match self.tls.clone() {
                // It may look at its files.
                Some(guard) => spawn_blocking(move || guard.config().tls.clone()).await?,
                None => None,
            };
            let mut stream: Entered = match tls {
                Some(tls) => Box::new(TlsAcceptor::from(tls).accept(stream).await?),
                None => Box::new(stream),
            };
            if let Some(file) = &self.token_file {
                let said = first_line(&mut stream).await?;
                let opening: Opening = serde_json::from_slice(&said)
                    .map_err(|_| io::Error::other("its first line is no {\"token\": \"…\"}"))?;
                let file = file.clone();
                let known = spawn_blocking(move || tokens(&file)).await?;
                let known = known.map_err(|error| io::Error::other(error.to_string()))?;
                if !known.iter().any(|token| is_same(token, &opening.token)) {
                    return Err(io::Error::other("its token is not among those of token_file"));
                }
            }
            Ok(stream)
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "it was not let in within 10s");
        timeout(ENTER_WITHIN, entering).await.unwrap_or_else(|_| Err(late()))
    }

    /// Tells of somebody who was refused, but not of each where many are.
    pub fn tell_refused(&self, address: &str, peer: &str, error: &io::Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
            *told = Some(Instant::now());
            warn!(address, peer, %error, "a connection was refused");
        }
    }
}

/// Byte by byte: what comes after it is for whoever reads the stream next.
async fn first_line(stream: &mut Entered) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await {
            Err(error) if line.is_empty() => return Err(error),
            Err(error) => return Err(io::Error::other(error)),
            Ok(b'\n') => return Ok(line),
            Ok(byte) if line.len() < TOKEN_LINE_MAX => line.push(byte),
            _ => return Err(io::Error::other("its first line is too long for a token")),
        }
    }
}

fn tokens(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::io("read", file, &error))?;
    let tokens = text.lines().map(str::trim).filter(|token| !token.is_empty());
    let tokens: Vec<String> = tokens.map(str::to_owned).collect();
    match tokens.is_empty() {
        true => Err(Error::new(format!("{}: there is no token in it", file.display()))),
        false => Ok(tokens),
    }
}

/// By their digests, so that the time that it takes tells nothing of the token.
fn is_same(known: &str, said: &str) -> bool {
    digest(&SHA256, known.as_bytes()).as_ref() == digest(&SHA256, said.as_bytes()).as_ref()
}
