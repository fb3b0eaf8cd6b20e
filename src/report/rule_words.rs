//! What is said of a rule of quality.

use crate::explain::bin::printable;
use crate::explain::number::percent;
use crate::quality::rule::RuleFigures;

/// Such as `rule "AGEP range" is broken: 0.3 % break it, and at most 0 % may`.
pub fn rule_words(rule: &RuleFigures) -> String {
    let (name, verb) = (printable(&rule.rule), if rule.is_violated() { "broken" } else { "kept" });
    let (ratio, at_most) = (percent(rule.ratio), percent(rule.at_most));
    format!("rule {name:?} is {verb}: {ratio} break it, and at most {at_most} may")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_one_line() {
        let rule = "age\nrange".to_owned();
        let told = RuleFigures { rule, feature: None, ratio: 0.0034, at_most: 0.0 };
        assert_eq!(
            rule_words(&told),
            "rule \"age\\\\nrange\" is broken: 0.3 % break it, and at most 0 % may"
        );
    }
}
