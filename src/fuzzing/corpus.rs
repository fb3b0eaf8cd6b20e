//! What mutations of inputs start from.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::path::Path;

/// All fixtures with this ending that are not large.
pub fn fixtures(ending: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("fixtures"), root.join("config")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|own| own == ending) => {
                    found.push(std::fs::read(path).unwrap());
                }
                false => {}
            }
        }
    }
    found.retain(|bytes| bytes.len() < 40_000);
    assert!(!found.is_empty());
    found
}

/// Bodies of the protocols, each called in several ways.
pub fn payloads() -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/payloads/documented.json");
    let cases: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let body = |case: &serde_json::Value| match case["body"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => BASE64_STANDARD.decode(case["body_base64"].as_str().unwrap()).unwrap(),
    };
    let called = |body: Vec<u8>| [0, 2, 5, 36, 73].map(|choice| [&[choice], &body[..]].concat());
    cases.iter().map(body).flat_map(called).collect()
}

/// Files of every format, each opened as all of them.
pub fn logs() -> Vec<Vec<u8>> {
    let found = ["log", "jsonl", "json", "csv", "arrows"].into_iter().flat_map(fixtures);
    let opened =
        |file: Vec<u8>| (0..7).chain(16..23).map(move |choice| [&[choice], &file[..]].concat());
    found.flat_map(opened).collect()
}
