//! Sending to HTTP servers of others.

use crate::error::{Error, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use std::path::Path;
use std::sync::Once;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that a message shows.
const SHOWN_MAX: usize = 300;

/// Who sends, as servers log it.
const USER_AGENT: &str = concat!("driftd/", env!("CARGO_PKG_VERSION"));

/// Makes TLS known to clients; another way that is installed does as well.
pub fn install_tls() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| _ = ring::default_provider().install_default());
}

/// Whether requests may go through a proxy that the environment names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Direct,
    AnyProxy,
}

/// A client for an address, whose requests take no longer than `timeout`. It trusts whom the
/// machine trusts, or `SSL_CERT_FILE` names, and goes nowhere else than it is told: what follows a
/// redirect may be a page to log in, and gets headers that are for others.
pub fn http_client(url: &Url, timeout: Duration, way: Way) -> Result<Client> {
    install_tls();
    let client = Client::builder().timeout(timeout).connect_timeout(CONNECT_TIMEOUT);
    let client = client.user_agent(USER_AGENT).redirect(Policy::none());
    let client = if way == Way::Direct { client.no_proxy() } else { client };
    // Without TLS nobody's certificate is looked at, and an image may hold none to check it by.
    let client = if url.scheme() == "http" { client.tls_certs_only([]) } else { client };
    client.build().map_err(|error| Error::new(error_text(&error)))
}

/// An error with all its causes, which say what was wrong.
pub fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(own) = cause {
        let own_text = own.to_string();
        if !text.contains(&own_text) {
            text = format!("{text}: {own_text}");
        }
        cause = own.source();
    }
    text
}

/// An address of HTTP with a host.
pub fn parse_url(text: &str) -> Result<Url> {
    let wrong = || Error::new(format!("{text:?} is no address such as http://localhost:9091"));
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_http.then_some(url).ok_or_else(wrong)
}

/// An address without the user and the password that it may hold.
pub fn without_user(mut url: Url) -> Url {
    // It has a host, and so may have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// What a server said to a request that it refused.
pub async fn refusal_text(answer: Response) -> String {
    let mut status = answer.status().to_string();
    if let Some(Ok(place)) = answer.headers().get(LOCATION).map(|place| place.to_str()) {
        status = format!("{status}, to {place}, which is not followed");
    }
    let text = answer.text().await.unwrap_or_default();
    let shown = text[..text.floor_char_boundary(SHOWN_MAX)].trim();
    if shown.is_empty() { status } else { format!("{status}: {shown}") }
}

/// Reads headers from the lines `Name: value` of a file; none without one.
pub fn read_headers(path: Option<&Path>) -> Result<HeaderMap> {
    let Some(path) = path else { return Ok(HeaderMap::new()) };
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let headers = lines.map(|(number, line)| {
        let header = line.split_once(':').and_then(|(name, value)| {
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((name.trim().parse::<HeaderName>().ok()?, value))
        });
        // What stands there may be a secret.
        header.ok_or_else(|| {
            let line = number + 1;
            Error::new(format!("{}: line {line} is no \"Name: value\"", path.display()))
        })
    });
    headers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_from_a_file_and_are_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        std::fs::write(&path, "# who we are\nAuthorization: Bearer a:b\n\nX-Scope-OrgID:risk\n")
            .unwrap();
        let headers = read_headers(Some(&path)).unwrap();
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert_eq!(headers["x-scope-orgid"], "risk");
        std::fs::write(&path, "X-Scope-OrgID: risk\nsecret\n").unwrap();
        let error = read_headers(Some(&path)).unwrap_err().to_string();
        assert!(error.ends_with("line 2 is no \"Name: value\""), "{error}");
        assert!(read_headers(Some(&folder.path().join("none"))).is_err());
        assert!(read_headers(None).unwrap().is_empty());
    }
}
