//! A real socket file, from the settings to the rows.

use super::*;
use crate::feature::Kind;
use crate::format::ndjson::LineFeature;
use crate::monitor::table::rows;
use crate::net::stop::Stop;
use crate::settings::Setting;
use crate::source::{Poll, Rows};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn settings(path: &Path) -> Settings {
    let path = ("path", Setting::Path(path.to_owned()));
    Settings::complete(Unix.keys(), [path]).unwrap()
}

fn bind(path: &Path, listeners: &Listeners) -> Result<Box<dyn BoundSource>> {
    Unix.bind(&settings(path), listeners)
}

fn context(stop: &Stop) -> SourceContext {
    let feature = LineFeature { name: "x".to_owned(), kind: Kind::Numeric, declared: false };
    SourceContext {
        name: "lines".to_owned(),
        features: Arc::new([feature]),
        telemetry: Arc::default(),
        paths: Vec::new(),
        positions: BTreeMap::new(),
        wake: Arc::default(),
        stop: stop.clone(),
    }
}

/// Rows and rejected lines until the source ends.
async fn drain(mut source: Box<dyn Source>) -> (u64, u64) {
    let (mut n_rows, mut rejected) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < deadline, "{n_rows} rows and {rejected} rejected so far");
        match source.poll(Timestamp(1)) {
            Poll::Ready(delivery) => {
                rejected += delivery.rejected.sum();
                if let Rows::Batch { table, .. } = delivery.rows {
                    n_rows += rows(&*table);
                }
            }
            Poll::Ended => return (n_rows, rejected),
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let (listeners, stop) = (Listeners::default(), Stop::default());
    let bound = bind(&path, &listeners).unwrap();
    assert_eq!(bound.address().as_deref(), path.to_str());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let source = bound.start(context(&stop)).unwrap();
    let mut sender = UnixStream::connect(&path).unwrap();
    for row in 0..20_000 {
        writeln!(sender, "{{\"x\": {row}}}").unwrap();
    }
    sender.write_all(b"no row\n{\"x\": 1}").unwrap();
    drop(sender);
    let drained = tokio::spawn(drain(source));
    // A moment for the connection to be read, and then the end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.trigger();
    assert_eq!(drained.await.unwrap(), (20_001, 1));
    assert!(path.exists(), "it is kept for the model that is started next");
    drop(listeners);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced_and_what_is_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let fault = |path: &Path| bind(path, &Listeners::default()).err().unwrap().to_string();
    // A process that was killed leaves its file.
    drop(UnixListener::bind(&path).unwrap());
    let listeners = Listeners::default();
    bind(&path, &listeners).unwrap();
    UnixStream::connect(&path).unwrap();
    assert!(fault(&path).contains("another process listens on it"), "{}", fault(&path));
    assert!(path.exists());
    let file = folder.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    assert!(fault(&file).contains("no socket"), "{}", fault(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let nowhere = folder.path().join("nowhere/rows.sock");
    assert!(fault(&nowhere).contains("nowhere"), "{}", fault(&nowhere));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}
