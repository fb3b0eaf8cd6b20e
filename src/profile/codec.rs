//! Bytes of profiles: `.profile` files and the open panes of the state.
//!
//! ```text
//! "driftd" │ what, 2 bytes │ version, u16 │ XXH3 of both and the rest, 16 bytes │ zstd(postcard(value))
//! ```
//!
//! Integers are varints, so that an empty cell costs one byte before compression. A change of the
//! encoded types needs the next version; [`decode_versions`] reads what an older one wrote.
//!
//! | version | since | what changed |
//! |---|---|---|
//! | 1 | 0.1.0-dev | |
//! | 2 | 0.1.0-dev | panes and windows tell rows counted from rows seen; references are the same |
//! | 3 | 0.1.0 | empty cells are left out; windows have baselines |

use crate::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::RangeInclusive;
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 6] = b"driftd";
pub const VERSION: u16 = 3;
const HEADER_BYTES: usize = 26;
/// Cells are mostly small numbers: higher levels cost time and save a few per cent. Parts of panes
/// are written with every file.
const ZSTD_LEVEL: i32 = 3;
const ZSTD_LEVEL_PANE: i32 = 1;

/// What the bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Grids and counts of a whole data set.
    Profile,
    /// Counts of a part of an open pane; their grids are the reference's.
    Pane,
    /// Figures of one closed window.
    Window,
}

impl Content {
    /// The oldest version whose values have the same shape.
    fn oldest(self) -> u16 {
        match self {
            Content::Profile | Content::Pane => 2,
            Content::Window => 3,
        }
    }

    fn tag(self) -> &'static [u8; 2] {
        match self {
            Content::Profile => b"PF",
            Content::Pane => b"PN",
            Content::Window => b"WF",
        }
    }
}

/// The version that bytes say they have been written in; none when they are not driftd's.
pub fn version(bytes: &[u8]) -> Option<u16> {
    let header = bytes.get(..HEADER_BYTES).filter(|header| header.starts_with(MAGIC))?;
    Some(u16::from_le_bytes([header[8], header[9]]))
}

/// Encodes a value.
pub fn encode<T: Serialize>(content: Content, value: &T) -> Vec<u8> {
    let plain = postcard::to_stdvec(value).expect("memory takes every value");
    let level = if content == Content::Pane { ZSTD_LEVEL_PANE } else { ZSTD_LEVEL };
    let body = zstd::bulk::compress(&plain, level).expect("memory takes every byte");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(content.tag());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&checksum(VERSION, &bytes[6..], &body).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// Decodes a value; anything but the bytes that [`encode`] made is an error.
pub fn decode<T: DeserializeOwned>(content: Content, bytes: &[u8]) -> Result<T> {
    decode_versions(content.oldest()..=VERSION, content, bytes)
}

/// Decodes a value of the shape that it had in the `wanted` versions.
pub fn decode_versions<T: DeserializeOwned>(
    wanted: RangeInclusive<u16>,
    content: Content,
    bytes: &[u8],
) -> Result<T> {
    let (header, body) = bytes
        .split_at_checked(HEADER_BYTES)
        .filter(|(header, _)| header.starts_with(MAGIC) && &header[6..8] == content.tag())
        .ok_or_else(|| Error::decode("not a file that driftd wrote"))?;
    let version = u16::from_le_bytes([header[8], header[9]]);
    if !wanted.contains(&version) {
        let age = if version < VERSION { "an older" } else { "a newer" };
        return Err(Error::decode(format!(
            "format version {version}, of {age} driftd; this one reads version {VERSION}"
        )));
    }
    if header[10..] != checksum(version, &header[6..10], body).to_le_bytes() {
        return Err(Error::decode("damaged: the checksum does not match"));
    }
    let plain = zstd::stream::decode_all(body)
        .map_err(|error| Error::decode(format!("damaged: {error}")))?;
    postcard::from_bytes(&plain).map_err(|error| Error::decode(format!("damaged: {error}")))
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
