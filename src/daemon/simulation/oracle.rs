//! What must have been counted: every row in memory, by file and by content.

use super::Row;
use std::collections::{BTreeMap, BTreeSet};

/// What is in the directory, and what must have been counted of it.
#[derive(Default)]
pub struct Oracle {
    /// By name, what the file holds.
    pub files: BTreeMap<u8, Vec<Row>>,
    /// By name, what the daemon has seen there.
    seen: BTreeMap<u8, Vec<Row>>,
    /// Contents that count.
    counted: BTreeSet<Vec<Row>>,
}

impl Oracle {
    /// The daemon looks at everything.
    pub fn look(&mut self) {
        self.seen.retain(|name, _| self.files.contains_key(name));
        // In the order in which files are taken: new names first, since logs are rotated.
        let (known, new): (Vec<_>, Vec<_>) =
            self.files.iter().partition(|(name, _)| self.seen.contains_key(name));
        for (name, rows) in new.into_iter().chain(known) {
            let before = self.seen.insert(*name, rows.clone());
            if before.as_ref() == Some(rows) {
                continue;
            }
            if let Some(before) = before
                && !self.seen.values().any(|other| *other == before)
            {
                self.counted.remove(&before);
            }
            self.counted.insert(rows.clone());
        }
    }

    /// All rows that count.
    pub fn rows(&self) -> Vec<Row> {
        self.counted.iter().flatten().copied().collect()
    }
}
