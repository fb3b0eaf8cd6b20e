//! Bodies of JSON: which dress they wear, told by the keys of the outermost object.

use super::cloud_event::CloudEvent;
use super::envelope::Envelope;
use super::matrix::{columns, instances, records, seldon, split_frame};
use super::raw_json::elements;
use super::row_lines::RowLines;
use super::tensors::{Tensors, are_tensors, has_binary_tensors, open_inference};
use super::{BodyContext, BodyFault, Event, EventRows};
use crate::format::flat_row::is_flat_row;
use crate::format::line_split::full_lines;
use crate::telemetry::RejectReason;
use serde_json::Deserializer;
use serde_json::value::RawValue;

/// The events of a body that begins as an object or an array of JSON.
pub fn events(body: &[u8], context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    if let Some(row) = plain_row(body, context) {
        let mut rows = RowLines::new(context);
        rows.push_checked(row)?;
        return Ok(vec![Event::of(EventRows::Lines(rows))]);
    }
    let json = &body[..context.json_bytes.unwrap_or(body.len()).min(body.len())];
    let text = match std::str::from_utf8(json) {
        Ok(text) => text,
        // Tensors may follow, or a line that is rejected for it.
        Err(fault) => std::str::from_utf8(&json[..fault.valid_up_to()]).unwrap_or_default(),
    };
    let mut values = Deserializer::from_str(text).into_iter::<&RawValue>();
    let first = values.next().transpose();
    // What is said to be JSON is, to its end.
    let end = if context.json_bytes.is_some() { json.len() } else { values.byte_offset() };
    let rest = &body[end..];
    let is_blank = context.json_bytes.is_none() && rest.trim_ascii().is_empty();
    match first {
        Ok(Some(value)) if rest.is_empty() || is_blank => of_value(value, context),
        Ok(Some(value)) => match tensors_before(value, context) {
            Some(all) => {
                let rows = open_inference(Tensors { all, tail: rest }, context)?;
                Ok(vec![Event::of(EventRows::Lines(rows))])
            }
            // What the first line is, the others are.
            None if value.get().starts_with('{') && is_dressed(value) => each_value(body, context),
            None => Ok(vec![Event::of(EventRows::Lines(lines(body, context)?))]),
        },
        Err(error) if body.trim_ascii_start().starts_with(b"[") => {
            Err(BodyFault::Malformed(format!("the array of JSON is broken: {error}")))
        }
        _ => Ok(vec![Event::of(EventRows::Lines(lines(body, context)?))]),
    }
}

/// A body that is one row and nothing else, as most messages are: it is looked at once.
fn plain_row<'a>(body: &'a [u8], context: &BodyContext) -> Option<&'a [u8]> {
    let row = body.trim_ascii();
    let may_be = context.json_bytes.is_none() && row.len() <= context.line_bytes_max;
    let text = std::str::from_utf8(row).ok().filter(|_| may_be && row.starts_with(b"{"))?;
    is_flat_row(text, Envelope::has).then_some(row)
}

/// The tensors of an object of which bytes follow it.
fn tensors_before<'a>(value: &'a RawValue, context: &BodyContext) -> Option<&'a RawValue> {
    let own = Envelope::of(value);
    let all = if context.is_response { own.outputs } else { own.inputs };
    all.filter(|all| has_binary_tensors(all))
}

/// Whether an object is more than a row.
fn is_dressed(value: &RawValue) -> bool {
    let own = Envelope::of(value);
    let keys = [own.instances, own.inputs, own.dataframe_split, own.dataframe_records];
    let is_inside =
        |key: &Option<&RawValue>| key.is_some_and(|own| own.get().starts_with(['[', '{']));
    keys.iter().any(is_inside)
        || [own.predictions, own.outputs].iter().any(is_inside)
        || own.data.is_some_and(is_seldon)
        || CloudEvent::structured(&own).is_some()
}

fn is_seldon(data: &RawValue) -> bool {
    let has = |key: &str| data.get().contains(key);
    data.get().starts_with('{') && (has("\"ndarray\"") || has("\"tensor\""))
}

/// The events of lines that each are more than a row.
fn each_value(body: &[u8], context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    let mut events: Vec<Event> = Vec::new();
    for line in full_lines(body) {
        let own = match serde_json::from_slice::<&RawValue>(line) {
            Ok(value) => of_value(value, context)?,
            Err(_) => vec![rejected(line, context)],
        };
        for event in own {
            match (events.last_mut(), event) {
                // Rows of no event of their own are together.
                (
                    Some(Event { id: None, rows: EventRows::Lines(last), .. }),
                    Event { id: None, rows: EventRows::Lines(rows), .. },
                ) if last.are_texts == rows.are_texts => last.append(rows),
                (_, event) => events.push(event),
            }
        }
        refuse_too_many(events.len())?;
    }
    Ok(events)
}

/// An event whose rows cannot be told.
fn rejected(text: &[u8], context: &BodyContext) -> Event {
    let mut none = RowLines::new(context);
    none.reject(RejectReason::Malformed, text);
    Event::of(EventRows::Lines(none))
}

/// Opens an event of several; what it carries may be none, and the others count.
fn open_one(
    event: CloudEvent,
    envelope: &Envelope<'_>,
    context: &BodyContext,
) -> Result<Event, BodyFault> {
    match event.open(envelope, context) {
        Err(BodyFault::Malformed(text) | BodyFault::Unknown(text)) => {
            Ok(rejected(text.as_bytes(), context))
        }
        opened => opened,
    }
}

/// Events of a body, at most: each takes some room of its own.
const EVENTS_MAX: usize = 10_000;

fn refuse_too_many(events: usize) -> Result<(), BodyFault> {
    match events <= EVENTS_MAX {
        true => Ok(()),
        false => Err(BodyFault::TooLarge(format!("more than {EVENTS_MAX} events in one body"))),
    }
}

/// Each line is a row, or none.
pub fn lines(body: &[u8], context: &BodyContext) -> Result<RowLines, BodyFault> {
    let mut rows = RowLines::new(context);
    for line in full_lines(body) {
        rows.push(line)?;
    }
    Ok(rows)
}

fn of_value(value: &RawValue, context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    if value.get().starts_with('[') {
        return of_array(&elements(value)?, context);
    }
    let envelope = Envelope::of(value);
    if let Some(event) = CloudEvent::structured(&envelope).filter(|_| !context.is_inside_event) {
        return Ok(vec![event.open(&envelope, context)?]);
    }
    Ok(vec![Event::of(of_object(value, &envelope, context)?)])
}

/// Events of a batch, or rows.
fn of_array(all: &[&RawValue], context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    let is_batch = |first: &&&RawValue| {
        let envelope = Envelope::of(first);
        CloudEvent::structured(&envelope).is_some()
    };
    if context.is_inside_event || all.first().filter(is_batch).is_none() {
        return Ok(vec![Event::of(EventRows::Lines(instances(all, context)?))]);
    }
    refuse_too_many(all.len())?;
    let mut events = Vec::new();
    for own in all {
        let envelope = Envelope::of(own);
        match CloudEvent::structured(&envelope) {
            Some(event) => events.push(open_one(event, &envelope, context)?),
            None => events.push(Event::of(EventRows::Lines(instances(&[own], context)?))),
        }
    }
    Ok(events)
}

/// The rows of one object: those of a request, with what was answered where that is beside it.
fn of_object(
    value: &RawValue,
    envelope: &Envelope<'_>,
    context: &BodyContext,
) -> Result<EventRows, BodyFault> {
    let asked = match context.is_response {
        true => None,
        false => requested(envelope, context)?,
    };
    let is_response = context.is_response || context.response_names.is_some();
    let answered = match is_response {
        true => answered(envelope, context).or_else(|fault| unread(&fault, context))?,
        false => None,
    };
    if let Some(rows) = asked {
        return Ok(EventRows::Lines(match answered {
            Some(answered) => rows.with_response(answered.all_or_none()),
            None => rows,
        }));
    }
    if let Some(rows) = answered {
        return Ok(EventRows::Response(rows));
    }
    if envelope.predictions.or(envelope.outputs).is_some_and(|own| is_array(own) || is_object(own))
    {
        return Ok(EventRows::Response(RowLines::new(context)));
    }
    let mut rows = RowLines::new(context);
    rows.push(value.get().as_bytes())?;
    Ok(EventRows::Lines(rows))
}

/// What was answered and cannot be read: the rows that it was answered for count without.
fn unread(fault: &BodyFault, context: &BodyContext) -> Result<Option<RowLines>, BodyFault> {
    let mut none = RowLines::new(context);
    none.reject(RejectReason::Malformed, fault.text().as_bytes());
    Ok(Some(none))
}

fn is_array(own: &RawValue) -> bool {
    own.get().starts_with('[')
}

fn is_object(own: &RawValue) -> bool {
    own.get().starts_with('{')
}

/// The rows that a model was asked for, in one of the dresses of a request.
fn requested(
    envelope: &Envelope<'_>,
    context: &BodyContext,
) -> Result<Option<RowLines>, BodyFault> {
    if let Some(all) = envelope.instances.filter(|own| is_array(own)) {
        return instances(&elements(all)?, context).map(Some);
    }
    if let Some(all) = envelope.dataframe_records.filter(|own| is_array(own)) {
        return records(&elements(all)?, context).map(Some);
    }
    if let Some(frame) = envelope.dataframe_split.filter(|own| is_object(own)) {
        return split_frame(frame, context).map(Some);
    }
    if let Some(all) = envelope.inputs.filter(|own| is_array(own)) {
        return match are_tensors(all) {
            true => open_inference(Tensors { all, tail: &[] }, context).map(Some),
            false => instances(&elements(all)?, context).map(Some),
        };
    }
    if let Some(inputs) = envelope.inputs.filter(|own| is_object(own)) {
        return columns(inputs, context).map(Some);
    }
    match envelope.data.filter(|own| is_object(own)) {
        Some(data) => seldon(data, context),
        None => Ok(None),
    }
}

/// What a model answered, in one of the dresses of a response.
fn answered(envelope: &Envelope<'_>, context: &BodyContext) -> Result<Option<RowLines>, BodyFault> {
    let own = context.for_response();
    let rows = |all: &RawValue| match is_array(all) {
        true => instances(&elements(all)?, &own),
        false => columns(all, &own),
    };
    let is_inside = |all: &&RawValue| is_array(all) || is_object(all);
    if let Some(all) = envelope.predictions.filter(is_inside) {
        return rows(all).map(Some);
    }
    if let Some(all) = envelope.outputs.filter(is_inside) {
        // A request says which outputs it wants, without their values.
        return match are_tensors(all) {
            true => open_inference(Tensors { all, tail: &[] }, &own).map(Some),
            false if context.is_response => rows(all).map(Some),
            false => Ok(None),
        };
    }
    match envelope.data.filter(|data| is_object(data) && context.is_response) {
        Some(data) => seldon(data, &own),
        None => Ok(None),
    }
}
