//! Bodies that were packed for their way.

use super::BodyFault;
use flate2::read::MultiGzDecoder;
use std::io::Read;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// By its name in `Content-Encoding`; none of one that is not known.
    pub fn named(name: &str) -> Option<Packing> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Packing::Plain),
            "gzip" | "x-gzip" => Some(Packing::Gzip),
            "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }

    /// By the first bytes: files are sent as they lie there, without a word of how.
    pub fn of(bytes: &[u8]) -> Packing {
        match bytes {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// The bytes as they were, at most so many; none where they are not packed.
pub fn unpack(bytes: &[u8], packing: Packing, most: usize) -> Result<Option<Vec<u8>>, BodyFault> {
    let unpacked = match packing {
        Packing::Plain => return Ok(None),
        Packing::Gzip => read(MultiGzDecoder::new(bytes), most),
        Packing::Zstd => zstd::Decoder::with_buffer(bytes).and_then(|mut own| {
            // What it looks back on is bounded as well.
            own.window_log_max(WINDOW_LOG_MAX)?;
            read(own, most)
        }),
    };
    let unpacked = unpacked
        .map_err(|error| BodyFault::Malformed(format!("it cannot be unpacked: {error}")))?;
    match unpacked.len() > most {
        true => Err(BodyFault::TooLarge(format!("it unpacks to more than {most} bytes"))),
        false => Ok(Some(unpacked)),
    }
}

/// A power of two: 128 MB, the most that zstd takes unless it is told otherwise.
const WINDOW_LOG_MAX: u32 = 27;

fn read(packed: impl Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    packed.take(most as u64 + 1).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn what_was_packed_comes_back_and_a_bomb_does_not() {
        let text = b"{\"x\":1}\n".repeat(1_000);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        for (packed, packing) in [(gzip, Packing::Gzip), (zstd, Packing::Zstd)] {
            assert_eq!(Packing::of(&packed), packing);
            assert_eq!(unpack(&packed, packing, 8_000).unwrap().unwrap(), text);
            assert!(matches!(unpack(&packed, packing, 7_999), Err(BodyFault::TooLarge(_))));
            let half = &packed[..packed.len() / 2];
            assert!(matches!(unpack(half, packing, 8_000), Err(BodyFault::Malformed(_))));
        }
        assert_eq!(Packing::of(&text), Packing::Plain);
    }
}
