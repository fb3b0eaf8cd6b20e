//! Records of KServe's log store: requests and responses, each in base64 beside what is known of
//! it.
//!
//! Written as JSON, as CSV or as Parquet. A request and its response have one id, and are in files
//! of their own unless the logger makes batches.

use super::arrow_body::{form, table};
use super::event_lines::lines_of;
use super::raw_json::{elements, string};
use super::response::response_rows;
use super::row_lines::RowLines;
use super::{BodyContext, BodyFault, TableForm, events};
use crate::monitor::table::{Table, rows};
use crate::profile::texts::names;
use crate::telemetry::RejectReason;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use csv::ReaderBuilder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The names of what is read of a record; only JSON has the time.
const COLUMNS: [&str; 4] = ["bytes", "reqType", "id", "occurrenceTime"];

/// Bytes of the texts of a column in a row group, at most.
const TEXTS_BYTES_MAX: usize = 256 << 20;

/// A request or a response.
struct Record {
    bytes: Option<String>,
    kind: Option<String>,
    id: Option<String>,
    happened: Option<String>,
}

/// The rows of the requests in a log, each with what was answered where the log has it.
pub fn logged(text: Vec<u8>, context: &BodyContext) -> Result<Vec<RowLines>, BodyFault> {
    let records = match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => json(&text)?,
        _ if form(&text) == Some(TableForm::Parquet) => parquet(text)?,
        _ => csv(&text)?,
    };
    let responses = records.iter().flatten().filter(|own| own.is_response());
    let responses: HashMap<&str, &Record> =
        responses.filter_map(|own| Some((own.id.as_deref()?, own))).collect();
    // A response stands beside its request, or nowhere.
    let requests = records.iter().filter(|own| !own.as_ref().is_some_and(Record::is_response));
    let rows = requests.map(|own| match own {
        Some(own) => {
            let response = own.id.as_deref().and_then(|id| responses.get(id).copied());
            request(own, response, context)
        }
        None => rejected(RejectReason::NotAnObject, "a record that is none", context),
    });
    Ok(rows.collect())
}

/// One record is an object, several are an array.
fn json(text: &[u8]) -> Result<Vec<Option<Record>>, BodyFault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields<'a> {
        #[serde(borrow)]
        bytes: Option<&'a RawValue>,
        #[serde(borrow)]
        req_type: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        occurrence_time: Option<&'a RawValue>,
    }
    let text = std::str::from_utf8(text).map_err(malformed)?;
    let all: &RawValue = serde_json::from_str(text).map_err(malformed)?;
    let records = if all.get().starts_with('[') { elements(all)? } else { vec![all] };
    let record = |own: &RawValue| {
        let text = |own: Option<&RawValue>| string(own).map(Into::into);
        let own = serde_json::from_str::<Fields<'_>>(own.get()).ok()?;
        let (bytes, kind, id) = (text(own.bytes), text(own.req_type), text(own.id));
        Some(Record { bytes, kind, id, happened: text(own.occurrence_time) })
    };
    Ok(records.into_iter().map(record).collect())
}

fn csv(text: &[u8]) -> Result<Vec<Option<Record>>, BodyFault> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
    let header = reader.headers().map_err(malformed)?.clone();
    let places = COLUMNS.map(|name| header.iter().position(|own| own == name));
    refuse_others(places[0].is_some())?;
    let mut records = Vec::new();
    for own in reader.records() {
        let own = own.map_err(malformed)?;
        let field = |place: Option<usize>| own.get(place?).map(str::to_owned);
        records.push(Some(Record::of(places.map(field))));
    }
    Ok(records)
}

fn parquet(text: Vec<u8>) -> Result<Vec<Option<Record>>, BodyFault> {
    let table = table(TableForm::Parquet, text)?.table;
    let columns = COLUMNS.map(|name| table.schema().index_of(name).ok());
    refuse_others(columns[0].is_some())?;
    let mut records = Vec::new();
    for row_group in 0..table.row_groups().len() {
        let mut fields = [const { Vec::new() }; 4];
        for (column, fields) in columns.iter().zip(&mut fields) {
            if let Some(column) = column {
                read_texts(&*table, row_group, *column, fields)?;
            }
        }
        for row in 0..table.row_groups()[row_group] as usize {
            let fields = fields.each_mut().map(|own| own.get_mut(row).and_then(Option::take));
            records.push(Some(Record::of(fields)));
        }
    }
    debug_assert_eq!(records.len() as u64, rows(&*table));
    Ok(records)
}

fn read_texts(
    table: &dyn Table,
    row_group: usize,
    column: usize,
    texts: &mut Vec<Option<String>>,
) -> Result<(), BodyFault> {
    let mut bytes = 0;
    for block in table.read(row_group, column).map_err(malformed)? {
        let values = block.map_err(malformed)?.by_row();
        let begun = texts.len();
        texts.resize(begun + values.len(), None);
        names(&*values, &mut |row, name| {
            bytes += name.map_or(0, <[u8]>::len);
            // What is one text in the file may be that of every row.
            let name = name.filter(|_| bytes <= TEXTS_BYTES_MAX);
            texts[begun + row] = name.map(|own| String::from_utf8_lossy(own).into_owned());
        });
        if bytes > TEXTS_BYTES_MAX {
            let text = format!("a row group of more than {TEXTS_BYTES_MAX} bytes of text");
            return Err(BodyFault::TooLarge(text));
        }
    }
    Ok(())
}

fn refuse_others(is_log: bool) -> Result<(), BodyFault> {
    match is_log {
        true => Ok(()),
        false => Err(BodyFault::Unknown("no log of KServe: it has no column \"bytes\"".to_owned())),
    }
}

fn malformed(error: impl ToString) -> BodyFault {
    BodyFault::Malformed(error.to_string())
}

impl Record {
    fn of([bytes, kind, id, happened]: [Option<String>; 4]) -> Record {
        Record { bytes, kind, id, happened }
    }

    /// Both `response` and the whole type of the event are seen.
    fn is_response(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.rsplit('.').next() == Some("response"))
    }

    fn body(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.bytes.as_ref()?.trim()).ok()
    }
}

fn rejected(reason: RejectReason, text: &str, context: &BodyContext) -> RowLines {
    let mut none = RowLines::new(context);
    none.reject(reason, text.as_bytes());
    none
}

fn request(own: &Record, response: Option<&Record>, context: &BodyContext) -> RowLines {
    let Some(body) = own.body() else {
        let text = own.bytes.as_deref().unwrap_or("a record without bytes");
        return rejected(RejectReason::Malformed, text, context);
    };
    let first = context.first_of(own.happened.as_deref());
    let context = BodyContext { first, ..context.clone() };
    match events(body, &context).and_then(|events| lines_of(events, &context)) {
        Ok(rows) => match response.and_then(Record::body) {
            Some(body) => rows.with_response(response_rows(body, &context)),
            None => rows,
        },
        Err(fault) => rejected(RejectReason::Malformed, fault.text(), &context),
    }
}
