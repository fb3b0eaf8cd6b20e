//! Durations and sizes as they are written: `500ms`, `5s`, `10m`, `24h`, `7d`; `512MB`, `2GB`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Powers of 1,024, as memory is counted.
const SIZES: [(&str, u64); 4] = [("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30)];

/// Reads a whole number and its unit.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &UNITS).map(Duration::from_millis)
}

/// The same, in the largest unit that leaves a whole number.
pub fn duration_text(duration: Duration) -> String {
    written(duration.as_millis() as u64, &UNITS)
}

/// Reads a whole number and its unit.
pub fn parse_bytes(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// The same, in the largest unit that leaves a whole number.
pub fn bytes_text(bytes: u64) -> String {
    written(bytes, &SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn written(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().rev().find(|(_, unit)| number > 0 && number.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&units[0]);
    format!("{}{name}", number / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_they_are_written() {
        for text in ["500ms", "5s", "90s", "10m", "1h", "7d", "0ms"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
        for text in ["", "5", "s", "-1s", "1.5h", "5 parsecs", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for text in ["1B", "1536MB", "2GB"] {
            assert_eq!(bytes_text(parse_bytes(text).unwrap()), text);
        }
        assert_eq!((parse_bytes("1024MB"), parse_bytes("1.5GB")), (Some(1 << 30), None));
    }
}
