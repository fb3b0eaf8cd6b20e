//! Remote write: sending all samples at an interval, for daemons that nobody can scrape.
//!
//! Requests that a receiver cannot take now wait, oldest first, and are tried again; one that it
//! refuses is given up. What waits is bounded, so that a receiver that stays away costs memory for
//! some hours of samples and no more.

use super::page::Pages;
use super::write_request::{SeriesWriter, WriteRequest, WriteVersion};
use crate::error::Result;
use crate::net::http_client::{
    Way, error_text, http_client, parse_url, read_headers, refusal_text,
};
use crate::net::stop::Stop;
use crate::telemetry::ProcessTelemetry;
use crate::time::Clock;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, sleep};
use tracing::{info, warn};

/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Pauses before a request is sent again: the first, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Bytes of requests that wait, at most.
const WAITING_BYTES_MAX: usize = 64 << 20;

const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

/// What only a receiver of version 2.0 answers with.
const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";

/// `[export.remote_write]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteWriteConfig {
    pub url: String,
    pub interval: Duration,
    /// Lines `Name: value`, such as an authorization.
    pub headers_file: Option<PathBuf>,
    pub version: WriteVersion,
    /// Labels of every series, beside its own.
    pub labels: BTreeMap<String, String>,
}

impl RemoteWriteConfig {
    pub const INTERVAL: Duration = Duration::from_secs(60);

    /// What a scrape would add, as far as it is known here.
    pub fn default_labels() -> BTreeMap<String, String> {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        [("job".to_owned(), "driftd".to_owned()), ("instance".to_owned(), machine)].into()
    }
}

/// What is sent, and what is told of sending it.
#[derive(Clone)]
pub struct Sent {
    pub pages: Arc<Pages>,
    pub process: Arc<ProcessTelemetry>,
    pub clock: Arc<dyn Clock>,
}

/// Sends samples wherever the configuration says, until the daemon stops.
pub async fn run(sent: Sent, stop: Stop) {
    let mut configs = sent.pages.subscribe();
    loop {
        let config = configs.borrow_and_update().remote_write.clone();
        sent.process.remote_write_is_on.set(i64::from(config.is_some()));
        // Another configuration of something else changes nothing here, and what waits goes on
        // waiting.
        let is_another = configs.wait_for(|own| own.remote_write != config);
        tokio::select! {
            () = stop.wait() => return,
            _ = is_another => {}
            () = send(config.clone(), &sent) => {}
        }
    }
}

/// Sends samples where there is anywhere to send them; ends only when something went wrong.
async fn send(config: Option<RemoteWriteConfig>, sent: &Sent) {
    let Some(config) = config else { return std::future::pending().await };
    match RemoteWriter::new(config, sent.clone()) {
        Ok(writer) => writer.run().await,
        Err(error) => warn!(%error, "remote write cannot begin"),
    }
    sleep(PAUSE_MAX).await;
}

/// What became of a request.
enum Outcome {
    Taken,
    /// Not now; how long the receiver asks to wait.
    Later(String, Option<Duration>),
    Refused(String),
}

/// Requests that wait to be sent.
#[derive(Default)]
struct Waiting {
    requests: VecDeque<WriteRequest>,
    bytes: usize,
}

/// What waits when another receiver takes its place is given up.
impl Drop for RemoteWriter {
    fn drop(&mut self) {
        let left = self.waiting().requests.iter().map(|own| own.samples).sum();
        self.sent.process.remote_write_failed.add(left);
    }
}

/// Sends samples to one receiver.
struct RemoteWriter {
    config: RemoteWriteConfig,
    client: Client,
    sent: Sent,
    waiting: Mutex<Waiting>,
    has_more: Notify,
}

impl RemoteWriter {
    fn new(config: RemoteWriteConfig, sent: Sent) -> Result<RemoteWriter> {
        let client = http_client(&parse_url(&config.url)?, TIMEOUT, Way::AnyProxy)?;
        let waiting = Mutex::default();
        Ok(RemoteWriter { config, client, sent, waiting, has_more: Notify::new() })
    }

    async fn run(&self) {
        tokio::select! {
            () = self.collect_always() => {}
            () = self.send_always() => {}
        }
    }

    async fn collect_always(&self) {
        let mut writer = SeriesWriter::new(self.config.labels.clone());
        let mut ticks = tokio::time::interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (pages, version) = (Arc::clone(&self.sent.pages), self.config.version);
            let time = self.sent.clock.now().0 / 1_000;
            let collected = spawn_blocking(move || {
                pages.collect(|samples| writer.take(samples));
                let requests = writer.requests(time, version);
                (writer, requests)
            });
            let Ok((back, requests)) = collected.await else {
                warn!("samples could not be collected; remote write begins anew in a minute");
                return;
            };
            writer = back;
            self.add(requests);
            self.has_more.notify_one();
        }
    }

    /// Adds requests; the oldest make room.
    fn add(&self, requests: Vec<WriteRequest>) {
        let mut waiting = self.waiting();
        for request in requests {
            waiting.bytes += request.body.len();
            waiting.requests.push_back(request);
        }
        while waiting.bytes > WAITING_BYTES_MAX {
            let Some(oldest) = waiting.requests.pop_front() else { break };
            waiting.bytes -= oldest.body.len();
            self.sent.process.remote_write_failed.add(oldest.samples);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_always(&self) {
        let (mut pause, mut is_failing) = (PAUSE, false);
        loop {
            let next = self.waiting().requests.pop_front();
            let Some(request) = next else {
                self.has_more.notified().await;
                continue;
            };
            let outcome = self.send(&request).await;
            let (url, is_taken) = (&self.config.url, matches!(outcome, Outcome::Taken));
            match &outcome {
                Outcome::Later(error, _) | Outcome::Refused(error) if !is_failing => {
                    warn!(url, error, "samples were not taken");
                }
                Outcome::Taken if is_failing => info!(url, "samples are taken again"),
                _ => {}
            }
            is_failing = !is_taken;
            if let Outcome::Later(_, asked) = outcome {
                self.waiting().requests.push_front(request);
                sleep(asked.unwrap_or(pause).min(PAUSE_MAX)).await;
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
            pause = PAUSE;
            let mut waiting = self.waiting();
            waiting.bytes = waiting.bytes.saturating_sub(request.body.len());
            drop(waiting);
            if is_taken {
                self.sent.process.remote_write_sent.add(request.samples);
                self.sent.process.remote_write_success.set(self.sent.clock.now().0);
            } else {
                self.sent.process.remote_write_failed.add(request.samples);
            }
        }
    }

    async fn send(&self, request: &WriteRequest) -> Outcome {
        // Anew each time: tokens change.
        let headers = match read_headers(self.config.headers_file.as_deref()) {
            Ok(headers) => headers,
            Err(error) => return Outcome::Later(error.to_string(), None),
        };
        let version = self.config.version;
        let sent = self.client.post(&self.config.url).headers(headers);
        let sent = sent.header(CONTENT_TYPE, version.content_type());
        let sent = sent.header(CONTENT_ENCODING, "snappy").header(VERSION, version.header());
        let answer = match sent.body(request.body.clone()).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_builder() => return Outcome::Refused(error_text(&error)),
            Err(error) => return Outcome::Later(error_text(&error.without_url()), None),
        };
        let status = answer.status();
        if status.is_success() {
            // A receiver that has never heard of 2.0 finds nothing in it, and says that all is
            // well.
            let is_read =
                version == WriteVersion::One || answer.headers().contains_key(SAMPLES_WRITTEN);
            let text = "it does not say that it read version 2.0; set version = \"1.0\"";
            return if is_read { Outcome::Taken } else { Outcome::Refused(text.to_owned()) };
        }
        let asked = answer.headers().get(RETRY_AFTER).and_then(|own| own.to_str().ok());
        let asked = asked.and_then(|own| own.parse().ok()).map(Duration::from_secs);
        let text = refusal_text(answer).await;
        match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            true => Outcome::Later(text, asked),
            false => Outcome::Refused(text),
        }
    }
}
