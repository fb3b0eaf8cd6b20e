//! A real Prometheus beside a daemon.

use super::daemon::PATIENCE;
use super::repository;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A real Prometheus with the shipped configuration, scraping every second.
pub struct Prometheus {
    child: Child,
    pub address: String,
}

impl Prometheus {
    pub fn start(folder: &Path, target: &str) -> Prometheus {
        Prometheus::start_with(folder, target, &repository("config/alerts.yml"), None)
    }

    /// Of several daemons, with an experimental feature where one is named.
    pub fn of_fleet(folder: &Path, targets: &[&str], feature: Option<&str>) -> Prometheus {
        let feature = feature.map(|name| format!("--enable-feature={name}"));
        let (rules, targets) = (repository("config/alerts.yml"), targets.join("\", \""));
        Prometheus::spawn(folder, &targets, &rules, None, feature.as_deref())
    }

    /// With these rules, and an Alertmanager that is told of alerts.
    pub fn start_with(
        folder: &Path,
        target: &str,
        rules: &Path,
        alertmanager: Option<&str>,
    ) -> Prometheus {
        Prometheus::spawn(folder, target, rules, alertmanager, None)
    }

    /// One that is written to, and scrapes nobody.
    pub fn receiving(program: &str, folder: &Path) -> Prometheus {
        std::fs::write(folder.join("prometheus.yml"), "global: {}\n").unwrap();
        Prometheus::launch(program, folder, Some("--web.enable-remote-write-receiver"))
    }

    fn spawn(
        folder: &Path,
        target: &str,
        rules: &Path,
        alertmanager: Option<&str>,
        flag: Option<&str>,
    ) -> Prometheus {
        let text = std::fs::read_to_string(repository("config/prometheus.yml")).unwrap();
        let mut text = text
            .replace("127.0.0.1:9797", target)
            .replace("interval: 5s", "interval: 1s")
            .replace("alerts.yml", rules.to_str().unwrap());
        if let Some(address) = alertmanager {
            text += "alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [\"";
            text += &format!("{address}\"]\n");
        }
        std::fs::write(folder.join("prometheus.yml"), text).unwrap();
        Prometheus::launch("prometheus", folder, flag)
    }

    fn launch(program: &str, folder: &Path, flag: Option<&str>) -> Prometheus {
        // Freed at once, and unlikely to be given to another so soon.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = Command::new(program)
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg(format!("--web.listen-address={free}"))
            // What is backfilled here is older than the default keeps.
            .arg("--storage.tsdb.retention.time=100y")
            .args(flag)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus is needed (Debian: prometheus): {error}"));
        Prometheus { child, address: free }
    }

    pub fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Polls until `read` finds what it looks for.
    pub fn wait_for<T>(&self, what: &str, path: &str, read: impl Fn(&Value) -> Option<T>) -> T {
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            let answer = self.get(path);
            if let Some(found) = answer.as_ref().and_then(&read) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited for {what}; last: {answer:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
