//! Who counted which offsets of a partition, as the group remembers it: in the metadata of the
//! offset that was committed last.
//!
//! A daemon that stopped between writing rows to its disk and hearing that the broker has their
//! offsets cannot tell by the offset alone: another may have read the same rows since, and
//! committed more. So whoever commits passes on who counted from where:
//!
//! ```text
//! driftd 0:5f2a…,1200:c81e…,4096:5f2a…    one counted up to 1200, another to 4096, the first again
//! ```

use std::fmt;

const MARK: &str = "driftd ";

/// Brokers keep 4,096 bytes unless they are told otherwise.
const BYTES_MAX: usize = 3_500;

/// Who counted from which offset on, in the order of the offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OffsetOwners(Vec<(u64, String)>);

/// Whether offsets were counted by somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Yes,
    No,
    /// It is too long ago, or somebody wrote something else there.
    Unknown,
}

impl OffsetOwners {
    /// None of what is no such metadata.
    pub fn parse(metadata: &str) -> Option<OffsetOwners> {
        let owners = metadata.strip_prefix(MARK)?.split(',').map(|own| {
            let (offset, owner) = own.split_once(':')?;
            Some((offset.parse().ok()?, owner.to_owned()))
        });
        owners.collect::<Option<_>>().map(OffsetOwners)
    }

    /// After `owner` has counted on from an offset.
    pub fn with(mut self, from: u64, owner: &str) -> OffsetOwners {
        // What was counted beyond is counted again, since somebody set the group back.
        self.0.retain(|(own, _)| *own < from);
        if self.0.last().is_none_or(|(_, last)| last != owner) {
            self.0.push((from, owner.to_owned()));
        }
        while self.to_string().len() > BYTES_MAX {
            self.0.remove(0);
        }
        self
    }

    /// Whether `owner` counted what is after `from` and up to `to`, where the group has committed
    /// `committed`.
    pub fn counted(&self, (from, to): (u64, u64), committed: u64, owner: &str) -> Counted {
        if committed < to {
            return Counted::No;
        }
        let after = self.0.partition_point(|(own, _)| *own <= from);
        let Some((_, found)) = after.checked_sub(1).map(|at| &self.0[at]) else {
            return Counted::Unknown;
        };
        let is_whole = self.0.get(after).is_none_or(|(next, _)| *next >= to);
        if found == owner && is_whole { Counted::Yes } else { Counted::No }
    }
}

/// As it is written to the metadata of an offset.
impl fmt::Display for OffsetOwners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MARK)?;
        for (at, (offset, owner)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{offset}:{owner}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_told_who_counted_what() {
        let owners = OffsetOwners::default().with(0, "a").with(10, "a").with(20, "b").with(50, "a");
        assert_eq!(owners.to_string(), "driftd 0:a,20:b,50:a");
        assert_eq!(OffsetOwners::parse(&owners.to_string()), Some(owners.clone()));
        assert_eq!(owners.counted((10, 20), 60, "a"), Counted::Yes);
        // It had prepared up to 25, and another counted from 20 on.
        assert_eq!(owners.counted((10, 25), 60, "a"), Counted::No);
        assert_eq!(owners.counted((20, 25), 60, "a"), Counted::No);
        assert_eq!(owners.counted((50, 60), 60, "a"), Counted::Yes);
        assert_eq!(owners.counted((50, 61), 60, "a"), Counted::No);
        for text in ["", "x", "driftd ", "driftd 1", "driftd x:a"] {
            assert_eq!(OffsetOwners::parse(text), None, "{text:?}");
        }
        // The group was set back.
        let again = owners.with(5, "b");
        assert_eq!(again.to_string(), "driftd 0:a,5:b");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut owners = OffsetOwners::default();
        for at in 0..2_000_u64 {
            owners = owners.with(at * 1_000_000_007, ["0123456789abcdef", "b"][at as usize % 2]);
        }
        assert!(owners.to_string().len() <= BYTES_MAX);
        assert_eq!(owners.counted((7, 8), u64::MAX, "b"), Counted::Unknown);
    }

    proptest! {
        /// Daemons that prepare, and of which the broker accepts some: each learns what it counted,
        /// however much later, and no row is anybody's twice.
        #[test]
        fn each_row_is_counted_by_one(
            steps in prop::collection::vec((0_usize..3, 1_u64..50, any::<bool>()), 1..60)
        ) {
            let names = ["a", "b", "c"];
            let (mut committed, mut owners) = (0, OffsetOwners::default());
            let mut prepared = Vec::new();
            for (daemon, rows, is_accepted) in steps {
                let range = (committed, committed + rows);
                // A daemon settles what it prepared before it prepares anything else.
                prepared.push((daemon, range, is_accepted));
                if is_accepted {
                    owners = owners.with(range.0, names[daemon]);
                    committed = range.1;
                }
            }
            for (at, (daemon, range, is_accepted)) in prepared.iter().enumerate() {
                let went_on = prepared[at + 1..].iter().any(|(other, _, _)| other == daemon);
                // Only the last of each is ever asked for.
                if !went_on {
                    let found = owners.counted(*range, committed, names[*daemon]);
                    let expected = if *is_accepted { Counted::Yes } else { Counted::No };
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
