//! Thrift's compact protocol, as far as headers and footers need it before the decoder reads them.

/// The bytes that are left.
pub struct Thrift<'a>(pub &'a [u8]);

/// Types of fields.
pub mod kind {
    pub const END: u8 = 0;
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
    pub const UUID: u8 = 13;
}

/// Structs and lists that the decoder follows into each other.
const DEPTH_MAX: u32 = 64;

/// Whether lists say to have more elements than there are bytes, as none does that was written. The
/// decoder counts truth values of a list that it skips, of which each takes no byte for it, and
/// would do so for hours.
pub fn has_endless_lists(bytes: &[u8]) -> bool {
    let mut elements_left = Some(bytes.len() as u64);
    Thrift(bytes).skip_value(kind::STRUCT, DEPTH_MAX, &mut elements_left);
    elements_left.is_none()
}

impl Thrift<'_> {
    /// Skips a value as the decoder does; none when it cannot be read, or there are too many.
    fn skip_value(&mut self, kind: u8, depth: u32, elements_left: &mut Option<u64>) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            kind::TRUE | kind::FALSE => Some(()),
            kind::BYTE => self.skip(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(|_| ()),
            kind::DOUBLE => self.skip(8),
            kind::UUID => self.skip(16),
            kind::BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            kind::LIST | kind::SET => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                take_elements(elements_left, length)?;
                (0..length).try_for_each(|_| self.skip_value(head & 15, depth, elements_left))
            }
            kind::MAP => {
                let length = self.varint()?;
                take_elements(elements_left, length)?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.skip_value(kinds >> 4, depth, elements_left)?;
                    self.skip_value(kinds & 15, depth, elements_left)
                })
            }
            kind::STRUCT => loop {
                let head = self.byte()?;
                if head & 15 == kind::END {
                    return Some(());
                }
                if head >> 4 == 0 {
                    self.varint()?;
                }
                self.skip_value(head & 15, depth, elements_left)?;
            },
            _ => None,
        }
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn skip(&mut self, bytes: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    pub fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

/// Counts elements down; none is left when there are more.
fn take_elements(left: &mut Option<u64>, elements: u64) -> Option<()> {
    *left = left.and_then(|left| left.checked_sub(elements));
    left.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_more_elements_than_bytes_are_endless() {
        // Field 1, a list of three bytes; field 2, of 2^28 truth values; a struct around either.
        let few = [0x19, 0x33, 1, 2, 3, 0];
        let many = [0x19, 0xf1, 0x80, 0x80, 0x80, 0x80, 0x01, 0];
        assert!(!has_endless_lists(&few) && has_endless_lists(&many));
        let within = |inner: &[u8]| [&[0x1c], inner, &[0x00]].concat();
        assert!(!has_endless_lists(&within(&few)) && has_endless_lists(&within(&many)));
        // What cannot be read at all is the decoder's to tell.
        for cut in [&[][..], &few[..1], &few[..4], &few[..5]] {
            assert!(!has_endless_lists(cut));
        }
    }
}
