//! From drifted rows to what somebody is told, and back: a real Prometheus, a real Alertmanager,
//! and a receiver of its webhooks.

use crate::support::daemon::{Daemon, PATIENCE, config};
use crate::support::prometheus::Prometheus;
use crate::support::repository;
use crate::support::table::{floats, write};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

const FEATURES: usize = 20;

/// Takes webhooks, and keeps their bodies.
#[derive(Clone)]
struct Receiver {
    address: String,
    messages: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let receiver = Receiver { address, messages: Arc::default() };
        let messages = Arc::clone(&receiver.messages);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while stream.read_line(&mut line).unwrap_or(0) > 2 {
                    if let Some(own) = line.to_lowercase().strip_prefix("content-length:") {
                        length = own.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
                messages.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
        });
        receiver
    }

    /// Alerts of all messages from one on, as (name, status, feature).
    fn alerts(&self, from: usize) -> BTreeSet<(String, String, String)> {
        let messages = self.messages.lock().unwrap();
        let alerts = messages[from..].iter().flat_map(|m| m["alerts"].as_array().unwrap().clone());
        let told = alerts.map(|alert| {
            let label = |name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
            let status = alert["status"].as_str().unwrap().to_owned();
            (label("alertname"), status, label("feature"))
        });
        told.collect()
    }

    fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    fn wait_for(&self, from: usize, name: &str, status: &str, feature: &str) -> Value {
        let deadline = Instant::now() + 2 * PATIENCE;
        while Instant::now() < deadline {
            let messages = self.messages.lock().unwrap();
            let alerts = messages[from..].iter().flat_map(|m| m["alerts"].as_array().unwrap());
            let is_it = |alert: &&Value| {
                let labels = &alert["labels"];
                labels["alertname"] == name
                    && alert["status"] == status
                    && labels["feature"].as_str().unwrap_or_default() == feature
            };
            if let Some(found) = alerts.into_iter().find(is_it) {
                return found.clone();
            }
            drop(messages);
            sleep(Duration::from_millis(100));
        }
        panic!("{name} {feature} is not told to be {status}: {:?}", self.alerts(from));
    }
}

/// A real Alertmanager with the shipped configuration, which waits for less.
struct Alertmanager {
    child: Child,
    address: String,
}

impl Alertmanager {
    fn start(folder: &Path, receiver: &str) -> Alertmanager {
        let text = fs::read_to_string(repository("config/alertmanager.yml")).unwrap();
        let text = text
            .replace("127.0.0.1:9099", receiver)
            .replace("group_wait: 10s", "group_wait: 2s")
            .replace("group_interval: 1m", "group_interval: 2s");
        let file = folder.join("alertmanager.yml");
        fs::write(&file, text).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let program = ["prometheus-alertmanager", "alertmanager"].into_iter().find_map(|name| {
            let started = Command::new(name)
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
                .arg(format!("--web.listen-address={free}"))
                .arg("--cluster.listen-address=")
                .stderr(Stdio::null())
                .spawn();
            started.ok()
        });
        let child = program.expect("Alertmanager is needed (Debian: prometheus-alertmanager)");
        Alertmanager { child, address: free }
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// 1,500 rows of many features, of which some lie higher; no two files are the same.
fn rows(day: usize, is_moved: impl Fn(usize) -> bool) -> Vec<(String, arrow_array::ArrayRef)> {
    let column = |feature: usize| {
        let shift = day as f64 * 1e-3 + if is_moved(feature) { 900.0 } else { 0.0 };
        let values =
            (0..1_500).map(move |row| ((row + 37 * feature) * 7_919 % 1_500) as f64 + shift);
        (format!("feature {feature}"), floats(values))
    };
    (0..FEATURES).map(column).collect()
}

fn give(folder: &Path, day: usize, is_moved: impl Fn(usize) -> bool) {
    let columns = rows(day, is_moved);
    let columns = columns.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    write(&folder.join("written.tmp"), columns);
    fs::rename(folder.join("written.tmp"), folder.join(format!("logs/{day}.parquet"))).unwrap();
}

/// Drift is told with what moved, by how much and where to look; a restart in between says nothing;
/// rows that are as before resolve it; and drift of the whole model is one fact.
#[test]
fn an_alert_fires_and_resolves() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = config(
        folder.path(),
        "reconcile_interval = \"100ms\"\n[model.drift]\nvariation = \"none\"\n[export]\n\
         families = [\"drift\", \"quality\", \"moments\", \"reference\"]\n",
    );
    let text = fs::read_to_string(&config).unwrap();
    let server = format!("\"{free}\"\nexternal_url = \"https://drift.example.com/\"");
    fs::write(&config, text.replace("\"127.0.0.1:0\"", &server)).unwrap();
    let rules = folder.path().join("rules.yml");
    let shipped = fs::read_to_string(repository("config/alerts.yml")).unwrap();
    // A minute is for restarts that take longer.
    fs::write(&rules, shipped.replace("keep_firing_for: 1m", "keep_firing_for: 10s")).unwrap();
    let columns = rows(0, |_| false);
    let columns = columns.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    write(&folder.path().join("reference.parquet"), columns);
    give(folder.path(), 0, |_| false);
    let daemon = Daemon::start(&config);
    let receiver = Receiver::start();
    let alertmanager = Alertmanager::start(folder.path(), &receiver.address);
    let _prometheus =
        Prometheus::start_with(folder.path(), &free, &rules, Some(&alertmanager.address));

    give(folder.path(), 1, |feature| feature == 7);
    let alert = receiver.wait_for(0, "FeatureDrifted", "firing", "feature 7");
    let told = |name: &str| alert["annotations"][name].as_str().unwrap().to_owned();
    assert_eq!(
        told("summary"),
        "Feature feature 7 of model m has drifted: above range, higher, wider"
    );
    for part in ["over 1500 rows", "mean 1650", "in the reference 749.5", "psi ", "threshold 0.2"] {
        assert!(told("description").contains(part), "{part}: {}", told("description"));
    }
    assert_eq!(told("runbook_url"), "https://drift.example.com/runbooks/FeatureDrifted");
    let path = told("feature_url").replace("https://drift.example.com", "");
    assert_eq!(path, "/models/m/features/feature%207?window=batch&version=");
    assert_eq!(daemon.get(&path).0, 200);
    assert!(daemon.get("/runbooks/FeatureDrifted").1.starts_with("FeatureDrifted\n"));

    let before = receiver.count();
    daemon.stop();
    sleep(Duration::from_secs(3));
    let daemon = Daemon::start(&config);
    sleep(Duration::from_secs(8));
    let since = receiver.alerts(before);
    assert!(since.iter().all(|(_, status, _)| status == "firing"), "nothing flaps: {since:?}");

    give(folder.path(), 2, |_| false);
    receiver.wait_for(before, "FeatureDrifted", "resolved", "feature 7");

    let before = receiver.count();
    give(folder.path(), 3, |_| true);
    let alert = receiver.wait_for(before, "DriftedFeaturesShare", "firing", "");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert_eq!(summary, "100% of the judged features of model m have drifted");
    sleep(Duration::from_secs(6));
    let firing = receiver.alerts(before).into_iter().filter(|(_, status, _)| status == "firing");
    let names: BTreeSet<String> = firing.map(|(name, ..)| name).collect();
    assert!(!names.contains("FeatureDrifted"), "one fact, one message: {names:?}");
    if let Some(file) = std::env::var_os("DRIFTD_MESSAGES") {
        let messages = receiver.messages.lock().unwrap();
        fs::write(file, serde_json::to_string_pretty(&*messages).unwrap()).unwrap();
    }
    daemon.stop();
}

/// Every alert that can be asked about has a runbook, and every runbook an alert.
#[test]
fn every_alert_has_a_runbook() {
    let names = |file: &str, before: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(repository(file)).unwrap();
        let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(before));
        lines.map(str::to_owned).collect()
    };
    let alerts = names("config/alerts.yml", "- alert: ");
    assert_eq!(alerts, names("config/runbooks.md", "## "));
}
