use crate::support::table::{floats, strings, write};
use crate::support::{check_json, features, repository, run};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn write_file(path: &Path, rows: usize, shift: f64) -> PathBuf {
    let values = (0..rows).map(|i| ((i * 7919) % rows) as f64 / rows as f64 + shift);
    let texts = strings((0..rows).map(|i| format!("v{}", i % 4)));
    write(path, vec![("x", floats(values)), ("s", texts)]);
    path.to_owned()
}

struct Files {
    folder: tempfile::TempDir,
    reference: String,
    quiet: String,
    drifted: String,
}

fn files() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, rows, shift| {
        write_file(&folder.path().join(name), rows, shift).to_str().unwrap().to_owned()
    };
    Files {
        reference: file("reference.parquet", 5_000, 0.0),
        quiet: file("logs/quiet.parquet", 1_000, 0.0),
        drifted: file("logs/drifted.parquet", 1_000, 0.5),
        folder,
    }
}

#[test]
fn exit_status_tells_drift_from_failure() {
    let f = files();
    let (status, out, err) = run(&["check", "--reference", &f.reference, &f.quiet]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("no drift in 2 judged features"), "{out}");
    let (status, out, _) = run(&["check", "--reference", &f.reference, &f.drifted]);
    assert_eq!(status, 1);
    assert!(out.contains("1 of 2 judged features drifted") && out.contains("DRIFTED"), "{out}");
    let (status, out, err) = run(&["check", "--reference", &f.reference, "nowhere.parquet"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(err, "driftd: nowhere.parquet: no such file or directory\n");
    assert_eq!(run(&["check", "--no-such-flag"]).0, 2);
    assert_eq!(run(&["--help"]).0, 0);
}

#[test]
fn broken_input_gets_one_clear_line() {
    let f = files();
    let path = f.folder.path().join("bad.parquet");
    for (content, what) in [
        (&b"a,b\n1,2\n3,4\n"[..], "not a Parquet file"),
        (b"PAR1", "shorter than any Parquet file"),
        (b"PAR1\0\0\0\0\0\0\0\0\xff\xff\xff\x7fPAR1", "footer is longer than the file"),
        (b"PAR1\0\0\0\0\0\0\0\0\x04\0\0\0PARE", "encrypted"),
    ] {
        std::fs::write(&path, content).unwrap();
        let (status, _, err) = run(&["check", "--reference", &f.reference, path.to_str().unwrap()]);
        assert_eq!(status, 2);
        assert!(err.contains("bad.parquet") && err.contains(what), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn windows_of_all_files_and_of_each() {
    let f = files();
    let logs = f.folder.path().join("logs");
    let reference = Path::new(&f.reference);
    let (status, all) = check_json(reference, &logs);
    assert_eq!((status, all["reports"][0]["current"]["rows"].as_u64()), (1, Some(2_000)));
    let pattern = logs.join("*.parquet");
    let (status, out, _) = run(&[
        "check",
        "--reference",
        &f.reference,
        "--each",
        "--format",
        "json",
        pattern.to_str().unwrap(),
    ]);
    let each: serde_json::Value = serde_json::from_str(&out).unwrap();
    let verdicts: Vec<_> = each["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| report["features_drifted"].as_u64().unwrap())
        .collect();
    assert_eq!((status, verdicts), (1, vec![1, 0]));
}

#[test]
fn output_goes_to_a_file_or_to_standard_output() {
    let f = files();
    let output = f.folder.path().join("out.prom");
    let (status, out, _) = run(&[
        "check",
        "--reference",
        &f.reference,
        &f.quiet,
        "--format",
        "openmetrics",
        "--output",
        output.to_str().unwrap(),
    ]);
    assert_eq!((status, out.as_str()), (0, ""));
    let page = std::fs::read_to_string(output).unwrap();
    assert!(page.ends_with("\n# EOF\n"));
    assert!(page.contains("driftd_drift_score{model_name=\"default\",model_version=\"\","));
    let (status, _, err) =
        run(&["check", "--reference", &f.reference, &f.quiet, "--output", "/nowhere/out"]);
    assert!(status == 2 && err.contains("/nowhere/out"), "{err}");
}

/// Profiles of parts, merged, are the profile of the whole; and they answer as the files do.
#[test]
fn profiles_stand_for_their_files() {
    let f = files();
    let path = |name: &str| f.folder.path().join(name).to_str().unwrap().to_owned();
    let (train, quiet, drifted, both) =
        (path("train.profile"), path("q.profile"), path("d.profile"), path("both.profile"));
    assert_eq!(run(&["profile", &f.reference, "--output", &train]).0, 0);
    assert_eq!(run(&["profile", &f.quiet, "--grid", &train, "--output", &quiet]).0, 0);
    assert_eq!(run(&["profile", &f.drifted, "--grid", &train, "--output", &drifted]).0, 0);
    assert_eq!(run(&["merge", &quiet, &drifted, "--output", &both]).0, 0);
    let check = |reference: &str, current: &str| {
        let report = check_json(Path::new(reference), Path::new(current)).1;
        features(&report)
    };
    let from_files = check(&f.reference, f.folder.path().join("logs").to_str().unwrap());
    assert_eq!(check(&train, &both), from_files);
    assert_eq!(check(&f.reference, &both), from_files);

    let other = path("other.profile");
    assert_eq!(run(&["profile", &f.drifted, "--output", &other]).0, 0);
    for (arguments, what) in [
        (["check", "--reference", &other, &quiet], "counted on other grids"),
        (["check", "--reference", &quiet, &quiet], "cannot be the reference"),
        (["check", "--reference", &train, &train], "cannot be the current data"),
        (["merge", &train, "--output", &both], "fixes a grid and does not add"),
    ] {
        let (status, _, err) = run(&arguments);
        assert!(status == 2 && err.contains(what), "{err}");
    }
}

#[test]
fn a_configuration_gives_columns_and_thresholds() {
    let config = repository("config/driftd.toml");
    let file = repository("fixtures/employment/logs/year=2018/2018-batch-04-faulty.parquet");
    let reference = repository("fixtures/employment/reference.parquet");
    let (file, reference) = (file.to_str().unwrap(), reference.to_str().unwrap());
    let arguments = ["check", "--reference", reference, file, "--config", config.to_str().unwrap()];
    let (status, _, err) = run(&arguments);
    assert!(status == 2 && err.contains("--model: employment, flights"), "{err}");
    let (status, out, _) = run(&[&arguments[..], &["--model", "employment"]].concat());
    assert_eq!(status, 1);
    assert!(out.contains("3 of 18 judged features drifted"), "{out}");
}

#[test]
fn table_formats_are_refused_by_name() {
    let f = files();
    let logs = f.folder.path().join("logs");
    std::fs::create_dir(logs.join("_delta_log")).unwrap();
    let (status, _, err) = run(&["check", "--reference", &f.reference, logs.to_str().unwrap()]);
    assert!(status == 2 && err.contains("Delta Lake"), "{err}");
}

#[test]
fn metrics_are_listed() {
    let (status, out, _) = run(&["metrics"]);
    assert_eq!(status, 0);
    assert!(out.contains("driftd_drift_score\tgauge\tmodel_name,model_version,window,feature,"));
}

/// Profiles of every version that was ever written are read as they were meant.
#[test]
fn old_profiles_stay_readable() {
    let pair = repository("fixtures/oracle/pairs/sparse");
    let current = pair.join("current.parquet");
    // Up to version 3 sums were kept to the 13th digit or so.
    let without_sums = |path: &Path| {
        let (_, mut report) = check_json(path, &current);
        for feature in report["reports"][0]["features"].as_array_mut().unwrap() {
            for path in ["/reference/mean", "/reference/stddev", "/why/mean/reference"] {
                let Some(sum) = feature.pointer_mut(path) else { continue };
                *sum = sum.as_f64().map(|sum| format!("{sum:.12}")).into();
            }
        }
        report
    };
    let from_file = without_sums(&pair.join("reference.parquet"));
    assert_eq!(without_sums(&repository("fixtures/profile/v1.profile")), from_file);
}

/// A schema nested so deep that its parser would overflow the stack, which nothing can catch.
#[test]
fn a_deep_schema_is_refused() {
    use parquet::schema::types::Type;
    const DEPTH: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.parquet");
    let write = {
        let path = path.clone();
        move || {
            let optional = parquet::basic::Repetition::OPTIONAL;
            let leaf = Type::primitive_type_builder("x", parquet::basic::Type::INT32);
            let mut schema = Arc::new(leaf.with_repetition(optional).build().unwrap());
            for _ in 0..DEPTH {
                let group = Type::group_type_builder("g").with_fields(vec![schema]);
                schema = Arc::new(group.with_repetition(optional).build().unwrap());
            }
            let root = Type::group_type_builder("root").with_fields(vec![schema]);
            let schema = Arc::new(root.build().unwrap());
            let file = std::fs::File::create(path).unwrap();
            let writer =
                parquet::file::writer::SerializedFileWriter::new(file, schema, Default::default());
            writer.unwrap().close().unwrap();
        }
    };
    // The writer needs the room too.
    let thread = std::thread::Builder::new().stack_size(1 << 30).spawn(write).unwrap();
    thread.join().unwrap();
    let f = files();
    for arguments in [
        ["check", "--reference", &f.reference, path.to_str().unwrap()],
        ["check", "--reference", path.to_str().unwrap(), &f.quiet],
    ] {
        let (status, _, err) = run(&arguments);
        assert!(status == 2 && err.contains("nested") && err.lines().count() == 1, "{err}");
    }
}

/// The demo's flights, replayed, and nothing but the result.
#[test]
fn a_replay_writes_what_the_windows_come_to() {
    let arguments = ["replay", "--model", "flights", "--window", "week", "--format", "json"];
    let (status, out, err) = run(&arguments);
    assert_eq!((status, err.as_str()), (0, ""));
    let weeks: serde_json::Value = serde_json::from_str(&out).unwrap();
    let weeks = weeks["windows"].as_array().unwrap();
    assert_eq!(weeks.len(), 22);
    let start = |week: &serde_json::Value| week["window"]["start"].as_f64().unwrap() as i64;
    // The Mondays from 29 January 2001 on.
    let starts: Vec<i64> = weeks.iter().map(|week| start(week) / 86_400).collect();
    let mondays: Vec<i64> = (0..22).map(|week| 11_351 + 7 * week).collect();
    assert_eq!(starts, mondays);
    assert!(weeks.iter().all(|week| week["verdict"] == "ok"));
    // As if rows were independent, and three weeks were not on time: 23 and 30 April and 7 May.
    let before = ["--variation", "none", "--threshold", "centre=1", "--threshold", "spread=1"];
    let (_, out, _) = run(&[&arguments[..], &before].concat());
    let weeks: serde_json::Value = serde_json::from_str(&out).unwrap();
    let weeks = weeks["windows"].as_array().unwrap();
    let drifted = weeks.iter().filter(|week| {
        week["drifted"].as_array().unwrap().contains(&serde_json::Value::from("delay"))
    });
    let drifted: Vec<i64> = drifted.map(|week| start(week) / 86_400).collect();
    assert_eq!(drifted, [11_435, 11_442, 11_449]);
    let (_, out, _) =
        run(&[&arguments[..], &["--from", "2001-06-01", "--to", "2001-06-20"]].concat());
    assert_eq!(out.matches("\"verdict\"").count(), 3);
    let (status, _, err) = run(&["replay", "--model", "nothing"]);
    assert!(status == 2 && err.contains("there are: employment, flights"), "{err}");
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let f = files();
    std::fs::write(f.folder.path().join("logs/bad.parquet"), b"no Parquet, nor anything else")
        .unwrap();
    let pattern = f.folder.path().join("logs/*.parquet");
    let pattern = pattern.to_str().unwrap();
    let (status, out, err) = run(&["check", "--reference", &f.reference, "--each", pattern]);
    assert_eq!(status, 2);
    assert!(err.contains("bad.parquet") && out.contains("quiet.parquet: 1000 rows"), "{out}{err}");
    assert!(out.contains("drifted.parquet: 1000 rows"), "{out}");
}

#[test]
fn nothing_to_compare_with_and_nothing_to_judge_are_told() {
    let f = files();
    let file = |name: &str, rows| {
        let path = write_file(&f.folder.path().join(name), rows, 0.0);
        path.to_str().unwrap().to_owned()
    };
    let (empty, few) = (file("empty.parquet", 0), file("few.parquet", 10));
    let (status, _, err) = run(&["check", "--reference", &empty, &f.quiet]);
    assert_eq!(status, 2);
    assert!(err.contains("0 rows"), "{err}");
    for (strict, expected) in [(false, 0), (true, 3)] {
        let options: &[&str] = if strict { &["--strict"] } else { &[] };
        let arguments = [&["check", "--reference", &f.reference, &few][..], options].concat();
        let (status, out, _) = run(&arguments);
        assert_eq!(status, expected);
        assert!(
            out.trim_end().lines().last().unwrap().contains("nothing could be judged"),
            "{out}"
        );
    }
    let (status, ..) = run(&["check", "--strict", "--reference", &f.reference, &f.quiet]);
    assert_eq!(status, 0);
}

#[test]
fn names_that_match_nothing_are_told() {
    let f = files();
    let check =
        |excluded| run(&["check", "--reference", &f.reference, &f.quiet, "--exclude", excluded]);
    let (status, _, err) = check("lable");
    assert_eq!(status, 2);
    assert!(err.contains("--exclude \"lable\" matches no column"), "{err}");
    assert_eq!(check("s*").0, 0);
}

#[test]
fn files_without_an_ending_are_named() {
    let f = files();
    let hive = f.folder.path().join("hive");
    std::fs::create_dir(&hive).unwrap();
    std::fs::copy(&f.quiet, hive.join("000000_0")).unwrap();
    let hive = hive.to_str().unwrap();
    let (status, _, err) = run(&["check", "--reference", &f.reference, hive]);
    assert_eq!(status, 2);
    assert!(err.contains("1 file is left out") && err.contains("000000_0"), "{err}");
    let named = format!("{hive}/000000_0");
    assert_eq!(run(&["check", "--reference", &f.reference, &named]).0, 0);
}
