//! Models that panic, fail late, or never get their reference, under a real supervisor.

use super::*;
use crate::config::load;
use crate::daemon::LOADERS;
use crate::daemon::clock::SystemClock;
use crate::daemon::loaded_reference::ReferenceLoader;
use crate::export::live::Live;
use crate::net::stop::Stop;
use crate::source::{BoundSource, DeliveryId, Fate, Poll, Source, SourceContext};
use crate::time::Timestamp;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;

const LOGS: &str = "type = \"directory\"\npath = \"logs\"\nreconcile_interval = \"100ms\"\n";

/// A folder with a reference, and a configuration of one model with this source.
fn folder(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let employment = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/employment");
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let reference = employment.join("reference.parquet");
    std::fs::copy(reference, folder.path().join("reference.parquet")).unwrap();
    let text = format!(
        "[server]\nstop_timeout = \"2s\"\n[[model]]\nname = \"m\"\n\
         [model.reference]\npath = \"reference.parquet\"\n\
         [[model.source]]\nname = \"s\"\n{source}"
    );
    std::fs::write(folder.path().join("driftd.toml"), text).unwrap();
    folder
}

/// The same with a socket as the source, and its address.
fn folder_with_socket() -> (tempfile::TempDir, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    (folder(&format!("type = \"tcp\"\nlisten = \"{address}\"\n")), address)
}

/// Connects, sends so many rows, and closes.
fn send(address: SocketAddr, rows: usize) {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all("{}\n".repeat(rows).as_bytes()).unwrap();
}

/// The supervisor of a folder's configuration, and its models.
fn supervisor(folder: &Path) -> (Supervisor, Vec<Model>) {
    let file = folder.join("driftd.toml");
    let config = load(&file).map_err(|faults| faults.to_string()).unwrap();
    let store = Arc::new(Store::open(&config.state).unwrap());
    let shared = Shared::new(Arc::new(SystemClock::new()), Stop::default());
    let (live, published) = (LiveModels::default(), Arc::clone(&shared.published));
    let (models, process) = (live.clone(), Arc::clone(&shared.process));
    let shown = Live { models, published, process, external_url: None };
    let pages = Arc::new(Pages::new(shown, config.export.clone()));
    let sources = Arc::<SharedByAll>::default();
    let models = config.models.clone();
    let watched = Arc::default();
    let parts = Parts { store, sources, shared, pages, live, watched };
    let supervisor = Supervisor::new(&config, file, parts);
    (supervisor, models)
}

fn label() -> ModelLabel {
    ("m".to_owned(), String::new())
}

/// Supervises until `is_met`, then stops. What the stop came to.
async fn supervise_until(
    mut supervisor: Supervisor,
    mut is_met: impl FnMut() -> bool,
) -> Result<()> {
    let stop = supervisor.shared.stop.clone();
    let supervised = tokio::spawn(async move {
        let (_reload, reloads) = mpsc::channel(1);
        supervisor.supervise("127.0.0.1:1".parse().unwrap(), reloads).await.unwrap();
        supervisor.end().await
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_met() {
        assert!(Instant::now() < deadline, "it did not come to that");
        assert!(!supervised.is_finished(), "the daemon ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.trigger();
    supervised.await.unwrap()
}

/// Waits until the model was started again so often and is ready.
async fn recovers(supervisor: Supervisor, restarts: u64) {
    let telemetry = Arc::clone(&supervisor.telemetry[&label()]);
    let readiness = Arc::clone(&supervisor.shared.readiness);
    let is_met = || telemetry.restarts.get() == restarts && readiness.is_reached();
    supervise_until(supervisor, is_met).await.unwrap();
    assert_eq!(telemetry.up.get(), 1);
}

/// A source that does this when it is polled.
struct Faulty(fn() -> Poll);

impl BoundSource for Faulty {
    fn address(&self) -> Option<String> {
        None
    }

    fn start(self: Box<Self>, _context: SourceContext) -> Result<Box<dyn Source>> {
        Ok(self)
    }
}

impl Source for Faulty {
    fn poll(&mut self, _now: Timestamp) -> Poll {
        (self.0)()
    }

    fn settled(&mut self, _id: DeliveryId, _fate: Fate) {}

    fn is_behind(&self, _now: Timestamp) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn update_gauges(&mut self, _now: Timestamp) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_panics_is_started_again() {
    let folder = folder(LOGS);
    let (mut supervisor, models) = supervisor(folder.path());
    let mut bound = supervisor.bind_all(models).unwrap();
    bound[0].sources[0].source = Box::new(Faulty(|| panic!("a source, as a test wants it")));
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    recovers(supervisor, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_commit_panics_is_started_again() {
    let folder = folder(LOGS);
    let (mut supervisor, models) = supervisor(folder.path());
    let bound = supervisor.bind_all(models).unwrap();
    // The first is that of the reference, the second that of a file, on a thread of its own.
    bound[0].store.faults().panic_in_commits(1);
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    let store = Arc::clone(&supervisor.store);
    let telemetry = Arc::clone(&supervisor.telemetry[&label()]);
    let again = Arc::clone(&telemetry);
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/employment/reference.parquet");
    let (to, own) = (folder.path().join("logs/a.parquet"), store.model("m", "").unwrap());
    let counted = move || own.totals().unwrap().get("sources", "s", "rows") > 0;
    let has_begun = std::sync::Once::new();
    let is_met = move || {
        if again.restarts.get() == 1 {
            has_begun.call_once(|| {
                store.faults.panic_in_commits(1);
                std::fs::copy(&source, &to).unwrap();
            });
        }
        again.restarts.get() == 2 && counted()
    };
    supervise_until(supervisor, is_met).await.unwrap();
    assert_eq!(telemetry.up.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_port_is_taken_after_all_is_not_lost() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = folder(&format!("type = \"tcp\"\nlisten = \"{address}\"\n"));
    let (mut supervisor, models) = supervisor(folder.path());
    let changed = models.into_iter().map(|model| ChangedModel { model, reference: None }).collect();
    let change = Change {
        export: Some(crate::export::ExportConfig::default()),
        n_models: 1,
        gone: Vec::new(),
        changed,
        listeners: std::collections::BTreeSet::new(),
        gates: Vec::new(),
    };
    supervisor.shared.process.reload_successful.set(1);
    supervisor.apply(change);
    let telemetry = Arc::clone(&supervisor.telemetry[&label()]);
    let Shared { readiness, process, .. } = supervisor.shared.clone();
    let mut taken = Some(taken);
    let is_met = move || {
        // The reload is told as what it was, and the model as what is missing.
        if process.reload_successful.get() == 0 && readiness.missing() == ["m"] {
            taken.take();
        }
        telemetry.restarts.get() == 1 && readiness.is_reached()
    };
    supervise_until(supervisor, is_met).await.unwrap();
}

/// A stop in the middle of a reload, between the model of before and its successor: what was sent
/// is for the successor.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_amid_a_reload_counts_what_was_sent() {
    let (folder, address) = folder_with_socket();
    let (mut supervisor, models) = supervisor(folder.path());
    let bound = supervisor.bind_all(models.clone()).unwrap();
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    send(address, 10_000);
    let export = crate::export::ExportConfig::default();
    let listeners = listeners(&models);
    let model = models.into_iter().next().unwrap();
    let Shared { references, stop, .. } = &supervisor.shared;
    let store = supervisor.store.model("m", "").unwrap();
    let reference = ReferenceLoader { references, stop }.load(&model, &store).unwrap();
    let changed = vec![ChangedModel { model, reference }];
    supervisor.apply(Change {
        export: Some(export),
        n_models: 1,
        gone: Vec::new(),
        changed,
        listeners,
        gates: Vec::new(),
    });
    supervisor.shared.stop.trigger();
    supervisor.end().await.unwrap();
    assert_eq!(store.totals().unwrap().get("sources", "s", "rows"), 10_000);
    assert_eq!(store.totals().unwrap().get("sources", "s", "rows_rejected"), 0);
}

/// A model that waits to be started again takes nothing; what was sent to it is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_model_was_sent_is_counted_as_lost() {
    let (folder, address) = folder_with_socket();
    let (mut supervisor, models) = supervisor(folder.path());
    let bound = supervisor.bind_all(models.clone()).unwrap();
    drop(bound);
    let telemetry = supervisor.telemetry(&label());
    let mut failed = ManagedModel::new(models[0].clone(), telemetry);
    failed.fail();
    supervisor.models.insert(label(), failed);
    send(address, 1_000);
    supervisor.end().await.unwrap();
    let totals = supervisor.store.model("m", "").unwrap().totals().unwrap();
    assert_eq!(totals.get("sources", "s", "rows_rejected_not_taken"), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_reference() {
    let folder = folder(LOGS);
    let (mut supervisor, models) = supervisor(folder.path());
    // Others load theirs, and take their time.
    for _ in 0..LOADERS {
        let (loads, other) = (supervisor.shared.loads.clone(), Arc::default());
        let hang = || std::thread::sleep(Duration::from_secs(3));
        tokio::spawn(async move { loads.take(&other, hang).await });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let bound = supervisor.bind_all(models).unwrap();
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    let begun = Instant::now();
    supervise_until(supervisor, || begun.elapsed() > Duration::from_millis(200)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_whatever_a_model_does() {
    let folder = folder(LOGS);
    let (mut supervisor, models) = supervisor(folder.path());
    let mut bound = supervisor.bind_all(models).unwrap();
    // As on a file system that does not answer.
    static HANGS: AtomicBool = AtomicBool::new(false);
    bound[0].sources[0].source = Box::new(Faulty(|| {
        HANGS.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(8));
        Poll::Idle
    }));
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    let hung = std::cell::Cell::new(None);
    let is_met = || {
        let hangs = HANGS.load(Ordering::Relaxed);
        hung.set(hung.get().or(hangs.then(Instant::now)));
        hangs
    };
    let ended = supervise_until(supervisor, is_met).await;
    let took = hung.get().unwrap().elapsed();
    assert!((2..6).contains(&took.as_secs()), "{took:?}");
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("\"m\"") && error.contains("server.stop_timeout"), "{error}");
}

/// A reload while the disk is full: the model of before keeps what it has until there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_on_a_full_disk_loses_nothing() {
    let (folder, address) = folder_with_socket();
    let (mut supervisor, models) = supervisor(folder.path());
    let bound = supervisor.bind_all(models.clone()).unwrap();
    bound.into_iter().for_each(|bound| supervisor.start(bound));
    let Shared { readiness, process, .. } = supervisor.shared.clone();
    let store = Arc::clone(&supervisor.store);
    let own = store.model("m", "").unwrap();
    // Once it is ready, the next three commits fail.
    let (mut is_sent, mut is_asked) = (false, false);
    let file = folder.path().join("driftd.toml");
    let is_met = move || {
        if readiness.is_reached() && !is_sent {
            is_sent = true;
            store.faults.fail_commits(3);
            send(address, 500);
        }
        if process.state_write_errors.get() >= 1 && !is_asked {
            is_asked = true;
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(&file, format!("{text}[model.drift]\nrows_min = 7\n")).unwrap();
            process.reload_successful.set(0);
            let id = std::process::id().to_string();
            let sent = std::process::Command::new("kill").args(["-s", "HUP", &id]).status();
            assert!(sent.unwrap().success());
        }
        let rows = own.totals().unwrap().get("sources", "s", "rows");
        is_asked && process.reload_successful.get() == 1 && rows == 500
    };
    supervise_until(supervisor, is_met).await.unwrap();
}
