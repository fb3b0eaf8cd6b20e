//! Counters that the state keeps, so that they go on after a restart and never fall.

use crate::telemetry::{ErrorReason, FileResult, RejectReason};
use serde::Serialize;
use std::collections::BTreeMap;

/// Scopes of totals, as in the state and the API.
pub const OF_SOURCES: &str = "sources";
pub const OF_WINDOWS: &str = "windows";

/// Names of totals of a source; those with a label are named by [`FileResult::total`] and the like.
pub const ROWS: &str = "rows";
pub const BYTES: &str = "bytes";
pub const ROWS_LATE: &str = "rows_late";
pub const ROWS_UNTIMED: &str = "rows_untimed";
pub const ROWS_REPLACED: &str = "rows_replaced";
pub const UNKNOWN_KEYS: &str = "unknown_keys";
/// Of all reasons together.
pub const ROWS_REJECTED: &str = "rows_rejected";

/// Sums by scope, which one, and name; what a commit adds, or all of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Totals(BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>);

impl Totals {
    /// Nothing is there for a total of 0.
    pub fn add(&mut self, scope: &str, of: &str, name: &str, value: u64) {
        if value > 0 {
            let scope = self.0.entry(scope.to_owned()).or_default();
            let names = scope.entry(of.to_owned()).or_default();
            *names.entry(name.to_owned()).or_default() += value;
        }
    }

    pub fn add_all(&mut self, other: &Totals) {
        other.iter().for_each(|(scope, of, name, value)| self.add(scope, of, name, value));
    }

    pub fn get(&self, scope: &str, of: &str, name: &str) -> u64 {
        let names = self.0.get(scope).and_then(|scope| scope.get(of));
        names.and_then(|names| names.get(name)).copied().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Scope, which one, name, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str, u64)> {
        let scopes = self.0.iter();
        let ones = scopes.flat_map(|(scope, ones)| ones.iter().map(move |one| (scope, one)));
        ones.flat_map(|(scope, (of, names))| {
            names.iter().map(move |(name, value)| (&**scope, &**of, &**name, *value))
        })
    }
}

/// Rows and lines that arrived, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// All that arrived, the rejected and the late included.
    pub rows: u64,
    pub bytes: u64,
    /// All windows by event time had closed.
    pub late: u64,
    /// Their time is that of the path, the file or the arrival.
    pub untimed: u64,
    /// Rows that gave way to another version of their file, or came with one again.
    pub replaced: u64,
    /// Keys of lines that are no feature; these are no rows.
    pub unknown_keys: u64,
    pub rejected: Rejected,
}

/// Rejected lines by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejected([u64; RejectReason::ALL.len()]);

impl Rejected {
    pub fn add(&mut self, reason: RejectReason, lines: u64) {
        self.0[reason as usize] += lines;
    }

    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, u64)> {
        RejectReason::ALL.iter().map(|reason| (*reason, self.0[*reason as usize]))
    }
}

impl RowCounts {
    /// Adds them to the totals of a source.
    pub fn add_to(&self, totals: &mut Totals, source: &str) {
        for (name, value) in [
            (ROWS, self.rows),
            (BYTES, self.bytes),
            (ROWS_LATE, self.late),
            (ROWS_UNTIMED, self.untimed),
            (ROWS_REPLACED, self.replaced),
            (UNKNOWN_KEYS, self.unknown_keys),
            (ROWS_REJECTED, self.rejected.sum()),
        ] {
            totals.add(OF_SOURCES, source, name, value);
        }
        for (reason, value) in self.rejected.iter() {
            totals.add(OF_SOURCES, source, reason.total(), value);
        }
    }
}

/// Errors of a source that are to be added, by reason.
pub fn add_errors(totals: &mut Totals, source: &str, errors: &[(ErrorReason, u64)]) {
    for (reason, value) in errors {
        totals.add(OF_SOURCES, source, reason.total(), *value);
    }
}

/// Files of a source with this result. A rewritten file is one of the counted, for whoever reads
/// the state; as a result it stands alone.
pub fn files(totals: &Totals, source: &str, result: FileResult) -> u64 {
    let of = |result: FileResult| totals.get(OF_SOURCES, source, result.total());
    match result {
        FileResult::Counted => of(FileResult::Counted).saturating_sub(of(FileResult::Rewritten)),
        _ => of(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commits_add_is_the_sum() {
        let counts = |rows| {
            let mut rejected = Rejected::default();
            rejected.add(RejectReason::Malformed, 2);
            RowCounts { rows, late: 1, rejected, ..RowCounts::default() }
        };
        let (mut all, mut one) = (Totals::default(), Totals::default());
        counts(5).add_to(&mut all, "logs");
        counts(7).add_to(&mut one, "logs");
        all.add_all(&one);
        let get = |name| all.get(OF_SOURCES, "logs", name);
        assert_eq!((get(ROWS), get(ROWS_LATE), get(ROWS_REJECTED)), (12, 2, 4));
        assert_eq!(get(RejectReason::Malformed.total()), 4);
        assert_eq!((get(BYTES), all.get(OF_WINDOWS, "logs", ROWS)), (0, 0));
        assert_eq!(all.iter().count(), 4);
    }
}
