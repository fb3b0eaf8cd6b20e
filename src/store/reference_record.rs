//! What panes are counted under: the profile of the reference, for the next start, and the windows.

use super::{ModelStore, failed, to_text};
use crate::error::{Result, StateError};
use crate::identity::Stat;
use crate::window::WindowConfig;
use crate::window::pane::PaneKey;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// All that the profile of a reference depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRecord {
    pub files: Vec<ReferenceFile>,
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
    /// Its profile in chunks, when that is another than before.
    pub profile: Option<Vec<Vec<u8>>>,
    /// What panes are called under the new windows; those without a name are dropped.
    pub renamed: Vec<(PaneKey, Option<PaneKey>)>,
}

impl ModelStore {
    /// What the profile in the state was made of.
    pub fn reference_record(&self) -> Result<Option<ReferenceRecord>, StateError> {
        let connection = self.store.reader();
        let row: Option<([u8; 16], String)> = connection
            .query_row(
                "SELECT settings, files FROM reference WHERE model = ?1",
                params![self.model],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|error| failed("read", &error))?;
        let Some((settings, files)) = row else { return Ok(None) };
        let files = serde_json::from_str(&files).map_err(|error| {
            StateError::damaged("the list of the files of the reference", error)
        })?;
        Ok(Some(ReferenceRecord { files, settings: u128::from_be_bytes(settings) }))
    }

    /// The profile in the state, in chunks that are as in a `.profile` file.
    pub fn reference_profile(&self) -> Result<Vec<Vec<u8>>, StateError> {
        let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let connection = self.store.reader();
            let mut statement = connection
                .prepare("SELECT body FROM reference_part WHERE model = ?1 ORDER BY number")?;
            let rows = statement.query_map(params![self.model], |row| row.get(0))?;
            rows.collect()
        };
        read().map_err(|error| failed("read", &error))
    }

    /// The windows that open panes are named by; none of a model that has not counted anything.
    pub fn known_windows(&self) -> Result<Vec<WindowConfig>, StateError> {
        let connection = self.store.reader();
        let windows: String = connection
            .query_row("SELECT windows FROM model WHERE id = ?1", params![self.model], |r| r.get(0))
            .map_err(|error| failed("read", &error))?;
        serde_json::from_str(&windows).map_err(|e| StateError::damaged("the list of windows", e))
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    epoch: &Epoch,
) -> rusqlite::Result<()> {
    let Epoch { windows, reference, profile, .. } = epoch;
    transaction
        .execute("UPDATE model SET windows = ?2 WHERE id = ?1", params![model, to_text(windows)])?;
    transaction.execute(
        "INSERT OR REPLACE INTO reference (model, settings, files) VALUES (?1, ?2, ?3)",
        params![model, reference.settings.to_be_bytes(), to_text(&reference.files)],
    )?;
    // The windows that stay say where they are with the same commit.
    transaction.execute("DELETE FROM place WHERE model = ?1", params![model])?;
    let Some(chunks) = profile else { return Ok(()) };
    transaction.execute("DELETE FROM reference_part WHERE model = ?1", params![model])?;
    let mut insert = transaction
        .prepare("INSERT INTO reference_part (model, number, body) VALUES (?1, ?2, ?3)")?;
    for (number, body) in chunks.iter().enumerate() {
        insert.execute(params![model, number as i64, body])?;
    }
    Ok(())
}
