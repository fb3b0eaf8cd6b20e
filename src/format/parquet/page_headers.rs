//! What the pages of a column chunk say of themselves, before any of them is unpacked.
//!
//! The decoder makes as much room for a page as its header announces, and some codecs go on for as
//! long as there is something to unpack. So the headers are read first, and a page that is larger
//! than may be is refused. Formats: `parquet.thrift` (PageHeader) and Thrift's compact protocol.

use super::thrift::{Thrift, kind};
use crate::error::{Fault, Result};
use crate::settings::units::bytes_text;
use ::parquet::basic::{Compression, Type};
use ::parquet::file::metadata::ColumnChunkMetaData;
use std::io::Read;

/// What the pages of one chunk are like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageSizes {
    /// Bytes of the largest page in which a text can repeat the start of the one before, so that a
    /// text can be as long as the page; 0 where there is none.
    pub prefixed_max: u64,
    /// Bytes of a value, in the page where there are most on average.
    pub value_mean_max: u64,
    /// Some pages have keys of a dictionary, and others the values themselves.
    pub is_mixed: bool,
    /// Values of the dictionary, where all pages have keys of it; else 0.
    pub dictionary_values: u64,
}

/// What pages may be like.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    pub codec: Compression,
    /// Bytes that a value takes in a dictionary at least.
    pub value_bytes_min: u64,
    pub page_bytes_max: u64,
}

impl PageLimits {
    pub fn of(chunk: &ColumnChunkMetaData, page_bytes_max: u64) -> PageLimits {
        let value_bytes_min = match chunk.column_type() {
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => chunk.column_descr().type_length().max(1) as u64,
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY | Type::BOOLEAN => 4,
        };
        PageLimits { codec: chunk.compression(), value_bytes_min, page_bytes_max }
    }
}

/// What we need of a page's header.
#[derive(Debug, Clone, Copy, Default)]
struct PageHeader {
    kind: i32,
    unpacked: u64,
    packed: u64,
    values: u64,
    encoding: i32,
    /// Bytes of a page of version 2 that come before what is packed.
    levels: u64,
}

/// `PageType.DICTIONARY_PAGE`.
const DICTIONARY: i32 = 2;

/// `Encoding.DELTA_BYTE_ARRAY`, and the two for keys of a dictionary.
const PREFIXED: i32 = 7;
const KEYS: [i32; 2] = [2, 8];

/// Reads the headers of a chunk; an error when a page would unpack to more than it may, or when
/// something is no header, so that nothing is unpacked whose size is not known.
pub fn check_pages(mut chunk: &[u8], limits: PageLimits) -> Result<PageSizes, Fault> {
    let (mut has_keys, mut has_values) = (false, false);
    let mut sizes = PageSizes::default();
    while !chunk.is_empty() {
        let mut thrift = Thrift(chunk);
        let header = thrift.page_header().and_then(|header| {
            let page = thrift.0.get(..header.packed as usize)?;
            Some((header, page, page.get(header.levels as usize..)?))
        });
        let Some((header, page, packed)) = header else {
            return Err(Fault::unreadable("the header of a page cannot be read"));
        };
        chunk = &thrift.0[page.len()..];
        check_size(&header, packed, limits)?;
        let is_dictionary = header.kind == DICTIONARY;
        has_keys |= !is_dictionary && KEYS.contains(&header.encoding);
        if is_dictionary {
            sizes.dictionary_values = header.values;
        }
        if is_dictionary || KEYS.contains(&header.encoding) {
            continue;
        }
        has_values = true;
        sizes.value_mean_max = sizes.value_mean_max.max(header.unpacked / header.values.max(1));
        if header.encoding == PREFIXED {
            sizes.prefixed_max = sizes.prefixed_max.max(header.unpacked);
        }
    }
    sizes.is_mixed = has_keys && has_values;
    if has_values {
        sizes.dictionary_values = 0;
    }
    Ok(sizes)
}

fn check_size(header: &PageHeader, packed: &[u8], limits: PageLimits) -> Result<(), Fault> {
    let PageLimits { codec, value_bytes_min, page_bytes_max } = limits;
    let is_announced = header.unpacked > page_bytes_max;
    if is_announced || unpacks_beyond(packed, codec, page_bytes_max) {
        let says = if is_announced { "unpacks to" } else { "unpacks to more than its" };
        return Err(Fault::unreadable(format!(
            "a page {says} {} bytes, and page_max is {}; raise that if the file is right",
            header.unpacked,
            bytes_text(page_bytes_max)
        )));
    }
    let room = header.values.saturating_mul(value_bytes_min);
    if header.kind == DICTIONARY && room > header.unpacked {
        return Err(Fault::unreadable(format!(
            "a dictionary of {} bytes says that it has {} values",
            header.unpacked, header.values
        )));
    }
    Ok(())
}

/// Whether a page unpacks to more than may be, whatever it announces. Only what could is unpacked
/// for this, piece by piece; codecs that are not here stop at what was announced.
fn unpacks_beyond(packed: &[u8], codec: Compression, bytes_max: u64) -> bool {
    // Out of one byte come at most so many; of Brotli there is no such bound.
    let (expansion, decoder): (u64, Box<dyn Read + '_>) = match codec {
        Compression::GZIP(_) => (1_032, Box::new(flate2::read::MultiGzDecoder::new(packed))),
        Compression::BROTLI(_) => {
            (u64::MAX, Box::new(brotli::Decompressor::new(packed, PIECE_BYTES)))
        }
        Compression::LZ4 => (255, Box::new(lz4_flex::frame::FrameDecoder::new(packed))),
        _ => return false,
    };
    if (packed.len() as u64).saturating_mul(expansion) <= bytes_max {
        return false;
    }
    let mut limited = decoder.take(bytes_max.saturating_add(1));
    let mut piece = vec![0; PIECE_BYTES];
    let mut unpacked = 0;
    // What cannot be unpacked is the decoder's to tell.
    while let Ok(read @ 1..) = limited.read(&mut piece) {
        unpacked += read as u64;
    }
    unpacked > bytes_max
}

const PIECE_BYTES: usize = 64 << 10;

/// Statistics in the header of its kind in the header of a page.
const DEPTH_MAX: usize = 3;

impl Thrift<'_> {
    /// None when it is none, as of everything below.
    fn page_header(&mut self) -> Option<PageHeader> {
        let (mut kind, mut unpacked, mut packed) = (None, None, None);
        let mut header = PageHeader::default();
        let mut described = None;
        self.fields(1, 0, &mut |outer, own, value| {
            match (outer, own) {
                (0, 1) => kind = Some(value),
                (0, 2) => unpacked = Some(u64::try_from(value).ok()?),
                (0, 3) => packed = Some(u64::try_from(value).ok()?),
                // DataPageHeader, DictionaryPageHeader and DataPageHeaderV2.
                (5 | 7 | 8, 1) => {
                    header.values = u64::try_from(value).ok()?;
                    // There is one of them, and it belongs to the page's type.
                    described.replace(outer).is_none().then_some(())?;
                }
                (5 | 7, 2) | (8, 4) => header.encoding = value,
                (8, 5 | 6) => header.levels += u64::try_from(value).ok()?,
                _ => {}
            }
            Some(())
        })?;
        let belongs = match kind? {
            0 => Some(5),
            1 => None,
            DICTIONARY => Some(7),
            3 => Some(8),
            _ => return None,
        };
        (described == belongs).then_some(())?;
        Some(PageHeader { kind: kind?, unpacked: unpacked?, packed: packed?, ..header })
    }

    /// Reads a struct, and calls `f` with the field that it is, its own fields, and their values
    /// where they are of 32 bits. The decoder reads fields that it knows as what they are to be,
    /// whatever they say that they are, and the last of several; so others are none.
    fn fields(
        &mut self,
        depth: usize,
        outer: i16,
        f: &mut dyn FnMut(i16, i16, i32) -> Option<()>,
    ) -> Option<()> {
        let mut own = 0i16;
        loop {
            let head = self.byte()?;
            if head == kind::END {
                return Some(());
            }
            let before = own;
            own = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).ok()?,
                step => own.checked_add(step.into())?,
            };
            (own > before).then_some(())?;
            let kind = head & 15;
            let expected = match (depth, outer, own) {
                (1, _, 1..=4) | (2, 5, 1..=4) | (2, 7, 1..=2) | (2, 8, 1..=6) => kind::I32,
                (1, _, 5..=8) | (2, 5, 5) | (2, 8, 8) => kind::STRUCT,
                (2, 7, 3) | (2, 8, 7) if kind == kind::FALSE => kind::FALSE,
                (2, 7, 3) | (2, 8, 7) => kind::TRUE,
                _ => kind,
            };
            if kind != expected {
                return None;
            }
            match kind {
                kind::TRUE | kind::FALSE => {}
                kind::BYTE => self.skip(1)?,
                kind::I32 => f(outer, own, i32::try_from(self.zigzag()?).ok()?)?,
                kind::I16 | kind::I64 => drop(self.zigzag()?),
                kind::DOUBLE => self.skip(8)?,
                kind::BINARY => {
                    let length = self.varint()?;
                    self.skip(length)?;
                }
                kind::STRUCT if depth < DEPTH_MAX => {
                    let within = if depth == 1 { own } else { -1 };
                    self.fields(depth + 1, within, f)?;
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::parquet::basic::{BrotliLevel, GzipLevel};
    use std::io::Write;

    fn varint(mut value: u64, bytes: &mut Vec<u8>) {
        while value > 127 {
            bytes.push(value as u8 | 128);
            value >>= 7;
        }
        bytes.push(value as u8);
    }

    /// A data page that announces to unpack to so many bytes.
    fn page(unpacked: u64, encoding: u64, packed: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 0]; // field 1, i32: a data page
        for size in [unpacked, packed.len() as u64] {
            bytes.push(0x15); // fields 2 and 3
            varint(size << 1, &mut bytes);
        }
        bytes.push(0x2c); // field 5, a struct of four i32 and statistics
        for value in [1, encoding, 3, 3] {
            bytes.push(0x15);
            varint(value << 1, &mut bytes);
        }
        bytes.extend([0x1c, 0x18, 2, b'a', b'b', 0x16, 4, 0, 0, 0]);
        bytes.extend(packed);
        bytes
    }

    fn limits(codec: Compression, page_bytes_max: u64) -> PageLimits {
        PageLimits { codec, value_bytes_min: 8, page_bytes_max }
    }

    /// Of pages of one value.
    fn plain_sizes(value_mean_max: u64) -> PageSizes {
        PageSizes { value_mean_max, ..PageSizes::default() }
    }

    fn refused(chunk: &[u8], codec: Compression, limit: u64) -> String {
        check_pages(chunk, limits(codec, limit)).unwrap_err().to_string()
    }

    #[test]
    fn a_page_that_announces_too_much_is_refused() {
        let plain = Compression::UNCOMPRESSED;
        let pages = [page(100, 0, &[1; 100]), page(5_000, 0, &[1; 70])].concat();
        assert_eq!(check_pages(&pages, limits(plain, 5_000)), Ok(plain_sizes(5_000)));
        let told = refused(&pages, plain, 4_096);
        assert_eq!(
            told,
            "a page unpacks to 5000 bytes, and page_max is 4KB; raise that if the file is right"
        );
        let prefixed = [page(100, 7, &[1; 100]), page(300, 7, &[1; 70])].concat();
        assert_eq!(
            check_pages(&prefixed, limits(plain, 5_000)),
            Ok(PageSizes { prefixed_max: 300, ..plain_sizes(300) })
        );
        assert_eq!(check_pages(&[], limits(plain, 0)), Ok(PageSizes::default()));
    }

    /// The decoder would go on where a header is cut, of other types, or too deep.
    #[test]
    fn what_is_no_header_is_refused() {
        let whole = page(100, 0, &[1; 100]);
        for end in 1..whole.len() {
            refused(&whole[..end], Compression::UNCOMPRESSED, 1 << 20);
        }
        for (at, byte) in [(0, 0x16), (2, 0x18), (5, 0x11), (0, 0x1b)] {
            let mut other = whole.clone();
            other[at] = byte;
            refused(&other, Compression::UNCOMPRESSED, 1 << 20);
        }
        // Of another type inside, twice, two descriptions, or that of another kind of page.
        for (at, byte) in [(7, 0x18), (7, 0x16), (9, 0x05), (6, 0x3c), (6, 0x4c), (1, 4)] {
            let mut other = whole.clone();
            other[at] = byte;
            let told = refused(&other, Compression::UNCOMPRESSED, 1 << 20);
            assert!(told.contains("header"), "{at}: {told}");
        }
        let nested = [vec![0x9c; 100], vec![0; 100]].concat();
        refused(&nested, Compression::UNCOMPRESSED, 1 << 20);
    }

    /// Ten million zeros that say to be a hundred.
    #[test]
    fn a_page_that_lies_is_refused() {
        let zeros = vec![0; 10_000_000];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(&zeros).unwrap();
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4_096, 5, 22);
        brotli.write_all(&zeros).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&zeros).unwrap();
        for (codec, packed) in [
            (Compression::GZIP(GzipLevel::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(BrotliLevel::default()), brotli.into_inner()),
            (Compression::LZ4, lz4.finish().unwrap()),
        ] {
            let lie = page(100, 0, &packed);
            assert!(lie.len() < 60_000, "{codec}");
            let told = refused(&lie, codec, 1 << 20);
            assert!(told.contains("more than its 100 bytes"), "{codec}: {told}");
            assert!(check_pages(&lie, limits(codec, 10_000_000)).is_ok(), "{codec}");
        }
    }
}
