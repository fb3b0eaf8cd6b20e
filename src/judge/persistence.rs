//! Whether a feature has drifted in several of its last windows: `[model.alert]`.

use std::collections::HashMap;

/// Windows that are looked back on at most.
pub const OF_MAX: u32 = 32;

/// In so many of the last windows in which a feature was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Persistence {
    pub windows: u32,
    pub of: u32,
}

impl Persistence {
    /// "2 of 3"; none where that is no such thing.
    pub fn parse(text: &str) -> Option<Persistence> {
        let (windows, of) = text.split_once(" of ")?;
        let (windows, of) = (windows.trim().parse().ok()?, of.trim().parse().ok()?);
        (1 <= windows && windows <= of && of <= OF_MAX).then_some(Persistence { windows, of })
    }
}

impl std::fmt::Display for Persistence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.windows, self.of)
    }
}

/// The last verdicts of each feature of the windows of one name.
#[derive(Debug, Clone, Default)]
pub struct RecentVerdicts {
    /// By feature: a bit per window in which it was judged, the newest lowest; 1 where it drifted.
    by_feature: HashMap<String, u32>,
}

impl RecentVerdicts {
    /// Adds the verdict of one more window; none where the feature was not judged, which tells
    /// nothing. Whether it has drifted in enough of the last windows, this one included.
    pub fn add(
        &mut self,
        feature: &str,
        drifted: Option<bool>,
        persistence: Persistence,
    ) -> Option<bool> {
        let Some(drifted) = drifted else {
            let known = self.by_feature.get(feature)?;
            return Some(is_persistent(*known, persistence));
        };
        // The name is copied once.
        if !self.by_feature.contains_key(feature) {
            self.by_feature.insert(feature.to_owned(), 0);
        }
        let known = self.by_feature.get_mut(feature).expect("it was put there");
        *known = *known << 1 | u32::from(drifted);
        Some(is_persistent(*known, persistence))
    }
}

fn is_persistent(known: u32, Persistence { windows, of }: Persistence) -> bool {
    (known & (u32::MAX >> (OF_MAX - of))).count_ones() >= windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_three_judged_windows_are_enough() {
        let two_of_three = Persistence::parse("2 of 3").unwrap();
        let mut recent = RecentVerdicts::default();
        let verdicts = [
            (Some(true), Some(false)),
            (Some(false), Some(false)),
            (None, Some(false)),
            (Some(true), Some(true)),
            (None, Some(true)),
            (Some(false), Some(false)),
            (Some(false), Some(false)),
        ];
        assert_eq!(recent.add("x", None, two_of_three), None);
        for (at, (drifted, expected)) in verdicts.into_iter().enumerate() {
            assert_eq!(recent.add("x", drifted, two_of_three), expected, "window {at}");
        }
        assert_eq!(recent.add("y", Some(true), two_of_three), Some(false));
    }

    #[test]
    fn what_is_no_count_of_windows_is_refused() {
        for text in ["2", "0 of 3", "4 of 3", "2 of 33", "two of three", "2of3"] {
            assert_eq!(Persistence::parse(text), None, "{text}");
        }
        assert_eq!(Persistence::parse("32 of 32").unwrap().to_string(), "32 of 32");
    }
}
