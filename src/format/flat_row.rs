//! A row of plain values, looked at without reading them: most rows are such.
//!
//! The library says where a value ends and that it has the form of one. That a number without an
//! exponent fits a double, and a text without escapes is one, then takes no look at its digits or
//! characters. Whatever is not told so easily is left to whoever reads all of it.

use memchr::{memchr, memchr2};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Digits of a number that no double is too small for, unless it has an exponent.
const DIGITS_MAX: usize = 300;

/// Whether a text is an object of JSON in which every value is plain, and no key is one of these.
pub fn is_flat_row(text: &str, is_special: impl Fn(&str) -> bool) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(FlatVisitor(is_special)).is_ok() && json.end().is_ok()
}

/// Whether what has the form of a value is told to be one by that.
fn is_plain(raw: &str) -> bool {
    match raw.as_bytes() {
        [b'"', ..] => memchr(b'\\', raw.as_bytes()).is_none(),
        [b'[' | b'{', ..] => false,
        [b't' | b'f' | b'n', ..] => true,
        number => number.len() < DIGITS_MAX && memchr2(b'e', b'E', number).is_none(),
    }
}

struct FlatVisitor<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for FlatVisitor<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of plain values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        while all.next_key_seed(KeySeed(&self.0))?.is_some() {
            let value: &RawValue = all.next_value()?;
            if !is_plain(value.get()) {
                return Err(Error::custom("it is to be looked at as a whole"));
            }
        }
        Ok(())
    }
}

struct KeySeed<'a, F>(&'a F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for KeySeed<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for KeySeed<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        match (self.0)(key) {
            true => Err(Error::custom("it may be more than a row")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn what_is_told_easily_is_and_all_else_is_not() {
        let long = format!("{{\"x\":{}}}", "9".repeat(309));
        for (text, expected) in [
            ("{}", true),
            (" {\"x\" : -0.5, \"y\":\"\u{e9}\", \"z\":null,\"a\":true}\n", true),
            ("{\"x\":1}{\"x\":2}", false),
            ("{\"x\":1e3}", false),
            ("{\"x\":\"\\u00e9\"}", false),
            ("{\"x\":[1]}", false),
            ("{\"data\":1}", false),
            ("{\"d\\u0061ta\":1}", false),
            ("{\"x\":01}", false),
            ("{\"x\":1", false),
            ("[1]", false),
            (&long, false),
        ] {
            assert_eq!(is_flat_row(text, |key| key == "data"), expected, "{text:.40}");
        }
    }

    proptest! {
        /// Nothing is said to be a row that the library does not read.
        #[test]
        fn what_is_told_is_true(
            values in prop::collection::vec(
                r#"1|-|0|0\.5|01|1e9|1e999|"a"|"\\n"|"\\ud800"|"|tru|true|null|\[1\]|\{\}|1,2|"#,
                0..4,
            ),
            end in r"\}?",
        ) {
            let members: Vec<String> = values.iter().map(|own| format!("\"x\": {own}")).collect();
            let text = format!("{{{}{end}", members.join(","));
            if is_flat_row(&text, |_| false) {
                prop_assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
            }
        }
    }
}
