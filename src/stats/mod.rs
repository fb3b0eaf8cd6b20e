//! Numerics that the packages lack: exact sums, Kolmogorov's tail, and the tails of two rates and
//! of two rows of counts.
//!
//! Not for what statrs has: incomplete beta and gamma functions and the χ² tail come from there.

pub mod homogeneity;
pub mod kolmogorov;
pub mod rates;
pub mod sum;
