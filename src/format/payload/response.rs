//! What a model answered: as many rows as its request has, in their order.

use super::csv_body::is_csv;
use super::row_lines::RowLines;
use super::{BodyContext, Event, EventRows, events};
use crate::format::line_split::full_lines;
use crate::telemetry::RejectReason;
use serde_json::{Map, Number, Value};

/// The rows of a response that came by itself; none where responses are left out.
pub fn response_rows(body: Vec<u8>, context: &BodyContext) -> RowLines {
    let own = context.for_response();
    let mut rows = RowLines::new(&own);
    if context.response_names.is_none() {
        return rows;
    }
    let body = if is_list(&body, &own) { as_column(body) } else { body };
    match events(body, &own).as_deref_mut() {
        Ok([Event { rows: EventRows::Lines(lines) | EventRows::Response(lines), .. }]) => {
            typed(std::mem::take(lines), &own).all_or_none()
        }
        Ok(_) => {
            rows.reject(RejectReason::Malformed, b"a response of several parts");
            rows
        }
        Err(fault) => {
            rows.reject(RejectReason::Malformed, fault.text().as_bytes());
            rows
        }
    }
}

/// Whether CSV has the single value of all rows on one line, as SageMaker's XGBoost answers.
fn is_list(body: &[u8], context: &BodyContext) -> bool {
    let is_one = context.names.len() == 1 && full_lines(body).count() == 1;
    is_one && is_csv(&context.content_type) && !body.contains(&b'"')
}

fn as_column(body: Vec<u8>) -> Vec<u8> {
    body.into_iter().map(|byte| if byte == b',' { b'\n' } else { byte }).collect()
}

/// Texts of CSV as the numbers that they are, so that they can stand beside values of JSON.
fn typed(rows: RowLines, context: &BodyContext) -> RowLines {
    if !rows.are_texts {
        return rows;
    }
    let mut typed = RowLines::new(context);
    for line in full_lines(&rows.lines) {
        let values: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
        let values = values.into_iter().map(|(name, value)| {
            let number = value.as_str().and_then(|own| own.trim().parse::<Number>().ok());
            (name, number.map_or(value, Value::Number))
        });
        let line = Value::Object(values.collect()).to_string();
        if let Err(fault) = typed.push(line.as_bytes()) {
            typed.reject(RejectReason::TooLong, fault.text().as_bytes());
        }
    }
    for (reason, n) in rows.n_rejected.iter() {
        typed.n_rejected.add(reason, n);
    }
    typed.first_rejected = typed.first_rejected.or(rows.first_rejected);
    typed
}
