//! Values that are written in a path: `region=north/dt=2026-01-01/part-0.parquet`.

use crate::profile::instants;
use crate::time::Timestamp;
use chrono::NaiveDate;
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
///
/// Where a folder has a key, only a key that names a time counts, in any order; or a value that is
/// a whole date. Folders without keys count where a date stands among them.
pub fn partition_time(root: &Path, file: &Path) -> Option<Timestamp> {
    let inside = file.strip_prefix(root).unwrap_or(file);
    let mut keyed = Parts::default();
    let mut plain = Parts::default();
    for folder in inside.parent()?.components() {
        let name = decode_percent(&folder.as_os_str().to_string_lossy());
        match name.split_once('=') {
            Some((key, value)) => keyed.add(&key.to_ascii_lowercase(), value),
            None => plain.add_next(&name, keyed.has_date()),
        }
    }
    let hour = plain.hour;
    keyed.time(hour).or_else(|| plain.time(keyed.hour)).filter(|time| time.0 > 0)
}

/// What folders tell of a time.
#[derive(Default)]
struct Parts {
    date: Option<NaiveDate>,
    /// Of a folder that names a date and a time of day.
    whole: Option<Timestamp>,
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    hour: Option<u32>,
    minute: Option<u32>,
}

impl Parts {
    fn add(&mut self, key: &str, value: &str) {
        match key {
            "year" | "yyyy" | "y" => self.year = self.year.or(number(value, 4, 1970..=9999)),
            "month" | "mm" | "m" => self.month = self.month.or(number(value, 2, 1..=12)),
            "hour" | "hh" | "h" | "hr" => self.hour = self.hour.or(number(value, 2, 0..=23)),
            "minute" | "min" => self.minute = self.minute.or(number(value, 2, 0..=59)),
            "day" | "dd" | "d" if value.len() <= 2 => {
                self.day = self.day.or(number(value, 2, 1..=31));
            }
            _ => self.add_date(value, names_time(key)),
        }
    }

    /// A whole date, maybe with a time of day. Without dashes it is one only where it is expected.
    fn add_date(&mut self, value: &str, is_expected: bool) {
        let is_dashed = value.as_bytes().get(4) == Some(&b'-');
        if self.date.is_some() || self.whole.is_some() || !(is_dashed || is_expected) {
            return;
        }
        let day = value.get(..10).filter(|_| is_dashed).or_else(|| value.get(..8));
        // `2026-01-31-07` is no ISO, but what people write.
        let hour = value.get(10..).and_then(|rest| rest.strip_prefix(['-', '_']));
        if let Some(hour) = hour.and_then(|hour| number(hour, 2, 0..=23)) {
            self.date = day.and_then(date);
            self.hour = self.hour.or(Some(hour));
        } else if let Some(date) = date(value) {
            self.date = Some(date);
        } else {
            self.whole = instants::parse(value, None);
        }
    }

    /// A folder without a key: the next part of a date, or the begin of one.
    fn add_next(&mut self, name: &str, is_after_date: bool) {
        if is_after_date || self.has_date() {
            match self.hour {
                None => self.hour = number(name, 2, 0..=23),
                Some(_) if self.minute.is_none() => self.minute = number(name, 2, 0..=59),
                Some(_) => {}
            }
            return;
        }
        let (year, month) = (self.year, self.month);
        *self = Parts::default();
        self.add_date(name, name.len() == 8);
        if self.date.is_some() || self.whole.is_some() {
            return;
        }
        match (year, month) {
            (Some(_), Some(_)) => self.day = number(name, 2, 1..=31),
            (Some(_), None) => self.month = number(name, 2, 1..=12),
            (None, _) => {}
        }
        if self.day.is_some() || self.month.is_some() {
            (self.year, self.month) = (year, self.month.or(month));
        } else {
            // No part of a date that was begun: maybe a year.
            self.year = number(name, 4, 1970..=9999).filter(|_| name.len() == 4);
        }
    }

    fn has_date(&self) -> bool {
        self.date.is_some() || self.whole.is_some() || self.day.is_some()
    }

    /// The time, with an hour that was told elsewhere.
    fn time(&self, hour: Option<u32>) -> Option<Timestamp> {
        if self.whole.is_some() {
            return self.whole;
        }
        let date = self.date.or_else(|| {
            let year = i32::try_from(self.year?).ok()?;
            NaiveDate::from_ymd_opt(year, self.month?, self.day?)
        })?;
        let hour = self.hour.or(hour).unwrap_or(0);
        let time = date.and_hms_opt(hour, self.minute.unwrap_or(0), 0)?;
        Some(Timestamp(time.and_utc().timestamp_micros()))
    }
}

/// Whether a key names a time: `dt`, `event_date`, `ts`, `created_at_time`.
fn names_time(key: &str) -> bool {
    let names = ["dt", "date", "ds", "ts", "day", "d", "time", "timestamp", "datetime"];
    key.split(['_', '-', '.']).any(|word| names.contains(&word))
}

/// `2026-01-01` or `20260101`.
fn date(text: &str) -> Option<NaiveDate> {
    let form = if text.len() == 8 { "%Y%m%d" } else { "%Y-%m-%d" };
    NaiveDate::parse_from_str(text, form).ok().filter(|_| matches!(text.len(), 8 | 10))
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
        for path in [
            "dt=2026-01-01/shard=09/a",
            "customer=4711/dt=2026-01-01/a",
            "model=2024/2026/01/01/a",
            "2024/2026/01/01/a",
            "store=1999/day=1/month=01/year=2026/a",
            "year=2026/region=03/month=01/day=01/a",
            "dt=2026%2D01%2D01/a",
            "event_date=20260101/customer=20250607/a",
            "ds=2026-01-01/model=7/a",
        ] {
            assert_eq!(seconds(path), Some(DAY), "{path}");
        }
        for path in [
            "hour=07/dt=2026-01-01/a",
            "dt=2026-01-01/bucket=12/hour=07/a",
            "ts=2026-01-01%2007%3A00%3A00/a",
            "ts=2026-01-01T08:00:00+01:00/a",
            "ts=1767250800/a",
            "2026-01-01-07/a",
            "dt=2026-01-01/07/a",
            "y=2026/m=1/d=1/h=7/a",
        ] {
            assert_eq!(seconds(path), Some(DAY + 7 * 3_600), "{path}");
        }
        for path in ["customer=20260101/a", "dt=1970-01-01/a", "year=2026/shard=01/a"] {
            assert_eq!(seconds(path), None, "{path}");
        }
        for path in ["a.parquet", "v2/a.parquet", "2026/a", "dt=2026-13-01/a", "2026/02/30/a"] {
            assert_eq!(seconds(path), None, "{path}");
        }
    }
}
