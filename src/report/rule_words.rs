//! What is said of a rule of quality.

use crate::explain::bin::printable;
use crate::explain::number::percent;
use crate::quality::rule::RuleFigures;

/// Such as `rule "AGEP range" is broken: 0.3 % of rows break it, and at most 0 may`.
pub fn rule_words(rule: &RuleFigures) -> String {
    let name = printable(&rule.rule);
    let Some(ratio) = rule.ratio else { return format!("rule \"{name}\" cannot be told") };
    let verb = if rule.is_violated() { "broken" } else { "kept" };
    let (ratio, at_most) = (percent(ratio), percent(rule.at_most));
    match rule.feature {
        Some(_) => format!(
            "rule \"{name}\" is {verb}: {ratio} of rows break it, and at most {at_most} may"
        ),
        None => format!("rule \"{name}\" is {verb}: by {ratio}, and at most {at_most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_one_line() {
        let figures = |feature: Option<&str>, ratio| RuleFigures {
            rule: "age\nrange".to_owned(),
            feature: feature.map(str::to_owned),
            ratio,
            at_most: 0.0,
        };
        assert_eq!(
            rule_words(&figures(Some("age"), Some(0.0034))),
            "rule \"age\\nrange\" is broken: 0.3 % of rows break it, and at most 0 may"
        );
        assert_eq!(
            rule_words(&figures(None, Some(0.25))),
            "rule \"age\\nrange\" is broken: by 25 %, and at most 0"
        );
        assert_eq!(rule_words(&figures(None, None)), "rule \"age\\nrange\" cannot be told");
    }
}
