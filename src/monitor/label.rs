//! Label values: any name, within Prometheus' limits.

use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_64;

/// Longer names are cut; scrape configurations often refuse a page with longer values.
const BYTES_MAX: usize = 200;

/// The name, or its head, `~` and the hash of the whole. Escaping is the encoder's work.
pub fn label_value(name: &str) -> Cow<'_, str> {
    if name.len() <= BYTES_MAX {
        return name.into();
    }
    let head = &name[..name.floor_char_boundary(BYTES_MAX - 17)];
    format!("{head}~{:016x}", xxh3_64(name.as_bytes())).into()
}

/// An upper end as label `le`: as OpenMetrics asks, and as Prometheus 3 makes it of any other, so
/// that a series has one name whoever scrapes it.
pub fn upper_end(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("it has an exponent");
    let exponent: i32 = exponent.parse().expect("it is a number");
    // Where Go's shortest form changes.
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_distinct_and_short() {
        let name = |tail: &str| format!("{}{tail}", "é".repeat(5_000));
        let (a, b) = (name("a"), name("b"));
        assert_ne!(label_value(&a), label_value(&b));
        assert!(label_value(&a).len() <= BYTES_MAX);
        assert_eq!(label_value("x"), "x");
    }

    /// What Prometheus 3.5.3 showed after it had read such ends from a page.
    #[test]
    fn ends_are_as_prometheus_writes_them() {
        for (value, text) in [
            (-1e-7, "-1e-07"),
            (-2.5, "-2.5"),
            (0.0, "0.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.0, "1.0"),
            (123_456.0, "123456.0"),
            (1_234_567.5, "1.2345675e+06"),
            (12_345_678_901_234_567_890.0, "1.2345678901234567e+19"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(upper_end(value), text);
        }
    }
}
