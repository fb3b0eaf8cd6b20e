//! Rows whose values come in an order, or whose columns come one by one.

use super::raw_json::{elements, string};
use super::row_lines::{QuotedName, RowLines};
use super::{BodyContext, BodyFault};
use crate::telemetry::RejectReason;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Rows of KServe's V1 and of whoever sends as it does: objects, lists of values, or single ones.
pub fn instances(all: &[&RawValue], context: &BodyContext) -> Result<RowLines, BodyFault> {
    let names = QuotedName::all(&*context.names);
    let mut rows = RowLines::new(context);
    for own in all {
        match own.get().as_bytes().first() {
            Some(b'[') => push_list(&mut rows, &names, own)?,
            Some(b'{') => match only_list(own).filter(|_| !names.is_empty()) {
                Some(list) => push_list(&mut rows, &names, list)?,
                None => rows.push(own.get().as_bytes())?,
            },
            _ if names.len() == 1 => rows.push_values(&names, [own.get()])?,
            _ => rows.reject(RejectReason::NotAnObject, own.get().as_bytes()),
        }
    }
    Ok(rows)
}

/// The list of an object that has nothing else, such as `{"features": [1, 2]}`.
fn only_list(object: &RawValue) -> Option<&RawValue> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).ok()?;
    let mut members = members.into_values();
    let list = members.next().filter(|own| own.get().starts_with('['));
    list.filter(|_| members.next().is_none())
}

fn push_list(rows: &mut RowLines, names: &[QuotedName], list: &RawValue) -> Result<(), BodyFault> {
    let values = elements(list)?;
    if names.is_empty() || names.len() != values.len() {
        let reason = match names.is_empty() {
            true => RejectReason::Unnamed,
            false => RejectReason::WrongShape,
        };
        rows.reject(reason, list.get().as_bytes());
        return Ok(());
    }
    rows.push_values(names, values.into_iter().map(RawValue::get))
}

/// Each element is a row, as MLflow's `dataframe_records`.
pub fn records(all: &[&RawValue], context: &BodyContext) -> Result<RowLines, BodyFault> {
    let mut rows = RowLines::new(context);
    for own in all {
        rows.push(own.get().as_bytes())?;
    }
    Ok(rows)
}

/// MLflow's `dataframe_split`: names once, and lists of values.
pub fn split_frame(frame: &RawValue, context: &BodyContext) -> Result<RowLines, BodyFault> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, default)]
        columns: Vec<&'a RawValue>,
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    let frame: Frame<'_> = serde_json::from_str(frame.get())
        .map_err(|error| BodyFault::Malformed(format!("dataframe_split: {error}")))?;
    let name = |own: &RawValue| match string(Some(own)) {
        Some(text) => text.into_owned(),
        None => own.get().to_owned(),
    };
    let names: Vec<String> = frame.columns.into_iter().map(name).collect();
    lists(&frame.data, &names, context)
}

/// Seldon's message: `ndarray` or `tensor`, with names or without. None when it is neither.
pub fn seldon(data: &RawValue, context: &BodyContext) -> Result<Option<RowLines>, BodyFault> {
    #[derive(Deserialize)]
    struct Tensor<'a> {
        shape: Vec<usize>,
        #[serde(borrow)]
        values: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(default)]
        names: Vec<String>,
        #[serde(borrow)]
        ndarray: Option<Vec<&'a RawValue>>,
        #[serde(borrow)]
        tensor: Option<Tensor<'a>>,
    }
    let Ok(data) = serde_json::from_str::<Data<'_>>(data.get()) else { return Ok(None) };
    match data {
        Data { names, ndarray: Some(all), .. } => {
            let is_matrix = all.first().is_none_or(|first| first.get().starts_with('['));
            if is_matrix {
                return lists(&all, &names, context).map(Some);
            }
            one_list(&all, &names, context).map(Some)
        }
        Data { names, tensor: Some(Tensor { shape, values }), .. } => {
            let width = match shape.as_slice() {
                [_] | [1, _] => values.len(),
                [_, rest @ ..] => rest.iter().product(),
                [] => 0,
            };
            let product = shape.iter().try_fold(1_usize, |all, own| all.checked_mul(*own));
            let mut rows = RowLines::new(context);
            if product != Some(values.len()) || width == 0 {
                rows.reject(RejectReason::WrongShape, b"tensor");
                return Ok(Some(rows));
            }
            let names = names_for(&names, context);
            for row in values.chunks(width) {
                push_row(&mut rows, &names, row)?;
            }
            Ok(Some(rows))
        }
        Data { .. } => Ok(None),
    }
}

/// The names that came, or those that are configured: of a response these, where there are as many,
/// since a server calls its outputs as it likes.
fn names_for(names: &[String], context: &BodyContext) -> Vec<QuotedName> {
    let is_renamed = context.is_response && context.names.len() == names.len();
    QuotedName::all(if names.is_empty() || is_renamed { &context.names } else { names })
}

fn lists(
    all: &[&RawValue],
    names: &[String],
    context: &BodyContext,
) -> Result<RowLines, BodyFault> {
    let names = names_for(names, context);
    let mut rows = RowLines::new(context);
    for own in all {
        match own.get().starts_with('[') {
            true => push_list(&mut rows, &names, own)?,
            false => rows.reject(RejectReason::WrongShape, own.get().as_bytes()),
        }
    }
    Ok(rows)
}

fn one_list(
    values: &[&RawValue],
    names: &[String],
    context: &BodyContext,
) -> Result<RowLines, BodyFault> {
    let mut rows = RowLines::new(context);
    let names = names_for(names, context);
    // What was answered by one value is so for each row.
    let width = if context.is_response && names.len() == 1 { 1 } else { values.len().max(1) };
    for row in values.chunks(width) {
        push_row(&mut rows, &names, row)?;
    }
    Ok(rows)
}

fn push_row(
    rows: &mut RowLines,
    names: &[QuotedName],
    values: &[&RawValue],
) -> Result<(), BodyFault> {
    match names.len() {
        0 => rows.reject(RejectReason::Unnamed, b""),
        n if n != values.len() => rows.reject(RejectReason::WrongShape, b""),
        _ => return rows.push_values(names, values.iter().map(|value| value.get())),
    }
    Ok(())
}

/// Columns by name, each a list of values, as TensorFlow Serving's `inputs`. Single values are one
/// row.
pub fn columns(inputs: &RawValue, context: &BodyContext) -> Result<RowLines, BodyFault> {
    let by_name: BTreeMap<String, &RawValue> = serde_json::from_str(inputs.get())
        .map_err(|error| BodyFault::Malformed(format!("inputs: {error}")))?;
    let names = QuotedName::all(by_name.keys());
    let mut lists = Vec::new();
    for value in by_name.into_values() {
        lists.push(if value.get().starts_with('[') { elements(value)? } else { vec![value] });
    }
    let mut rows = RowLines::new(context);
    let n_rows = lists.first().map_or(0, Vec::len);
    if lists.iter().any(|list| list.len() != n_rows) {
        rows.reject(RejectReason::WrongShape, inputs.get().as_bytes());
        return Ok(rows);
    }
    for row in 0..n_rows {
        rows.push_values(&names, lists.iter().map(|list| only_value(list[row])))?;
    }
    Ok(rows)
}

/// Of `[x]` x, which is how a column with a second dimension of one is written.
fn only_value(value: &RawValue) -> &str {
    match serde_json::from_str::<[&RawValue; 1]>(value.get()) {
        Ok([only]) => only.get(),
        Err(_) => value.get(),
    }
}
