//! Three kinds of trouble, which cannot be mixed because they are three types.
//!
//! * A [`Fault`] is of one input: a file that cannot be read, a batch that cannot be counted. The
//!   input is set aside with its reason, and everything else goes on.
//! * A [`StateError`] is of the state: nothing more can be counted until it can be written, or
//!   until somebody has repaired it. It never says anything about an input.
//! * An [`Error`] is at the edge: a command, a configuration or the daemon as a whole ends with it,
//!   and its message names the thing and, where one is known, the remedy.
//!
//! The first two turn into the third and never into each other. None of them is for bad values
//! inside a column: those become counts beside the result.

use std::any::Any;
use std::fmt;
use std::path::Path;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What to do with an input that has a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The operating system refused to open or read it; worth another try.
    Io,
    /// The bytes are not what they claim to be; reading them again gives the same answer.
    Unreadable,
    /// Not written to its end yet, or changed while it was read; worth another look later.
    Incomplete,
}

/// What is wrong with one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    kind: FaultKind,
    message: String,
}

impl Fault {
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Fault {
        Fault { kind, message: message.into() }
    }

    pub fn unreadable(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Unreadable, message)
    }

    pub fn incomplete(message: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Incomplete, message)
    }

    /// What the operating system said when `path` was opened or read.
    pub fn io(tried: &str, path: &Path, source: &std::io::Error) -> Fault {
        Fault::new(FaultKind::Io, format!("cannot {tried} {}: {source}", path.display()))
    }

    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Puts the outer thing in front: `outer: inner`.
    #[must_use]
    pub fn context(self, outer: impl fmt::Display) -> Fault {
        Fault { kind: self.kind, message: format!("{outer}: {}", self.message) }
    }
}

/// What is wrong with the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateError {
    is_damage: bool,
    message: String,
}

impl StateError {
    /// An operation failed, as on a full disk.
    pub fn failed(message: impl Into<String>) -> StateError {
        StateError { is_damage: false, message: message.into() }
    }

    /// What is stored is not what was written.
    pub fn damaged(what: impl fmt::Display, fault: impl fmt::Display) -> StateError {
        let message = format!(
            "{what} cannot be read: {fault}; restore a copy of the state, or move it away to \
             start anew"
        );
        StateError { is_damage: true, message }
    }

    /// Trying again gives the same answer.
    pub fn is_damage(&self) -> bool {
        self.is_damage
    }

    /// Puts the outer thing in front: `outer: inner`.
    #[must_use]
    pub fn context(self, outer: impl fmt::Display) -> StateError {
        StateError { message: format!("{outer}: {}", self.message), ..self }
    }
}

/// Why a command or the daemon ended, with the chain of things that were tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub fn new(message: impl Into<String>) -> Error {
        Error(message.into())
    }

    /// What the operating system said about `path`.
    pub fn io(tried: &str, path: &Path, source: &std::io::Error) -> Error {
        Error(format!("cannot {tried} {}: {source}", path.display()))
    }

    /// Puts the outer thing in front: `outer: inner`.
    #[must_use]
    pub fn context(self, outer: impl fmt::Display) -> Error {
        Error(format!("{outer}: {}", self.0))
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error(fault.message)
    }
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Error {
        Error(error.message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}
impl std::error::Error for StateError {}
impl std::error::Error for Error {}
