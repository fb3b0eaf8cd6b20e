//! Values that are written in a path: `region=north/dt=2026-01-01/part-0.parquet`.

use crate::time::Timestamp;
use chrono::{Datelike, NaiveDate};
use std::ops::RangeInclusive;
use std::path::Path;

/// Hive's name for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// One `key=value` folder; no value means null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionValue {
    pub key: String,
    pub value: Option<String>,
}

/// The `key=value` folders between `root` and the file, outermost first.
pub fn partition_values(root: &Path, file: &Path) -> Vec<PartitionValue> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let folders = inside.parent().into_iter().flat_map(Path::components);
    folders
        .filter_map(|folder| {
            let name = folder.as_os_str().to_string_lossy().into_owned();
            let (key, value) = name.split_once('=')?;
            let value = (value != NULL).then(|| decode_percent(value));
            (!key.is_empty()).then(|| PartitionValue { key: decode_percent(key), value })
        })
        .collect()
}

/// The partition as part of a file's identity.
pub fn partition_label(values: &[PartitionValue]) -> String {
    let label = |p: &PartitionValue| format!("{}={}", p.key, p.value.as_deref().unwrap_or(NULL));
    values.iter().map(label).collect::<Vec<_>>().join("/")
}

/// The time that the folders between `root` and the file name, in UTC: `dt=2026-01-01/hour=07`,
/// `year=2026/month=1/day=1`, `2026-01-01`, `2026/01/01/07` and the like. Needs a year, a month and
/// a day.
pub fn partition_time(root: &Path, file: &Path) -> Option<Timestamp> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let mut parts: Vec<u32> = Vec::new();
    for folder in inside.parent()?.components() {
        let name = folder.as_os_str().to_string_lossy();
        let value = name.split_once('=').map_or(&*name, |(_, value)| value);
        let more = match parts.len() {
            0 => date(value).or_else(|| Some(vec![number(value, 4, 1970..=9999)?])),
            1 => number(value, 2, 1..=12).map(|month| vec![month]),
            2 => number(value, 2, 1..=31).map(|day| vec![day]),
            3 => number(value, 2, 0..=23).map(|hour| vec![hour]),
            4 => number(value, 2, 0..=59).map(|minute| vec![minute]),
            _ => None,
        };
        parts.extend(more.into_iter().flatten());
    }
    let part = |index: usize| parts.get(index).copied();
    let date = NaiveDate::from_ymd_opt(i32::try_from(part(0)?).ok()?, part(1)?, part(2)?)?;
    let time = date.and_hms_opt(part(3).unwrap_or(0), part(4).unwrap_or(0), 0)?;
    Some(Timestamp(time.and_utc().timestamp_micros()))
}

/// A whole date, maybe with an hour: `2026-01-01`, `20260101`, `2026-01-01T07`, `2026-01-01-07`.
fn date(text: &str) -> Option<Vec<u32>> {
    let (day, hour) =
        if text.len() > 10 { (text.get(..10)?, text.get(11..13)) } else { (text, None) };
    let form = if day.len() == 8 { "%Y%m%d" } else { "%Y-%m-%d" };
    let date = NaiveDate::parse_from_str(day, form).ok()?;
    let mut parts = vec![u32::try_from(date.year()).ok()?, date.month(), date.day()];
    parts.extend(hour.and_then(|hour| number(hour, 2, 0..=23)));
    Some(parts)
}

fn number(text: &str, digits: usize, range: RangeInclusive<u32>) -> Option<u32> {
    let is_number = text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && range.contains(number))
}

/// `%2F` and the like, as Hive and Spark write what a folder's name cannot hold.
fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hive_folders() {
        let file = "/logs/x-{i}.parquet/__log_date=2026-01-01/city=S%C3%A3o%2F1/data_0.parquet";
        let values = partition_values(Path::new("/logs"), Path::new(file));
        assert_eq!(partition_label(&values), "__log_date=2026-01-01/city=São/1");
        let null = partition_values(Path::new("/"), Path::new("/a=__HIVE_DEFAULT_PARTITION__/f"));
        assert_eq!(null, [PartitionValue { key: "a".into(), value: None }]);
    }

    #[test]
    fn reads_times_as_they_are_laid_out() {
        let seconds = |path: &str| {
            let time = partition_time(Path::new("/logs"), &Path::new("/logs").join(path));
            time.map(|time| time.0 / 1_000_000)
        };
        const DAY: i64 = 1_767_225_600;
        for path in [
            "dt=2026-01-01/a.parquet",
            "2026-01-01/a.parquet",
            "20260101/a.parquet",
            "x-{i}.parquet/__log_date=2026-01-01/data_0.parquet",
            "endpoint/variant/2026/01/01/a.parquet",
            "year=2026/month=1/day=1/a.parquet",
        ] {
            assert_eq!(seconds(path), Some(DAY), "{path}");
        }
        for path in ["dt=2026-01-01/hour=07/a", "2026/01/01/07/a", "dt=2026-01-01T07/a"] {
            assert_eq!(seconds(path), Some(DAY + 7 * 3_600), "{path}");
        }
        for path in ["a.parquet", "v2/a.parquet", "2026/a", "dt=2026-13-01/a", "2026/02/30/a"] {
            assert_eq!(seconds(path), None, "{path}");
        }
    }
}
