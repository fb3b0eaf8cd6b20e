//! Closed windows: a row per window, and a row per window and feature.

use super::commit::Commit;
use super::compared_features::{self, ComparedFeature};
use super::feature_windows::FeatureWindows;
use super::row_sums::CLOSED_WINDOW;
use super::window_profiles;
use super::{ModelStore, StateConfig, to_text};
use crate::error::{Fault, Result, StateError};
use crate::monitor::figures::{
    FeatureFigures, ReferenceFeatureFigures, ReferenceFigures, WindowFigures, WindowSummary,
};
use crate::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::BTreeSet;

/// Which closed windows are wanted: those that end in a stretch of time, by event time or, where
/// windows have none, by the clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query {
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
    /// The newest of them.
    pub limit: Option<u32>,
}

/// Columns that [`read`] reads, of a table named `w`.
const COLUMNS: &str = "w.window, w.slot, w.start, w.\"end\", w.closed, w.rows, w.rows_kept, \
    w.baselines, w.judged, w.drifted, w.features, w.id, w.file, \
    w.compared, w.rules";
/// How many those are, with whether the row is as it was written.
const N_COLUMNS: usize = 16;
const FEATURES_COLUMN: usize = 10;
const ID_COLUMN: usize = 11;
const FILE_COLUMN: usize = 12;
const COMPARED_COLUMN: usize = 13;
const RULES_COLUMN: usize = 14;

/// SQL for all windows; of each name the one that is shown has the place 1.
const PLACES: &str = "SELECT id, bytes, closed, row_number() OVER (PARTITION BY model, window
        ORDER BY coalesce(\"end\", closed) DESC, id DESC) AS place
    FROM closed_window";

/// SQL for the closed windows that a query asks for, the newest first.
fn wanted(from: &str) -> String {
    let whole = CLOSED_WINDOW.is_whole_in("w");
    format!(
        "SELECT {COLUMNS}, {whole}{from}
         WHERE w.model = ?1 AND w.window = ?2 AND coalesce(w.\"end\", w.closed) >= ?3
             AND coalesce(w.\"end\", w.closed) < ?4
         ORDER BY coalesce(w.\"end\", w.closed) DESC, w.id DESC LIMIT ?5"
    )
}

impl ModelStore {
    /// The names of all windows that any have closed of.
    pub fn window_names(&self) -> Result<Vec<String>, StateError> {
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT window FROM closed_window WHERE model = ?1 ORDER BY window",
            )?;
            let rows = statement.query_map(params![self.model], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// What the closed windows of one name, or of all, came to, name by name and oldest first.
    pub fn past(
        &self,
        window: Option<&str>,
        query: &Query,
    ) -> Result<Vec<WindowSummary>, StateError> {
        self.of_names(window, |name| {
            // Without being told it would look through all features of each window.
            let names = "SELECT f.name FROM feature_window v INDEXED BY feature_window_drifted
                         JOIN feature f ON f.id = v.feature
                         WHERE v.window = ?1 AND v.drifted = 1 ORDER BY v.position";
            self.read_windows(name, query, " FROM closed_window w", |connection, row| {
                let (summary, id) = read_summary(row)?;
                let mut statement = connection.prepare_cached(names)?;
                let drifted = statement.query_map(params![id], |row| row.get(0))?;
                let drifted_features = drifted.collect::<rusqlite::Result<_>>()?;
                Ok(Ok(WindowSummary { drifted_features, ..summary }))
            })
        })
    }

    /// The same of one name without the names of drifted features, which may be many.
    pub fn past_counts(
        &self,
        window: &str,
        query: &Query,
    ) -> Result<Vec<WindowSummary>, StateError> {
        let read = |_: &Connection, row: &Row<'_>| Ok(Ok(read_summary(row)?.0));
        self.read_windows(window, query, " FROM closed_window w", read)
    }

    /// One feature in the closed windows that have it, name by name and oldest first, with what it
    /// was compared with where that was kept.
    pub fn past_of_feature(
        &self,
        feature: &str,
        window: Option<&str>,
        query: &Query,
    ) -> Result<Vec<(WindowFigures, Option<ReferenceFeatureFigures>)>, StateError> {
        let columns = self.store.feature_windows();
        let (of_feature, of_window) = (compared_features::selected(), columns.selected("v"));
        let from = format!(
            ", {of_feature}, {of_window} FROM closed_window w
             CROSS JOIN feature f ON f.model = w.model AND f.name = ?6
             CROSS JOIN feature_window v ON v.window = w.id AND v.feature = f.id"
        );
        self.of_names(window, |name| {
            self.read_features(name, query, &from, feature, |row| {
                let (mut figures, _) = read(row)?;
                let compared = match compared_features::read(row, N_COLUMNS)? {
                    Ok(compared) => compared,
                    Err(fault) => return Ok(Err(fault)),
                };
                let ComparedFeature { name, kind, reference } = compared;
                let at = N_COLUMNS + compared_features::N_SELECTED;
                Ok(columns.read(row, at, (name, kind))?.map(|feature| {
                    figures.features.push(feature);
                    (figures, reference)
                }))
            })
        })
    }

    /// Closed windows with all their features, oldest first.
    pub fn windows(&self, window: &str, query: &Query) -> Result<Vec<WindowFigures>, StateError> {
        let mut windows = Vec::new();
        self.each_window(window, query, &mut |figures| windows.push(figures))?;
        Ok(windows)
    }

    /// Calls `f` with one closed window after the other, oldest first.
    pub fn each_window(
        &self,
        window: &str,
        query: &Query,
        f: &mut dyn FnMut(WindowFigures),
    ) -> Result<(), StateError> {
        let known = self.read_windows(window, query, " FROM closed_window w", |_, row| {
            Ok(Ok((read(row)?, row.get::<_, i64>(FEATURES_COLUMN)?)))
        })?;
        for ((mut figures, id), written) in known {
            let features = self.features_of(id)?;
            let features = features.into_iter().collect::<Result<Vec<_>, Fault>>();
            let features = features.and_then(|features| match features.len() as i64 {
                found if found == written => Ok(Some(features)),
                // It may have been dropped since it was listed.
                0 if !self.has_window(id).unwrap_or(true) => Ok(None),
                found => Err(Fault::unreadable(format!("it has {found} of {written} features"))),
            });
            if let Some(features) = self.undamaged(window, features)? {
                figures.features = features;
                f(figures);
            }
        }
        Ok(())
    }

    fn has_window(&self, id: i64) -> Result<bool, StateError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM closed_window WHERE id = ?1)";
        self.store.read(|connection| connection.query_row(sql, [id], |row| row.get(0)))
    }

    /// All features of a window, in their order.
    fn features_of(&self, window: i64) -> Result<Vec<Result<FeatureFigures, Fault>>, StateError> {
        let columns = self.store.feature_windows();
        let sql = format!(
            "SELECT {}, {} FROM feature_window v JOIN feature f ON f.id = v.feature
             WHERE v.window = ?1 ORDER BY v.position",
            compared_features::selected(),
            columns.selected("v")
        );
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows =
                statement.query_map(params![window], |row| match compared_features::read_name(
                    row, 0,
                )? {
                    Ok(name) => columns.read(row, compared_features::N_SELECTED, name),
                    Err(fault) => Ok(Err(fault)),
                })?;
            rows.collect()
        })
    }

    /// The closed window that is shown: greatest end, then ledger order; none that was judged
    /// against a reference in whose place a window was accepted.
    pub fn latest(&self, window: &str) -> Result<Option<WindowFigures>, StateError> {
        let latest = Query { limit: Some(1), ..Query::default() };
        let latest = self.windows(window, &latest)?.pop();
        let accepted = self.acceptances()?;
        let is_in_force = accepted.last().is_some_and(|last| last.ended.is_none());
        let is_replaced = |content: u128| accepted.iter().any(|own| own.replaced == content);
        let is_gone = |own: &WindowFigures| is_in_force && own.compared.is_some_and(is_replaced);
        Ok(latest.filter(|own| !is_gone(own)))
    }

    /// The windows that have a profile, oldest first, without their features, and their ids.
    pub fn windows_with_profile(
        &self,
        window: &str,
        query: &Query,
    ) -> Result<Vec<(WindowFigures, i64)>, StateError> {
        let from = " FROM closed_window w JOIN window_profile p ON p.window = w.id";
        self.read_windows(window, query, from, |_, row| Ok(Ok(read(row)?)))
    }

    /// Of one name, or of all, name by name.
    fn of_names<T>(
        &self,
        window: Option<&str>,
        read: impl Fn(&str) -> Result<Vec<T>, StateError>,
    ) -> Result<Vec<T>, StateError> {
        let names = self.window_names()?.into_iter();
        let wanted = names.filter(|name| window.is_none_or(|window| window == name));
        let past = wanted.map(|name| read(&name));
        Ok(past.collect::<Result<Vec<_>, StateError>>()?.into_iter().flatten().collect())
    }

    fn read_windows<T>(
        &self,
        window: &str,
        query: &Query,
        from: &str,
        read: impl Fn(&Connection, &Row<'_>) -> rusqlite::Result<Result<T, Fault>>,
    ) -> Result<Vec<T>, StateError> {
        let (from_time, to_time, limit) = query.limits();
        let read: Vec<Result<T, Fault>> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&wanted(from))?;
            let values = params![self.model, window, from_time, to_time, limit];
            let rows = statement.query_map(values, |row| read(connection, row))?;
            rows.collect()
        })?;
        self.oldest_first(window, read)
    }

    fn read_features<T>(
        &self,
        window: &str,
        query: &Query,
        from: &str,
        feature: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<Result<T, Fault>>,
    ) -> Result<Vec<T>, StateError> {
        let (from_time, to_time, limit) = query.limits();
        let read: Vec<Result<T, Fault>> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(&wanted(from))?;
            let values = params![self.model, window, from_time, to_time, limit, feature];
            let rows = statement.query_map(values, |row| read(row))?;
            rows.collect()
        })?;
        self.oldest_first(window, read)
    }

    fn oldest_first<T>(
        &self,
        window: &str,
        read: Vec<Result<T, Fault>>,
    ) -> Result<Vec<T>, StateError> {
        read.into_iter().rev().map(|own| self.undamaged(window, own)).collect()
    }

    pub(super) fn undamaged<T>(
        &self,
        window: &str,
        read: Result<T, Fault>,
    ) -> Result<T, StateError> {
        read.map_err(|fault| {
            let what = format_args!("a closed window {window:?}");
            self.store.named(StateError::damaged(what, fault))
        })
    }
}

impl Query {
    fn limits(&self) -> (i64, i64, i64) {
        let from = self.from.map_or(i64::MIN, |from| from.0);
        let to = self.to.map_or(i64::MAX, |to| to.0);
        (from, to, self.limit.map_or(-1, i64::from))
    }
}

/// A window without its features, and its id.
fn read(row: &Row<'_>) -> rusqlite::Result<(WindowFigures, i64)> {
    CLOSED_WINDOW.expect_whole(row, N_COLUMNS - 1)?;
    let time = |at| row.get::<_, Option<i64>>(at).map(|time| time.map(Timestamp));
    let baselines: String = row.get(7)?;
    let compared: Vec<u8> = row.get(COMPARED_COLUMN)?;
    let rules: Option<String> = row.get(RULES_COLUMN)?;
    let figures = WindowFigures {
        window: row.get(0)?,
        slot: row.get::<_, i64>(1)? as u64,
        file: row.get(FILE_COLUMN)?,
        compared: compared.try_into().ok().map(u128::from_le_bytes),
        start: time(2)?,
        end: time(3)?,
        closed: time(4)?,
        rows: row.get::<_, i64>(5)? as u64,
        rows_kept: row.get::<_, i64>(6)? as u64,
        baselines: super::from_text(&baselines)?,
        rules: rules.map_or(Ok(Vec::new()), |rules| super::from_text(&rules))?,
        features: Vec::new(),
    };
    Ok((figures, row.get(ID_COLUMN)?))
}

/// A window without the names of its drifted features, and its id.
fn read_summary(row: &Row<'_>) -> rusqlite::Result<(WindowSummary, i64)> {
    let (figures, id) = read(row)?;
    let (judged, drifted) = (row.get::<_, i64>(8)? as usize, row.get::<_, i64>(9)? as usize);
    Ok((WindowSummary { figures, judged, drifted, drifted_features: Vec::new() }, id))
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: &ModelStore,
    commit: &Commit,
) -> rusqlite::Result<()> {
    let (id, config) = (model.model, &model.store.config);
    let mut old = Vec::new();
    for closed in &commit.closed {
        let (figures, reference) = (&closed.figures, &closed.reference);
        let columns = model.store.feature_windows();
        let window = write_window(transaction, &columns, id, figures, Some(reference))?;
        window_profiles::write(transaction, (id, window), closed, config)?;
        old.extend(beyond_number(transaction, id, &figures.window, config)?);
    }
    drop_windows(transaction, &old)?;
    if let Some(now) = commit.closed.iter().filter_map(|closed| closed.figures.closed).max() {
        drop_windows(transaction, &beyond_age(transaction, id, config, now)?)?;
        drop_windows(transaction, &beyond_bytes(transaction, config)?)?;
    }
    Ok(())
}

/// Writes a window and its features; its id.
pub(super) fn write_window(
    transaction: &Transaction<'_>,
    columns: &FeatureWindows,
    model: i64,
    figures: &WindowFigures,
    reference: Option<&ReferenceFigures>,
) -> rusqlite::Result<i64> {
    let rules = (!figures.rules.is_empty()).then(|| to_text(&figures.rules));
    let mut bytes = rules.as_ref().map_or(0, String::len);
    transaction.prepare_cached(&CLOSED_WINDOW.insert())?.execute(params![
        model,
        figures.window,
        figures.slot as i64,
        figures.start.map(|start| start.0),
        figures.end.map(|end| end.0),
        figures.closed.map(|closed| closed.0),
        figures.rows as i64,
        figures.rows_kept as i64,
        figures.verdict().name(),
        figures.judged() as i64,
        figures.drifted() as i64,
        figures.features.len() as i64,
        to_text(&figures.baselines),
        reference.map(|own| own.content.to_le_bytes().to_vec()).unwrap_or_default(),
        figures.file,
        rules,
    ])?;
    let window = transaction.last_insert_rowid();
    let compared = reference.map_or(&[][..], |reference| &reference.features);
    let features = compared_features::ids(transaction, model, figures, compared)?;
    let mut insert = transaction.prepare_cached(&columns.table().insert())?;
    for (position, (feature, id)) in figures.features.iter().zip(features).enumerate() {
        bytes += columns.write(&mut insert, (window, id, position), feature)?;
    }
    let sized = "UPDATE closed_window SET bytes = ?1 WHERE id = ?2";
    transaction.prepare_cached(sized)?.execute(params![bytes as i64, window])?;
    Ok(window)
}

/// The oldest windows of one name, where there are more than are wanted.
fn beyond_number(
    transaction: &Transaction<'_>,
    model: i64,
    window: &str,
    config: &StateConfig,
) -> rusqlite::Result<Vec<i64>> {
    let Ok(most) = i64::try_from(config.windows_max) else { return Ok(Vec::new()) };
    let sql = "SELECT id FROM closed_window WHERE model = ?1 AND window = ?2
               ORDER BY id DESC LIMIT -1 OFFSET ?3";
    let mut select = transaction.prepare_cached(sql)?;
    let ids = select.query_map(params![model, window, most], |row| row.get(0))?;
    ids.collect()
}

/// Windows of a model that closed longer ago than is wanted; that of each name which is shown
/// stays.
fn beyond_age(
    transaction: &Transaction<'_>,
    model: i64,
    config: &StateConfig,
    now: Timestamp,
) -> rusqlite::Result<Vec<i64>> {
    let Some(age) = config.history_age else { return Ok(Vec::new()) };
    let sql = format!("SELECT id FROM ({PLACES} WHERE model = ?1) WHERE place > 1 AND closed < ?2");
    let mut select = transaction.prepare_cached(&sql)?;
    let ids = select.query_map(params![model, now.minus(age).0], |row| row.get(0))?;
    ids.collect()
}

/// The oldest windows of all models, where they take more bytes than is wanted; that of each name
/// which is shown stays.
fn beyond_bytes(transaction: &Transaction<'_>, config: &StateConfig) -> rusqlite::Result<Vec<i64>> {
    let Ok(most) = i64::try_from(config.history_max) else { return Ok(Vec::new()) };
    let sum = "SELECT coalesce(sum(bytes), 0) FROM closed_window";
    let all: i64 = transaction.prepare_cached(sum)?.query_row([], |row| row.get(0))?;
    let profiles = "SELECT coalesce(sum(length(body)), 0) FROM window_profile";
    let profiles: i64 = transaction.prepare_cached(profiles)?.query_row([], |row| row.get(0))?;
    let mut ids = Vec::new();
    let mut excess = all + profiles - most;
    if excess > 0 {
        excess = window_profiles::drop_bytes(transaction, excess)?;
    }
    if excess <= 0 {
        return Ok(ids);
    }
    let sql = format!("SELECT id, bytes FROM ({PLACES}) WHERE place > 1 ORDER BY id");
    let mut select = transaction.prepare_cached(&sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()?.filter(|_| excess > 0) {
        ids.push(row.get(0)?);
        excess -= row.get::<_, i64>(1)?;
    }
    Ok(ids)
}

/// Drops windows, and what they alone were compared with.
fn drop_windows(transaction: &Transaction<'_>, ids: &[i64]) -> rusqlite::Result<()> {
    let mut compared = BTreeSet::new();
    let select = "SELECT model, compared FROM closed_window WHERE id = ?1";
    let mut select = transaction.prepare_cached(select)?;
    for id in ids {
        let own = select.query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)));
        compared.extend(own.optional()?);
        for table in
            ["feature_window WHERE window", "window_profile WHERE window", "closed_window WHERE id"]
        {
            let sql = format!("DELETE FROM {table} = ?1");
            transaction.prepare_cached(&sql)?.execute(params![id])?;
        }
    }
    let is_left = "SELECT EXISTS (SELECT 1 FROM closed_window WHERE model = ?1 AND compared = ?2)";
    let compared: BTreeSet<(i64, Vec<u8>)> = compared;
    for (model, reference) in compared {
        let mut is_left = transaction.prepare_cached(is_left)?;
        if !is_left.query_row(params![model, reference], |row| row.get::<_, bool>(0))? {
            compared_features::forget(transaction, model)?;
        }
    }
    Ok(())
}
