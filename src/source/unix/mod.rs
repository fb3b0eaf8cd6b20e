//! Lines over a Unix socket, for senders on the same machine: permissions of the socket file say
//! who may send.

#[cfg(test)]
mod tests;

use super::stream::{
    self, BoundStream, CONNECTIONS_MAX, Gate, LINE_BYTES_MAX, StreamListener, TOKEN_FILE,
};
use super::{BoundSource, ListenerKey, Resource, SharedByAll, SourceOwner, SourceType};
use crate::error::{Error, Result};
use crate::net::listener::{Listener, turn_away};
use crate::position::Arrival;
use crate::settings::{Key, SettingKind, Settings};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::UnixStream;

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
        &[PATH_KEY, MODE_KEY, LINE_BYTES_MAX, CONNECTIONS_MAX, TOKEN_FILE]
    }

    fn arrival(&self) -> Arrival {
        Arrival::Stream
    }

    fn resource(&self, settings: &Settings) -> Resource {
        Resource::SocketFile(settings.path(PATH).to_owned())
    }

    fn memory_max(&self, settings: &Settings, features: usize, threads: usize) -> u64 {
        stream::memory_max(settings, features, threads)
    }

    fn gate(&self, settings: &Settings) -> Result<Option<Gate>> {
        Gate::open(settings).map(Some)
    }

    fn bind(
        &self,
        settings: &Settings,
        owner: &SourceOwner,
        shared: &SharedByAll,
    ) -> Result<Box<dyn BoundSource>> {
        let (path, mode) = (settings.path(PATH), settings.mode(MODE));
        let failed = |error| Error::new(format!("cannot listen on {}: {error}", path.display()));
        let limits = stream::limits(settings);
        let key = ListenerKey::new(&Unix, self.resource(settings), owner);
        let listener = shared.listeners.take(key, owner, limits, |limits| {
            let gate = Arc::new(Gate::open(settings)?);
            let file = SocketFile::open(path, mode).map_err(failed)?;
            Ok(StreamListener::open(file, path.display().to_string(), limits, gate))
        })?;
        // Of a socket that was open already these may have changed.
        stream::set_gate(&listener, settings)?;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
        Ok(Box::new(BoundStream { listener, limits }))
    }
}

/// A socket that is listened on, and its file.
struct SocketFile {
    listener: tokio::net::UnixListener,
    path: PathBuf,
    /// Of the file.
    inode: u64,
}

impl SocketFile {
    fn open(path: &Path, mode: u32) -> io::Result<SocketFile> {
        let listener = listen(path, mode)?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let inode = fs::symlink_metadata(path)?.ino();
        Ok(SocketFile { listener, path: path.to_owned(), inode })
    }
}

impl Listener for SocketFile {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, String)> {
        let (stream, _) = self.listener.accept().await?;
        let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
        Ok((stream, process.map_or_else(String::new, |process| format!("process {process}"))))
    }

    fn turn_away(&self) {
        if (self.reachability())() {
            // Nobody can connect to it any more; gone already is as good.
            let _ = fs::remove_file(&self.path);
        }
        turn_away(self.listener.as_fd());
    }

    /// Somebody may have removed the file, or put another in its place.
    fn reachability(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (path, inode) = (self.path.clone(), self.inode);
        move || fs::symlink_metadata(&path).is_ok_and(|found| found.ino() == inode)
    }
}

/// Whether anybody listens there. One whose queue is full does.
fn is_listened_on(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) => Err(error),
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
        Ok(_) if is_listened_on(path)? => return Err(io::Error::other("it is listened on")),
        Ok(_) => {}
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
