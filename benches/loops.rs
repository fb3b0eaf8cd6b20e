//! The loops that every value goes through, one at a time: `cargo bench --bench loops`.

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch,
};
use arrow_schema::{Field, Schema};
use divan::Bencher;
use divan::counter::ItemsCount;
use driftd::feature::Kind;
use driftd::format::arrow::RecordBatchTable;
use driftd::format::line_schema::{LineFeature, LineSchema};
use driftd::format::ndjson::{BatchBuilder, LineOrigin};
use driftd::format::payload::{BodyContext, EventRows, ValueNames, events};
use driftd::monitor::reference::{Reference, ReferenceConfig};
use driftd::profile::Accumulator;
use driftd::profile::block::Block;
use driftd::profile::categories::{CategoryCounts, CategoryGrid};
use driftd::profile::cells::{Cells, Placed};
use driftd::profile::codec::append;
use driftd::profile::distinct::Distinct;
use driftd::profile::feature::{FeatureInput, FeatureProfile, Scratch};
use driftd::profile::grid_build::SortedReference;
use driftd::profile::moments::{Moments, MomentsFrame};
use driftd::schema::columns::ColumnsConfig;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::sync::Arc;

const VALUES: usize = 16_384;

fn main() {
    divan::main();
}

fn values(distinct: usize) -> Vec<f64> {
    let mut random = StdRng::seed_from_u64(7);
    (0..VALUES).map(|_| random.random_range(0..distinct) as f64).collect()
}

/// Distinct values of the reference decide how many cells there are.
#[divan::bench(args = [2, 50, 1_000, 16_384])]
fn cells(bencher: Bencher<'_, '_>, distinct: usize) {
    bench_cells(bencher, &values(distinct));
}

/// Its distribution decides how a cell is found.
#[divan::bench(args = ["normal", "lognormal", "mixed"])]
fn cells_of_shape(bencher: Bencher<'_, '_>, shape: &str) {
    let mut random = StdRng::seed_from_u64(7);
    let values = (0..VALUES).map(|i| {
        let (a, b): (f64, f64) = (random.random(), random.random());
        let normal = (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos();
        match shape {
            "normal" => normal,
            "lognormal" => normal.exp(),
            // Two scales and both signs: no table suits.
            _ if i % 2 == 0 => normal * 1e-3,
            _ => normal * 1e6,
        }
    });
    bench_cells(bencher, &values.collect::<Vec<_>>());
}

fn bench_cells(bencher: Bencher<'_, '_>, values: &[f64]) {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let reference =
        SortedReference { finite: &sorted, negative_infinities: 0, positive_infinities: 0 };
    let grid = reference.grid();
    let mut cells = Cells::new(&grid);
    let span = (sorted[0], sorted[VALUES - 1]);
    let finder = grid.finder();
    let placed = Placed { grid: &grid, finder: &finder, values, span };
    bencher.counter(ItemsCount::new(VALUES)).bench_local(|| cells.update(placed));
}

/// Everything that is counted of a column, but for decoding it.
const NUMBERS: [&str; 7] =
    ["double", "double_nulls", "double_ties", "float", "int_few", "int_many", "bool"];

#[divan::bench(args = NUMBERS)]
fn column(bencher: Bencher<'_, '_>, kind: &str) {
    let array = array(kind);
    let reference = reference(&array);
    let grid = &reference.features[0].grid;
    let width = driftd::schema::kinds::width(array.data_type());
    let mut profile = FeatureProfile::new(grid);
    let (block, mut scratch) = (Block::new(array), Scratch::default());
    bencher.counter(ItemsCount::new(VALUES)).bench_local(|| {
        profile.update(FeatureInput { grid, width, block: &block, scratch: &mut scratch });
    });
}

/// A feature of a file of few rows, for the state.
#[divan::bench(args = [12, 120, VALUES])]
fn encode(bencher: Bencher<'_, '_>, rows: usize) {
    let array = array("double");
    let reference = reference(&array);
    let grid = &reference.features[0].grid;
    let width = driftd::schema::kinds::width(array.data_type());
    let mut profile = FeatureProfile::new(grid);
    let (block, mut scratch) = (Block::new(array.slice(0, rows)), Scratch::default());
    profile.update(FeatureInput { grid, width, block: &block, scratch: &mut scratch });
    let mut bytes = Vec::new();
    bencher.bench_local(|| {
        bytes.clear();
        append(&profile, &mut bytes);
    });
}

fn reference(array: &ArrayRef) -> Reference {
    let reference = Reference::build(&[&one_column(array)], &ReferenceConfig::default(), &|| {});
    reference.expect("a reference")
}

fn array(kind: &str) -> ArrayRef {
    let mut random = StdRng::seed_from_u64(7);
    let normal = (0..VALUES).map(|_| {
        let (a, b): (f64, f64) = (random.random(), random.random());
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    });
    let normal: Vec<f64> = normal.collect();
    match kind {
        "double" => Arc::new(Float64Array::from(normal)),
        "double_nulls" => {
            Arc::new(normal.iter().map(|&x| (x < 1.28).then_some(x)).collect::<Float64Array>())
        }
        "double_ties" => {
            Arc::new(normal.iter().map(|x| Some((3.0 * x).round())).collect::<Float64Array>())
        }
        "float" => Arc::new(normal.iter().map(|&x| Some(x as f32)).collect::<Float32Array>()),
        "int_few" => {
            Arc::new(normal.iter().map(|&x| Some((3.0 * x) as i64)).collect::<Int64Array>())
        }
        "int_many" => {
            Arc::new(normal.iter().map(|&x| Some((1e6 * x) as i64)).collect::<Int64Array>())
        }
        _ => Arc::new(normal.iter().map(|&x| Some(x < 0.0)).collect::<BooleanArray>()),
    }
}

#[divan::bench]
fn moments(bencher: Bencher<'_, '_>) {
    let values = values(1_000);
    let frame = MomentsFrame::new(500.0, Some((0.0, 1_000.0)));
    let mut moments = Moments::default();
    bencher
        .counter(ItemsCount::new(VALUES))
        .bench_local(|| moments.update((&frame, &values, (0.0, 1_000.0))));
}

#[divan::bench]
fn distinct(bencher: Bencher<'_, '_>) {
    let values = values(VALUES);
    let mut distinct = Distinct::default();
    bencher.counter(ItemsCount::new(VALUES)).bench_local(|| distinct.update_numbers(&values));
}

#[divan::bench(args = [5, 500, 5_000])]
fn categories(bencher: Bencher<'_, '_>, distinct: usize) {
    let texts: Vec<String> = values(distinct).iter().map(|n| format!("value_{n}")).collect();
    let mut rows: HashMap<Box<str>, u64> = HashMap::new();
    texts.iter().for_each(|text| *rows.entry(text.as_str().into()).or_default() += 1);
    let grid = CategoryGrid::from_counts(&rows);
    let mut counts = CategoryCounts::new(&grid);
    bencher
        .counter(ItemsCount::new(VALUES))
        .bench_local(|| texts.iter().for_each(|text| counts.update((&grid, text, 1))));
}

/// Rows of 20 numbers, a message each: parsed and dropped, told what they are, and read besides.
#[divan::bench(args = ["parsed", "told", "read"])]
fn messages(bencher: Bencher<'_, '_>, what: &str) {
    const FEATURES: usize = 20;
    const MESSAGES: usize = 1_024;
    let mut random = StdRng::seed_from_u64(7);
    let mut row = || {
        let values = (0..FEATURES).map(|n| format!("\"x{n}\":{}", random.random::<f64>()));
        format!("{{{}}}", values.collect::<Vec<_>>().join(","))
    };
    let bodies: Vec<Vec<u8>> = (0..MESSAGES).map(|_| row().into_bytes()).collect();
    let features = (0..FEATURES).map(|n| LineFeature {
        name: format!("x{n}"),
        kind: Kind::Numeric,
        declared: false,
    });
    let schema = Arc::new(LineSchema::new(features.collect(), ColumnsConfig::default()));
    let context = BodyContext::new(&ValueNames::default(), 1 << 20, 1 << 30);
    let bencher = bencher.counter(ItemsCount::new(MESSAGES));
    bencher.bench_local(|| {
        let mut builder = BatchBuilder::new(Arc::clone(&schema));
        for body in &bodies {
            if what == "parsed" {
                serde_json::from_slice::<IgnoredAny>(body).expect("it is JSON");
                continue;
            }
            let rows =
                events(body.clone(), &context.renewed()).expect("it is a row").remove(0).rows;
            let EventRows::Lines(lines) = rows else { unreachable!("it is a row") };
            if what == "read" {
                let line = lines.lines.trim_ascii();
                builder.push(line, &LineOrigin::default()).expect("it was looked at");
            }
        }
        builder.finish()
    });
}

/// A table of one column.
fn one_column(array: &ArrayRef) -> RecordBatchTable {
    let field = Field::new("x", array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(array)]).expect("of one length");
    RecordBatchTable::new(vec![batch]).expect("one batch has one schema")
}
