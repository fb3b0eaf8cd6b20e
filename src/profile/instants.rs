//! The time of each row, as microseconds since 1970.

use super::column::numbers;
use crate::time::{EpochUnit, Timestamp};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Calls `f` with the time of every row, in order; none where there is no time to be read.
///
/// Timestamps without a zone are taken as UTC, and so are dates and texts. Numbers are read in
/// `unit` or, without one, by their size.
pub fn instants(array: &dyn Array, unit: Option<EpochUnit>, f: &mut dyn FnMut(Option<Timestamp>)) {
    const DAY: i64 = 86_400_000_000;
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            integers::<TimestampSecondType>(array, f, |t| t.checked_mul(1_000_000));
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            integers::<TimestampMillisecondType>(array, f, |t| t.checked_mul(1_000));
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            integers::<TimestampMicrosecondType>(array, f, Some);
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            integers::<TimestampNanosecondType>(array, f, |t| Some(t.div_euclid(1_000)));
        }
        DataType::Date32 => integers::<Date32Type>(array, f, |day| Some(i64::from(day) * DAY)),
        DataType::Date64 => integers::<Date64Type>(array, f, |ms| ms.checked_mul(1_000)),
        DataType::Utf8 => texts(array.as_string::<i32>().iter(), unit, f),
        DataType::LargeUtf8 => texts(array.as_string::<i64>().iter(), unit, f),
        DataType::Utf8View => texts(array.as_string_view().iter(), unit, f),
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().iter();
            texts(bytes.map(|own| std::str::from_utf8(own?).ok()), unit, f);
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let mut values = Vec::new();
            instants(&**dictionary.values(), unit, &mut |time| values.push(time));
            let keys = if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
            let valid = |row: usize| keys.get(row).filter(|_| array.is_valid(row));
            (0..array.len()).for_each(|row| f(valid(row).and_then(|key| values[*key])));
        }
        _ => epochs(array, unit, f),
    }
}

fn integers<T: ArrowPrimitiveType>(
    array: &dyn Array,
    f: &mut dyn FnMut(Option<Timestamp>),
    micros: impl Fn(T::Native) -> Option<i64>,
) {
    array.as_primitive::<T>().iter().for_each(|value| f(value.and_then(&micros).map(Timestamp)));
}

/// Numbers of any type.
fn epochs(array: &dyn Array, unit: Option<EpochUnit>, f: &mut dyn FnMut(Option<Timestamp>)) {
    let mut values = Vec::new();
    numbers(array, &mut values);
    let mut values = values.into_iter();
    // Types that are no numbers have none for their valid rows either.
    for row in 0..array.len() {
        let value = if array.is_valid(row) { values.next() } else { None };
        f(value.and_then(|value| epoch(value, unit)));
    }
}

fn epoch(number: f64, unit: Option<EpochUnit>) -> Option<Timestamp> {
    let unit = unit.unwrap_or_else(|| EpochUnit::by_size(number));
    let micros = number * (1e6 / unit.per_second());
    (micros.abs() < i64::MAX as f64).then(|| Timestamp(micros.floor() as i64))
}

fn texts<'t>(
    texts: impl Iterator<Item = Option<&'t str>>,
    unit: Option<EpochUnit>,
    f: &mut dyn FnMut(Option<Timestamp>),
) {
    texts.for_each(|text| f(text.and_then(|text| parse(text, unit))));
}

/// ISO 8601 as logs write it: a date, or a date and time with or without a zone; or a number.
pub fn parse(text: &str, unit: Option<EpochUnit>) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp(time.timestamp_micros()));
    }
    let naive =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z"];
    let utc = |time: NaiveDateTime| Timestamp(time.and_utc().timestamp_micros());
    let date =
        || Some(utc(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?));
    naive
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok().map(utc))
        .or_else(|| {
            let parsed = zoned.iter().find_map(|form| DateTime::parse_from_str(text, form).ok());
            parsed.map(|time| Timestamp(time.timestamp_micros()))
        })
        .or_else(date)
        .or_else(|| epoch(text.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        Date32Array, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampSecondArray,
    };

    fn read(array: &dyn Array, unit: Option<EpochUnit>) -> Vec<Option<i64>> {
        let mut all = Vec::new();
        instants(array, unit, &mut |time| all.push(time.map(|time| time.0)));
        all
    }

    /// 2026-01-01T03:00:00.5Z in all the ways that it is written; pandas 2.3 agrees:
    /// `pd.Timestamp("2026-01-01T03:00:00.5Z").value // 1000`.
    #[test]
    fn one_instant_reads_alike_however_it_is_written() {
        const HALF: i64 = 1_767_236_400_500_000;
        let texts = StringArray::from(vec![
            "2026-01-01T03:00:00.5Z",
            "2026-01-01 03:00:00.500000",
            "2026-01-01T04:00:00.5+01:00",
            "2026-01-01T04:00:00.5+0100",
            "1767236400.5",
            "1767236400500",
        ]);
        assert_eq!(read(&texts, None), [Some(HALF); 6]);
        let dictionary: DictionaryArray<Int32Type> = texts.iter().collect();
        assert_eq!(read(&dictionary, None), [Some(HALF); 6]);
        for (number, unit) in [(1_767_236_400.5, "s"), (1_767_236_400_500.0, "ms")] {
            let unit = EpochUnit::ALL.iter().find(|(name, _)| *name == unit).unwrap().1;
            let array = Float64Array::from(vec![number]);
            assert_eq!(read(&array, None), [Some(HALF)]);
            assert_eq!(read(&array, Some(unit)), [Some(HALF)]);
        }
        let integers = Int64Array::from(vec![Some(HALF), None, Some(HALF * 1_000)]);
        assert_eq!(read(&integers, None), [Some(HALF), None, Some(HALF)]);
        let seconds = TimestampSecondArray::from(vec![HALF / 1_000_000]).with_timezone("+05:00");
        assert_eq!(read(&seconds, None), [Some(HALF - 500_000)]);
        assert_eq!(read(&Date32Array::from(vec![20_454]), None), [Some(1_767_225_600_000_000)]);
    }

    #[test]
    fn what_is_no_time_is_none() {
        let texts = StringArray::from(vec![Some(""), Some("yesterday"), None, Some("2026-13-01")]);
        assert_eq!(read(&texts, None), [None; 4]);
        assert_eq!(read(&Float64Array::from(vec![f64::NAN, f64::INFINITY]), None), [None; 2]);
        assert_eq!(read(&TimestampSecondArray::from(vec![i64::MAX]), None), [None]);
        assert_eq!(read(&arrow_array::BooleanArray::from(vec![true]), None), [None]);
    }
}
