//! What panes are counted under: the profiled reference, kept for the next start, and the windows.

use super::{Epoch, ModelStore, state, to_text};
use crate::error::{Error, Result};
use crate::position::Stat;
use crate::window::WindowConfig;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A reference that was profiled before, with all that the profile depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReference {
    pub files: Vec<ReferenceFile>,
    /// Hash of the configuration of its columns, and of the version that made it.
    pub settings: u128,
    /// As in a `.profile` file.
    pub profile: Vec<u8>,
}

/// One file of a reference, as it was when it was profiled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceFile {
    pub path: PathBuf,
    pub stat: Stat,
    /// XXH3, 128 bits, of the whole content, in hexadecimal.
    pub content: String,
}

impl ModelStore {
    pub fn kept_reference(&self) -> Result<Option<KeptReference>> {
        let connection = self.store.connection();
        let row: Option<([u8; 16], String, Vec<u8>)> = connection
            .query_row(
                "SELECT settings, files, body FROM reference WHERE model = ?1",
                params![self.model],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(|error| state("read", &error))?;
        let Some((settings, files, profile)) = row else { return Ok(None) };
        let files = serde_json::from_str(&files)
            .map_err(|error| Error::decode(format!("files of the reference: {error}")))?;
        Ok(Some(KeptReference { files, settings: u128::from_be_bytes(settings), profile }))
    }

    /// The windows that open panes are named by; none of a model that has not counted anything.
    pub fn known_windows(&self) -> Result<Vec<WindowConfig>> {
        let connection = self.store.connection();
        let windows: String = connection
            .query_row("SELECT windows FROM model WHERE id = ?1", params![self.model], |r| r.get(0))
            .map_err(|error| state("read", &error))?;
        serde_json::from_str(&windows).map_err(|e| Error::decode(format!("windows: {e}")))
    }
}

pub(super) fn write(
    transaction: &Transaction<'_>,
    model: i64,
    epoch: &Epoch,
) -> rusqlite::Result<()> {
    let Epoch { windows, reference } = epoch;
    transaction
        .execute("UPDATE model SET windows = ?2 WHERE id = ?1", params![model, to_text(windows)])?;
    transaction.execute(
        "INSERT OR REPLACE INTO reference (model, settings, files, body) VALUES (?1, ?2, ?3, ?4)",
        params![
            model,
            reference.settings.to_be_bytes(),
            to_text(&reference.files),
            reference.profile
        ],
    )?;
    Ok(())
}
