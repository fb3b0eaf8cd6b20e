//! The house rules, as tests: floors, lengths, tables of the README, words that do not belong.

use driftd::drift::MEASURES;
use driftd::drift::threshold::Threshold;
use driftd::export::metrics::all;
use driftd::feature::Status;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor; see the crate's documentation.
const FLOORS: &[&[&str]] = &[
    &["error", "feature", "identity", "position", "settings", "telemetry", "time", "totals"],
    &["stats", "schema"],
    &["profile"],
    &["drift", "quality"],
    &["explain", "judge", "window"],
    &["monitor"],
    &["net"],
    &["format", "store", "export", "report"],
    &["source"],
    &["journal", "config"],
    &["daemon"],
    &["cli"],
    &["fuzzing"],
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARACTERS_MAX: usize = 100;

/// Stems that several files have, each with its reason.
const SHARED_STEMS: &[(&str, &str)] = &[
    ("check", "a command, and the checking of a configuration"),
    ("feature", "the words about a feature, and its profile"),
    ("history", "a command, and its two formats"),
    ("merge", "a command, and the merging of panes"),
    ("metrics", "a command, and the table that it prints"),
    ("sampling", "what is sampled, and how that is configured"),
    ("snapshot", "what readers see, and its samples"),
    ("table", "rows in columns, and a table for a terminal"),
];

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
        if ["lib", "main", "testing"].contains(&own.as_str()) {
            continue;
        }
        let own_floor = floor(&own).unwrap_or_else(|| panic!("{own} is on no floor"));
        for used in text.split("crate::").skip(1) {
            let used: String =
                used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match floor(&used) {
                Some(_) if used == own => {}
                _ if used == "testing" => {}
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
        // A row of a table cannot be broken.
        let lines = text.lines().filter(|line| !line.starts_with("//! |"));
        let long = lines.filter(|line| line.chars().count() > LINE_CHARACTERS_MAX);
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
                // What a trait only asks for has no lines of its own.
                if line.ends_with(';') {
                    continue;
                }
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

/// The files of one top-level folder, without their tests, and which of each other they use.
fn uses() -> BTreeMap<String, Vec<String>> {
    let sources: BTreeMap<String, String> = files("src", "rs")
        .into_iter()
        .map(|(path, text)| {
            let path = path.strip_prefix("src").unwrap().with_extension("");
            let name = path.to_str().unwrap().trim_end_matches("/mod").replace('/', "::");
            (name, text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned())
        })
        .collect();
    let file_of = |path: &str| {
        let mut path = path.trim_end_matches("::").to_owned();
        while !sources.contains_key(&path) {
            path = path.rsplit_once("::")?.0.to_owned();
        }
        Some(path)
    };
    let mut uses = BTreeMap::new();
    for (name, text) in &sources {
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        let code = text.lines().filter(is_code).collect::<Vec<_>>().join(" ");
        let mut used = Vec::new();
        used.extend(code.split("crate::").skip(1).filter_map(|rest| file_of(path(rest))));
        let parent = name.rsplit_once("::").map_or("", |(parent, _)| parent);
        for rest in code.split("super::").skip(1) {
            let of_parent = |item: &str| file_of(&format!("{parent}::{item}"));
            used.extend(items(rest).into_iter().filter_map(of_parent));
        }
        used.retain(|other| other != name && other.split("::").next() == name.split("::").next());
        used.sort();
        used.dedup();
        uses.insert(name.clone(), used);
    }
    uses
}

/// The path that a text begins with.
fn path(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    &text[..end.unwrap_or(text.len())]
}

/// The paths that `super::…` names: one, or those in its braces.
fn items(text: &str) -> Vec<&str> {
    match text.strip_prefix('{').and_then(|list| list.split_once('}')) {
        Some((list, _)) => list.split(',').map(str::trim).collect(),
        None => vec![path(text)],
    }
}

/// No two files of a folder import each other, not even by way of others.
#[test]
fn there_are_no_circles() {
    let uses = uses();
    let mut faults = Vec::new();
    for start in uses.keys() {
        let (mut seen, mut open) = (Vec::new(), vec![(start, vec![start.as_str()])]);
        while let Some((name, way)) = open.pop() {
            for next in &uses[name] {
                if next == start {
                    faults.push(format!("{} → {start}", way.join(" → ")));
                } else if !seen.contains(&next) {
                    seen.push(next);
                    open.push((next, [&way[..], &[next.as_str()]].concat()));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

/// One noun, one meaning.
#[test]
fn no_two_public_types_have_one_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in files("src", "rs") {
        for line in text.lines() {
            let words: Vec<&str> = line.split([' ', '<', '(', '{', ';', ':']).collect();
            if let ["pub", "struct" | "enum" | "trait" | "type", name, ..] = words[..] {
                places.entry(name.to_owned()).or_default().push(path.display().to_string());
            }
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert_eq!(places, BTreeMap::new());
}

/// A file is found by its name alone.
#[test]
fn no_two_files_have_one_stem() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, _) in files("src", "rs") {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if stem != "mod" && !SHARED_STEMS.iter().any(|(own, _)| *own == stem) {
            places.entry(stem).or_default().push(path.display().to_string());
        }
    }
    places.retain(|_, places| places.len() > 1);
    assert_eq!(places, BTreeMap::new());
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
fn the_help_of_reasons_lists_them_all() {
    let reasons = driftd::explain::reason::REASONS.join(", ");
    assert!(driftd::export::metrics::DRIFT_REASON.help.contains(&reasons));
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
        let threshold = match measure.about().threshold {
            Threshold::None => "none".to_owned(),
            Threshold::Score { learned, first } => format!("{learned}, first {first}"),
            Threshold::Rate { h } => format!("h = {h}"),
        };
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
