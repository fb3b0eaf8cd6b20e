//! A model test of the pipeline: random actions on a directory under a simulated clock, against an
//! oracle that keeps every row in memory.
//!
//! What a row is counted into must depend on nothing but the files and the times of their rows:
//! not on the order of the files, on restarts, copies, renames, or on when a rewritten file was
//! looked at. Windows wait for late rows longer than the simulation takes, so no row is late, and
//! every closed window must hold exactly the rows of the oracle.

mod late;

use super::parts::PartsOf;
use super::pending::Pending;
use super::pipeline::Pipeline;
use super::reference::Loaded;
use super::shutdown::Stop;
use super::source::Source;
use super::{Shared, epoch};
use crate::drift::verdict::DriftConfig;
use crate::ingest::directory::Directory;
use crate::ingest::{DirectoryConfig, Rewritten};
use crate::monitor::model::ModelConfig;
use crate::monitor::model::Monitor;
use crate::monitor::reference::{Reference, ReferenceConfig};
use crate::schema::columns::{ColumnsConfig, TimeColumn};
use crate::store::reference::KeptReference;
use crate::store::windows::Query;
use crate::store::{ModelStore, StateConfig, Store};
use crate::time::{Clock, Timestamp};
use crate::window::baseline::{BaselineConfig, BaselineKind};
use crate::window::period::Period;
use crate::window::{WindowConfig, WindowKind};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const HOUR: i64 = 3_600_000_000;
/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const HOURS: i64 = 12;

/// A row: its time, and a value that no other row has.
type Row = (i64, u64);

struct SimulatedClock(AtomicI64);

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// One thing that happens to the directory or to the daemon.
#[derive(Debug, Clone)]
enum Action {
    Write {
        name: u8,
        times: Vec<u16>,
    },
    /// The daemon looks while half of the file is there.
    WriteSlowly {
        name: u8,
        times: Vec<u16>,
    },
    /// The same rows as before, and more of them.
    Append {
        name: u8,
        times: Vec<u16>,
    },
    Rename {
        name: u8,
        to: u8,
    },
    Copy {
        name: u8,
        to: u8,
    },
    Delete {
        name: u8,
    },
    /// As if it had been killed: what was not committed is gone.
    Restart,
    JumpClock {
        minutes: u16,
    },
    /// The daemon does what it has time for.
    Look,
}

fn action() -> impl Strategy<Value = Action> {
    let name = || 0u8..6;
    let times = || prop::collection::vec(0u16..720, 1..20);
    prop_oneof![
        4 => (name(), times()).prop_map(|(name, times)| Action::Write { name, times }),
        1 => (name(), times()).prop_map(|(name, times)| Action::WriteSlowly { name, times }),
        3 => (name(), times()).prop_map(|(name, times)| Action::Append { name, times }),
        1 => (name(), name()).prop_map(|(name, to)| Action::Rename { name, to }),
        1 => (name(), name()).prop_map(|(name, to)| Action::Copy { name, to }),
        1 => name().prop_map(|name| Action::Delete { name }),
        2 => Just(Action::Restart),
        1 => (1u16..600).prop_map(|minutes| Action::JumpClock { minutes }),
        6 => Just(Action::Look),
    ]
}

/// What is in the directory, and what must have been counted of it.
#[derive(Default)]
struct Oracle {
    /// By name, what the file holds.
    files: BTreeMap<u8, Vec<Row>>,
    /// By name, what the daemon has seen there.
    seen: BTreeMap<u8, Vec<Row>>,
    /// Contents that count.
    counted: BTreeSet<Vec<Row>>,
}

impl Oracle {
    /// The daemon looks at everything.
    fn look(&mut self) {
        self.seen.retain(|name, _| self.files.contains_key(name));
        // In the order in which files are taken: new names first, since logs are rotated.
        let (known, new): (Vec<_>, Vec<_>) =
            self.files.iter().partition(|(name, _)| self.seen.contains_key(name));
        for (name, rows) in new.into_iter().chain(known) {
            let before = self.seen.insert(*name, rows.clone());
            if before.as_ref() == Some(rows) {
                continue;
            }
            if let Some(before) = before
                && !self.seen.values().any(|other| *other == before)
            {
                self.counted.remove(&before);
            }
            self.counted.insert(rows.clone());
        }
    }

    fn rows(&self) -> Vec<Row> {
        self.counted.iter().flatten().copied().collect()
    }
}

struct Simulation {
    model: ModelConfig,
    folder: TempDir,
    clock: Arc<SimulatedClock>,
    reference: Arc<Reference>,
    pipeline: Option<Pipeline>,
    oracle: Oracle,
    next_value: u64,
}

fn period(hours: u64, slide: u64) -> WindowKind {
    let hour = Duration::from_hours(1);
    WindowKind::Time(Period {
        size: hour * hours as u32,
        slide: hour * slide as u32,
        offset: Duration::ZERO,
        lateness: Duration::from_hours(24 * 30),
        idle_timeout: Duration::from_hours(24 * 60),
    })
}

/// For rows that are never late.
fn model() -> ModelConfig {
    let window = |name: &str, kind| WindowConfig { name: name.to_owned(), kind };
    ModelConfig {
        name: "simulated".to_owned(),
        version: String::new(),
        windows: vec![
            window("hour", period(1, 1)),
            window("sliding", period(3, 1)),
            window("rows", WindowKind::Rows { size: 1_000_000 }),
        ],
        baselines: Vec::new(),
        drift: DriftConfig::default(),
        sampling: None,
        time: Some(TimeColumn { name: "ts".to_owned(), unit: None }),
    }
}

fn write(path: &Path, rows: &[Row]) {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(time, _)| *time));
    let values = rows.iter().map(|(_, value)| *value as f64).collect::<Float64Array>();
    let columns: [(&str, ArrayRef); 2] = [("ts", Arc::new(times)), ("x", Arc::new(values))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

impl Simulation {
    fn new() -> Simulation {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let path = folder.path().join("reference.parquet");
        write(&path, &(0..2_000).map(|value| (START, value)).collect::<Vec<_>>());
        let columns = ColumnsConfig { time: model().time, ..ColumnsConfig::default() };
        let config = ReferenceConfig { columns, ..ReferenceConfig::default() };
        let reference = crate::ingest::inputs::reference(&path, &config, &|_| {}).unwrap();
        Simulation {
            model: model(),
            folder,
            clock: Arc::new(SimulatedClock(AtomicI64::new(START + HOURS * HOUR))),
            reference: Arc::new(reference),
            pipeline: None,
            oracle: Oracle::default(),
            next_value: 0,
        }
    }

    fn path(&self, name: u8) -> PathBuf {
        self.folder.path().join(format!("logs/{name}.parquet"))
    }

    fn open(&self) -> Pipeline {
        let path = Some(self.folder.path().join("driftd.db"));
        let config = StateConfig { path, windows_max: 1_000, memory_max: 1 };
        let store = Arc::new(Store::open(&config).unwrap()).model("simulated", "").unwrap();
        let loaded = Loaded {
            reference: (*self.reference).clone(),
            kept: KeptReference { files: Vec::new(), settings: 0 },
            parts: Some(self.reference.to_parts()),
        };
        let now = self.clock.now();
        let (_, remembered) = epoch::enter(&self.model, loaded, &store, now).unwrap();
        let id = store.source("logs").unwrap();
        let config = DirectoryConfig {
            path: self.folder.path().join("logs"),
            reconcile_interval: Duration::from_secs(5),
            stuck_after: Duration::from_secs(60),
            count_duplicates: false,
            rewritten: Rewritten::Replace,
        };
        let directory = Directory::new(config, store.paths(id).unwrap().into_iter());
        let source = Source::new(id, "logs".to_owned(), Arc::default(), Some(directory));
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        Pipeline {
            monitor: Monitor::new(self.model.clone(), Arc::clone(&self.reference), remembered),
            reference: Arc::clone(&self.reference),
            store,
            sources: vec![source],
            shared: Shared {
                published: Arc::default(),
                process: Arc::default(),
                clock,
                stop: Stop::new(),
            },
            pending: Pending::default(),
            writing: None,
            // Nothing stays in memory, so that everything comes back from the state.
            counts_max: 0,
            // Every file is committed beside the counting of the next.
            commit_bytes: 1,
            is_ready: false,
        }
    }

    fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_micros() as i64, Ordering::Relaxed);
    }

    /// As many ticks as it takes to find everything, let it settle, and count it.
    fn look(&mut self) {
        let mut pipeline = self.pipeline.take().unwrap_or_else(|| self.open());
        // Nobody tells of what happened; the listing finds it.
        for _ in 0..6 {
            while pipeline.tick().unwrap() <= self.clock.now() {}
            self.advance(Duration::from_millis(2_500));
        }
        self.pipeline = Some(pipeline);
        self.oracle.look();
    }

    /// A total over all runs.
    fn total(&self, name: &str) -> u64 {
        let totals = self.pipeline.as_ref().unwrap().store.totals().unwrap();
        totals["sources"]["logs"].get(name).copied().unwrap_or(0)
    }

    /// Rows of the hours that have closed, and of their baseline.
    fn hours(&self) -> Vec<(u64, u64)> {
        let store = &self.pipeline.as_ref().unwrap().store;
        let hours = store.windows("hour", &Query::default()).unwrap();
        hours.iter().map(|hour| (hour.rows, hour.baselines[0].rows)).collect()
    }

    fn rows(&mut self, times: &[u16]) -> Vec<Row> {
        let minute = |minute: &u16| START + i64::from(*minute) * 60_000_000;
        let values = self.next_value..;
        self.next_value += times.len() as u64;
        times.iter().map(minute).zip(values).collect()
    }

    /// The file is complete, with a time that puts it in the order of its name.
    fn put(&mut self, name: u8, rows: Vec<Row>) {
        let path = self.path(name);
        write(&path, &rows);
        self.date(name);
        self.oracle.files.insert(name, rows);
    }

    /// A time of its own for every version, and the names' order within each second.
    fn date(&mut self, name: u8) {
        self.advance(Duration::from_millis(1));
        let nanos = self.clock.now().0 as u64 % 1_000_000_000;
        let time = std::time::UNIX_EPOCH + Duration::new(1_700_000_000, nanos as u32);
        fs::File::options().append(true).open(self.path(name)).unwrap().set_modified(time).unwrap();
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Write { name, times } => {
                let rows = self.rows(times);
                self.put(*name, rows);
            }
            Action::WriteSlowly { name, times } => {
                let rows = self.rows(times);
                // Under a name that is new, since half of a file is no other version of it.
                fs::remove_file(self.path(*name)).ok();
                self.oracle.files.remove(name);
                self.look();
                write(&self.path(*name), &rows);
                let whole = fs::read(self.path(*name)).unwrap();
                fs::write(self.path(*name), &whole[..whole.len() / 2]).unwrap();
                self.look();
                fs::write(self.path(*name), whole).unwrap();
                self.date(*name);
                self.oracle.files.insert(*name, rows);
            }
            Action::Append { name, times } => {
                let mut rows = self.oracle.files.get(name).cloned().unwrap_or_default();
                rows.extend(self.rows(times));
                self.put(*name, rows);
            }
            Action::Rename { name, to } | Action::Copy { name, to } => {
                let Some(rows) = self.oracle.files.get(name).cloned() else { return };
                if name == to {
                    return;
                }
                fs::copy(self.path(*name), self.path(*to)).unwrap();
                self.date(*to);
                self.oracle.files.insert(*to, rows);
                if matches!(action, Action::Rename { .. }) {
                    fs::remove_file(self.path(*name)).unwrap();
                    self.oracle.files.remove(name);
                }
            }
            Action::Delete { name } => {
                fs::remove_file(self.path(*name)).ok();
                self.oracle.files.remove(name);
            }
            Action::Restart => self.pipeline = None,
            Action::JumpClock { minutes } => {
                self.advance(Duration::from_mins((*minutes).into()));
            }
            Action::Look => self.look(),
        }
    }

    /// Counts what is left, closes every window, and holds it against the oracle.
    fn check(&mut self) {
        self.look();
        self.advance(Duration::from_hours(24 * 100));
        self.look();
        let rows = self.oracle.rows();
        let pipeline = self.pipeline.as_ref().unwrap();
        check_periods(&pipeline.store, "hour", 1, &rows);
        check_periods(&pipeline.store, "sliding", 3, &rows);
        let snapshot = pipeline.monitor.snapshot();
        assert_eq!(snapshot.windows[2].open_rows, rows.len() as u64);
        check_open(pipeline, &rows);
    }
}

fn sums(rows: impl Iterator<Item = Row>) -> (u64, f64) {
    rows.fold((0, 0.0), |(n, sum), (_, value)| (n + 1, sum + value as f64))
}

fn check_periods(store: &ModelStore, window: &str, hours: i64, rows: &[Row]) {
    let mut expected = BTreeMap::new();
    for start in -hours..HOURS + 1 {
        let (from, to) = (START + start * HOUR, START + (start + hours) * HOUR);
        let inside = rows.iter().copied().filter(|(time, _)| (from..to).contains(time));
        let (n, sum) = sums(inside);
        if n > 0 {
            expected.insert(to, (n, sum));
        }
    }
    let closed = store.windows(window, &Query::default()).unwrap();
    let got = closed.iter().map(|figures| {
        let feature = &figures.features[0];
        let sum = feature.statistics.mean.unwrap_or(0.0) * figures.rows as f64;
        (figures.end.unwrap().0, (figures.rows, sum.round()))
    });
    assert_eq!(got.collect::<BTreeMap<_, _>>(), expected, "{window}");
    assert_eq!(closed.len(), expected.len(), "{window}: each closes once");
}

/// The window of rows never closes; what is in the state for it must be all rows.
fn check_open(pipeline: &Pipeline, rows: &[Row]) {
    let Pipeline { store, reference, .. } = pipeline;
    let parts = PartsOf { store, pending: None, reference };
    let mut all = (0, 0.0);
    for (key, _) in store.open_panes().unwrap() {
        for part in crate::window::open::PaneParts::parts(&parts, &key).unwrap() {
            let values = &part.features[0];
            let crate::profile::feature::Values::Numeric(numbers) = &values.values else {
                continue;
            };
            all.0 += part.rows;
            all.1 += numbers.moments().mean().unwrap_or(0.0) * part.rows as f64;
        }
    }
    assert_eq!((all.0, all.1.round()), sums(rows.iter().copied()));
}

/// Two files, each written again every ten minutes with all of its rows so far, while the hours
/// that they cover close one after the other and later hours are compared with them.
#[test]
fn files_that_are_rewritten_sixty_times_count_every_row_once() {
    let mut simulation = Simulation::new();
    simulation.model.windows.retain(|window| window.name == "hour");
    for window in &mut simulation.model.windows {
        if let WindowKind::Time(period) = &mut window.kind {
            *period = Period { lateness: Duration::ZERO, ..*period };
        }
    }
    let kind = BaselineKind::Rolling { windows: 3 };
    simulation.model.baselines = vec![BaselineConfig { name: "before".to_owned(), kind }];
    let mut files = [Vec::new(), Vec::new()];
    for version in 0..60u16 {
        for (name, rows) in files.iter_mut().enumerate() {
            rows.extend(simulation.rows(&[version * 10, version * 10 + 3, version * 10 + 6]));
            simulation.put(name as u8, rows.clone());
        }
        simulation.look();
        // Everything comes back from the state, now and then.
        if version % 7 == 0 {
            simulation.pipeline = None;
        }
    }
    let hours = simulation.hours();
    let expected = (0..9).map(|hour| (36, 36 * hour.min(3)));
    assert_eq!(hours, expected.collect::<Vec<_>>());
    let arrived = 2 * 3 * 60 * 61 / 2;
    assert_eq!([simulation.total("rows_late"), simulation.total("rows")], [0, arrived]);
    assert_eq!(simulation.total("rows_replaced"), arrived - 360);
    // A row that should have come hours ago is late, once, however often it comes again.
    files[1].extend(simulation.rows(&[5]));
    for _ in 0..2 {
        files[1].extend(simulation.rows(&[595]));
        simulation.put(1, files[1].clone());
        simulation.look();
    }
    assert_eq!(simulation.total("rows_late"), 1);
    simulation.advance(Duration::from_hours(24 * 100));
    simulation.look();
    assert_eq!(simulation.hours().iter().map(|(rows, _)| rows).sum::<u64>(), 362);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_counted_once(actions in prop::collection::vec(action(), 1..40)) {
        let mut simulation = Simulation::new();
        actions.iter().for_each(|action| simulation.act(action));
        simulation.check();
    }
}
