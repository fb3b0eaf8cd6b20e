//! The house rules, as tests: floors, lengths, tables of the README, words that do not belong.

use driftd::drift::MEASURES;
use driftd::export::metrics::all;
use driftd::feature::Status;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor; see the crate's documentation.
const FLOORS: &[&[&str]] = &[
    &["error", "feature", "position", "time", "telemetry"],
    &["stats", "schema"],
    &["profile"],
    &["drift"],
    &["window"],
    &["monitor"],
    &["net"],
    &["ingest", "store", "export", "report"],
    &["config"],
    &["daemon"],
    &["cli"],
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARACTERS_MAX: usize = 120;

/// Files and functions that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

/// Words that have no place in finished code.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with that ending, with its text.
fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no .{ending} file");
    found
}

fn rust_files() -> Vec<(PathBuf, String)> {
    ["src", "tests", "benches"].iter().flat_map(|folder| files(folder, "rs")).collect()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The module that a source file belongs to.
fn module(path: &Path) -> String {
    let second = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
    second.trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_go_down() {
    let mut faults = Vec::new();
    for (path, text) in files("src", "rs") {
        let own = module(&path);
        if ["lib", "main"].contains(&own.as_str()) {
            continue;
        }
        let own_floor = floor(&own).unwrap_or_else(|| panic!("{own} is on no floor"));
        for used in text.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match floor(&used) {
                Some(_) if used == own => {}
                // Words may use words.
                Some(0) if own_floor == 0 => {}
                Some(floor) if floor < own_floor => {}
                _ => faults.push(format!("{}: imports {used}", path.display())),
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// The pure part knows no file, socket, clock or runtime.
#[test]
fn the_core_is_pure() {
    let mut faults = Vec::new();
    for (path, text) in files("src", "rs") {
        let Some(0..=5) = floor(&module(&path)) else { continue };
        for impure in ["std::fs", "std::net", "tokio", "Instant::now", "SystemTime", "std::env"] {
            if text.contains(impure) {
                faults.push(format!("{}: uses {impure}", path.display()));
            }
        }
        if text.contains("rayon") && module(&path) != "monitor" {
            faults.push(format!("{}: uses rayon", path.display()));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_module_is_on_a_floor_and_in_the_crate_documentation() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    for module in &declared {
        assert!(floor(module).is_some(), "{module} is on no floor");
    }
    for (floor, modules) in FLOORS.iter().enumerate() {
        let row = text.lines().find(|line| line.starts_with(&format!("//! | {floor} |"))).unwrap();
        for module in *modules {
            assert!(declared.contains(module), "{module} is not declared");
            assert!(row.contains(&format!("[`{module}`]")), "{module} is not in the table");
        }
    }
}

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for (path, text) in rust_files() {
        let name = path.to_str().unwrap();
        let may_be_longer = |what: &str| LONGER.iter().any(|(own, _)| *own == what);
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX && !may_be_longer(name) {
            faults.push(format!("{name}: {lines} lines"));
        }
        for (function, lines) in functions(&text) {
            if lines > FUNCTION_LINES_MAX && !may_be_longer(&format!("{name}:{function}")) {
                faults.push(format!("{name}: fn {function} has {lines} lines"));
            }
        }
        let long = text.lines().filter(|line| line.chars().count() > LINE_CHARACTERS_MAX);
        faults.extend(long.map(|line| format!("{name}: long line: {line}")));
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// Name and length of every function, by the indentation that the formatter guarantees.
fn functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match &open {
            None => {
                let words: Vec<&str> = line.split_whitespace().collect();
                if let Some(at) = words.iter().position(|word| *word == "fn").filter(|at| *at < 4) {
                    let name: String = words
                        .get(at + 1)
                        .unwrap_or(&"")
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    open = Some((name, number, indent));
                }
            }
            Some((name, start, own)) if indent == *own => {
                if line.trim_start().starts_with('}') || line.ends_with(';') {
                    found.push((name.clone(), number - start + 1));
                    open = None;
                }
            }
            Some(_) => {}
        }
    }
    found
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in files("src", "rs") {
        assert!(text.starts_with("//! "), "{} has no introduction", path.display());
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let mut faults = Vec::new();
    for (path, text) in rust_files() {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if UNFINISHED.iter().any(|word| line.contains(word)) {
                faults.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn no_module_is_a_drawer() {
    for (path, _) in rust_files() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            !["util", "utils", "common", "misc", "helpers"].contains(&stem),
            "{}",
            path.display()
        );
    }
}

/// Rows of a Markdown table of the README, from their first cell in backticks to the whole line.
fn readme_rows() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let name = line.strip_prefix("| `")?.split('`').next()?;
        Some((name.to_owned(), line.to_owned()))
    });
    rows.collect()
}

#[test]
fn the_readme_lists_every_metric() {
    let rows = readme_rows();
    for metric in all() {
        let row =
            rows.get(metric.name).unwrap_or_else(|| panic!("{} is not in the README", metric.name));
        assert!(row.contains(metric.kind.name()), "{row}");
        assert!(row.contains(metric.help), "{}: the README says otherwise: {row}", metric.name);
    }
    let known = |name: &str| all().any(|metric| metric.name == name);
    for name in rows.keys().filter(|name| name.starts_with("driftd_")) {
        assert!(known(name), "{name} is in the README and nowhere else");
    }
}

#[test]
fn the_readme_lists_every_measure() {
    let rows = readme_rows();
    for measure in MEASURES {
        let row = &rows[measure.name()];
        let threshold = measure.default_threshold().map_or("none".to_owned(), |t| t.to_string());
        assert!(row.contains(&threshold), "{row}: the threshold is {threshold}");
    }
}

#[test]
fn the_readme_lists_every_status() {
    let rows = readme_rows();
    for status in Status::ALL {
        assert!(rows.contains_key(status.name()), "{} is not in the README", status.name());
    }
}

/// What ships stays small, and notes its origin.
#[test]
fn fixtures_are_small() {
    fn size(path: &Path) -> u64 {
        let metadata = fs::metadata(path).unwrap();
        if metadata.is_file() {
            return metadata.len();
        }
        fs::read_dir(path).unwrap().map(|entry| size(&entry.unwrap().path())).sum()
    }
    assert!(size(&root().join("fixtures")) < 8_000_000);
    assert!(root().join("fixtures/README.md").exists());
}
