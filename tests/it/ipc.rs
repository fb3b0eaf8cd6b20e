//! Arrow IPC streams over sockets: what pyarrow writes counts as the same rows in a file do, and a
//! stream that is broken ends its connection and nothing else.

use crate::support::daemon::{Daemon, config};
use crate::support::streamed::{ROWS, assert_same, bytes, fixture, prepare};
use crate::support::table::{floats, write};
use crate::support::{check_json, features};
use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A daemon whose one source is this, with windows of 600 rows.
fn start(folder: &Path, source: &str) -> Daemon {
    Daemon::start(&prepare(folder, source))
}

const TCP: &str = "type = \"tcp\"\nlisten = \"127.0.0.1:0\"";
const UNIX: &str = "type = \"unix\"\npath = \"rows.sock\"";

fn connect(daemon: &Daemon) -> TcpStream {
    TcpStream::connect(daemon.stream_address.as_ref().unwrap()).unwrap()
}

/// All figures of the last window but those of its rows' fate.
fn expect_as_the_file(daemon: &Daemon, told: &str) {
    let (_, file) = check_json(&fixture("reference.parquet"), &fixture("rows.parquet"));
    let (_, live) = daemon.get("/api/v1/report");
    assert_same(told, &serde_json::from_str(&live).unwrap(), &file);
}

/// Every stream that pyarrow writes, and the same as lines, over both kinds of socket.
#[test]
fn a_stream_counts_as_the_same_rows_in_a_file() {
    let names = ["plain.arrows", "lz4.arrows", "zstd.arrows", "dictionary.arrows", "rows.jsonl"];
    for (source, kind) in [(TCP, "tcp"), (UNIX, "unix")] {
        for name in names {
            let folder = tempfile::tempdir().unwrap();
            let mut daemon = start(folder.path(), source);
            let sent = bytes(name);
            match kind {
                "tcp" => connect(&daemon).write_all(&sent).unwrap(),
                _ => {
                    let socket = folder.path().join("rows.sock");
                    UnixStream::connect(socket).unwrap().write_all(&sent).unwrap();
                }
            }
            daemon.wait_for_sample(&["driftd_window_rows"], f64::from(ROWS));
            expect_as_the_file(&daemon, &format!("{name} over {kind}"));
            let page = daemon.metrics();
            let all =
                |line: &str| line.contains("driftd_source_bytes_total") && !line.starts_with('#');
            let taken = page.lines().find(|line| all(line)).unwrap();
            assert!(taken.ends_with(&format!(" {}", sent.len())), "{name}: {taken}");
            daemon.stop();
        }
    }
}

/// However the bytes arrive, and beside connections that send lines.
#[test]
fn bytes_may_come_one_by_one_and_beside_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), TCP);
    let mut stream = connect(&daemon);
    stream.set_nodelay(true).unwrap();
    let mut lines = connect(&daemon);
    lines.write_all(b"{\"whole\": 1}\n").unwrap();
    for piece in bytes("dictionary.arrows").chunks(97) {
        stream.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    // Another stream on the same connection, as a writer that is opened again sends it.
    stream.write_all(&bytes("plain.arrows")).unwrap();
    drop((stream, lines));
    daemon.wait_for_sample(&["driftd_source_rows_total"], f64::from(2 * ROWS + 1));
    daemon.wait_for_sample(&["driftd_source_connections"], 0.0);
    daemon.stop();
}

/// A stream that cannot be read on: it is counted and told of, its connection ends, and what came
/// before it counts.
#[test]
fn a_broken_stream_ends_its_connection_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), TCP);
    let mut other = connect(&daemon);
    let whole = bytes("plain.arrows");
    let marker = [0xff_u8; 4];
    let too_long = [&marker[..], &0x7fff_ffff_u32.to_le_bytes()].concat();
    let no_message = [&marker[..], &16_u32.to_le_bytes(), &[7; 16]].concat();
    // Twice a schema: the second stream begins before the first has ended.
    let end = whole.len() - 8;
    let second_schema = [&whole[..end], &whole[..]].concat();
    let mut unpacked = bytes("zstd.arrows");
    // Each compressed buffer begins with its length; that of 200 doubles is 1,600.
    let said = 1_600_i64.to_le_bytes();
    let at = unpacked.windows(8).position(|own| own == said).unwrap();
    unpacked[at..at + 8].copy_from_slice(&(1_i64 << 40).to_le_bytes());
    let cases = [
        (too_long, 0, "no message of Arrow IPC"),
        (no_message, 0, "no message of Arrow IPC"),
        (second_schema, ROWS, "a second schema"),
        (unpacked, 0, "when unpacked"),
        (whole[..whole.len() - 3_000].to_vec(), ROWS - 200, "it ends inside a message"),
    ];
    let mut rows = 0;
    for (number, (sent, counted, told)) in cases.into_iter().enumerate() {
        let mut stream = connect(&daemon);
        // It may be closed before all is sent.
        let _ = stream.write_all(&sent);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "nothing is answered");
        rows += counted;
        let broken = (number + 1) as f64;
        daemon.wait_for_sample(&["driftd_source_rows_rejected_total", "broken_stream"], broken);
        // The rejected stand among the rows.
        daemon.wait_for_sample(&["driftd_source_rows_total"], f64::from(rows) + broken);
        if number == 0 {
            assert!(daemon.log().iter().any(|line| line.contains(told)), "{told}");
        }
    }
    other.write_all(b"{\"whole\": 1}\n").unwrap();
    daemon.wait_for_sample(&["driftd_source_rows_total"], f64::from(rows) + 6.0);
    daemon.stop();
}

/// Columns that are no feature are counted as keys of lines are, and missing ones are absent.
#[test]
fn columns_of_a_stream_are_told_as_keys_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "[model.columns]\nlabel = \"flag\"\n");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("type = \"directory\"\npath = \"logs\"", TCP)).unwrap();
    let column = || floats((0..1_000).map(f64::from));
    let reference = vec![("number", column()), ("other", column()), ("flag", column())];
    write(&folder.path().join("reference.parquet"), reference);
    let mut daemon = Daemon::start(&path);
    connect(&daemon).write_all(&bytes("plain.arrows")).unwrap();
    daemon.wait_for_sample(&["driftd_source_rows_total"], f64::from(ROWS));
    // `whole`, `city` and `at`, in every row; `flag` is left out on purpose.
    daemon.wait_for_sample(&["driftd_source_unknown_keys_total"], f64::from(3 * ROWS));
    daemon.stop();
}

/// A stream comes after the token where one is asked for.
#[test]
fn a_stream_follows_its_token() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokens"), "secret\n").unwrap();
    let mut daemon = start(folder.path(), &format!("{TCP}\ntoken_file = \"tokens\""));
    let mut refused = connect(&daemon);
    let _ = refused.write_all(&bytes("plain.arrows"));
    let mut stream = connect(&daemon);
    stream.write_all(b"{\"token\": \"secret\"}\n").unwrap();
    stream.write_all(&bytes("zstd.arrows")).unwrap();
    drop((stream, refused));
    daemon.wait_for_sample(&["driftd_window_rows"], f64::from(ROWS));
    daemon.wait_for_sample(&["driftd_source_rows_total"], f64::from(ROWS));
    daemon.stop();
}

/// A dictionary that takes another's place from batch to batch, with more values in all than its
/// keys can tell apart.
#[test]
fn dictionaries_may_change_with_every_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(folder.path(), TCP);
    let batch = |number: usize| {
        let values = (0..100).map(|at| format!("city {number} {at}"));
        let values: DictionaryArray<Int8Type> =
            values.collect::<Vec<_>>().iter().map(|s| &**s).collect();
        RecordBatch::try_from_iter([("city", Arc::new(values) as ArrayRef)]).unwrap()
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
    (0..6).for_each(|number| writer.write(&batch(number)).unwrap());
    connect(&daemon).write_all(&writer.into_inner().unwrap()).unwrap();
    daemon.wait_for_sample(&["driftd_window_rows"], f64::from(ROWS));
    let (_, report) = daemon.get("/api/v1/report");
    let report: Value = serde_json::from_str(&report).unwrap();
    let features = features(&report);
    let (_, city) = features.iter().find(|(name, _)| name == "city").unwrap();
    assert_eq!((&city["rows"], &city["missing_ratio"]), (&json!(600), &json!(0.0)), "{city}");
    daemon.stop();
}
