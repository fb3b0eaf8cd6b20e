//! How the columns of a file differ from those that the reference has.

use super::binding::{Binding, Wanted, bind};
use super::columns::{ColumnsConfig, column_names};
use super::kinds::is_partition;
use crate::feature::Kind;
use arrow_schema::{DataType, FieldRef, Schema};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

/// Columns of each kind that are named.
const NAMED_MAX: usize = 5;

/// Columns that are new, and columns whose values are of another kind than the reference's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnChanges {
    new: BTreeSet<String>,
    retyped: BTreeSet<RetypedColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RetypedColumn {
    name: String,
    was: &'static str,
    is: String,
}

impl ColumnChanges {
    /// Of a file with this schema. Columns that the configuration leaves out are not new, and
    /// neither are those of folders' names.
    pub fn of(schema: &Schema, wanted: &[Wanted<'_>], columns: &ColumnsConfig) -> ColumnChanges {
        let known: HashSet<&str> = wanted.iter().map(|own| own.name).collect();
        ColumnChanges::of_some(schema, wanted, columns, &|name| known.contains(name))
    }

    /// The same where `wanted` are some of the features, and others are known by name.
    pub fn of_some(
        schema: &Schema,
        wanted: &[Wanted<'_>],
        columns: &ColumnsConfig,
        is_known: &dyn Fn(&str) -> bool,
    ) -> ColumnChanges {
        let fields: HashMap<&str, &FieldRef> = column_names(schema).zip(schema.fields()).collect();
        let is_new = |(name, field): &(&&str, &&FieldRef)| {
            !is_known(name) && columns.is_feature(name) && !is_partition(field)
        };
        let new = fields.iter().filter(is_new).map(|(name, _)| (*name).to_owned()).collect();
        // A file with a column twice cannot be read, which is said elsewhere.
        let bound = bind(schema, wanted.iter().copied()).unwrap_or_default();
        let retyped = wanted.iter().zip(bound).filter(|(_, own)| *own == Binding::Retyped);
        let retyped = retyped.filter_map(|(wanted, _)| {
            let field = fields.get(wanted.name)?;
            let (name, was) = (wanted.name.to_owned(), kind_of(wanted.kind));
            Some(RetypedColumn { name, was, is: type_name(field.data_type()) })
        });
        ColumnChanges { new, retyped: retyped.collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.retyped.is_empty()
    }

    /// Takes those of another file as well.
    pub fn add(&mut self, other: ColumnChanges) {
        self.new.extend(other.new);
        self.retyped.extend(other.retyped);
    }
}

impl fmt::Display for ColumnChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retyped = self.retyped.iter();
        let retyped: Vec<String> =
            retyped.map(|own| format!("{:?} ({} to {})", own.name, own.was, own.is)).collect();
        let new: Vec<String> = self.new.iter().map(|name| format!("{name:?}")).collect();
        let told = [("of another type", retyped), ("not in the reference", new)];
        let told = told.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<String> =
            told.map(|(what, names)| format!("{what}: {}", listed(names))).collect();
        f.write_str(&told.join("; "))
    }
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let first = names[..names.len() - more].join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// What a column of a kind holds.
fn kind_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Numeric => "numbers",
        Kind::Categorical => "texts",
        Kind::Boolean => "booleans",
        Kind::Temporal => "times",
        Kind::Unsupported => "a type that is not scored",
    }
}

/// The type of a column, in a word where there is one.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Dictionary(_, values) => type_name(values),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::kinds::partition_field;
    use arrow_schema::Field;

    fn wanted(name: &str, kind: Kind) -> Wanted<'_> {
        Wanted { name, kind, declared: false, has_codes: false }
    }

    #[test]
    fn new_and_retyped_columns_are_named() {
        let wanted = [wanted("age", Kind::Numeric), wanted("city", Kind::Categorical)];
        let schema = Schema::new(vec![
            Field::new("age", DataType::Utf8, true),
            Field::new("city", DataType::Utf8, true),
            Field::new("label", DataType::Int8, true),
            Field::new("income", DataType::Float64, true),
            partition_field("day"),
        ]);
        let columns = ColumnsConfig { label: Some("label".to_owned()), ..ColumnsConfig::default() };
        let changes = ColumnChanges::of(&schema, &wanted, &columns);
        let told = "of another type: \"age\" (numbers to text); not in the reference: \"income\"";
        assert_eq!(changes.to_string(), told);
        let same = Schema::new(vec![Field::new("age", DataType::Int64, true)]);
        assert!(ColumnChanges::of(&same, &wanted, &columns).is_empty());
    }

    #[test]
    fn many_are_counted() {
        let fields = (0..7).map(|at| Field::new(format!("c{at}"), DataType::Int64, true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let changes = ColumnChanges::of(&schema, &[], &ColumnsConfig::default());
        assert!(changes.to_string().ends_with("\"c4\" and 2 more"), "{changes}");
    }
}
