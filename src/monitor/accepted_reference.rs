//! A window, or the sum of several, as the reference of windows to come.

use super::reference::{CurrentProfile, Reference, ReferenceFeature};
use crate::error::{Error, Result};
use crate::profile::accepted::accepted;
use rayon::prelude::*;

/// The reference that windows' counts on the grids of `before` become; they take more rows than
/// `rows_min`, since fewer could never judge anything.
pub fn accepted_reference(
    before: &Reference,
    window: &CurrentProfile,
    rows_min: u64,
) -> Result<Reference> {
    window.check(before)?;
    let rows = window.pane.rows_kept;
    if rows <= rows_min {
        return Err(Error::new(format!(
            "{rows} rows are too few for a reference: judging takes more than rows_min = \
             {rows_min} on either side; accept several windows with --from and --to"
        )));
    }
    let features = before.features.par_iter().zip(&window.pane.features);
    let features = features.map(|(own, counts)| {
        let (grid, profile) = accepted(&own.grid, &own.profile, counts);
        ReferenceFeature { grid, profile: profile.at_rest() }
    });
    Ok(Reference { rows, features: features.collect() })
}
