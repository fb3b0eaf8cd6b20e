//! How rows arrive, and how far a source with an order of its own has been counted.
//!
//! A broker or a spool has partitions, and its rows have positions in them. What was counted is
//! remembered as one position per partition, in the same transaction as the counts, so that after
//! a crash the source goes on exactly where the state ends.

/// How rows arrive; decides what a `batch` window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// A file: counted whole or not at all.
    File,
    /// A slice of a stream, which has no end.
    Stream,
}

/// A place between two rows of one partition. Positions grow with the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// The rows of one partition after `from` and up to `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRange {
    pub partition: String,
    pub from: Position,
    pub to: Position,
}

/// What the state has of a range of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// None of it, and all that comes before.
    Next,
    /// All of it: these rows were counted.
    Counted,
    /// Some of it, or not all that comes before. The rows between cannot be told apart, so the
    /// source must start again from the position of the state.
    Apart,
}

impl PositionRange {
    /// What a state that has counted up to `counted` has of this range.
    pub fn overlap(&self, counted: Option<Position>) -> Overlap {
        match counted {
            // The first rows of a partition may start anywhere.
            None => Overlap::Next,
            Some(counted) if self.from == counted => Overlap::Next,
            Some(counted) if self.to <= counted => Overlap::Counted,
            Some(_) => Overlap::Apart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_follows_is_known_or_does_not_fit() {
        let range = |from, to| PositionRange {
            partition: "p".to_owned(),
            from: Position(from),
            to: Position(to),
        };
        let at = |counted: u64| Some(Position(counted));
        assert_eq!(range(7, 9).overlap(None), Overlap::Next);
        assert_eq!(range(7, 9).overlap(at(7)), Overlap::Next);
        assert_eq!(range(7, 9).overlap(at(9)), Overlap::Counted);
        assert_eq!(range(7, 9).overlap(at(12)), Overlap::Counted);
        assert_eq!(range(7, 9).overlap(at(8)), Overlap::Apart);
        assert_eq!(range(7, 9).overlap(at(6)), Overlap::Apart);
    }
}
