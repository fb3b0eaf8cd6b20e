//! One table, written by five engines in many physical styles: the same figures come out.

use crate::support::repository;
use crate::support::table::{assert_same_as_reference, figures, pane};
use driftd::feature::Kind;
use driftd::format::parquet::PAGE_BYTES_MAX;
use driftd::format::parquet::ParquetTable;
use driftd::monitor::figures::{FeatureFigures, WindowFigures};
use driftd::monitor::reference::{Reference, ReferenceConfig};
use driftd::monitor::table::Table;
use driftd::source::inputs::{Input, open, resolve};
use driftd::window::pane::Pane;
use serde_json::Value;

fn expected() -> Value {
    let text = std::fs::read_to_string(repository("fixtures/writers/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn tables(input: &str) -> Vec<ParquetTable> {
    let path = repository("fixtures/writers").join(input);
    let Input::Files(files) = resolve(&path).unwrap() else { unreachable!() };
    files.iter().map(|file| open(&file.path, PAGE_BYTES_MAX).unwrap()).collect()
}

fn reference(tables: &[ParquetTable]) -> Reference {
    let tables: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
    Reference::build(&tables, &ReferenceConfig::default(), &|| {}).unwrap()
}

fn window(reference: &Reference, tables: &[ParquetTable]) -> WindowFigures {
    let mut all = Pane::new(reference.grids());
    tables.iter().for_each(|table| all.merge(&pane(reference, table)).unwrap());
    figures(reference, &all)
}

fn check_column(at: &str, figures: &FeatureFigures, column: &Value) {
    let s = &figures.statistics;
    assert_eq!(figures.kind.name(), column["kind"], "{at}");
    let rows = |ratio: Option<f64>| (ratio.unwrap_or(0.0) * s.rows as f64).round() as u64;
    let expected = |key: &str| column[key].as_u64().unwrap_or(0);
    assert_eq!(rows(s.null_ratio), expected("nulls"), "{at}: nulls");
    assert_eq!(rows(s.nan_ratio), expected("nans"), "{at}: NaNs");
    assert_eq!(rows(s.infinite_ratio), expected("infinities"), "{at}: infinities");
    assert_eq!(s.distinct.unwrap_or(0), expected("distinct"), "{at}: distinct");
    if !matches!(figures.kind, Kind::Categorical | Kind::Boolean) {
        assert_eq!(s.min, column["min"].as_f64(), "{at}: min");
        assert_eq!(s.max, column["max"].as_f64(), "{at}: max");
    }
}

#[test]
fn every_writer_is_read_alike() {
    let expected = expected();
    let canonical_tables = tables("pyarrow/snappy_v1_dictionary.parquet");
    let canonical = reference(&canonical_tables);
    let mut n_compared = 0;
    for (input, about) in expected["inputs"].as_object().unwrap() {
        let read_as = about["table"].as_str().unwrap();
        if about["refused"].is_string() {
            continue;
        }
        let own_tables = tables(input);
        let own = reference(&own_tables);
        let columns = &expected["tables"][read_as]["columns"];
        for figures in &window(&own, &own_tables).features {
            let at = format!("{input}: {}", figures.name);
            check_column(&at, figures, &columns[&figures.name]);
        }
        if read_as != "all" {
            continue;
        }
        // Either way round, nothing has drifted.
        for window in [window(&canonical, &own_tables), window(&own, &canonical_tables)] {
            window.features.iter().for_each(assert_same_as_reference);
        }
        n_compared += 1;
    }
    assert!(n_compared >= 15, "{n_compared}");
}

#[test]
fn what_no_reader_reads_is_refused() {
    for (input, about) in expected()["inputs"].as_object().unwrap() {
        if about["refused"].is_string() {
            let path = repository("fixtures/writers").join(input);
            let path = path.to_str().unwrap();
            let (status, _, err) = crate::support::run(&["check", "--reference", path, path]);
            assert!(status == 2 && err.lines().count() == 1, "{err}");
        }
    }
}

/// A value of the path is a feature only when it is asked for, and then of the reference's kind.
#[test]
fn values_of_the_path_are_features_on_request() {
    let tables = tables("duckdb/partitioned");
    let names = |reference: &Reference| -> Vec<String> {
        reference.grids().map(|grid| grid.name.clone()).collect()
    };
    assert!(!names(&reference(&tables)).contains(&"str".to_owned()));
    let mut config = ReferenceConfig::default();
    config.features.insert("str".to_owned(), Default::default());
    let all: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
    let with_str = Reference::build(&all, &config, &|| {}).unwrap();
    let window = window(&with_str, &tables);
    let found = window.features.iter().find(|feature| feature.name == "str").unwrap();
    check_column("str", found, &expected()["tables"]["duckdb/partitioned"]["columns"]["str"]);
}
