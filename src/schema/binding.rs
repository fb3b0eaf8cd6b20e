//! How the columns of one file answer to the features of the reference.

use super::columns::{column_names, twice};
use super::kinds;
use crate::error::{Fault, Result};
use crate::feature::{Kind, Width};
use arrow_schema::Schema;
use std::collections::HashMap;

/// Where one feature's values are in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// In this top-level column, compared in this width.
    Column { column: usize, width: Width },
    /// In no column; every row counts as absent.
    Absent,
    /// In a column of another kind; every row counts as of the wrong type.
    Retyped,
}

/// What binding needs to know of a feature.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub name: &'a str,
    pub kind: Kind,
    /// The kind was declared, not inferred.
    pub declared: bool,
    /// Its categories are all written as numbers.
    pub has_codes: bool,
}

/// Binds every wanted feature; the result has their order. Fails when the file has two columns of
/// a wanted name.
pub fn bind<'a>(
    schema: &Schema,
    wanted: impl Iterator<Item = Wanted<'a>>,
) -> Result<Vec<Binding>, Fault> {
    let mut columns: HashMap<&str, Option<usize>> = HashMap::new();
    for (column, name) in column_names(schema).enumerate() {
        columns.entry(name).and_modify(|first| *first = None).or_insert(Some(column));
    }
    let bind = |wanted: Wanted<'_>| match columns.get(wanted.name) {
        None => Ok(Binding::Absent),
        Some(None) => Err(Fault::unreadable(twice(wanted.name))),
        Some(&Some(column)) => {
            let field = schema.field(column);
            let data_type = field.data_type();
            let is_readable = match wanted.declared {
                // What a path says has no type of its own and is read as the reference's.
                _ if kinds::is_partition(field) => true,
                true => kinds::can_be(data_type, wanted.kind),
                false => kinds::is_still(data_type, wanted.kind, wanted.has_codes),
            };
            Ok(match is_readable {
                true => Binding::Column { column, width: kinds::width(data_type) },
                false => Binding::Retyped,
            })
        }
    };
    wanted.map(bind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field};

    fn wanted(name: &str, kind: Kind) -> Wanted<'_> {
        Wanted { name, kind, declared: false, has_codes: false }
    }

    #[test]
    fn a_change_concerns_its_feature_alone() {
        let schema = Schema::new(vec![
            Field::new("b", DataType::Utf8, true),
            Field::new("a", DataType::Float32, true),
        ]);
        let wanted =
            [wanted("a", Kind::Numeric), wanted("b", Kind::Numeric), wanted("c", Kind::Boolean)];
        assert_eq!(
            bind(&schema, wanted.into_iter()).unwrap(),
            [Binding::Column { column: 1, width: Width::F32 }, Binding::Retyped, Binding::Absent]
        );
    }

    #[test]
    fn two_columns_of_a_wanted_name_are_refused() {
        let field = |name: &str| Field::new(name, DataType::Float64, true);
        let schema = Schema::new(vec![field("a"), field("b"), field("a")]);
        let error = bind(&schema, [wanted("a", Kind::Numeric)].into_iter()).unwrap_err();
        assert!(error.to_string().contains("\"a\""), "{error}");
        assert!(bind(&schema, [wanted("b", Kind::Numeric)].into_iter()).is_ok());
    }
}
