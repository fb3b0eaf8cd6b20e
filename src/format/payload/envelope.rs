//! The outermost object of a body, as far as it tells what is inside.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The keys by which bodies are told apart, as far as they are there.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Envelope<'a> {
    #[serde(borrow)]
    pub instances: Option<&'a RawValue>,
    #[serde(borrow)]
    pub inputs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub dataframe_split: Option<&'a RawValue>,
    #[serde(borrow)]
    pub dataframe_records: Option<&'a RawValue>,
    #[serde(borrow)]
    pub predictions: Option<&'a RawValue>,
    #[serde(borrow)]
    pub outputs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data_base64: Option<&'a RawValue>,
    #[serde(borrow)]
    pub specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    pub datacontenttype: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub source: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub time: Option<&'a RawValue>,
    #[serde(borrow)]
    pub requestid: Option<&'a RawValue>,
    #[serde(borrow)]
    pub modelid: Option<&'a RawValue>,
    #[serde(borrow)]
    pub component: Option<&'a RawValue>,
    #[serde(borrow)]
    pub endpoint: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Whether an object with this key may be more than a row.
    pub fn has(key: &str) -> bool {
        let dresses = ["instances", "inputs", "dataframe_split", "dataframe_records"];
        let others = ["predictions", "outputs", "data", "specversion"];
        dresses.contains(&key) || others.contains(&key)
    }

    /// Of an object. One that has one of the keys twice is a row like any other.
    pub fn of(value: &'a RawValue) -> Envelope<'a> {
        serde_json::from_str(value.get()).unwrap_or_default()
    }
}
