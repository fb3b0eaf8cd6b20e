//! Requests of the Open Inference protocol, which is KServe's V2 and Triton's: named tensors,
//! whose first dimension is the rows.

use super::json_body::elements;
use super::row_lines::{QuotedName, RowLines};
use super::{BodyContext, BodyFault};
use crate::telemetry::RejectReason;
use half::f16;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Lists in lists of a tensor, at most.
const DIMENSIONS_MAX: usize = 16;

/// A request, and the bytes behind it: tensors that are not written as JSON.
pub struct Tensors<'a> {
    pub body: &'a RawValue,
    pub tail: &'a [u8],
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    inputs: Vec<Tensor<'a>>,
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
    #[serde(default)]
    parameters: Parameters,
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

/// The values of a tensor in the order of its rows, as JSON, and how many each row has.
struct Flat<'a> {
    name: Cow<'a, str>,
    values: Vec<Cow<'a, str>>,
    rows: usize,
    width: usize,
}

/// The rows of a request; none where it is no such request.
pub fn open_inference(
    tensors: Tensors<'_>,
    context: &BodyContext,
) -> Result<Option<RowLines>, BodyFault> {
    let Ok(request) = serde_json::from_str::<Request<'_>>(tensors.body.get()) else {
        return Ok(None);
    };
    let mut rows = RowLines::new(context);
    let mut tail = tensors.tail;
    let mut flat = Vec::new();
    for tensor in request.inputs {
        let name = tensor.name.clone();
        match flatten(tensor, &mut tail)? {
            Some(own) => flat.push(own),
            None => {
                rows.reject(RejectReason::WrongShape, name.as_bytes());
                return Ok(Some(rows));
            }
        }
    }
    let n_rows = flat.first().map_or(0, |first| first.rows);
    if flat.iter().any(|own| own.rows != n_rows) {
        rows.reject(RejectReason::WrongShape, b"inputs");
        return Ok(Some(rows));
    }
    let width: usize = flat.iter().map(|own| own.width).sum();
    let names: Vec<&str> = match flat.iter().all(|own| own.width == 1) {
        true => flat.iter().map(|own| &*own.name).collect(),
        false => context.names.iter().map(String::as_str).collect(),
    };
    if names.len() != width {
        let reason =
            if names.is_empty() { RejectReason::Unnamed } else { RejectReason::WrongShape };
        (0..n_rows).for_each(|_| rows.reject(reason, b"inputs"));
        return Ok(Some(rows));
    }
    let names = QuotedName::all(names);
    for row in 0..n_rows {
        let values = flat.iter().flat_map(|own| &own.values[row * own.width..][..own.width]);
        rows.push_values(&names, values.map(|value| &**value))?;
    }
    Ok(Some(rows))
}

/// None when there are not as many values as the shape says.
fn flatten<'a>(tensor: Tensor<'a>, tail: &mut &[u8]) -> Result<Option<Flat<'a>>, BodyFault> {
    let Tensor { name, shape, datatype, data, contents, parameters } = tensor;
    let values = match parameters.binary_data_size {
        Some(size) => {
            let Some((own, rest)) = tail.split_at_checked(size) else {
                return Err(BodyFault::Malformed(format!("tensor {name:?} is not there whole")));
            };
            *tail = rest;
            binary(own, &datatype)
                .ok_or_else(|| BodyFault::Malformed(format!("tensor {name:?}: {datatype}")))?
        }
        None => {
            let of_contents = || contents.and_then(|own| own.into_values().next());
            let mut values = Vec::new();
            if let Some(data) = data.or_else(of_contents) {
                push_flat(data, DIMENSIONS_MAX, &mut values)?;
            }
            values
        }
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
    if product != Some(values.len()) || rows == 0 {
        return Ok(None);
    }
    let width = values.len() / rows;
    Ok(Some(Flat { name, values, rows, width }))
}

/// Appends the values of lists in lists.
fn push_flat<'a>(
    data: &'a RawValue,
    dimensions: usize,
    values: &mut Vec<Cow<'a, str>>,
) -> Result<(), BodyFault> {
    if !data.get().starts_with('[') {
        values.push(data.get().into());
        return Ok(());
    }
    if dimensions == 0 {
        return Err(BodyFault::Malformed(format!("more than {DIMENSIONS_MAX} dimensions")));
    }
    elements(data)?.into_iter().try_for_each(|own| push_flat(own, dimensions - 1, values))
}

/// Values in the order and the bytes of the protocol, which are those of the machine that sends:
/// little-endian. None of a type that is not known, or where they are not whole.
fn binary<'a>(bytes: &[u8], datatype: &str) -> Option<Vec<Cow<'a, str>>> {
    macro_rules! fixed {
        ($type:ty, $json:expr) => {{
            let (whole, rest) = bytes.as_chunks::<{ size_of::<$type>() }>();
            let json = $json;
            let values = whole.iter().map(|own| json(<$type>::from_le_bytes(*own)));
            rest.is_empty().then(|| values.map(Cow::Owned).collect())
        }};
    }
    match datatype {
        "BOOL" => fixed!(u8, |own: u8| (own != 0).to_string()),
        "UINT8" => fixed!(u8, |own: u8| own.to_string()),
        "UINT16" => fixed!(u16, |own: u16| own.to_string()),
        "UINT32" => fixed!(u32, |own: u32| own.to_string()),
        "UINT64" => fixed!(u64, |own: u64| own.to_string()),
        "INT8" => fixed!(i8, |own: i8| own.to_string()),
        "INT16" => fixed!(i16, |own: i16| own.to_string()),
        "INT32" => fixed!(i32, |own: i32| own.to_string()),
        "INT64" => fixed!(i64, |own: i64| own.to_string()),
        "FP16" => fixed!(f16, |own: f16| float(own.to_f64())),
        "FP32" => fixed!(f32, |own: f32| float(own.into())),
        "FP64" => fixed!(f64, float),
        "BYTES" => texts(bytes),
        _ => None,
    }
}

fn float(value: f64) -> String {
    match value {
        _ if value.is_nan() => "\"NaN\"".to_owned(),
        f64::INFINITY => "\"Infinity\"".to_owned(),
        f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
        _ => Value::from(value).to_string(),
    }
}

/// Each behind its length in four bytes.
fn texts<'a>(mut bytes: &[u8]) -> Option<Vec<Cow<'a, str>>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (own, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        values.push(Cow::Owned(Value::from(String::from_utf8_lossy(own)).to_string()));
    }
    Some(values)
}
