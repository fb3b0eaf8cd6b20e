//! The lines of a text.

use memchr::memchr_iter;

/// The lines of a text that hold anything, without white space around them.
pub fn full_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begun = 0;
    let ends = memchr_iter(b'\n', text).chain([text.len()]);
    let lines = ends.map(move |end| &text[std::mem::replace(&mut begun, end + 1)..end]);
    lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_is_between_line_feeds() {
        let lines = |text: &'static str| -> Vec<&'static str> {
            full_lines(text.as_bytes()).map(|line| std::str::from_utf8(line).unwrap()).collect()
        };
        assert_eq!(lines("a\n\n \r\n b \r\nc"), ["a", "b", "c"]);
        assert_eq!(lines("a\n"), ["a"]);
        assert_eq!(lines("\n"), Vec::<&str>::new());
        assert_eq!(lines(""), Vec::<&str>::new());
    }
}
