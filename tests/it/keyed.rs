//! Numbers that are read by the keys of their dictionary are the numbers that were written.

use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Decimal256Array, PrimitiveArray, RecordBatch,
};
use arrow_buffer::i256;
use arrow_schema::{Field, Schema};
use driftd::format::parquet::{PAGE_BYTES_MAX, ParquetTable};
use driftd::monitor::table::{Table, read_by_row};
use driftd::source::inputs::open;
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};
use std::path::Path;
use std::sync::Arc;

const ROWS: usize = 5_000;
const ROW_GROUP_ROWS: usize = 3_000;

/// Seven values, and nulls among them; `None` is a null.
fn codes(nullable: bool) -> Vec<Option<i8>> {
    let code = |row: usize| ((row * 7_919 / 3) % 7) as i8 - 3;
    let is_null = |row: usize| nullable && row % 11 == 5;
    (0..ROWS).map(|row| (!is_null(row)).then(|| code(row))).collect()
}

fn array<T: ArrowPrimitiveType>(codes: &[Option<i8>], of: impl Fn(i8) -> T::Native) -> ArrayRef {
    let values = codes.iter().map(|code| code.map(&of));
    Arc::new(values.collect::<PrimitiveArray<T>>())
}

/// The same codes in every type that a number or an instant comes in.
fn columns(codes: &[Option<i8>]) -> Vec<ArrayRef> {
    let unsigned = |code: i8| (code + 3) as u8;
    let decimals = array::<Decimal128Type>(codes, |code| i128::from(code) * 10_i128.pow(25));
    let decimals = decimals.as_any().downcast_ref::<PrimitiveArray<Decimal128Type>>().unwrap();
    let large: Vec<_> = codes.iter().map(|c| c.map(|c| i256::from_i128(i128::from(c)))).collect();
    let large = Decimal256Array::from(large).with_precision_and_scale(60, 3).unwrap();
    vec![
        array::<Int8Type>(codes, |code| code),
        array::<Int16Type>(codes, |code| i16::from(code) * 1_000),
        array::<Int32Type>(codes, |code| i32::from(code) * 100_000),
        array::<Int64Type>(codes, |code| i64::from(code) << 60),
        array::<UInt8Type>(codes, unsigned),
        array::<UInt16Type>(codes, |code| u16::from(unsigned(code)) * 9_000),
        array::<UInt32Type>(codes, |code| u32::MAX - u32::from(unsigned(code))),
        array::<UInt64Type>(codes, |code| u64::MAX - u64::from(unsigned(code))),
        array::<Float16Type>(codes, |code| f16::from_f32(f32::from(code) / 4.0)),
        array::<Float32Type>(codes, |code| f32::from(code) * 0.1),
        array::<Float64Type>(codes, |code| f64::from(code) / 3.0),
        Arc::new(decimals.clone().with_precision_and_scale(38, 7).unwrap()),
        Arc::new(large),
        array::<Date32Type>(codes, |code| i32::from(code) * 365),
        array::<TimestampSecondType>(codes, |code| i64::from(code) * 1_000_000),
        array::<TimestampMillisecondType>(codes, |code| i64::from(code) * 1_000_001),
        array::<TimestampMicrosecondType>(codes, |code| i64::from(code) << 40),
        array::<TimestampNanosecondType>(codes, |code| i64::from(code) << 50),
    ]
}

fn write(path: &Path, columns: &[ArrayRef], nullable: bool, properties: WriterProperties) {
    let name = |(at, column): (usize, &ArrayRef)| {
        Field::new(format!("c{at}"), column.data_type().clone(), nullable)
    };
    let fields: Vec<Field> = columns.iter().enumerate().map(name).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// By row, what was read of a column, and whether that was by keys.
fn read(table: &ParquetTable, column: usize) -> (Vec<String>, bool) {
    let (mut rows, mut by_keys) = (Vec::new(), true);
    for row_group in 0..table.row_groups().len() {
        read_by_row(table, (row_group, column), |array| {
            rows.extend((0..array.len()).map(|row| format!("{:?}", array.slice(row, 1))));
            Ok(())
        })
        .unwrap();
        for block in table.read(row_group, column).unwrap() {
            let block = block.unwrap();
            by_keys &= block.by_key().is_some();
        }
    }
    (rows, by_keys)
}

#[test]
fn every_type_is_read_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    for (nullable, version, compression) in [
        (false, WriterVersion::PARQUET_1_0, Compression::SNAPPY),
        (true, WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
        (true, WriterVersion::PARQUET_2_0, Compression::SNAPPY),
        (false, WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED),
    ] {
        let columns = columns(&codes(nullable));
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_data_page_row_count_limit(700)
            .set_write_batch_size(100);
        write(&path, &columns, nullable, properties.build());
        let table = open(&path, PAGE_BYTES_MAX).unwrap();
        for (at, column) in columns.iter().enumerate() {
            let (rows, by_keys) = read(&table, at);
            let kind = column.data_type();
            let expected = (0..ROWS).map(|row| format!("{:?}", column.slice(row, 1)));
            let differs = rows.iter().zip(expected).position(|(own, other)| *own != other);
            assert_eq!((rows.len(), differs), (ROWS, None), "{kind} {nullable} {version:?}");
            assert!(by_keys, "{kind} {nullable} {version:?}");
        }
    }
}

/// A dictionary that grew too large is left for plain values within a chunk; many values are not
/// worth their keys.
#[test]
fn what_has_no_keys_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let many: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(
        (0..ROWS as i64).map(|row| row * 7_919 % 1_500),
    ));
    let few = array::<Int64Type>(&codes(true), i64::from);
    for (columns, dictionary_bytes) in [([many, few.clone()], 1 << 20), ([few.clone(), few], 1)] {
        let properties = WriterProperties::builder()
            .set_dictionary_page_size_limit(dictionary_bytes)
            .set_data_page_row_count_limit(700)
            .set_write_batch_size(100);
        write(&path, &columns, true, properties.build());
        let table = open(&path, PAGE_BYTES_MAX).unwrap();
        for (at, column) in columns.iter().enumerate() {
            let (rows, by_keys) = read(&table, at);
            let expected = (0..ROWS).map(|row| format!("{:?}", column.slice(row, 1)));
            assert!(rows.into_iter().eq(expected));
            assert_eq!(by_keys, at == 1 && dictionary_bytes > 1, "{at} {dictionary_bytes}");
        }
    }
}

/// What is no number is missing, however its column is stored.
#[test]
fn a_dictionary_with_nan_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let of = |code: i8| if code == 0 { f64::NAN } else { f64::from(code) };
    let column = array::<Float64Type>(&codes(true), of);
    write(&path, std::slice::from_ref(&column), true, WriterProperties::builder().build());
    let table = open(&path, PAGE_BYTES_MAX).unwrap();
    let (rows, by_keys) = read(&table, 0);
    let expected = (0..ROWS).map(|row| format!("{:?}", column.slice(row, 1)));
    assert!(rows.into_iter().eq(expected) && !by_keys);
}
