//! Writing a result to standard output or to a file.

use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;

/// Writes all of it; a file is replaced as a whole, so that a reader never sees half of one.
pub fn write(output: Option<&Path>, bytes: &[u8]) -> Result<()> {
    let Some(path) = output else {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        return Ok(stdout.flush()?);
    };
    let partial = path.with_added_extension("partial");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
