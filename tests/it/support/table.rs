//! Tables in memory, and as Parquet files.

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema};
use driftd::error::Fault;
use driftd::judge::drift_config::{DriftConfig, VariationConfig};
use driftd::monitor::figures::{FeatureFigures, WindowFigures};
use driftd::monitor::reference::{FeatureConfig, Reference, ReferenceConfig};
use driftd::monitor::score::{Baseline, WindowLabel, score};
use driftd::monitor::table::{Blocks, Table};
use driftd::monitor::whole::count_whole;
use driftd::profile::block::Block;
use driftd::window::pane::Pane;
use driftd::window::sampling::SamplingConfig;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Columns in memory, cut into row groups and blocks of any size.
pub struct MemoryTable {
    batch: RecordBatch,
    row_groups: Vec<u64>,
    block_rows: usize,
    reads: AtomicUsize,
}

impl MemoryTable {
    pub fn new(columns: Vec<(&str, ArrayRef)>) -> MemoryTable {
        let batch = batch(columns);
        let row_groups = vec![batch.num_rows() as u64];
        MemoryTable { batch, row_groups, block_rows: 1_000, reads: AtomicUsize::new(0) }
    }

    /// The same rows, and a wrong word about their number.
    pub fn claiming(mut self, rows: u64) -> MemoryTable {
        self.row_groups = vec![rows];
        self
    }

    /// Columns of row groups that were read so far.
    pub fn reads(&self) -> usize {
        self.reads.load(Relaxed)
    }

    /// The same rows, cut otherwise.
    pub fn cut(mut self, row_group_rows: usize, block_rows: usize) -> MemoryTable {
        let rows = self.batch.num_rows();
        let starts = (0..rows).step_by(row_group_rows);
        self.row_groups = starts.map(|from| row_group_rows.min(rows - from) as u64).collect();
        self.block_rows = block_rows;
        self
    }
}

impl Table for MemoryTable {
    fn schema(&self) -> &Schema {
        self.batch.schema_ref()
    }

    fn row_groups(&self) -> &[u64] {
        &self.row_groups
    }

    fn fingerprint(&self) -> u64 {
        self.batch.num_rows() as u64
    }

    fn weight(&self, row_group: usize, _column: usize) -> u64 {
        self.row_groups[row_group]
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        self.reads.fetch_add(1, Relaxed);
        let start: u64 = self.row_groups[..row_group].iter().sum();
        let rows = (self.row_groups[row_group] as usize).min(self.batch.num_rows());
        let array = self.batch.column(column).slice(start as usize, rows);
        let starts = (0..rows).step_by(self.block_rows);
        Ok(Box::new(
            starts.map(move |from| {
                Ok(Block::new(array.slice(from, self.block_rows.min(rows - from))))
            }),
        ))
    }
}

pub fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

pub fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

/// Microseconds since 1970.
pub fn times(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values))
}

pub fn strings<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<StringArray>())
}

/// Writes a Parquet file.
pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    write_with(path, columns, WriterProperties::default());
}

pub fn write_with(path: &Path, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = batch(columns);
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub fn reference(table: &MemoryTable) -> Reference {
    Reference::build(&[table], &ReferenceConfig::default(), &|| {}).unwrap()
}

/// Counts a table as one window.
pub fn pane(reference: &Reference, table: &dyn Table) -> Pane {
    count_whole(reference, table, None, None).unwrap()
}

/// The same for a sample of its rows.
pub fn pane_of_sample(reference: &Reference, table: &dyn Table, config: &SamplingConfig) -> Pane {
    count_whole(reference, table, Some(config), None).unwrap()
}

pub fn figures(reference: &Reference, pane: &Pane) -> WindowFigures {
    figures_against(reference, pane, &[])
}

/// The same with other baselines beside the reference.
pub fn figures_against(
    reference: &Reference,
    pane: &Pane,
    baselines: &[Baseline],
) -> WindowFigures {
    let window = "test".into();
    let label = WindowLabel { window, ..WindowLabel::default() };
    // What is known of the order of rows is no count.
    let config = DriftConfig { variation: VariationConfig::None, ..DriftConfig::default() };
    score(reference, pane, baselines, &[], &config, label).unwrap().figures
}

/// Fails unless every score is that of the reference itself: 0, or for infinities their share.
pub fn assert_same_as_reference(figures: &FeatureFigures) {
    for measured in &figures.measures {
        let expected = match &*measured.measure {
            "out_of_range" => figures.statistics.out_of_range_ratio,
            _ => Some(0.0),
        };
        assert_eq!(Some(measured.score), expected, "{figures:?}");
        assert!(measured.threshold.is_none_or(|threshold| measured.score < threshold));
        assert!(measured.p_value.is_none_or(|p| p > 0.2), "{measured:?}");
    }
    assert_ne!(figures.drifted, Some(true));
}

/// Figures of one column against another.
pub fn compare(reference_column: ArrayRef, current_column: ArrayRef) -> FeatureFigures {
    let reference = reference(&MemoryTable::new(vec![("x", reference_column)]));
    let pane = pane(&reference, &MemoryTable::new(vec![("x", current_column)]));
    figures(&reference, &pane).features.remove(0)
}

/// The same for a feature that the configuration says something about.
pub fn compare_as(
    config: FeatureConfig,
    reference_column: ArrayRef,
    current_column: ArrayRef,
) -> FeatureFigures {
    let table = MemoryTable::new(vec![("x", reference_column)]);
    let features = [("x".to_owned(), config)].into();
    let config = ReferenceConfig { features, ..ReferenceConfig::default() };
    let reference = Reference::build(&[&table], &config, &|| {}).unwrap();
    let pane = pane(&reference, &MemoryTable::new(vec![("x", current_column)]));
    figures(&reference, &pane).features.remove(0)
}

pub fn measure(figures: &FeatureFigures, name: &str) -> Option<f64> {
    figures.measures.iter().find(|m| m.measure == name).map(|m| m.score)
}
