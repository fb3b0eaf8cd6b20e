use crate::support::table::{
    MemoryTable, compare, figures, floats, measure, pane, reference, strings,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array,
};
use driftd::feature::Status;
use driftd::format::line_schema::{LineFeature, LineSchema};
use driftd::format::ndjson::{BatchBuilder, LineOrigin};
use driftd::judge::drift_config::DriftConfig;
use driftd::monitor::figures::FeatureFigures;
use driftd::monitor::model::{ArrivalTime, ModelConfig, Monitor, Restored};
use driftd::monitor::reference::{Reference, ReferenceConfig};
use driftd::monitor::table::Table;
use driftd::position::Arrival;
use driftd::profile::feature::Values;
use driftd::schema::columns::ColumnsConfig;
use driftd::time::Timestamp;
use driftd::window::{WindowConfig, WindowKind};
use std::sync::Arc;

/// Normal values from a fixed sequence: the quantile function at evenly spread shares.
fn normal(n: usize) -> impl Iterator<Item = f64> {
    use statrs::distribution::{ContinuousCDF, Normal};
    let normal = Normal::new(0.0, 1.0).unwrap();
    (0..n).map(move |i| normal.inverse_cdf(((i * 7919) % n) as f64 / n as f64 + 0.5 / n as f64))
}

fn psi(reference: ArrayRef, current: ArrayRef) -> f64 {
    measure(&compare(reference, current), "psi").unwrap()
}

#[test]
fn a_constant_that_moves_is_drift_in_either_direction() {
    let constant = |value: f64| floats(vec![value; 1_000]);
    let (down, up) = (psi(constant(5.0), constant(4.0)), psi(constant(5.0), constant(6.0)));
    assert_eq!(down, up);
    assert!(down > 1.0);
    assert_eq!(psi(constant(5.0), constant(5.0)), 0.0);
}

#[test]
fn a_heavy_value_that_vanishes_is_drift() {
    let mostly_ones = floats((0..1_000).map(|i| f64::from(u8::from(i % 20 != 0))));
    assert!(psi(mostly_ones, floats(vec![0.0; 1_000])) > 1.0);
}

#[test]
fn percentiles_of_a_far_constant_are_the_constant() {
    let figures = compare(floats(normal(10_000)), floats(vec![1e6; 1_000]));
    assert_eq!(figures.statistics.percentiles, Some([1e6; 7]));
}

#[test]
fn percentiles_are_of_finite_values() {
    let current = (0..1_000).map(|i| if i % 10 < 6 { f64::INFINITY } else { i as f64 / 1e3 });
    let figures = compare(floats(normal(10_000)), floats(current));
    let percentiles = figures.statistics.percentiles.unwrap();
    assert!(percentiles.iter().all(|p| (0.0..1.0).contains(p)), "{percentiles:?}");
    assert_eq!(figures.statistics.infinite_ratio, Some(0.6));
    assert_eq!(figures.statistics.out_of_range_ratio, Some(0.6));
}

/// One decimal, as the same column comes from training, serving and logging.
#[test]
fn the_width_of_a_number_is_no_drift() {
    let tenths: Vec<i64> = (0..5_000i64).map(|i| (i * 7919) % 2_003 - 1_000).collect();
    let double = || tenths.iter().map(|t| *t as f64 / 10.0);
    let doubles = floats(double());
    let singles: ArrayRef = Arc::new(Float32Array::from_iter_values(double().map(|x| x as f32)));
    let decimals = Decimal128Array::from_iter_values(tenths.iter().map(|t| i128::from(*t)));
    let decimals: ArrayRef = Arc::new(decimals.with_precision_and_scale(10, 1).unwrap());
    let columns = [&doubles, &singles, &decimals];
    let lines: Vec<String> = double().map(|x| format!("{{\"x\":{x}}}")).collect();
    for one in columns {
        let reference = reference(&MemoryTable::new(vec![("x", Arc::clone(one))]));
        let features = reference.grids().map(LineFeature::from).collect();
        let schema = LineSchema::new(features, ColumnsConfig::default());
        let mut batch = BatchBuilder::new(Arc::new(schema));
        lines.iter().for_each(|line| batch.push(line.as_bytes(), &LineOrigin::default()).unwrap());
        let batch = batch.finish();
        let mut tables: Vec<Box<dyn Table>> = vec![Box::new(batch)];
        for other in columns {
            tables.push(Box::new(MemoryTable::new(vec![("x", Arc::clone(other))])));
        }
        for table in tables {
            let feature = figures(&reference, &pane(&reference, &*table)).features.remove(0);
            let types = (one.data_type(), table.schema().field(0).data_type().clone());
            assert!(measure(&feature, "psi").unwrap() < 0.001, "{types:?}");
            assert!(measure(&feature, "ks").unwrap() < 0.001, "{types:?}");
            assert_eq!(feature.statistics.out_of_range_ratio, Some(0.0), "{types:?}");
        }
    }
}

/// Rounding to single precision moves 1.7e9 by up to 64; that is the type, not the world.
#[test]
fn a_timestamp_sized_double_served_as_float_is_no_drift() {
    let double: Vec<f64> = normal(5_000).map(|x| 1.7e9 + x * 1e4).collect();
    let single = Float32Array::from_iter_values(double.iter().map(|x| *x as f32));
    let figures = compare(floats(double), Arc::new(single));
    assert_eq!((measure(&figures, "psi"), measure(&figures, "ks")), (Some(0.0), Some(0.0)));
}

fn shapes(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let nulls: ArrayRef = Arc::new(Float64Array::new_null(rows));
    vec![
        ("nulls", nulls),
        ("nans", floats(vec![f64::NAN; rows])),
        ("infinities", floats((0..rows).map(|i| [f64::INFINITY, f64::NEG_INFINITY][i % 2]))),
        ("constant", floats(vec![3.0; rows])),
        ("normal", floats(normal(rows))),
        ("integers", Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|i| i % 7)))),
    ]
}

fn texts(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("nulls", Arc::new(arrow_array::StringArray::new_null(rows))),
        ("one", strings(vec!["a"; rows])),
        ("some", strings((0..rows).map(|i| format!("v{}", i % 5)))),
        ("booleans", Arc::new(BooleanArray::from_iter((0..rows).map(|i| Some(i % 2 == 0))))),
    ]
}

/// Nothing that is shown may be NaN, and a status is always there.
fn check_figures(figures: &FeatureFigures, context: &str) {
    let s = &figures.statistics;
    let numbers = [
        s.missing_ratio,
        s.null_ratio,
        s.nan_ratio,
        s.infinite_ratio,
        s.zero_ratio,
        s.mean,
        s.stddev,
        s.min,
        s.max,
        s.unseen_ratio,
        s.out_of_range_ratio,
        s.outlier_ratio,
    ];
    let percentiles = s.percentiles.iter().flatten().copied();
    let scores = figures.measures.iter().flat_map(|m| [Some(m.score), m.p_value, m.error]);
    for number in numbers.into_iter().chain(scores).flatten().chain(percentiles) {
        assert!(number.is_finite(), "{context}: {figures:?}");
    }
}

#[test]
fn any_shape_of_any_size_on_either_side_has_a_status_and_no_nan() {
    let sizes = [0, 1, 2, 10, 100, 2_000];
    for shapes in [shapes as fn(usize) -> _, texts] {
        for (reference_rows, current_rows) in sizes.iter().flat_map(|r| sizes.map(|c| (*r, c))) {
            for (name, reference) in shapes(reference_rows) {
                for (other, current) in shapes(current_rows) {
                    if reference.data_type() != current.data_type() {
                        continue;
                    }
                    let figures = compare(Arc::clone(&reference), current);
                    let context = format!("{name}×{reference_rows} against {other}×{current_rows}");
                    check_figures(&figures, &context);
                    let has_reference = reference_rows > 0 && !["nulls", "nans"].contains(&name);
                    assert_eq!(figures.status == Status::NoReference, !has_reference, "{context}");
                    if name == other && reference_rows == current_rows && has_reference {
                        crate::support::table::assert_same_as_reference(&figures);
                    }
                    // 99 against 99 rows are worth 50 drawn from a law that is known.
                    if reference_rows.min(current_rows) < 99 {
                        assert_eq!(figures.drifted, None, "too few rows: {context}");
                    }
                }
            }
        }
    }
}

/// One column goes wrong: it is a finding, and every other feature is as if nothing were.
#[test]
fn a_poisoned_column_concerns_itself_alone() {
    let columns = |poisoned: Option<ArrayRef>| {
        let mut columns = vec![
            ("a", floats(normal(2_000))),
            ("b", strings((0..2_000).map(|i| format!("v{}", i % 5)))),
        ];
        columns.extend(poisoned.map(|column| ("x", column)));
        MemoryTable::new(columns)
    };
    let healthy = columns(Some(floats(normal(2_000))));
    let reference = reference(&healthy);
    let sound = figures(&reference, &pane(&reference, &healthy));
    let nulls: ArrayRef = Arc::new(Float64Array::new_null(2_000));
    let texts = strings(vec!["1.5"; 2_000]);
    for (poison, status) in
        [(Some(nulls), Status::NoValues), (Some(texts), Status::Retyped), (None, Status::Absent)]
    {
        let found = figures(&reference, &pane(&reference, &columns(poison)));
        assert_eq!(found.features[..2], sound.features[..2]);
        let x = &found.features[2];
        assert_eq!((x.status, x.drifted), (status, Some(true)));
        assert_eq!((x.statistics.rows, x.statistics.missing_ratio), (2_000, Some(1.0)));
    }
}

/// A feature that was hardly ever there in training may be wholly missing in a window by chance.
#[test]
fn a_rare_feature_that_stays_away_is_no_finding() {
    let rare = |every: usize| {
        let values = (0..20_000).map(|i| (i % every == 0).then_some(i as f64));
        Arc::new(values.collect::<Float64Array>()) as ArrayRef
    };
    let nothing: ArrayRef = Arc::new(Float64Array::new_null(1_000));
    assert_eq!(compare(rare(10_000), Arc::clone(&nothing)).drifted, None);
    assert_eq!(compare(rare(20), nothing).drifted, Some(true));
}

/// So many missing that the rest is too few to judge: that much can be said.
#[test]
fn mostly_missing_is_a_finding() {
    let values = (0..2_000).map(|i| (i % 100 == 0).then_some(f64::from(i)));
    let figures = compare(floats(normal(5_000)), Arc::new(values.collect::<Float64Array>()));
    assert_eq!((figures.status, figures.drifted), (Status::TooFewRows, Some(true)));
}

#[test]
fn identifiers_are_not_scored() {
    let integers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1_000));
    let texts = strings((0..1_000).map(|i| format!("request-{}", i / 10 * 10 + i % 9)));
    for column in [integers, texts] {
        let figures = compare(Arc::clone(&column), column);
        assert_eq!((figures.status, figures.drifted), (Status::Identifier, None));
        assert_eq!(figures.measures, []);
    }
    let few: ArrayRef = Arc::new(Int64Array::from_iter_values(0..999));
    assert_ne!(compare(Arc::clone(&few), few).status, Status::Identifier);
}

#[test]
fn integers_keep_all_digits() {
    let values = [i64::MIN, -1, (1 << 53) + 1, i64::MAX];
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
    let (min, max) = compare(Arc::clone(&column), column).statistics.exact.unwrap();
    assert_eq!((min.to_string(), max.to_string()), (i64::MIN.to_string(), i64::MAX.to_string()));
}

/// Identifiers beyond 2^53 look alike as doubles.
#[test]
fn large_identifiers_are_not_scored_either() {
    let base = 1_700_000_000_000_000_000;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(base..base + 2_000));
    assert_eq!(compare(Arc::clone(&ids), ids).status, Status::Identifier);
    let halves = Int64Array::from_iter_values((base..base + 2_000).map(|id| id / 2));
    let halves: ArrayRef = Arc::new(halves);
    assert_eq!(compare(Arc::clone(&halves), halves).status, Status::Ok);
}

/// The files of a reference may come in both widths; the narrower counts.
#[test]
fn a_reference_of_mixed_width_is_no_drift() {
    let values = |n: usize| (0..n).map(|i| [0.1, 0.2, 0.3, 0.7][i % 4]);
    let single: ArrayRef =
        Arc::new(Float32Array::from_iter_values(values(2_000).map(|x| x as f32)));
    let tables = [
        MemoryTable::new(vec![("x", single)]),
        MemoryTable::new(vec![("x", floats(values(2_000)))]),
    ];
    let double = MemoryTable::new(vec![("x", floats(values(1_000)))]);
    for tables in [[&tables[0], &tables[1]], [&tables[1], &tables[0]]] {
        let tables = tables.map(|table| table as &dyn Table);
        let reference = Reference::build(&tables, &ReferenceConfig::default(), &|| {}).unwrap();
        let feature = figures(&reference, &pane(&reference, &double)).features.remove(0);
        assert_eq!((measure(&feature, "psi"), measure(&feature, "ks")), (Some(0.0), Some(0.0)));
    }
}

/// Rows that only the table claims are not believed.
#[test]
fn claimed_rows_are_checked() {
    let reference = Arc::new(reference(&MemoryTable::new(vec![("x", floats(normal(1_000)))])));
    let windows = vec![WindowConfig { name: "w".into(), kind: WindowKind::Rows { size: 10 } }];
    let config = ModelConfig {
        name: "m".into(),
        version: String::new(),
        windows,
        baselines: vec![],
        sampling: None,
        time: None,
        cluster: None,
        predictions: Vec::new(),
        distributions: false,
        cells: Vec::new(),
        profiles: false,
        drift: DriftConfig::default(),
    };
    let monitor = Monitor::new(config, reference, Restored::default());
    let (arrival, now) = (Arrival::File, Timestamp(0));
    let time = ArrivalTime { arrival, fallback: now, now };
    let count = |table: &MemoryTable| {
        monitor.count(table, time, None, false).map(|counted| counted.delta.panes.0.len())
    };
    let other = |rows: usize| MemoryTable::new(vec![("y", floats(vec![1.0; rows]))]);
    assert_eq!(count(&other(100)).unwrap(), 10);
    let error = count(&other(100).claiming(5_000)).unwrap_err();
    assert!(error.to_string().contains("claims 5000 rows and has 100"), "{error}");
    let one = MemoryTable::new(vec![("x", floats(vec![1.0]))]);
    let error = count(&one.claiming(1 << 40)).unwrap_err();
    assert!(error.to_string().contains("at once"), "{error}");
}

/// Nothing can be said of the values of an embedding, but that it is gone can.
#[test]
fn an_unsupported_column_that_goes_is_a_finding() {
    let bytes: ArrayRef =
        Arc::new(arrow_array::BinaryArray::from_iter_values(vec![b"\xff"; 1_000]));
    let table = MemoryTable::new(vec![("a", floats(normal(1_000))), ("x", bytes)]);
    let reference = reference(&table);
    let whole = figures(&reference, &pane(&reference, &table));
    assert_eq!((whole.features[1].status, whole.features[1].drifted), (Status::Unsupported, None));
    let without = MemoryTable::new(vec![("a", floats(normal(1_000)))]);
    let found = figures(&reference, &pane(&reference, &without));
    assert_eq!((found.features[1].status, found.features[1].drifted), (Status::Absent, Some(true)));
}

#[test]
fn a_reference_of_integers_and_floats_knows_the_extremes_of_both() {
    let integers = MemoryTable::new(vec![("x", Arc::new(Int64Array::from_iter_values(0..100)))]);
    let floats =
        MemoryTable::new(vec![("x", floats((0..100).map(|i| f64::from(i) * 10.0 - 50.5)))]);
    let tables: [&dyn Table; 2] = [&integers, &floats];
    let reference = Reference::build(&tables, &ReferenceConfig::default(), &|| {}).unwrap();
    let Values::Numeric(profile) = &reference.features[0].profile.values else { panic!("numbers") };
    assert_eq!(profile.extremes().min(), Some(-50.5));
    assert_eq!(profile.extremes().max(), Some(939.5));
    assert_eq!(profile.extremes().exact(), None);
}
