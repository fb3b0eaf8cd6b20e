//! `columns.rename`: what columns of logs are called in the training data.

use std::borrow::Cow;

/// Names of logs and the names that they stand for; in both a `*` may stand for the same part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renaming(Vec<(String, String)>);

impl Renaming {
    /// Says which of these is wrong.
    pub fn new(rules: Vec<(String, String)>) -> Result<Renaming, String> {
        let stars = |text: &str| text.matches('*').count();
        for (from, to) in &rules {
            if from.is_empty() || to.is_empty() || stars(from) > 1 || stars(from) != stars(to) {
                return Err(format!(
                    "{from:?} = {to:?}: both are names, or both have one \"*\", for the same part"
                ));
            }
        }
        Ok(Renaming(rules))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(from, to)| (from.as_str(), to.as_str()))
    }

    /// What a column of logs is called in the training data; the first rule that fits says it.
    pub fn renamed<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let found = self.rules().find_map(|(from, to)| filled(from, to, name));
        found.map_or(Cow::Borrowed(name), Cow::Owned)
    }

    /// What a column of the training data can be called in logs.
    pub fn originals(&self, name: &str) -> Vec<String> {
        let found = self.rules().filter_map(|(from, to)| filled(to, from, name));
        // One that an earlier rule would call otherwise is none.
        found.filter(|original| self.renamed(original) == name).collect()
    }
}

/// The name `to`, with the part that `*` stands for in `from`, if the name is one.
fn filled(from: &str, to: &str, name: &str) -> Option<String> {
    let Some((begin, end)) = from.split_once('*') else {
        return (from == name).then(|| to.to_owned());
    };
    let part = name.strip_prefix(begin)?.strip_suffix(end)?;
    Some(to.replacen('*', part, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        let rule = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let rules = vec![rule("ts", "time"), rule("driver__*__v", "*"), rule("x.*", "*")];
        let renaming = Renaming::new(rules).unwrap();
        for (name, expected) in
            [("ts", "time"), ("driver__age__v", "age"), ("x.y.z", "y.z"), ("age", "age")]
        {
            assert_eq!(renaming.renamed(name), expected);
        }
        assert_eq!(renaming.originals("age"), ["driver__age__v", "x.age"]);
        assert_eq!(renaming.originals("time"), ["ts", "driver__time__v", "x.time"]);
        for (from, to) in [("*a*", "b*"), ("a*", "b"), ("a", "*"), ("", "b"), ("a", "")] {
            assert!(Renaming::new(vec![rule(from, to)]).is_err(), "{from} {to}");
        }
    }
}
