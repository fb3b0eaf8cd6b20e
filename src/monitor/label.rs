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
}
