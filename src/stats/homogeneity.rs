//! χ² of homogeneity of two rows of counts, with a tail that holds where counts are small.
//!
//! Given both rows' totals and the columns' sums, X² has a mean and a variance that are known; the
//! gamma that has both replaces the χ² law, whose tail is up to a hundred times too light where
//! few rows are expected in a cell. The variance is that of J. B. S. Haldane (1940) as R. B.
//! Dawson, "A simplified expression for the variance of the χ² function on a contingency table",
//! Biometrika 41 (1954), gives it.

use statrs::function::gamma::gamma_ur;

/// X² of two rows over the columns that have any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homogeneity {
    /// X², as if every row had been drawn alone.
    pub x2: f64,
    /// Columns with rows on either side.
    pub columns: usize,
    reference: f64,
    current: f64,
    /// Σ 1/(share of the column in both rows together).
    inverse_shares: f64,
}

impl Homogeneity {
    /// Of (reference, current) counts by column.
    pub fn of(columns: impl Iterator<Item = (u64, u64)> + Clone) -> Homogeneity {
        let sum = |(r, c): (u64, u64), (in_r, in_c)| (r + in_r, c + in_c);
        let (r, c) = columns.clone().fold((0, 0), sum);
        let (reference, current) = (r as f64, c as f64);
        let total = reference + current;
        let mut all = Homogeneity { x2: 0.0, columns: 0, reference, current, inverse_shares: 0.0 };
        for (in_r, in_c) in columns.filter(|(in_r, in_c)| in_r + in_c > 0) {
            let share = (in_r + in_c) as f64 / total;
            let apart = in_c as f64 / current - in_r as f64 / reference;
            all.x2 += apart * apart / share;
            all.inverse_shares += 1.0 / share;
            all.columns += 1;
        }
        all.x2 *= all.effective_rows();
        all
    }

    /// RC/(R+C).
    fn effective_rows(&self) -> f64 {
        self.reference * self.current / (self.reference + self.current)
    }

    /// What chance alone leads to expect of X², nearly.
    fn freedom(&self) -> f64 {
        self.columns.saturating_sub(1) as f64
    }

    /// (X² − (columns − 1)) / (RC/(R+C)), 0 or more: about Σ(q−p)²/p̄ less what chance adds to it.
    pub fn excess(&self) -> f64 {
        ((self.x2 - self.freedom()) / self.effective_rows()).max(0.0)
    }

    /// The probability of so large an X² or a larger one when every `design_effect` rows tell as
    /// much as one. 1 where there are not two columns.
    pub fn p_value(&self, design_effect: f64) -> f64 {
        if self.columns < 2 {
            return 1.0;
        }
        let k = self.columns as f64;
        let n = (self.reference + self.current) / design_effect;
        let sigma = n * (design_effect / self.reference + design_effect / self.current);
        let w1 = (sigma - 4.0) / (n - 2.0);
        let w2 = (self.inverse_shares - k * k) / (n - 2.0).max(1.0);
        let v1 = (n - 2.0) / (n - 1.0);
        let v2 = (k - 1.0) * (n - k) / (n - 1.0);
        let mean = n / (n - 1.0) * (k - 1.0);
        let first = 2.0 * n / (n - 3.0).max(1.0) * (v1 - w1) * (v2 - w2);
        let variance = (first + n * n / (n - 1.0) * w1 * w2).max(2.0 * (k - 1.0));
        let x2 = self.x2 / design_effect;
        match x2 > 0.0 {
            true => gamma_ur(mean * mean / variance, x2 * mean / variance).clamp(0.0, 1.0),
            false => 1.0,
        }
    }
}

/// Joins neighbouring columns until each group is expected to hold `least` of `n` rows drawn from
/// the reference; what is left at the end joins the last. Sums of (reference, current) counts.
pub fn grouped(reference: &[u64], current: &[u64], n: f64, least: f64) -> Vec<(u64, u64)> {
    let all = reference.iter().sum::<u64>() as f64;
    let mut groups: Vec<(u64, u64)> = Vec::with_capacity(reference.len());
    // So many rows of the reference are a group. A rounding error must not ask for one more.
    let rows = (least * all / n * (1.0 - 1e-12)).ceil() as u64;
    let mut own = (0, 0);
    for (in_reference, in_current) in reference.iter().zip(current) {
        own = (own.0 + in_reference, own.1 + in_current);
        if own.0 >= rows {
            groups.push(std::mem::take(&mut own));
        }
    }
    match groups.last_mut() {
        Some(last) => *last = (last.0 + own.0, last.1 + own.1),
        None => groups.push(own),
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reference: &[u64], current: &[u64], d: f64, x2: f64, p: f64) {
        let pairs = reference.iter().copied().zip(current.iter().copied());
        let found = Homogeneity::of(pairs);
        assert!((found.x2 / d / x2 - 1.0).abs() < 1e-8, "X² {}", found.x2 / d);
        let got = found.p_value(d);
        assert!((got / p - 1.0).abs() < 1e-8, "p {got} is not {p}");
    }

    /// Of `scipy.special.gammaincc` 1.17.1, by `fixtures/oracle/tails.py`.
    #[test]
    fn tails_agree_with_scipy() {
        let ten = [150, 140, 120, 100, 90, 90, 80, 80, 80, 70];
        check(&[1_000; 10], &ten, 1.0, 60.70283518, 9.805300530e-10);
        check(&[1_000; 10], &ten, 3.0, 20.23427839, 1.653130686e-2);
        check(&[9_950, 50], &[985, 15], 1.0, 15.47606486, 1.090523623e-4);
        check(&[400, 300, 200, 100], &[30, 30, 25, 15], 1.0, 5.610605550, 1.323479177e-1);
        assert_eq!(Homogeneity::of([(7, 3), (0, 0)].into_iter()).p_value(1.0), 1.0);
    }

    #[test]
    fn columns_are_joined_until_they_hold_enough() {
        let reference = [400, 300, 100, 50, 50, 40, 30, 20, 5, 5];
        let sums = |reference: &[u64], n| -> Vec<u64> {
            let groups = grouped(reference, &vec![1; reference.len()], n, 5.0);
            groups.iter().map(|group| group.0).collect()
        };
        assert_eq!(sums(&reference, 100.0), [400, 300, 100, 50, 50, 100]);
        assert_eq!(sums(&[10; 10], 40.0), [20; 5]);
        assert_eq!(sums(&[10; 3], 4.0), [30]);
        let groups = grouped(&[60, 30, 10], &[1, 2, 4], 10.0, 5.0);
        assert_eq!(groups, [(100, 7)]);
    }
}
