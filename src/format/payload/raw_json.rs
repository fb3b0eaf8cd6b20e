//! Values of JSON that are not read further: their elements, and their text.

use super::BodyFault;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The elements of an array.
pub fn elements(array: &RawValue) -> Result<Vec<&RawValue>, BodyFault> {
    serde_json::from_str(array.get()).map_err(|error| BodyFault::Malformed(error.to_string()))
}

/// The text of a value that is a string; none of another.
pub fn string<'a>(value: Option<&'a RawValue>) -> Option<Cow<'a, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(value?.get()).ok().map(|text| text.0)
}
