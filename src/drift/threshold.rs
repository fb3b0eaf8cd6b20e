//! From which score on a difference is large enough to matter.

use crate::stats::rates::{Rate, share_at};

/// What a score is held against when nobody set a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// A measure without a custom.
    None,
    /// The same for every feature: once it is known how much windows differ, and before.
    Score { learned: f64, first: f64 },
    /// A step of Cohen's h from the reference's rate; before it is known how much windows differ,
    /// the odds must change by [`ODDS`] as well.
    Rate { h: f64 },
}

/// How much is known of how a feature varies from window to window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    First,
    Learned,
}

/// By how much the odds of a rate must change in first windows: days differ by less.
pub const ODDS: f64 = 5.0;

/// A rate that changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateChange {
    pub before: Rate,
    pub now: Rate,
    /// Whether the score is the rate itself, and not by how much it changed.
    pub is_level: bool,
}

impl RateChange {
    pub fn is_rise(&self) -> bool {
        self.now.share() >= self.before.share()
    }

    /// Whether what is rarer of the event and its complement became rarer.
    pub fn is_loss(&self) -> bool {
        self.is_rise() != (self.before.share() <= 0.5)
    }

    /// The score: in [0, 1].
    pub fn score(&self) -> f64 {
        let (p, q) = (self.before.share(), self.now.share());
        if self.is_level { q } else { (q - p).abs() }
    }

    /// The score at which the rate has moved by `h`, and in first windows its odds as well.
    fn threshold(&self, h: f64, stage: Stage) -> f64 {
        let p = self.before.share();
        let h = if self.is_rise() { h } else { -h };
        // Where no share lies so far away, there is one on the other side, and it is further away
        // than any share on this.
        let share = share_at(p, h).or_else(|| share_at(p, -h)).unwrap_or(p);
        let by_h = (share - p).abs();
        let change = match stage {
            Stage::Learned => by_h,
            Stage::First => by_h.max(self.change_of_odds()),
        };
        if self.is_level { p + change } else { change }
    }

    /// By how much the share must change for its odds to change by [`ODDS`]. A share of 0 or 1
    /// counts as if half a row were different.
    fn change_of_odds(&self) -> f64 {
        let p = self.before.share();
        let within = |rate: Rate| {
            let half = 0.5 / rate.of;
            rate.share().clamp(half, 1.0 - half)
        };
        let (before, now) = (within(self.before), within(self.now));
        let odds = before / (1.0 - before);
        let wanted = if self.is_rise() { odds * ODDS } else { odds / ODDS };
        let share = wanted / (1.0 + wanted);
        let reaches = if self.is_rise() { now >= share } else { now <= share };
        match reaches {
            // The half row may stand between the share and what it counts as.
            true => (share - p).abs().min((self.now.share() - p).abs()),
            false => (share - p).abs().max((self.now.share() - p).abs().next_up()),
        }
    }
}

impl Threshold {
    /// For the change that a score was made of, if it was.
    pub fn of(self, change: Option<&RateChange>, stage: Stage) -> Option<f64> {
        match (self, change, stage) {
            (Threshold::None, ..) => None,
            (Threshold::Score { learned, .. }, _, Stage::Learned) => Some(learned),
            (Threshold::Score { first, .. }, _, Stage::First) => Some(first),
            (Threshold::Rate { h }, change, stage) => Some(change?.threshold(h, stage)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(x: u64, n: u64, g: u64, r: u64) -> RateChange {
        RateChange { before: Rate::new(g, r), now: Rate::new(x, n), is_level: false }
    }

    fn calls(change: RateChange, stage: Stage) -> bool {
        change.score() >= Threshold::Rate { h: 0.1 }.of(Some(&change), stage).unwrap()
    }

    #[test]
    fn rates_have_their_thresholds_in_points() {
        for (percent, points) in [(0, 0.25), (1, 1.24), (5, 2.4), (10, 3.2), (20, 4.14), (50, 4.99)]
        {
            let change = change(100, 100, percent, 100);
            let threshold = Threshold::Rate { h: 0.1 }.of(Some(&change), Stage::Learned).unwrap();
            assert!((threshold * 100.0 - points).abs() < 0.006, "{percent}: {threshold}");
        }
    }

    #[test]
    fn odds_count_in_first_windows() {
        assert!(calls(change(20, 1_000, 0, 100_000), Stage::First));
        assert!(calls(change(40, 100, 20, 100), Stage::Learned));
        assert!(!calls(change(40, 100, 20, 100), Stage::First));
        // Of 10 %, five times the odds are 35.7 %.
        assert!(!calls(change(357, 1_000, 10, 100), Stage::First));
        assert!(calls(change(358, 1_000, 10, 100), Stage::First));
        // And 2.17 % of 10 % are a fifth.
        assert!(calls(change(21, 1_000, 10, 100), Stage::First));
        assert!(!calls(change(22, 1_000, 10, 100), Stage::First));
        // None of 100 counts as half a row.
        assert!(calls(change(0, 100, 10, 100), Stage::First));
        assert!(!calls(change(0, 100, 2, 100), Stage::First));
    }

    #[test]
    fn what_cannot_move_so_far_is_not_called() {
        // All of the 0.2 % went: h is less than 0.1.
        assert!(!calls(change(0, 1_000, 2, 1_000), Stage::Learned));
        assert!(calls(change(0, 1_000, 3, 1_000), Stage::Learned));
        assert!(!calls(change(1_000, 1_000, 998, 1_000), Stage::Learned));
    }
}
