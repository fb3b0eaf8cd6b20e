//! Numbers as people read them.

use crate::feature::Kind;
use crate::time::Timestamp;

/// Four digits that tell something, zeros included: columns stay aligned.
pub fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e7).contains(&size) => {
            let digits = (3 - size.log10().floor() as i32).max(0) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.3e}"),
    }
}

/// The same without zeros at the end.
pub fn short(value: f64) -> String {
    let text = significant(value);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A value of a feature, briefly: a time as the time that it is, in UTC.
pub fn of_kind(kind: Kind, value: f64) -> String {
    if kind != Kind::Temporal || !value.is_finite() {
        return short(value);
    }
    let exact = Timestamp((value * 1e6) as i64).to_string();
    let seconds = exact.split(['.', 'Z']).next().unwrap_or_default();
    match seconds.strip_suffix("T00:00:00") {
        Some(date) => date.to_owned(),
        None => seconds.replacen('T', " ", 1) + " UTC",
    }
}

/// A distance between values of a feature, briefly: between times in the unit that fits.
pub fn distance_of_kind(kind: Kind, distance: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")];
    let unit = UNITS.iter().find(|(seconds, _)| distance.abs() >= *seconds);
    match unit.filter(|_| kind == Kind::Temporal) {
        Some((seconds, name)) => format!("{} {name}", short(distance / seconds)),
        None if kind == Kind::Temporal => format!("{} s", short(distance)),
        None => short(distance),
    }
}

/// A share as per cent: one digit after the point, two digits where it is small.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0".to_owned(),
        share if share.abs() < 0.1 => format!("{:.*} %", decimals(share), share),
        share if share > 99.9 && share < 100.0 => "over 99.9 %".to_owned(),
        share => format!("{} %", short((share * 10.0).round() / 10.0)),
    }
}

/// After the point, so that two digits tell something.
fn decimals(value: f64) -> usize {
    (1 - value.abs().log10().floor() as i32).clamp(0, 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_times() {
        let told = |seconds| of_kind(Kind::Temporal, seconds);
        assert_eq!(told(1_520_424_000.25), "2018-03-07 12:00:00 UTC");
        assert_eq!(told(1_520_380_800.0), "2018-03-07");
        assert_eq!(told(-1.0), "1969-12-31 23:59:59 UTC");
        assert_eq!(of_kind(Kind::Numeric, 1_520_424_000.0), "1.520e9");
        let told = |seconds| distance_of_kind(Kind::Temporal, seconds);
        assert_eq!([told(129_600.0), told(90.0), told(0.5)], ["1.5 d", "1.5 min", "0.5 s"]);
        assert_eq!(distance_of_kind(Kind::Numeric, 90.0), "90");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(["23.90", "1040"], [23.9, 1040.2].map(significant)[..]);
        assert_eq!(
            ["23.9", "1040", "-0.05", "0", "1.234e9"].map(String::from),
            [23.9, 1040.2, -0.05, 0.0, 1.234e9].map(short)
        );
        assert_eq!(
            ["0", "5.1 %", "0.062 %", "100 %", "over 99.9 %", "30 %"].map(String::from),
            [0.0, 0.0512, 0.00062, 1.0, 0.9995, 0.3].map(percent)
        );
    }
}
