//! Counts that nothing is added to any more, in as few bytes as the greatest of them takes.

/// One count per cell.
#[derive(Debug, Clone)]
pub enum SmallCounts {
    Bytes(Box<[u8]>),
    Shorts(Box<[u16]>),
    Words(Box<[u32]>),
}

impl SmallCounts {
    /// None where a count takes more than four bytes.
    pub fn of(counts: &[u64]) -> Option<SmallCounts> {
        let most = counts.iter().copied().max().unwrap_or(0);
        Some(match most {
            0..=0xff => SmallCounts::Bytes(counts.iter().map(|count| *count as u8).collect()),
            0x100..=0xffff => {
                SmallCounts::Shorts(counts.iter().map(|count| *count as u16).collect())
            }
            0x1_0000..=0xffff_ffff => {
                SmallCounts::Words(counts.iter().map(|count| *count as u32).collect())
            }
            _ => return None,
        })
    }

    pub fn to_counts(&self) -> Vec<u64> {
        match self {
            SmallCounts::Bytes(counts) => counts.iter().map(|count| (*count).into()).collect(),
            SmallCounts::Shorts(counts) => counts.iter().map(|count| (*count).into()).collect(),
            SmallCounts::Words(counts) => counts.iter().map(|count| (*count).into()).collect(),
        }
    }

    /// How many counts there are.
    pub fn len(&self) -> usize {
        match self {
            SmallCounts::Bytes(counts) => counts.len(),
            SmallCounts::Shorts(counts) => counts.len(),
            SmallCounts::Words(counts) => counts.len(),
        }
    }

    /// Bytes that they take in memory.
    pub fn bytes(&self) -> usize {
        match self {
            SmallCounts::Bytes(counts) => size_of_val(&**counts),
            SmallCounts::Shorts(counts) => size_of_val(&**counts),
            SmallCounts::Words(counts) => size_of_val(&**counts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_counts_are_the_same_counts() {
        for (most, width) in [(0, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4)] {
            let counts = [0, most, 1, most / 2];
            let small = SmallCounts::of(&counts).unwrap();
            assert_eq!(small.to_counts(), counts);
            assert_eq!((small.len(), small.bytes()), (4, 4 * width));
        }
        assert!(SmallCounts::of(&[1, u64::from(u32::MAX)]).is_some());
        assert!(SmallCounts::of(&[1, u64::from(u32::MAX) + 1]).is_none());
    }
}
