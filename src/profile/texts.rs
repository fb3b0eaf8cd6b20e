//! From Arrow arrays to texts that can be counted, and to names of rows.
//!
//! A code reads the same whether it was logged as 1, 1.0 or "1".

use super::column::numbers;
use super::extremes::{Exact, without_negative_zero};
use super::row_order::{RowOrder, StretchCollector};
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrowPrimitiveType, GenericBinaryArray, OffsetSizeTrait, PrimitiveArray,
    downcast_integer_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_schema::DataType;
use std::fmt::{Display, Write};

/// Calls `f` with every text that is not null and the number of rows it stands in. A text may
/// come more than once. Bytes that are no UTF-8, NaN, and types that hold nothing to be written as
/// a text call nothing. What `f` makes of a text goes to `order` for stretches of its rows, where
/// they can be told.
pub fn texts(array: &dyn Array, order: &mut RowOrder, mut f: impl FnMut(&str, u64) -> Option<u8>) {
    match array.data_type() {
        DataType::Dictionary(..) => {
            let mut of_value = Vec::new();
            dictionary_texts(array, &mut of_value, &mut f);
            let dictionary = array.as_any_dictionary();
            let keys = dictionary.keys();
            downcast_integer_array!(
                keys => order.update_rows(keys.len(), |row| {
                    let key = keys.is_valid(row).then(|| keys.value(row).as_usize())?;
                    of_value[key]
                }),
                other => unreachable!("{other} is no type of keys"),
            );
        }
        DataType::Boolean => {
            let mut of_value = [None; 2];
            texts_of(array, &mut |text, n| of_value[usize::from(text == "true")] = f(text, n));
            let array = array.as_boolean();
            order.update_rows(array.len(), |row| {
                array.is_valid(row).then(|| of_value[usize::from(array.value(row))])?
            });
        }
        // Equal floats come together.
        data_type if data_type.is_floating() => texts_of(array, &mut |text, n| {
            f(text, n);
        }),
        _ => {
            let mut rows = StretchCollector::new(order);
            texts_of(array, &mut |text, n| f(text, n).into_iter().for_each(|bin| rows.push(bin)));
            rows.finish();
        }
    }
}

fn texts_of(array: &dyn Array, f: &mut dyn FnMut(&str, u64)) {
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().flatten().for_each(|text| f(text, 1)),
        DataType::LargeUtf8 => {
            array.as_string::<i64>().iter().flatten().for_each(|text| f(text, 1));
        }
        DataType::Utf8View => array.as_string_view().iter().flatten().for_each(|text| f(text, 1)),
        DataType::Binary => bytes_as_texts(array.as_binary::<i32>(), f),
        DataType::LargeBinary => bytes_as_texts(array.as_binary::<i64>(), f),
        DataType::BinaryView => texts_in_bytes(array.as_binary_view().iter(), f),
        DataType::Int64 => integer_texts::<Int64Type>(array, f),
        DataType::UInt64 => integer_texts::<UInt64Type>(array, f),
        DataType::Decimal32(_, s) => decimal_texts::<Decimal32Type>(array, *s, f),
        DataType::Decimal64(_, s) => decimal_texts::<Decimal64Type>(array, *s, f),
        DataType::Decimal128(_, s) => decimal_texts::<Decimal128Type>(array, *s, f),
        DataType::Boolean => {
            let array = array.as_boolean();
            for (text, rows) in [("true", array.true_count()), ("false", array.false_count())] {
                if rows > 0 {
                    f(text, rows as u64);
                }
            }
        }
        DataType::Dictionary(..) => dictionary_texts(array, &mut Vec::new(), &mut |text, rows| {
            f(text, rows);
            None
        }),
        _ => {
            let mut values = Vec::new();
            numbers(array, &mut values);
            values.retain(|value| !value.is_nan());
            values.iter_mut().for_each(|value| *value = without_negative_zero(*value));
            values.sort_unstable_by(f64::total_cmp);
            for run in values.chunk_by(|a, b| a == b) {
                f(&number_text(run[0]), run.len() as u64);
            }
        }
    }
}

/// All bytes are looked at together, which is faster than one text after the other.
fn bytes_as_texts<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>, f: &mut dyn FnMut(&str, u64)) {
    let offsets = array.value_offsets();
    let start = offsets[0].as_usize();
    let own = start..offsets[array.len()].as_usize();
    let Ok(all) = std::str::from_utf8(&array.value_data()[own]) else {
        return texts_in_bytes(array.iter(), f);
    };
    for (_, ends) in offsets.windows(2).enumerate().filter(|(row, _)| array.is_valid(*row)) {
        // Bytes that begin or end within a character are no text.
        if let Some(text) = all.get(ends[0].as_usize() - start..ends[1].as_usize() - start) {
            f(text, 1);
        }
    }
}

/// Those that are texts.
fn texts_in_bytes<'a>(bytes: impl Iterator<Item = Option<&'a [u8]>>, f: &mut dyn FnMut(&str, u64)) {
    bytes.flatten().filter_map(|own| std::str::from_utf8(own).ok()).for_each(|text| f(text, 1));
}

/// Integers to their last digit, which a double would lose.
fn integer_texts<T: ArrowPrimitiveType>(array: &dyn Array, f: &mut dyn FnMut(&str, u64))
where
    T::Native: Display + Ord,
{
    let mut values: Vec<T::Native> = array.as_primitive::<T>().iter().flatten().collect();
    values.sort_unstable();
    for run in values.chunk_by(|a, b| a == b) {
        f(&run[0].to_string(), run.len() as u64);
    }
}

/// Decimals as numbers are written: 1.50 is 1.5.
fn decimal_texts<T: ArrowPrimitiveType>(array: &dyn Array, scale: i8, f: &mut dyn FnMut(&str, u64))
where
    T::Native: Into<i128>,
{
    let values = array.as_primitive::<T>().iter().flatten();
    let mut values: Vec<i128> = values.map(Into::into).collect();
    values.sort_unstable();
    for run in values.chunk_by(|a, b| a == b) {
        let text = Exact { unscaled: run[0], scale }.to_string();
        let shortest = match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.'),
            false => &text,
        };
        f(shortest, run.len() as u64);
    }
}

/// A dictionary is counted by key first, so that each of its values is looked up once.
fn dictionary_texts(
    array: &dyn Array,
    of_value: &mut Vec<Option<u8>>,
    f: &mut dyn FnMut(&str, u64) -> Option<u8>,
) {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    let mut rows = vec![0u64; values.len()];
    of_value.resize(values.len(), None);
    if values.is_empty() {
        return;
    }
    let keys = dictionary.keys();
    downcast_integer_array!(
        keys => count_keys(keys, &mut rows),
        other => unreachable!("{other} is no type of keys"),
    );
    let used = rows.iter().enumerate().filter(|(_, rows)| **rows > 0);
    for (key, &rows) in used {
        if values.is_valid(key) {
            texts_of(&*values.slice(key, 1), &mut |text, _| of_value[key] = f(text, rows));
        }
    }
}

fn count_keys<K: ArrowPrimitiveType>(keys: &PrimitiveArray<K>, rows: &mut [u64]) {
    let values = keys.values();
    match keys.nulls() {
        None => values.iter().for_each(|key| rows[key.as_usize()] += 1),
        Some(nulls) => nulls.valid_indices().for_each(|row| rows[values[row].as_usize()] += 1),
    }
}

/// A code reads the same whether it was logged as 1, 1.0 or "1".
pub fn number_text(value: f64) -> String {
    format!("{value}")
}

/// Calls `f` with every row and what names it: a text, the bytes of an identifier, or an integer as
/// text, so that a key reads the same from a file and from JSON. None where it is null, or of a
/// type that names nothing.
pub fn names(array: &dyn Array, f: &mut dyn FnMut(usize, Option<&[u8]>)) {
    match array.data_type() {
        DataType::Utf8 => texts_as_names(array.as_string::<i32>().iter(), f),
        DataType::LargeUtf8 => texts_as_names(array.as_string::<i64>().iter(), f),
        DataType::Utf8View => texts_as_names(array.as_string_view().iter(), f),
        DataType::Binary => texts_as_names(array.as_binary::<i32>().iter(), f),
        DataType::LargeBinary => texts_as_names(array.as_binary::<i64>().iter(), f),
        DataType::BinaryView => texts_as_names(array.as_binary_view().iter(), f),
        DataType::FixedSizeBinary(_) => {
            texts_as_names(array.as_fixed_size_binary().iter(), f);
        }
        DataType::Int64 => integers_as_names::<Int64Type>(array, f),
        DataType::Int32 => integers_as_names::<Int32Type>(array, f),
        DataType::Int16 => integers_as_names::<Int16Type>(array, f),
        DataType::Int8 => integers_as_names::<Int8Type>(array, f),
        DataType::UInt64 => integers_as_names::<UInt64Type>(array, f),
        DataType::UInt32 => integers_as_names::<UInt32Type>(array, f),
        DataType::UInt16 => integers_as_names::<UInt16Type>(array, f),
        DataType::UInt8 => integers_as_names::<UInt8Type>(array, f),
        DataType::Dictionary(..) => dictionary_names(array, names, f),
        _ => (0..array.len()).for_each(|row| f(row, None)),
    }
}

/// The names of a dictionary's values, and the rows that they stand in.
fn dictionary_names(
    array: &dyn Array,
    of_values: impl Fn(&dyn Array, &mut dyn FnMut(usize, Option<&[u8]>)),
    f: &mut dyn FnMut(usize, Option<&[u8]>),
) {
    let dictionary = array.as_any_dictionary();
    let mut values = Vec::new();
    of_values(&**dictionary.values(), &mut |_, name| values.push(name.map(<[u8]>::to_vec)));
    let keys = if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
    for row in 0..array.len() {
        let name = keys.get(row).filter(|_| array.is_valid(row));
        f(row, name.and_then(|key| values[*key].as_deref()));
    }
}

/// As [`names`], and what [`texts`] writes of booleans, fractions and times besides.
pub fn row_names(array: &dyn Array, f: &mut dyn FnMut(usize, Option<&[u8]>)) {
    match array.data_type() {
        DataType::Dictionary(..) => return dictionary_names(array, row_names, f),
        DataType::Boolean => {
            let rows = array.as_boolean().iter().enumerate();
            let text = |value| if value { b"true".as_slice() } else { b"false" };
            return rows.for_each(|(row, value)| f(row, value.map(text)));
        }
        own if !own.is_floating() && !own.is_decimal() && !own.is_temporal() => {
            return names(array, f);
        }
        _ => {}
    }
    for row in 0..array.len() {
        let mut text = None;
        if array.is_valid(row) {
            texts_of(&*array.slice(row, 1), &mut |own, _| text = Some(own.to_owned()));
        }
        f(row, text.as_deref().map(str::as_bytes));
    }
}

fn texts_as_names<T: AsRef<[u8]>>(
    texts: impl Iterator<Item = Option<T>>,
    f: &mut dyn FnMut(usize, Option<&[u8]>),
) {
    texts.enumerate().for_each(|(row, text)| f(row, text.as_ref().map(AsRef::as_ref)));
}

fn integers_as_names<T: ArrowPrimitiveType>(
    array: &dyn Array,
    f: &mut dyn FnMut(usize, Option<&[u8]>),
) where
    T::Native: Display,
{
    let mut text = String::new();
    for (row, value) in array.as_primitive::<T>().iter().enumerate() {
        text.clear();
        let named = value.map(|value| write!(text, "{value}").expect("memory takes every byte"));
        f(row, named.map(|()| text.as_bytes()));
    }
}

/// The two texts of a boolean, also for one that is logged as 0 and 1.
pub fn boolean(text: &str) -> Option<&str> {
    match text {
        "true" | "1" => Some("true"),
        "false" | "0" => Some("false"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BinaryArray, Decimal128Array, DictionaryArray, StringArray};
    use arrow_array::{Float32Array, Float64Array, Int64Array};
    use std::collections::BTreeMap;

    #[test]
    fn keys_read_alike_in_every_type() {
        let collect = |array: &dyn Array| {
            let mut all = Vec::new();
            names(array, &mut |row, name| all.push((row, name.map(<[u8]>::to_vec))));
            all
        };
        let integers = Int64Array::from(vec![Some(12), None, Some(-3), Some(12)]);
        let texts = StringArray::from(vec![Some("12"), None, Some("-3"), Some("12")]);
        let dictionary: DictionaryArray<Int32Type> = texts.iter().collect();
        let named = collect(&integers);
        assert_eq!(named[2], (2, Some(b"-3".to_vec())));
        assert_eq!(named[1], (1, None));
        assert_eq!(named, collect(&texts));
        assert_eq!(named, collect(&dictionary));
        assert_eq!(collect(&Float32Array::from(vec![1.5])), [(0, None)]);
    }

    #[test]
    fn codes_and_strings_read_alike() {
        let collect = |array: &dyn Array| {
            let mut rows = BTreeMap::new();
            texts(array, &mut RowOrder::default(), |text, n| {
                *rows.entry(text.to_owned()).or_insert(0) += n;
                None
            });
            rows
        };
        let dictionary: DictionaryArray<Int32Type> =
            [Some("1"), Some("2"), None, Some("1")].into_iter().collect();
        let integers = Int64Array::from(vec![Some(1), Some(2), None, Some(1)]);
        assert_eq!(collect(&dictionary), collect(&integers));
        let zeros = Float64Array::from(vec![-0.0, f64::NAN, 0.0]);
        assert_eq!(collect(&zeros), BTreeMap::from([("0".to_owned(), 2)]));
        let large = Int64Array::from(vec![(1 << 53) + 1, 1 << 53]);
        let both = ["9007199254740992", "9007199254740993"].map(|text| (text.to_owned(), 1));
        assert_eq!(collect(&large), BTreeMap::from(both));
        let prices =
            Decimal128Array::from(vec![150, 200, -7]).with_precision_and_scale(30, 2).unwrap();
        let written = ["1.5", "2", "-0.07"].map(|text| (text.to_owned(), 1));
        assert_eq!(collect(&prices), BTreeMap::from(written));
        let bytes = BinaryArray::from_vec(vec![b"a", b"\xff", b"a"]);
        assert_eq!(collect(&bytes), BTreeMap::from([("a".to_owned(), 2)]));
        // Both halves of one character, which are a text together.
        let halves =
            BinaryArray::from_opt_vec(vec![Some(b"b"), Some(b"\xc3"), Some(b"\xa4"), None]);
        assert_eq!(collect(&halves), BTreeMap::from([("b".to_owned(), 1)]));
        assert_eq!(collect(&halves.slice(1, 3)), BTreeMap::new());
    }
}
