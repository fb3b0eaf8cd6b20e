//! What a user says about the bins of a feature: where they end, what they are called, and whether
//! rows without a value are one.
//!
//! Ends are cut into the grid when the reference is profiled, and so are as frozen as it is. The
//! rest is how counts are looked at.

/// The bins of one feature, as far as they are not left to the reference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnBins {
    /// Where bins of numbers end, inclusive, ascending; empty where the reference's deciles say.
    pub ends: Vec<f64>,
    /// Their names, one more than there are ends; empty where they have none.
    pub names: Vec<String>,
    /// Whether rows without a value are one more bin.
    pub has_missing: bool,
}

impl OwnBins {
    /// A bin is told by a byte, and fewer classes of rows are compared with their neighbours.
    pub const ENDS_MAX: usize = 30;
}
