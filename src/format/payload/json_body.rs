//! Bodies of JSON: which dress they wear, told by the keys of the outermost object.

use super::cloud_event::CloudEvent;
use super::matrix::{columns, instances, records, seldon, split_frame};
use super::row_lines::RowLines;
use super::tensors::{Tensors, open_inference};
use super::{BodyContext, BodyFault, Event, EventRows};
use serde::Deserialize;
use serde_json::Deserializer;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The keys by which bodies are told apart, as far as they are there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Envelope<'a> {
    #[serde(borrow)]
    instances: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
    #[serde(borrow)]
    dataframe_split: Option<&'a RawValue>,
    #[serde(borrow)]
    dataframe_records: Option<&'a RawValue>,
    #[serde(borrow)]
    predictions: Option<&'a RawValue>,
    #[serde(borrow)]
    outputs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data_base64: Option<&'a RawValue>,
    #[serde(borrow)]
    pub specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    pub datacontenttype: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub source: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub time: Option<&'a RawValue>,
}

/// The events of a body that begins as an object or an array of JSON.
pub fn events(body: &[u8], context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    let json = &body[..context.json_bytes.unwrap_or(body.len()).min(body.len())];
    let text = match std::str::from_utf8(json) {
        Ok(text) => text,
        // Tensors may follow, or a line that is rejected for it.
        Err(fault) => std::str::from_utf8(&json[..fault.valid_up_to()]).unwrap_or_default(),
    };
    let mut values = Deserializer::from_str(text).into_iter::<&RawValue>();
    let first = values.next().transpose();
    let rest = &body[values.byte_offset()..];
    match first {
        Ok(Some(value)) if rest.trim_ascii().is_empty() => of_value(value, context),
        Ok(Some(value)) => match open_inference(Tensors { body: value, tail: rest }, context)? {
            Some(rows) => Ok(vec![Event::of(EventRows::Lines(rows))]),
            None => Ok(vec![Event::of(EventRows::Lines(lines(body, context)?))]),
        },
        Err(error) if body.trim_ascii_start().starts_with(b"[") => {
            Err(BodyFault::Malformed(format!("the array of JSON is broken: {error}")))
        }
        _ => Ok(vec![Event::of(EventRows::Lines(lines(body, context)?))]),
    }
}

/// Each line is a row, or none.
pub fn lines(body: &[u8], context: &BodyContext) -> Result<RowLines, BodyFault> {
    let mut rows = RowLines::new(context);
    let lines = body.split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.trim_ascii().is_empty()) {
        rows.push(line)?;
    }
    Ok(rows)
}

fn of_value(value: &RawValue, context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    if value.get().starts_with('[') {
        return of_array(&elements(value)?, context);
    }
    // An object that has one of the keys twice is a row like any other.
    let envelope = serde_json::from_str::<Envelope<'_>>(value.get()).unwrap_or_default();
    if let Some(event) = CloudEvent::structured(&envelope).filter(|_| !context.is_inside_event) {
        return Ok(vec![event.open(&envelope, context)?]);
    }
    Ok(vec![Event::of(of_object(value, &envelope, context)?)])
}

/// Events of a batch, or rows.
fn of_array(all: &[&RawValue], context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    let is_batch = |first: &&&RawValue| {
        let envelope = serde_json::from_str::<Envelope<'_>>(first.get()).unwrap_or_default();
        CloudEvent::structured(&envelope).is_some()
    };
    if context.is_inside_event || all.first().filter(is_batch).is_none() {
        return Ok(vec![Event::of(EventRows::Lines(instances(all, context)?))]);
    }
    let mut events = Vec::new();
    for own in all {
        let envelope = serde_json::from_str::<Envelope<'_>>(own.get()).unwrap_or_default();
        match CloudEvent::structured(&envelope) {
            Some(event) => events.push(event.open(&envelope, context)?),
            None => events.push(Event::of(EventRows::Lines(instances(&[own], context)?))),
        }
    }
    Ok(events)
}

/// The rows of one object.
fn of_object(
    value: &RawValue,
    envelope: &Envelope<'_>,
    context: &BodyContext,
) -> Result<EventRows, BodyFault> {
    let is_array = |own: &&RawValue| own.get().starts_with('[');
    let is_object = |own: &&RawValue| own.get().starts_with('{');
    if let Some(all) = envelope.instances.filter(is_array) {
        return Ok(EventRows::Lines(instances(&elements(all)?, context)?));
    }
    if let Some(all) = envelope.dataframe_records.filter(is_array) {
        return Ok(EventRows::Lines(records(&elements(all)?, context)?));
    }
    if let Some(frame) = envelope.dataframe_split.filter(is_object) {
        return Ok(EventRows::Lines(split_frame(frame, context)?));
    }
    if let Some(inputs) = envelope.inputs.filter(is_array) {
        return Ok(EventRows::Lines(
            match open_inference(Tensors { body: value, tail: &[] }, context)? {
                Some(rows) => rows,
                None => instances(&elements(inputs)?, context)?,
            },
        ));
    }
    if let Some(inputs) = envelope.inputs.filter(is_object) {
        return Ok(EventRows::Lines(columns(inputs, context)?));
    }
    if let Some(data) = envelope.data.filter(is_object)
        && let Some(rows) = seldon(data, context)?
    {
        return Ok(EventRows::Lines(rows));
    }
    if envelope.predictions.or(envelope.outputs).filter(is_array).is_some() {
        return Ok(EventRows::Answer);
    }
    let mut rows = RowLines::new(context);
    rows.push(value.get().as_bytes())?;
    Ok(EventRows::Lines(rows))
}

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
