//! What a daemon learns from closed windows: kept over restarts, the same in a replay, and gone
//! with another reference.

use crate::support::daemon::{Daemon, config};
use crate::support::run;
use crate::support::table::{floats, write};
use driftd::daemon::replay::replay;
use driftd::monitor::figures::FeatureFigures;
use driftd::store::Store;
use driftd::store::closed_windows::Query;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::sync::Arc;

const FILES: usize = 60;
const ROWS: usize = 800;

/// Sums of twelve uniform numbers, nearly normal, about a centre.
fn normal(random: &mut StdRng, centre: f64, rows: usize) -> Vec<f64> {
    let mut one = || (0..12).map(|_| random.random_range(0.0..1.0)).sum::<f64>() - 6.0 + centre;
    (0..rows).map(|_| one()).collect()
}

/// A reference, and logs whose days differ by 0.1 standard deviations.
fn logs(folder: &Path) {
    let mut random = StdRng::seed_from_u64(8);
    let reference = normal(&mut random, 0.0, 30_000);
    write(&folder.join("reference.parquet"), vec![("x", floats(reference))]);
    std::fs::create_dir_all(folder.join("all")).unwrap();
    for day in 0..FILES {
        let centre = normal(&mut random, 0.0, 1)[0] / 10.0;
        let values = normal(&mut random, centre, ROWS);
        write(&folder.join(format!("all/{day:03}.parquet")), vec![("x", floats(values))]);
    }
}

/// Puts some of the files where the daemon looks, one after the other.
fn give(folder: &Path, files: std::ops::Range<usize>, daemon: &mut Daemon) {
    for day in files {
        let name = format!("{day:03}.parquet");
        std::fs::copy(folder.join("all").join(&name), folder.join("logs").join(&name)).unwrap();
        let counted = ["driftd_source_files_total", "result=\"counted\""];
        daemon.wait_for(&name, |d| d.sample(&counted) == Some((day + 1) as f64));
    }
}

/// The feature in every closed window of the daemon's state.
fn closed(folder: &Path) -> Vec<FeatureFigures> {
    let store = Arc::new(Store::open_read_only(&folder.join("driftd.db")).unwrap());
    let windows = store.model("m", "").unwrap().windows("w", &Query::default()).unwrap();
    windows.into_iter().map(|mut window| window.features.remove(0)).collect()
}

fn steps(feature: &FeatureFigures) -> Option<u64> {
    feature.variation.unwrap().steps
}

const MORE: &str = "reconcile_interval = \"100ms\"\n\
    [[model.window]]\nname = \"w\"\ntype = \"batch\"\n";

#[test]
fn what_is_learned_outlives_a_restart_and_a_replay_learns_the_same() {
    let folder = tempfile::tempdir().unwrap();
    logs(folder.path());
    let path = config(folder.path(), MORE);
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 0..25, &mut daemon);
    daemon.stop();
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 25..40, &mut daemon);
    daemon.kill();
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 40..FILES, &mut daemon);
    daemon.stop();

    let windows = closed(folder.path());
    let learned: Vec<Option<u64>> = windows.iter().map(steps).collect();
    // The twenty-first step is the one to the window that is judged.
    let expected = (0..FILES as u64).map(|day| (day > 20).then(|| (day - 1).min(50)));
    assert_eq!(learned, expected.collect::<Vec<_>>());
    // Days differ more than their rows do.
    let effect = |feature: &FeatureFigures| feature.variation.unwrap().centre;
    assert!(effect(&windows[FILES - 1]) > 3.0, "{}", effect(&windows[FILES - 1]));
    assert!(windows.iter().all(|feature| feature.drifted != Some(true)));

    let text = std::fs::read_to_string(&path).unwrap();
    let model = driftd::config::parse(&text, folder.path()).unwrap().models.remove(0);
    let replayed = replay(model, 1 << 20).unwrap().windows("w", &Query::default()).unwrap();
    let replayed: Vec<FeatureFigures> =
        replayed.into_iter().map(|mut window| window.features.remove(0)).collect();
    assert_eq!(replayed, windows);
}

#[test]
fn another_reference_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    logs(folder.path());
    let path = config(folder.path(), MORE);
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 0..23, &mut daemon);
    daemon.stop();
    let mut random = StdRng::seed_from_u64(9);
    let other = normal(&mut random, 0.0, 20_000);
    write(&folder.path().join("reference.parquet"), vec![("x", floats(other))]);
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 23..26, &mut daemon);
    daemon.stop();
    let windows = closed(folder.path());
    assert_eq!(steps(&windows[22]), Some(21));
    assert!(windows[23..].iter().all(|feature| steps(feature).is_none()));
}

#[test]
fn windows_that_are_cut_otherwise_start_anew() {
    let folder = tempfile::tempdir().unwrap();
    logs(folder.path());
    let path = config(folder.path(), MORE);
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 0..23, &mut daemon);
    daemon.stop();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("type = \"batch\"", "type = \"rows\"\nsize = 800")).unwrap();
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 23..26, &mut daemon);
    daemon.stop();
    let windows = closed(folder.path());
    assert_eq!((windows.len(), steps(&windows[22])), (26, Some(21)));
    assert!(windows[23..].iter().all(|feature| steps(feature).is_none()));
}

#[test]
fn what_is_learned_can_be_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    logs(folder.path());
    let path = config(folder.path(), MORE);
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 0..23, &mut daemon);
    let config = path.to_str().unwrap();
    let reset =
        |more: &[&str]| run(&[&["reference", "reset-history", "--config", config], more].concat());
    let (status, _, err) = reset(&["m"]);
    assert!(status == 2 && err.contains("in use by another driftd"), "{err}");
    daemon.stop();
    let (status, _, err) = reset(&["other"]);
    assert!(status == 2 && err.contains("\"m\" version \"\""), "{err}");
    let (status, _, err) = reset(&["m", "--feature", "y"]);
    assert!(status == 2 && err.contains("no feature \"y\"; it has: x"), "{err}");
    let (status, out, _) = reset(&["m", "--feature", "x"]);
    assert!(status == 0 && out.contains("23 windows forgotten of \"x\""), "{out}");
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 23..25, &mut daemon);
    daemon.stop();
    let (status, out, _) = reset(&["m"]);
    assert!(status == 0 && out.contains("25 windows forgotten"), "{out}");
    let (status, ..) = run(&["state", "check", folder.path().join("driftd.db").to_str().unwrap()]);
    assert_eq!(status, 0);
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 25..50, &mut daemon);
    daemon.stop();
    let learned: Vec<Option<u64>> = closed(folder.path()).iter().map(steps).collect();
    assert_eq!(learned[22], Some(21));
    assert!(learned[23..46].iter().all(Option::is_none), "{learned:?}");
    assert_eq!(learned[46], Some(20));
}

/// A reference of sixty days one after the other tells at once what windows tell in three weeks.
#[test]
fn a_reference_in_order_is_a_history() {
    let folder = tempfile::tempdir().unwrap();
    logs(folder.path());
    let mut random = StdRng::seed_from_u64(10);
    for part in 0..3 {
        let days = (0..20).flat_map(|_| {
            let centre = normal(&mut random, 0.0, 1)[0] / 10.0;
            normal(&mut random, centre, ROWS)
        });
        let days = floats(days.collect::<Vec<f64>>());
        write(&folder.path().join(format!("train/{part}.parquet")), vec![("x", days)]);
    }
    let path = config(folder.path(), MORE);
    let text = std::fs::read_to_string(&path).unwrap();
    let reference = "path = \"reference.parquet\"";
    assert!(text.contains(reference));
    let ordered = text.replace(reference, "path = \"train\"\nordered = true");
    std::fs::write(&path, ordered).unwrap();
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 0..5, &mut daemon);
    daemon.stop();
    let mut daemon = Daemon::start(&path);
    give(folder.path(), 5..30, &mut daemon);
    daemon.stop();
    let windows = closed(folder.path());
    // From fifty-one stretches of about a day, and fewer of them with every window.
    assert!(windows.iter().all(|feature| steps(feature) == Some(50)), "{windows:?}");
    let effects: Vec<f64> = windows.iter().map(|own| own.variation.unwrap().centre).collect();
    assert!(effects.iter().all(|effect| (2.0..40.0).contains(effect)), "{effects:?}");
    assert!(windows.iter().all(|feature| feature.drifted == Some(false)));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut model = driftd::config::parse(&text, folder.path()).unwrap().models.remove(0);
    let replayed = replay(model.clone(), 1 << 20).unwrap().windows("w", &Query::default()).unwrap();
    let replayed: Vec<FeatureFigures> =
        replayed.into_iter().map(|mut window| window.features.remove(0)).collect();
    assert_eq!(replayed, windows);
    // Without its order the same reference tells nothing of days.
    model.is_ordered = false;
    let plain = replay(model, 1 << 20).unwrap().windows("w", &Query::default()).unwrap();
    assert_eq!(steps(&plain[0].features[0]), None);
}
