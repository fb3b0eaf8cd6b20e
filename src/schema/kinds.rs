//! Which kind of feature an Arrow type is, and in which width its numbers are compared.

use crate::feature::{Kind, Width};
use arrow_schema::{DataType, Field};
use std::collections::HashMap;

/// Marks a column whose values are written in the path of the file, as text.
const PARTITION: &str = "driftd.partition";

/// A column whose values are written in the path of the file.
pub fn partition_field(name: &str) -> Field {
    let marked = HashMap::from([(PARTITION.to_owned(), String::new())]);
    Field::new(name, DataType::Utf8, true).with_metadata(marked)
}

pub fn is_partition(field: &Field) -> bool {
    field.metadata().contains_key(PARTITION)
}

/// The kind that a column of the reference gets when none is declared.
pub fn infer(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Boolean => Kind::Boolean,
        DataType::Dictionary(_, values) if is_categorical_value(values) => Kind::Categorical,
        _ if is_number(data_type) => Kind::Numeric,
        _ if is_string(data_type) => Kind::Categorical,
        _ if is_temporal(data_type) => Kind::Temporal,
        _ => Kind::Unsupported,
    }
}

/// Whether a column of this type can be read as `kind`: for the reference, whether a declared kind
/// is possible; for a current column, whether it is still what the reference had.
///
/// A column of type null holds no value that could be of another kind. A categorical feature that
/// was declared takes whatever can be written as a text, so that codes may come as 1 or as "1".
pub fn is_readable_as(data_type: &DataType, kind: Kind, declared: bool) -> bool {
    if *data_type == DataType::Null {
        return true;
    }
    match kind {
        Kind::Numeric if declared => is_number(data_type) || is_temporal(data_type),
        Kind::Categorical if declared => {
            is_categorical_value(data_type)
                || matches!(data_type, DataType::Dictionary(_, v) if is_categorical_value(v))
        }
        Kind::Boolean if declared => *data_type == DataType::Boolean || is_number(data_type),
        Kind::Unsupported => true,
        _ => infer(data_type) == kind,
    }
}

/// The width that values of this type are compared in.
pub fn width(data_type: &DataType) -> Width {
    match data_type {
        DataType::Float32 | DataType::Float16 => Width::F32,
        _ => Width::F64,
    }
}

pub fn is_integer(data_type: &DataType) -> bool {
    data_type.is_integer()
}

pub fn is_string(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
        )
}

fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn is_categorical_value(data_type: &DataType) -> bool {
    is_string(data_type) || is_number(data_type) || *data_type == DataType::Boolean
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::TimeUnit;

    #[test]
    fn infers_kinds_from_types() {
        let dictionary = |value| DataType::Dictionary(Box::new(DataType::Int32), Box::new(value));
        for (data_type, kind) in [
            (DataType::Float16, Kind::Numeric),
            (DataType::UInt64, Kind::Numeric),
            (DataType::Decimal128(10, 1), Kind::Numeric),
            (DataType::Boolean, Kind::Boolean),
            (DataType::Utf8View, Kind::Categorical),
            (dictionary(DataType::Utf8), Kind::Categorical),
            (dictionary(DataType::Int64), Kind::Categorical),
            (DataType::Date32, Kind::Temporal),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), Kind::Temporal),
            (DataType::Time32(TimeUnit::Second), Kind::Unsupported),
            (DataType::Binary, Kind::Unsupported),
            (DataType::Null, Kind::Unsupported),
        ] {
            assert_eq!(infer(&data_type), kind, "{data_type}");
        }
    }

    #[test]
    fn a_number_is_no_boolean_unless_declared() {
        assert!(!is_readable_as(&DataType::Int64, Kind::Boolean, false));
        assert!(is_readable_as(&DataType::Int64, Kind::Boolean, true));
        assert!(is_readable_as(&DataType::Int64, Kind::Numeric, false));
        assert!(!is_readable_as(&DataType::Utf8, Kind::Numeric, true));
        assert!(is_readable_as(&DataType::Null, Kind::Numeric, false));
    }
}
