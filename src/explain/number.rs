//! Numbers as people read them.

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
