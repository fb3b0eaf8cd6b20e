//! Whether a text is an object of JSON that can be read as a row, without reading it.

use crate::telemetry::RejectReason;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Says why a text is no row. Accepts what reading lines accepts, and nothing else: whoever was
/// told that a row is taken must find it counted.
pub fn check(text: &[u8]) -> Result<(), RejectReason> {
    let text = std::str::from_utf8(text).map_err(|_| RejectReason::NotUtf8)?;
    match serde_json::from_str(text) {
        Ok(Checked::Object) => Ok(()),
        Ok(Checked::Other) => Err(RejectReason::NotAnObject),
        Err(_) => Err(RejectReason::Malformed),
    }
}

/// A value that was read and not kept.
pub enum Checked {
    Object,
    Other,
}

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checked, D::Error> {
        deserializer.deserialize_any(CheckedVisitor)
    }
}

struct CheckedVisitor;

impl<'de> Visitor<'de> for CheckedVisitor {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Checked, E> {
        Ok(Checked::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Checked, A::Error> {
        while all.next_element::<Checked>()?.is_some() {}
        Ok(Checked::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Checked, A::Error> {
        // A key is read as any other text, escapes included.
        while all.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::line_schema::LineSchema;
    use crate::format::ndjson::{BatchBuilder, LineOrigin};
    use crate::schema::columns::ColumnsConfig;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn read(line: &[u8]) -> Result<(), RejectReason> {
        let schema = Arc::new(LineSchema::new(Vec::new(), ColumnsConfig::default()));
        BatchBuilder::new(schema).push(line, &LineOrigin::default())
    }

    #[test]
    fn what_reading_refuses_is_refused() {
        let deep = |n: usize| format!("{{\"x\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        let lines = [
            "{}",
            "{\"x\":1}",
            "[1]",
            "1",
            "",
            " ",
            "{\"x\":1e400}",
            "{\"x\":NaN}",
            "{\"x\":1} 2",
            "{\"x\":\"\\ud800\"}",
            "{\"\\ud800\":1}",
            "{\"\\u00e9\":1}",
            "{\"x\":01}",
            "{\"x\":-}",
            "{\"x\":1,\"x\":2}",
            "{x:1}",
            "{\"x\":tru}",
            "{\"x\":\"\u{1}\"}",
            "{\"x\":-0.0e-5}",
            "{\"x\":123456789012345678901234567890}",
            "null",
        ];
        let lines =
            lines.map(str::to_owned).into_iter().chain([125, 126, 127, 128, 5_000].map(deep));
        for line in lines {
            assert_eq!(check(line.as_bytes()), read(line.as_bytes()), "{line:.60}");
        }
        assert_eq!(check(b"{\"x\":\"\xff\"}"), Err(RejectReason::NotUtf8));
    }

    proptest! {
        #[test]
        fn reading_and_checking_agree(
            text in r#"(\{|\[|"|\\u|\\|d8|00|:|,|\}|\]|1|-|\.|e|null|true| |x){0,24}"#
        ) {
            prop_assert_eq!(check(text.as_bytes()), read(text.as_bytes()));
            let object = format!("{{\"x\":{text}}}");
            prop_assert_eq!(check(object.as_bytes()), read(object.as_bytes()));
        }
    }
}
