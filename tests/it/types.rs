//! A type is what its values are: the same values in other types are the same feature.

use crate::support::table::{
    MemoryTable, figures, floats, measure, pane, reference, strings, write,
};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    Float16Array, Float32Array, Float64Array, Int32Array, Int64Array, NullArray, PrimitiveArray,
};
use driftd::feature::{Kind, Status};
use driftd::format::parquet::PAGE_BYTES_MAX;
use driftd::monitor::figures::FeatureFigures;
use driftd::monitor::reference::{DeclaredKind, FeatureConfig, Reference, ReferenceConfig};
use driftd::monitor::table::Table;
use driftd::source::inputs::open;
use half::f16;
use std::sync::Arc;

const ROWS: usize = 4_000;

/// Some of four codes, in shares that move with `from`.
fn codes(from: i64) -> impl Iterator<Item = i64> {
    let code = move |row: usize| match (row * 7_919) % ROWS {
        0..1_600 => [1, 7][from as usize],
        1_600..2_800 => 2,
        2_800..3_600 => 3,
        _ => [7, 1][from as usize],
    };
    (0..ROWS).map(code)
}

fn dictionary(values: ArrayRef, keys: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from_iter_values(keys), values))
}

/// The same codes in every type that a number comes in.
fn numbers(from: i64) -> Vec<ArrayRef> {
    let all: Vec<i64> = codes(from).collect();
    let decimals = Decimal128Array::from_iter_values(all.iter().map(|code| i128::from(*code) * 10));
    let key = |code: &i64| match code {
        7 => 0,
        code => *code as i32,
    };
    let halves = [7.0, 1.0, 2.0, 3.0].map(f16::from_f64).to_vec();
    vec![
        Arc::new(Int64Array::from(all.clone())),
        Arc::new(PrimitiveArray::<Int8Type>::from_iter_values(all.iter().map(|c| *c as i8))),
        floats(all.iter().map(|code| *code as f64)),
        Arc::new(Float32Array::from_iter_values(all.iter().map(|code| *code as f32))),
        Arc::new(Float16Array::from_iter_values(all.iter().map(|c| f16::from_f64(*c as f64)))),
        Arc::new(decimals.with_precision_and_scale(12, 1).unwrap()),
        dictionary(Arc::new(Int64Array::from(vec![7, 1, 2, 3])), all.iter().map(key)),
        dictionary(Arc::new(Float16Array::from(halves)), all.iter().map(key)),
    ]
}

fn compare(one: &ArrayRef, other: &ArrayRef) -> FeatureFigures {
    let table = |array: &ArrayRef| MemoryTable::new(vec![("x", Arc::clone(array))]);
    let reference = reference(&table(one));
    figures(&reference, &pane(&reference, &table(other))).features.remove(0)
}

fn psi_of(feature: &FeatureFigures) -> f64 {
    measure(feature, "psi").unwrap_or(f64::NAN)
}

#[test]
fn a_number_is_a_number_in_every_type() {
    for one in numbers(0) {
        for (same, moved) in numbers(0).iter().zip(numbers(1)) {
            let types = format!("{} and {}", one.data_type(), same.data_type());
            let figures = compare(&one, same);
            assert_eq!((figures.kind, figures.status), (Kind::Numeric, Status::Ok), "{types}");
            assert_eq!(psi_of(&figures), 0.0, "{types}");
            assert!((psi_of(&compare(&one, &moved)) - 0.831).abs() < 0.01, "{types}");
        }
    }
}

#[test]
fn a_dictionary_of_anything_is_that() {
    let keys = || (0..ROWS).map(|row| i32::from(row % 3 == 0));
    let flags = dictionary(Arc::new(BooleanArray::from(vec![false, true])), keys());
    let plain: ArrayRef = Arc::new(BooleanArray::from_iter(keys().map(|key| Some(key == 1))));
    for (one, other) in [(&flags, &plain), (&plain, &flags), (&flags, &flags)] {
        let figures = compare(one, other);
        assert_eq!((figures.kind, figures.status), (Kind::Boolean, Status::Ok));
        assert_eq!(psi_of(&figures), 0.0);
    }
    let days = dictionary(Arc::new(Date32Array::from(vec![20_000, 20_001])), keys());
    let figures = compare(&days, &days);
    assert_eq!((figures.kind, figures.status), (Kind::Temporal, Status::Identifier));
}

/// Half floats tell few values apart, and so does whatever is compared with them.
#[test]
fn halves_are_compared_as_halves() {
    let shapes: [fn(f64) -> f64; 4] = [
        |x| [0.1, 0.2, 0.3, 0.7][(x * 4.0) as usize % 4],
        |x| x * 6.0 - 3.0,
        |x| 1_000.0 + x,
        |x| (10.0 * x).exp(),
    ];
    for shape in shapes {
        let values: Vec<f64> =
            (0..20_000).map(|i| shape(f64::from((i * 7_919) % 20_000) / 20_000.0)).collect();
        let halves: ArrayRef =
            Arc::new(Float16Array::from_iter_values(values.iter().map(|x| f16::from_f64(*x))));
        let singles: ArrayRef =
            Arc::new(Float32Array::from_iter_values(values.iter().map(|x| *x as f32)));
        let doubles = floats(values);
        for (one, other) in [
            (&halves, &doubles),
            (&doubles, &halves),
            (&halves, &singles),
            (&singles, &halves),
            (&halves, &halves),
        ] {
            let figures = compare(one, other);
            let types = format!("{} and {}", one.data_type(), other.data_type());
            assert!(psi_of(&figures) < 0.005, "{types}: psi {}", psi_of(&figures));
            let ks = measure(&figures, "ks").unwrap();
            assert!(ks < 0.003, "{types}: ks {ks}");
        }
    }
}

/// A program that reads floats and writes doubles moves no value.
#[test]
fn doubles_that_hold_floats_are_compared_as_floats() {
    let tenths: Vec<f64> = (0..20_000).map(|i| f64::from((i * 7_919) % 97) / 10.0).collect();
    let widened: Vec<f64> = tenths.iter().map(|x| f64::from(*x as f32)).collect();
    let (doubles, widened) = (floats(tenths), floats(widened));
    for (one, other) in [(&doubles, &widened), (&widened, &doubles), (&widened, &widened)] {
        let figures = compare(one, other);
        assert_eq!((psi_of(&figures), measure(&figures, "ks")), (0.0, Some(0.0)));
    }
    // Neither order nor split decides: one double that is no float makes all of them doubles.
    let reference = reference(&MemoryTable::new(vec![("x", doubles)]));
    let part = |values: ArrayRef| pane(&reference, &MemoryTable::new(vec![("x", values)]));
    let (mut a, mut b) = (part(Arc::clone(&widened)), part(floats(vec![0.1; 10])));
    let c = a.clone();
    a.merge(&b).unwrap();
    b.merge(&c).unwrap();
    let ks = |pane| measure(&figures(&reference, pane).features[0], "ks").unwrap();
    assert_eq!(ks(&a), ks(&b));
    assert!(ks(&a) > 0.005, "{}", ks(&a));
}

#[test]
fn integers_that_are_categories_keep_every_digit() {
    let base = 1i64 << 53;
    let ids = |n: i64| Arc::new(Int64Array::from_iter_values((0..3_000).map(|i| base + i % n)));
    let features = [(
        "x".to_owned(),
        FeatureConfig { kind: Some(DeclaredKind::Categorical), ..FeatureConfig::default() },
    )];
    let config = ReferenceConfig { features: features.into(), ..ReferenceConfig::default() };
    let table = MemoryTable::new(vec![("x", ids(4) as ArrayRef)]);
    let reference = Reference::build(&[&table], &config, &|| {}).unwrap();
    let figures = figures(&reference, &pane(&reference, &table)).features.remove(0);
    assert_eq!(figures.statistics.distinct, Some(4));
}

fn build_one(table: &dyn Table) -> Reference {
    Reference::build(&[table], &ReferenceConfig::default(), &|| {}).unwrap()
}

fn build(parts: &[MemoryTable]) -> Result<Reference, driftd::error::Error> {
    let tables: Vec<&dyn Table> = parts.iter().map(|part| part as &dyn Table).collect();
    Reference::build(&tables, &ReferenceConfig::default(), &|| {})
}

/// Whatever the order: parts without values or without the column, codes as numbers and as texts.
#[test]
fn a_reference_is_the_sum_of_its_parts() {
    let part = |columns: Vec<(&str, ArrayRef)>| {
        let rows = columns[0].1.len();
        let y: ArrayRef = floats(vec![1.0; rows]);
        MemoryTable::new(columns.into_iter().chain([("y", y)]).collect())
    };
    let parts = || {
        vec![
            part(vec![("x", Arc::new(NullArray::new(100)))]),
            part(vec![("z", floats(vec![1.0; 100]))]),
            part(vec![("x", Arc::new(Int64Array::from_iter_values(codes(0))))]),
            part(vec![("x", strings(codes(0).map(|code| code.to_string())))]),
        ]
    };
    let mut expected = None;
    for turn in 0..4 {
        let mut parts = parts();
        parts.rotate_left(turn);
        let reference = build(&parts).unwrap();
        let feature = reference.features.iter().find(|own| own.grid.name == "x").unwrap();
        assert_eq!(feature.grid.kind, Kind::Categorical);
        let tally = feature.profile.tally;
        assert_eq!((tally.rows, tally.nulls, tally.absent), (8_200, 100, 100));
        assert_eq!(*expected.get_or_insert(feature.grid.id), feature.grid.id);
        // Codes may come as numbers from now on.
        let log = part(vec![("x", Arc::new(Int64Array::from_iter_values(codes(0))))]);
        let figures = figures(&reference, &pane(&reference, &log));
        let own = figures.features.iter().find(|own| own.name == "x").unwrap();
        assert_eq!((own.status, psi_of(own)), (Status::Ok, 0.0));
    }
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true; 10]));
    let apart = [part(vec![("x", floats(vec![1.0; 10]))]), part(vec![("x", flags)])];
    let error = build(&apart).unwrap_err().to_string();
    assert!(error.contains("\"x\"") && error.contains("columns.exclude"), "{error}");
}

/// Texts that nobody annotated, and bytes among texts, through a file.
#[test]
fn what_is_no_utf8_concerns_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let words = |bad: usize| -> ArrayRef {
        let word = move |row: usize| -> &[u8] {
            if row < bad { b"\xff\xfe" } else { [&b"red"[..], b"green", b"blue"][row % 3] }
        };
        Arc::new(BinaryArray::from_iter_values((0..ROWS).map(word)))
    };
    let file = |name: &str, column: ArrayRef| {
        let path = folder.path().join(name);
        write(&path, vec![("s", column), ("x", floats((0..ROWS).map(|row| row as f64)))]);
        open(&path, PAGE_BYTES_MAX).unwrap()
    };
    let texts = strings((0..ROWS).map(|row| ["red", "green", "blue"][row % 3]));
    for (name, column) in [("bytes", words(0)), ("texts", texts)] {
        let reference = build_one(&file(name, column));
        let figures = figures(&reference, &pane(&reference, &file("log", words(400))));
        let s = &figures.features[0];
        assert_eq!((s.kind, s.statistics.missing_ratio), (Kind::Categorical, Some(0.1)), "{name}");
        assert!(psi_of(s) < 0.001, "{name}");
        assert_eq!(figures.features[1].statistics.missing_ratio, Some(0.0));
    }
    let bytes = build_one(&file("opaque", words(1)));
    assert_eq!(bytes.features[0].grid.kind, Kind::Unsupported);
}

/// The percentiles of a window that moved, against its sorted values.
#[test]
fn percentiles_hold_wherever_a_window_goes() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let mut random = StdRng::seed_from_u64(11);
    let mut normals = |n: usize| -> Vec<f64> {
        let mut one = || -> f64 {
            let (a, b): (f64, f64) = (random.random(), random.random());
            (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        };
        (0..n).map(|_| one()).collect()
    };
    let shapes: [fn(f64) -> f64; 6] = [
        |z| z,
        |z| 40.0 + 12.0 * z,
        f64::exp,
        |z| (3.0 * z).exp(),
        |z| z / (1.0 + z.abs()).powi(3).recip(),
        |z| (20.0 + 5.0 * z).round(),
    ];
    let moves: [fn(f64) -> f64; 9] = [
        |x| x,
        |x| x + 10.0,
        |x| x / 1_000.0,
        |x| x * 1_000.0,
        |x| -x,
        |x| x * 12.0,
        |x| x / 50.0 + 0.002,
        |x| if x > 0.0 { x * 1e6 } else { x },
        |x| 1e9 + x,
    ];
    for (shape_number, shape) in shapes.into_iter().enumerate() {
        let values: Vec<f64> = normals(20_000).into_iter().map(shape).collect();
        let reference = reference(&MemoryTable::new(vec![("x", floats(values))]));
        for (move_number, moved) in moves.into_iter().enumerate() {
            let mut values: Vec<f64> =
                normals(20_000).into_iter().map(|z| moved(shape(z))).collect();
            let table = MemoryTable::new(vec![("x", floats(values.clone()))]);
            let figures = figures(&reference, &pane(&reference, &table)).features.remove(0);
            values.sort_unstable_by(f64::total_cmp);
            let found = figures.statistics.percentiles.unwrap();
            for (percent, found) in [1, 5, 25, 50, 75, 95, 99].into_iter().zip(found) {
                let exact = values[values.len() * percent / 100 - 1];
                let off = (found - exact).abs() / exact.abs().max(f64::MIN_POSITIVE);
                let below = values.partition_point(|value| *value < found);
                let upto = values.partition_point(|value| *value <= found);
                let rank = values.len() * percent / 100;
                let ranks_off = below.saturating_sub(rank).max(rank.saturating_sub(upto));
                let context = format!("shape {shape_number}, move {move_number}, {percent} %");
                assert!(
                    off <= 0.01 + 1e-9 || ranks_off * 1_000 <= values.len(),
                    "{context}: {found} for {exact}, {ranks_off} rows off"
                );
            }
        }
    }
}

/// Rounding is for comparing; mean and deviation are of what was written.
#[test]
fn figures_of_halves_are_of_their_values() {
    let halves: ArrayRef =
        Arc::new(Float16Array::from_iter_values([0.5, 1.5, 2.5].map(f16::from_f64)));
    let wide: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5]));
    for (one, other) in [(&halves, &wide), (&wide, &halves)] {
        let figures = compare(one, other);
        assert_eq!((figures.statistics.mean, figures.statistics.stddev), (Some(1.5), Some(1.0)));
    }
}
