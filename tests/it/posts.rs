//! Rows that are posted: whatever they come as they count as the same rows in a file do; and what
//! must not get through does not.

use crate::support::check_json;
use crate::support::daemon::{Daemon, PATIENCE, send_through_kills};
use crate::support::streamed::{self, ROWS, array, assert_same, bytes, csv, fixture, gzip};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATH: &str = "/api/v1/models/m/events";

/// A configuration whose one source is of type http with these keys, and windows of 600 rows.
fn prepare(folder: &Path, keys: &str) -> PathBuf {
    streamed::prepare(
        folder,
        &format!(
            "type = \"http\"
{keys}"
        ),
    )
}

/// Where its own listener is.
fn own_address(daemon: &Daemon) -> String {
    let url = daemon.stream_address.as_ref().unwrap();
    url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned()
}

fn post(daemon: &Daemon, head: &str, body: &[u8]) -> (u16, Value) {
    daemon.post(&daemon.address, PATH, head, body)
}

/// All figures of the last window but those of its rows' fate.
fn expect_as_the_file(daemon: &Daemon, told: &str) {
    let (_, file) = check_json(&fixture("reference.parquet"), &fixture("rows.parquet"));
    let (_, live) = daemon.get("/api/v1/report");
    assert_same(told, &serde_json::from_str(&live).unwrap(), &file);
}

#[test]
fn rows_count_as_in_a_file_whatever_they_come_as() {
    let text = |name: &str| format!("Content-Type: {name}\r\n");
    let packed = |name: &str| format!("Content-Encoding: {name}\r\n");
    let lines = bytes("rows.jsonl");
    let zstd = zstd::encode_all(lines.as_slice(), 3).unwrap();
    let bodies = [
        ("lines", text("application/x-ndjson"), lines.clone()),
        ("lines of a form", text("application/x-www-form-urlencoded"), lines.clone()),
        ("an array", text("application/json"), array()),
        ("gzip", packed("gzip"), gzip(&lines)),
        ("zstd", packed("zstd"), zstd),
        ("gzip without a word", String::new(), gzip(&lines)),
        ("Arrow", String::new(), bytes("plain.arrows")),
        ("Arrow with dictionaries", String::new(), bytes("dictionary.arrows")),
        ("Arrow in zstd", String::new(), bytes("zstd.arrows")),
        ("Parquet", String::new(), bytes("rows.parquet")),
        ("CSV", text("text/csv"), csv()),
    ];
    for keys in ["", "durable = true", "listen = \"127.0.0.1:0\""] {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Daemon::start(&prepare(folder.path(), keys));
        let is_own = keys.starts_with("listen");
        let address = if is_own { own_address(&daemon) } else { daemon.address.clone() };
        for (number, (told, head, body)) in bodies.iter().enumerate() {
            let answer = daemon.post(&address, PATH, head, body);
            assert_eq!(answer, (202, json!({"accepted": ROWS, "rejected": []})), "{told} {keys}");
            let windows = (number + 1) as f64;
            daemon.wait_for_sample(&["driftd_windows_closed_total", "\"ok\""], windows);
            expect_as_the_file(&daemon, &format!("{told} {keys}"));
        }
        daemon.stop();
    }
}

#[test]
fn whoever_posts_is_told_what_became_of_each_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(&prepare(folder.path(), "names = [\"number\", \"whole\"]"));
    let (status, answer) = post(&daemon, "", b"{\"instances\":[[1,2],[3],{\"number\":4},5]}");
    assert_eq!((status, &answer["accepted"]), (202, &json!(2)));
    let told: Vec<_> = answer["rejected"].as_array().unwrap().iter().collect();
    assert_eq!(
        (told[0]["row"].as_u64(), told[0]["reason"].as_str()),
        (Some(1), Some("wrong_shape"))
    );
    assert_eq!(told[1]["row"], 3);
    for (head, body, status, words) in [
        ("", &b"{\"number\":"[..], 400, "malformed"),
        ("", b"", 400, "the body is empty"),
        ("", b"hello", 415, "neither JSON"),
        ("Content-Encoding: br\r\n", b"{}", 415, "gzip and zstd"),
        ("Content-Encoding: gzip\r\n", b"{}", 400, "cannot be unpacked"),
        ("", b"PAR1 and nothing else PAR1", 400, "footer"),
        ("", b"\xff\xff\xff\xff\x00\x01\x00\x00", 400, "inside a message"),
    ] {
        let (own, answer) = post(&daemon, head, body);
        assert_eq!(own, status, "{answer}");
        assert!(answer.to_string().contains(words), "{answer}");
    }
    let (status, answer) = daemon.post(&daemon.address, "/api/v1/models/x/events", "", b"{}");
    assert_eq!(status, 404);
    assert!(answer["error"].as_str().unwrap().contains("/api/v1/models/m/events?source=logs"));
    // Rows that are none stand in the metrics by their reasons, and one of them in the log.
    daemon.wait_for_sample(&["driftd_source_rows_rejected_total", "wrong_shape"], 1.0);
    daemon.wait_for_sample(&["driftd_source_rows_rejected_total", "\"malformed\""], 6.0);
    daemon.wait_for("a line of the log", |d| {
        d.log().iter().any(|line| line.contains("lines were rejected") && line.contains("[3]"))
    });
    daemon.stop();
}

/// An event that is sent again counts once, with and without the disk, and over a restart with it.
#[test]
fn an_event_counts_once() {
    let event = b"{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\",\
        \"data\":{\"instances\":[{\"number\":1},{\"number\":2}]}}";
    let first = (202, json!({"accepted": 2, "rejected": []}));
    let again = (202, json!({"accepted": 0, "rejected": [], "duplicates": 1}));
    for keys in ["", "durable = true"] {
        let folder = tempfile::tempdir().unwrap();
        let path = prepare(folder.path(), keys);
        let mut daemon = Daemon::start(&path);
        assert_eq!(post(&daemon, "", event), first);
        assert_eq!(post(&daemon, "", event), again);
        assert_eq!(post(&daemon, "Idempotency-Key: k\r\n", b"{\"number\":3}").1["accepted"], 1);
        assert_eq!(post(&daemon, "Idempotency-Key: k\r\n", b"{\"number\":3}").1["accepted"], 0);
        daemon.wait_for_sample(&["driftd_source_rows_total"], 3.0);
        daemon.stop();
        let mut daemon = Daemon::start(&path);
        let expected = if keys.is_empty() { &first } else { &again };
        assert_eq!(post(&daemon, "", event), *expected, "{keys}");
        daemon.wait_for_sample(
            &["driftd_source_rows_total"],
            if keys.is_empty() { 5.0 } else { 3.0 },
        );
        daemon.stop();
    }
}

/// Nothing that was answered is lost or counted twice, whenever the process ends.
#[test]
fn kept_rows_survive_sigkill() {
    let kills = std::env::var("DRIFTD_POST_KILLS").map_or(4, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(folder.path(), "durable = true\ndedupe = \"1h\"");
    let next = |daemon: &Daemon, sent: u64| {
        let body = format!("{{\"number\":{}}}", sent % 100);
        let head = format!("Idempotency-Key: row {sent}\r\n");
        daemon.try_post(&daemon.address, PATH, &head, body.as_bytes())
    };
    let sent = send_through_kills(&path, kills, next);
    let mut daemon = Daemon::start(&path);
    assert_eq!(next(&daemon, sent).unwrap().0, 202);
    daemon.wait_for_sample(&["driftd_source_rows_total"], (sent + 1) as f64);
    eprintln!("{kills} kills, {sent} rows");
    daemon.stop();
}

/// Bodies that never end, are too large, unpack to too much, or nest too deep: each is answered,
/// memory stays bounded, and whoever scrapes is answered meanwhile.
#[test]
fn no_body_does_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(folder.path(), "body_max = \"8MB\"");
    let mut daemon = Daemon::start(&path);
    let before = daemon.resident();
    let head = |length: u64| {
        format!("POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: {length}\r\n\r\n")
    };
    // More of them than are read at a time, and more than connections are left for.
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&daemon.address).unwrap();
            stream.write_all(head(1_000).as_bytes()).unwrap();
            stream.write_all(b"{\"number\":").unwrap();
            stream
        })
        .collect();
    let begun = Instant::now();
    daemon.metrics();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let (status, answer) = post(&daemon, "", b"{}");
    assert_eq!((status, &answer["error"]), (503, &json!("no room for now")));
    drop(slow);
    // Nobody answers those who have gone.
    daemon.wait_for_sample(&["driftd_source_connections"], 0.0);
    daemon.wait_for("room", |d| post(d, "", b"{}").0 == 202);
    let refused = |body: &[u8], head: &str, status: u16| {
        let (own, answer) = post(&daemon, head, body);
        assert_eq!(own, status, "{answer}");
    };
    refused(&vec![b' '; (8 << 20) + 1], "", 413);
    // Ten gigabytes are refused when they are announced.
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head(10 << 30).as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // And when they are not.
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let chunked = format!("POST {PATH} HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(chunked.as_bytes()).unwrap();
    let part = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    let sent = (0..64).take_while(|_| stream.write_all(&part).is_ok()).count();
    assert!(sent < 64, "{sent} MB were taken");
    let bomb = gzip(&vec![b' '; 128 << 20]);
    refused(&bomb, "Content-Encoding: gzip\r\n", 413);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(1_000_000), close.repeat(1_000_000));
        refused(deep.as_bytes(), "", 400);
        refused(format!("{{\"instances\":{deep}}}").as_bytes(), "", 400);
        refused(format!("{{\"inputs\":{deep}}}").as_bytes(), "", 400);
    }
    // Names are written for each row.
    let rows = "[],".repeat(2_000_000);
    refused(format!("{{\"instances\":[{}[]]}}", &rows).as_bytes(), "", 400);
    let peak = daemon.resident_peak();
    assert!(peak < before + 400, "{before} MiB before, {peak} at most");
    daemon.wait_for_sample(&["driftd_source_errors_total", "\"full\""], {
        daemon.sample(&["driftd_source_errors_total", "\"full\""]).unwrap().max(1.0)
    });
    daemon.stop();
}

/// Where users are named, posting is a role of its own.
#[test]
fn who_may_write_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(folder.path(), "");
    let text = std::fs::read_to_string(&path).unwrap();
    let roles = "[server]\n[server.roles]\nwrite = [\"logger\"]\n";
    let listen = text.lines().find(|line| line.starts_with("listen")).unwrap().to_owned();
    let roles = roles.replace("[server.roles]", &format!("{listen}\n[server.roles]"));
    std::fs::write(&path, text.replace(&format!("[server]\n{listen}\n"), &roles)).unwrap();
    // Both have the password "secret".
    let hash = bcrypt::hash("secret", 4).unwrap();
    let web = folder.path().join("web.yml");
    let users = format!("basic_auth_users:\n  logger: {hash}\n  reader: {hash}\n");
    std::fs::write(&web, users).unwrap();
    let daemon = Daemon::guarded(&path, &web);
    let as_user = |name: &str| {
        use base64::Engine;
        let own = base64::prelude::BASE64_STANDARD.encode(format!("{name}:secret"));
        post(&daemon, &format!("Authorization: Basic {own}\r\n"), b"{\"number\":1}").0
    };
    assert_eq!((as_user("logger"), as_user("reader"), as_user("nobody")), (202, 403, 401));
    daemon.stop();
}

/// Another configuration of a source is in force after a reload, and no row is lost on the way.
#[test]
fn a_reload_loses_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = prepare(folder.path(), "names = [\"number\"]");
    let mut daemon = Daemon::start(&path);
    let body = b"{\"instances\":[[1]]}";
    assert_eq!(post(&daemon, "", body).0, 202);
    let mut posted = 1;
    for keys in ["names = [\"whole\"]\ndurable = true", "names = [\"whole\"]", "durable = true"] {
        let text = std::fs::read_to_string(&path).unwrap();
        let begin = text.find("type = \"http\"\n").unwrap() + "type = \"http\"\n".len();
        let end = begin + text[begin..].find("\n\n").unwrap();
        std::fs::write(&path, format!("{}{keys}{}", &text[..begin], &text[end..])).unwrap();
        let before = daemon.log().len();
        daemon.signal("HUP");
        // While the model is exchanged rows are taken.
        while !daemon.log()[before..].iter().any(|line| line.contains("reloaded")) {
            assert_eq!(post(&daemon, "", b"{\"whole\":1}").0, 202);
            posted += 1;
        }
    }
    let (status, _) = post(&daemon, "", body);
    assert_eq!(status, 400, "there are no names any more");
    daemon.wait_for_sample(&["driftd_source_rows_total"], f64::from(posted + 1));
    daemon.stop();
}
