//! The reference as if it had come in single precision: a model trained on doubles and served
//! floats must not look like drift.
//!
//! Most models are served what they were trained on, and never ask for it. So it is kept in few
//! bytes until somebody does: an edge is a float, or the double below one, but for those far out.

use super::cells::Cells;
use super::grid::{GridParts, NumericGrid, hash_edges};
use super::grid_build::SortedReference;
use crate::feature::Width;
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::OnceLock;
use xxhash_rust::xxh3::Xxh3;

/// A grid for floats, and what the reference counts on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FloatGrid {
    pub grid: NumericGrid,
    pub reference: Cells,
}

/// A grid for floats, made when values first come as such.
#[derive(Debug, Clone)]
pub(super) struct NarrowLane {
    edges: FloatEdges,
    cuts: Box<[u32]>,
    range: Option<(f64, f64)>,
    reference: Cells,
    made: OnceLock<Box<FloatGrid>>,
}

impl NarrowLane {
    /// None where rounding the reference changes nothing.
    pub fn new(reference: SortedReference<'_>, own_ends: &[f64]) -> Option<NarrowLane> {
        let rounded: Vec<f64> = reference.finite.iter().map(|&v| Width::F32.round(v)).collect();
        if rounded == reference.finite {
            return None;
        }
        let reference = SortedReference { finite: &rounded, ..reference };
        // Ends that become one are one.
        let mut own_ends: Vec<f64> = own_ends.iter().map(|end| Width::F32.round(*end)).collect();
        own_ends.dedup();
        let parts = reference.grid_with_bins(&own_ends);
        let mut cells = Cells::of_sorted(&parts.edges, &rounded);
        cells.add_infinities(reference.negative_infinities, reference.positive_infinities);
        Some(NarrowLane::of(parts, cells))
    }

    fn of(GridParts { edges, cuts, range }: GridParts, mut reference: Cells) -> NarrowLane {
        reference.rest();
        let edges = FloatEdges::of(&edges);
        NarrowLane { edges, cuts: cuts.into(), range, reference, made: OnceLock::new() }
    }

    pub fn grid(&self) -> &NumericGrid {
        &self.get().grid
    }

    pub fn reference(&self) -> &Cells {
        &self.get().reference
    }

    fn get(&self) -> &FloatGrid {
        self.made.get_or_init(|| Box::new(self.make()))
    }

    fn make(&self) -> FloatGrid {
        let (edges, cuts) = (self.edges.iter().collect(), self.cuts.to_vec());
        let grid = GridParts { edges, cuts, range: self.range }.into();
        FloatGrid { grid, reference: self.reference.clone() }
    }

    pub fn hash_into(&self, hash: &mut Xxh3) {
        hash_edges(self.edges.iter(), &self.cuts, hash);
    }
}

impl From<FloatGrid> for NarrowLane {
    fn from(FloatGrid { grid, reference }: FloatGrid) -> NarrowLane {
        NarrowLane::of(grid.into(), reference)
    }
}

impl Serialize for NarrowLane {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.make().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NarrowLane {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NarrowLane, D::Error> {
        FloatGrid::deserialize(deserializer).map(NarrowLane::from)
    }
}

/// Ascending edges, most of which are floats or just below one.
#[derive(Debug, Clone)]
struct FloatEdges {
    /// By edge, whether it is neither …
    are_doubles: BooleanBuffer,
    /// … and whether it is the double below its float.
    are_below: BooleanBuffer,
    floats: Box<[f32]>,
    doubles: Box<[f64]>,
}

impl FloatEdges {
    fn of(edges: &[f64]) -> FloatEdges {
        let is_float = |value: f64| f64::from(value as f32).to_bits() == value.to_bits();
        let (mut floats, mut doubles) = (Vec::with_capacity(edges.len()), Vec::new());
        let (mut are_doubles, mut are_below) =
            (BooleanBufferBuilder::new(edges.len()), BooleanBufferBuilder::new(edges.len()));
        for &edge in edges {
            let above = edge.next_up();
            let (is_own, is_below) = (is_float(edge), is_float(above));
            are_doubles.append(!is_own && !is_below);
            are_below.append(!is_own && is_below);
            match (is_own, is_below) {
                (true, _) => floats.push(edge as f32),
                (false, true) => floats.push(above as f32),
                (false, false) => doubles.push(edge),
            }
        }
        FloatEdges {
            are_doubles: are_doubles.build(),
            are_below: are_below.build(),
            floats: floats.into(),
            doubles: doubles.into(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = f64> + '_ {
        let (mut floats, mut doubles) = (self.floats.iter(), self.doubles.iter());
        let of_each = self.are_doubles.iter().zip(&self.are_below);
        of_each.filter_map(move |(is_double, is_below)| match is_double {
            true => doubles.next().copied(),
            false => {
                let float = f64::from(*floats.next()?);
                Some(if is_below { float.next_down() } else { float })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::testing::cases(128))]

        /// To the bit, zeros of either sign, subnormal numbers and infinities included.
        #[test]
        fn edges_at_rest_are_the_same(
            values in prop::collection::vec(prop_oneof![
                any::<f64>(),
                any::<f32>().prop_map(f64::from),
                any::<f32>().prop_map(|value| f64::from(value).next_down()),
                Just(0.0), Just(-0.0), Just(0f64.next_down()), Just(f64::NEG_INFINITY),
                Just(f64::MAX), Just(f64::MIN), Just(5e-324),
            ], 0..200),
        ) {
            let edges: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
            let read: Vec<u64> = FloatEdges::of(&edges).iter().map(f64::to_bits).collect();
            prop_assert_eq!(read, edges.into_iter().map(f64::to_bits).collect::<Vec<_>>());
        }
    }
}
