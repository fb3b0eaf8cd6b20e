//! Numerics that the packages lack: exact sums, the tails of Kolmogorov's and of quadratic laws,
//! and those of two rates and of two rows of counts.
//!
//! Not for what statrs has: incomplete beta and gamma functions and the χ² tail come from there.

pub mod homogeneity;
pub mod kolmogorov;
pub mod quadratic_laws;
pub mod rates;
pub mod sum;
