//! Rows that come in clusters which a column names.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{MemoryTable, floats, pane, strings, write};
use crate::support::{features, repository, run};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use driftd::judge::drift_config::{DriftConfig, VariationConfig};
use driftd::monitor::clustered_table::ClusteredTable;
use driftd::monitor::reference::{Reference, ReferenceConfig};
use driftd::monitor::score::{WindowLabel, score};
use driftd::monitor::table::Table;
use driftd::profile::codec::{Content, decode, encode};
use driftd::schema::columns::ColumnsConfig;
use driftd::window::pane::Pane;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::io::Write;
use std::net::TcpStream;

/// Columns of rows of `clusters` requests of 1 to 19 rows each, in any order: whether a whole
/// request is flagged, its size, and a number that is every row's own.
fn requests(seed: u64, clusters: usize) -> Vec<(&'static str, ArrayRef)> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut rows = Vec::new();
    for cluster in 0..clusters {
        let (flag, size) = (random.random_bool(0.1), random.random_range(0.0..9.0));
        let gone = random.random_bool(0.1);
        for _ in 0..random.random_range(1..20) {
            let own = random.random_range(0.0..9.0);
            rows.push((format!("{seed}-{cluster}"), flag, size, own, gone));
        }
    }
    rows.shuffle(&mut random);
    vec![
        ("request", strings(rows.iter().map(|row| &row.0))),
        ("flag", strings(rows.iter().map(|row| if row.1 { "yes" } else { "no" }))),
        ("size", floats(rows.iter().map(|row| row.2))),
        ("own", floats(rows.iter().map(|row| row.3))),
        ("gone", floats(rows.iter().map(|row| if row.4 { f64::NAN } else { row.3 }))),
    ]
}

fn clustered_reference(table: &MemoryTable) -> Reference {
    let columns = ColumnsConfig { cluster: Some("request".into()), ..ColumnsConfig::default() };
    let config = ReferenceConfig { columns, ..ReferenceConfig::default() };
    Reference::build(&[table], &config, &|| {}).unwrap()
}

fn clustered(reference: &Reference, table: &dyn Table) -> Pane {
    pane(reference, &ClusteredTable::new(table, Some("request")).unwrap())
}

/// samplics' Taylor linearisation over the same groups; `fixtures/oracle/clusters.py`.
#[test]
fn design_effects_agree_with_samplics() {
    let file = |name: &str| repository(&format!("fixtures/oracle/{name}"));
    let [reference, window] = ["clusters/reference.parquet", "clusters/window.parquet"].map(file);
    let (reference, window) = (reference.to_str().unwrap(), window.to_str().unwrap());
    let arguments =
        ["check", "--reference", reference, window, "--cluster", "request", "--format", "json"];
    let (_, out, err) = run(&arguments);
    let report: serde_json::Value = serde_json::from_str(&out).expect(&err);
    let expected = std::fs::read_to_string(file("clusters.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let found = features(&report);
    assert_eq!(found.len(), 3, "the column itself is no feature");
    for (name, feature) in found {
        for (of, effect) in expected["design_effects"][&name].as_object().unwrap() {
            let ours = feature["variation"]["design_effects"][of].as_f64().unwrap();
            let theirs = effect.as_f64().unwrap();
            assert!((ours / theirs - 1.0).abs() < 1e-9, "{name} {of}: {ours} is not {theirs}");
        }
    }
}

/// Every row is in one group and one bin, whatever it is read from.
#[test]
fn groups_hold_every_row_once() {
    let table = MemoryTable::new(requests(1, 300)).cut(500, 64);
    let reference = clustered_reference(&table);
    let pane = clustered(&reference, &table);
    for (feature, profile) in reference.features.iter().zip(&pane.features) {
        let groups = profile.known_groups().expect("all rows came with their cluster");
        let mut bins = vec![0; profile.bins(&feature.grid).len() + 1];
        for group in groups.filled() {
            bins.iter_mut().zip(group).for_each(|(all, rows)| *all += rows);
        }
        let missing = bins.pop().unwrap();
        assert_eq!(bins, profile.bins(&feature.grid), "{}", feature.grid.name);
        assert_eq!(missing, profile.tally.missing());
        assert_eq!(groups.total(), feature.profile.known_groups().unwrap().total());
    }
}

/// Of 300 requests of ten rows each, 3,000 rows tell of the flag what 300 do; of what is every
/// row's own, what they are.
#[test]
fn requests_count_as_one_row_each_where_their_rows_are_alike() {
    let table = MemoryTable::new(requests(1, 3_000));
    let reference = clustered_reference(&table);
    let window = MemoryTable::new(requests(2, 300));
    let window = clustered(&reference, &window);
    let config = DriftConfig { variation: VariationConfig::Rows, ..DriftConfig::default() };
    let label = WindowLabel { window: "w".into(), ..WindowLabel::default() };
    let found = score(&reference, &window, &[], &[], &config, label).unwrap().figures;
    let effects = |name: &str| {
        let feature = found.features.iter().find(|own| own.name == name).unwrap();
        feature.variation.unwrap()
    };
    let rows = found.rows as f64 * table.row_groups()[0] as f64
        / (found.rows as f64 + table.row_groups()[0] as f64);
    assert!(effects("flag").effective_rows < rows / 10.0);
    assert!(effects("size").effective_rows < rows / 5.0);
    assert!(effects("own").effective_rows > rows / 1.5);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// However rows are cut into files, row groups and blocks, and in whatever order these are
    /// added and stored in between, the groups are the same.
    #[test]
    fn groups_add_up(
        cuts in prop::collection::vec((1usize..400, 1usize..100), 1..4),
        at in 0usize..900,
    ) {
        let columns = requests(7, 100);
        let reference = clustered_reference(&MemoryTable::new(columns.clone()));
        let rows = columns[0].1.len();
        let at = at.min(rows);
        let part = |from: usize, n: usize, (group, block): (usize, usize)| {
            let own = columns.iter().map(|(name, array)| (*name, array.slice(from, n)));
            MemoryTable::new(own.collect()).cut(group, block)
        };
        let whole = clustered(&reference, &part(0, rows, (rows, rows)));
        for cut in cuts {
            let [first, second] = [(0, at), (at, rows - at)].map(|(from, n)| {
                let pane = clustered(&reference, &part(from, n, cut));
                decode::<Pane>(Content::Pane, &encode(Content::Pane, &pane)).unwrap()
            });
            let mut sum = second;
            sum.merge(&first).unwrap();
            for (sum, whole) in sum.features.iter().zip(&whole.features) {
                prop_assert_eq!(&sum.groups, &whole.groups);
            }
        }
    }
}

/// A window of one cluster tells as much as one row, whatever the reference's clusters are; and so
/// do values that one cluster alone has.
#[test]
fn few_clusters_are_worth_few_rows() {
    let single = |name: &'static str, rows: usize, of: fn(usize) -> f64| {
        let names = strings(
            (0..rows).map(|row| if name.is_empty() { row.to_string() } else { name.into() }),
        );
        MemoryTable::new(vec![("request", names), ("size", floats((0..rows).map(of)))])
    };
    let spread = |row: usize| (row * 7_919 % 3_000) as f64;
    let reference = clustered_reference(&single("", 3_000, spread));
    let effective = |table: &MemoryTable| {
        let window = clustered(&reference, table);
        let config = DriftConfig { variation: VariationConfig::Rows, ..DriftConfig::default() };
        let found = score(&reference, &window, &[], &[], &config, WindowLabel::default()).unwrap();
        let feature = &found.figures.features[0];
        (feature.status.name(), feature.drifted, feature.variation.unwrap().effective_rows)
    };
    let (status, drifted, rows) = effective(&single("one", 3_000, |_| 7.0));
    assert_eq!((status, drifted), ("too_few_rows", None));
    assert!(rows < 5.0, "{rows}");
    let alone = effective(&single("", 3_000, spread));
    assert!(alone.2 > 1_000.0 && alone.1 == Some(false), "{alone:?}");
    // Many requests, of which one has values.
    let names =
        strings((0..3_000).map(|row| if row < 1_500 { "one".into() } else { row.to_string() }));
    let size = floats((0..3_000).map(|row| if row < 1_500 { 7.0 } else { f64::NAN }));
    let (status, _, rows) = effective(&MemoryTable::new(vec![("request", names), ("size", size)]));
    assert!(rows < 5.0, "{status} {rows}");
}

/// Names of every type that names something, and a type that does not.
#[test]
fn clusters_are_named_by_any_type() {
    use arrow_array::types::Int32Type;
    use arrow_array::{
        BooleanArray, Decimal128Array, Int8Array, Int16Array, ListArray, UInt8Array,
    };
    use std::sync::Arc;
    let rows = 1_200usize;
    let size = || floats((0..rows).map(|row| (row * 7_919 % rows) as f64));
    let table = |names: ArrayRef| MemoryTable::new(vec![("request", names), ("size", size())]);
    let as_texts = || strings((0..rows).map(|row| (row % 100).to_string()));
    let reference = clustered_reference(&table(as_texts()));
    let filled = |names: ArrayRef| {
        let pane = clustered(&reference, &table(names));
        pane.features[0].known_groups().unwrap().filled().map(<[u64]>::to_vec).collect::<Vec<_>>()
    };
    let number = |row: usize| row % 100;
    let texts = filled(as_texts());
    let all: [ArrayRef; 5] = [
        Arc::new((0..rows).map(|row| Some(number(row) as i8)).collect::<Int8Array>()),
        Arc::new((0..rows).map(|row| Some(number(row) as i16)).collect::<Int16Array>()),
        Arc::new((0..rows).map(|row| Some(number(row) as u8)).collect::<UInt8Array>()),
        Arc::new(
            (0..rows)
                .map(|row| Some(number(row) as i128))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(10, 0)
                .unwrap(),
        ),
        Arc::new(floats((0..rows).map(|row| number(row) as f64))),
    ];
    for names in all {
        let kind = names.data_type().to_string();
        assert_eq!(filled(names), texts, "{kind}");
    }
    let flags = filled(Arc::new((0..rows).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>()));
    assert!(flags.len() <= 2);
    let lists =
        ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|_| Some(vec![Some(1)])));
    let refused = ClusteredTable::new(&table(Arc::new(lists)), Some("request")).err().unwrap();
    assert!(refused.to_string().contains("names nothing"), "{refused}");
}

/// Rows of which some came without their cluster tell nothing of clusters.
#[test]
fn a_window_that_knows_some_clusters_knows_none() {
    let table = MemoryTable::new(requests(1, 300));
    let reference = clustered_reference(&table);
    let mut both = clustered(&reference, &MemoryTable::new(requests(2, 300)));
    let without = requests(3, 10).into_iter().skip(1).collect();
    both.merge(&clustered(&reference, &MemoryTable::new(without))).unwrap();
    assert!(both.features.iter().all(|feature| feature.known_groups().is_none()));
}

/// From files and lines, over a restart: clusters are known of every row, and their column is no
/// feature. Without them the same rows seem to tell more than they do.
#[test]
fn a_daemon_counts_clusters_of_files_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let more = "reconcile_interval = \"100ms\"\n\
        [[model.source]]\nname = \"lines\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:0\"\n\
        [[model.window]]\nname = \"w\"\ntype = \"rows\"\nsize = 2000\n\
        [model.columns]\ncluster = \"request\"\n[export]\nfamilies = [\"drift\", \"evidence\"]\n";
    let config = config(folder.path(), more);
    write(&folder.path().join("reference.parquet"), requests(1, 2_000));
    let mut daemon = Daemon::start(&config);
    write(&folder.path().join("logs/a.parquet"), requests(2, 150));
    daemon
        .wait_for("the file", |d| d.sample(&["driftd_source_rows_total", "logs"]) > Some(1_000.0));
    daemon.stop();
    let mut daemon = Daemon::start(&config);
    let address = daemon.stream_address.clone().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let columns = requests(3, 150);
    for row in 0..columns[0].1.len() {
        let text = |column: usize| columns[column].1.as_string::<i32>().value(row);
        let number = |column: usize| columns[column].1.as_primitive::<Float64Type>().value(row);
        let (request, flag, size, own) = (text(0), text(1), number(2), number(3));
        let gone = Some(number(4)).filter(|own| !own.is_nan());
        let line = serde_json::json!({
            "request": request, "flag": flag, "size": size, "own": own, "gone": gone,
        });
        writeln!(stream, "{line}").unwrap();
    }
    drop(stream);
    daemon.wait_for("a window", |d| {
        d.sample(&["driftd_windows_closed_total", "\"ok\""]) == Some(1.0)
    });
    let effect = |name: &str, series: &str| {
        let (feature, series) = (format!("feature=\"{name}\""), format!("series=\"{series}\""));
        daemon.sample(&["driftd_feature_design_effect", &feature, &series])
    };
    assert!(effect("flag", "bins") > Some(8.0), "{:?}", effect("flag", "bins"));
    assert!(effect("gone", "missing") > Some(8.0), "{:?}", effect("gone", "missing"));
    assert!(effect("own", "bins") < Some(2.0), "{:?}", effect("own", "bins"));
    assert!(!daemon.metrics().contains("feature=\"request\""));
    daemon.stop();
}

/// What nobody has is most likely a typing error.
#[test]
fn a_column_that_nobody_has_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let more = "[[model.window]]\nname = \"w\"\ntype = \"batch\"\n\
        [model.columns]\ncluster = \"requests\"\n";
    let config = config(folder.path(), more);
    write(&folder.path().join("reference.parquet"), requests(1, 200));
    write(&folder.path().join("logs/a.parquet"), requests(2, 200));
    let arguments = ["config", "check", config.to_str().unwrap()];
    let (status, _, err) = run(&arguments);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("columns.cluster: neither the reference nor any file"), "{err}");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (reference, current) = (path("reference.parquet"), path("logs/a.parquet"));
    let arguments = ["check", "--reference", &reference, &current, "--cluster", "requests"];
    let (status, _, err) = run(&arguments);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("--cluster \"requests\" names no column"), "{err}");
}
