//! What a pipeline takes from `driftd check`: an exit status, JUnit's XML and Markdown.

use crate::support::table::{floats, strings, write};
use crate::support::{repository, run};
use expect_test::expect_file;
use std::path::Path;

fn write_file(path: &Path, texts: &[&str], shift: f64) -> String {
    let n = 2_000;
    let values = (0..n).map(|i| (f64::from(i) * 0.618_033_988_749_895).fract() + shift);
    let texts: Vec<&str> = (0..n as usize).map(|i| texts[i % texts.len()]).collect();
    let few = (0..n).map(|i| if i < 40 { f64::from(i) } else { f64::NAN });
    write(
        path,
        vec![("amount <€>", floats(values)), ("t|x", strings(texts)), ("few", floats(few))],
    );
    path.to_str().unwrap().to_owned()
}

/// A file for a gate: what must hold, and from which score on it is drift; no source, no state.
const GATE: &str = r#"
[[model]]
name = "churn & co"
[model.reference]
path = "reference.parquet"
[model.drift]
measures = ["default", "wasserstein"]
decide = ["default", "wasserstein"]
thresholds = { wasserstein = 0.3 }
[[model.rule]]
check = "rows"
min = 1_000
[[model.rule]]
feature = "t|x"
check = "values"
values = ["a", "b"]
"#;

#[test]
fn a_gate_says_what_failed_in_the_words_of_ci() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    write_file(&file("reference.parquet"), &["a", "b"], 0.0);
    let same = write_file(&file("same.parquet"), &["b", "a"], 0.0);
    let moved = write_file(&file("moved.parquet"), &["a", "b", "<c>"], 0.5);
    let (gate, path) = (file("gate.toml"), |name: &str| file(name).to_str().unwrap().to_owned());
    std::fs::write(&gate, GATE).unwrap();
    let check = |current: &str, more: &[&str]| {
        let base = ["check", "--config", gate.to_str().unwrap(), current];
        run(&[&base[..], more].concat())
    };
    let (junit, markdown) = (path("report.xml"), path("report.md"));
    let (as_junit, as_markdown) = (format!("junit={junit}"), format!("markdown={markdown}"));
    let (status, table, err) = check(&moved, &["--also", &as_junit, "--also", &as_markdown]);
    assert_eq!((status, err.as_str()), (1, ""));
    assert!(table.contains("1 of 2 rules are kept"), "{table}");
    let read = |name: &str| std::fs::read_to_string(name).unwrap();
    expect_file![repository("fixtures/check/report.xml")].assert_eq(&read(&junit));
    expect_file![repository("fixtures/check/report.md")].assert_eq(&read(&markdown));
    let (status, out, _) = check(&moved, &["--format", "junit"]);
    assert_eq!((status, out), (1, read(&junit)));

    assert_eq!(check(&same, &[]).0, 0);
    // A rule alone ends with the same status.
    let (status, out, _) = check(&same, &["--format", "markdown", "--threshold", "psi=9"]);
    assert!(status == 0 && out.contains("2 of 2 rules are kept"), "{out}");
    std::fs::write(&gate, GATE.replace("1_000", "3_000")).unwrap();
    let (status, out, _) = check(&same, &["--format", "markdown"]);
    assert!(status == 1 && out.contains("rule \"rows\" is broken"), "{out}");

    let (status, _, err) = check(&same, &["--also", "junitt=x"]);
    assert!(status == 2 && err.contains("no format \"junitt\"; there are: table, json, html"));
    let (status, _, err) = check(&same, &["--also", "junit"]);
    assert!(status == 2 && err.contains("such as junit=report.xml"), "{err}");
}
