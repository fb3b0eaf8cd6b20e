//! From column types to features: which columns are features, of what kind, and how a file's
//! columns answer to the reference's.
//!
//! Not values: nothing here decodes one.

pub mod binding;
pub mod column_changes;
pub mod column_type;
pub mod columns;
pub mod kinds;
mod name_pattern;
pub mod renaming;

pub use name_pattern::NamePattern;
