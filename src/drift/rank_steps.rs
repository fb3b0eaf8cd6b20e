//! The cells of a numeric feature as steps of the distribution functions F and G of reference and
//! window, for measures that look at ranks.

use super::Comparison;

/// A cell with rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankStep {
    /// Shares of reference and window in cells below.
    pub below: (f64, f64),
    /// Shares in the cell.
    pub inside: (f64, f64),
    /// Rows of both sides in cells below, and in the cell.
    pub all_below: f64,
    pub all_inside: f64,
    /// Whether the cell can hold more than one value.
    pub is_shared: bool,
}

impl RankStep {
    /// F − G where some of the rows of the cell, in [0, 1], are below and these are mixed evenly.
    pub fn apart(&self, part: f64) -> f64 {
        let ((f, g), (p, q)) = (self.below, self.inside);
        (f + part * p) - (g + part * q)
    }

    /// The least and the greatest that (F − G)² can be at any row of the cell, in whatever order
    /// the rows lie.
    pub fn squares(&self) -> (f64, f64) {
        let ((f, g), (p, q)) = (self.below, self.inside);
        let (least, greatest) = (f - (g + q), (f + p) - g);
        let (a, b) = (least * least, greatest * greatest);
        (if least <= 0.0 && greatest >= 0.0 { 0.0 } else { a.min(b) }, a.max(b))
    }
}

/// All filled cells, ascending; none of categories.
pub fn rank_steps(comparison: &Comparison<'_>) -> Option<Vec<RankStep>> {
    let cells = comparison.cells()?;
    let (r, c) = comparison.present();
    let (r, c) = (r as f64, c as f64);
    let (mut before, mut now) = (0, 0);
    let mut steps = Vec::new();
    let counts = cells.reference.iter().zip(cells.current.iter()).zip(cells.grid.shared());
    for ((&in_reference, &in_current), is_shared) in counts {
        if in_reference + in_current > 0 {
            steps.push(RankStep {
                below: (before as f64 / r, now as f64 / c),
                inside: (in_reference as f64 / r, in_current as f64 / c),
                all_below: (before + now) as f64,
                all_inside: (in_reference + in_current) as f64,
                is_shared,
            });
            (before, now) = (before + in_reference, now + in_current);
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_side_leave_nothing_open_but_ties() {
        let step = |inside| RankStep {
            below: (0.5, 0.25),
            inside,
            all_below: 6.0,
            all_inside: 2.0,
            is_shared: true,
        };
        let window_only = step((0.0, 0.125));
        assert_eq!((window_only.apart(0.0), window_only.apart(1.0)), (0.25, 0.125));
        assert_eq!(window_only.squares(), (0.125 * 0.125, 0.25 * 0.25));
        // Both sides may lie so that F and G meet.
        assert_eq!(step((0.25, 0.5)).squares(), (0.0, 0.25));
    }
}
