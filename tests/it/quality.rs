//! Rules of quality: what each measures, on real data, in a daemon, and what is refused.

use crate::support::daemon::{Daemon, config};
use crate::support::table::{MemoryTable, floats, pane, strings, write};
use crate::support::{repository, run};
use arrow_array::{ArrayRef, Float64Array, StringArray};
use driftd::judge::drift_config::DriftConfig;
use driftd::monitor::reference::Reference;
use driftd::monitor::reference::ReferenceConfig;
use driftd::monitor::score::{WindowLabel, score};
use driftd::quality::rule::{Check, Pattern, Rule};
use driftd::time::Timestamp;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Rules that were written for a reference, and what broke them in each file, by name.
fn broken(report: &Value) -> Vec<(String, Vec<String>)> {
    let reports = report["reports"].as_array().unwrap().iter();
    let of = |report: &Value| {
        let file = report["window"]["name"].as_str().unwrap().rsplit('/').next().unwrap();
        let rules = report["rules"].as_array().unwrap().iter();
        let broken = rules.filter(|rule| rule["violated"] == true);
        let names = broken.map(|rule| rule["rule"].as_str().unwrap().to_owned());
        (file.to_owned(), names.collect())
    };
    reports.map(of).collect()
}

/// The employment records, whose greatest age was coded 94 until 2016, and 95 from 2017 on. Three
/// faults were put into the last file.
#[test]
fn suggested_rules_hold_and_name_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = repository("fixtures/employment");
    let file = config(
        folder.path(),
        "[model.columns]\nid = \"id\"\nlabel = \"employed\"\nexclude = [\"year\"]\n",
    );
    let text = std::fs::read_to_string(&file).unwrap();
    let reference = data.join("reference.parquet");
    let text = text.replace("reference.parquet", reference.to_str().unwrap());
    std::fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();
    let (status, rules, err) = run(&["reference", "suggest", "--config", file]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(rules.contains("feature = \"AGEP\"\nmax = 94.0\nmin = 0.0\n"), "{rules}");
    std::fs::write(file, text + &rules).unwrap();
    let logs = data.join("logs");
    let check = ["check", "--each", "--format", "json", "--config", file, logs.to_str().unwrap()];
    let (status, out, err) = run(&check);
    assert_eq!((status, err.as_str()), (1, ""));
    let found = broken(&serde_json::from_str(&out).unwrap());
    assert_eq!(found.len(), 12);
    for (file, broken) in &found {
        let expected: &[&str] = match &file[..4] {
            _ if file.contains("faulty") => &["AGEP range", "SCHL missing", "DREM values"],
            "2016" => &[],
            _ => &["AGEP range"],
        };
        assert_eq!(broken, expected, "{file}");
    }
}

fn optional(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

/// 1,000 rows of each kind of feature.
fn reference_table() -> MemoryTable {
    let n = 1_000;
    MemoryTable::new(vec![
        ("code", floats((0..n).map(|i| f64::from(i % 5)))),
        ("spread", floats((0..n).map(|i| f64::from(i * 7 % 1_000) / 8.0))),
        ("text", strings((0..n).map(|i| ["DE", "FR", "IT"][i as usize % 3]))),
        ("gone", floats((0..n).map(f64::from))),
    ])
}

/// A window of 200 rows: codes up to 6, half of the numbers above 100, a tenth of them infinite,
/// new texts, and one feature that is not there.
fn window_table() -> MemoryTable {
    let n = 200;
    let spread = |i: i32| match i % 10 {
        0 => Some(f64::INFINITY),
        1 => None,
        i if i < 6 => Some(f64::from(i) * 10.0),
        i => Some(100.0 + f64::from(i)),
    };
    let text = |i: i32| [Some("DE"), Some("FRA"), None, Some("IT")][i as usize % 4];
    MemoryTable::new(vec![
        ("code", floats((0..n).map(|i| f64::from(i % 8).min(6.0)))),
        ("spread", optional((0..n).map(spread))),
        ("text", Arc::new((0..n).map(text).collect::<StringArray>()) as ArrayRef),
    ])
}

#[test]
fn rules_measure_the_rows_that_break_them() {
    let reference = Reference::build(&[&reference_table()], &ReferenceConfig::default(), &|| {});
    let reference = reference.unwrap();
    let set = |values: &[&str]| values.iter().map(|&text| text.to_owned()).collect();
    let range = |min, max| Check::Range { min, max };
    let cases: Vec<(Option<&str>, Check, Option<f64>)> = vec![
        // 5, 6 and 6 of 0 to 7, which ends at 6.
        (Some("code"), range(Some(0.0), Some(4.0)), Some(3.0 / 8.0)),
        (Some("code"), range(Some(1.0), None), Some(1.0 / 8.0)),
        (Some("code"), Check::Values(set(&["0", "1", "2", "3", "4"])), Some(3.0 / 8.0)),
        (Some("code"), Check::Varies, Some(0.0)),
        // Of nine tenths that have a value, one is infinite and four are above 100.
        (Some("spread"), range(None, Some(100.0)), Some(5.0 / 9.0)),
        (Some("spread"), range(Some(-1.0), None), Some(0.0)),
        (Some("spread"), Check::Missing, Some(0.1)),
        (Some("spread"), Check::Type, Some(0.0)),
        // A third of what has a value is FRA.
        (Some("text"), Check::Values(set(&["DE", "FR", "IT"])), Some(1.0 / 3.0)),
        (Some("text"), Check::Values(set(&["DE", "FRA"])), Some(1.0 / 3.0)),
        (Some("text"), Check::Pattern(Pattern::new("^[A-Z]{2}$").unwrap()), Some(1.0 / 3.0)),
        (Some("text"), Check::Missing, Some(0.25)),
        (Some("gone"), Check::Missing, Some(1.0)),
        (Some("gone"), range(None, Some(1.0)), None),
        (None, Check::Rows { min: Some(250), max: None }, Some(0.2)),
        (None, Check::Rows { min: Some(1), max: Some(160) }, Some(0.25)),
        (None, Check::Columns, Some(0.25)),
        (None, Check::Fresh { max_age: Duration::from_secs(3_600) }, Some(1.0)),
        (None, Check::Fresh { max_age: Duration::from_secs(7_200) }, Some(0.0)),
    ];
    let rule = |(at, (feature, check, _)): (usize, &(Option<&str>, Check, Option<f64>))| Rule {
        name: at.to_string(),
        feature: feature.map(str::to_owned),
        check: check.clone(),
        at_most: 0.3,
    };
    let rules: Vec<Rule> = cases.iter().enumerate().map(rule).collect();
    let config = DriftConfig { rules, ..DriftConfig::default() };
    reference.check_rules(&config.rules).unwrap();
    let (end, closed) = (Some(Timestamp(0)), Some(Timestamp(7_200_000_000)));
    let label = WindowLabel { window: "w".into(), end, closed, ..WindowLabel::default() };
    let pane = pane(&reference, &window_table());
    let figures = score(&reference, &pane, &[], &[], &config, label).unwrap().figures;
    for (at, (feature, check, expected)) in cases.iter().enumerate() {
        let own = figures.rules.iter().find(|own| own.rule == at.to_string());
        let ratio = own.and_then(|own| own.ratio);
        let close = |expected: f64| ratio.is_some_and(|ratio| (ratio - expected).abs() < 1e-12);
        assert!(expected.map_or(ratio.is_none(), close), "{feature:?} {check:?}: {ratio:?}");
        assert_eq!(own.unwrap().is_violated(), ratio.is_some_and(|ratio| ratio > 0.3));
    }
}

fn write_file(path: &Path, texts: &[&str], shift: f64) {
    let n = 2_000;
    let values = (0..n).map(|i| (f64::from(i) * 0.618_033_988_749_895).fract() + shift);
    let texts = (0..n as usize).map(|i| texts[i % texts.len()]);
    write(path, vec![("x", floats(values)), ("t", strings(texts))]);
}

const RULES: &str = "[[model.rule]]\nfeature = \"t\"\ncheck = \"values\"\nvalues = [\"a\", \"b\"]\n\
    [[model.rule]]\nname = \"enough\"\ncheck = \"rows\"\nmin = 1000\n\
    [[model.rule]]\nfeature = \"x\"\ncheck = \"range\"\nmin = 0\nmax = 1\nat_most = 0.01\n";

#[test]
fn a_daemon_tells_of_broken_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_file(&path("reference.parquet"), &["a", "b"], 0.0);
    write_file(&path("logs/1.parquet"), &["a", "b", "a", "b", "c"], 0.005);
    let file = config(folder.path(), RULES);
    let mut daemon = Daemon::start(&file);
    let value = |daemon: &Daemon, metric: &str, rule: &str| {
        daemon.sample(&[metric, &format!("rule=\"{rule}\"")])
    };
    daemon.wait_for("a window", |own| value(own, "driftd_rule_ratio", "enough").is_some());
    for (rule, ratio, violated) in [("t values", 0.2, 1.0), ("enough", 0.0, 0.0)] {
        assert_eq!(value(&daemon, "driftd_rule_ratio", rule), Some(ratio), "{rule}");
        assert_eq!(value(&daemon, "driftd_rule_violated", rule), Some(violated), "{rule}");
    }
    let beyond = value(&daemon, "driftd_rule_ratio", "x range").unwrap();
    assert!((beyond - 0.005).abs() < 0.0011, "{beyond}");
    assert_eq!(value(&daemon, "driftd_rule_violated", "x range"), Some(0.0));
    let line = daemon.log().iter().find(|line| line.contains("\"broken_rules\":\"t values\""));
    assert!(line.is_some_and(|line| line.contains("WARN")), "{:?}", daemon.log());
    let (_, page) = daemon.get("/models/m");
    assert!(
        page.contains("20 % of rows break it") && page.contains("2 of 3 rules are kept"),
        "{page}"
    );
    let (_, report) = daemon.get("/api/v1/report");
    let report: Value = serde_json::from_str(&report).unwrap();
    let rule = &report["reports"][0]["rules"][0];
    assert_eq!((&rule["rule"], &rule["violated"]), (&"t values".into(), &true.into()));
    assert_eq!((&rule["ratio"], &rule["at_most"]), (&0.2.into(), &0.0.into()));
    daemon.stop();

    // What the state has of it is shown after a restart.
    let daemon = Daemon::start(&file);
    assert_eq!(value(&daemon, "driftd_rule_violated", "t values"), Some(1.0));
    daemon.stop();
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), &["a", "b"], 0.0);
    let logs = folder.path().join("logs/1.parquet");
    write_file(&logs, &["a"], 0.0);
    for (rule, what) in [
        (
            "feature = \"y\"\ncheck = \"missing\"",
            "\"y missing\": the reference has no feature \"y\"",
        ),
        ("feature = \"t\"\ncheck = \"range\"\nmin = 1", "a range is of numbers, and it is none"),
        ("feature = \"x\"\ncheck = \"pattern\"\npattern = \"a\"", "a pattern is of texts"),
    ] {
        let file = config(folder.path(), &format!("[[model.rule]]\n{rule}\n"));
        let check = ["check", "--config", file.to_str().unwrap(), logs.to_str().unwrap()];
        let (status, _, err) = run(&check);
        assert!(status == 2 && err.contains(what), "{err}");
    }
}

/// Doubles of one side and floats of the other are compared as floats, and so are their limits.
#[test]
fn limits_are_as_wide_as_the_values() {
    let values = [0.1, 0.2, 0.3, 0.7];
    let wide = (0..400).map(|i| values[i % 4]);
    let narrow: Vec<f32> = (0..200).map(|i| values[i % 4] as f32).collect();
    let narrow = Arc::new(arrow_array::Float32Array::from(narrow)) as ArrayRef;
    let reference = MemoryTable::new(vec![("x", floats(wide))]);
    let reference = Reference::build(&[&reference], &ReferenceConfig::default(), &|| {}).unwrap();
    let listed = values.iter().map(f64::to_string).collect();
    let rules = [Check::Range { min: Some(0.1), max: Some(0.7) }, Check::Values(listed)];
    let rule = |check: Check| Rule {
        name: check.name().to_owned(),
        feature: Some("x".to_owned()),
        check,
        at_most: 0.0,
    };
    let rules = rules.into_iter().map(rule).collect();
    let config = DriftConfig { rules, ..DriftConfig::default() };
    let pane = pane(&reference, &MemoryTable::new(vec![("x", narrow)]));
    let label = WindowLabel { window: "w".into(), ..WindowLabel::default() };
    let figures = score(&reference, &pane, &[], &[], &config, label).unwrap().figures;
    assert!(figures.rules.iter().all(|own| own.ratio == Some(0.0)), "{:?}", figures.rules);
}

#[test]
fn a_reference_keeps_what_it_suggests() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("odd.parquet");
    let n = 2_000i64;
    let half = |i: i64| format!("name {}", if i < n * 6 / 10 { i } else { i % 7 });
    write(
        &odd,
        vec![
            ("names", strings((0..n).map(half))),
            // Ids that doubles cannot tell apart.
            (
                "id",
                Arc::new(arrow_array::Int64Array::from_iter_values(
                    (0..n).map(|i| 1_800_000_000_000_000_000 + i),
                )) as ArrayRef,
            ),
            ("codes", floats((0..n).map(|i| [1.0, 2.0, f64::INFINITY][i as usize % 3]))),
            (
                "flag",
                Arc::new((0..n).map(|i| Some(i % 2 == 0)).collect::<arrow_array::BooleanArray>())
                    as ArrayRef,
            ),
        ],
    );
    let fixtures = ["oracle/pairs/kinds", "oracle/pairs/sparse", "flights", "employment"];
    let fixtures = fixtures.map(|name| repository("fixtures").join(name).join("reference.parquet"));
    for reference in fixtures.iter().chain([&odd]) {
        let reference = reference.to_str().unwrap();
        let (status, rules, err) = run(&["reference", "suggest", "--reference", reference]);
        assert_eq!((status, err.as_str()), (0, ""), "{reference}");
        let file = folder.path().join("gate.toml");
        let model = "[[model]]\nname = \"m\"\n[model.reference]\n";
        std::fs::write(&file, format!("{model}path = {reference:?}\n{rules}")).unwrap();
        let file = file.to_str().unwrap();
        let check = ["check", "--config", file, reference];
        let (status, out, err) = run(&[&check[..], &["--format", "json"]].concat());
        assert!(status == 0 || status == 3, "{reference}: {err}");
        let found = broken(&serde_json::from_str(&out).unwrap());
        assert_eq!(found[0].1, [""; 0], "{reference}");
    }
}

/// What is shown of a configuration loads to the same.
#[test]
fn rules_are_shown_as_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    write_file(&folder.path().join("reference.parquet"), &["a", "b"], 0.0);
    let more = "[[model.rule]]\nfeature = \"t\"\ncheck = \"pattern\"\npattern = \"^[a-c]$\"\n\
        [[model.rule]]\ncheck = \"fresh\"\nmax_age = \"2h\"\n";
    let file = config(folder.path(), &format!("{RULES}{more}"));
    let show = |file: &Path| {
        let (status, shown, err) = run(&["config", "show", file.to_str().unwrap()]);
        assert_eq!((status, err.as_str()), (0, ""));
        shown
    };
    let shown = show(&file);
    assert_eq!(shown.matches("[[model.rule]]").count(), 5, "{shown}");
    let again = folder.path().join("again.toml");
    std::fs::write(&again, &shown).unwrap();
    assert_eq!(show(&again), shown);
}

/// Of more values than are known by name nothing is claimed, unless those that are known break it.
#[test]
fn what_hangs_on_unknown_names_is_not_told() {
    let n = 4_000;
    let known =
        |i: i32| if i % 2 == 0 { "info@example.org".to_owned() } else { format!("{i}@a.de") };
    let reference = MemoryTable::new(vec![("mail", strings((0..n).map(known)))]);
    let kind = Some(driftd::monitor::reference::DeclaredKind::Categorical);
    let own = driftd::monitor::reference::FeatureConfig { kind, ..Default::default() };
    let features = [("mail".to_owned(), own)].into();
    let features = ReferenceConfig { features, ..ReferenceConfig::default() };
    let reference = Reference::build(&[&reference], &features, &|| {}).unwrap();
    let ratio = |now: Vec<String>, at_most: f64| {
        let check = Check::Pattern(Pattern::new("@").unwrap());
        let (name, feature) = ("mail pattern".to_owned(), Some("mail".to_owned()));
        let rules = vec![Rule { name, feature, check, at_most }];
        let config = DriftConfig { rules, ..DriftConfig::default() };
        let pane = pane(&reference, &MemoryTable::new(vec![("mail", strings(now))]));
        let label = WindowLabel { window: "w".into(), ..WindowLabel::default() };
        score(&reference, &pane, &[], &[], &config, label).unwrap().figures.rules[0].ratio
    };
    let all = |name: fn(i32) -> String| (0..1_000).map(name).collect::<Vec<String>>();
    // All are known, and a third are none.
    let known = ["info@example.org", "nobody", "new@a.de"];
    let few = (0..999).map(|i| known[i % 3].to_owned()).collect::<Vec<String>>();
    assert_eq!(ratio(few.clone(), 0.0), Some(1.0 / 3.0));
    assert_eq!(ratio(few, 0.5), Some(1.0 / 3.0));
    // A thousand new ones, fifty of which are known: some of those break it, or none does.
    assert!(ratio(all(|i| format!("x{i}")), 0.0).unwrap() > 0.0);
    assert_eq!(ratio(all(|i| format!("x{i}@b.de")), 0.0), None);
    assert_eq!(ratio(all(|i| format!("x{i}@b.de")), 1.0), Some(0.0));
}
