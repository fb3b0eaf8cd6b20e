//! Names with `*` and `?`, as `columns.include`, `columns.exclude` and `--exclude` take them.

use glob::Pattern;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// Names of columns: `*` stands for any characters, `?` for one, and every other for itself.
/// Brackets are part of many a column's name.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct NamePattern {
    written: String,
    pattern: Pattern,
}

impl NamePattern {
    pub fn new(written: impl Into<String>) -> NamePattern {
        let written = written.into();
        // A class of one character is that character; a run of stars is one star.
        let mut escaped = String::with_capacity(written.len());
        for character in written.chars() {
            match character {
                '[' => escaped.push_str("[[]"),
                ']' => escaped.push_str("[]]"),
                '*' if escaped.ends_with('*') => {}
                _ => escaped.push(character),
            }
        }
        let pattern = Pattern::new(&escaped).expect("every class is closed, every star alone");
        NamePattern { written, pattern }
    }

    pub fn matches(&self, name: &str) -> bool {
        self.pattern.matches(name)
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// As the pattern alone, which the settings of stored references are hashed from.
impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pattern.fmt(f)
    }
}

impl From<String> for NamePattern {
    fn from(written: String) -> NamePattern {
        NamePattern::new(written)
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_star_and_question_mark_are_patterns() {
        let matches = |pattern: &str, name: &str| NamePattern::new(pattern).matches(name);
        for name in ["emb[0]", "y[label]", "[", "]", "a{b}", "c\\d", "q!", "[!a]", "a-z", "x.y/z"] {
            assert!(matches(name, name), "{name}");
        }
        assert!(!matches("emb[0]", "emb0"));
        assert!(matches("emb[*]", "emb[17]") && !matches("emb[*]", "emb17"));
        assert!(matches("x?", "xé") && !matches("x?", "x"));
        assert!(matches("*", "") && matches("a**b", "a/x/b") && matches("***", "any"));
    }
}
