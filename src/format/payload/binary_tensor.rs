//! A tensor as bytes, in the order of the Open Inference protocol's binary extension: values one
//! behind the other, little-endian, texts each behind their length.

use half::f16;
use serde_json::Value;

/// The values of a tensor that is not written as JSON.
pub struct BinaryTensor<'a> {
    bytes: &'a [u8],
    datatype: Datatype,
    /// Where each text begins and ends.
    texts: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Datatype {
    Bool,
    Uint(usize),
    Int(usize),
    Float(usize),
    Bytes,
}

impl Datatype {
    fn named(name: &str) -> Option<Datatype> {
        Some(match name {
            "BOOL" => Datatype::Bool,
            "UINT8" => Datatype::Uint(1),
            "UINT16" => Datatype::Uint(2),
            "UINT32" => Datatype::Uint(4),
            "UINT64" => Datatype::Uint(8),
            "INT8" => Datatype::Int(1),
            "INT16" => Datatype::Int(2),
            "INT32" => Datatype::Int(4),
            "INT64" => Datatype::Int(8),
            "FP16" => Datatype::Float(2),
            "FP32" => Datatype::Float(4),
            "FP64" => Datatype::Float(8),
            "BYTES" => Datatype::Bytes,
            _ => return None,
        })
    }

    /// Bytes of a value.
    fn size(self) -> usize {
        match self {
            Datatype::Bool | Datatype::Bytes => 1,
            Datatype::Uint(size) | Datatype::Int(size) | Datatype::Float(size) => size,
        }
    }
}

impl<'a> BinaryTensor<'a> {
    /// None of a type that is not known, or where values are not whole.
    pub fn new(bytes: &'a [u8], datatype: &str) -> Option<BinaryTensor<'a>> {
        let datatype = Datatype::named(datatype)?;
        let texts = if datatype == Datatype::Bytes { texts(bytes)? } else { Vec::new() };
        let is_whole = bytes.len().is_multiple_of(datatype.size());
        is_whole.then_some(BinaryTensor { bytes, datatype, texts })
    }

    pub fn len(&self) -> usize {
        match self.datatype {
            Datatype::Bytes => self.texts.len(),
            datatype => self.bytes.len() / datatype.size(),
        }
    }

    /// One value as JSON.
    pub fn json(&self, place: usize) -> String {
        let size = self.datatype.size();
        if self.datatype == Datatype::Bytes {
            let (begin, end) = self.texts[place];
            let text = String::from_utf8_lossy(&self.bytes[begin as usize..end as usize]);
            return Value::from(text).to_string();
        }
        let own = &self.bytes[place * size..(place + 1) * size];
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(own);
        let unsigned = u64::from_le_bytes(wide);
        match (self.datatype, size) {
            (Datatype::Bool, _) => (unsigned != 0).to_string(),
            (Datatype::Int(_), _) => {
                // The sign is that of the value's own first bit.
                let unused = 64 - 8 * size as u32;
                (((unsigned << unused) as i64) >> unused).to_string()
            }
            (Datatype::Float(_), 2) => float(f16::from_bits(unsigned as u16).to_f64()),
            (Datatype::Float(_), 4) => float(f32::from_bits(unsigned as u32).into()),
            (Datatype::Float(_), _) => float(f64::from_bits(unsigned)),
            _ => unsigned.to_string(),
        }
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

/// Where texts are, each behind its length in four bytes.
fn texts(bytes: &[u8]) -> Option<Vec<(u32, u32)>> {
    let (mut places, mut at) = (Vec::new(), 0_usize);
    while at < bytes.len() {
        let length = bytes[at..].first_chunk().copied().map(u32::from_le_bytes)?;
        let begin = at + 4;
        let end = begin.checked_add(length as usize).filter(|end| *end <= bytes.len())?;
        places.push((u32::try_from(begin).ok()?, u32::try_from(end).ok()?));
        at = end;
    }
    Some(places)
}
