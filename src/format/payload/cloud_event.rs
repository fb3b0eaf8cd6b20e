//! CloudEvents: what an event says of itself besides what it carries.

use super::envelope::Envelope;
use super::event_lines::lines_of;
use super::raw_json::string;
use super::response::response_rows;
use super::{BodyContext, BodyFault, Event, EventRows, events};
use crate::profile::instants;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Bytes of a time, at most.
const TIME_BYTES_MAX: usize = 64;

/// The context of an event; see the CloudEvents specification, version 1.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    source: String,
    id: String,
    /// Seldon names what a request and its response have in common, KServe gives them one id.
    request: Option<String>,
    kind: String,
    time: Option<String>,
}

/// It is kept beside each of the rows: what is no time is left out.
fn is_time(text: &str) -> bool {
    text.len() <= TIME_BYTES_MAX && instants::parse(text, None).is_some()
}

impl CloudEvent {
    /// Of a binary event, whose context is in headers; none where there is none.
    pub fn binary(header: impl Fn(&str) -> Option<String>) -> Option<CloudEvent> {
        let (id, source) = (header("ce-id")?, header("ce-source").unwrap_or_default());
        let (kind, request) = (header("ce-type").unwrap_or_default(), header("ce-requestid"));
        Some(CloudEvent {
            source,
            id,
            request,
            kind,
            time: header("ce-time").filter(|own: &String| is_time(own)),
        })
    }

    /// Of a structured event, whose context is beside what it carries; none where there is none.
    pub(super) fn structured(envelope: &Envelope<'_>) -> Option<CloudEvent> {
        string(envelope.specversion)?;
        let (id, source) = (string(envelope.id)?, string(envelope.source)?);
        let (kind, time) = (string(envelope.kind)?, string(envelope.time));
        let (id, source, kind) = (id.into_owned(), source.into_owned(), kind.into_owned());
        let request = string(envelope.requestid).map(Into::into);
        Some(CloudEvent {
            source,
            id,
            request,
            kind,
            time: time.map(Into::into).filter(|own: &String| is_time(own)),
        })
    }

    /// What tells it from all others. KServe gives a question and its answer one id, and two types.
    fn key(&self) -> String {
        serde_json::to_string(&[&self.source, &self.id, &self.kind]).expect("texts can be written")
    }

    /// What a request and its response are both known by.
    fn exchange(&self) -> String {
        self.request.clone().unwrap_or_else(|| self.id.clone())
    }

    /// Whether it carries what a model answered.
    fn is_response(&self) -> bool {
        self.kind.rsplit('.').next() == Some("response")
    }

    /// The event with the rows that it carries.
    pub(super) fn open(
        self,
        envelope: &Envelope<'_>,
        context: &BodyContext,
    ) -> Result<Event, BodyFault> {
        let content_type = string(envelope.datacontenttype).unwrap_or_default();
        let carried = match (envelope.data, string(envelope.data_base64)) {
            (_, Some(encoded)) => BASE64_STANDARD
                .decode(encoded.trim())
                .map_err(|error| BodyFault::Malformed(format!("data_base64: {error}")))?,
            (Some(data), None) => match string(Some(data)) {
                // A text, such as CSV, or JSON in JSON.
                Some(text) => text.into_owned().into_bytes(),
                None => data.get().as_bytes().to_vec(),
            },
            (None, None) => return Err(BodyFault::Malformed("an event without data".to_owned())),
        };
        let content_type = content_type.to_ascii_lowercase();
        self.carry(carried, &BodyContext { content_type, json_bytes: None, ..context.clone() })
    }

    /// The event with the rows of these bytes.
    pub fn carry(self, carried: Vec<u8>, context: &BodyContext) -> Result<Event, BodyFault> {
        let (id, happened) = (Some(self.key()), self.time.clone());
        let exchange = Some(self.exchange());
        if self.is_response() {
            let rows = EventRows::Response(response_rows(carried, context));
            return Ok(Event { id, exchange, happened, rows });
        }
        let first = context.first_of(happened.as_deref());
        let context = BodyContext { is_inside_event: true, first, ..context.clone() };
        let mut carried = events(carried, &context)?;
        let rows = match carried.as_slice() {
            [_] => carried.remove(0).rows,
            _ => EventRows::Lines(lines_of(carried, &context)?),
        };
        Ok(Event { id, exchange, happened, rows })
    }
}
