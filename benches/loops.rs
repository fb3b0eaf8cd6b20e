//! The loops that every value goes through, one at a time: `cargo bench --bench loops`.

use divan::Bencher;
use divan::counter::ItemsCount;
use driftd::profile::Accumulator;
use driftd::profile::categories::{CategoryCounts, CategoryGrid};
use driftd::profile::cells::Cells;
use driftd::profile::distinct::Distinct;
use driftd::profile::grid::GridId;
use driftd::profile::grid_build::SortedReference;
use driftd::profile::moments::Moments;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::HashMap;

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
    bencher.counter(ItemsCount::new(VALUES)).bench_local(|| cells.update((&grid, values)));
}

#[divan::bench]
fn moments(bencher: Bencher<'_, '_>) {
    let values = values(1_000);
    let mut moments = Moments::about(500.0);
    bencher.counter(ItemsCount::new(VALUES)).bench_local(|| moments.update((&values, 1_000.0)));
}

#[divan::bench]
fn distinct(bencher: Bencher<'_, '_>) {
    let values = values(VALUES);
    let mut distinct = Distinct::default();
    bencher
        .counter(ItemsCount::new(VALUES))
        .bench_local(|| values.iter().for_each(|value| distinct.update(value.to_bits())));
}

#[divan::bench(args = [5, 500, 5_000])]
fn categories(bencher: Bencher<'_, '_>, distinct: usize) {
    let texts: Vec<String> = values(distinct).iter().map(|n| format!("value_{n}")).collect();
    let mut rows: HashMap<Box<str>, u64> = HashMap::new();
    texts.iter().for_each(|text| *rows.entry(text.as_str().into()).or_default() += 1);
    let grid = CategoryGrid::from_counts(&rows);
    let mut counts = CategoryCounts::new(GridId(0), &grid);
    bencher
        .counter(ItemsCount::new(VALUES))
        .bench_local(|| texts.iter().for_each(|text| counts.update((&grid, text, 1))));
}
