//! A daemon in a process of its own, on a port of its own.

use super::driftd;
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    pub address: String,
    /// Of the tcp source, if it has one.
    pub stream_address: Option<String>,
    log: Receiver<String>,
    pub seen: Vec<String>,
}

impl Daemon {
    /// Starts and waits until it is ready.
    pub fn start(config: &Path) -> Daemon {
        let mut daemon = Daemon::spawn(config);
        daemon.wait_for("ready", |d| d.get("/-/ready").0 == 200);
        daemon.log();
        daemon
    }

    /// Starts where no file can grow beyond so many blocks of 512 bytes, as on a full disk.
    pub fn limited(config: &Path, blocks: u32) -> Daemon {
        let mut command = Command::new("sh");
        // The limit's signal would end the process; without it writing fails.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_driftd")]);
        Daemon::spawn_as(command, config)
    }

    /// Starts and waits until it listens.
    pub fn spawn(config: &Path) -> Daemon {
        Daemon::spawn_as(driftd(), config)
    }

    /// Starts one that listens on this address and logs to there, where nobody reads it.
    pub fn unread(config: &Path, address: &str, log: Stdio) -> Daemon {
        let mut command = driftd();
        command.env("RUST_LOG", "debug").args(["run", "--config"]).arg(config).stderr(log);
        let (child, address) = (command.spawn().unwrap(), address.to_owned());
        let (log, seen) = (channel().1, Vec::new());
        let mut daemon = Daemon { child, address, stream_address: None, log, seen };
        daemon.wait_for("ready", |d| {
            TcpStream::connect(&d.address).is_ok() && d.get("/-/ready").0 == 200
        });
        daemon
    }

    /// Starts one that is guarded by a web configuration, and waits until it listens.
    pub fn guarded(config: &Path, web_config: &Path) -> Daemon {
        let more = ["--web.config.file", web_config.to_str().unwrap()];
        let started = Daemon::try_spawn_with(driftd(), config, &more);
        started.unwrap_or_else(|log| panic!("no listener: {log:?}"))
    }

    /// Starts with what comes before its arguments.
    pub fn spawn_as(command: Command, config: &Path) -> Daemon {
        Daemon::try_spawn(command, config).unwrap_or_else(|log| panic!("no listener: {log:?}"))
    }

    /// The same; its log where it ends before it listens.
    pub fn try_spawn(command: Command, config: &Path) -> Result<Daemon, Vec<String>> {
        Daemon::try_spawn_with(command, config, &[])
    }

    /// The same, with more arguments.
    pub fn try_spawn_with(
        mut command: Command,
        config: &Path,
        more: &[&str],
    ) -> Result<Daemon, Vec<String>> {
        let mut child = command
            .args(["run", "--log-format", "json", "--config"])
            .arg(config)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line).ok())
        });
        let mut daemon =
            Daemon { child, address: String::new(), stream_address: None, log, seen: Vec::new() };
        let deadline = Instant::now() + PATIENCE;
        while daemon.address.is_empty() {
            match daemon.log.recv_timeout(deadline - Instant::now()) {
                Ok(line) => daemon.note(line),
                Err(_) => return Err(std::mem::take(&mut daemon.seen)),
            }
        }
        Ok(daemon)
    }

    fn note(&mut self, line: String) {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let address = || event["address"].as_str().unwrap().to_owned();
        match event["message"].as_str() {
            Some("listening") => self.address = address(),
            Some("taking rows") => self.stream_address = Some(address()),
            _ => {}
        }
        self.seen.push(line);
    }

    /// All log lines so far.
    pub fn log(&mut self) -> &[String] {
        while let Ok(line) = self.log.try_recv() {
            self.note(line);
        }
        &self.seen
    }

    /// Nobody reads its log any more: the pipe is closed with the next line.
    pub fn close_log(&mut self) {
        self.log = channel().1;
    }

    /// Status, headers and body of a request with more headers.
    pub fn get_with(&self, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: driftd\r\n{headers}\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|own| own == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end + 4..].to_vec())
    }

    /// Status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path)
    }

    pub fn request(&self, method: &str, path: &str) -> (u16, String) {
        self.try_request(method, path).unwrap()
    }

    /// Status and answer of rows that are posted, with more lines of the head.
    pub fn post(&self, address: &str, path: &str, head: &str, body: &[u8]) -> (u16, Value) {
        self.try_post(address, path, head, body).unwrap()
    }

    /// The same, of one that may end before it answers.
    pub fn try_post(
        &self,
        address: &str,
        path: &str,
        head: &str,
        body: &[u8],
    ) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: driftd\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{head}\r\n"
        )?;
        // It may be refused before all is sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
        Ok((head[9..12].parse().unwrap(), body))
    }

    /// The same, of one that may end before it answers.
    pub fn try_request(&self, method: &str, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: driftd\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        assert!(!head.contains("chunked"), "a page has a length");
        Ok((head[9..12].parse().unwrap(), body.to_owned()))
    }

    pub fn metrics(&self) -> String {
        let (status, page) = self.get("/metrics");
        assert_eq!(status, 200);
        page
    }

    /// The value of the series that is named by the first of `parts` and contains all others.
    pub fn sample(&self, parts: &[&str]) -> Option<f64> {
        sample(&self.metrics(), parts)
    }

    /// Waits until `condition` holds; how long it took.
    pub fn wait_for(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Daemon) -> bool,
    ) -> Duration {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "waited for {what}; log: {:#?}", self.log());
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}; log: {:#?}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        start.elapsed()
    }

    pub fn wait_for_sample(&mut self, parts: &[&str], value: f64) -> Duration {
        self.wait_for(&format!("{parts:?} = {value}"), |d| d.sample(parts) == Some(value))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        send_signal(self.id(), name);
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(self) {
        self.signal("TERM");
        let (code, log) = self.end();
        assert_eq!(code, Some(0), "{log:#?}");
    }

    /// Waits until it has ended; its status, and the log.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        let status = self.child.wait().unwrap();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            self.note(line);
        }
        (status.code(), std::mem::take(&mut self.seen))
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS")
    }

    /// The most that it ever was.
    pub fn resident_peak(&self) -> u64 {
        self.memory("VmHWM")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ended already, or the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn sample(page: &str, parts: &[&str]) -> Option<f64> {
    let mut lines = page
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(parts[0]))
        .filter(|line| parts.iter().all(|part| line.contains(part)));
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{parts:?} is one series");
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Sends a process a signal by its name.
pub fn send_signal(id: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &id.to_string()]).status();
    assert!(status.unwrap().success());
}

/// Sends one after the other to a daemon that is killed again and again at some moment; what was
/// not answered is sent again. How many were answered.
pub fn send_through_kills(
    config: &Path,
    kills: u64,
    send: impl Fn(&Daemon, u64) -> std::io::Result<(u16, Value)>,
) -> u64 {
    let mut sent = 0;
    for kill in 0..kills {
        let daemon = Daemon::start(config);
        std::thread::scope(|scope| {
            let id = daemon.id();
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20 + kill * 37 % 400));
                send_signal(id, "KILL");
            });
            while let Ok((status, answer)) = send(&daemon, sent) {
                assert_eq!(status, 202, "{answer}");
                sent += 1;
            }
        });
    }
    sent
}

/// A configuration of one model that watches `logs` beside it, with more sections after it.
pub fn config(folder: &Path, more: &str) -> std::path::PathBuf {
    std::fs::create_dir_all(folder.join("logs")).unwrap();
    let path = folder.join("driftd.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[state]\npath = \"driftd.db\"\n\
         [[model]]\nname = \"m\"\n[model.reference]\npath = \"reference.parquet\"\n\
         [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"logs\"\n{more}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}
