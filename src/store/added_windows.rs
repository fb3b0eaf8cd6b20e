//! Closed windows, added up as one.

use super::ModelStore;
use super::closed_windows::Query;
use crate::error::{Error, Result};
use crate::monitor::reference::CurrentProfile;
use crate::time::Timestamp;

/// The counts of several windows, added up.
pub struct AddedWindows {
    pub profile: CurrentProfile,
    pub windows: u64,
    /// Event time; none without a time column.
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
}

impl ModelStore {
    /// The sum of the windows of this name that have a profile, which have no rows in common, and
    /// are on one grid.
    pub fn added_windows(&self, window: &str, query: &Query) -> Result<AddedWindows> {
        let mut sum: Option<AddedWindows> = None;
        for (figures, id) in self.windows_with_profile(window, query)? {
            // A daemon that closes a window meanwhile may drop the oldest.
            let Some(profile) = self.window_profile(id, window)? else { continue };
            let (start, end) = (figures.start, figures.end);
            let Some(sum) = &mut sum else {
                sum = Some(AddedWindows { profile, windows: 1, start, end });
                continue;
            };
            let fault = |text: &str| Error::new(format!("windows {window:?}: {text}"));
            if start.is_some() && start < sum.end {
                return Err(fault("they overlap, and rows would count twice; say fewer of them"));
            }
            if sum.profile.names != profile.names {
                return Err(fault("the features have changed between them"));
            }
            let added = sum.profile.pane.merge(&profile.pane);
            added.map_err(|_| fault("the reference has changed between them"))?;
            (sum.windows, sum.end) = (sum.windows + 1, end);
        }
        sum.ok_or_else(|| {
            Error::new(format!(
                "no window {window:?} of that time has a profile; the last state.profiles_max \
                 have one, of those that closed since that is set"
            ))
        })
    }
}
