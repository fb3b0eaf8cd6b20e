//! What the row of a feature and a window has besides its columns, as bytes.
//!
//! ```text
//! version, 1 byte │ postcard(details) │ postcard(noise) │ postcard(histogram) │
//! postcard(cells)
//! ```
//!
//! Whoever knows fewer parts leaves the rest unread; rows of before have fewer.

use crate::error::Fault;
use crate::explain::Explanation;
use crate::explain::bin::Bin;
use crate::monitor::cell_rows::CellRows;
use crate::monitor::figures::{
    ComparisonFigures, FeatureFigures, MeasureFigures, ReferenceFeatureFigures, Statistics,
    VariationFigures,
};
use crate::profile::codec::append;
use crate::profile::exponential_histogram::ExponentialHistogram;
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
    /// Of the measures, and then of those of `others`, in their order; empty where nobody wrote it.
    #[serde(skip)]
    pub noise: Vec<Option<f64>>,
    #[serde(skip)]
    pub histogram: Option<Box<ExponentialHistogram>>,
    #[serde(skip)]
    pub cells: Option<Box<CellRows>>,
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
        let mut bytes = encode(&DetailsOf {
            persistent: figures.persistent,
            exact: &figures.statistics.exact,
            measures,
            others: &figures.others,
            decided_by: figures.decided_by,
            variation: &figures.variation,
            bins: &figures.bins,
            explanation: &figures.explanation,
        });
        let others = figures.others.iter().flat_map(|own| &own.measures);
        let noise: Vec<_> = figures.measures.iter().chain(others).map(|own| own.noise).collect();
        append(&noise, &mut bytes);
        append(&figures.histogram, &mut bytes);
        append(&figures.cells, &mut bytes);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<FeatureDetails, Fault> {
        let (mut details, mut rest): (FeatureDetails, _) = decode(bytes)?;
        if !rest.is_empty() {
            (details.noise, rest) = postcard::take_from_bytes(rest).map_err(damaged)?;
        }
        if !rest.is_empty() {
            (details.histogram, rest) = postcard::take_from_bytes(rest).map_err(damaged)?;
        }
        if !rest.is_empty() {
            (details.cells, _) = postcard::take_from_bytes(rest).map_err(damaged)?;
        }
        Ok(details)
    }

    /// Gives each measure its noise.
    pub fn take_noise(&mut self, measures: &mut [MeasureFigures]) {
        let others = self.others.iter_mut().flat_map(|own| &mut own.measures);
        for (own, noise) in measures.iter_mut().chain(others).zip(&self.noise) {
            own.noise = *noise;
        }
    }
}

impl ReferenceDetails {
    pub fn encode(figures: &ReferenceFeatureFigures) -> Vec<u8> {
        let ReferenceFeatureFigures { statistics, bins, .. } = figures;
        encode(&(statistics, bins))
    }

    pub fn decode(bytes: &[u8]) -> Result<ReferenceDetails, Fault> {
        decode(bytes).map(|(details, _)| details)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    append(value, &mut bytes);
    bytes
}

/// The first part, and the bytes of those after it.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), Fault> {
    match bytes.split_first() {
        Some((&VERSION, body)) => postcard::take_from_bytes(body).map_err(damaged),
        Some((version, _)) => Err(Fault::unreadable(format!("details of version {version}"))),
        None => Err(Fault::unreadable("no details")),
    }
}

fn damaged(error: postcard::Error) -> Fault {
    Fault::unreadable(format!("damaged: {error}"))
}
