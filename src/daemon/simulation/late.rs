//! Late rows against an oracle: with no lateness allowed, what a look at the directory closed is
//! closed for every row that comes after it, and every other row is in the hour of its time.

use super::{HOUR, START, Simulation, cases};
use crate::store::closed_windows::Query;
use crate::window::period::Period;
use crate::window::{WindowConfig, WindowKind};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// Files that come between two looks; minutes of their rows. Nothing is looked at under way, and
/// the daemon may be killed before it looks.
fn rounds() -> impl Strategy<Value = Vec<(Vec<Vec<u16>>, bool)>> {
    let file = prop::collection::vec(0u16..720, 1..15);
    prop::collection::vec((prop::collection::vec(file, 0..4), any::<bool>()), 1..12)
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_row_is_in_its_hour_or_late(rounds in rounds()) {
        let mut simulation = Simulation::new();
        let hour = Duration::from_hours(1);
        let kind = WindowKind::Time(Period {
            size: hour,
            slide: hour,
            offset: Duration::ZERO,
            lateness: Duration::ZERO,
            idle_timeout: hour * 24 * 60,
        });
        let window = |name: &str, kind| WindowConfig { name: name.to_owned(), kind };
        // Windows of rows that close in the middle of an hour change the names of its panes.
        let rows = window("rows", WindowKind::Rows { size: 10 });
        simulation.model.windows = vec![window("hour", kind), rows];
        let (mut hours, mut late, mut closed) = (BTreeMap::<i64, u64>::new(), 0, 0i64);
        let mut name = 0;
        let mut arrived = 0;
        for (files, is_killed) in &rounds {
            let mut youngest = closed;
            for minutes in files {
                let rows = simulation.rows(minutes);
                for (time, _) in &rows {
                    let end = (time.div_euclid(HOUR) + 1) * HOUR;
                    arrived += 1;
                    youngest = youngest.max(*time);
                    if end <= closed {
                        late += 1;
                    } else {
                        *hours.entry(end).or_default() += 1;
                    }
                }
                simulation.put(name, rows);
                name += 1;
            }
            if *is_killed {
                simulation.pipeline = None;
            }
            simulation.look();
            closed = closed.max(youngest.div_euclid(HOUR) * HOUR);
        }
        let totals = (simulation.total("rows"), simulation.total("rows_late"));
        prop_assert_eq!(totals, (arrived, late));
        // The rest closes by the clock.
        simulation.advance(hour * 24 * 100);
        simulation.look();
        let store = simulation.store_of_pipeline();
        let windows = store.windows("hour", &Query::default()).unwrap();
        let got = windows.iter().map(|window| (window.end.unwrap().0, window.rows));
        prop_assert_eq!(got.collect::<Vec<_>>(), hours.into_iter().collect::<Vec<_>>());
        prop_assert!(windows.iter().all(|window| window.start.unwrap().0 >= START));
    }
}
