//! What Amazon SageMaker's data capture writes: on each line a request, its response, or
//! both.

use super::event_lines::lines_of;
use super::raw_json::string;
use super::response::response_rows;
use super::row_lines::RowLines;
use super::{BodyContext, BodyFault, csv_body, events};
use crate::telemetry::RejectReason;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow)]
    capture_data: Option<Sides<'a>>,
    #[serde(borrow)]
    event_metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sides<'a> {
    #[serde(borrow)]
    endpoint_input: Option<Side<'a>>,
    #[serde(borrow)]
    endpoint_output: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side<'a> {
    #[serde(borrow)]
    observed_content_type: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    encoding: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    inference_time: Option<&'a RawValue>,
}

/// The rows of one line: none where only the response was captured.
pub fn captured(line: &[u8], context: &BodyContext) -> Result<RowLines, BodyFault> {
    let mut none = RowLines::new(context);
    let Ok(own) = serde_json::from_slice::<Line<'_>>(line) else {
        none.reject(RejectReason::Malformed, line);
        return Ok(none);
    };
    let Some(sides) = own.capture_data else {
        none.reject(RejectReason::NotAnObject, line);
        return Ok(none);
    };
    let Some(side) = sides.endpoint_input else { return Ok(none) };
    let happened = string(own.event_metadata.and_then(|own| own.inference_time));
    let context = BodyContext { first: context.first_of(happened.as_deref()), ..context.clone() };
    let rows = rows(&side, &context).map(|rows| match sides.endpoint_output {
        Some(output) if context.response_names.is_some() => {
            rows.with_response(answered(output, &context))
        }
        _ => rows,
    });
    Ok(rows.unwrap_or_else(|fault| {
        none.reject(RejectReason::Malformed, fault.text().as_bytes());
        none
    }))
}

/// What the endpoint answered.
fn answered(side: &RawValue, context: &BodyContext) -> RowLines {
    let side = serde_json::from_str::<Side<'_>>(side.get());
    let opened = side.ok().and_then(|side| opened(&side, context).ok());
    match opened {
        Some((body, context)) => response_rows(body, &context),
        None => {
            let mut none = RowLines::new(context);
            none.reject(RejectReason::Malformed, b"endpointOutput");
            none
        }
    }
}

fn rows(side: &Side<'_>, context: &BodyContext) -> Result<RowLines, BodyFault> {
    let (body, context) = opened(side, context)?;
    if csv_body::is_csv(&context.content_type) {
        return csv_body::rows(&body, &context);
    }
    lines_of(events(body, &context)?, &context)
}

/// The bytes of a side, and what is known of them.
fn opened(side: &Side<'_>, context: &BodyContext) -> Result<(Vec<u8>, BodyContext), BodyFault> {
    let decoded = match &*side.encoding {
        "BASE64" => BASE64_STANDARD
            .decode(side.data.trim())
            .map_err(|error| BodyFault::Malformed(format!("data: {error}")))?,
        _ => side.data.as_bytes().to_vec(),
    };
    let content_type = string(side.observed_content_type).unwrap_or_default();
    let content_type = content_type.to_ascii_lowercase();
    let is_csv = side.encoding == "CSV" || csv_body::is_csv(&content_type);
    // What is sent to an endpoint has no header.
    let content_type = if is_csv { "text/csv; header=absent".to_owned() } else { content_type };
    Ok((decoded, BodyContext { content_type, ..context.clone() }))
}
