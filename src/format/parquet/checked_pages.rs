//! The pages of a chunk, looked at between being unpacked and being decoded.
//!
//! Texts whose lengths are packed apart from them begin with how many there are, and the decoder
//! makes room for that many before it reads one. Formats: Encodings.md, DELTA_BINARY_PACKED.

use super::chunk::ChunkBytes;
use super::thrift::Thrift;
use ::parquet::basic::Encoding;
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::types::ColumnDescPtr;

/// Reads the pages of one leaf.
pub struct CheckedPages {
    pub pages: SerializedPageReader<ChunkBytes>,
    pub leaf: ColumnDescPtr,
    /// Values that a page may say to have.
    pub values_max: u64,
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        match page.as_ref().map_or(Some(0), |page| self.values(page)) {
            Some(values) if values <= self.values_max => Ok(page),
            Some(values) => Err(ParquetError::General(format!(
                "a page says that it has {values} values, and {} is the limit",
                self.values_max
            ))),
            None => Err(ParquetError::General("a page has no lengths of its values".to_owned())),
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl CheckedPages {
    /// How many values a page says that it has room is made for; none where that cannot be read.
    fn values(&self, page: &Page) -> Option<u64> {
        let lists = match page.encoding() {
            Encoding::DELTA_BYTE_ARRAY => 2,
            Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
            // Levels and values of a list are held until its record is whole.
            _ if self.leaf.max_rep_level() > 0 => return Some(page.num_values().into()),
            _ => return Some(0),
        };
        let mut rest = self.after_levels(page)?;
        let mut most = u64::from(page.num_values());
        for _ in 0..lists {
            let (values, after) = packed_integers(rest, self.values_max)?;
            (most, rest) = (most.max(values), after);
            if most > self.values_max {
                break;
            }
        }
        Some(most)
    }

    /// What comes after the levels of a data page.
    fn after_levels<'p>(&self, page: &'p Page) -> Option<&'p [u8]> {
        match page {
            Page::DictionaryPage { buf, .. } => Some(buf),
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                buf.get(def_levels_byte_len.checked_add(*rep_levels_byte_len)? as usize..)
            }
            Page::DataPage { buf, num_values, def_level_encoding, rep_level_encoding, .. } => {
                let levels = [
                    (self.leaf.max_rep_level(), *rep_level_encoding),
                    (self.leaf.max_def_level(), *def_level_encoding),
                ];
                let mut rest: &[u8] = buf;
                for (most, encoding) in levels.into_iter().filter(|(most, _)| *most > 0) {
                    let bytes = match encoding {
                        Encoding::RLE => {
                            let (length, after) = rest.split_first_chunk::<4>()?;
                            rest = after;
                            u32::from_le_bytes(*length) as usize
                        }
                        _ => {
                            let bits = u64::from(i16::BITS - most.leading_zeros());
                            (u64::from(*num_values) * bits).div_ceil(8) as usize
                        }
                    };
                    rest = rest.get(bytes..)?;
                }
                Some(rest)
            }
        }
    }
}

/// How many integers are packed here, and what comes after them; what comes after more than `most`
/// is nobody's business.
fn packed_integers(bytes: &[u8], most: u64) -> Option<(u64, &[u8])> {
    // Its integers are written like Thrift's.
    let mut packed = Thrift(bytes);
    let block = packed.varint()?;
    let parts = packed.varint()?;
    let values = packed.varint()?;
    packed.varint()?;
    if values > most {
        return Some((values, &[]));
    }
    let per_part = block.checked_div(parts).filter(|n| *n > 0 && *n <= most.max(1 << 16))?;
    let mut left = values.saturating_sub(1);
    while left > 0 {
        packed.varint()?;
        let widths = packed.0.get(..usize::try_from(parts).ok()?)?;
        packed.skip(parts)?;
        for width in widths {
            // Those that hold no value any more have a width and nothing else.
            if left == 0 {
                break;
            }
            packed.skip(per_part.checked_mul(u64::from(*width))? / 8)?;
            left = left.saturating_sub(per_part);
        }
    }
    Some((values, packed.0))
}
