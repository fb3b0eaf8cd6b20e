//! One law for everything that is counted: any split of the rows, in any order, merged in any
//! order, gives what one pass gives, to the bit.

use crate::support::table::{
    MemoryTable, assert_same_as_reference, figures, floats, pane, reference, strings,
};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, Int64Array};
use driftd::monitor::figures::WindowFigures;
use driftd::monitor::reference::Reference;
use driftd::profile::codec::{Content, decode, encode};
use driftd::window::pane::Pane;
use proptest::prelude::*;
use std::sync::Arc;

/// Values that logs really hold, and those that break sums.
fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        6 => (-1e3..1e3f64).prop_map(Some),
        3 => (-20..20i32).prop_map(|n| Some(f64::from(n))),
        1 => Just(None),
        1 => prop::sample::select(vec![
            f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 5e-324, f64::MAX, f64::MIN, 1e15,
        ]).prop_map(Some),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Option<f64>>> {
    prop::collection::vec(value(), 0..400)
}

/// The same rows as four types of column.
fn table(rows: &[Option<f64>]) -> MemoryTable {
    let double: ArrayRef = Arc::new(rows.iter().copied().collect::<arrow_array::Float64Array>());
    let single = rows.iter().map(|x| x.map(|x| x as f32)).collect::<Float32Array>();
    let integer = rows.iter().map(|x| x.map(|x| x as i64)).collect::<Int64Array>();
    let text = rows.iter().map(|x| x.map(|x| format!("v{}", x as i64 % 40)));
    let text = text.collect::<arrow_array::StringArray>();
    let boolean = rows.iter().map(|x| x.map(|x| x > 0.0)).collect::<BooleanArray>();
    MemoryTable::new(vec![
        ("double", double),
        ("single", Arc::new(single)),
        ("integer", Arc::new(integer)),
        ("text", Arc::new(text)),
        ("boolean", Arc::new(boolean)),
    ])
}

/// Equal to the bit.
fn assert_same(a: &WindowFigures, b: &WindowFigures) {
    assert_eq!((a.rows, a.features.len()), (b.rows, b.features.len()));
    a.features.iter().zip(&b.features).for_each(|(a, b)| assert_eq!(a, b));
}

fn merged(reference: &Reference, parts: &[Vec<Option<f64>>]) -> Pane {
    let mut all = Pane::new(reference.grids());
    parts.iter().for_each(|part| all.merge(&pane(reference, &table(part))).unwrap());
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_and_order_counts_the_same(
        train in rows(),
        mut now in rows(),
        cuts in prop::collection::vec(0usize..400, 0..5),
        group in 1usize..200,
        block in 1usize..70,
        seed in any::<u64>(),
    ) {
        let reference = reference(&table(&train));
        let whole = figures(&reference, &pane(&reference, &table(&now)));
        let cut = figures(&reference, &pane(&reference, &table(&now).cut(group, block)));
        assert_same(&whole, &cut);

        // Another order of rows, then parts of any length, then the parts in another order.
        let rotation = seed as usize % now.len().max(1);
        now.rotate_left(rotation);
        if seed % 2 == 0 { now.reverse(); }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (now.len() + 1)).collect();
        ends.extend([0, now.len()]);
        ends.sort_unstable();
        let parts = ends.windows(2).map(|ends| now[ends[0]..ends[1]].to_vec());
        let mut parts: Vec<Vec<_>> = parts.collect();
        let forward = merged(&reference, &parts);
        parts.reverse();
        let backward = merged(&reference, &parts);
        assert_same(&whole, &figures(&reference, &forward));
        assert_same(&whole, &figures(&reference, &backward));
    }

    #[test]
    fn identical_data_scores_zero(train in rows()) {
        let reference = reference(&table(&train));
        let same = figures(&reference, &pane(&reference, &table(&train)));
        for feature in &same.features {
            assert_same_as_reference(feature);
        }
    }

    #[test]
    fn profiles_survive_their_encoding(train in rows(), now in rows()) {
        let reference = reference(&table(&train));
        let counted = pane(&reference, &table(&now));
        let decoded: Pane = decode(Content::Pane, &encode(Content::Pane, &counted)).unwrap();
        assert_eq!(figures(&reference, &decoded), figures(&reference, &counted));
        let again: Reference =
            decode(Content::Profile, &encode(Content::Profile, &reference)).unwrap();
        assert_eq!(figures(&again, &counted), figures(&reference, &counted));
    }
}

/// Enough distinct values for every state of the sketches, and any number of threads.
#[test]
fn threads_and_sketches_do_not_change_a_figure() {
    let numbers: Vec<i64> = (0..60_000).map(|i| (i * 7_919) % 50_021).collect();
    let column = |numbers: &[i64]| -> Vec<(&'static str, ArrayRef)> {
        let integers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
        let texts = strings(numbers.iter().map(|n| format!("t{}", n % 5_003)));
        let doubles = floats(numbers.iter().map(|n| *n as f64 / 7.0));
        vec![("integers", integers), ("texts", texts), ("doubles", doubles)]
    };
    let reference = reference(&MemoryTable::new(column(&numbers[..20_000])));
    let of = |row_group: usize, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let table = MemoryTable::new(column(&numbers)).cut(row_group, 997);
        pool.install(|| figures(&reference, &pane(&reference, &table)))
    };
    let whole = of(60_000, 1);
    for (row_group, threads) in [(60_000, 4), (1_000, 1), (777, 3)] {
        assert_same(&whole, &of(row_group, threads));
    }
    // 50,021 numbers within the sketch's error.
    let distinct = whole.features[0].statistics.distinct.unwrap();
    assert!((48_000..52_000).contains(&distinct), "{distinct}");
}

#[test]
fn another_grid_is_an_error() {
    let table =
        |scale: f64| MemoryTable::new(vec![("x", floats((0..100).map(|i| f64::from(i) * scale)))]);
    let (a, b) = (reference(&table(1.0)), reference(&table(2.0)));
    let mut counted = pane(&a, &table(1.0));
    let before = counted.clone();
    assert!(counted.merge(&pane(&b, &table(1.0))).is_err());
    assert_eq!(counted.features, before.features);
    assert_eq!(counted.rows, before.rows);
}
