//! What the columns of a training file are, by their names and by what is in them.

use crate::feature::{Kind, Status};
use crate::monitor::figures::Statistics;
use crate::monitor::reference::{Reference, ReferenceFeature};

/// What a column is taken for, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct GuessedColumn {
    pub name: String,
    pub used_as: ColumnUse,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnUse {
    Feature,
    /// A number with few values, which may be codes.
    Codes,
    Prediction,
    Id,
    Label,
    Time,
    /// Nothing that a model reads.
    Other,
}

/// Numbers with so few values are often codes, which `categorical` treats better.
pub const CODES_MAX: u64 = 20;

/// Rows from which values that never repeat are no chance.
const UNIQUE_MIN: u64 = 100;

const TIMES: [&str; 8] = [
    "ts",
    "timestamp",
    "event_time",
    "event_timestamp",
    "datetime",
    "created_at",
    "event_date",
    "time",
];
const LABELS: [&str; 10] =
    ["label", "labels", "target", "targets", "y", "y_true", "class", "outcome", "churn", "churned"];
const PREDICTIONS: [&str; 7] =
    ["prediction", "predictions", "predicted", "y_pred", "y_hat", "y_score", "score"];
const INDEXES: [&str; 3] = ["__index_level_", "Unnamed: ", "level_0"];

/// What all columns of a reference are, in its order; `in_logs` are the columns of the logs,
/// where there are any.
pub fn guessed_columns(reference: &Reference, in_logs: Option<&[String]>) -> Vec<GuessedColumn> {
    let mut columns: Vec<GuessedColumn> =
        reference.features.iter().map(|feature| guessed(feature, in_logs)).collect();
    // The name tells which of several times is that of the row, and not of a birth.
    let is_named = |own: &GuessedColumn| TIMES.contains(&own.name.to_lowercase().as_str());
    if columns.iter().any(|own| own.used_as == ColumnUse::Time && is_named(own)) {
        let others = columns.iter_mut().filter(|own| own.used_as == ColumnUse::Time);
        others.filter(|own| !is_named(own)).for_each(|own| {
            own.used_as = ColumnUse::Other;
            own.reason += "; another column is the time";
        });
    }
    // There is one of each; what else looks like it is nothing that a model reads.
    for (used_as, what) in
        [(ColumnUse::Time, "time"), (ColumnUse::Id, "id"), (ColumnUse::Label, "label")]
    {
        let others = columns.iter_mut().filter(|own| own.used_as == used_as).skip(1);
        others.for_each(|own| {
            own.used_as = ColumnUse::Other;
            own.reason += &format!("; another column is the {what}");
        });
    }
    columns
}

fn guessed(feature: &ReferenceFeature, in_logs: Option<&[String]>) -> GuessedColumn {
    let name = feature.grid.name.clone();
    let (used_as, reason) = guess(feature, in_logs);
    GuessedColumn { name, used_as, reason }
}

fn guess(feature: &ReferenceFeature, in_logs: Option<&[String]>) -> (ColumnUse, String) {
    let grid = &feature.grid;
    let name = grid.name.to_lowercase();
    let is_logged = in_logs.is_none_or(|logs| logs.contains(&grid.name));
    if INDEXES.iter().any(|index| grid.name.starts_with(index)) {
        return (ColumnUse::Other, "the index of a data frame".to_owned());
    }
    if is_logged && grid.kind == Kind::Temporal {
        return (ColumnUse::Time, "a column of times".to_owned());
    }
    if is_logged && TIMES.contains(&name.as_str()) && grid.unscored.is_some() {
        return (ColumnUse::Time, "by its name, and its values hardly repeat".to_owned());
    }
    if in_logs.is_some() && !is_logged {
        return (ColumnUse::Label, "in the training file only".to_owned());
    }
    if grid.unscored == Some(Status::Identifier) {
        return (ColumnUse::Id, "its values hardly repeat".to_owned());
    }
    let statistics = Statistics::of(grid, &feature.profile);
    let is_unique = statistics.distinct == Some(statistics.rows) && statistics.rows >= UNIQUE_MIN;
    if is_unique && name.ends_with("id") {
        return (ColumnUse::Id, "by its name, and every value is there once".to_owned());
    }
    if in_logs.is_none() && LABELS.contains(&name.as_str()) {
        return (
            ColumnUse::Label,
            "by its name; there are no logs yet to look whether they have it".to_owned(),
        );
    }
    if PREDICTIONS.contains(&name.as_str())
        || name.starts_with("predicted_")
        || name.ends_with("_proba")
    {
        return (ColumnUse::Prediction, "by its name; watched as any feature".to_owned());
    }
    match statistics.distinct.filter(|n| (2..=CODES_MAX).contains(n) && grid.kind == Kind::Numeric)
    {
        Some(distinct) => (ColumnUse::Codes, format!("{distinct} values")),
        None => (ColumnUse::Feature, grid.kind.name().to_owned()),
    }
}
