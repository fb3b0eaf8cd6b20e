//! What the files of a reference say of one column, put together: the same in any order of them.

use super::kinds::{infer, is_binary, is_integer, is_partition, value_type, width};
use crate::feature::{Kind, Width};
use arrow_schema::{DataType, Field};

/// One column over all files that have it.
///
/// A file whose column holds nothing but nulls says nothing of its type, and neither does one
/// that has no such column, or has it in its path: there every value is written as a text.
#[derive(Debug, Clone, Default)]
pub struct ColumnType {
    in_paths: bool,
    in_files: bool,
    /// The kinds that the types are of, each with the first type of it.
    kinds: Vec<(Kind, DataType)>,
    /// Of the narrowest numbers.
    width: Option<Width>,
    not_integer: bool,
    not_double: bool,
    /// Some file has bytes, which may be texts that nobody annotated.
    has_bytes: bool,
}

impl ColumnType {
    /// Takes one more file into account.
    pub fn add(&mut self, field: &Field) {
        if is_partition(field) {
            self.in_paths = true;
            return;
        }
        self.in_files = true;
        let data_type = field.data_type();
        if *data_type == DataType::Null {
            return;
        }
        if is_binary(value_type(data_type)) {
            self.has_bytes = true;
            return;
        }
        let kind = infer(data_type);
        if self.kinds.iter().all(|(known, _)| *known != kind) {
            self.kinds.push((kind, data_type.clone()));
            self.kinds.sort_by_key(|(kind, _)| kind.name());
        }
        let own = width(data_type);
        self.width = Some(self.width.map_or(own, |known| known.narrower(own)));
        self.not_integer |= !is_integer(data_type);
        self.not_double |= *data_type != DataType::Float64;
    }

    /// Whether the values are nowhere but in paths, which tell when and where rows were written
    /// more often than what they are.
    pub fn is_in_paths_alone(&self) -> bool {
        !self.in_files
    }

    /// The kind of all files together, or two types that have none in common. Codes may come as
    /// numbers and as texts; together they are texts.
    pub fn kind(&self) -> Result<Kind, (DataType, DataType)> {
        match self.kinds.as_slice() {
            [] if self.in_paths && !self.has_bytes => Ok(Kind::Categorical),
            [] => Ok(Kind::Unsupported),
            [(kind, data_type)] if self.has_bytes && *kind != Kind::Categorical => {
                Err((DataType::Binary, data_type.clone()))
            }
            [(kind, _)] => Ok(*kind),
            [(Kind::Categorical, _), (Kind::Numeric, _)] => Ok(Kind::Categorical),
            [(_, a), (_, b), ..] => Err((a.clone(), b.clone())),
        }
    }

    /// Whether the values are bytes and nothing else tells what they are: texts, if all are UTF-8.
    pub fn are_bytes(&self) -> bool {
        self.has_bytes && self.kinds.is_empty()
    }

    /// The width of the narrowest file.
    pub fn width(&self) -> Width {
        self.width.unwrap_or(Width::F64)
    }

    /// Whether every file holds integers.
    pub fn is_integer(&self) -> bool {
        self.width.is_some() && !self.not_integer
    }

    /// Whether every file holds doubles.
    pub fn is_double(&self) -> bool {
        self.width.is_some() && !self.not_double
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds::partition_field;
    use super::*;

    fn kind(fields: &[Field]) -> Result<Kind, (DataType, DataType)> {
        let of = |fields: &mut dyn Iterator<Item = &Field>| {
            let mut all = ColumnType::default();
            fields.for_each(|field| all.add(field));
            all.kind()
        };
        let forwards = of(&mut fields.iter());
        assert_eq!(forwards, of(&mut fields.iter().rev()), "in any order");
        forwards
    }

    fn field(data_type: DataType) -> Field {
        Field::new("x", data_type, true)
    }

    #[test]
    fn nulls_and_paths_say_nothing_of_the_type() {
        let codes = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64));
        assert_eq!(kind(&[field(DataType::Null)]), Ok(Kind::Unsupported));
        assert_eq!(kind(&[field(DataType::Null), field(DataType::Utf8)]), Ok(Kind::Categorical));
        assert_eq!(kind(&[partition_field("x")]), Ok(Kind::Categorical));
        assert_eq!(kind(&[partition_field("x"), field(codes.clone())]), Ok(Kind::Numeric));
        assert_eq!(kind(&[field(codes), field(DataType::Float32)]), Ok(Kind::Numeric));
    }

    #[test]
    fn numbers_and_texts_are_codes_and_other_pairs_have_no_kind() {
        let (number, text) = (field(DataType::Int64), field(DataType::LargeUtf8));
        assert_eq!(kind(&[number.clone(), text.clone()]), Ok(Kind::Categorical));
        assert!(kind(&[number.clone(), field(DataType::Boolean)]).is_err());
        assert!(kind(&[number, text, field(DataType::Date32)]).is_err());
    }
}
