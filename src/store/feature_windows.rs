//! The rows of a feature and a window: what closed windows showed, by columns.

use super::feature_details::{FeatureDetails, MeasureDetails};
use super::row_sums::SummedTable;
use crate::drift::measure;
use crate::error::Fault;
use crate::feature::{Kind, Status};
use crate::monitor::figures::{FeatureFigures, MeasureFigures, Statistics};
use crate::profile::percentiles::PERCENTILES;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, params_from_iter};
use std::borrow::Cow;

/// A column of a figure that may not exist.
struct Number {
    name: &'static str,
    get: fn(&Statistics) -> Option<f64>,
    set: fn(&mut Statistics, Option<f64>),
}

macro_rules! numbers {
    ($($name:ident),+) => {
        [$(Number {
            name: stringify!($name),
            get: |statistics| statistics.$name,
            set: |statistics, value| statistics.$name = value,
        }),+]
    };
}

const NUMBERS: [Number; 12] = numbers![
    missing_ratio,
    null_ratio,
    nan_ratio,
    infinite_ratio,
    zero_ratio,
    unseen_ratio,
    out_of_range_ratio,
    outlier_ratio,
    mean,
    stddev,
    min,
    max
];

/// Columns of a measure: its score, the same and `_p`, and the same and `_threshold`.
const PER_MEASURE: [&str; 3] = ["", "_p", "_threshold"];

/// Bytes of a row besides its numbers and details, about.
const ROW_BYTES: usize = 80;

/// The columns that the table has.
#[derive(Debug, Clone)]
pub struct FeatureWindows {
    /// Measures, in the order of their columns.
    measures: Vec<Cow<'static, str>>,
    table: SummedTable,
}

impl FeatureWindows {
    /// Adds columns for those of some measures that have none.
    pub fn extend<'a>(
        connection: &Connection,
        wanted: impl Iterator<Item = &'a str>,
    ) -> rusqlite::Result<bool> {
        let known = measures(connection)?;
        let new: Vec<&str> = wanted.filter(|name| !known.iter().any(|own| own == name)).collect();
        for name in &new {
            for column in PER_MEASURE {
                let sql = format!("ALTER TABLE feature_window ADD COLUMN \"{name}{column}\" REAL");
                connection.execute_batch(&sql)?;
            }
        }
        Ok(!new.is_empty())
    }

    /// As the table is.
    pub fn of(connection: &Connection) -> rusqlite::Result<FeatureWindows> {
        let measures = measures(connection)?;
        let fixed = [
            "window",
            "feature",
            "position",
            "status",
            "drifted",
            "called",
            "rows",
            "distinct_values",
        ];
        let columns = fixed.into_iter().map(str::to_owned);
        let columns = columns.chain(NUMBERS.iter().map(|number| number.name.to_owned()));
        let columns = columns.chain(PERCENTILES.map(|percent| format!("percentile_{percent}")));
        let columns = columns.chain(["details".to_owned()]);
        let of_measures = measures
            .iter()
            .flat_map(|name| PER_MEASURE.map(|column| format!("\"{name}{column}\"")));
        let columns = columns.chain(of_measures).collect::<Vec<_>>().join(", ");
        let table = SummedTable::of_any("feature_window", columns);
        Ok(FeatureWindows { measures, table })
    }

    /// Names of the measures that have columns, in their order.
    pub fn measures(&self) -> impl Iterator<Item = &str> {
        self.measures.iter().map(|name| &**name)
    }

    pub fn table(&self) -> &SummedTable {
        &self.table
    }

    /// SQL for the columns that [`read`](Self::read) reads, of a table of this name.
    pub fn selected(&self, name: &str) -> String {
        format!("{}, {}", self.table.columns_in(name), self.table.is_whole_in(name))
    }

    /// How many columns those are.
    pub fn n_selected(&self) -> usize {
        self.table.columns().split(", ").count() + 1
    }

    /// What is wrong with the table; none when nothing is. It may be large, so that it is not asked
    /// at every start: a row is compared when it is read, and a window knows how many it has.
    pub fn fault(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE NOT {}),
                 (SELECT coalesce(sum(features), 0) FROM closed_window) FROM feature_window",
            self.table.is_whole()
        );
        let found = connection.query_row(&sql, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        Ok(match found {
            (rows, changed, _) if changed > 0 => Some(format!(
                "table feature_window: {changed} of {rows} rows are not as they were written"
            )),
            (rows, _, written) if rows != written => {
                Some(format!("table feature_window has {rows} rows, and {written} were written"))
            }
            _ => None,
        })
    }

    /// Writes a row with a prepared [`SummedTable::insert`]; the bytes that it takes, about.
    pub fn write(
        &self,
        insert: &mut CachedStatement<'_>,
        (window, feature, position): (i64, i64, usize),
        figures: &FeatureFigures,
    ) -> rusqlite::Result<usize> {
        let statistics = &figures.statistics;
        let called = figures.called().collect::<Vec<_>>().join(" ");
        let (mut details, mut scores) = (Vec::new(), vec![[None; 3]; self.measures.len()]);
        for own in &figures.measures {
            let column = self.measures.iter().position(|name| *name == own.measure);
            let column = column.expect("every measure has a column");
            scores[column] = [Some(own.score), own.p_value, own.threshold];
            let MeasureFigures { decides, calls, error, p_value_min, .. } = *own;
            let column = column as u16;
            details.push(MeasureDetails { column, decides, calls, error, p_value_min });
        }
        let details = FeatureDetails::encode(figures, &details);
        // The table gives 0 for −0.
        let number = |value: Option<f64>| value.map_or(Value::Null, |own| Value::Real(own + 0.0));
        let integer = |value: i64| ToSqlOutput::Owned(Value::Integer(value));
        let text = |text| ToSqlOutput::Borrowed(ValueRef::Text(str::as_bytes(text)));
        let null = || ToSqlOutput::Owned(Value::Null);
        let mut values = vec![
            integer(window),
            integer(feature),
            integer(position as i64),
            text(figures.status.name()),
            figures.drifted.map_or_else(null, |drifted| integer(i64::from(drifted))),
            figures.drifted.map_or_else(null, |_| text(&called)),
            integer(statistics.rows as i64),
            statistics.distinct.map_or_else(null, |distinct| integer(distinct as i64)),
        ];
        let numbers = NUMBERS.iter().map(|own| (own.get)(statistics));
        let percentiles = statistics.percentiles.map(|all| all.map(Some)).unwrap_or_default();
        let statistics = numbers.chain(percentiles).map(number).map(ToSqlOutput::Owned);
        values.extend(statistics);
        values.push(ToSqlOutput::Borrowed(ValueRef::Blob(&details)));
        values.extend(scores.into_iter().flatten().map(number).map(ToSqlOutput::Owned));
        let is_number =
            |value: &&ToSqlOutput<'_>| matches!(value, ToSqlOutput::Owned(Value::Real(_)));
        let numbers = values.iter().filter(is_number).count();
        insert.execute(params_from_iter(&values))?;
        Ok(ROW_BYTES + 8 * numbers + details.len())
    }

    /// The figures of a row, whose columns begin at `at`.
    pub fn read(
        &self,
        row: &Row<'_>,
        at: usize,
        (name, kind): (String, Kind),
    ) -> rusqlite::Result<Result<FeatureFigures, Fault>> {
        self.table.expect_whole(row, at + self.n_selected() - 1)?;
        let (status, drifted): (String, _) = (row.get(at + 3)?, row.get(at + 4)?);
        let (mut statistics, details) = read_statistics(row, at)?;
        let scores = details + 1;
        let mut details = match FeatureDetails::decode(row.get_ref(details)?.as_blob()?) {
            Ok(details) => details,
            Err(fault) => return Ok(Err(fault)),
        };
        statistics.exact = details.exact;
        let status = Status::ALL.into_iter().find(|own| own.name() == status);
        let mut measures = self.read_measures(row, scores, &details.measures)?;
        details.take_noise(measures.as_deref_mut().unwrap_or_default());
        let is_known = details.decided_by.is_none_or(|at| at < details.others.len());
        let (Some(status), Some(measures), true) = (status, measures, is_known) else {
            return Ok(Err(Fault::unreadable("a status, measure or baseline that is not known")));
        };
        let FeatureDetails { persistent, others, decided_by, .. } = details;
        let FeatureDetails { variation, bins, histogram, cells, explanation, .. } = details;
        Ok(Ok(FeatureFigures {
            name,
            kind,
            status,
            drifted,
            persistent,
            statistics,
            measures,
            others,
            decided_by,
            variation,
            bins,
            histogram,
            cells,
            explanation,
        }))
    }

    /// The measures of a row whose scores begin at `at`; none where one has no columns.
    fn read_measures(
        &self,
        row: &Row<'_>,
        at: usize,
        details: &[MeasureDetails],
    ) -> rusqlite::Result<Option<Vec<MeasureFigures>>> {
        let read = details.iter().map(|own| {
            let MeasureDetails { column, decides, calls, error, p_value_min } = *own;
            let Some(measure) = self.measures.get(column as usize).cloned() else {
                return Ok(None);
            };
            let first = at + PER_MEASURE.len() * column as usize;
            Ok(Some(MeasureFigures {
                measure,
                score: row.get(first)?,
                p_value: row.get(first + 1)?,
                threshold: row.get(first + 2)?,
                decides,
                error,
                p_value_min,
                // Comes after, of all comparisons.
                noise: None,
                calls,
            }))
        });
        read.collect()
    }
}

/// The statistics of a row whose columns begin at `at`, and the column after them.
fn read_statistics(row: &Row<'_>, at: usize) -> rusqlite::Result<(Statistics, usize)> {
    let mut statistics = Statistics {
        rows: row.get::<_, i64>(at + 6)? as u64,
        distinct: row.get::<_, Option<i64>>(at + 7)?.map(|distinct| distinct as u64),
        ..Statistics::default()
    };
    let mut next = at + 8;
    for own in &NUMBERS {
        (own.set)(&mut statistics, row.get(next)?);
        next += 1;
    }
    let mut percentiles = [None; PERCENTILES.len()];
    for own in &mut percentiles {
        *own = row.get::<_, Option<f64>>(next)?;
        next += 1;
    }
    let are_there = percentiles[0].is_some();
    statistics.percentiles = are_there.then(|| percentiles.map(Option::unwrap_or_default));
    Ok((statistics, next))
}

/// Measures that the table has columns for, in their order.
fn measures(connection: &Connection) -> rusqlite::Result<Vec<Cow<'static, str>>> {
    let sql = "SELECT name FROM pragma_table_info('feature_window') ORDER BY cid";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
    let of_measures = names.iter().skip_while(|name| *name != "details").skip(1);
    let names = of_measures.step_by(PER_MEASURE.len());
    // A newer driftd may know others.
    Ok(names
        .map(|own| measure(own).map_or_else(|| own.clone().into(), |m| m.name().into()))
        .collect())
}
