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
    /// What it has in common with its other side.
    exchange: String,
    kind: String,
    time: Option<String>,
}

/// It is kept beside each of the rows: what is no time is left out.
fn is_time(text: &str) -> bool {
    text.len() <= TIME_BYTES_MAX && instants::parse(text, None).is_some()
}

/// What a request and its response have in common. KServe gives both one id, and Seldon that of the
/// request; the nodes of a graph, which log the same, are told apart by what they are.
fn exchange(source: &str, id: &str, attribute: impl Fn(&str) -> Option<String>) -> String {
    let own = |name: &str| attribute(name).filter(|own| !own.is_empty());
    let request = own("requestid").unwrap_or_else(|| id.to_owned());
    let place = ["modelid", "component", "endpoint"].map(|name| own(name).unwrap_or_default());
    serde_json::to_string(&(source, request, place)).expect("texts can be written")
}

impl CloudEvent {
    /// Of a binary event, whose context is in headers; none where there is none.
    pub fn binary(header: impl Fn(&str) -> Option<String>) -> Option<CloudEvent> {
        let (id, source) = (header("ce-id")?, header("ce-source").unwrap_or_default());
        let kind = header("ce-type").unwrap_or_default();
        let exchange = exchange(&source, &id, |name| header(&format!("ce-{name}")));
        Some(CloudEvent {
            source,
            id,
            exchange,
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
        let exchange = exchange(&source, &id, |name| {
            let value = match name {
                "requestid" => envelope.requestid,
                "modelid" => envelope.modelid,
                "component" => envelope.component,
                _ => envelope.endpoint,
            };
            string(value).map(Into::into)
        });
        Some(CloudEvent {
            source,
            id,
            exchange,
            kind,
            time: time.map(Into::into).filter(|own: &String| is_time(own)),
        })
    }

    /// What tells it from all others. KServe gives a request and its response one id and two
    /// types.
    fn key(&self) -> String {
        serde_json::to_string(&[&self.source, &self.id, &self.kind]).expect("texts can be written")
    }

    /// Which side of an inference it is, as the end of its type says.
    fn is(&self, side: &str) -> bool {
        self.kind.rsplit('.').next() == Some(side)
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
        if self.is("response") {
            let rows = EventRows::Response(response_rows(carried, context));
            return Ok(Event { id, exchange: Some(self.exchange), happened, rows });
        }
        let first = context.first_of(happened.as_deref());
        let context = BodyContext { is_inside_event: true, first, ..context.clone() };
        let mut carried = events(carried, &context)?;
        let rows = match carried.as_slice() {
            [_] => carried.remove(0).rows,
            _ => EventRows::Lines(lines_of(carried, &context)?),
        };
        // Of what was answered already nothing is to come.
        let is_answered = matches!(&rows, EventRows::Lines(lines) if lines.are_answered);
        let waits = !is_answered && self.is("request");
        Ok(Event { id, exchange: waits.then_some(self.exchange), happened, rows })
    }
}
