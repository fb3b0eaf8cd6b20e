//! Why: what of a feature moved, from where to where, in words and numbers.
//!
//! Everything here is read from the same counts that the measures read, and says nothing about
//! whether a change is large.

pub mod bin;
pub mod explanation;
mod guess;
pub mod number;
pub mod phrases;
pub mod reason;
pub mod share_change;

pub use explanation::Explanation;
pub use guess::{Guess, Scaling};
