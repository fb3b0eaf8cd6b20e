//! Closed windows as Parquet: a row per window and feature, a column per figure.

use super::metrics::STATISTICS;
use crate::drift::Measure;
use crate::monitor::figures::{FeatureFigures, WindowFigures};
use crate::profile::percentiles::PERCENTILES;
use crate::time::Timestamp;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::sync::Arc;

/// Columns that one row at a time is added to.
#[derive(Default)]
struct Columns {
    model: StringBuilder,
    version: StringBuilder,
    window: StringBuilder,
    file: StringBuilder,
    start: Instants,
    end: Instants,
    closed: Instants,
    window_rows: UInt64Builder,
    feature: StringBuilder,
    kind: StringBuilder,
    status: StringBuilder,
    drifted: BooleanBuilder,
    called: StringBuilder,
    reasons: StringBuilder,
    measures: Vec<&'static dyn Measure>,
    numbers: Vec<(String, Float64Builder)>,
}

/// Microseconds since 1970, UTC.
struct Instants(TimestampMicrosecondBuilder);

impl Default for Instants {
    fn default() -> Instants {
        Instants(TimestampMicrosecondBuilder::new().with_timezone("UTC"))
    }
}

/// Writes closed windows of any models, one after the other.
pub struct HistoryParquet<W: Write + Send> {
    out: Option<W>,
    writer: Option<ArrowWriter<W>>,
    measures: Vec<&'static dyn Measure>,
}

impl<W: Write + Send> HistoryParquet<W> {
    /// With columns for these measures.
    pub fn new(out: W, measures: Vec<&'static dyn Measure>) -> HistoryParquet<W> {
        HistoryParquet { out: Some(out), writer: None, measures }
    }

    /// Adds a window.
    pub fn add(
        &mut self,
        model: &str,
        version: &str,
        figures: &WindowFigures,
    ) -> Result<(), ParquetError> {
        let mut columns = Columns::new(&self.measures);
        for feature in &figures.features {
            columns.add(model, version, figures, feature);
        }
        self.write(&columns.finish())
    }

    /// Ends the file; one without windows has the columns all the same.
    pub fn finish(mut self) -> Result<W, ParquetError> {
        if self.writer.is_none() {
            self.write(&Columns::new(&self.measures).finish())?;
        }
        self.writer.expect("a batch was written").into_inner()
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        if let Some(out) = self.out.take() {
            let zstd = Compression::ZSTD(ZstdLevel::default());
            let properties = WriterProperties::builder().set_compression(zstd).build();
            self.writer = Some(ArrowWriter::try_new(out, batch.schema(), Some(properties))?);
        }
        self.writer.as_mut().expect("it was opened").write(batch)
    }
}

impl Columns {
    fn new(measures: &[&'static dyn Measure]) -> Columns {
        let statistics = STATISTICS
            .iter()
            .map(|own| own.feature.name.trim_start_matches("driftd_feature_").to_owned());
        let percentiles = PERCENTILES.map(|percent| format!("percentile_{percent}"));
        let of_measures = measures.iter().flat_map(|measure| {
            let name = measure.name();
            [name.to_owned(), format!("{name}_p"), format!("{name}_threshold")]
        });
        let names = statistics.chain(percentiles).chain(of_measures);
        let numbers = names.map(|name| (name, Float64Builder::new())).collect();
        Columns { measures: measures.to_vec(), numbers, ..Columns::default() }
    }

    fn add(
        &mut self,
        model: &str,
        version: &str,
        window: &WindowFigures,
        feature: &FeatureFigures,
    ) {
        self.model.append_value(model);
        self.version.append_value(version);
        self.window.append_value(&window.window);
        self.file.append_option(window.file.as_deref());
        for (column, time) in [
            (&mut self.start, window.start),
            (&mut self.end, window.end),
            (&mut self.closed, window.closed),
        ] {
            column.0.append_option(time.map(|Timestamp(micros)| micros));
        }
        self.window_rows.append_value(window.rows);
        self.feature.append_value(&feature.name);
        self.kind.append_value(feature.kind.name());
        self.status.append_value(feature.status.name());
        self.drifted.append_option(feature.drifted);
        let called = feature.called().collect::<Vec<_>>().join(" ");
        self.called.append_option(feature.drifted.map(|_| called));
        self.reasons
            .append_option(feature.explanation.as_ref().map(|_| feature.reasons().join(" ")));
        let statistics = &feature.statistics;
        let percentiles = statistics.percentiles.map(|all| all.map(Some)).unwrap_or_default();
        let measures = self.measures.iter().flat_map(|measure| {
            let own = feature.measures.iter().find(|own| own.measure == measure.name());
            own.map_or([None; 3], |own| [Some(own.score), own.p_value, own.threshold])
        });
        let values = STATISTICS.iter().map(|own| (own.value)(statistics));
        let values = values.chain(percentiles).chain(measures);
        for ((_, column), value) in self.numbers.iter_mut().zip(values) {
            column.append_option(value);
        }
    }

    fn finish(mut self) -> RecordBatch {
        let texts = |column: &mut StringBuilder| Arc::new(column.finish()) as ArrayRef;
        let instants = |column: &mut Instants| Arc::new(column.0.finish()) as ArrayRef;
        let columns = [
            ("model", texts(&mut self.model), false),
            ("version", texts(&mut self.version), false),
            ("window", texts(&mut self.window), false),
            ("file", texts(&mut self.file), true),
            ("start", instants(&mut self.start), true),
            ("end", instants(&mut self.end), true),
            ("closed", instants(&mut self.closed), true),
            ("window_rows", Arc::new(self.window_rows.finish()), false),
            ("feature", texts(&mut self.feature), false),
            ("kind", texts(&mut self.kind), false),
            ("status", texts(&mut self.status), false),
            ("drifted", Arc::new(self.drifted.finish()), true),
            ("called", texts(&mut self.called), true),
            ("reasons", texts(&mut self.reasons), true),
        ];
        let numbers = self.numbers.iter_mut();
        let numbers = numbers
            .map(|(name, column)| (name.as_str(), Arc::new(column.finish()) as ArrayRef, true));
        let all = columns.into_iter().chain(numbers);
        RecordBatch::try_from_iter_with_nullable(all).expect("columns of one length")
    }
}
