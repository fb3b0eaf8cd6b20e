//! Cuts what a connection sends after its last whole line, however the bytes arrive.

use memchr::{memchr, memrchr};

/// Bytes asked of a connection at first, and at most.
const READ_BYTES_MIN: usize = 4 << 10;
const READ_BYTES_MAX: usize = 64 << 10;

/// What was read of one connection and not handed over: the beginning of a line, mostly nothing.
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// In the rest of a line that was too long.
    is_skipping: bool,
    /// Bytes to ask for next: more from whoever sends more.
    read_bytes: usize,
    /// Since the last time that something was taken.
    arrived: u64,
    too_long: u64,
}

/// Whole lines, and what arrived with them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// With their line feeds, the last maybe without.
    pub lines: Vec<u8>,
    /// Bytes that arrived, those of lines that were too long included.
    pub bytes: u64,
    pub too_long: u64,
}

impl Default for LineBuffer {
    fn default() -> LineBuffer {
        LineBuffer {
            bytes: Vec::new(),
            is_skipping: false,
            read_bytes: READ_BYTES_MIN,
            arrived: 0,
            too_long: 0,
        }
    }
}

impl LineBuffer {
    /// Where to read to; what was there stays in front.
    pub fn space(&mut self) -> &mut Vec<u8> {
        // An idle connection holds what it has, and nothing more is touched before it sends.
        self.bytes.reserve(self.read_bytes);
        &mut self.bytes
    }

    /// So many bytes were read. The whole lines that there are now; one that has begun and is
    /// longer than it may be is left out.
    pub fn take(&mut self, read: usize, line_bytes_max: usize) -> Option<Lines> {
        self.arrived += read as u64;
        let is_full = read >= self.read_bytes;
        let wanted = if is_full { self.read_bytes * 2 } else { self.read_bytes / 2 };
        self.read_bytes = wanted.clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        if self.is_skipping {
            let end = memchr(b'\n', &self.bytes);
            self.is_skipping = end.is_none();
            self.bytes.drain(..end.map_or(self.bytes.len(), |end| end + 1));
        }
        // There is no line feed in what was there before.
        let begun = self.bytes.len().saturating_sub(read);
        let end = memrchr(b'\n', &self.bytes[begun..]);
        let end = end.map_or(0, |end| begun + end + 1);
        let lines = self.split(end);
        // What ends in a carriage return may be a whole line but for its line feed.
        let return_bytes = usize::from(self.bytes.last() == Some(&b'\r'));
        if self.bytes.len() > line_bytes_max + return_bytes {
            self.bytes = Vec::new();
            self.is_skipping = true;
            self.too_long += 1;
        }
        let is_news = !lines.is_empty() || self.too_long > 0;
        is_news.then(|| self.lines(lines))
    }

    /// Takes what is before `end`, in no more room than it needs.
    fn split(&mut self, end: usize) -> Vec<u8> {
        if end == 0 {
            return Vec::new();
        }
        if end == self.bytes.len() && end > self.bytes.capacity() / 2 {
            return std::mem::take(&mut self.bytes);
        }
        let lines = self.bytes[..end].to_vec();
        self.bytes = self.bytes[end..].to_vec();
        lines
    }

    /// Whether what was read and not taken begins so.
    pub fn begins_with(&self, bytes: &[u8]) -> bool {
        self.bytes.starts_with(bytes)
    }

    /// What was read, for whoever reads it as something else.
    pub fn take_begun(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// The connection has ended, and maybe its last line with it.
    pub fn finish(mut self) -> Option<Lines> {
        let lines = std::mem::take(&mut self.bytes);
        (self.arrived > 0 || !lines.is_empty()).then(|| self.lines(lines))
    }

    /// Whether a line has begun and not ended.
    pub fn is_inside_line(&self) -> bool {
        !self.bytes.is_empty() || self.is_skipping
    }

    fn lines(&mut self, lines: Vec<u8>) -> Lines {
        let (bytes, too_long) = (self.arrived, self.too_long);
        (self.arrived, self.too_long) = (0, 0);
        Lines { lines, bytes, too_long }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_bytes_arrive() {
        let text = b"a\r\n\nbb\nlong line\nc\nlast";
        let collect = |chunk: usize| {
            let mut buffer = LineBuffer::default();
            let mut all = Lines::default();
            let mut add = |lines: Option<Lines>| {
                let lines = lines.unwrap_or_default();
                all.lines.extend(lines.lines);
                all.bytes += lines.bytes;
                all.too_long += lines.too_long;
            };
            for bytes in text.chunks(chunk) {
                buffer.space().extend_from_slice(bytes);
                add(buffer.take(bytes.len(), 8));
            }
            assert!(buffer.is_inside_line());
            add(buffer.finish());
            all
        };
        for chunk in 1..=text.len() {
            let all = collect(chunk);
            assert_eq!(all.bytes, text.len() as u64, "in chunks of {chunk}");
            let kept = String::from_utf8(all.lines).unwrap();
            // A line that came whole is measured where it is read.
            match all.too_long {
                0 => assert_eq!(kept.as_bytes(), text, "in chunks of {chunk}"),
                _ => assert_eq!(kept, "a\r\n\nbb\nc\nlast", "in chunks of {chunk}"),
            }
        }
    }

    #[test]
    fn a_line_without_end_takes_no_more_than_its_limit() {
        let mut buffer = LineBuffer::default();
        for _ in 0..1_000 {
            buffer.space().extend_from_slice(&[b'y'; 4_096]);
            buffer.take(4_096, 100_000);
            assert!(buffer.bytes.capacity() < 400_000, "{}", buffer.bytes.capacity());
        }
        buffer.space().extend_from_slice(b"\n{}\n");
        let lines = buffer.take(4, 100_000).unwrap();
        assert_eq!((lines.lines.as_slice(), lines.too_long), (&b"{}\n"[..], 0));
        assert_eq!(lines.lines.capacity(), 3, "a short line takes no more than it needs");
        assert!(!buffer.is_inside_line());
    }
}
