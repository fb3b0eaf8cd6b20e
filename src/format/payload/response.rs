//! What a model answered: as many rows as its request has, in their order.

use super::row_lines::RowLines;
use super::{BodyContext, Event, EventRows, events};
use crate::telemetry::RejectReason;

/// The rows of a response that came by itself; none where responses are left out.
pub fn response_rows(body: Vec<u8>, context: &BodyContext) -> RowLines {
    let own = context.for_response();
    let mut rows = RowLines::new(&own);
    if context.response_names.is_none() {
        return rows;
    }
    match events(body, &own).as_deref_mut() {
        Ok([Event { rows: EventRows::Lines(lines) | EventRows::Response(lines), .. }]) => {
            std::mem::take(lines)
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
