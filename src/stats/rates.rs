//! Two rates: how far apart they are, and how often chance alone brings such counts.
//!
//! Given how many rows of both sides have a property together, those of the window are
//! hypergeometric without drift. The binomial tail with both counts times 1/(1 − share) has its
//! mean and its variance, and takes counts that are no whole numbers, as they are once they have
//! been divided by a design effect.

use statrs::function::beta::beta_reg;

/// Rows of one side that have a property, of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub rows: f64,
    pub of: f64,
}

impl Rate {
    pub fn new(rows: u64, of: u64) -> Rate {
        Rate { rows: rows as f64, of: of as f64 }
    }

    /// In [0, 1]; `of` is not 0.
    pub fn share(self) -> f64 {
        self.rows / self.of
    }

    /// The rows that do not have the property.
    fn others(self) -> Rate {
        Rate { rows: self.of - self.rows, of: self.of }
    }
}

/// J. Cohen's h, "Statistical Power Analysis for the Behavioral Sciences" (1988): 2·asin √q −
/// 2·asin √p, in [−π, π]. Equal steps of it are about equally easy to see anywhere.
pub fn cohens_h(q: f64, p: f64) -> f64 {
    2.0 * (q.sqrt().asin() - p.sqrt().asin())
}

/// The share that lies `h` above `p`; none beyond 1, or below 0 for a negative `h`.
pub fn share_at(p: f64, h: f64) -> Option<f64> {
    let angle = p.sqrt().asin() + h / 2.0;
    (0.0..=std::f64::consts::FRAC_PI_2).contains(&angle).then(|| angle.sin().powi(2))
}

/// P(a binomial of x + b − 1 trials ≥ x), with real arguments: I_ρ(x, b).
pub fn tail(x: f64, b: f64, rho: f64) -> f64 {
    match () {
        () if x <= 0.0 || rho >= 1.0 => 1.0,
        () if rho <= 0.0 => 0.0,
        () => beta_reg(x, b.max(f64::MIN_POSITIVE), rho),
    }
}

/// The two-sided p-value of a window's rate beside a reference's, of the rarer of the property and
/// its complement; every `design_effect` rows tell as much as one.
pub fn p_of_change(window: Rate, reference: Rate, design_effect: f64) -> f64 {
    let (w, r, rho) = rarer(window, reference);
    let worth = worth(w, r, design_effect);
    let (x, g) = (worth * w.rows, worth * r.rows);
    let more = tail(x, g + 1.0, rho);
    let fewer = tail(g, x + 1.0, 1.0 - rho);
    (2.0 * more.min(fewer)).min(1.0)
}

/// The one-sided p-value of a window's rate being larger than the reference's. `prior` is 1 for a
/// value that was there to be counted, and 0 for a cell that order statistics of the reference
/// bound, which holds its share of rows less surely.
pub fn p_of_gain(window: Rate, reference: Rate, design_effect: f64, prior: f64) -> f64 {
    let rho = window.of / (window.of + reference.of);
    if is_common(window, reference) {
        let (fewer, before) = (window.others(), reference.others());
        let worth = worth(fewer, before, design_effect);
        return tail(worth * before.rows, worth * fewer.rows + 1.0, 1.0 - rho);
    }
    let worth = worth(window, reference, design_effect);
    tail(worth * window.rows, worth * reference.rows + prior, rho)
}

fn is_common(window: Rate, reference: Rate) -> bool {
    window.rows + reference.rows > (window.of + reference.of) / 2.0
}

fn rarer(window: Rate, reference: Rate) -> (Rate, Rate, f64) {
    let rho = window.of / (window.of + reference.of);
    match is_common(window, reference) {
        true => (window.others(), reference.others(), rho),
        false => (window, reference, rho),
    }
}

/// What a row counts for, with the variance of what is drawn without putting back.
fn worth(window: Rate, reference: Rate, design_effect: f64) -> f64 {
    let share = (window.rows + reference.rows) / (window.of + reference.of);
    1.0 / (design_effect * (1.0 - share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-8, "{got} is not {expected}");
    }

    /// Of `scipy.special.betainc` 1.17.1, by `fixtures/oracle/tails.py`.
    #[test]
    fn changes_agree_with_scipy() {
        let p = |x, c, g, r, d| p_of_change(Rate::new(x, c), Rate::new(g, r), d);
        check(p(20, 1_000, 0, 100_000, 1.0), 1.609396459e-40);
        check(p(20, 1_000, 0, 100_000, 4.0), 1.894254192e-10);
        check(p(250, 1_000, 20_000, 100_000, 1.0), 1.668602243e-4);
        check(p(0, 100, 10_000, 100_000, 1.0), 3.009415791e-5);
        check(p(2, 100, 0, 100_000, 1.0), 1.995455011e-6);
        check(p(1, 100, 0, 100_000, 1.0), 1.997864102e-3);
        assert_eq!(p(10, 1_000, 10, 1_000, 1.0), 1.0);
    }

    #[test]
    fn gains_and_losses_agree_with_scipy() {
        let gain = |x, c, g, r, d, a| p_of_gain(Rate::new(x, c), Rate::new(g, r), d, a);
        check(gain(150, 1_000, 10_000, 100_000, 1.0, 1.0), 6.185522207e-7);
        check(gain(150, 1_000, 10_000, 100_000, 2.0, 1.0), 3.248117489e-4);
        check(gain(600, 1_000, 50_000, 100_000, 1.0, 1.0), 4.126479015e-11);
        check(gain(50, 1_000, 100, 100_000, 1.0, 0.0), 2.535128076e-61);
        check(gain(10_000, 100_000, 0, 500, 1.0, 1.0), 8.829661001e-25);
        check(gain(10_000, 100_000, 50, 1_000, 1.0, 1.0), 4.820237970e-9);
    }

    #[test]
    fn steps_of_h_are_shares_and_back() {
        check(cohens_h(0.02, 0.0), 0.283794109);
        for (p, points) in
            [(0.0, 0.25), (0.001, 0.57), (0.01, 1.24), (0.05, 2.4), (0.1, 3.2), (0.2, 4.14)]
        {
            let up = share_at(p, 0.1).unwrap();
            assert!((100.0 * (up - p) - points).abs() < 0.006, "{p}: {up}");
            assert!((share_at(up, -0.1).unwrap() - p).abs() < 1e-12);
        }
        assert_eq!((share_at(0.001, -0.1), share_at(1.0, 0.1)), (None, None));
    }
}
