//! Lines of requests and of responses as lines of both.

use crate::format::line_split::full_lines;

/// Lines of a request, each with the values of the response on the same line; where both have a
/// value of one name, that of the request holds. None where there are not as many of both.
pub fn joined(request: &[u8], response: &[u8]) -> Option<Vec<u8>> {
    let mut lines = Vec::with_capacity(request.len() + response.len());
    let (mut asked, mut answered) = (full_lines(request), full_lines(response));
    loop {
        match (asked.next(), answered.next()) {
            (None, None) => return Some(lines),
            (Some(asked), Some(answered)) => {
                let (asked, answered) = (members(asked)?, members(answered)?);
                lines.push(b'{');
                // Of a name that comes twice the last holds.
                lines.extend_from_slice(answered);
                if !asked.is_empty() && !answered.is_empty() {
                    lines.push(b',');
                }
                lines.extend_from_slice(asked);
                lines.extend_from_slice(b"}\n");
            }
            _ => return None,
        }
    }
}

/// What is between the braces of an object.
fn members(object: &[u8]) -> Option<&[u8]> {
    Some(object.strip_prefix(b"{")?.strip_suffix(b"}")?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_what_was_answered_for_it() {
        let own = |request: &str, response: &str| {
            let lines = joined(request.as_bytes(), response.as_bytes())?;
            Some(String::from_utf8(lines).unwrap())
        };
        let two = own("{\"x\":1}\n{ \"x\" : 2 }\n", "{\"p\":0.5}\n{}\n");
        assert_eq!(two.as_deref(), Some("{\"p\":0.5,\"x\":1}\n{\"x\" : 2}\n"));
        assert_eq!(own("{}\n", "{\"p\":1}\n").as_deref(), Some("{\"p\":1}\n"));
        assert_eq!(own("{\"x\":1}\n", "{\"p\":1}\n{\"p\":2}\n"), None);
        assert_eq!(own("", "").as_deref(), Some(""));
    }
}
