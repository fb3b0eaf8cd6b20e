//! What the row of a feature and a window has besides its columns, as bytes.
//!
//! ```text
//! version, 1 byte │ postcard(details)
//! ```

use crate::error::Fault;
use crate::explain::Explanation;
use crate::explain::bin::Bin;
use crate::monitor::figures::{
    ComparisonFigures, FeatureFigures, ReferenceFeatureFigures, Statistics, VariationFigures,
};
use crate::profile::codec::append;
use crate::profile::extremes::Exact;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const VERSION: u8 = 1;

/// A measure besides its score, p-value and threshold, which have columns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeasureDetails {
    /// Its place among the measures that the table has columns for.
    pub column: u16,
    pub decides: bool,
    pub calls: Option<bool>,
    pub error: Option<f64>,
    pub p_value_min: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FeatureDetails {
    pub persistent: Option<bool>,
    pub exact: Option<(Exact, Exact)>,
    /// In the order in which they are shown.
    pub measures: Vec<MeasureDetails>,
    pub others: Vec<ComparisonFigures>,
    pub decided_by: Option<usize>,
    pub variation: Option<VariationFigures>,
    pub bins: Vec<u64>,
    pub explanation: Option<Box<Explanation>>,
}

/// The same, to be written.
#[derive(Serialize)]
struct DetailsOf<'a> {
    persistent: Option<bool>,
    exact: &'a Option<(Exact, Exact)>,
    measures: &'a [MeasureDetails],
    others: &'a [ComparisonFigures],
    decided_by: Option<usize>,
    variation: &'a Option<VariationFigures>,
    bins: &'a [u64],
    explanation: &'a Option<Box<Explanation>>,
}

/// The reference's side of a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceDetails {
    pub statistics: Statistics,
    pub bins: Vec<(Bin, u64)>,
}

impl FeatureDetails {
    pub fn encode(figures: &FeatureFigures, measures: &[MeasureDetails]) -> Vec<u8> {
        encode(&DetailsOf {
            persistent: figures.persistent,
            exact: &figures.statistics.exact,
            measures,
            others: &figures.others,
            decided_by: figures.decided_by,
            variation: &figures.variation,
            bins: &figures.bins,
            explanation: &figures.explanation,
        })
    }

    pub fn decode(bytes: &[u8]) -> Result<FeatureDetails, Fault> {
        decode(bytes)
    }
}

impl ReferenceDetails {
    pub fn encode(figures: &ReferenceFeatureFigures) -> Vec<u8> {
        let ReferenceFeatureFigures { statistics, bins, .. } = figures;
        encode(&(statistics, bins))
    }

    pub fn decode(bytes: &[u8]) -> Result<ReferenceDetails, Fault> {
        decode(bytes)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    append(value, &mut bytes);
    bytes
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    let fault = |text: String| Fault::unreadable(text);
    match bytes.split_first() {
        Some((&VERSION, body)) => {
            postcard::from_bytes(body).map_err(|error| fault(format!("damaged: {error}")))
        }
        Some((version, _)) => Err(fault(format!("details of version {version}"))),
        None => Err(fault("no details".to_owned())),
    }
}
