//! `driftd healthy`: whether a daemon answers and makes progress, for images without a shell.

use super::output;
use crate::net::http_client::{Way, error_text, http_client, parse_url, read_headers};
use anyhow::Result;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(clap::Args)]
pub struct HealthyArguments {
    /// Where the daemon answers
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9797")]
    url: String,
    /// Lines "Name: value" that the request has, such as an authorization
    #[arg(long, value_name = "FILE")]
    headers_file: Option<PathBuf>,
}

/// 1 is what container runtimes take for unhealthy; 2 means nothing to them.
pub fn run(arguments: &HealthyArguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = parse_url(&arguments.url)?;
    let client = http_client(&url, Duration::from_secs(10), Way::Direct)?;
    let url = format!("{}/-/healthy", url.as_str().trim_end_matches('/'));
    let headers = read_headers(arguments.headers_file.as_deref())?;
    let (is_healthy, text) = runtime.block_on(async {
        match client.get(&url).headers(headers).send().await {
            Ok(answer) => (answer.status().is_success(), answer.text().await.unwrap_or_default()),
            Err(error) => (false, format!("{}\n", error_text(&error))),
        }
    });
    output::write(None, text.as_bytes())?;
    Ok(if is_healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
