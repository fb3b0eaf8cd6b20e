//! A model test of the pipeline: random actions on a directory and a broker under a simulated
//! clock, against an oracle that keeps every row in memory.
//!
//! What a row is counted into must depend on nothing but the files and the times of their rows:
//! not on the order of the files, on restarts, copies, renames, or on when a rewritten file was
//! looked at. The process may be killed at any operation of the state, commits may fail. Windows
//! wait for late rows longer than the simulation takes, so no row is late, and every closed window
//! must hold exactly the rows of the oracle.
//!
//! How many kills took place is printed.

mod actions;
mod damage;
mod late;
mod memory_source;
mod oracle;
mod rewritten;

use super::loaded_reference::LoadedReference;
use super::pipeline::{Pipeline, PipelineSource};
use super::work_log::WorkLog;
use super::{Shared, epoch};
use crate::error::StateError;
use crate::format::line_schema::LineSchema;
use crate::journal::{Journal, SourceLabel, Writer};
use crate::judge::drift_config::DriftConfig;
use crate::monitor::figures::Statistics;
use crate::monitor::model::{ModelConfig, Monitor};
use crate::monitor::reference::{Reference, ReferenceConfig};
use crate::net::stop::Stop;
use crate::schema::columns::{ColumnsConfig, TimeColumn};
use crate::settings::Settings;
use crate::source::{SOURCE_TYPES, SharedByAll, Source, SourceContext, SourceOwner};
use crate::store::closed_windows::Query;
use crate::store::reference_record::ReferenceRecord;
use crate::store::{ModelStore, StateConfig, Store};
use crate::time::{Clock, Timestamp};
use crate::totals::OF_SOURCES;
use crate::window::open::PaneCounts;
use crate::window::pane::{Axis, PaneRange};
use crate::window::period::Period;
use crate::window::{WindowConfig, WindowKind};
use actions::action;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use memory_source::{Log, MemorySource};
use oracle::Oracle;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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

struct Simulation {
    model: ModelConfig,
    folder: TempDir,
    clock: Arc<SimulatedClock>,
    reference: Arc<Reference>,
    log: Log,
    /// Rows of a batch, if others than usual.
    batch_rows: Option<usize>,
    pipeline: Option<Pipeline>,
    oracle: Oracle,
    next_value: u64,
    /// By process, the points until it is killed.
    kills_to_come: VecDeque<u16>,
    commits_to_fail: u64,
    /// How often it was killed.
    kills: u64,
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
        cluster: None,
        predictions: Vec::new(),
        distributions: false,
        cells: Vec::new(),
        profiles: false,
    }
}

fn record_batch(rows: &[Row]) -> RecordBatch {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(time, _)| *time));
    let values = rows.iter().map(|(_, value)| *value as f64).collect::<Float64Array>();
    let columns: [(&str, ArrayRef); 2] = [("ts", Arc::new(times)), ("x", Arc::new(values))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(path: &Path, rows: &[Row]) {
    let batch = record_batch(rows);
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// In memory where the system has a folder for that, since nothing here needs to survive a power
/// cut.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.unwrap()
}

impl Simulation {
    fn new() -> Simulation {
        let folder = folder();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let path = folder.path().join("reference.parquet");
        write(&path, &(0..2_000).map(|value| (START, value)).collect::<Vec<_>>());
        let columns = ColumnsConfig { time: model().time, ..ColumnsConfig::default() };
        let config = ReferenceConfig { columns, ..ReferenceConfig::default() };
        let reference =
            crate::source::inputs::reference(&path, &config, u64::MAX, &|_| {}).unwrap();
        Simulation {
            model: model(),
            folder,
            clock: Arc::new(SimulatedClock(AtomicI64::new(START + HOURS * HOUR))),
            reference: Arc::new(reference),
            log: Log::default(),
            batch_rows: None,
            pipeline: None,
            oracle: Oracle::default(),
            next_value: 0,
            kills_to_come: VecDeque::new(),
            commits_to_fail: 0,
            kills: 0,
        }
    }

    fn path(&self, name: u8) -> PathBuf {
        self.folder.path().join(format!("logs/{name}.parquet"))
    }

    fn store(&self) -> ModelStore {
        let path = Some(self.folder.path().join("driftd.db"));
        let config =
            StateConfig { path, windows_max: 1_000, memory_max: 1, ..StateConfig::default() };
        Arc::new(Store::open(&config).unwrap()).model("simulated", "").unwrap()
    }

    fn open(&mut self) -> Pipeline {
        let store = self.store();
        let loaded = LoadedReference {
            reference: Arc::clone(&self.reference),
            record: ReferenceRecord { files: Vec::new(), accepted: None, settings: 0 },
        };
        let now = self.clock.now();
        let (_, restored) = epoch::resume(&self.model, loaded, None, &store, now).unwrap();
        // Nothing stays in memory, so that everything comes back from the state.
        let shared = Shared::new(Arc::clone(&self.clock) as Arc<dyn Clock>, Stop::default());
        let writer = Writer {
            store: store.clone(),
            process: Arc::clone(&shared.process),
            clock: Arc::clone(&shared.clock),
            stop: shared.stop.clone(),
            retry: Duration::ZERO,
        };
        let mut journal = Journal::open(writer, Arc::clone(&self.reference)).unwrap();
        let label = |index, name: &str| {
            let id = store.source(name).unwrap();
            Arc::new(SourceLabel { index, id, name: name.to_owned() })
        };
        let (files, stream) = (label(0, "logs"), label(1, "stream"));
        journal.resume(files.id).unwrap();
        journal.resume(stream.id).unwrap();
        let mut broker = MemorySource::resume(self.log.clone(), &stream, &store).unwrap();
        if let Some(rows) = self.batch_rows {
            broker = broker.with_batch_rows(rows);
        }
        let directory = self.directory(&store, &files, &shared.stop);
        let sources: [(Arc<SourceLabel>, Box<dyn Source>); 2] =
            [(files, directory), (stream, Box::new(broker))];
        let sources = sources.into_iter().map(|(label, source)| PipelineSource {
            label,
            telemetry: Arc::default(),
            source,
            has_ended: false,
        });
        self.arm(&store);
        store.faults().fail_commits(std::mem::take(&mut self.commits_to_fail));
        Pipeline {
            monitor: Monitor::new(self.model.clone(), Arc::clone(&self.reference), restored),
            journal,
            sources: sources.collect(),
            shared,
            // Every file is committed beside the counting of the next.
            commit_bytes_max: 1,
            columns: ColumnsConfig::default(),
            log: WorkLog::default(),
        }
    }

    /// Has the process killed, if that is to come.
    fn arm(&mut self, store: &ModelStore) {
        if let Some(points) = self.kills_to_come.pop_front() {
            store.faults().end_after(points);
        }
    }

    fn directory(&self, store: &ModelStore, label: &SourceLabel, stop: &Stop) -> Box<dyn Source> {
        let kind = SOURCE_TYPES.iter().find(|kind| kind.name() == "directory").unwrap();
        let path = crate::settings::Setting::Path(self.folder.path().join("logs"));
        let settings = Settings::complete(kind.keys(), [("path", path)]).unwrap();
        let context = SourceContext {
            name: label.name.clone(),
            schema: Arc::new(LineSchema::new(Vec::new(), ColumnsConfig::default())),
            telemetry: Arc::default(),
            paths: store.paths(label.id).unwrap(),
            positions: BTreeMap::new(),
            on_read: Arc::new(|| ()),
            wake: Arc::default(),
            stop: stop.clone(),
        };
        kind.bind(&settings, &SourceOwner::default(), &SharedByAll::default())
            .unwrap()
            .start(context)
            .unwrap()
    }

    fn advance(&self, by: Duration) {
        self.clock.0.fetch_add(by.as_micros() as i64, Ordering::Relaxed);
    }

    /// As many ticks as it takes to find everything, let it settle, and count it.
    fn look_once(&mut self) -> Result<(), StateError> {
        let mut pipeline = match self.pipeline.take() {
            Some(pipeline) => pipeline,
            None => self.open(),
        };
        // Nobody tells of what happened; the listing finds it.
        for _ in 0..6 {
            while pipeline.tick()? <= self.clock.now() {}
            self.advance(Duration::from_millis(2_500));
        }
        self.pipeline = Some(pipeline);
        Ok(())
    }

    /// Looks until everything is counted, however often the process is killed meanwhile.
    fn look(&mut self) {
        while let Err(error) = self.look_once() {
            assert!(error.to_string().contains("it was killed"), "{error}");
            self.kills += 1;
        }
        self.oracle.look();
    }

    /// A total over all runs.
    fn total(&self, name: &str) -> u64 {
        self.store_of_pipeline().totals().unwrap().get(OF_SOURCES, "logs", name)
    }

    fn store_of_pipeline(&self) -> ModelStore {
        self.pipeline.as_ref().expect("it has looked").journal.store().clone()
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

    /// Counts what is left, closes every window, and holds it against the oracle.
    fn check(&mut self) {
        self.look();
        self.kills_to_come.clear();
        self.advance(Duration::from_hours(24 * 100));
        self.look();
        let mut rows = self.oracle.rows();
        rows.extend(self.log.rows());
        let store = self.store_of_pipeline();
        store.faults().calm();
        check_periods(&store, "hour", 1, &rows);
        check_periods(&store, "sliding", 3, &rows);
        let pipeline = self.pipeline.as_mut().unwrap();
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

/// The window of rows never closes; what the journal has for it must be all rows.
fn check_open(pipeline: &mut Pipeline, rows: &[Row]) {
    let all_rows = [PaneRange { axis: Axis::Slot(0), numbers: 0..1 }];
    let deltas = pipeline.journal.deltas(&all_rows).unwrap();
    let mut all = (0, 0.0);
    for delta in deltas {
        let pane = pipeline.journal.read(&delta).unwrap();
        let grid = &pipeline.monitor.reference().features[0].grid;
        let mean = Statistics::of(grid, &pane.features[0]).mean;
        all.0 += pane.rows;
        all.1 += mean.unwrap_or(0.0) * pane.rows as f64;
    }
    assert_eq!((all.0, all.1.round()), sums(rows.iter().copied()));
}

/// Shrinking takes long, and the first failing steps tell enough.
fn cases(usual: u32) -> ProptestConfig {
    ProptestConfig { max_shrink_iters: 60, ..crate::testing::cases(usual) }
}

#[test]
fn every_row_is_counted_once() {
    let kills = AtomicU64::new(0);
    let mut runner = TestRunner::new(cases(48));
    let outcome = runner.run(&prop::collection::vec(action(), 1..40), |actions| {
        let mut simulation = Simulation::new();
        actions.iter().for_each(|action| simulation.act(action));
        simulation.check();
        kills.fetch_add(simulation.kills, Ordering::Relaxed);
        Ok(())
    });
    outcome.unwrap();
    eprintln!("{} kills", kills.into_inner());
}
