//! One object of JSON as values by feature, without anything in between: no value is kept that no
//! feature asks for, and no key is copied.

use super::json_check::{Checked, check};
use super::json_value::JsonValue;
use super::line_schema::LineSchema;
use crate::telemetry::RejectReason;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Where a value of the line is: among the texts, if it is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RowValue {
    Plain(JsonValue<'static>),
    /// From there to there among the texts.
    Text(usize, usize),
}

/// The values of one line, by feature.
#[derive(Debug, Default)]
pub struct RowReader {
    values: Vec<Option<RowValue>>,
    /// Of all texts of the line, one behind the other.
    texts: String,
    /// The keys on the way to a value that is nested, each with a dot behind it.
    path: String,
    /// The feature that is most likely next: keys mostly come in the order of the last line.
    next: usize,
}

impl RowReader {
    pub fn new(features: usize) -> RowReader {
        RowReader { values: vec![None; features], ..RowReader::default() }
    }

    /// Reads a line; `on_unknown` is told of each key that is no feature and should be. What is
    /// there of it when it is none is of no use.
    pub fn read(
        &mut self,
        line: &[u8],
        schema: &LineSchema,
        on_unknown: &mut dyn FnMut(&str),
    ) -> Result<(), RejectReason> {
        let text = std::str::from_utf8(line).map_err(|_| RejectReason::NotUtf8)?;
        if !text.trim_ascii_start().starts_with('{') {
            return check(line).and(Err(RejectReason::NotAnObject));
        }
        self.values.fill(None);
        self.texts.clear();
        self.path.clear();
        self.next = 0;
        let mut json = serde_json::Deserializer::from_str(text);
        let object = ObjectSeed { reader: self, schema, on_unknown };
        let read = object.deserialize(&mut json).and_then(|()| json.end());
        read.map_err(|_| RejectReason::Malformed)
    }

    /// The value of a feature; none where the line has none.
    #[inline]
    pub fn value(&self, feature: usize) -> Option<JsonValue<'_>> {
        Some(match self.values[feature]? {
            RowValue::Plain(value) => value,
            RowValue::Text(begin, end) => JsonValue::Text(&self.texts[begin..end]),
        })
    }
}

/// What a key leads to.
enum Key {
    Feature(usize),
    /// By another name, which gives way to its own.
    Alias(usize),
    /// An object that has features.
    Inside,
    Nothing,
}

struct ObjectSeed<'a> {
    reader: &'a mut RowReader,
    schema: &'a LineSchema,
    on_unknown: &'a mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        let ObjectSeed { reader, schema, on_unknown } = self;
        let depth = reader.path.len();
        loop {
            let key = KeySeed { reader: &mut *reader, schema, on_unknown: &mut *on_unknown };
            match all.next_key_seed(key)? {
                None => return Ok(()),
                Some(Key::Feature(place)) => {
                    let value = all.next_value_seed(ValueSeed { texts: &mut reader.texts })?;
                    reader.values[place] = Some(value);
                    reader.next = place + 1;
                }
                Some(Key::Alias(place)) => {
                    let value = all.next_value_seed(ValueSeed { texts: &mut reader.texts })?;
                    reader.values[place].get_or_insert(value);
                }
                Some(Key::Inside) => {
                    let (reader, on_unknown) = (&mut *reader, &mut *on_unknown);
                    all.next_value_seed(ObjectSeed { reader, schema, on_unknown })?;
                }
                Some(Key::Nothing) => {
                    all.next_value::<Checked>()?;
                }
            }
            reader.path.truncate(depth);
        }
    }

    // An object was hoped for, and this is none.
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        while all.next_element::<Checked>()?.is_some() {}
        Ok(())
    }
}

struct KeySeed<'a> {
    reader: &'a mut RowReader,
    schema: &'a LineSchema,
    on_unknown: &'a mut dyn FnMut(&str),
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        let KeySeed { reader, schema, on_unknown } = self;
        let is_outermost = reader.path.is_empty();
        let begun = reader.path.len();
        if !is_outermost {
            reader.path.push_str(key);
        }
        let name = if is_outermost { key } else { &reader.path };
        if let Some(place) = schema.place(name, reader.next) {
            let is_alias = schema.is_alias(name, place);
            return Ok(if is_alias { Key::Alias(place) } else { Key::Feature(place) });
        }
        if schema.has_inside(name) {
            if is_outermost {
                reader.path.push_str(key);
            }
            reader.path.push('.');
            return Ok(Key::Inside);
        }
        if schema.is_missed(name) {
            on_unknown(name);
        }
        reader.path.truncate(begun);
        Ok(Key::Nothing)
    }
}

struct ValueSeed<'a> {
    texts: &'a mut String,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = RowValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RowValue, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = RowValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<RowValue, E> {
        Ok(RowValue::Plain(JsonValue::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<RowValue, E> {
        Ok(RowValue::Plain(JsonValue::Integer(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<RowValue, E> {
        Ok(RowValue::Plain(JsonValue::Unsigned(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<RowValue, E> {
        Ok(RowValue::Plain(JsonValue::Float(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<RowValue, E> {
        let begin = self.texts.len();
        self.texts.push_str(value);
        Ok(RowValue::Text(begin, self.texts.len()))
    }

    fn visit_unit<E: Error>(self) -> Result<RowValue, E> {
        Ok(RowValue::Plain(JsonValue::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<RowValue, A::Error> {
        while all.next_element::<Checked>()?.is_some() {}
        Ok(RowValue::Plain(JsonValue::Nested))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<RowValue, A::Error> {
        while all.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(RowValue::Plain(JsonValue::Nested))
    }
}
