//! One state, one daemon: two of them would count the same files twice.
//!
//! The lock is on the file that SQLite has open, so it does not matter by which name it was found:
//! another path, a link, or a name that was removed meanwhile.

use crate::error::{Result, StateError};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files that nobody else has locked; unlocked when dropped.
#[derive(Debug)]
pub struct StateLock {
    path: PathBuf,
    state: File,
    _beside: File,
}

impl StateLock {
    /// Locks the file at `path`, which is made if it is not there.
    pub fn acquire(path: &Path) -> Result<StateLock, StateError> {
        let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = open.map_err(|error| failed("open", path, &error))?;
        lock(&file, path)?;
        let metadata = file.metadata().map_err(|error| failed("read", path, &error))?;
        if metadata.nlink() > 1 {
            return Err(StateError::failed(format!(
                "the file has {} names (hard links), and what was written last lies beside one of \
                 them; remove the others",
                metadata.nlink()
            )));
        }
        let _beside = lock_beside(path)?;
        Ok(StateLock { path: path.to_owned(), state: file, _beside })
    }

    /// Fails when the path has another file now, or none: what is written then goes into a file
    /// that nobody will find again.
    pub fn check_in_place(&self) -> Result<(), StateError> {
        let own = self.state.metadata().map_err(|error| failed("read", &self.path, &error))?;
        match self.path.metadata() {
            Ok(found) if (found.dev(), found.ino()) == (own.dev(), own.ino()) => Ok(()),
            // Whoever may not look at it has not lost it.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
            _ => Err(StateError::failed(format!(
                "{} was removed or replaced while driftd runs; nothing is committed until it is \
                 back, or driftd is started again",
                self.path.display()
            ))),
        }
    }
}

/// Up to schema 3 a file beside the state was locked instead. An older driftd that still runs holds
/// it, and one that is started later finds it held.
fn lock_beside(path: &Path) -> Result<File, StateError> {
    let path = path.with_added_extension("lock");
    let file = File::create(&path).map_err(|error| failed("create", &path, &error))?;
    lock(&file, &path)?;
    Ok(file)
}

fn lock(file: &File, path: &Path) -> Result<(), StateError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StateError::failed(
            "in use by another driftd; two of them would count the same files twice",
        )),
        Err(TryLockError::Error(error)) => Err(failed("lock", path, &error)),
    }
}

fn failed(tried: &str, path: &Path, error: &std::io::Error) -> StateError {
    StateError::failed(format!("cannot {tried} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn whatever_its_name_the_file_is_locked_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driftd.db");
        let held = StateLock::acquire(&path).unwrap();
        let (link, hard) = (folder.path().join("link.db"), folder.path().join("hard.db"));
        symlink(&path, &link).unwrap();
        std::fs::hard_link(&path, &hard).unwrap();
        let refused = |path: &Path| StateLock::acquire(path).unwrap_err().to_string();
        for path in [&path, &link, &hard] {
            assert!(refused(path).contains("another driftd"), "{}", refused(path));
        }
        drop(held);
        assert!(refused(&path).contains("hard links"));
        std::fs::remove_file(hard).unwrap();
        StateLock::acquire(&link).unwrap();
    }

    #[test]
    fn an_older_driftd_is_seen_and_sees() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driftd.db");
        let older = File::create(folder.path().join("driftd.db.lock")).unwrap();
        older.try_lock().unwrap();
        assert!(StateLock::acquire(&path).is_err());
        older.unlock().unwrap();
        let held = StateLock::acquire(&path).unwrap();
        assert!(older.try_lock().is_err());
        drop(held);
        older.try_lock().unwrap();
    }
}
