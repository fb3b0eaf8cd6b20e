//! Numerics that the packages lack: exact sums and Kolmogorov's tail.
//!
//! Not for what statrs has: the χ² tail comes from there.

pub mod kolmogorov;
pub mod sum;
