//! Lines of JSON as a table: one object per line, feature names as keys.
//!
//! A line that is no object is rejected with its reason and nothing else happens. Inside an object
//! every feature stands for itself: a key that is not there is absent, a value of another kind is
//! of the wrong type, and the line's other values count.

use super::json_value::{JsonValue, append, boolean, number, text, time};
use super::line_schema::{LineFaults, LineFeature, LineSchema};
use super::row_reader::RowReader;
use crate::error::{Fault, Result};
use crate::feature::Kind;
use crate::monitor::table::{Blocks, Table};
use crate::profile::block::{Block, ValueFaults};
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use arrow_array::ArrayRef;
use arrow_array::builder::{
    BooleanBuilder, Float64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::{Field, Schema};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a rejected line that are remembered.
const REJECTED_BYTES_MAX: usize = 100;

/// What is known of lines besides their text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineOrigin {
    /// Every value is written as a string, as in CSV.
    pub are_texts: bool,
    /// When the rows happened that do not say so themselves, as ISO 8601 writes it.
    pub happened: Option<Arc<str>>,
}

/// Rows that were read and not counted yet.
#[derive(Debug)]
pub struct Batch {
    schema: Schema,
    rows: [u64; 1],
    columns: Vec<Block>,
    /// Of the lines.
    fingerprint: u64,
    /// Bytes of the lines, the rejected included.
    pub bytes: u64,
    pub faults: LineFaults,
}

impl Batch {
    pub fn column(&self, column: usize) -> &Block {
        &self.columns[column]
    }
}

impl Table for Batch {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn row_groups(&self) -> &[u64] {
        &self.rows
    }

    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn has_training_names(&self) -> bool {
        true
    }

    fn weight(&self, _row_group: usize, column: usize) -> u64 {
        self.columns[column].values().get_array_memory_size() as u64
    }

    fn read(&self, _row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        Ok(Box::new(std::iter::once(Ok(self.columns[column].clone()))))
    }
}

/// Builds batches, line by line.
#[derive(Debug)]
pub struct BatchBuilder {
    schema: Arc<LineSchema>,
    columns: Vec<ColumnBuilder>,
    rows: u64,
    fingerprint: u64,
    bytes: u64,
    faults: LineFaults,
    /// The values of one line, by feature.
    row: RowReader,
}

impl BatchBuilder {
    pub fn new(schema: Arc<LineSchema>) -> BatchBuilder {
        let features = schema.features();
        BatchBuilder {
            columns: features.iter().map(|feature| ColumnBuilder::new(feature.kind)).collect(),
            row: RowReader::new(features.len()),
            schema,
            rows: 0,
            fingerprint: 0,
            bytes: 0,
            faults: LineFaults::default(),
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Values so far.
    pub fn cells(&self) -> u64 {
        self.rows * self.columns.len() as u64
    }

    /// Bytes that arrived, whether or not they become rows.
    pub fn add_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// A line that is no row, and how it begins.
    pub fn reject(&mut self, reason: RejectReason, line: &[u8]) {
        self.faults.rejected.add(reason, 1);
        self.faults.first_rejected.get_or_insert_with(|| {
            let head = &line[..line.len().min(REJECTED_BYTES_MAX)];
            (reason, String::from_utf8_lossy(head).into_owned())
        });
    }

    /// Lines that were rejected elsewhere, and how the first of them begins. False when there are
    /// none.
    pub fn add_rejected(
        &mut self,
        rejected: &Rejected,
        first: Option<(RejectReason, String)>,
    ) -> bool {
        let mut reasons = rejected.iter().filter(|(_, lines)| *lines > 0).peekable();
        let Some((reason, _)) = reasons.peek().copied() else { return false };
        reasons.for_each(|(reason, lines)| self.faults.rejected.add(reason, lines));
        let first = first.unwrap_or((reason, String::new()));
        self.faults.first_rejected.get_or_insert(first);
        true
    }

    /// Reads one line, without its line feed.
    pub fn push(
        &mut self,
        line: &[u8],
        origin: &LineOrigin,
    ) -> std::result::Result<(), RejectReason> {
        let BatchBuilder { schema, row, faults, .. } = self;
        row.read(line, schema, &mut |key| faults.note_unknown(key))?;
        for (place, column) in self.columns.iter_mut().enumerate() {
            let LineFeature { kind, declared, .. } = self.schema.features()[place];
            let value = match (self.row.value(place), &origin.happened) {
                (Some(JsonValue::Text(text)), _) if origin.are_texts => {
                    Some(JsonValue::of_text(text, kind))
                }
                (None | Some(JsonValue::Null), Some(happened))
                    if self.schema.time_place() == Some(place) =>
                {
                    Some(JsonValue::Text(happened))
                }
                (value, _) => value,
            };
            column.push(value, declared);
        }
        self.rows += 1;
        self.fingerprint = xxh3_64_with_seed(line, self.fingerprint);
        Ok(())
    }

    /// The rows.
    pub fn finish(self) -> Batch {
        let BatchBuilder { schema, columns, rows, fingerprint, bytes, faults, .. } = self;
        let columns: Vec<Block> = columns.into_iter().map(ColumnBuilder::finish).collect();
        let fields = schema.features().iter().zip(&columns).map(|(feature, block)| {
            Field::new(&feature.name, block.values().data_type().clone(), true)
        });
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Batch { schema, rows: [rows], columns, fingerprint, bytes, faults }
    }
}

#[derive(Debug)]
struct ColumnBuilder {
    values: ValueBuilder,
    absent: BooleanBufferBuilder,
    wrong_type: BooleanBufferBuilder,
}

#[derive(Debug)]
enum ValueBuilder {
    Numbers(Float64Builder),
    /// Microseconds since 1970.
    Times(TimestampMicrosecondBuilder),
    Texts(StringBuilder),
    Booleans(BooleanBuilder),
    /// Only whether there is a value.
    Opaque(BooleanBuilder),
}

impl ColumnBuilder {
    fn new(kind: Kind) -> ColumnBuilder {
        let values = match kind {
            Kind::Numeric => ValueBuilder::Numbers(Float64Builder::new()),
            Kind::Temporal => ValueBuilder::Times(TimestampMicrosecondBuilder::new()),
            Kind::Categorical => ValueBuilder::Texts(StringBuilder::new()),
            Kind::Boolean => ValueBuilder::Booleans(BooleanBuilder::new()),
            Kind::Unsupported => ValueBuilder::Opaque(BooleanBuilder::new()),
        };
        let bits = || BooleanBufferBuilder::new(0);
        ColumnBuilder { values, absent: bits(), wrong_type: bits() }
    }

    fn push(&mut self, value: Option<JsonValue<'_>>, declared: bool) {
        let value_or_null = value.unwrap_or(JsonValue::Null);
        let is_wrong = match &mut self.values {
            ValueBuilder::Numbers(out) => {
                append(number(value_or_null), |number| out.append_option(number))
            }
            ValueBuilder::Times(out) => append(time(value_or_null), |time| out.append_option(time)),
            ValueBuilder::Texts(out) => {
                append(text(value_or_null, declared), |text| out.append_option(text))
            }
            ValueBuilder::Booleans(out) => {
                append(boolean(value_or_null, declared), |value| out.append_option(value))
            }
            ValueBuilder::Opaque(out) => {
                out.append_option((value_or_null != JsonValue::Null).then_some(true));
                false
            }
        };
        self.absent.append(value.is_none());
        self.wrong_type.append(is_wrong);
    }

    fn finish(mut self) -> Block {
        let array: ArrayRef = match self.values {
            ValueBuilder::Numbers(mut out) => Arc::new(out.finish()),
            ValueBuilder::Times(mut out) => Arc::new(out.finish()),
            ValueBuilder::Texts(mut out) => Arc::new(out.finish()),
            ValueBuilder::Booleans(mut out) | ValueBuilder::Opaque(mut out) => {
                Arc::new(out.finish())
            }
        };
        let faults =
            ValueFaults { absent: self.absent.finish(), wrong_type: self.wrong_type.finish() };
        Block::new(array).with_faults(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::columns::ColumnsConfig;

    fn builder(kind: Kind) -> BatchBuilder {
        let feature = LineFeature { name: "x".into(), kind, declared: false };
        let columns = ColumnsConfig { id: Some("request".into()), ..ColumnsConfig::default() };
        BatchBuilder::new(Arc::new(LineSchema::new(vec![feature], columns)))
    }

    #[test]
    fn a_bad_line_is_rejected_alone() {
        let mut builder = builder(Kind::Numeric);
        let deep = "[".repeat(100_000);
        for (line, reason) in [
            ("{\"x\":1", RejectReason::Malformed),
            ("{\"x\":1e400}", RejectReason::Malformed),
            ("{\"x\":NaN}", RejectReason::Malformed),
            (deep.as_str(), RejectReason::Malformed),
            ("[1]", RejectReason::NotAnObject),
        ] {
            assert_eq!(
                builder.push(line.as_bytes(), &LineOrigin::default()),
                Err(reason),
                "{line:.20}"
            );
        }
        assert_eq!(
            builder.push(b"{\"x\":\"\xff\"}", &LineOrigin::default()),
            Err(RejectReason::NotUtf8)
        );
        assert_eq!(builder.rows(), 0);
        builder.push(b"{\"x\":1}", &LineOrigin::default()).unwrap();
        assert_eq!(builder.finish().rows, [1]);
    }

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        use arrow_array::cast::AsArray;
        use arrow_array::types::Float64Type;
        let mut builder = builder(Kind::Numeric);
        let numbers = [0.980_000_019_073_486_3, 1e-300, 123_456.789, 9_007_199_254_740_993.0];
        for number in numbers {
            builder
                .push(format!("{{\"x\":{number:?}}}").as_bytes(), &LineOrigin::default())
                .unwrap();
        }
        let batch = builder.finish();
        assert_eq!(batch.columns[0].values().as_primitive::<Float64Type>().values(), &numbers);
    }

    #[test]
    fn keys_that_are_no_feature_are_counted_and_named() {
        let mut builder = builder(Kind::Numeric);
        for line in ["{\"x\":1,\"X\":2}", "{\"request\":\"r1\"}", "{\"X\":1,\"y z\":[1]}"] {
            builder.push(line.as_bytes(), &LineOrigin::default()).unwrap();
        }
        builder.reject(RejectReason::Malformed, b"{\"x\":");
        builder.reject(RejectReason::NotAnObject, b"[]");
        let faults = builder.finish().faults;
        assert_eq!(faults.unknown_keys, 3);
        assert_eq!(faults.unknown_names.iter().collect::<Vec<_>>(), ["X", "y z"]);
        assert_eq!(faults.first_rejected, Some((RejectReason::Malformed, "{\"x\":".to_owned())));
        assert_eq!(faults.rejected.sum(), 2);
    }

    #[test]
    fn what_is_no_time_is_of_the_wrong_type() {
        let mut builder = builder(Kind::Temporal);
        for value in ["1.5", "\"1970-01-01T00:00:01.5Z\"", "\"NaN\"", "1e300", "null", "-3"] {
            builder.push(format!("{{\"x\":{value}}}").as_bytes(), &LineOrigin::default()).unwrap();
        }
        let batch = builder.finish();
        let mut seconds = Vec::new();
        crate::profile::column::numbers(&*batch.columns[0].values(), &mut seconds);
        assert_eq!(seconds, [1.5, 1.5, -3.0]);
        let faults = batch.columns[0].faults().unwrap();
        assert_eq!(faults.wrong_type.set_indices().collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn inside_a_line_every_feature_stands_for_itself() {
        let mut builder = builder(Kind::Numeric);
        for line in ["{\"x\":1.5}", "{\"x\":null}", "{}", "{\"x\":\"a\"}", "{\"x\":\"NaN\"}"] {
            builder.push(line.as_bytes(), &LineOrigin::default()).unwrap();
        }
        let batch = builder.finish();
        let block = &batch.columns[0];
        assert_eq!((block.rows(), block.n_missing()), (5, 3));
        let faults = block.faults().unwrap();
        assert_eq!(faults.absent.set_indices().collect::<Vec<_>>(), [2]);
        assert_eq!(faults.wrong_type.set_indices().collect::<Vec<_>>(), [3]);
    }
}
