//! Faults of the state and of batches, and who is blamed for them.

use super::{HOUR, START, Simulation};
use crate::window::plan::PANES_MAX;
use crate::window::{WindowConfig, WindowKind};

fn rows_window(size: u64) -> Vec<WindowConfig> {
    vec![WindowConfig { name: "rows".to_owned(), kind: WindowKind::Rows { size } }]
}

/// The state of a daemon that has counted 20 rows and goes on.
fn state_of_20_rows(simulation: &mut Simulation) -> rusqlite::Connection {
    let rows = simulation.rows(&[0; 20]);
    simulation.put(1, rows);
    simulation.look();
    rusqlite::Connection::open(simulation.folder.path().join("driftd.db")).unwrap()
}

/// A part of the state that was damaged is the state's fault: nothing of the file that is being
/// counted is written, and when the state is whole again the file counts once.
#[test]
fn damage_of_the_state_is_not_blamed_on_a_file() {
    let mut simulation = Simulation::new();
    simulation.model.windows = rows_window(30);
    let state = state_of_20_rows(&mut simulation);
    let whole: Vec<u8> =
        state.query_row("SELECT body FROM pane_delta", [], |row| row.get(0)).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    state.execute("UPDATE pane_delta SET body = ?1", [&damaged]).unwrap();

    let rows = simulation.rows(&[0; 20]);
    simulation.put(2, rows);
    let error = simulation.look_once().unwrap_err();
    assert!(error.is_damage(), "{error}");
    assert!(error.to_string().contains("pane_delta"), "{error}");
    let count = |sql| state.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM file"), 1);
    assert_eq!(count("SELECT count(*) FROM path WHERE quarantined IS NOT NULL"), 0);
    assert_eq!(count("SELECT count(*) FROM closed_window"), 0);

    state.execute("UPDATE pane_delta SET body = ?1", [&whole]).unwrap();
    simulation.look();
    assert_eq!(simulation.total("rows"), 40);
    let windows = simulation.store_of_pipeline().windows("rows", &Default::default()).unwrap();
    assert_eq!(windows.iter().map(|window| window.rows).collect::<Vec<_>>(), [30]);
}

/// The same where time, and not a file, closes the window.
#[test]
fn damage_that_a_closing_window_meets_ends_the_model() {
    let mut simulation = Simulation::new();
    simulation.model.windows.retain(|window| window.name == "hour");
    let state = state_of_20_rows(&mut simulation);
    state.execute("UPDATE pane_delta SET body = x'00'", []).unwrap();
    simulation.advance(std::time::Duration::from_hours(24 * 100));
    let error = simulation.look_once().unwrap_err();
    assert!(error.is_damage() && error.to_string().contains("restore a copy"), "{error}");
}

/// A batch that cannot be counted is rejected with its rows; the model goes on.
#[test]
fn a_batch_that_cannot_be_counted_is_rejected() {
    let mut simulation = Simulation::new();
    simulation.batch_rows = Some(PANES_MAX + 1);
    let spread = (0..=PANES_MAX as i64).map(|hour| (START - hour * HOUR, 0));
    simulation.log.append(&spread.collect::<Vec<_>>());
    simulation.look();
    let more = simulation.rows(&[1, 2, 3]);
    simulation.log.append(&more);
    simulation.look();
    let totals = simulation.store_of_pipeline().totals().unwrap();
    let total = |name| totals.get("sources", "stream", name);
    let rejected = PANES_MAX as u64 + 1;
    assert_eq!((total("rows"), total("rows_rejected_uncountable")), (rejected + 3, rejected));
    assert_eq!(total("rows_rejected"), rejected);
    let snapshot = simulation.pipeline.as_ref().unwrap().monitor.snapshot();
    assert_eq!(snapshot.windows[2].open_rows, 3);
}
