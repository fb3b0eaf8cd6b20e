//! What a message holds: rows, in the dress of whoever wrote them.

use crate::format::line_schema::LineSchema;
use crate::format::payload::{BodyContext, BodyFault, CloudEvent, Event, EventRows, events};
use crate::settings::Settings;
use crate::source::stream::LINE_BYTES_MAX;
use crate::source::value_names::value_names;
use crate::time::Timestamp;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// Bytes that the rows of a message take as lines: names are written for each row.
const LINES_BYTES_MAX: usize = 128 << 20;

/// What CloudEvents call their headers, here and in HTTP.
const CLOUD_EVENT: (&str, &str) = ("ce_", "ce-");

/// Reads messages.
#[derive(Clone)]
pub struct MessageReader {
    context: BodyContext,
    /// The column that a key is.
    key: Option<String>,
    time_header: Option<String>,
    /// The column that the time of a message is, in rows that lack it; none where nobody asks.
    time: Option<String>,
}

impl MessageReader {
    pub fn of(settings: &Settings) -> MessageReader {
        let names = value_names(settings);
        let line_bytes_max = settings.integer(LINE_BYTES_MAX.name) as usize;
        let text = |key: &str| Some(settings.text(key).to_owned()).filter(|text| !text.is_empty());
        MessageReader {
            context: BodyContext::new(&names, line_bytes_max, LINES_BYTES_MAX),
            key: text("key"),
            time_header: text("time_header"),
            time: None,
        }
    }

    /// The same for rows of which these columns are read.
    pub fn for_schema(self, schema: &LineSchema) -> MessageReader {
        MessageReader { time: schema.time().map(str::to_owned), ..self }
    }

    /// The rows of a message; none of one that only says that a key is gone.
    pub fn read(&self, message: &BorrowedMessage<'_>) -> Result<Vec<Event>, BodyFault> {
        let Some(payload) = message.payload() else { return Ok(Vec::new()) };
        let header = |name: &str| header(message, name);
        let key = message.key().map(String::from_utf8_lossy);
        let said = self.time_header.as_deref().and_then(header);
        let written = || message.timestamp().to_millis().map(|ms| Timestamp(ms * 1_000));
        let time = self.time.as_ref().and_then(|_| said.or_else(|| Some(written()?.to_string())));
        let key = self.key.as_deref().zip(key.as_deref());
        let values = key.into_iter().chain(self.time.as_deref().zip(time.as_deref()));
        let mut context = self.context.with_values(values);
        // An event knows its time better.
        context.time_column.clone_from(&self.time);
        context.content_type = header("content-type").unwrap_or_default().to_ascii_lowercase();
        let event = CloudEvent::binary(|name| {
            header(&name.replacen(CLOUD_EVENT.1, CLOUD_EVENT.0, 1)).or_else(|| header(name))
        });
        let body = payload.to_vec();
        let read = match event {
            Some(event) => vec![event.carry(body, &context)?],
            None => events(body, &context)?,
        };
        let is_table = |own: &Event| matches!(own.rows, EventRows::Table(_));
        if read.len() > 1 && read.iter().any(is_table) {
            // Its offset is that of all of them together.
            return Err(BodyFault::Malformed("a message has one table or none".to_owned()));
        }
        Ok(read)
    }
}

/// The text of a header, whatever the case of its name.
fn header(message: &BorrowedMessage<'_>, name: &str) -> Option<String> {
    let mut headers = message.headers()?.iter();
    let found = headers.find(|own| own.key.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value?).ok().map(str::to_owned)
}
