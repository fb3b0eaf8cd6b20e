//! Sending to HTTP servers of others.

use crate::error::{Error, Result};
use reqwest::{Client, Response};
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

/// A client whose requests take no longer than `timeout`. It trusts whom the machine trusts, or
/// `SSL_CERT_FILE` names.
pub fn http_client(timeout: Duration) -> Result<Client> {
    install_tls();
    let client = Client::builder().timeout(timeout).connect_timeout(CONNECT_TIMEOUT);
    client.user_agent(USER_AGENT).build().map_err(|error| Error::new(error_text(&error)))
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

/// What a server said to a request that it refused.
pub async fn refusal_text(answer: Response) -> String {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    let shown = text[..text.floor_char_boundary(SHOWN_MAX)].trim();
    if shown.is_empty() { status.to_string() } else { format!("{status}: {shown}") }
}
