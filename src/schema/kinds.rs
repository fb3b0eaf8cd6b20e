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

/// The type of a column's values. A dictionary is a way of writing them, and no type of its own.
pub fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => value_type(values),
        _ => data_type,
    }
}

/// The kind that a column of the reference gets when none is declared.
pub fn infer(data_type: &DataType) -> Kind {
    match value_type(data_type) {
        DataType::Boolean => Kind::Boolean,
        values if is_number(values) => Kind::Numeric,
        values if is_string(values) => Kind::Categorical,
        values if is_temporal(values) => Kind::Temporal,
        _ => Kind::Unsupported,
    }
}

/// Whether a column of this type can be read as a kind that somebody declared.
///
/// A column of type null holds no value that could be of another kind. A categorical feature takes
/// whatever can be written as a text, so that codes may come as 1 or as "1", and bytes, which are
/// texts where they are UTF-8.
pub fn can_be(data_type: &DataType, kind: Kind) -> bool {
    match (kind, value_type(data_type)) {
        (_, DataType::Null) | (Kind::Unsupported, _) => true,
        (Kind::Numeric, values) => is_number(values) || is_temporal(values),
        (Kind::Categorical, values) => is_categorical_value(values) || is_binary(values),
        (Kind::Boolean, values) => *values == DataType::Boolean || is_number(values),
        (Kind::Temporal, values) => is_temporal(values),
    }
}

/// Whether a column of this type is still what the reference had when its kind was inferred.
/// Categories that are all written as numbers may come as numbers.
pub fn is_still(data_type: &DataType, kind: Kind, has_codes: bool) -> bool {
    match (kind, value_type(data_type)) {
        (_, DataType::Null) | (Kind::Unsupported, _) => true,
        (Kind::Categorical, values) if has_codes && is_number(values) => true,
        // Bytes are texts where they are UTF-8; those that are not are of the wrong type.
        (Kind::Categorical, values) if is_binary(values) => true,
        (_, values) => infer(values) == kind,
    }
}

/// The width that values of this type are compared in.
pub fn width(data_type: &DataType) -> Width {
    match value_type(data_type) {
        DataType::Float16 => Width::F16,
        DataType::Float32 => Width::F32,
        _ => Width::F64,
    }
}

pub fn is_integer(data_type: &DataType) -> bool {
    value_type(data_type).is_integer()
}

pub fn is_string(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Bytes of any length, which may be texts that nobody annotated.
pub fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
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

/// Numbers, and instants that are counted as such.
pub fn is_counted_as_number(data_type: &DataType) -> bool {
    is_number(data_type) || is_temporal(data_type)
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
            (dictionary(DataType::Int64), Kind::Numeric),
            (dictionary(DataType::Boolean), Kind::Boolean),
            (dictionary(DataType::Date32), Kind::Temporal),
            (dictionary(dictionary(DataType::Decimal128(9, 2))), Kind::Numeric),
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
        assert!(!is_still(&DataType::Int64, Kind::Boolean, false));
        assert!(can_be(&DataType::Int64, Kind::Boolean));
        assert!(is_still(&DataType::Int64, Kind::Numeric, false));
        assert!(!can_be(&DataType::Utf8, Kind::Numeric));
        assert!(is_still(&DataType::Null, Kind::Numeric, false));
    }

    #[test]
    fn codes_may_come_as_numbers() {
        assert!(is_still(&DataType::Int64, Kind::Categorical, true));
        assert!(!is_still(&DataType::Int64, Kind::Categorical, false));
        assert!(!is_still(&DataType::Boolean, Kind::Categorical, true));
    }
}
