//! What moved, in a few words each.

use super::bin::Bin;
use super::explanation::Explanation;
use super::number::{percent, short};
use super::share_change::{ShareChange, Sides};
use super::{Guess, Scaling};
use serde::Deserialize;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// How the values of categories are told: `export.values`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Hash)]
#[serde(rename_all = "lowercase")]
pub enum ShownValues {
    Hidden,
    /// By a hash, so that they can be told apart.
    Hashed,
    Shown,
}

/// Measures that have a fact of their own to tell, most telling first.
const TELLING: [&str; 6] = ["missing", "unseen", "out_of_range", "centre", "share", "spread"];
/// New values that are named.
const NEW_NAMED: usize = 3;
/// A part this small of something goes without saying.
const MINOR: f64 = 0.1;
/// A part of a score that one bin carries, to be told alone.
const MOST_OF_SCORE: f64 = 0.9;

impl ShownValues {
    /// All, by name.
    pub const ALL: [ShownValues; 3] =
        [ShownValues::Hidden, ShownValues::Hashed, ShownValues::Shown];

    pub fn name(self) -> &'static str {
        match self {
            ShownValues::Hidden => "hidden",
            ShownValues::Hashed => "hashed",
            ShownValues::Shown => "shown",
        }
    }

    /// A category as it may be told; none where it may not.
    pub fn text(self, text: &str) -> Option<String> {
        match self {
            ShownValues::Hidden => None,
            ShownValues::Hashed => Some(format!("{:016x}", xxh3_64(text.as_bytes()))),
            ShownValues::Shown => Some(Bin::Text(text.to_owned()).to_string()),
        }
    }

    fn bin(self, bin: &Bin) -> String {
        match bin {
            Bin::Text(text) => self.text(text).map_or_else(|| "a value".to_owned(), quoted),
            _ => bin.to_string(),
        }
    }
}

/// Distances of values, whoever defines them; what moved is told of the middle.
const OF_VALUES: [&str; 4] = ["wasserstein", "energy", "cramer_von_mises", "anderson_darling"];

impl Explanation {
    /// What these measures saw, most telling first, no fact twice.
    pub fn phrases<'a>(
        &self,
        called: impl Iterator<Item = &'a str>,
        shown: ShownValues,
    ) -> Vec<String> {
        let mut phrases: Vec<String> = self.guess.iter().map(|guess| told(guess, shown)).collect();
        let mut called: Vec<&str> = called.collect();
        called.sort_by_key(|measure| TELLING.iter().position(|own| own == measure));
        // Bins are what is left to say where no other measure called.
        called.sort_by_key(|measure| !TELLING.contains(measure));
        for measure in called {
            for phrase in self.phrases_of(measure, shown) {
                // A bin of one value may be told already as that value.
                if !phrases.iter().any(|told| phrase.starts_with(told)) {
                    phrases.push(phrase);
                }
            }
        }
        phrases
    }

    fn phrases_of(&self, measure: &str, shown: ShownValues) -> Vec<String> {
        let one = |phrase: Option<String>| phrase.into_iter().collect();
        match measure {
            "missing" => vec![format!("missing {}", arrow(self.missing))],
            "unseen" => one(self.new_phrase(shown)),
            "out_of_range" => self.outside_phrases(),
            "centre" => one(self.centre_phrase()),
            name if OF_VALUES.iter().any(|own| name.starts_with(own)) => {
                one(self.centre_phrase().or_else(|| self.spread_phrase()))
            }
            "spread" => one(self.spread_phrase()),
            "share" => self.value_phrases(shown),
            "cells" => self.cell_phrases(shown),
            _ => self.bin_phrases(shown),
        }
    }

    fn new_phrase(&self, shown: ShownValues) -> Option<String> {
        let share = self.new_share?;
        let named = self.new_values.iter().take(NEW_NAMED);
        let named: Vec<String> = named
            .filter_map(|(text, share)| {
                Some(format!("{} {}", quoted(shown.text(text)?), percent(*share)))
            })
            .collect();
        if named.is_empty() {
            return Some(format!("new values {}", percent(share)));
        }
        let is_more = self.are_more_new || self.new_values.len() > NEW_NAMED;
        let more = if is_more { ", and others" } else { "" };
        let all = if named.len() == 1 && !is_more {
            String::new()
        } else {
            format!(" {}", percent(share))
        };
        Some(format!("new{all}: {}{more}", named.join(", ")))
    }

    fn outside_phrases(&self) -> Vec<String> {
        let told = |side: Option<(f64, f64)>, word: &str| {
            let (limit, share) = side.filter(|(_, share)| *share > 0.0)?;
            Some(format!("{word} {}: 0 → {}", short(limit), percent(share)))
        };
        let share = |side: Option<(f64, f64)>| side.map_or(0.0, |(_, share)| share);
        let tells = |one, other| share(one) >= MINOR * share(other);
        let below = self.below.filter(|_| tells(self.below, self.above));
        let above = self.above.filter(|_| tells(self.above, self.below));
        [told(below, "below"), told(above, "above")].into_iter().flatten().collect()
    }

    fn centre_phrase(&self) -> Option<String> {
        let mean = self.mean?;
        let shift = mean.current - mean.reference;
        if Some(shift > 0.0) != self.is_higher {
            // A few large values say another thing than most.
            let word = if self.is_higher? { "higher" } else { "lower" };
            return Some(format!("most values {word}"));
        }
        let sigmas = self.stddev.map(|own| shift / own.reference).filter(|s| s.is_finite());
        let sigmas = sigmas.map(|sigmas| format!(" ({:+} σ)", rounded(sigmas)));
        Some(format!("mean {}{}", numbers(mean), sigmas.unwrap_or_default()))
    }

    fn spread_phrase(&self) -> Option<String> {
        let own = self.stddev?;
        if Some(own.current > own.reference) != self.is_wider {
            let word = if self.is_wider? { "further from" } else { "nearer to" };
            return Some(format!("most values {word} the middle"));
        }
        Some(format!("σ {}", numbers(own)))
    }

    /// The value that moved most, and those that are gone.
    fn value_phrases(&self, shown: ShownValues) -> Vec<String> {
        let own = self.values.first().map(|own| share_phrase(own, shown));
        let own = own.or_else(|| self.bin_phrases(shown).into_iter().next());
        own.into_iter().chain(self.gone_phrase(shown)).collect()
    }

    /// What stands in the cells that moved most.
    fn cell_phrases(&self, shown: ShownValues) -> Vec<String> {
        let own = self.value_phrases(shown);
        // Cells of rare values hold the new ones, too.
        let new = self.new_share.unwrap_or(0.0);
        let is_news = |rare: &Sides| self.values.is_empty() && new < rare.current / 2.0;
        let rare = self
            .rare
            .filter(is_news)
            .map(|rare| format!("a rare value or several: {}", arrow(rare)));
        rare.into_iter().chain(own).collect()
    }

    fn gone_phrase(&self, shown: ShownValues) -> Option<String> {
        // One that is gone is told as the value that moved most.
        let is_told = |bin: &Bin| self.values.first().is_some_and(|own| own.bin == *bin);
        let (bin, share) = self.vanished.iter().find(|(bin, _)| !is_told(bin))?;
        let told = self.vanished.iter().filter(|(bin, _)| is_told(bin)).count();
        let others = match self.n_vanished - told {
            1 => String::new(),
            n => format!(", and {} others", n - 1),
        };
        Some(format!("gone: {} {}{others}", shown.bin(bin), percent(*share)))
    }

    /// The bins that carry most of the score.
    fn bin_phrases(&self, shown: ShownValues) -> Vec<String> {
        // What is new is told by name.
        let is_new = |own: &ShareChange| own.bin == Bin::Other && !self.new_values.is_empty();
        let mut told = self.bins.iter().filter(|(own, _)| !is_new(own));
        let Some((first, part)) = told.next() else { return Vec::new() };
        if *part < MINOR {
            return Vec::new();
        }
        let text = share_phrase(first, shown);
        match *part >= MOST_OF_SCORE {
            true => vec![text],
            false => vec![format!("{text} ({} of psi)", percent((part * 100.0).round() / 100.0))],
        }
    }
}

fn share_phrase(own: &ShareChange, shown: ShownValues) -> String {
    format!("{}: {}", shown.bin(&own.bin), arrow(own.shares))
}

/// So that a code is not read as a number of something.
fn quoted(text: String) -> String {
    format!("\"{text}\"")
}

fn arrow(shares: Sides) -> String {
    format!("{} → {}", percent(shares.reference), percent(shares.current))
}

fn numbers(change: Sides) -> String {
    format!("{} → {}", short(change.reference), short(change.current))
}

/// Two digits.
fn rounded(value: f64) -> f64 {
    let scale = 10f64.powi(1 - value.abs().log10().floor().clamp(-9.0, 1.0) as i32);
    (value * scale).round() / scale
}

fn told(guess: &Guess, shown: ShownValues) -> String {
    match guess {
        Guess::Scaled { scaling, share } if *share >= 0.99 => format!("as if {scaling}"),
        Guess::Scaled { scaling, share } => format!("{} as if {scaling}", percent(*share)),
        Guess::ClippedAbove(limit) => format!("clipped at {}", short(*limit)),
        Guess::ClippedBelow(limit) => format!("clipped below {}", short(*limit)),
        Guess::Filled { bin, share } => {
            format!("{} filled with {}", percent(*share), shown.bin(bin))
        }
        Guess::Constant(bin) => format!("one value for all: {}", shown.bin(bin)),
    }
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scaling::Times(factor) => write!(f, "× {}", short(*factor)),
            Scaling::DividedBy(factor) => write!(f, "÷ {}", short(*factor)),
            Scaling::Negated => f.write_str("of the other sign"),
            Scaling::CelsiusAsFahrenheit => f.write_str("°C in °F"),
            Scaling::FahrenheitAsCelsius => f.write_str("°F in °C"),
            Scaling::CelsiusAsKelvin => f.write_str("°C in K"),
            Scaling::KelvinAsCelsius => f.write_str("K in °C"),
        }
    }
}
