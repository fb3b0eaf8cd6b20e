//! Records of KServe's log store: requests and answers, each in base64 beside what is known of it.

use super::event_lines::lines_of;
use super::raw_json::{elements, string};
use super::row_lines::RowLines;
use super::{BodyContext, BodyFault, events};
use crate::telemetry::RejectReason;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    bytes: Option<&'a RawValue>,
    #[serde(borrow)]
    req_type: Option<&'a RawValue>,
    #[serde(borrow)]
    occurrence_time: Option<&'a RawValue>,
}

/// The rows of a document of JSON; of a log, those of the requests that it holds.
pub fn json_records(
    text: Vec<u8>,
    is_log: bool,
    context: &BodyContext,
) -> Result<Vec<RowLines>, BodyFault> {
    if !is_log {
        return Ok(vec![lines_of(events(text, context)?, context)?]);
    }
    let text =
        std::str::from_utf8(&text).map_err(|error| BodyFault::Malformed(error.to_string()))?;
    let all: &RawValue =
        serde_json::from_str(text).map_err(|error| BodyFault::Malformed(error.to_string()))?;
    let records = if all.get().starts_with('[') { elements(all)? } else { vec![all] };
    records.into_iter().map(|record| request(record, context)).collect()
}

fn request(record: &RawValue, context: &BodyContext) -> Result<RowLines, BodyFault> {
    let mut none = RowLines::new(context);
    let Ok(own) = serde_json::from_str::<Record<'_>>(record.get()) else {
        none.reject(RejectReason::NotAnObject, record.get().as_bytes());
        return Ok(none);
    };
    // Both `request` and the whole type of the event are seen.
    if string(own.req_type).is_some_and(|kind| kind.rsplit('.').next() == Some("response")) {
        return Ok(none);
    }
    let body = string(own.bytes).and_then(|encoded| BASE64_STANDARD.decode(encoded.trim()).ok());
    let Some(body) = body else {
        none.reject(RejectReason::Malformed, record.get().as_bytes());
        return Ok(none);
    };
    let happened = string(own.occurrence_time);
    let context = BodyContext { first: context.first_of(happened.as_deref()), ..context.clone() };
    let rows = events(body, &context).and_then(|events| lines_of(events, &context));
    Ok(rows.unwrap_or_else(|fault| {
        none.reject(RejectReason::Malformed, fault.text().as_bytes());
        none
    }))
}
