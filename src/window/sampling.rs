//! Sampling: which rows of a table are counted.
//!
//! A row is kept when the hash of its name lies below a threshold, so the sample depends on names
//! and the seed and on nothing that happened before. A row's name is its key where it has one,
//! else its table and number. A sample of rows changes no expected share and no expected mean; the
//! noise of `psi` rises by (bins − 1)(1/C_kept − 1/C).

use arrow_buffer::BooleanBuffer;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// `[model.sampling]`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingConfig {
    /// Share of the rows that is kept, over 0 and at most 1.
    pub rate: f64,
    pub seed: u64,
    /// The column that names a row.
    pub key: Option<String>,
    pub mode: SamplingMode,
    /// Rows of a window that are kept on average; lowers the rate of larger windows.
    pub rows_max: Option<u64>,
}

/// What is kept or left out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplingMode {
    /// Rows; all are decoded.
    Rows,
    /// Row groups; the others are not even read.
    RowGroups,
}

impl SamplingMode {
    pub const ALL: [(&'static str, SamplingMode); 2] =
        [("rows", SamplingMode::Rows), ("row_groups", SamplingMode::RowGroups)];
}

/// Decides over names, for one table.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    seed: u64,
    /// None keeps everything.
    threshold: Option<u64>,
}

impl SamplingConfig {
    /// The draw for rows of windows that hold `window_rows`.
    pub fn draw(&self, window_rows: u64) -> Draw {
        let cap = self.rows_max.map_or(1.0, |max| max as f64 / window_rows.max(1) as f64);
        let rate = self.rate.min(cap);
        let threshold = (rate < 1.0).then_some((rate * 2f64.powi(64)) as u64);
        Draw { seed: self.seed, threshold }
    }
}

impl Draw {
    pub fn keeps_all(self) -> bool {
        self.threshold.is_none()
    }

    /// Whether what has this name is kept.
    pub fn keeps(self, name: &[u8]) -> bool {
        self.threshold.is_none_or(|threshold| xxh3_64_with_seed(name, self.seed) < threshold)
    }

    /// Whether a row, or row group, without a name of its own is kept.
    pub fn keeps_numbered(self, table: u64, number: u64) -> bool {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&table.to_le_bytes());
        name[8..].copy_from_slice(&number.to_le_bytes());
        self.keeps(&name)
    }
}

/// The rows of one row group, or of a part of it, that are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    All,
    Nothing,
    Rows(BooleanBuffer),
}

impl Kept {
    /// Rows kept among `rows` from `offset` on.
    pub fn count(&self, offset: u64, rows: u64) -> u64 {
        match self {
            Kept::All => rows,
            Kept::Nothing => 0,
            Kept::Rows(bits) => bits.slice(offset as usize, rows as usize).count_set_bits() as u64,
        }
    }
}

/// The rows of one table that are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSample {
    /// By row group; none keeps all rows.
    row_groups: Option<Vec<Kept>>,
    /// Rows were kept or left out by the row group, and resemble their neighbours.
    clustered: bool,
}

impl RowSample {
    pub fn all() -> RowSample {
        RowSample::default()
    }

    pub fn of_rows(row_groups: Vec<Kept>) -> RowSample {
        RowSample { row_groups: Some(row_groups), clustered: false }
    }

    pub fn of_row_groups(kept: impl Iterator<Item = bool>) -> RowSample {
        let row_groups = kept.map(|kept| if kept { Kept::All } else { Kept::Nothing });
        RowSample { row_groups: Some(row_groups.collect()), clustered: true }
    }

    pub fn row_group(&self, row_group: usize) -> &Kept {
        self.row_groups.as_ref().map_or(&Kept::All, |row_groups| &row_groups[row_group])
    }

    pub fn is_clustered(&self) -> bool {
        self.clustered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rate: f64, rows_max: Option<u64>) -> SamplingConfig {
        SamplingConfig { rate, seed: 7, key: None, mode: SamplingMode::Rows, rows_max }
    }

    #[test]
    fn the_share_kept_is_the_rate() {
        for (config, window_rows, rate) in [
            (config(0.1, None), 100_000, 0.1),
            (config(0.5, Some(1_000)), 100_000, 0.01),
            (config(0.1, Some(50_000)), 100_000, 0.1),
        ] {
            let draw = config.draw(window_rows);
            let kept = (0..100_000).filter(|row| draw.keeps_numbered(3, *row)).count() as f64;
            let sigma = f64::sqrt(100_000.0 * rate * (1.0 - rate));
            assert!((kept - 100_000.0 * rate).abs() < 4.0 * sigma, "{kept} of {rate}");
        }
        assert!(config(1.0, Some(10)).draw(10).keeps_all());
        assert!(!config(1.0, Some(10)).draw(11).keeps_all());
    }

    #[test]
    fn another_seed_is_another_sample() {
        let draws = [1, 2].map(|seed| SamplingConfig { seed, ..config(0.5, None) }.draw(100));
        let kept = draws.map(|draw| (0..100).filter(|n| draw.keeps_numbered(0, *n)).count());
        let both = (0..100).filter(|n| draws.iter().all(|draw| draw.keeps_numbered(0, *n)));
        assert!(both.count() < kept[0].min(kept[1]));
    }
}
