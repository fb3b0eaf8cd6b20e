//! Lines over a Unix socket, for senders on the same machine: permissions of the socket file say
//! who may send.

#[cfg(test)]
mod tests;

use super::lines::{Acceptor, CONNECTIONS_MAX, LINE_BYTES_MAX, LineSource};
use super::{BoundSource, Listeners, Resource, Source, SourceContext, SourceType};
use crate::error::{Error, Result};
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

const PATH: &str = "path";
const MODE: &str = "mode";

/// `type = "unix"`.
pub struct Unix;

impl SourceType for Unix {
    fn name(&self) -> &'static str {
        "unix"
    }

    fn keys(&self) -> &'static [Key] {
        const PATH_KEY: Key = Key {
            name: PATH,
            kind: SettingKind::Path,
            default: None,
            meaning: "the socket file; made at the start and removed at the end",
        };
        const MODE_KEY: Key = Key {
            name: MODE,
            kind: SettingKind::Mode,
            default: Some("0660"),
            meaning: "its permissions: who may write to it may send",
        };
        &[PATH_KEY, MODE_KEY, LINE_BYTES_MAX, CONNECTIONS_MAX]
    }

    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::SocketFile(settings.path(PATH).to_owned())
    }

    fn bind(&self, settings: &Settings, listeners: &Listeners) -> Result<Box<dyn BoundSource>> {
        let path = settings.path(PATH);
        let failed = |error| Error::new(format!("cannot listen on {}: {error}", path.display()));
        let mode = settings.mode(MODE);
        let open = || listen(path, mode).map(Into::into);
        let socket = listeners.take(self.resource(settings), open).map_err(failed)?;
        let listener = UnixListener::from(socket);
        // Of a socket that was open already the mode may have changed.
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
        let (path, settings) = (path.to_owned(), settings.clone());
        Ok(Box::new(BoundUnix { listener, path, settings }))
    }
}

/// Opens a socket file. One that nobody listens on is left from a process that was killed, and is
/// replaced; any other file is somebody else's.
fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::other("there is a file, and it is no socket"));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::other("another process listens on it")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error),
        },
    }
    // Under another name first: nobody may connect before the permissions are as configured.
    let hidden = path.with_added_extension(std::process::id().to_string());
    let listener = UnixListener::bind(&hidden)?;
    let renamed = fs::set_permissions(&hidden, Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&hidden, path));
    match renamed {
        Ok(()) => Ok(listener),
        Err(error) => {
            // What failed is told; that the rest of it goes as well is only tidy.
            let _ = fs::remove_file(&hidden);
            Err(error)
        }
    }
}

struct BoundUnix {
    listener: UnixListener,
    path: PathBuf,
    settings: Settings,
}

impl BoundSource for BoundUnix {
    fn address(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        let BoundUnix { listener, path, settings } = *self;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UnixListener::from_std(listener))
            .map_err(|error| Error::new(format!("cannot listen on {}: {error}", path.display())))?;
        Ok(Box::new(LineSource::start(listener, &settings, context)))
    }
}

impl Acceptor for tokio::net::UnixListener {
    type Stream = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        Ok(tokio::net::UnixListener::accept(self).await?.0)
    }
}
