//! Judging: from scores to a verdict, given how much a feature has varied before.
//!
//! A deciding measure calls a feature drifted when its score is at least its threshold, so that the
//! difference matters, and its p-value at most `p_max`, so that chance hardly ever brings it. The
//! p-value counts rows for what they tell: how much that is (`drift/design_effects.rs`) is learned
//! from the steps between closed windows ([`steps`]) or, before there are enough, from the order of
//! rows.

pub mod cluster_effects;
pub mod drift_config;
pub mod evidence;
pub mod measure_list;
pub mod persistence;
pub mod steps;
pub mod variation;
pub mod verdict;
