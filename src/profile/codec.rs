//! Bytes of profiles: `.profile` files and the open panes of the state.
//!
//! ```text
//! "driftd" │ what, 2 bytes │ version, u16 │ XXH3 of both and the rest, 16 bytes │ body
//! body = zstd(postcard(value))
//! ```
//!
//! Parts of panes are not compressed: that would take as long again as encoding them, with every
//! file.
//!
//! Integers are varints, so that an empty cell costs one byte before compression. A change of the
//! encoded types needs the next version; [`decode_versions`] reads what an older one wrote.
//!
//! | version | since | what changed |
//! |---|---|---|
//! | 1 | 0.1.0-dev | |
//! | 2 | 0.1.0-dev | panes and windows tell rows counted from rows seen; references are the same |
//! | 3 | 0.1.0 | empty cells are left out; windows have baselines; panes are not compressed |
//! | 4 | 0.1.0 | numbers have exact sums, half floats, and counts by size in wide cells |
//! | 5 | 0.1.0 | categories without a name have hashed cells, and rows an order; windows tell which measures called, and leave something for judging others |
//! | 6 | 0.1.0 | values that the reference never had are known by name; windows are no value any more |
//! | 7 | 0.1.0 | rows are counted by cluster too, where a column names those |

use crate::error::{Fault, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 6] = b"driftd";
pub const VERSION: u16 = 7;
const HEADER_BYTES: usize = 26;
/// Cells are mostly small numbers: higher levels cost time and save a few per cent.
const ZSTD_LEVEL: i32 = 3;

/// Bytes that a value is given first: a feature of a file of few rows takes no more.
const ROOM: usize = 512;

/// What the bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Grids and counts of a whole data set.
    Profile,
    /// Counts of a part of an open pane; their grids are the reference's.
    Pane,
    /// Figures of one closed window, up to version 5.
    Window,
    /// What a closed window leaves for judging others.
    Evidence,
}

impl Content {
    /// The oldest version whose values have the same shape.
    fn oldest(self) -> u16 {
        match self {
            Content::Profile => 2,
            Content::Pane => 3,
            Content::Window => 3,
            Content::Evidence => 5,
        }
    }

    fn tag(self) -> &'static [u8; 2] {
        match self {
            Content::Profile => b"PF",
            Content::Pane => b"PN",
            Content::Window => b"WF",
            Content::Evidence => b"EV",
        }
    }

    fn is_compressed(self) -> bool {
        self != Content::Pane
    }
}

/// The version that bytes say they have been written in; none when they are not driftd's.
pub fn version(bytes: &[u8]) -> Option<u16> {
    let header = bytes.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC))?;
    Some(u16::from_le_bytes([header[8], header[9]]))
}

/// Encodes a value.
pub fn encode<T: Serialize>(content: Content, value: &T) -> Vec<u8> {
    let mut body = Vec::new();
    append(value, &mut body);
    if content.is_compressed() {
        body = zstd::bulk::compress(&body, ZSTD_LEVEL).expect("memory takes every byte");
    }
    seal(content, &[&body])
}

/// Appends the bytes of a value alone. Those of a struct are those of its fields, one after the
/// other, and those of a sequence are its length and those of its elements; so what
/// [`encode`] writes without compression can be put together from parts.
pub fn append<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    let mut room = ROOM;
    // Into memory that is there, so that no byte has to ask for room.
    loop {
        bytes.resize(start + room, 0);
        match postcard::to_slice(value, &mut bytes[start..]) {
            Ok(written) => {
                let end = start + written.len();
                bytes.truncate(end);
                return;
            }
            Err(postcard::Error::SerializeBufferFull) => room *= 8,
            Err(error) => unreachable!("memory takes every value: {error}"),
        }
    }
}

/// Puts the header before a body, which comes in pieces.
pub fn seal(content: Content, body: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.iter().map(|p| p.len()).sum::<usize>());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(content.tag());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; size_of::<u128>()]);
    body.iter().for_each(|piece| bytes.extend_from_slice(piece));
    let (header, body) = bytes.split_at_mut(HEADER_BYTES);
    let sum = checksum(VERSION, &header[6..10], body);
    header[10..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Decodes a value; anything but the bytes that [`encode`] made is an error.
pub fn decode<T: DeserializeOwned>(content: Content, bytes: &[u8]) -> Result<T, Fault> {
    decode_versions(content.oldest()..=VERSION, content, bytes)
}

/// Decodes a value of the shape that it had in the `wanted` versions.
pub fn decode_versions<T: DeserializeOwned>(
    wanted: RangeInclusive<u16>,
    content: Content,
    bytes: &[u8],
) -> Result<T, Fault> {
    let (header, body) = bytes
        .split_at_checked(HEADER_BYTES)
        .filter(|(header, _)| header.starts_with(MAGIC) && &header[6..8] == content.tag())
        .ok_or_else(|| Fault::unreadable("not a file that driftd wrote"))?;
    let version = u16::from_le_bytes([header[8], header[9]]);
    if !wanted.contains(&version) {
        let age = if version < VERSION { "an older" } else { "a newer" };
        return Err(Fault::unreadable(format!(
            "format version {version}, of {age} driftd; this one reads version {VERSION}"
        )));
    }
    if header[10..] != checksum(version, &header[6..10], body).to_le_bytes() {
        return Err(Fault::unreadable("damaged: the checksum does not match"));
    }
    let damaged = |error: &dyn std::fmt::Display| Fault::unreadable(format!("damaged: {error}"));
    let plain = match content.is_compressed() {
        true => Cow::Owned(unpacked(body).map_err(|error| damaged(&error))?),
        false => Cow::Borrowed(body),
    };
    postcard::from_bytes(&plain).map_err(|error| damaged(&error))
}

/// Bytes that a body may unpack to: so many, and so many more for each of its own. The profile of a
/// thousand features packs to two thirds.
const UNPACKED_MAX: u64 = 256 << 20;
const UNPACKED_PER_BYTE: u64 = 50;

fn unpacked(body: &[u8]) -> io::Result<Vec<u8>> {
    let most = UNPACKED_MAX + UNPACKED_PER_BYTE * body.len() as u64;
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(body)?.take(most + 1).read_to_end(&mut plain)?;
    match plain.len() as u64 <= most {
        true => Ok(plain),
        false => Err(io::Error::other(format!("it unpacks to more than {most} bytes"))),
    }
}

/// Of the body and, from version 3 on, of what and version.
fn checksum(version: u16, header: &[u8], body: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    if version >= 3 {
        hash.update(header);
    }
    hash.update(body);
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300 MB in some kilobytes, with the checksum that a driftd would have given it.
    #[test]
    fn what_unpacks_to_very_much_is_refused() {
        let zeros = vec![0; 300 << 20];
        let bytes = seal(Content::Profile, &[&zstd::bulk::compress(&zeros, 1).unwrap()]);
        assert!(bytes.len() < 100_000);
        let told = decode::<Vec<u64>>(Content::Profile, &bytes).unwrap_err().to_string();
        assert!(told.contains("unpacks to more than"), "{told}");
    }

    #[test]
    fn any_damage_is_noticed() {
        let bytes = encode(Content::Pane, &vec![1u64, 2, 3]);
        assert_eq!(decode::<Vec<u64>>(Content::Pane, &bytes).unwrap(), [1, 2, 3]);
        assert!(decode::<Vec<u64>>(Content::Profile, &bytes).is_err());
        for length in 0..bytes.len() {
            assert!(decode::<Vec<u64>>(Content::Pane, &bytes[..length]).is_err());
            let mut flipped = bytes.clone();
            flipped[length] ^= 1;
            assert!(decode::<Vec<u64>>(Content::Pane, &flipped).is_err());
        }
    }
}
