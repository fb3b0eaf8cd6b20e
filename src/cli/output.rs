//! Writing a result to standard output or to a file.

use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;

/// The name of standard output.
const PIPE: &str = "-";

/// Writes all of it. A file is replaced as a whole, so that a reader never sees half of one; what
/// is no file, such as a pipe or a device, is written to as it is.
pub fn write(output: Option<&Path>, bytes: &[u8]) -> Result<()> {
    let Some(path) = output.filter(|path| path.as_os_str() != PIPE) else {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes)?;
        return Ok(stdout.flush()?);
    };
    let context = || format!("cannot write {}", path.display());
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return std::fs::write(path, bytes).with_context(context);
    }
    // A link stays a link: what it names is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let partial = path.with_added_extension(format!("{}.partial", std::process::id()));
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, &path))
        .with_context(context)
}
