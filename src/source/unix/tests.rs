//! A real socket file, from the settings to the rows.

use super::*;
use crate::feature::Kind;
use crate::format::line_schema::{LineFeature, LineSchema};
use crate::monitor::table::rows;
use crate::net::stop::Stop;
use crate::schema::columns::ColumnsConfig;
use crate::settings::Setting;
use crate::source::{Poll, Rows, Source, SourceContext};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn settings(path: &Path) -> Settings {
    let path = ("path", Setting::Path(path.to_owned()));
    Settings::complete(Unix.keys(), [path]).unwrap()
}

fn bind(path: &Path, shared: &SharedByAll) -> Result<Box<dyn BoundSource>> {
    Unix.bind(&settings(path), &SourceOwner::default(), shared)
}

fn context(stop: &Stop) -> SourceContext {
    let feature = LineFeature { name: "x".to_owned(), kind: Kind::Numeric, declared: false };
    SourceContext {
        name: "lines".to_owned(),
        schema: Arc::new(LineSchema::new(vec![feature], ColumnsConfig::default())),
        telemetry: Arc::default(),
        paths: Vec::new(),
        positions: BTreeMap::new(),
        on_read: Arc::new(|| ()),
        wake: Arc::default(),
        stop: stop.clone(),
    }
}

/// Rows and rejected lines until the source ends, or until there are so many rows.
async fn drain(source: &mut Box<dyn Source>, until: u64) -> (u64, u64) {
    let (mut n_rows, mut rejected) = (0, 0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while n_rows < until {
        assert!(Instant::now() < deadline, "{n_rows} rows and {rejected} rejected so far");
        match source.poll(Timestamp(1)) {
            Poll::Ready(delivery) => {
                rejected += delivery.rejected.sum();
                if let Rows::Batch { table, .. } = delivery.rows {
                    n_rows += rows(&*table);
                }
            }
            Poll::Ended => break,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    (n_rows, rejected)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_delivered_whoever_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let shared = SharedByAll::default();
    let bound = bind(&path, &shared).unwrap();
    assert_eq!(bound.address().as_deref(), path.to_str());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    let stop = Stop::default();
    let mut source = bound.start(context(&stop)).unwrap();
    // One that goes on sending while its model is exchanged.
    let mut stays = UnixStream::connect(&path).unwrap();
    stays.write_all(b"{\"x\": 0}\n{\"x\": ").unwrap();
    assert_eq!(drain(&mut source, 1).await, (1, 0));
    stop.trigger();
    assert_eq!(drain(&mut source, u64::MAX).await, (0, 0), "only this model is to stop");
    // Others come, send and go while nobody takes anything.
    let text = "{\"x\": 1}\n".repeat(20_000) + "no row\n{\"x\": 1}";
    let senders: Vec<_> = (0..3)
        .map(|_| {
            let (path, text) = (path.clone(), text.clone());
            std::thread::spawn(move || {
                UnixStream::connect(&path).unwrap().write_all(text.as_bytes()).unwrap();
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    stays.write_all(b"2}\n").unwrap();
    let mut source = bind(&path, &shared).unwrap().start(context(&Stop::default())).unwrap();
    // Some of it is still on its way; the end waits for that, and for who has gone silent.
    shared.listeners.retain(|_| false, Instant::now() + Duration::from_secs(30));
    assert_eq!(drain(&mut source, u64::MAX).await, (60_004, 3));
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_is_cut_off_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let shared = SharedByAll::default();
    let context = context(&Stop::default());
    let telemetry = Arc::clone(&context.telemetry);
    let mut source = bind(&path, &shared).unwrap().start(context).unwrap();
    let mut half = UnixStream::connect(&path).unwrap();
    half.write_all(b"{\"x\": 0}\n{\"x\": ").unwrap();
    let begun = Instant::now();
    shared.listeners.retain(|_| false, begun + Duration::from_millis(1_500));
    assert_eq!(drain(&mut source, u64::MAX).await, (1, 0));
    assert!(begun.elapsed() >= Duration::from_millis(1_500), "{:?}", begun.elapsed());
    let errors = telemetry.take_errors();
    assert_eq!(errors, [(crate::telemetry::ErrorReason::CutOff, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_whose_file_is_gone_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let shared = SharedByAll::default();
    bind(&path, &shared).unwrap();
    fs::remove_file(&path).unwrap();
    let mut source = bind(&path, &shared).unwrap().start(context(&Stop::default())).unwrap();
    UnixStream::connect(&path).unwrap().write_all(b"{\"x\": 1}\n").unwrap();
    assert_eq!(drain(&mut source, 1).await, (1, 0));
    // The file of another is left alone.
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    shared.listeners.retain(|_| false, Instant::now() + Duration::from_secs(5));
    assert_eq!(drain(&mut source, u64::MAX).await, (0, 0));
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_model_takes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let shared = SharedByAll::default();
    let bound = bind(&path, &shared).unwrap();
    let text = "{\"x\": 1}\n".repeat(1_000) + "{";
    UnixStream::connect(&path).unwrap().write_all(text.as_bytes()).unwrap();
    drop(bound);
    shared.listeners.retain(|_| false, Instant::now() + Duration::from_secs(5));
    while shared.listeners.are_closing() {
        for (owner, left) in shared.listeners.take_abandoned() {
            assert_eq!((owner, left.lines), (SourceOwner::default(), 1_001));
            assert_eq!(left.bytes, text.len() as u64);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_socket_is_replaced_and_what_is_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let fault = |path: &Path| bind(path, &SharedByAll::default()).err().unwrap().to_string();
    // A process that was killed leaves its file.
    drop(UnixListener::bind(&path).unwrap());
    let shared = SharedByAll::default();
    bind(&path, &shared).unwrap();
    UnixStream::connect(&path).unwrap();
    assert!(fault(&path).contains("it is listened on"), "{}", fault(&path));
    assert!(path.exists());
    let file = folder.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    assert!(fault(&file).contains("no socket"), "{}", fault(&file));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let nowhere = folder.path().join("nowhere/rows.sock");
    assert!(fault(&nowhere).contains("nowhere"), "{}", fault(&nowhere));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}
