//! Reads the body of a request: so many bytes, so fast at least, and so much in all bodies.

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// How long there may be no room before a request is turned away.
pub const ROOM_WITHIN: Duration = Duration::from_millis(100);

/// Who sends nothing for so long is given up.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// A body takes so long at most, and a second more for so many bytes: whoever sends byte by byte
/// must not be waited for.
const SLOW_START: Duration = Duration::from_secs(10);
const SLOW_BYTES: u64 = 64 << 10;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    TooLarge,
    TooSlow,
    /// Others take all room that there is.
    NoRoom,
    /// The connection broke.
    Broken,
}

/// The bytes of a body, of which there are so many at most, and their room.
pub async fn read_body(
    mut body: Body,
    most: usize,
    room: &Arc<Semaphore>,
) -> Result<(Vec<u8>, OwnedSemaphorePermit), Unread> {
    // What it says of itself; each part is looked at as well.
    if body.size_hint().lower() > most as u64 {
        return Err(Unread::TooLarge);
    }
    let mut taken = room_for(room, 0).await?;
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    loop {
        let slow = begun + SLOW_START + Duration::from_secs(bytes.len() as u64 / SLOW_BYTES);
        let deadline = slow.min(Instant::now() + QUIET_MAX);
        let Some(part) =
            timeout_at(deadline, next(&mut body)).await.map_err(|_| Unread::TooSlow)?
        else {
            return Ok((bytes, taken));
        };
        let part = part.map_err(|_| Unread::Broken)?;
        if bytes.len() + part.len() > most {
            return Err(Unread::TooLarge);
        }
        taken.merge(room_for(room, part.len()).await?);
        bytes.extend_from_slice(&part);
    }
}

/// Room for so many bytes, as soon as there is.
pub async fn room_for(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Unread> {
    let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
    let taken = timeout(ROOM_WITHIN, Arc::clone(room).acquire_many_owned(permits)).await;
    taken.ok().and_then(Result::ok).ok_or(Unread::NoRoom)
}

/// Room for so many bytes, if there is.
pub fn room_at_once(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Unread> {
    let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
    Arc::clone(room).try_acquire_many_owned(permits).map_err(|_| Unread::NoRoom)
}

async fn next(body: &mut Body) -> Option<Result<Bytes, axum::Error>> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => return Some(Ok(data)),
            // Trailers.
            Ok(Err(_)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_has_its_size_and_its_room() {
        let room = Arc::new(Semaphore::new(10));
        let read = async |text: &'static str, most| read_body(Body::from(text), most, &room).await;
        let (bytes, taken) = read("12345678", 8).await.unwrap();
        assert_eq!((bytes.as_slice(), room.available_permits()), (b"12345678".as_slice(), 2));
        assert_eq!(read("123456789", 8).await.unwrap_err(), Unread::TooLarge);
        assert_eq!(read("123", 8).await.unwrap_err(), Unread::NoRoom);
        drop(taken);
        assert_eq!(read("", 8).await.unwrap().0, b"");
        assert_eq!(room.available_permits(), 10);
    }
}
