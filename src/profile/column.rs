//! From Arrow arrays to values that can be counted: numbers as doubles, everything categorical as
//! text.
//!
//! The only place that knows Arrow's types by name. Buffers are the caller's and are reused.

use super::extremes::{Exact, Span, without_negative_zero};
use super::survey::survey;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, GenericBinaryArray, OffsetSizeTrait, PrimitiveArray,
    downcast_integer_array,
};
use arrow_buffer::ArrowNativeType;
use arrow_schema::{DataType, TimeUnit};
use arrow_select::take::take;
use std::fmt::{Display, Write};

/// Doubles hold every integer up to here: 2^53.
pub const INTEGERS_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The values of an array that holds nothing but doubles, where they are. −0.0 and NaN may be among
/// them.
pub fn doubles(array: &dyn Array) -> Option<&[f64]> {
    let array = array.as_primitive_opt::<Float64Type>()?;
    (array.null_count() == 0).then(|| &array.values()[..])
}

/// Appends the values that are not null, as doubles, and tells their span where the type is
/// written with more digits than a double has. Types that hold no numbers append nothing.
pub fn numbers(array: &dyn Array, out: &mut Vec<f64>) -> Option<Span> {
    match array.data_type() {
        DataType::Float64 => floats::<Float64Type>(array, out, |x| x),
        DataType::Float32 => floats::<Float32Type>(array, out, f64::from),
        DataType::Float16 => floats::<Float16Type>(array, out, f64::from),
        DataType::Int64 => integers::<Int64Type>(array, out, |x| x as f64),
        DataType::Int32 => integers::<Int32Type>(array, out, f64::from),
        DataType::Int16 => integers::<Int16Type>(array, out, f64::from),
        DataType::Int8 => integers::<Int8Type>(array, out, f64::from),
        DataType::UInt64 => integers::<UInt64Type>(array, out, |x| x as f64),
        DataType::UInt32 => integers::<UInt32Type>(array, out, f64::from),
        DataType::UInt16 => integers::<UInt16Type>(array, out, f64::from),
        DataType::UInt8 => integers::<UInt8Type>(array, out, f64::from),
        DataType::Decimal32(_, s) => decimals::<Decimal32Type>(array, out, *s, Into::into),
        DataType::Decimal64(_, s) => decimals::<Decimal64Type>(array, out, *s, Into::into),
        DataType::Decimal128(_, s) => decimals::<Decimal128Type>(array, out, *s, |x| x),
        DataType::Decimal256(..) => big_decimals(array, out),
        DataType::Utf8 => numbers_in_text(array, out),
        DataType::Dictionary(..) => numbers(&*decoded(array), out),
        _ => seconds(array, out),
    }
}

/// The rows of a dictionary, each with its value.
fn decoded(array: &dyn Array) -> ArrayRef {
    let dictionary = array.as_any_dictionary();
    take(&**dictionary.values(), dictionary.keys(), None).expect("keys point to values")
}

/// Calls `f` with every text that is not null and the number of rows it stands in. A text may
/// come more than once. Bytes that are no UTF-8, NaN, and types that hold nothing to be written as
/// a text call nothing.
pub fn texts(array: &dyn Array, mut f: impl FnMut(&str, u64)) {
    texts_of(array, &mut f);
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
        DataType::Dictionary(..) => dictionary_texts(array, f),
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
fn dictionary_texts(array: &dyn Array, f: &mut dyn FnMut(&str, u64)) {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    let mut rows = vec![0u64; values.len()];
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
            texts_of(&*values.slice(key, 1), &mut |text, _| f(text, rows));
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
        DataType::UInt64 => integers_as_names::<UInt64Type>(array, f),
        DataType::UInt32 => integers_as_names::<UInt32Type>(array, f),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let mut values = Vec::new();
            names(&**dictionary.values(), &mut |_, name| values.push(name.map(<[u8]>::to_vec)));
            let keys = if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
            for row in 0..array.len() {
                let name = keys.get(row).filter(|_| array.is_valid(row));
                f(row, name.and_then(|key| values[*key].as_deref()));
            }
        }
        _ => (0..array.len()).for_each(|row| f(row, None)),
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

fn for_each_valid<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    mut f: impl FnMut(&[T::Native]),
) {
    let values = array.values();
    match array.nulls() {
        None => f(values),
        // Runs of valid rows, so that the loop over a run has no test in it.
        Some(nulls) => nulls.valid_slices().for_each(|(start, end)| f(&values[start..end])),
    }
}

fn floats<T: ArrowPrimitiveType>(
    array: &dyn Array,
    out: &mut Vec<f64>,
    convert: impl Fn(T::Native) -> f64,
) -> Option<Span> {
    for_each_valid::<T>(array.as_primitive(), |values| {
        out.extend(values.iter().map(|&value| convert(value)));
    });
    None
}

fn integers<T: ArrowPrimitiveType>(
    array: &dyn Array,
    out: &mut Vec<f64>,
    convert: impl Fn(T::Native) -> f64,
) -> Option<Span>
where
    T::Native: Into<i128>,
{
    for_each_valid::<T>(array.as_primitive(), |values| {
        out.extend(values.iter().map(|&value| convert(value)));
    });
    let (min, max) = survey(out).range?;
    let mut exact = (min as i128, max as i128);
    // Doubles are integers themselves, but for large ones.
    if min.abs().max(max.abs()) >= INTEGERS_EXACT_MAX {
        exact = (i128::MAX, i128::MIN);
        for_each_valid::<T>(array.as_primitive(), |values| {
            for &value in values {
                exact = (exact.0.min(value.into()), exact.1.max(value.into()));
            }
        });
    }
    let written = |unscaled| Exact { unscaled, scale: 0 };
    Some(Span { min, max, exact: Some((written(exact.0), written(exact.1))) })
}

/// Appends the bits of 64-bit integers that are not null; they are equal when the integers are.
pub fn integer_bits(array: &dyn Array, out: &mut Vec<u64>) {
    match array.data_type() {
        DataType::Int64 => for_each_valid::<Int64Type>(array.as_primitive(), |values| {
            out.extend(values.iter().map(|value| value.cast_unsigned()));
        }),
        DataType::UInt64 => for_each_valid::<UInt64Type>(array.as_primitive(), |values| {
            out.extend_from_slice(values);
        }),
        DataType::Dictionary(..) => integer_bits(&*decoded(array), out),
        _ => {}
    }
}

fn decimals<T: ArrowPrimitiveType>(
    array: &dyn Array,
    out: &mut Vec<f64>,
    scale: i8,
    widen: impl Fn(T::Native) -> i128,
) -> Option<Span> {
    let convert = |unscaled: i128| decimal_value(Exact { unscaled, scale });
    let mut range: Option<(i128, i128)> = None;
    for_each_valid::<T>(array.as_primitive(), |values| {
        for value in values {
            let value = widen(*value);
            out.push(convert(value));
            range =
                Some(range.map_or((value, value), |(min, max)| (min.min(value), max.max(value))));
        }
    });
    range.map(|(min, max)| Span {
        min: convert(min),
        max: convert(max),
        exact: Some((Exact { unscaled: min, scale }, Exact { unscaled: max, scale })),
    })
}

/// The double nearest to a decimal. Both sides of the division are exact up to 2^53 and 10^22, so
/// the quotient is correctly rounded; beyond, the decimal is read as text.
fn decimal_value(decimal: Exact) -> f64 {
    if decimal.unscaled.unsigned_abs() < 1 << 53 && (0..=22).contains(&decimal.scale) {
        return decimal.unscaled as f64 / 10f64.powi(decimal.scale.into());
    }
    decimal.to_string().parse().expect("a decimal is written as a number")
}

fn big_decimals(array: &dyn Array, out: &mut Vec<f64>) -> Option<Span> {
    let array = array.as_primitive::<Decimal256Type>();
    let valid = (0..array.len()).filter(|&row| array.is_valid(row));
    out.extend(valid.map(|row| array.value_as_string(row).parse().unwrap_or(f64::NAN)));
    None
}

/// Values of a path. Texts that are no numbers append nothing.
fn numbers_in_text(array: &dyn Array, out: &mut Vec<f64>) -> Option<Span> {
    let texts = array.as_string::<i32>().iter().flatten();
    out.extend(texts.filter_map(|text| text.parse::<f64>().ok()));
    None
}

/// Dates and timestamps as seconds since 1970.
fn seconds(array: &dyn Array, out: &mut Vec<f64>) -> Option<Span> {
    let per_day = 86_400.0;
    match array.data_type() {
        DataType::Date32 => floats::<Date32Type>(array, out, |day| f64::from(day) * per_day),
        DataType::Date64 => floats::<Date64Type>(array, out, |ms| ms as f64 / 1e3),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => floats::<TimestampSecondType>(array, out, |t| t as f64),
            TimeUnit::Millisecond => {
                floats::<TimestampMillisecondType>(array, out, |t| t as f64 / 1e3)
            }
            TimeUnit::Microsecond => {
                floats::<TimestampMicrosecondType>(array, out, |t| t as f64 / 1e6)
            }
            TimeUnit::Nanosecond => floats::<TimestampNanosecondType>(array, out, nanoseconds),
        },
        _ => None,
    }
}

/// An instant in seconds, the same double as when it comes in microseconds: the number of
/// nanoseconds has more digits than a double, and would be rounded twice.
fn nanoseconds(t: i64) -> f64 {
    if t % 1_000 == 0 {
        return (t / 1_000) as f64 / 1e6;
    }
    let second = 1_000_000_000;
    t.div_euclid(second) as f64 + t.rem_euclid(second) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{BinaryArray, Decimal128Array, DictionaryArray, StringArray};
    use arrow_array::{Float32Array, Float64Array, Int8Array, Int64Array};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn decimals_become_the_nearest_double() {
        let array = Decimal128Array::from(vec![Some(1), None, Some(-7), Some(1 << 60)])
            .with_precision_and_scale(30, 1)
            .unwrap();
        let mut out = Vec::new();
        let span = numbers(&array, &mut out).unwrap();
        assert_eq!(out, [0.1, -0.7, 115_292_150_460_684_697.6]);
        assert_eq!(span.exact.unwrap().1.to_string(), "115292150460684697.6");
    }

    #[test]
    fn nulls_are_left_out() {
        let array = Float32Array::from(vec![Some(-2.0), None, Some(1.5)]);
        let mut out = vec![7.0];
        numbers(&array, &mut out);
        assert_eq!(out, [7.0, -2.0, 1.5]);
        let gapped = Float64Array::from(vec![Some(-2.0), None, Some(1.5)]);
        assert_eq!(doubles(&gapped), None);
        let whole = Float64Array::from(vec![4.0, -2.0, 1.5]).slice(1, 2);
        assert_eq!(doubles(&whole), Some(&[-2.0, 1.5][..]));
    }

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
            texts(array, |text, n| *rows.entry(text.to_owned()).or_insert(0) += n);
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

    #[test]
    fn a_dictionary_holds_its_values() {
        let keys = Int8Array::from(vec![Some(1), None, Some(0), Some(1)]);
        let codes = Int64Array::from(vec![7, 9]);
        let dictionary = DictionaryArray::new(keys, Arc::new(codes));
        let (mut values, mut bits) = (Vec::new(), Vec::new());
        let span = numbers(&dictionary, &mut values).unwrap();
        assert_eq!((values, span.min, span.max), (vec![9.0, 7.0, 9.0], 7.0, 9.0));
        integer_bits(&dictionary, &mut bits);
        assert_eq!(bits, [9, 7, 9]);
    }
}
