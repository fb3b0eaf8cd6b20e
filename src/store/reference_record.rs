//! What panes are counted under: the profile of the reference, for the next start, and the windows.

use super::row_sums::{MODEL, REFERENCE, REFERENCE_PART};
use super::{ModelStore, accepted_references, to_text};
use crate::error::{Result, StateError};
use crate::identity::Stat;
use crate::monitor::acceptance::Acceptance;
use crate::time::Timestamp;
use crate::window::WindowConfig;
use crate::window::pane::PaneKey;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// All that the profile of a reference depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRecord {
    pub files: Vec<ReferenceFile>,
    /// The window that it was, in place of what the files hold.
    pub accepted: Option<Acceptance>,
    /// Hash of the configuration of its columns, and of the version that made it.
    pub settings: u128,
}

/// One file of a reference, as it was when it was profiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceFile {
    pub path: PathBuf,
    pub stat: Stat,
    /// XXH3, 128 bits, of the whole content, in hexadecimal.
    pub content: String,
}

/// What panes are counted under from now on.
pub struct Epoch {
    pub windows: Vec<WindowConfig>,
    pub reference: ReferenceRecord,
    /// Wall clock.
    pub begun: Timestamp,
    /// Its profile in chunks, when that is another than before.
    pub profile: Option<Vec<Vec<u8>>>,
    /// What panes are called under the new windows; those without a name are dropped.
    pub renamed: Vec<(PaneKey, Option<PaneKey>)>,
    /// The names of windows that do not go on as they were cut.
    pub left: Vec<String>,
}

impl ModelStore {
    /// What the profile in the state was made of.
    pub fn reference_record(&self) -> Result<Option<ReferenceRecord>, StateError> {
        let whole = REFERENCE.is_whole();
        let sql = format!("SELECT settings, files, {whole} FROM reference WHERE model = ?1");
        let row: Option<([u8; 16], String)> = self.store.read(|connection| {
            let record = connection.query_row(&sql, params![self.model], |row| {
                REFERENCE.expect_whole(row, 2)?;
                Ok((row.get(0)?, row.get(1)?))
            });
            record.optional()
        })?;
        let Some((settings, files)) = row else { return Ok(None) };
        let files = serde_json::from_str(&files).map_err(|error| {
            let what = "the list of the files of the reference";
            self.store.named(StateError::damaged(what, error))
        })?;
        let accepted = self.acceptance()?;
        Ok(Some(ReferenceRecord { files, accepted, settings: u128::from_be_bytes(settings) }))
    }

    /// The profile in the state, in chunks that are as in a `.profile` file.
    pub fn reference_profile(&self) -> Result<Vec<Vec<u8>>, StateError> {
        let sql = format!(
            "SELECT body, {} FROM reference_part WHERE model = ?1 ORDER BY number",
            REFERENCE_PART.is_whole()
        );
        self.store.read(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(params![self.model], |row| {
                REFERENCE_PART.expect_whole(row, 1)?;
                row.get(0)
            })?;
            rows.collect()
        })
    }

    /// The windows that open panes are named by; none of a model that has not counted anything.
    pub fn known_windows(&self) -> Result<Vec<WindowConfig>, StateError> {
        let sql = format!("SELECT windows, {} FROM model WHERE id = ?1", MODEL.is_whole());
        let windows: String = self.store.read(|connection| {
            connection.query_row(&sql, params![self.model], |row| {
                MODEL.expect_whole(row, 1)?;
                row.get(0)
            })
        })?;
        serde_json::from_str(&windows)
            .map_err(|error| self.store.named(StateError::damaged("the list of windows", error)))
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    epoch: &Epoch,
) -> rusqlite::Result<()> {
    let Epoch { windows, reference, profile, begun, .. } = epoch;
    accepted_references::write(transaction, model, reference.accepted.as_ref(), *begun)?;
    transaction.execute(
        "UPDATE model SET windows = ?2, sum = row_sum('model', id, name, version, ?2, created)
         WHERE id = ?1",
        params![model, to_text(windows)],
    )?;
    transaction.execute(
        &REFERENCE.replace(),
        params![model, reference.settings.to_be_bytes(), to_text(&reference.files)],
    )?;
    // The windows that stay say where they are with the same commit.
    transaction.execute("DELETE FROM place WHERE model = ?1", params![model])?;
    let Some(chunks) = profile else { return Ok(()) };
    transaction.execute("DELETE FROM reference_part WHERE model = ?1", params![model])?;
    let mut insert = transaction.prepare(&REFERENCE_PART.insert())?;
    for (number, body) in chunks.iter().enumerate() {
        insert.execute(params![model, number as i64, body])?;
    }
    Ok(())
}
