//! Asking a daemon that runs, for commands.

use crate::config::load;
use crate::net::http_client::{Way, error_text, http_client, parse_url, read_headers};
use anyhow::{Context, Result, anyhow};
use reqwest::{Method, StatusCode};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Which daemon is meant, and who asks.
#[derive(clap::Args)]
pub struct DaemonArguments {
    /// Where the daemon answers [default: where the configuration has it listen]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The configuration of the daemon
    #[arg(long, default_value = "config/driftd.toml", value_name = "FILE")]
    config: PathBuf,
    /// Lines "Name: value" that the request has, such as an authorization
    #[arg(long, value_name = "FILE")]
    headers_file: Option<PathBuf>,
}

impl DaemonArguments {
    /// Sends a request, and reads the answer.
    pub fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<(StatusCode, String)> {
        let base = self.base()?;
        let mut url = parse_url(&base)?;
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let headers = read_headers(self.headers_file.as_deref())?;
        let client = http_client(&url, timeout, Way::Direct)?;
        let request = client.request(method, url).headers(headers);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let failed = |error: reqwest::Error| match error.is_timeout() {
                true => anyhow!("{base}: no answer yet; what was asked for may still be done"),
                false => anyhow!("{base}: no daemon answers: {}", error_text(&error.without_url())),
            };
            let answer = request.send().await.map_err(failed)?;
            Ok((answer.status(), answer.text().await.map_err(failed)?))
        })
    }

    fn base(&self) -> Result<String> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let listen = load(&self.config).context("no --url, and no configuration")?.server.listen;
        // Who listens everywhere is reached here as well.
        let ip =
            if listen.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { listen.ip() };
        let address: SocketAddr = (ip as IpAddr, listen.port()).into();
        Ok(format!("http://{address}"))
    }
}
