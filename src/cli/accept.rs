//! `driftd reference accept`: closed windows become the reference of their model, or are it no
//! more.

use super::daemon_client::DaemonArguments;
use super::output;
use anyhow::{Result, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// A model stops, and goes on.
const TIMEOUT: Duration = Duration::from_secs(180);

#[derive(clap::Args)]
pub struct AcceptArguments {
    /// Name of the model
    model: String,
    /// Version of the model, where there are more
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The window whose last, or whose stretch of time, becomes the reference
    #[arg(long, value_name = "NAME", required_unless_present = "undo")]
    window: Option<String>,
    /// All windows that end at or after this time, added up [default: the last window alone]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Windows that end before this time; without --from the last of them
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Go back to what is configured
    #[arg(long, conflicts_with_all = ["window", "from", "to"])]
    undo: bool,
    #[command(flatten)]
    daemon: DaemonArguments,
}

pub fn run(arguments: &AcceptArguments) -> Result<ExitCode> {
    let AcceptArguments { model, version, window, from, to, undo, daemon } = arguments;
    let model = utf8_percent_encode(model, NON_ALPHANUMERIC);
    let path = format!("/api/v1/models/{model}/reference");
    let given = [("version", version), ("window", window), ("from", from), ("to", to)];
    let given = given.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
    let query: Vec<(&str, &str)> = given.collect();
    let method = if *undo { Method::DELETE } else { Method::POST };
    let (status, text) = daemon.ask(method, &path, &query, TIMEOUT)?;
    if !status.is_success() {
        bail!("{}", text.trim());
    }
    let answer: Option<Value> = serde_json::from_str(&text).ok();
    let told = answer.as_ref().and_then(|own| own["told"].as_str()).unwrap_or(text.trim());
    output::write(None, format!("{told}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
