//! What moved, as JSON; see [`crate::explain`].

use crate::explain::bin::Bin;
use crate::explain::phrases::ShownValues;
use crate::explain::share_change::{ShareChange, Sides};
use crate::explain::{Explanation, Guess};
use crate::monitor::figures::{FeatureFigures, ReferenceFeatureFigures};
use serde::Serialize;

/// What moved in one feature. Shares are of the rows that have a value.
#[derive(Serialize, Default)]
pub(super) struct Why {
    reasons: Vec<&'static str>,
    text: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guess: Option<GuessJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<SidesJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stddev: Option<SidesJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    below_range: Option<Outside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    above_range: Option<Outside>,
    bins: Vec<BinPart>,
    values: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_values: Option<NewValues>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vanished_values: Option<Vanished>,
}

#[derive(Serialize)]
struct SidesJson {
    reference: f64,
    current: f64,
}

impl From<Sides> for SidesJson {
    fn from(Sides { reference, current }: Sides) -> SidesJson {
        SidesJson { reference, current }
    }
}

/// Values beyond the reference's least or greatest.
#[derive(Serialize)]
struct Outside {
    limit: f64,
    share: f64,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum GuessJson {
    Scaled { scaling: String, share: f64 },
    ClippedAbove { limit: f64 },
    ClippedBelow { limit: f64 },
    Filled { value: Option<String>, share: f64 },
    Constant { value: Option<String> },
}

/// A bin and the part of `psi` that it carries.
#[derive(Serialize)]
struct BinPart {
    bin: Option<String>,
    reference: f64,
    current: f64,
    part: f64,
}

#[derive(Serialize)]
struct Value {
    value: Option<String>,
    reference: f64,
    current: f64,
}

#[derive(Serialize)]
struct ValueShare {
    value: Option<String>,
    share: f64,
}

#[derive(Serialize)]
struct NewValues {
    share: f64,
    values: Vec<ValueShare>,
    /// There are others.
    more: bool,
}

#[derive(Serialize)]
struct Vanished {
    count: usize,
    values: Vec<ValueShare>,
}

/// Rows in one bin of `psi`.
#[derive(Serialize)]
pub(super) struct BinRows {
    bin: Option<String>,
    reference: u64,
    current: u64,
}

/// The bins of a feature; none where the window was counted in others.
pub(super) fn bin_rows(
    reference: &ReferenceFeatureFigures,
    current: &[u64],
    shown: ShownValues,
) -> Option<Vec<BinRows>> {
    let bins = reference.bins.iter().zip(current);
    let bins = bins.map(|((bin, reference), current)| BinRows {
        bin: name(bin, shown),
        reference: *reference,
        current: *current,
    });
    (reference.bins.len() == current.len() && !current.is_empty()).then(|| bins.collect())
}

/// The text of a bin, as far as it may be told.
pub(super) fn name(bin: &Bin, shown: ShownValues) -> Option<String> {
    match bin {
        Bin::Text(text) => shown.text(text),
        _ => Some(bin.to_string()),
    }
}

impl Why {
    /// In words alone, for whoever may not see how rows are spread.
    pub(super) fn in_words(figures: &FeatureFigures) -> Option<Why> {
        figures.explanation.as_ref()?;
        Some(Why { reasons: figures.reasons(), ..Why::default() })
    }

    pub(super) fn of(figures: &FeatureFigures, shown: ShownValues) -> Option<Why> {
        let own: &Explanation = figures.explanation.as_ref()?;
        let outside = |side: Option<(f64, f64)>| {
            let (limit, share) = side.filter(|(_, share)| *share > 0.0)?;
            Some(Outside { limit, share })
        };
        let value = |ShareChange { bin, shares }: &ShareChange| Value {
            value: name(bin, shown),
            reference: shares.reference,
            current: shares.current,
        };
        let bins = own.bins.iter().map(|(ShareChange { bin, shares }, part)| BinPart {
            bin: name(bin, shown),
            reference: shares.reference,
            current: shares.current,
            part: *part,
        });
        let new = own.new_values.iter();
        let new = new.map(|(text, share)| ValueShare { value: shown.text(text), share: *share });
        let gone = own.vanished.iter();
        let gone = gone.map(|(bin, share)| ValueShare { value: name(bin, shown), share: *share });
        let vanished = Vanished { count: own.n_vanished, values: gone.collect() };
        let new_share = own.new_share.filter(|share| *share > 0.0);
        Some(Why {
            reasons: figures.reasons(),
            text: figures.why(shown),
            guess: own.guess.as_ref().map(|guess| GuessJson::of(guess, shown)),
            mean: own.mean.map(SidesJson::from),
            stddev: own.stddev.map(SidesJson::from),
            below_range: outside(own.below),
            above_range: outside(own.above),
            bins: bins.collect(),
            values: own.values.iter().map(value).collect(),
            new_values: new_share.map(|share| NewValues {
                share,
                values: new.collect(),
                more: own.are_more_new,
            }),
            vanished_values: (own.n_vanished > 0).then_some(vanished),
        })
    }
}

impl GuessJson {
    fn of(guess: &Guess, shown: ShownValues) -> GuessJson {
        match guess {
            Guess::Scaled { scaling, share } => {
                GuessJson::Scaled { scaling: scaling.to_string(), share: *share }
            }
            Guess::ClippedAbove(limit) => GuessJson::ClippedAbove { limit: *limit },
            Guess::ClippedBelow(limit) => GuessJson::ClippedBelow { limit: *limit },
            Guess::Filled { bin, share } => {
                GuessJson::Filled { value: name(bin, shown), share: *share }
            }
            Guess::Constant(bin) => GuessJson::Constant { value: name(bin, shown) },
        }
    }
}
