//! Requests of the Open Inference protocol, which is KServe's V2 and Triton's: named tensors,
//! whose first dimension is the rows.

use super::binary_tensor::BinaryTensor;
use super::raw_json::{elements, string};
use super::row_lines::{QuotedName, RowLines};
use super::{BodyContext, BodyFault};
use crate::telemetry::RejectReason;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Lists in lists of a tensor, at most.
const DIMENSIONS_MAX: usize = 16;

/// The tensors of a request or a response, and the bytes behind it: those that are not written as
/// JSON.
pub struct Tensors<'a> {
    pub all: &'a RawValue,
    pub tail: &'a [u8],
}

/// Whether the elements of `inputs` are tensors, and not rows.
pub fn are_tensors(inputs: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        datatype: Option<&'a RawValue>,
    }
    let all: Result<Vec<Typed<'_>>, _> = serde_json::from_str(inputs.get());
    all.is_ok_and(|all| all.iter().any(|own| own.datatype.is_some()))
}

/// Whether bytes of them follow.
pub fn has_binary_tensors(all: &RawValue) -> bool {
    let all: Result<Vec<Tensor<'_>>, _> = serde_json::from_str(all.get());
    all.is_ok_and(|all| all.iter().any(|own| own.binary_bytes().is_some()))
}

#[derive(Deserialize)]
struct Tensor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<Dimension>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    /// As gRPC's messages are written: `{"fp32Contents": [1, 2]}`.
    #[serde(borrow)]
    contents: Option<BTreeMap<String, &'a RawValue>>,
    parameters: Option<Parameters>,
}

impl Tensor<'_> {
    fn binary_bytes(&self) -> Option<usize> {
        self.parameters.as_ref()?.binary_data_size
    }
}

/// JSON of gRPC's messages has strings for numbers of 64 bits.
#[derive(Deserialize)]
#[serde(untagged)]
enum Dimension {
    Number(u64),
    Text(String),
}

#[derive(Default, Deserialize)]
struct Parameters {
    binary_data_size: Option<usize>,
}

/// The values of a tensor in the order of its rows, and how many each row has.
struct Flat<'a> {
    name: Cow<'a, str>,
    values: FlatValues<'a>,
    rows: usize,
    width: usize,
}

/// Values that are written as JSON when their row is, and not before: a byte would be many.
enum FlatValues<'a> {
    Json(Vec<&'a RawValue>),
    Texts(Vec<String>),
    Binary(BinaryTensor<'a>),
}

impl FlatValues<'_> {
    fn len(&self) -> usize {
        match self {
            FlatValues::Json(values) => values.len(),
            FlatValues::Texts(values) => values.len(),
            FlatValues::Binary(tensor) => tensor.len(),
        }
    }

    fn value(&self, place: usize) -> Cow<'_, str> {
        match self {
            FlatValues::Json(values) => values[place].get().into(),
            FlatValues::Texts(values) => values[place].as_str().into(),
            FlatValues::Binary(tensor) => tensor.json(place).into(),
        }
    }
}

/// The rows that tensors hold.
pub fn open_inference(tensors: Tensors<'_>, context: &BodyContext) -> Result<RowLines, BodyFault> {
    let key = if context.is_response { "outputs" } else { "inputs" };
    let all: Vec<Tensor<'_>> = serde_json::from_str(tensors.all.get())
        .map_err(|error| BodyFault::Malformed(format!("{key}: {error}")))?;
    let mut rows = RowLines::new(context);
    let mut tail = tensors.tail;
    let mut flat = Vec::new();
    for tensor in all {
        let name = tensor.name.clone();
        match flatten(tensor, &mut tail)? {
            Some(own) => flat.push(own),
            None => {
                rows.reject(RejectReason::WrongShape, name.as_bytes());
                return Ok(rows);
            }
        }
    }
    if !tail.is_empty() {
        return Err(BodyFault::Malformed("bytes follow that are no tensor's".to_owned()));
    }
    let n_rows = flat.first().map_or(0, |first| first.rows);
    if flat.iter().any(|own| own.rows != n_rows) {
        rows.reject(RejectReason::WrongShape, key.as_bytes());
        return Ok(rows);
    }
    let width: usize = flat.iter().map(|own| own.width).sum();
    // What a model answers has names that its server chose, which are those of nothing else.
    let is_named = context.is_response && context.names.len() == width;
    let names: Vec<&str> = match flat.iter().all(|own| own.width == 1) && !is_named {
        true => flat.iter().map(|own| &*own.name).collect(),
        false => context.names.iter().map(String::as_str).collect(),
    };
    if names.len() != width {
        let reason =
            if names.is_empty() { RejectReason::Unnamed } else { RejectReason::WrongShape };
        (0..n_rows).for_each(|_| rows.reject(reason, key.as_bytes()));
        return Ok(rows);
    }
    let names = QuotedName::all(names);
    for row in 0..n_rows {
        let places = |own: &Flat<'_>| row * own.width..(row + 1) * own.width;
        let values = flat.iter().flat_map(|own| places(own).map(|place| own.values.value(place)));
        rows.push_values(&names, values)?;
    }
    Ok(rows)
}

/// None when there are not as many values as the shape says, or none.
fn flatten<'a>(tensor: Tensor<'a>, tail: &mut &'a [u8]) -> Result<Option<Flat<'a>>, BodyFault> {
    let binary_bytes = tensor.binary_bytes();
    let Tensor { name, shape, datatype, data, contents, .. } = tensor;
    let values = match (binary_bytes, data, contents) {
        (Some(size), ..) => {
            let Some((own, rest)) = tail.split_at_checked(size) else {
                return Err(BodyFault::Malformed("a tensor is not there whole".to_owned()));
            };
            *tail = rest;
            let tensor = BinaryTensor::new(own, &datatype);
            FlatValues::Binary(tensor.ok_or_else(|| {
                BodyFault::Malformed(format!("no tensor of type {datatype:.20?}"))
            })?)
        }
        (None, Some(data), _) => FlatValues::Json(flat(data, DIMENSIONS_MAX)?),
        (None, None, Some(contents)) => {
            // Whoever prints defaults prints the other types as empty lists.
            let mut all = Vec::new();
            for own in contents.into_values() {
                all.extend(flat(own, DIMENSIONS_MAX)?);
            }
            of_protobuf(all, &datatype)
        }
        (None, None, None) => FlatValues::Json(Vec::new()),
    };
    let size = |own: &Dimension| match own {
        Dimension::Number(size) => usize::try_from(*size).ok(),
        Dimension::Text(size) => size.parse().ok(),
    };
    let Some(shape) = shape.iter().map(size).collect::<Option<Vec<usize>>>() else {
        return Ok(None);
    };
    let product = shape.iter().try_fold(1_usize, |all, own| all.checked_mul(*own));
    let rows = shape.first().copied().unwrap_or(1);
    if product != Some(values.len()) || values.len() == 0 {
        return Ok(None);
    }
    let width = values.len() / rows;
    Ok(Some(Flat { name, values, rows, width }))
}

/// The values of lists in lists.
fn flat(data: &RawValue, dimensions: usize) -> Result<Vec<&RawValue>, BodyFault> {
    if !data.get().starts_with('[') {
        return Ok(vec![data]);
    }
    let all = elements(data)?;
    if !all.iter().any(|own| own.get().starts_with('[')) {
        return Ok(all);
    }
    if dimensions == 0 {
        return Err(BodyFault::Malformed(format!("more than {DIMENSIONS_MAX} dimensions")));
    }
    let mut values = Vec::new();
    for own in all {
        values.extend(flat(own, dimensions - 1)?);
    }
    Ok(values)
}

/// Protobuf writes integers of 64 bits as strings, and bytes in base64.
fn of_protobuf<'a>(values: Vec<&'a RawValue>, datatype: &str) -> FlatValues<'a> {
    let text = |own: &RawValue| {
        let text = string(Some(own))?;
        match datatype {
            "BYTES" => {
                let bytes = BASE64_STANDARD.decode(text.as_bytes()).ok()?;
                Some(Value::from(String::from_utf8_lossy(&bytes)).to_string())
            }
            "INT64" | "UINT64" => Some(text.into_owned()),
            _ => None,
        }
    };
    match datatype {
        "BYTES" | "INT64" | "UINT64" => FlatValues::Texts(
            values.iter().map(|own| text(own).unwrap_or_else(|| own.get().to_owned())).collect(),
        ),
        _ => FlatValues::Json(values),
    }
}
