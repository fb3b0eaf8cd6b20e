//! What whoever sent rows is told.

use super::request_body::Unread;
use crate::format::payload::{BodyFault, Event, EventRows, RejectedRow, explanation};
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Rejected rows that are named one by one.
const NAMED_MAX: usize = 100;

/// Characters of what is said of a body.
const TEXT_MAX: usize = 300;

/// When to come again; rows are counted many times a second.
const RETRY_AFTER: &str = "1";

/// Why the first of some rows was rejected, and how it begins.
type FirstRejected = Option<(RejectReason, String)>;

/// What became of the rows of a request.
#[derive(Debug, Default)]
pub struct Receipt {
    pub accepted: u64,
    /// The first of them.
    pub rejected: Vec<RejectedRow>,
    pub n_rejected: u64,
    /// Events that came before.
    pub duplicates: u64,
    /// Events that carry what a model answered.
    pub responses: u64,
}

/// Why nothing was taken.
#[derive(Debug)]
pub enum Refusal {
    Unread(Unread, usize),
    /// A packing that is not known.
    Packing(String),
    Body(BodyFault),
    /// No room for its rows.
    Full,
    /// More than the spool may ever hold.
    BeyondSpool,
    /// Reading it failed, which is our fault.
    Failed,
    /// They could not be written.
    NotWritten,
    /// The source is being closed.
    Closing,
}

impl Receipt {
    /// Notes what an event brought; what was rejected of it, if anything was.
    pub fn note(&mut self, event: &mut Event) -> Option<(Rejected, FirstRejected)> {
        let n_rows = event.rows.n_rows();
        let first = self.accepted + self.n_rejected;
        self.accepted += n_rows;
        match &mut event.rows {
            EventRows::Response(lines) => {
                self.responses += 1;
                let first = lines.first_rejected.take();
                (lines.n_rejected.sum() > 0).then_some((lines.n_rejected, first))
            }
            EventRows::Table(_) => None,
            EventRows::Lines(lines) => {
                let rejected = lines.rejected.iter();
                let moved = rejected.map(|own| RejectedRow { row: own.row + first, ..*own });
                let room = NAMED_MAX.saturating_sub(self.rejected.len());
                self.rejected.extend(moved.take(room));
                self.n_rejected += lines.n_rejected.sum();
                let first = lines.first_rejected.take();
                (lines.n_rejected.sum() > 0).then_some((lines.n_rejected, first))
            }
        }
    }

    /// Notes that rows of an event were kept, or were there before.
    pub fn note_kept(&mut self, n_rows: u64, is_new: bool) {
        if !is_new {
            self.accepted -= n_rows;
            self.duplicates += 1;
        }
    }

    /// 202 when anything is good of it; 400 when it has rows and none is.
    pub fn into_response(self) -> Response {
        let Receipt { accepted, rejected, n_rejected, duplicates, responses } = self;
        let is_bad = accepted + duplicates + responses == 0 && n_rejected > 0;
        let status = if is_bad { StatusCode::BAD_REQUEST } else { StatusCode::ACCEPTED };
        let rows = rejected.iter().map(|own| {
            let reason = own.reason;
            json!({ "row": own.row, "reason": reason.name(), "detail": explanation(reason) })
        });
        let mut told = Map::new();
        told.insert("accepted".to_owned(), accepted.into());
        told.insert("rejected".to_owned(), rows.collect::<Vec<_>>().into());
        for (key, number) in [
            ("more_rejected", n_rejected - rejected.len() as u64),
            ("duplicates", duplicates),
            ("answers", responses),
        ] {
            if number > 0 {
                told.insert(key.to_owned(), number.into());
            }
        }
        (status, Json(Value::Object(told))).into_response()
    }
}

impl Refusal {
    pub fn into_response(self) -> Response {
        let (status, text) = match self {
            Refusal::Unread(Unread::TooLarge, most) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {most} bytes (body_max); send fewer rows in it"),
            ),
            Refusal::Unread(Unread::TooSlow, _) => {
                (StatusCode::REQUEST_TIMEOUT, "the body came too slowly".to_owned())
            }
            Refusal::Unread(Unread::Broken, _) => {
                (StatusCode::BAD_REQUEST, "the body was not there whole".to_owned())
            }
            Refusal::Packing(name) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("the content encoding {name:?} is not known; gzip and zstd are"),
            ),
            Refusal::Body(BodyFault::Malformed(text)) => (StatusCode::BAD_REQUEST, text),
            Refusal::Body(BodyFault::Unknown(text)) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, text),
            Refusal::Body(BodyFault::TooLarge(text)) => (StatusCode::PAYLOAD_TOO_LARGE, text),
            Refusal::BeyondSpool => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "its rows are more than spool_max; send fewer of them at a time".to_owned(),
            ),
            Refusal::Failed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the body could not be read".to_owned())
            }
            Refusal::Full | Refusal::Unread(Unread::NoRoom, _) => return later("no room for now"),
            Refusal::NotWritten | Refusal::Body(BodyFault::Disk(_)) => {
                return later("the rows could not be written; see the log");
            }
            Refusal::Closing => return later("the source is being closed"),
        };
        let text: String = text.chars().take(TEXT_MAX).collect();
        (status, Json(json!({ "error": text }))).into_response()
    }
}

fn later(text: &str) -> Response {
    let soon = [(header::RETRY_AFTER, RETRY_AFTER)];
    (StatusCode::SERVICE_UNAVAILABLE, soon, Json(json!({ "error": text }))).into_response()
}
