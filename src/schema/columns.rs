//! Roles of columns: which of them are features.
//!
//! Everything is a feature unless it is excluded or has another role, because a feature that
//! nobody listed is the one that nobody watches.

use crate::error::{Error, Result};
use crate::time::EpochUnit;
use arrow_schema::Schema;
use glob::Pattern;
use std::borrow::Cow;
use std::collections::HashSet;

/// `[model.columns]`, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnsConfig {
    /// Only these, when given. Names, with `*` and `?`.
    pub include: Option<Vec<Pattern>>,
    /// Never these. Names, with `*` and `?`.
    pub exclude: Vec<Pattern>,
    /// The column that names a row.
    pub id: Option<String>,
    /// The column with the truth, which arrives later than the features.
    pub label: Option<String>,
    /// The column with the time of each row; the reference need not have it.
    pub time: Option<TimeColumn>,
}

/// The column with the time of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    pub name: String,
    /// Of numbers; without it they are read by their size.
    pub unit: Option<EpochUnit>,
}

impl ColumnsConfig {
    pub fn is_feature(&self, name: &str) -> bool {
        let matches = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(name));
        self.include.as_deref().is_none_or(matches)
            && !matches(&self.exclude)
            && self.id.as_deref() != Some(name)
            && self.label.as_deref() != Some(name)
            && self.time.as_ref().is_none_or(|time| time.name != name)
    }

    /// Names that the configuration uses and the reference lacks; a typing error, most likely.
    pub fn check(&self, schema: &Schema) -> Result<()> {
        let names: HashSet<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
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

/// The column names of a file, made unique: the second `x` is called `x#1`, the third `x#2`.
/// Duplicate names are legal Parquet, and two features cannot share a series.
pub fn unique_names(schema: &Schema) -> Vec<Cow<'_, str>> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut taken: HashSet<Cow<'_, str>> = names.iter().copied().map(Cow::Borrowed).collect();
    if taken.len() == names.len() {
        return names.into_iter().map(Cow::Borrowed).collect();
    }
    let mut seen = HashSet::new();
    let unique = names.into_iter().map(|name| {
        if seen.insert(name) {
            return Cow::Borrowed(name);
        }
        let numbered = (1..).map(|n| Cow::Owned(format!("{name}#{n}")));
        let free = numbered.into_iter().find(|free: &Cow<'_, str>| taken.insert(free.clone()));
        free.expect("numbers do not run out")
    });
    unique.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field};

    #[test]
    fn roles_and_patterns_exclude() {
        let columns = ColumnsConfig {
            exclude: vec![Pattern::new("*__timestamp").unwrap()],
            id: Some("id".into()),
            ..ColumnsConfig::default()
        };
        assert!(columns.is_feature("trips__rate"));
        assert!(!columns.is_feature("trips__rate__timestamp"));
        assert!(!columns.is_feature("id"));
    }

    #[test]
    fn duplicate_names_are_told_apart() {
        let field = |name: &str| Field::new(name, DataType::Int32, true);
        let schema = Schema::new(["x", "y", "x", "x#1", "x"].map(field).to_vec());
        assert_eq!(unique_names(&schema), ["x", "y", "x#2", "x#1", "x#3"]);
    }
}
