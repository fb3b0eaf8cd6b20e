//! Lists of measures as users write them, where `default` stands for those that are taken
//! otherwise.

use super::drift_config::{deciding_by_default, measures_by_default};
use crate::drift::{MEASURES, Measure, measure};

/// Stands for all measures that are taken where there is no list.
pub const DEFAULT: &str = "default";

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFault {
    Twice(String),
    Unknown(String),
}

/// The names that a list may have.
pub fn known_names() -> impl Iterator<Item = &'static str> + Clone {
    [DEFAULT].into_iter().chain(MEASURES.iter().map(|own| own.name()))
}

/// The measures to compute, by these names, and what is wrong with them.
pub fn computed(names: &[String]) -> (Vec<&'static dyn Measure>, Vec<ListFault>) {
    listed(names, &measures_by_default().collect::<Vec<_>>())
}

/// The measures that decide.
pub fn deciding(names: &[String]) -> (Vec<&'static dyn Measure>, Vec<ListFault>) {
    listed(names, &deciding_by_default().collect::<Vec<_>>())
}

fn listed(
    names: &[String],
    default: &[&'static dyn Measure],
) -> (Vec<&'static dyn Measure>, Vec<ListFault>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            faults.push(ListFault::Twice(name.clone()));
        }
        match (name.as_str(), measure(name)) {
            (DEFAULT, _) => found.extend(default),
            (_, Some(own)) => found.push(own),
            (_, None) => faults.push(ListFault::Unknown(name.clone())),
        }
    }
    (in_order(&found), faults)
}

/// In the order that they are shown in, each once.
pub fn in_order(measures: &[&'static dyn Measure]) -> Vec<&'static dyn Measure> {
    MEASURES.iter().copied().filter(|own| measures.contains(own)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(own: &[&dyn Measure]) -> Vec<&'static str> {
        own.iter().map(|own| own.name()).collect()
    }

    #[test]
    fn default_stands_for_what_is_taken_otherwise() {
        let list = ["wasserstein".to_owned(), DEFAULT.to_owned(), "psi".to_owned()];
        let (found, faults) = computed(&list);
        assert_eq!(found.len(), measures_by_default().count() + 1);
        assert_eq!((names(&found)[0], names(&found).last()), ("psi", Some(&"wasserstein")));
        assert_eq!(faults, []);
        assert!(!names(&deciding(&list[1..2]).0).contains(&"js"));
    }

    #[test]
    fn faults_name_what_is_wrong() {
        let (found, faults) = computed(&["ks", "psy", "ks"].map(str::to_owned));
        assert_eq!(names(&found), ["ks"]);
        assert_eq!(
            faults,
            [ListFault::Unknown("psy".to_owned()), ListFault::Twice("ks".to_owned())]
        );
    }
}
