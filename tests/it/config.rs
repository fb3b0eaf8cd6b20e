use crate::support::{repository, run};
use driftd::config::{load, parse, show};
use expect_test::expect_file;
use std::path::Path;

#[test]
fn shipped_configurations_are_good() {
    let reference = "config/reference.toml";
    for file in ["config/driftd.toml", reference] {
        // It has a source of every type.
        if file == reference && !cfg!(feature = "kafka") {
            continue;
        }
        let path = repository(file);
        let (status, out, err) = run(&["config", "check", path.to_str().unwrap()]);
        assert!(status == 0 && out.ends_with("the configuration is good\n"), "{err}");
    }
}

/// What is shown is a configuration, and the same one.
#[test]
fn show_loads_to_the_same() {
    for file in ["config/driftd.toml", "config/reference.toml"] {
        let shown = show(&load(&repository(file)).unwrap());
        let again = parse(&shown, Path::new("/elsewhere")).unwrap();
        assert_eq!(show(&again), shown);
    }
}

/// Every fault of a file at once, with its line and key. `UPDATE_EXPECT=1` rewrites.
#[test]
fn bad_configurations_are_explained() {
    let mut n_files = 0;
    for entry in std::fs::read_dir(repository("fixtures/config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let Err(mut faults) = load(&path) else { panic!("{} is good", path.display()) };
            faults.file = path.file_name().unwrap().into();
            expect_file![path.with_extension("expected")].assert_eq(&format!("{faults}\n"));
            n_files += 1;
        }
    }
    assert!(n_files >= 4);
}

#[test]
fn a_wrong_configuration_stops_the_start() {
    let path = repository("fixtures/config/keys.bad.toml");
    let (status, out, err) = run(&["run", "--config", path.to_str().unwrap()]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(
        err.contains("keys.bad.toml:1: serverr: unknown key; did you mean \"server\"?"),
        "{err}"
    );
}

/// ConfigFaults that only the reference shows name the feature and the remedy.
#[test]
fn what_the_reference_lacks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let reference = repository("fixtures/employment/reference.parquet");
    let check = |more: &str, what: &str| {
        let path = folder.path().join("driftd.toml");
        std::fs::create_dir_all(folder.path().join("logs")).unwrap();
        let text = format!(
            "[[model]]\nname = \"m\"\n[model.reference]\npath = {reference:?}\n\
             [[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"logs\"\n{more}\n"
        );
        std::fs::write(&path, text).unwrap();
        let (status, _, err) = run(&["config", "check", path.to_str().unwrap()]);
        assert!(status == 2 && err.contains(what), "{err}");
    };
    check("[model.columns]\nid = \"identity\"", "no column \"identity\"");
    check("[model.columns]\ninclude = [\"AGE*\", \"X*\"]", "\"X*\" matches no column");
    check("[model.feature.AGE]\nkind = \"numeric\"", "\"AGE\": the reference has no such column");
    check("[model.feature.SCHL]\nkind = \"numeric\"", "cannot be numeric");
}

/// What open windows will take is told beforehand, and refused when it cannot be had.
#[test]
fn the_memory_of_open_windows_is_told_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let text = |memory: &str| {
        format!(
            "[state]\nmemory_max = \"{memory}\"\n[[model]]\nname = \"m\"\n[model.reference]\n\
             path = {:?}\n[[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \".\"\n\
             [[model.window]]\nname = \"day\"\ntype = \"time\"\nsize = \"24h\"\nslide = \"1h\"\n",
            repository("fixtures/employment/reference.parquet")
        )
    };
    let path = folder.path().join("driftd.toml");
    let check = |memory: &str| {
        std::fs::write(&path, text(memory)).unwrap();
        run(&["config", "check", path.to_str().unwrap()])
    };
    let (status, out, _) = check("1GB");
    // A day, ten minutes of lateness, and the hour that has begun.
    assert!(status == 0 && out.contains("open panes: 26"), "{out}");
    assert!(
        out.contains("in memory at most") && out.contains("rows sent to sockets 0 KB"),
        "{out}"
    );
    let socket = "[[model.source]]\nname = \"s\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:9\"\n\
        line_bytes_max = 1048576\nconnections_max = 64\n";
    std::fs::write(&path, format!("{}{socket}", text("1GB"))).unwrap();
    let (status, out, _) = run(&["config", "check", path.to_str().unwrap()]);
    // The beginning of a line for each connection, 8 MiB that wait, and the batches.
    let told =
        out.lines().find_map(|line| line.split_once("rows sent to \"s\" in memory at most "));
    let mb: u64 = told.unwrap().1.strip_suffix(" MB").unwrap().parse().unwrap();
    assert!(status == 0 && mb > 64 + 8, "{out}");
    let (status, _, err) = check("4KB");
    assert!(status == 2 && err.contains("over its part of state.memory_max (4 KB)"), "{err}");
}

/// A type that does not exist, with the nearest one and all there are; what else is wrong with the
/// source is found too.
#[test]
fn a_mistyped_type_of_source_is_explained() {
    let text = "[[model]]\nname = \"m\"\n[model.reference]\npath = \"x\"\n\
        [[model.source]]\nname = \"logs\"\ntype = \"dirctory\"\nrewriten = \"count\"\n";
    let faults = parse(text, Path::new("/")).err().unwrap();
    let faults: Vec<_> = faults.iter().map(|f| format!("{}: {}", f.key, f.message)).collect();
    let names: Vec<_> = driftd::source::SOURCE_TYPES.iter().map(|kind| kind.name()).collect();
    let there_are = format!("There are: {}", names.join(", "));
    let mistyped = "model.source.type: \"dirctory\" is unknown; did you mean \"directory\"?";
    assert!(faults.contains(&format!("{mistyped} {there_are}")), "{faults:#?}");
    assert!(faults.contains(&"model.source.path: is missing".to_owned()), "{faults:#?}");
    let unknown = "model.source.rewriten: unknown key; did you mean \"rewritten\"?";
    assert!(faults.contains(&unknown.to_owned()), "{faults:#?}");
}

/// The comments of a key, to the end of its sentence, with single spaces.
fn comments<'a>(lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> String {
    let mut text = String::new();
    while let Some(line) = lines.next_if(|line| line.trim_start().starts_with('#')) {
        text += line.trim_start().trim_start_matches('#');
    }
    text
}

/// Every type of source and each of its keys, with default and meaning, as the list has them.
#[test]
fn the_reference_lists_every_key_of_every_source() {
    let text = std::fs::read_to_string(repository("config/reference.toml")).unwrap();
    let readme = std::fs::read_to_string(repository("README.md")).unwrap();
    for kind in driftd::source::SOURCE_TYPES {
        let written = format!("type = \"{}\"", kind.name());
        assert!(readme.contains(&written), "{written} is not in the README");
        let section = text.split("[[model.source]]").find(|section| section.contains(&written));
        let section = section.unwrap_or_else(|| panic!("{written} is not in the reference"));
        let section = section.split("\n[").next().unwrap();
        let mut described = std::collections::BTreeMap::new();
        let mut lines = section.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((key, rest)) = line.split_once(" = ") else { continue };
            let (value, comment) = rest.split_once('#').unwrap_or((rest, ""));
            let comment = format!("{comment} {}", comments(&mut lines));
            let words: Vec<&str> = comment.split_whitespace().collect();
            // An empty list is no text.
            let value = value.trim().trim_matches('"').trim_start_matches("[]");
            described.insert(key, (value, words.join(" ")));
        }
        for key in kind.keys() {
            let (value, comment) = &described[key.name];
            assert!(comment.contains(key.meaning), "{}: {comment}", key.name);
            match key.default {
                Some(default) => assert_eq!(*value, default, "{}", key.name),
                None => assert!(comment.contains("(required)"), "{}: {comment}", key.name),
            }
        }
        let known = |key: &&&str| kind.keys().iter().any(|own| own.name == **key);
        let unknown: Vec<_> = described.keys().filter(|key| !known(key)).collect();
        assert_eq!(unknown, [&"name", &"type"], "{}", kind.name());
    }
}

/// Where samples are sent is checked before anything is: each fault at its key, and no secret
/// told.
#[test]
fn remote_write_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let faults = |keys: &str| {
        let text = format!(
            "[export.remote_write]\n{keys}\n[[model]]\nname = \"m\"\n[model.reference]\n\
             path = \"x\"\n[[model.source]]\nname = \"logs\"\ntype = \"directory\"\npath = \"x\"\n"
        );
        let faults = parse(&text, folder.path()).err().unwrap_or_default();
        let faults = faults.iter().map(|fault| format!("{}: {}", fault.key, fault.message));
        faults.collect::<Vec<_>>().join("\n")
    };
    let url = "url = \"http://prometheus:9090/api/v1/write\"\n";
    assert_eq!(faults(url), "");
    for (keys, expected) in [
        ("interval = \"5s\"", "export.remote_write.url: is missing"),
        ("url = \"prometheus:9090\"", "export.remote_write.url: is no address such as"),
        (&*format!("{url}version = \"3.0\""), "export.remote_write.version"),
        (&format!("{url}interval = \"0s\""), "export.remote_write.interval"),
        ("url = \"http://me:secret@prometheus:9090/\"", "must not hold a password"),
        ("url = \"http://prometheus:99999/\"", "export.remote_write.url: is no address such as"),
        (&format!("{url}labels = {{ feature = \"x\" }}"), "a label that series have of their own"),
        (&format!("{url}labels = {{ \"a-b\" = \"x\" }}"), "is no name of a label"),
        (&format!("{url}labels = {{ __name__ = \"x\" }}"), "is no name of a label"),
        (&format!("{url}urll = \"x\""), "did you mean \"url\"?"),
    ] {
        let found = faults(keys);
        assert!(found.contains(expected) && !found.contains("secret"), "{found}");
    }
}
