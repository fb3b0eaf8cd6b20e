//! How the columns of one file answer to the features of the reference.

use super::columns::unique_names;
use super::kinds;
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

/// The side of a feature that binding needs: name, kind, whether the kind was declared.
pub type Wanted<'a> = (&'a str, Kind, bool);

/// Binds every wanted feature; the result has their order.
pub fn bind<'a>(schema: &Schema, wanted: impl Iterator<Item = Wanted<'a>>) -> Vec<Binding> {
    let names = unique_names(schema);
    let columns: HashMap<&str, usize> =
        names.iter().enumerate().map(|(column, name)| (name.as_ref(), column)).collect();
    wanted
        .map(|(name, kind, declared)| match columns.get(name) {
            None => Binding::Absent,
            Some(&column) => {
                let field = schema.field(column);
                let data_type = field.data_type();
                // What a path says has no type of its own and is read as the reference's.
                if kinds::is_partition(field) || kinds::is_readable_as(data_type, kind, declared) {
                    Binding::Column { column, width: kinds::width(data_type) }
                } else {
                    Binding::Retyped
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field};

    #[test]
    fn a_change_concerns_its_feature_alone() {
        let schema = Schema::new(vec![
            Field::new("b", DataType::Utf8, true),
            Field::new("a", DataType::Float32, true),
        ]);
        let wanted =
            [("a", Kind::Numeric, false), ("b", Kind::Numeric, false), ("c", Kind::Boolean, false)];
        assert_eq!(
            bind(&schema, wanted.into_iter()),
            [Binding::Column { column: 1, width: Width::F32 }, Binding::Retyped, Binding::Absent]
        );
    }
}
