//! One table as `fixtures/streams` has it, in the forms that it is sent and written in.

use super::daemon::config;
use super::{features, repository};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

pub const ROWS: u32 = 600;

/// What is told of a feature, the least and greatest besides.
const FIGURES: [&str; 10] = [
    "status",
    "drifted",
    "rows",
    "missing_ratio",
    "nan_ratio",
    "mean",
    "stddev",
    "percentiles",
    "distinct",
    "measures",
];

pub fn fixture(name: &str) -> PathBuf {
    repository("fixtures/streams").join(name)
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// As one array of JSON.
pub fn array() -> Vec<u8> {
    let lines = String::from_utf8(bytes("rows.jsonl")).unwrap();
    format!("[{}]", lines.trim_end().replace('\n', ",")).into_bytes()
}

/// As CSV, as pandas writes them.
pub fn csv() -> Vec<u8> {
    let names = ["number", "whole", "city", "flag", "at"];
    let mut text = names.join(",") + "\n";
    for line in String::from_utf8(bytes("rows.jsonl")).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let value = |name: &&str| match &row[*name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            other => other.to_string(),
        };
        text += &(names.iter().map(value).collect::<Vec<_>>().join(",") + "\n");
    }
    text.into_bytes()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A configuration whose one source is this, with windows of 600 rows.
pub fn prepare(folder: &Path, source: &str) -> PathBuf {
    std::fs::copy(fixture("reference.parquet"), folder.join("reference.parquet")).unwrap();
    let path = config(folder, "");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("type = \"directory\"\npath = \"logs\"", source);
    let window = format!(
        "[[model.window]]\nname = \"w\"\ntype = \"batch\"\nrows = {ROWS}\nevery = \"1h\"\n\
         [model.drift]\nvariation = \"none\"\n"
    );
    std::fs::write(&path, text + &window).unwrap();
    path
}

/// All figures of the features of two reports, but those of the fate of their rows.
pub fn assert_same(told: &str, own: &Value, expected: &Value) {
    let (own, expected) = (features(own), features(expected));
    assert_eq!((own.len(), expected.len()), (5, 5), "{told}");
    for ((name, own), (_, expected)) in own.iter().zip(&expected) {
        for key in FIGURES {
            assert_eq!(own[key], expected[key], "{told}: {key} of {name}");
        }
        // Lines know no integers, and tell them as what they are read as.
        for key in ["min", "max"] {
            assert_eq!(own[key].as_f64(), expected[key].as_f64(), "{told}: {key} of {name}");
        }
    }
}
