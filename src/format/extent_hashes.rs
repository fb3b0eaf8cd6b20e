//! The hash of a file's content.
//!
//! The content is hashed by extents, which the footer fixes: every column chunk is one, and so is
//! what lies between. A chunk is hashed when it is read for counting, while its bytes are in cache;
//! only what nobody read is read for the hash. The file's hash is that of its extents' hashes in
//! the order of the file, so it depends on the content alone.

use crate::error::{Fault, FaultKind, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Bytes per read of what nobody else read.
const READ_BYTES: u64 = 1 << 20;

/// Hashes of the extents that were read so far, by offset and length.
#[derive(Debug, Default)]
pub struct ExtentHashes(Mutex<BTreeMap<(u64, u64), u128>>);

impl ExtentHashes {
    /// Notes bytes that were read.
    pub fn note(&self, offset: u64, bytes: &[u8]) {
        let hash = xxh3_128(bytes);
        let mut known = self.0.lock().expect("nobody panics with it");
        known.insert((offset, bytes.len() as u64), hash);
    }

    /// The hash of the whole content. `bounds` are where extents begin and end.
    pub fn content(&self, file: &File, size: u64, bounds: Vec<u64>) -> Result<u128, Fault> {
        let known = self.0.lock().expect("nobody panics with it");
        let mut bounds = bounds;
        bounds.extend([0, size]);
        bounds.retain(|bound| *bound <= size);
        bounds.sort_unstable();
        bounds.dedup();
        let mut whole = Xxh3::new();
        for pair in bounds.windows(2) {
            let (offset, length) = (pair[0], pair[1] - pair[0]);
            let hash = match known.get(&(offset, length)) {
                Some(hash) => *hash,
                None => hash_extent(file, offset, length)?,
            };
            whole.update(&length.to_le_bytes());
            whole.update(&hash.to_le_bytes());
        }
        Ok(whole.digest128())
    }
}

fn hash_extent(file: &File, offset: u64, length: u64) -> Result<u128, Fault> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; READ_BYTES.min(length) as usize];
    let mut done = 0;
    while done < length {
        let wanted = READ_BYTES.min(length - done) as usize;
        // Positioned reads: a memory map would turn a truncation into a fatal signal.
        file.read_exact_at(&mut buffer[..wanted], offset + done)
            .map_err(|error| Fault::new(FaultKind::Io, format!("cannot read: {error}")))?;
        hash.update(&buffer[..wanted]);
        done += wanted as u64;
    }
    Ok(hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// What was read for counting and what was read for the hash come to the same.
    #[test]
    fn the_hash_is_of_the_content_whoever_read_it() {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> =
            (0..3_000_000u32).map(|i| (i.wrapping_mul(0x9E37_79B1) >> 24) as u8).collect();
        file.write_all(&bytes).unwrap();
        let size = bytes.len() as u64;
        let content = |noted: &[(usize, usize)], bounds: &[u64]| {
            let hashes = ExtentHashes::default();
            for &(from, to) in noted {
                hashes.note(from as u64, &bytes[from..to]);
            }
            hashes.content(&file, size, bounds.to_vec()).unwrap()
        };
        let bounds = [4, 1_200_000, 1_200_000, 2_900_000];
        let none = content(&[], &bounds);
        assert_eq!(content(&[(4, 1_200_000)], &bounds), none);
        assert_eq!(content(&[(1_200_000, 2_900_000), (4, 1_200_000)], &bounds), none);
        // A forged footer's extents overlap or lie outside: something is hashed all the same.
        assert_eq!(content(&[(2, 1_500_000)], &bounds), none);
        assert_eq!(content(&[], &[4, 1_200_000, 2_900_000, size + 5, u64::MAX]), none);
        assert_ne!(content(&[], &[4]), none);
    }

    #[test]
    fn any_other_byte_is_another_content() {
        let content = |change: Option<usize>| {
            let mut bytes = vec![7u8; 5_000];
            change.into_iter().for_each(|at| bytes[at] = 8);
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            ExtentHashes::default().content(&file, 5_000, vec![4, 3_000]).unwrap()
        };
        let same = content(None);
        assert_eq!(content(None), same);
        assert!([0, 3, 4, 2_999, 3_000, 4_999].iter().all(|at| content(Some(*at)) != same));
    }
}
