//! From Arrow arrays to numbers that can be counted, as doubles.
//!
//! With `texts.rs` the only place that knows Arrow's types by name. Buffers are the caller's and
//! are reused.

use super::extremes::{Exact, Span};
use super::survey::survey;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use arrow_select::take::take;

/// Doubles hold every integer up to here: 2^53.
pub const INTEGERS_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The values of an array that holds nothing but doubles, where they are. −0.0 and NaN may be among
/// them.
pub fn doubles(array: &dyn Array) -> Option<&[f64]> {
    let array = array.as_primitive_opt::<Float64Type>()?;
    (array.null_count() == 0).then(|| &array.values()[..])
}

/// Whether there is a value that is no number, though its type is.
pub fn has_nans(array: &dyn Array) -> bool {
    let mut values = Vec::new();
    array.data_type().is_floating() && {
        numbers(array, &mut values);
        values.iter().any(|value| value.is_nan())
    }
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
    use arrow_array::{Decimal128Array, DictionaryArray};
    use arrow_array::{Float32Array, Float64Array, Int8Array, Int64Array};
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
