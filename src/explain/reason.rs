//! A word for what moved: few of them, so that they can be labels.

use super::Guess;
use super::explanation::Explanation;

/// All words, in the order in which they are told.
pub const REASONS: [&str; 16] = [
    "scaled",
    "clipped",
    "filled",
    "constant",
    "missing_more",
    "missing_less",
    "new_values",
    "below_range",
    "above_range",
    "higher",
    "lower",
    "wider",
    "narrower",
    "value_more",
    "value_less",
    "shape",
];

impl Explanation {
    /// The words for what these measures saw.
    pub fn reasons<'a>(&self, called: impl Iterator<Item = &'a str>) -> Vec<&'static str> {
        let mut reasons: Vec<&'static str> = self.guess.iter().map(Guess::reason).collect();
        reasons.extend(called.filter_map(|measure| self.reason(measure)));
        let of_place = |reason: &&str| REASONS.iter().position(|own| own == reason);
        reasons.sort_by_key(of_place);
        reasons.dedup();
        // The shape of what is told already is no news.
        if reasons.len() > 1 {
            reasons.retain(|reason| *reason != "shape");
        }
        reasons
    }

    fn reason(&self, measure: &str) -> Option<&'static str> {
        let pick = |first: bool, one, other| if first { one } else { other };
        Some(match measure {
            "missing" => {
                let is_more = self.missing.current > self.missing.reference;
                pick(is_more, "missing_more", "missing_less")
            }
            "unseen" => "new_values",
            "out_of_range" => {
                let share = |side: Option<(f64, f64)>| side.map_or(0.0, |(_, share)| share);
                pick(share(self.above) >= share(self.below), "above_range", "below_range")
            }
            "centre" => pick(self.is_higher?, "higher", "lower"),
            "spread" => pick(self.is_wider?, "wider", "narrower"),
            "share" => {
                let shares = self.values.first()?.shares;
                pick(shares.current > shares.reference, "value_more", "value_less")
            }
            _ => "shape",
        })
    }
}

impl Guess {
    fn reason(&self) -> &'static str {
        match self {
            Guess::Scaled { .. } => "scaled",
            Guess::ClippedAbove(_) | Guess::ClippedBelow(_) => "clipped",
            Guess::Filled { .. } => "filled",
            Guess::Constant(_) => "constant",
        }
    }
}
