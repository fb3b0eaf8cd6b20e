//! Roles of columns: which of them are features.
//!
//! Everything is a feature unless it is excluded or has another role, because a feature that
//! nobody listed is the one that nobody watches.

use super::NamePattern;
use super::renaming::Renaming;
use crate::error::{Error, Result};
use crate::time::EpochUnit;
use arrow_schema::Schema;
use std::collections::HashSet;
use std::fmt;

/// `[model.columns]`, checked.
#[derive(Clone, Default, PartialEq)]
pub struct ColumnsConfig {
    /// Only these, when given. Names, with `*` and `?`.
    pub include: Option<Vec<NamePattern>>,
    /// Never these. Names, with `*` and `?`.
    pub exclude: Vec<NamePattern>,
    /// The column that names a row.
    pub id: Option<String>,
    /// The column with the truth, which arrives later than the features.
    pub label: Option<String>,
    /// What the model answered; always features.
    pub predictions: Vec<String>,
    /// The column with the time of each row; the reference need not have it.
    pub time: Option<TimeColumn>,
    /// The column that names the cluster of each row, such as its request or user; the reference
    /// need not have it.
    pub cluster: Option<String>,
    /// What columns of logs are called in the training data, which is not renamed itself.
    pub renaming: Renaming,
}

/// The column with the time of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    pub name: String,
    /// Of numbers; without it they are read by their size.
    pub unit: Option<EpochUnit>,
}

/// What a stored reference was made with is told by this text, and the files of a warm-up may be
/// gone: a role that came later stands in it only where it is set.
impl fmt::Debug for ColumnsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ColumnsConfig { include, exclude, id, label, predictions, time, cluster, .. } = self;
        let mut text = f.debug_struct("ColumnsConfig");
        text.field("include", include).field("exclude", exclude).field("id", id);
        text.field("label", label).field("time", time);
        if let Some(cluster) = cluster {
            text.field("cluster", cluster);
        }
        // That a feature is a prediction changes nothing of the reference; that a column is one
        // does.
        let columns = ColumnsConfig { predictions: Vec::new(), ..self.clone() };
        let added: Vec<&String> =
            predictions.iter().filter(|own| !columns.is_feature(own)).collect();
        if !added.is_empty() {
            text.field("predictions", &added);
        }
        text.finish()
    }
}

impl ColumnsConfig {
    /// Whether all that is named as a prediction is among the features of a reference.
    pub fn check_predictions(&self, features: &HashSet<&str>) -> Result<()> {
        match self.predictions.iter().find(|name| !features.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::new(format!(
                "columns.prediction: {name:?} is no feature of the reference; add what the model \
                 answers for it, or leave the key out"
            ))),
        }
    }

    pub fn is_feature(&self, name: &str) -> bool {
        let matches = |patterns: &[NamePattern]| patterns.iter().any(|p| p.matches(name));
        let is_chosen = self.include.as_deref().is_none_or(matches) && !matches(&self.exclude);
        (is_chosen || self.predictions.iter().any(|own| own == name))
            && self.id.as_deref() != Some(name)
            && self.label.as_deref() != Some(name)
            && self.time.as_ref().is_none_or(|time| time.name != name)
            && self.cluster.as_deref() != Some(name)
    }

    /// Names that the configuration uses and the reference lacks; a typing error, most likely.
    pub fn check(&self, names: &HashSet<&str>) -> Result<()> {
        let roles = [("id", &self.id), ("label", &self.label)];
        for (role, name) in roles.iter().filter_map(|(r, n)| n.as_deref().map(|n| (r, n))) {
            if !names.contains(name) {
                return Err(Error::new(format!(
                    "columns.{role}: the reference has no column {name:?}"
                )));
            }
        }
        for pattern in self.include.iter().flatten() {
            if !names.iter().any(|n| pattern.matches(n)) {
                return Err(Error::new(format!(
                    "columns.include: {:?} matches no column of the reference",
                    pattern.as_str()
                )));
            }
        }
        Ok(())
    }
}

/// The column names of a file, in its order.
pub fn column_names(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.fields().iter().map(|field| field.name().as_str())
}

/// Says that a file has two columns of a name: nobody can tell which of them is meant.
pub fn twice(name: &str) -> String {
    format!(
        "two columns are named {name:?}; rename one where the file is written, or leave both out \
         with columns.exclude"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_patterns_exclude() {
        let columns = ColumnsConfig {
            exclude: vec![NamePattern::new("*__timestamp")],
            id: Some("id".into()),
            ..ColumnsConfig::default()
        };
        assert!(columns.is_feature("trips__rate"));
        assert!(!columns.is_feature("trips__rate__timestamp"));
        assert!(!columns.is_feature("id"));
    }
}
