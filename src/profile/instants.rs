//! The time of each row, as microseconds since 1970.

use super::column::numbers;
use crate::time::{EpochUnit, Timestamp};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::{DataType, TimeUnit};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

/// Calls `f` with the time of every row, in order; none where there is no time to be read.
///
/// Timestamps without a zone are taken as UTC, and so are dates and texts. Numbers are read in
/// `unit` or, without one, by their size. 1970-01-01T00:00 is what programs write that know no
/// time, so it is none, and neither is anything before.
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
    let time = |value| micros(value).filter(|micros| *micros > 0).map(Timestamp);
    array.as_primitive::<T>().iter().for_each(|value| f(value.and_then(time)));
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
    if unit.is_none()
        && let Some(time) = date_key(number)
    {
        return Some(time);
    }
    let unit = unit.unwrap_or_else(|| EpochUnit::by_size(number));
    let micros = number * (1e6 / unit.per_second());
    (micros > 0.0 && micros < i64::MAX as f64).then(|| Timestamp(micros.floor() as i64))
}

/// Years of dates that are written as one number; others are epochs.
const DATES: std::ops::RangeInclusive<i32> = 1970..=2199;

/// The day that a number such as 20260131 names, as keys of dates in warehouses do; or the second
/// of 20260131100000. As epochs they would lie in 1970 and beyond 2600.
fn date_key(number: f64) -> Option<Timestamp> {
    let is_key = |range: std::ops::Range<f64>| range.contains(&number) && number.fract() == 0.0;
    if !is_key(19_700_101.0..22_000_000.0) && !is_key(19_700_101e6..22_000_000e6) {
        return None;
    }
    iso(&format!("{number}"))
}

fn texts<'t>(
    texts: impl Iterator<Item = Option<&'t str>>,
    unit: Option<EpochUnit>,
    f: &mut dyn FnMut(Option<Timestamp>),
) {
    texts.for_each(|text| f(text.and_then(|text| parse(text, unit))));
}

/// ISO 8601 as databases and logs write it, or a number. Extended or basic, down to the minute, the
/// hour or the day; a fraction after a point or a comma; an offset of hours and maybe minutes, `Z`
/// or `UTC`, else it is UTC.
pub fn parse(text: &str, unit: Option<EpochUnit>) -> Option<Timestamp> {
    let text = text.trim();
    let written = iso(text).or_else(|| epoch(text.parse().ok()?, unit));
    written.filter(|time| time.0 > 0)
}

fn iso(text: &str) -> Option<Timestamp> {
    let (date, rest) = split_date(text)?;
    let rest = rest.strip_prefix(['T', 't', ' ', '_']).unwrap_or(rest);
    if rest.is_empty() {
        // A date alone has no offset.
        return Some(utc(date.and_time(NaiveTime::MIN)));
    }
    let (time, offset) = split_offset(rest)?;
    let local = utc(date.and_time(time_of_day(time)?));
    Some(Timestamp(local.0 - i64::from(offset) * 1_000_000))
}

fn utc(time: NaiveDateTime) -> Timestamp {
    Timestamp(time.and_utc().timestamp_micros())
}

/// `2026-01-31` or `20260131`, and what follows.
fn split_date(text: &str) -> Option<(NaiveDate, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (length, form) = match digits {
        4 => (10, "%Y-%m-%d"),
        8 | 12 | 14 => (8, "%Y%m%d"),
        _ => return None,
    };
    let (date, rest) = text.split_at_checked(length)?;
    let date = NaiveDate::parse_from_str(date, form).ok()?;
    (digits == 4 || DATES.contains(&date.year())).then_some((date, rest))
}

/// `10`, `10:00`, `1000`, `10:00:00.5`, `100000,5`.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let text = text.replace(',', ".");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (hours, minutes) = match (digits, text.len()) {
        (2, 2) => (true, false),
        (2, 5) | (4, 4) => (false, true),
        (2 | 6, _) => (false, false),
        _ => return None,
    };
    let (text, form) = match digits {
        _ if hours => (format!("{text}:00"), "%H:%M"),
        2 if minutes => (text, "%H:%M"),
        2 => (text, "%H:%M:%S%.f"),
        4 => (text, "%H%M"),
        _ => (text, "%H%M%S%.f"),
    };
    NaiveTime::parse_from_str(&text, form).ok()
}

/// The time of day, and seconds east of Greenwich.
fn split_offset(text: &str) -> Option<(&str, i32)> {
    for zero in ["Z", "z", "UTC", "GMT"] {
        if let Some(time) = text.strip_suffix(zero) {
            return Some((time.trim_end(), 0));
        }
    }
    let Some(at) = text.rfind(['+', '-', '\u{2212}']) else { return Some((text, 0)) };
    let (time, offset) = text.split_at(at);
    let sign = if offset.starts_with('+') { 1 } else { -1 };
    let digits: String = offset.chars().skip(1).filter(|c| *c != ':').collect();
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i32>().ok();
    let (hours, minutes, seconds) = match digits.len() {
        2 => (number(0..2)?, 0, 0),
        4 => (number(0..2)?, number(2..4)?, 0),
        6 => (number(0..2)?, number(2..4)?, number(4..6)?),
        _ => return None,
    };
    let is_offset = hours < 24 && minutes < 60 && seconds < 60;
    is_offset.then_some((time.trim_end(), sign * (hours * 3_600 + minutes * 60 + seconds)))
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

    /// As PostgreSQL, DuckDB, BigQuery, Python's logging, Java and others write 10:00 UTC.
    #[test]
    fn dialects_of_iso_are_read() {
        const TEN: i64 = 1_795_168_800_000_000;
        for text in [
            "2026-11-20 10:00:00+00",
            "2026-11-20T11:00:00+01",
            "2026-11-20 15:30:00+05:30",
            "2026-11-20T10:00:00,000",
            "2026-11-20 10:00:00,000",
            "2026-11-20 10:00:00 UTC",
            "2026-11-20 10:00:00 +0000",
            "2026-11-20 05:00:00.000000 -05:00",
            "20261120T100000Z",
            "20261120T1000",
            "20261120T120000.000+0200",
            "20261120100000",
            "202611201000",
            "2026-11-20T10:00Z",
            "2026-11-20T10",
            "2026-11-20t10:00:00.000000000z",
            "2026-11-20T10:00:00\u{2212}00:00",
        ] {
            assert_eq!(parse(text, None), Some(Timestamp(TEN)), "{text}");
        }
        let day = Some(Timestamp(TEN - 36_000_000_000));
        assert_eq!([parse("20261120", None), parse("2026-11-20", None)], [day; 2]);
        let integers = Int64Array::from(vec![20_261_120, 20_261_120_100_000, 20_269_999]);
        let read = read(&integers, None);
        assert_eq!(read[..2], [day.map(|day| day.0), Some(TEN)]);
        // No date, so it is the number of a second.
        assert_eq!(read[2], Some(20_269_999_000_000));
        let seconds = EpochUnit::ALL[0].1;
        assert_eq!(parse("20261120", Some(seconds)), day, "a text is a date before a number");
        assert_eq!(epoch(20_261_120.0, Some(seconds)), Some(Timestamp(20_261_120_000_000)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let texts = StringArray::from(vec![Some(""), Some("yesterday"), None, Some("2026-13-01")]);
        assert_eq!(read(&texts, None), [None; 4]);
        for text in ["0", "-5", "1969-12-31", "1970-01-01T00:00:00Z", "2026-01-01T25", "10:00", "T"]
        {
            assert_eq!(parse(text, None), None, "{text}");
        }
        let zeros = Int64Array::from(vec![0, -1, 1]);
        assert_eq!(read(&zeros, None), [None, None, Some(1_000_000)]);
        assert_eq!(read(&Float64Array::from(vec![f64::NAN, f64::INFINITY]), None), [None; 2]);
        assert_eq!(read(&TimestampSecondArray::from(vec![i64::MAX]), None), [None]);
        assert_eq!(read(&arrow_array::BooleanArray::from(vec![true]), None), [None]);
    }
}
