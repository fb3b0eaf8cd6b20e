//! The values of a window that the reference never had, by name.
//!
//! Those are kept whose hashes are least, as many as there is room for: whoever is among them is
//! among them in every part of the rows, so that their rows are exact and come out the same in any
//! order and after any merge. While there are no more than that, it is all of them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values that are kept.
pub const KEPT_MAX: usize = 50;
/// Bytes of a text that are kept.
const TEXT_BYTES_MAX: usize = 80;

/// Values by hash, with their rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewValues {
    by_hash: BTreeMap<u64, (Box<str>, u64)>,
}

impl NewValues {
    /// Adds rows of a value that has this hash.
    pub fn add(&mut self, text: &str, hash: u64, rows: u64) {
        if let Some((_, own)) = self.by_hash.get_mut(&hash) {
            *own += rows;
            return;
        }
        let is_least = self.by_hash.last_key_value().is_none_or(|(greatest, _)| hash < *greatest);
        if self.by_hash.len() < KEPT_MAX || is_least {
            self.by_hash.insert(hash, (shortened(text).into(), rows));
            self.drop_greatest();
        }
    }

    pub fn merge(&mut self, other: &NewValues) {
        for (hash, (text, rows)) in &other.by_hash {
            self.by_hash.entry(*hash).or_insert_with(|| (text.clone(), 0)).1 += rows;
        }
        self.drop_greatest();
    }

    /// Hash, name and rows of each, in the order of hashes; a long name is not whole.
    pub fn all(&self) -> impl Iterator<Item = (u64, &str, u64)> {
        self.by_hash.iter().map(|(hash, (text, rows))| (*hash, &**text, *rows))
    }

    /// Whether every value that came is here.
    pub fn are_all(&self) -> bool {
        self.by_hash.len() < KEPT_MAX
    }

    /// Name and rows of each whose name is whole.
    pub fn whole(&self) -> impl Iterator<Item = (&str, u64)> {
        let all = self.by_hash.values().map(|(text, rows)| (&**text, *rows));
        all.filter(|(text, _)| text.len() <= TEXT_BYTES_MAX)
    }

    /// Whether every name that is here is whole.
    pub fn are_whole(&self) -> bool {
        self.by_hash.values().all(|(text, _)| text.len() <= TEXT_BYTES_MAX)
    }

    /// Values and their rows, most rows first, ties by name.
    pub fn most_frequent(&self) -> Vec<(&str, u64)> {
        let mut values: Vec<(&str, u64)> =
            self.by_hash.values().map(|(text, rows)| (&**text, *rows)).collect();
        values.sort_unstable_by(|(a, a_rows), (b, b_rows)| b_rows.cmp(a_rows).then(a.cmp(b)));
        values
    }

    /// Bytes that they take in memory, about.
    pub fn bytes(&self) -> usize {
        self.by_hash.values().map(|(text, _)| text.len() + 48).sum()
    }

    fn drop_greatest(&mut self) {
        while self.by_hash.len() > KEPT_MAX {
            self.by_hash.pop_last();
        }
    }
}

fn shortened(text: &str) -> String {
    match text.len() <= TEXT_BYTES_MAX {
        true => text.to_owned(),
        false => format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn of(values: &[u16]) -> NewValues {
        let mut new = NewValues::default();
        for value in values {
            let text = format!("value {value}");
            new.add(&text, xxh3_64(text.as_bytes()), 1);
        }
        new
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(values in prop::collection::vec(0u16..300, 0..600), at: u16) {
            let (one, two) = values.split_at(at as usize % (values.len() + 1));
            let (mut merged, whole) = (of(two), of(&values));
            merged.merge(&of(one));
            prop_assert_eq!(&merged, &whole);
            for (text, rows) in whole.most_frequent() {
                let own = values.iter().filter(|value| format!("value {value}") == text);
                prop_assert_eq!(rows, own.count() as u64);
            }
        }
    }

    #[test]
    fn a_frequent_value_among_few_is_named() {
        let new = of(&[3, 1, 3, 3, 2, 2]);
        assert_eq!(new.most_frequent(), [("value 3", 3), ("value 2", 2), ("value 1", 1)]);
        assert!(new.are_all() && !of(&(0..60).collect::<Vec<_>>()).are_all());
        let mut long = NewValues::default();
        long.add(&"ä".repeat(100), 7, 2);
        assert_eq!(long.most_frequent(), [(&*format!("{}…", "ä".repeat(40)), 2)]);
    }
}
