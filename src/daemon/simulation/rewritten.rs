//! Files that are written again and again, while the windows that they cover close.

use super::Simulation;
use crate::store::closed_windows::Query;
use crate::window::WindowKind;
use crate::window::baseline::{BaselineConfig, BaselineKind};
use crate::window::period::Period;
use std::time::Duration;

impl Simulation {
    /// Rows of the hours that have closed, and of their baseline.
    fn hours(&self) -> Vec<(u64, u64)> {
        let hours = self.store_of_pipeline().windows("hour", &Query::default()).unwrap();
        hours.iter().map(|hour| (hour.rows, hour.baselines[0].rows)).collect()
    }
}

/// Two files, each written again every ten minutes with all of its rows so far, while the hours
/// that they cover close one after the other and later hours are compared with them.
#[test]
fn files_that_are_rewritten_sixty_times_count_every_row_once() {
    let mut simulation = Simulation::new();
    simulation.model.windows.retain(|window| window.name == "hour");
    for window in &mut simulation.model.windows {
        if let WindowKind::Time(period) = &mut window.kind {
            *period = Period { lateness: Duration::ZERO, ..*period };
        }
    }
    let kind = BaselineKind::Rolling { windows: 3 };
    simulation.model.baselines =
        vec![BaselineConfig { name: "before".to_owned(), kind, decides: false }];
    let mut files = [Vec::new(), Vec::new()];
    for version in 0..60u16 {
        for (name, rows) in files.iter_mut().enumerate() {
            rows.extend(simulation.rows(&[version * 10, version * 10 + 3, version * 10 + 6]));
            simulation.put(name as u8, rows.clone());
        }
        simulation.look();
        // Everything comes back from the state, now and then.
        if version % 7 == 0 {
            simulation.pipeline = None;
        }
    }
    let hours = simulation.hours();
    let expected = (0..9).map(|hour| (36, 36 * hour.min(3)));
    assert_eq!(hours, expected.collect::<Vec<_>>());
    let arrived = 2 * 3 * 60 * 61 / 2;
    assert_eq!([simulation.total("rows_late"), simulation.total("rows")], [0, arrived]);
    assert_eq!(simulation.total("rows_replaced"), arrived - 360);
    // A row that should have come hours ago is late, once, however often it comes again.
    files[1].extend(simulation.rows(&[5]));
    for _ in 0..2 {
        files[1].extend(simulation.rows(&[595]));
        simulation.put(1, files[1].clone());
        simulation.look();
    }
    assert_eq!(simulation.total("rows_late"), 1);
    simulation.advance(Duration::from_hours(24 * 100));
    simulation.look();
    assert_eq!(simulation.hours().iter().map(|(rows, _)| rows).sum::<u64>(), 362);
}
