//! The one error type of the library.
//!
//! Not for bad values inside a column: those become counts beside the result. An [`Error`] means
//! that a whole thing (a file, a configuration, the state) could not be used, and its message
//! names the thing and, where one is known, the remedy.

use std::fmt;
use std::path::Path;

/// What went wrong, as far as a caller acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused a read, a write or a listing.
    Io,
    /// The bytes are not what they claim to be; reading them again gives the same answer.
    Decode,
    /// Not written to its end yet; worth another look later.
    Incomplete,
    /// Two profiles that were counted on different grids.
    Mismatch,
    /// The configuration or the arguments ask for something impossible.
    Config,
    /// The state file cannot be opened, read or written.
    State,
}

/// An error with the chain of things that were tried.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    pub fn config(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Config, message)
    }

    pub fn decode(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Decode, message)
    }

    /// An operating-system error on `path`, told apart from a file that merely decodes badly.
    pub fn io(tried: &str, path: &Path, source: &std::io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("cannot {tried} {}: {source}", path.display()))
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Puts the outer thing in front: `outer: inner`.
    #[must_use]
    pub fn context(self, outer: impl fmt::Display) -> Error {
        Error { kind: self.kind, message: format!("{outer}: {}", self.message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
