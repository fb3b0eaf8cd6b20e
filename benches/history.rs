//! What closed windows take in the state, and how long one feature of them takes to read:
//! `cargo bench --bench history -- FEATURES WINDOWS`.
//!
//! Half of the features are numbers with ten bins, a third are categories of five values, the rest
//! are flags; one in a hundred has drifted in every window.

#![expect(clippy::print_stdout, reason = "the figures are what a benchmark is for")]

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use driftd::format::arrow::RecordBatchTable;
use driftd::judge::drift_config::DriftConfig;
use driftd::monitor::close::ClosedWindow;
use driftd::monitor::figures::ReferenceFigures;
use driftd::monitor::reference::{CurrentProfile, Reference, ReferenceConfig};
use driftd::monitor::score::{WindowLabel, score};
use driftd::monitor::table::Table;
use driftd::monitor::whole::count_whole;
use driftd::store::closed_windows::Query;
use driftd::store::commit::Commit;
use driftd::store::{StateConfig, Store};
use driftd::time::Timestamp;
use std::sync::Arc;
use std::time::Instant;

const ROWS: usize = 2_000;

/// Numbers from 0 to 1 that look like chance.
fn chance(seed: usize, row: usize) -> f64 {
    let mixed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (row as u64) << 17;
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

fn table(features: usize, seed: usize) -> RecordBatchTable {
    let columns = (0..features).map(|feature| {
        let is_moved = seed > 0 && feature % 100 == 0;
        let value = |row| chance(feature * 31 + seed * 1_000_003, row);
        let column: ArrayRef = match feature % 6 {
            0..3 => {
                let shift = if is_moved { 2.0 } else { 0.0 };
                Arc::new((0..ROWS).map(|row| value(row) + shift).collect::<Float64Array>())
            }
            3 | 4 => {
                let name = |row| ["a", "b", "c", "d", "e"][(value(row) * 5.0) as usize];
                Arc::new((0..ROWS).map(|row| Some(name(row))).collect::<StringArray>())
            }
            _ => Arc::new((0..ROWS).map(|row| Some(value(row) < 0.1)).collect::<BooleanArray>()),
        };
        (format!("feature_{feature:05}"), column)
    });
    RecordBatchTable::new(vec![RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

/// Scores windows, encodes what they counted, and writes both; seconds for each.
fn fill(store: &Arc<Store>, features: usize, windows: usize) -> [f64; 3] {
    let of_reference = table(features, 0);
    let of_reference: &dyn Table = &of_reference;
    let reference = Reference::build(&[of_reference], &ReferenceConfig::default(), &|| {}).unwrap();
    let panes = [1, 2, 3].map(|seed| count_whole(&reference, &table(features, seed), None, None));
    let panes = panes.map(Result::unwrap);
    let figures = Arc::new(ReferenceFigures::of(&reference, false));
    let model = store.model("bench", "").unwrap();
    let (mut scoring, mut encoding, mut writing) = (0.0, 0.0, 0.0);
    for slot in 0..windows {
        let time = Some(Timestamp(1_700_000_000_000_000 + slot as i64 * 3_600_000_000));
        let (window, slot) = ("hour".to_owned(), slot as u64);
        let label = WindowLabel { window, slot, end: time, closed: time, ..WindowLabel::default() };
        let (pane, config) = (&panes[slot as usize % 3], &DriftConfig::default());
        let names = reference.grids().map(|grid| grid.name.clone()).collect();
        let profile = CurrentProfile { names, pane: pane.clone() };
        let begun = Instant::now();
        let scored = score(&reference, pane, &[], &[], config, label).unwrap();
        scoring += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        let profile = Some(Arc::new(profile.to_bytes()));
        encoding += begun.elapsed().as_secs_f64();
        let closed = ClosedWindow {
            figures: Arc::new(scored.figures),
            reference: Arc::clone(&figures),
            remembered: None,
            profile,
        };
        let begun = Instant::now();
        model.commit(&Commit { closed: vec![closed], ..Commit::default() }).unwrap();
        writing += begun.elapsed().as_secs_f64();
    }
    [scoring, encoding, writing]
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    println!("{what}: {:.1} ms", begun.elapsed().as_secs_f64() * 1e3);
    done
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let features = arguments.next().unwrap_or(1_000);
    let windows = arguments.next().unwrap_or(400);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driftd.db");
    let config = StateConfig {
        path: Some(path.clone()),
        windows_max: windows as u64,
        history_max: u64::MAX,
        ..StateConfig::default()
    };
    let store = Arc::new(Store::open(&config).unwrap());
    let [scoring, encoding, writing] = fill(&store, features, windows);
    store.checkpoint().unwrap();
    drop(store);
    let bytes = path.metadata().unwrap().len() as f64;
    let per_row = bytes / (features * windows) as f64;
    println!(
        "{features} features, {windows} windows: {:.1} MB, {per_row:.0} bytes each",
        bytes / 1e6
    );
    let per_window = |seconds: f64| seconds / windows as f64 * 1e3;
    println!("a window scored: {:.1} ms", per_window(scoring));
    println!("its profile encoded: {:.1} ms", per_window(encoding));
    println!("a window written: {:.1} ms", per_window(writing));
    let store = timed("opened", || Arc::new(Store::open(&config).unwrap()));
    let model = store.model("bench", "").unwrap();
    let name = format!("feature_{:05}", features / 2);
    let all = Query::default();
    for what in ["one feature in all windows", "the same again"] {
        let past = timed(what, || model.past_of_feature(&name, None, &all).unwrap());
        assert_eq!(past.len(), windows);
    }
    let past = timed("what all windows came to", || model.past(None, &all).unwrap());
    assert_eq!(past.len(), windows);
    timed("all features of the last window", || model.latest("hour").unwrap());
}
