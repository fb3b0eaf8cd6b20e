//! What a request holds: rows, in the dress of whoever sends them.
//!
//! Whatever is JSON becomes lines of JSON, one object for each row, so that all that follows
//! knows one form. CSV becomes lines whose values are strings. Arrow and Parquet are tables as
//! they are. What a body is, its first bytes tell, since senders name it wrongly: KServe logs an
//! response under the content type of its request, and `curl -d` calls everything a form.
//!
//! | body | rows |
//! |---|---|
//! | objects by line, an array of objects | each object |
//! | `instances`, `inputs` (KServe V1, TensorFlow Serving, MLflow) | each element, or each index of columns |
//! | `inputs` with `datatype` (Open Inference, KServe V2, Triton) | each index of the first dimension |
//! | `dataframe_split`, `dataframe_records` (MLflow) | each record |
//! | `data.ndarray`, `data.tensor` (Seldon) | each row of the matrix |
//! | CloudEvents: binary, structured, batch | those of what they carry |
//! | `predictions`, `outputs` beside or in a response of their own | values of the rows that were asked for |
//! | CSV with a header | each record |
//! | Arrow IPC, Parquet | each row |

mod arrow_body;
mod binary_tensor;
mod budget;
mod cloud_event;
mod csv_body;
mod envelope;
mod event_lines;
mod joined_lines;
mod json_body;
mod kserve_log;
mod matrix;
mod raw_json;
mod response;
mod row_lines;
mod sagemaker;
mod tensors;
mod unpack;

pub use arrow_body::table;
pub use cloud_event::CloudEvent;
pub use csv_body::CsvRows;
pub use event_lines::lines_of;
pub use joined_lines::joined;
pub use kserve_log::logged;
pub use row_lines::{RejectedRow, RowLines};
pub use sagemaker::captured;
pub use unpack::{Packing, unpack};

use crate::format::line_split::full_lines;
use crate::monitor::table::{Table, rows};
use crate::telemetry::RejectReason;
use budget::Budget;
use serde_json::Value;
use std::sync::Arc;

/// Names of values that come without, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueNames {
    pub requests: Vec<String>,
    /// None where responses are left out.
    pub responses: Option<Vec<String>>,
}

/// What is known of a body besides its bytes.
#[derive(Debug, Clone, Default)]
pub struct BodyContext {
    /// Names of values that come without, in their order.
    pub names: Arc<[String]>,
    /// The same of what a model answers; none where its responses are left out.
    pub response_names: Option<Arc<[String]>>,
    /// Bytes of a row, at most.
    pub line_bytes_max: usize,
    budget: Budget,
    /// As the sender calls it, in lower case; empty where it does not.
    pub content_type: String,
    /// Bytes of its JSON, where others follow (Triton's tensors).
    pub json_bytes: Option<usize>,
    /// The column that the time of an event is written to, in rows that lack it; none where
    /// whoever reads them does that.
    pub time_column: Option<String>,
    /// Written first in each row, so that the row's own values hold: a member of an object of JSON,
    /// with a comma behind it.
    first: Option<String>,
    /// An event carries no events.
    is_inside_event: bool,
    /// It is what a model answered.
    is_response: bool,
}

impl BodyContext {
    /// For rows of so many bytes each, and all together.
    pub fn new(names: &ValueNames, line_bytes_max: usize, bytes_max: usize) -> BodyContext {
        let ValueNames { requests, responses } = names.clone();
        BodyContext {
            names: requests.into(),
            response_names: responses.map(Into::into),
            line_bytes_max,
            budget: Budget::new(bytes_max),
            ..BodyContext::default()
        }
    }

    /// The same for another body.
    pub fn renewed(&self) -> BodyContext {
        BodyContext { budget: Budget::new(self.budget.most), ..self.clone() }
    }

    /// The same for a body whose rows all have these values, unless they have others of their own.
    pub fn with_values<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> BodyContext {
        let mut first = String::new();
        for (name, value) in values {
            first += &format!("{}:{},", Value::from(name), Value::from(value));
        }
        BodyContext { first: Some(first).filter(|own| !own.is_empty()), ..self.renewed() }
    }

    /// The same for what a model answered, whose values stand beside those of a request.
    fn for_response(&self) -> BodyContext {
        BodyContext {
            names: self.response_names.clone().unwrap_or_default(),
            is_response: true,
            is_inside_event: true,
            time_column: None,
            first: None,
            ..self.clone()
        }
    }

    /// What is written first in rows that happened then: their time, for the column that they may
    /// lack it in, behind what is written anyway.
    fn first_of(&self, time: Option<&str>) -> Option<String> {
        let Some((column, time)) = self.time_column.as_deref().zip(time) else {
            return self.first.clone();
        };
        let first = self.first.as_deref().unwrap_or_default();
        Some(format!("{first}{}:{},", Value::from(column), Value::from(time)))
    }
}

/// Why a body holds no rows at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFault {
    /// It is not what it seems to be.
    Malformed(String),
    /// Nothing that is known.
    Unknown(String),
    TooLarge(String),
    /// The disk failed, and it may be what it should.
    Disk(String),
}

impl BodyFault {
    /// What is wrong with it.
    pub fn text(&self) -> &str {
        match self {
            BodyFault::Malformed(text)
            | BodyFault::Unknown(text)
            | BodyFault::TooLarge(text)
            | BodyFault::Disk(text) => text,
        }
    }
}

/// The rows that came together.
pub struct Event {
    /// What tells it from all others; none where it has no name.
    pub id: Option<String>,
    /// What a request and its response are both known by.
    pub exchange: Option<String>,
    /// When its rows happened, as it says.
    pub happened: Option<String>,
    pub rows: EventRows,
}

/// Rows in one of their forms.
pub enum EventRows {
    Lines(RowLines),
    Table(TableRows),
    /// What a model answered: values for the rows of a request, and none that count by themselves.
    Response(RowLines),
}

impl EventRows {
    /// Rows that count.
    pub fn n_rows(&self) -> u64 {
        match self {
            EventRows::Lines(lines) => lines.n_rows(),
            EventRows::Table(table) => rows(&*table.table),
            EventRows::Response(_) => 0,
        }
    }

    /// Bytes that they take.
    pub fn size(&self) -> usize {
        match self {
            EventRows::Lines(lines) | EventRows::Response(lines) => lines.lines.len(),
            EventRows::Table(table) => table.size,
        }
    }
}

/// A table, and the bytes that it was read from.
pub struct TableRows {
    pub table: Box<dyn Table + Send>,
    pub form: TableForm,
    pub bytes: Vec<u8>,
    /// Bytes that it takes when it is unpacked, or what holds it open is worth.
    pub size: usize,
}

/// How a table was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableForm {
    Arrow,
    Parquet,
}

impl Event {
    fn of(rows: EventRows) -> Event {
        Event { id: None, exchange: None, happened: None, rows }
    }
}

/// The events that a body holds: one, unless it is a batch of them.
pub fn events(body: Vec<u8>, context: &BodyContext) -> Result<Vec<Event>, BodyFault> {
    if let Some(form) = arrow_body::form(&body) {
        context.budget.spend(arrow_body::least(form))?;
        let rows = table(form, body)?;
        context.budget.spend(rows.size)?;
        return Ok(vec![Event::of(EventRows::Table(rows))]);
    }
    let first = body.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => Err(BodyFault::Malformed("the body is empty".to_owned())),
        Some(b'{' | b'[') => json_body::events(&body, context),
        Some(_) if csv_body::is_csv(&context.content_type) => {
            csv_body::rows(&body, context).map(|rows| vec![Event::of(EventRows::Lines(rows))])
        }
        // Lines of which the first is broken, and another may be none.
        Some(_) if is_json(&context.content_type) || has_object(&body) => {
            let lines = json_body::lines(&body, context)?;
            Ok(vec![Event::of(EventRows::Lines(lines))])
        }
        Some(_) => Err(BodyFault::Unknown(
            "the body is neither JSON, Arrow IPC nor Parquet; CSV is told by the content type \
             text/csv"
                .to_owned(),
        )),
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|own| own.contains("json"))
}

fn has_object(body: &[u8]) -> bool {
    full_lines(body).any(|line| line.starts_with(b"{"))
}

/// What is said of a row that is none.
pub fn explanation(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Malformed => "not JSON",
        RejectReason::NotAnObject => "JSON, but no object of feature names and values",
        RejectReason::TooLong => "longer than line_bytes_max",
        RejectReason::NotUtf8 => "not UTF-8",
        RejectReason::Unnamed => "values without names; give them with the source's key names",
        RejectReason::WrongShape => "not as many values as there are names, or as its shape says",
        RejectReason::BrokenStream => "an Arrow stream that breaks off",
        RejectReason::Uncountable | RejectReason::NotTaken => "it could not be counted",
    }
}
