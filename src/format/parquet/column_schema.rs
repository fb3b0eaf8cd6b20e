//! What each top-level column of a file is, and how it is to be decoded.
//!
//! A dictionary is a way of writing values, so a column has the type of its values. Texts are
//! decoded as bytes: whether they are UTF-8 concerns a value, and not its file. Of what has fields
//! of its own, only whether there is a value is ever read.

use super::footer::decode_error;
use crate::error::{Fault, Result};
use crate::schema::kinds::{is_binary, is_string, value_type};
use ::parquet::arrow::parquet_to_arrow_schema;
use ::parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};
use std::sync::Arc;

/// One top-level column.
#[derive(Debug, Clone)]
pub struct ColumnSchema {
    /// What the table says that it is.
    pub field: FieldRef,
    pub decoding: Decoding,
}

/// How the values of a column come.
#[derive(Debug, Clone)]
pub enum Decoding {
    /// As this field says, from a column of this type.
    Values(FieldRef, TypePtr),
    /// Only whether there is a value.
    Presence,
}

/// The columns of a file, in its order. A column that Arrow has no type for cannot be read, and is
/// none of the others' business.
pub fn column_schemas(metadata: &ParquetMetaData) -> Result<Vec<ColumnSchema>, Fault> {
    let file = metadata.file_metadata();
    let columns = file.schema().get_fields();
    let written = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata());
    let fields: Vec<FieldRef> = match written {
        Ok(schema) if schema.fields().len() == columns.len() => {
            schema.fields().iter().cloned().collect()
        }
        _ => columns.iter().map(alone).collect(),
    };
    let schemas = fields.into_iter().zip(columns).map(|(field, column)| of(field, column));
    schemas.collect::<ParquetResult<_>>().map_err(|error| decode_error(&error))
}

/// A column's field when nothing but its own type is asked.
fn alone(column: &TypePtr) -> FieldRef {
    let schema = single(column).and_then(|schema| parquet_to_arrow_schema(&schema, None));
    let known = schema.ok().and_then(|schema| schema.fields().first().cloned());
    let unknown = || Field::new(column.name(), DataType::Struct(Fields::empty()), true);
    known.unwrap_or_else(|| Arc::new(unknown()))
}

/// A schema that has no other column.
pub fn single(column: &TypePtr) -> ParquetResult<SchemaDescriptor> {
    let root = Type::group_type_builder("schema").with_fields(vec![Arc::clone(column)]);
    Ok(SchemaDescriptor::new(Arc::new(root.build()?)))
}

fn of(field: FieldRef, column: &TypePtr) -> ParquetResult<ColumnSchema> {
    let values = value_type(field.data_type()).clone();
    if !column.is_primitive() || values.is_nested() {
        return Ok(ColumnSchema { field, decoding: Decoding::Presence });
    }
    let typed = |data_type| Arc::new(field.as_ref().clone().with_data_type(data_type));
    let dictionary = |values| DataType::Dictionary(Box::new(DataType::Int32), Box::new(values));
    let physical = column.get_physical_type();
    let is_text = is_string(&values) || is_annotated_text(column);
    if physical == PhysicalType::BYTE_ARRAY && (is_text || is_binary(&values)) {
        let told = if is_text { dictionary(DataType::Utf8) } else { DataType::Binary };
        let bytes = typed(dictionary(DataType::Binary));
        let decoding = Decoding::Values(bytes, Arc::new(unannotated(column)?));
        return Ok(ColumnSchema { field: typed(told), decoding });
    }
    let values = match (physical, values) {
        // Nanoseconds would hold no time outside 1677 to 2262.
        (PhysicalType::INT96, DataType::Timestamp(_, zone)) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone)
        }
        (_, values) => values,
    };
    let field = typed(values);
    let decoding = Decoding::Values(Arc::clone(&field), Arc::clone(column));
    Ok(ColumnSchema { field, decoding })
}

/// Texts that Arrow takes for bytes, or for more than a text.
fn is_annotated_text(column: &Type) -> bool {
    let info = column.get_basic_info();
    match info.logical_type_ref() {
        Some(LogicalType::String | LogicalType::Json | LogicalType::Enum) => true,
        Some(_) => false,
        None => matches!(
            info.converted_type(),
            ConvertedType::UTF8 | ConvertedType::JSON | ConvertedType::ENUM
        ),
    }
}

/// The same column of plain bytes.
fn unannotated(column: &Type) -> Result<Type, ParquetError> {
    Type::primitive_type_builder(column.name(), PhysicalType::BYTE_ARRAY)
        .with_repetition(column.get_basic_info().repetition())
        .build()
}
