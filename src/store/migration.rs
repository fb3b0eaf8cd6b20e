//! What makes a state of today out of an older one.
//!
//! States from schema 3 on are taken over whole. Of those before, the ledger is kept, so that
//! nothing counts twice; open windows and history are not, since their figures were others, and a
//! log line says what was left behind.

use super::closed_windows::write_window;
use super::deltas::{bucket_column, slots_column};
use super::feature_windows::FeatureWindows;
use super::from_text;
use super::row_sums::{self, SummedTable};
use crate::drift::Measure;
use crate::judge::drift_config::measures_by_default;
use crate::monitor::figures_before;
use crate::window::WindowConfig;
use crate::window::cursor::PaneLayout;
use crate::window::pane::{CLOSED, PaneKey};
use rusqlite::{Connection, Transaction, params};
use tracing::{info, warn};

/// A step from one version of the schema to the next.
struct Migration {
    sql: &'static str,
    /// What SQL alone cannot say.
    convert: Option<fn(&Transaction<'_>) -> rusqlite::Result<()>>,
}

/// What makes each version of the schema out of the one before.
const MIGRATIONS: [Migration; 11] = [
    Migration { sql: include_str!("schema/1.sql"), convert: None },
    Migration { sql: include_str!("schema/2.sql"), convert: None },
    Migration { sql: include_str!("schema/3.sql"), convert: None },
    Migration { sql: include_str!("schema/4.sql"), convert: Some(name_panes) },
    Migration { sql: include_str!("schema/5.sql"), convert: Some(keep_sums) },
    Migration { sql: include_str!("schema/6.sql"), convert: Some(keep_evidence_sums) },
    Migration { sql: include_str!("schema/7.sql"), convert: Some(keep_window_sums) },
    Migration { sql: include_str!("schema/8.sql"), convert: None },
    Migration { sql: include_str!("schema/9.sql"), convert: None },
    Migration { sql: include_str!("schema/10.sql"), convert: Some(keep_acceptance_sums) },
    Migration { sql: include_str!("schema/11.sql"), convert: Some(spread_windows) },
];

/// The version that this driftd reads and writes.
pub const VERSION: usize = MIGRATIONS.len();

/// Versions below this lose their open windows and their history.
const WHOLE_SINCE: usize = 3;

/// Takes a state of an older version, or an empty one, to the newest.
pub fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    if version == VERSION {
        return add_measures(connection);
    }
    let transaction = connection.transaction()?;
    if (1..WHOLE_SINCE).contains(&version) {
        tell_what_is_lost(&transaction, version)?;
    }
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration.sql)?;
        if let Some(convert) = migration.convert {
            convert(&transaction)?;
        }
    }
    FeatureWindows::extend(&transaction, default_measures())?;
    row_sums::write_schema_sum(&transaction)?;
    transaction.pragma_update(None, "user_version", VERSION as i64)?;
    transaction.commit()?;
    if version > 0 {
        info!(from = version, to = VERSION, "the state was taken over");
    }
    Ok(())
}

/// What every state has columns for; others have them once a model asks for their measure.
fn default_measures() -> impl Iterator<Item = &'static str> {
    measures_by_default().map(<dyn Measure>::name)
}

/// A driftd that computes more measures than the one before keeps theirs, too.
fn add_measures(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    if FeatureWindows::extend(&transaction, default_measures())? {
        row_sums::write_schema_sum(&transaction)?;
        transaction.commit()?;
    }
    Ok(())
}

fn tell_what_is_lost(transaction: &Transaction<'_>, version: usize) -> rusqlite::Result<()> {
    let count = |sql| transaction.query_row(sql, [], |row| row.get::<_, i64>(0));
    let files = count("SELECT count(*) FROM file")?;
    let windows = count("SELECT count(*) FROM closed_window")?;
    let open_rows = open_rows(transaction)?;
    warn!(
        version,
        files,
        windows,
        open_rows,
        "a state of an old format: its counted files are known and not counted again; its open \
         panes and its closed windows cannot be read any more and are dropped"
    );
    Ok(())
}

/// Rows that were in open windows of rows, as far as the places of the windows tell.
fn open_rows(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(json_extract(body, '$.open.rows')), 0) FROM place";
    transaction.query_row(sql, [], |row| row.get(0))
}

/// Schema 3 named panes by one list of numbers, changed the names when windows closed, and kept
/// the rows of closed panes among the others.
fn name_panes(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut models = transaction.prepare("SELECT id, windows FROM model")?;
    let models = models.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    for model in models? {
        let (model, windows) = model?;
        let windows: Vec<WindowConfig> = from_text(&windows)?;
        let layout = PaneLayout::new(&windows);
        let mut parts = transaction.prepare(
            "SELECT id, pane, rows, level, source, content FROM part
             WHERE model = ?1 AND pane IS NOT NULL ORDER BY id",
        )?;
        let mut parts = parts.query([model])?;
        let mut insert = transaction.prepare(
            "INSERT INTO pane_delta (id, model, bucket, slots, rows, level, source, content, body)
             SELECT id, model, ?2, ?3, rows, level, source, content, body FROM part WHERE id = ?1",
        )?;
        while let Some(part) = parts.next()? {
            let name = from_text(&part.get::<_, String>(1)?)?;
            let key = pane_key(&layout, name);
            insert.execute(params![
                part.get::<_, i64>(0)?,
                bucket_column(&key),
                slots_column(&key)
            ])?;
        }
    }
    transaction.execute_batch(
        "INSERT INTO file_rows SELECT source, content, start, sum(rows) FROM part
             WHERE content IS NOT NULL AND start IS NOT NULL GROUP BY source, content, start;
         DROP TABLE part;",
    )
}

/// Before schema 5, nothing told whether a row is as it was written.
fn keep_sums(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    row_sums::keep(
        transaction,
        &[
            "model",
            "source",
            "file",
            "path",
            "file_rows",
            "position",
            "place",
            "total",
            "reference",
            "reference_part",
            "pane_delta",
            "closed_window",
        ],
    )
}

fn keep_acceptance_sums(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    row_sums::keep(transaction, &["accepted_reference"])
}

fn keep_evidence_sums(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    row_sums::keep(transaction, &["window_evidence"])
}

fn keep_window_sums(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    row_sums::keep(transaction, &["closed_window", "feature"])
}

/// Up to schema 6 all figures of a closed window were one value; they are written as windows are
/// now, and so by the last step.
fn spread_windows(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let is_spread = "SELECT count(*) = 0 FROM sqlite_schema WHERE name = 'closed_window_before'";
    if transaction.query_row(is_spread, [], |row| row.get(0))? {
        return Ok(());
    }
    FeatureWindows::extend(transaction, default_measures())?;
    let columns = FeatureWindows::of(transaction)?;
    let before = SummedTable::new(
        "closed_window",
        "model, window, slot, \"end\", closed, rows, verdict, figures",
    );
    let sql = format!(
        "SELECT model, figures, {} FROM closed_window_before ORDER BY id",
        before.is_whole()
    );
    let mut select = transaction.prepare(&sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        before.expect_whole(row, 2)?;
        let (model, body): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let figures = figures_before::decode(&body).map_err(|fault| {
            let fault = format!("a closed window: {fault}");
            rusqlite::Error::UserFunctionError(fault.into())
        })?;
        write_window(transaction, &columns, model, &figures, None)?;
    }
    drop(rows);
    drop(select);
    transaction.execute_batch("DROP TABLE closed_window_before")
}

fn pane_key(layout: &PaneLayout, mut numbers: Vec<u64>) -> PaneKey {
    let bucket = numbers.get(layout.n_slots()).copied().unwrap_or(CLOSED);
    numbers.truncate(layout.n_slots());
    PaneKey { slots: numbers, bucket }
}
