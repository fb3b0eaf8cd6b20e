//! Cuts bytes into lines of bounded length, however they arrive.

use crate::telemetry::RejectReason;

/// The lines of one connection.
pub struct LineSplitter {
    partial: Vec<u8>,
    bytes_max: usize,
    /// In the rest of a line that was rejected for its length.
    is_skipping: bool,
}

impl LineSplitter {
    pub fn new(bytes_max: usize) -> LineSplitter {
        LineSplitter { partial: Vec::new(), bytes_max, is_skipping: false }
    }

    pub fn push(&mut self, mut bytes: &[u8], mut f: impl FnMut(Result<&[u8], RejectReason>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if std::mem::take(&mut self.is_skipping) {
                continue;
            }
            if self.partial.is_empty() {
                self.emit(line, &mut f);
            } else {
                self.partial.extend_from_slice(line);
                let line = std::mem::take(&mut self.partial);
                self.emit(&line, &mut f);
            }
        }
        if self.is_skipping {
            return;
        }
        self.partial.extend_from_slice(bytes);
        if self.partial.len() > self.bytes_max {
            self.partial.clear();
            self.is_skipping = true;
            f(Err(RejectReason::TooLong));
        }
    }

    pub fn finish(&mut self, mut f: impl FnMut(Result<&[u8], RejectReason>)) {
        let line = std::mem::take(&mut self.partial);
        self.emit(&line, &mut f);
    }

    fn emit(&self, line: &[u8], f: &mut impl FnMut(Result<&[u8], RejectReason>)) {
        match line.trim_ascii() {
            [] => {}
            line if line.len() > self.bytes_max => f(Err(RejectReason::TooLong)),
            line => f(Ok(line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_bytes_arrive() {
        let text = b"a\r\n\nbb\nlong line\nc\nlast";
        let collect = |chunk: usize| {
            let mut lines = LineSplitter::new(4);
            let mut seen = Vec::new();
            let mut note = |line: Result<&[u8], RejectReason>| seen.push(line.map(<[u8]>::to_vec));
            text.chunks(chunk).for_each(|bytes| lines.push(bytes, &mut note));
            lines.finish(&mut note);
            seen
        };
        let ok = |line: &str| Ok(line.as_bytes().to_vec());
        let expected = [ok("a"), ok("bb"), Err(RejectReason::TooLong), ok("c"), ok("last")];
        for chunk in 1..=text.len() {
            assert_eq!(collect(chunk), expected, "in chunks of {chunk}");
        }
    }
}
