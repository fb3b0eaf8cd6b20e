//! How much more than decoding does counting cost?
//!
//! `cargo bench --bench decode -- [FILE...] [--kind NAME] [--threads N]` reads the same files three
//! ways in turn, with the same crate and threads:
//!
//! - `decode`: every column of every row group is decoded to record batches, and its numbers are
//!   summed;
//! - `read`: the same, with numbers as driftd reads them, without their nulls;
//! - `count`: the same columns are counted on the grids of a reference made from the first file.
//!
//! It prints medians in ns per value and core; what counting costs beyond `decode`, and the median
//! ratio of the two. Without files it makes its own: one kind of column at a time, then whole data
//! sets; `--kind` only those whose name has this in it.

#![expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]

mod data;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;
use data::{Column, Layout, Values, zstd};
use driftd::format::parquet::ParquetTable;
use driftd::monitor::count::count;
use driftd::monitor::reference::{Reference, ReferenceConfig};
use driftd::monitor::table::{Table, rows};
use driftd::profile::block::Block;
use driftd::source::inputs::open;
use driftd::window::plan::Plan;
use parquet::basic::Compression;
use rayon::prelude::*;
use std::path::PathBuf;
use std::time::Instant;

const RUNS: usize = 7;

/// Columns of a file that holds one kind of column.
const COLUMNS_OF_KIND: usize = 8;

fn main() {
    let mut files: Vec<PathBuf> = Vec::new();
    let (mut threads, mut kind) = (0, String::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--kind" => kind = arguments.next().unwrap_or_default(),
            "--threads" => threads = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            file => files.push(file.into()),
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("called once");
    let name = "per value and core";
    println!("| {name:40} | decode ns | read ns | count ns | beyond | ratio |");
    println!("|---|---|---|---|---|---|");
    if files.is_empty() {
        kinds(&kind);
        sets(&kind);
    } else {
        measure("files", &files);
    }
}

/// One kind of column at a time.
fn kinds(kind: &str) {
    let layout =
        Layout { rows: 500_000, row_group_rows: 100_000, compression: zstd(), dictionary: true };
    let plain = Layout { dictionary: false, ..layout };
    let whole = |values| Column { values, nulls: 0.0 };
    for (name, column, layout) in [
        ("double, normal", whole(Values::Normal), layout),
        ("double, lognormal", whole(Values::Lognormal), layout),
        ("double, exponential", whole(Values::Exponential), layout),
        ("double, bimodal", whole(Values::Bimodal), layout),
        ("double, few values", whole(Values::Ties), layout),
        ("double, 5 % null", Column { nulls: 0.05, ..whole(Values::Normal) }, layout),
        ("double, 20 % null", Column { nulls: 0.2, ..whole(Values::Normal) }, layout),
        ("double, 1 % NaN", whole(Values::Nan(0.01)), layout),
        ("double, no dictionary", whole(Values::Normal), plain),
        ("float, normal", whole(Values::Float), layout),
        ("int64, 50 values", whole(Values::Int(50)), layout),
        ("int64, 100,000 values", whole(Values::Int(100_000)), layout),
        ("int32, 50 values", whole(Values::Int32(50)), layout),
        ("bool", whole(Values::Bool), layout),
        ("string, 3 values", whole(Values::Text(3)), layout),
        ("string, 50 values", whole(Values::Text(50)), layout),
        ("string, 500 values", whole(Values::Text(500)), layout),
        ("string, 5,000 values", whole(Values::Text(5_000)), layout),
        ("string, 50 values, 10 % null", Column { nulls: 0.1, ..whole(Values::Text(50)) }, layout),
        ("string, 50 values, no dictionary", whole(Values::Text(50)), plain),
        ("string, 5,000 values, no dictionary", whole(Values::Text(5_000)), plain),
    ] {
        if name.contains(kind) {
            generated(name, &[column; COLUMNS_OF_KIND], layout);
        }
    }
}

/// Whole data sets: 40 doubles and 10 strings in four ways, and a wide one.
fn sets(kind: &str) {
    let shapes =
        [Values::Normal, Values::Lognormal, Values::Exponential, Values::Bimodal, Values::Ties];
    let nulls = [0.0, 0.01, 0.05, 0.2];
    let doubles = (0..40).map(|i| Column { values: shapes[i % 5], nulls: nulls[i % 4] });
    let cardinalities = [3, 5, 10, 20, 50, 100, 500, 1_000, 2_000, 5_000];
    let texts = cardinalities.map(|n| Column { values: Values::Text(n), nulls: 0.0 });
    let mixed: Vec<Column> = doubles.chain(texts).collect();
    let layout =
        Layout { rows: 500_000, row_group_rows: 100_000, compression: zstd(), dictionary: true };
    let snappy = Compression::SNAPPY;
    for (name, layout) in [
        ("40 doubles + 10 strings, zstd", layout),
        ("the same, snappy", Layout { compression: snappy, ..layout }),
        ("the same, uncompressed", Layout { compression: Compression::UNCOMPRESSED, ..layout }),
        ("the same, zstd, no dictionary", Layout { dictionary: false, ..layout }),
    ] {
        if name.contains(kind) {
            generated(name, &mixed, layout);
        }
    }
    let wide: Vec<Column> =
        (0..500).map(|i| Column { values: shapes[i % 5], nulls: 0.0 }).collect();
    let layout = Layout { rows: 100_000, row_group_rows: 100_000, ..layout };
    let name = "500 doubles, one row group, zstd";
    if name.contains(kind) {
        generated(name, &wide, layout);
    }
}

fn generated(name: &str, columns: &[Column], layout: Layout) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    measure(name, &[data::write(folder.path(), columns, layout)]);
}

/// Prints a line of the table.
fn measure(name: &str, files: &[PathBuf]) {
    let open = |file: &PathBuf| open(file, u64::MAX).expect("a Parquet file");
    let tables: Vec<ParquetTable> = files.iter().map(open).collect();
    let first: &dyn Table = &tables[0];
    let reference = Reference::build(&[first], &ReferenceConfig::default(), &|| {});
    let reference = reference.expect("a reference");
    let values: u64 = tables.iter().map(|t| rows(t) * t.schema().fields().len() as u64).sum();
    let (mut decoding, mut reading, mut counting) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        decoding.push(timed(|| tables.iter().for_each(|table| add_up(table, Read::Padded))));
        reading.push(timed(|| tables.iter().for_each(|table| add_up(table, Read::AsCounted))));
        counting.push(timed(|| tables.iter().for_each(|table| count_all(&reference, table))));
    }
    let ratios = counting.iter().zip(&decoding).map(|(count, decode)| count / decode).collect();
    let per_value = 1e9 * rayon::current_num_threads() as f64 / values as f64;
    let [decode, read, count] =
        [decoding, reading, counting].map(|seconds| median(seconds) * per_value);
    let (beyond, ratio) = (count - decode, median(ratios));
    println!(
        "| {name:40} | {decode:9.2} | {read:7.2} | {count:8.2} | {beyond:6.2} | {ratio:5.2} |"
    );
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

/// How a column comes.
#[derive(Clone, Copy)]
enum Read {
    /// As record batches, with room for the nulls.
    Padded,
    AsCounted,
}

/// Decodes everything; a sum keeps the compiler from dropping the work.
fn add_up(table: &ParquetTable, how: Read) {
    let columns = 0..table.schema().fields().len();
    let groups = 0..table.row_groups().len();
    let tasks: Vec<_> = columns.flat_map(|c| groups.clone().map(move |g| (g, c))).collect();
    let total: f64 = tasks
        .into_par_iter()
        .map(|(group, column)| {
            let blocks = match how {
                Read::Padded => table.read_padded(group, column),
                Read::AsCounted => table.read(group, column),
            };
            let blocks = blocks.expect("readable");
            blocks.map(|block| sum(&block.expect("readable"))).sum::<f64>()
        })
        .sum();
    std::hint::black_box(total);
}

fn sum(block: &Block) -> f64 {
    if let Some((keys, _)) = block.by_key() {
        return keys.len() as f64;
    }
    let array = block.values();
    match array.data_type() {
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().sum(),
        _ => array.len() as f64,
    }
}

fn count_all(reference: &Reference, table: &dyn Table) {
    let plan = Plan::whole(table.row_groups());
    std::hint::black_box(count(reference, table, &plan).expect("readable"));
}
