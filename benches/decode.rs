//! How much more than decoding does counting cost?
//!
//! `cargo bench --bench decode -- FILE... [--threads N]` reads the same files three ways in turn,
//! with the same crate, threads and batch size, and prints medians and ratios:
//!
//! - `decode`: every column of every row group is decoded and its numbers are summed;
//! - `count`: the same columns are counted on the grids of a reference made from the first file.
//!
//! Without files it makes a data set of 1,000,000 × 50 in the temporary folder.

#![expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use driftd::ingest::inputs::open;
use driftd::monitor::count::count;
use driftd::monitor::reference::{Reference, ReferenceConfig};
use driftd::monitor::table::{Table, rows};
use driftd::window::pane::PaneKey;
use driftd::window::plan::Plan;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const RUNS: usize = 5;

fn main() {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut threads = 0;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--threads" => threads = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            file => files.push(file.into()),
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("called once");
    let folder = tempfile::tempdir().expect("a temporary folder");
    if files.is_empty() {
        files.push(generate(folder.path()));
    }
    let tables: Vec<_> = files.iter().map(|file| open(file).expect("a Parquet file")).collect();
    let first: &dyn Table = &tables[0];
    let started = Instant::now();
    let reference = Reference::build(&[first], &ReferenceConfig::default(), &|| {});
    let reference = reference.expect("a reference");
    println!("reference of {} rows: {:.2} s", rows(first), started.elapsed().as_secs_f64());
    let values: u64 = tables.iter().map(|t| rows(t) * t.schema().fields().len() as u64).sum();

    let mut decoding = Vec::new();
    let mut counting = Vec::new();
    for _ in 0..RUNS {
        decoding.push(timed(|| tables.iter().for_each(|table| decode(table))));
        counting.push(timed(|| tables.iter().for_each(|table| count_all(&reference, table))));
    }
    let ratios = counting.iter().zip(&decoding).map(|(count, decode)| count / decode).collect();
    let per_value =
        |seconds: f64| seconds * 1e9 * rayon::current_num_threads() as f64 / values as f64;
    let (decode, count) = (median(decoding), median(counting));
    println!("decode {decode:.3} s, {:.2} ns per value and core", per_value(decode));
    println!("count  {count:.3} s, {:.2} ns per value and core", per_value(count));
    println!("ratio  {:.2} (median of {RUNS} pairs)", median(ratios));
}

fn timed(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Decodes everything; a sum keeps the compiler from dropping the work.
fn decode(table: &dyn Table) {
    let columns = 0..table.schema().fields().len();
    let groups = 0..table.row_groups().len();
    let tasks: Vec<_> = columns.flat_map(|c| groups.clone().map(move |g| (g, c))).collect();
    let total: f64 = tasks
        .into_par_iter()
        .map(|(group, column)| {
            let blocks = table.read(group, column).expect("readable");
            blocks.map(|block| sum(&block.expect("readable").array)).sum::<f64>()
        })
        .sum();
    std::hint::black_box(total);
}

fn sum(array: &ArrayRef) -> f64 {
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().sum(),
        _ => array.len() as f64,
    }
}

fn count_all(reference: &Reference, table: &dyn Table) {
    let plan = Plan::whole(rows(table), PaneKey(vec![0]));
    std::hint::black_box(count(reference, table, &plan).expect("readable"));
}

/// 40 doubles of five shapes, some with nulls, and 10 strings, from a fixed seed.
fn generate(folder: &Path) -> PathBuf {
    const ROWS: usize = 1_000_000;
    let mut random = StdRng::seed_from_u64(20_260_101);
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for index in 0..40 {
        let nulls = if index % 4 == 3 { 0.1 } else { 0.0 };
        let values = (0..ROWS).map(|_| {
            let (a, b): (f64, f64) = (random.random(), random.random());
            let normal = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
            let value = match index % 5 {
                0 => normal,
                1 => normal.exp(),
                2 => -(1.0 - a).ln(),
                3 => normal + if b < 0.3 { 4.0 } else { 0.0 },
                _ => (normal * 3.0).round(),
            };
            (random.random::<f64>() >= nulls).then_some(value)
        });
        columns.push(Arc::new(values.collect::<Float64Array>()));
        fields.push(Field::new(format!("num_{index:02}"), DataType::Float64, true));
    }
    for (index, cardinality) in
        [3, 10, 50, 100, 500, 1_000, 2_000, 3_000, 4_000, 5_000].iter().enumerate()
    {
        let scale = f64::from(*cardinality);
        let values = (0..ROWS).map(|_| format!("value_{}", (scale.powf(random.random())) as u32));
        columns.push(Arc::new(values.map(Some).collect::<StringArray>()));
        fields.push(Field::new(format!("cat_{index:02}"), DataType::Utf8, true));
    }
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).expect("equal lengths");
    let path = folder.join("generated.parquet");
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder()
        .set_compression(zstd)
        .set_max_row_group_row_count(Some(100_000))
        .build();
    let file = File::create(&path).expect("a writable folder");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).expect("a schema");
    writer.write(&batch).expect("room on the disk");
    writer.close().expect("room on the disk");
    path
}
