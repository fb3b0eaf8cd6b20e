//! Rows as lines of JSON, and those that are none.

use super::budget::Budget;
use super::joined_lines::joined;
use super::{BodyContext, BodyFault};
use crate::format::json_check::check;
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use memchr::memchr_iter;
use serde::Serialize;

/// Rows that are named one by one to whoever sent them.
const NAMED_MAX: usize = 100;

/// Bytes of a rejected row that are remembered.
const HEAD_BYTES_MAX: usize = 100;

/// A row that does not count, by its number in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectedRow {
    pub row: u64,
    pub reason: RejectReason,
}

/// Rows as lines of JSON: each an object that can be counted, with its line feed.
#[derive(Debug, Default)]
pub struct RowLines {
    pub lines: Vec<u8>,
    /// Where each line ends.
    pub ends: Vec<usize>,
    /// Every value is a string, as in CSV.
    pub are_texts: bool,
    /// What was answered came with them, fitting or not.
    pub are_answered: bool,
    /// The first rows that do not count.
    pub rejected: Vec<RejectedRow>,
    /// All of them.
    pub n_rejected: Rejected,
    /// How the first of them begins.
    pub first_rejected: Option<(RejectReason, String)>,
    line_bytes_max: usize,
    /// Written first in each row.
    first: Option<String>,
    budget: Budget,
}

impl RowLines {
    pub fn new(context: &BodyContext) -> RowLines {
        let (line_bytes_max, first) = (context.line_bytes_max, context.first.clone());
        let budget = context.budget.clone();
        RowLines { line_bytes_max, first, budget, ..RowLines::default() }
    }

    /// Rows that count.
    pub fn n_rows(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Takes a row that is one value of JSON, or should be.
    pub fn push(&mut self, text: &[u8]) -> Result<(), BodyFault> {
        let text = text.trim_ascii();
        let checked = match text.len() > self.line_bytes_max {
            true => Err(RejectReason::TooLong),
            false => check(text),
        };
        match checked {
            Err(reason) => {
                self.reject(reason, text);
                Ok(())
            }
            Ok(()) => self.push_checked(text),
        }
    }

    /// Takes a row that was looked at: an object of JSON without white space around it.
    pub fn push_checked(&mut self, text: &[u8]) -> Result<(), BodyFault> {
        let begun = self.lines.len();
        self.begin_object();
        self.lines.extend_from_slice(text[1..].trim_ascii_start());
        // Inside of strings there is none.
        self.lines[begun..].iter_mut().filter(|own| **own == b'\n').for_each(|own| {
            *own = b' ';
        });
        self.end_line()
    }

    /// Counts a row that is one value of JSON, or should be, and does not keep it.
    pub fn push_unkept(&mut self, text: &[u8]) {
        match text.len() > self.line_bytes_max {
            true => self.reject(RejectReason::TooLong, text),
            false => match check(text) {
                Ok(()) => self.ends.push(self.lines.len()),
                Err(reason) => self.reject(reason, text),
            },
        }
    }

    /// Takes a row of these values, which have these names.
    pub fn push_values(
        &mut self,
        names: &[QuotedName],
        values: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), BodyFault> {
        let begun = self.lines.len();
        self.lines.push(b'{');
        for (name, value) in names.iter().zip(values) {
            if self.lines.len() > begun + 1 {
                self.lines.push(b',');
            }
            self.lines.extend_from_slice(name.0.as_bytes());
            self.lines.push(b':');
            self.lines.extend_from_slice(value.as_ref().as_bytes());
        }
        self.lines.push(b'}');
        self.keep_written(begun)
    }

    /// Takes a row that was written at the end of the lines, from there on, if it is one.
    fn keep_written(&mut self, begun: usize) -> Result<(), BodyFault> {
        let own = self.lines.split_off(begun);
        self.push(&own)
    }

    /// Takes a row of strings, of which an empty one is a missing value.
    pub fn push_texts(&mut self, names: &[QuotedName], texts: &[&str]) -> Result<(), BodyFault> {
        let begun = self.lines.len();
        self.begin_object();
        for (number, (name, text)) in names.iter().zip(texts).enumerate() {
            if number > 0 {
                self.lines.push(b',');
            }
            self.lines.extend_from_slice(name.0.as_bytes());
            self.lines.push(b':');
            match text.is_empty() {
                true => self.lines.extend_from_slice(b"null"),
                false => self.lines.extend_from_slice(quoted(text).as_bytes()),
            }
        }
        self.lines.push(b'}');
        if self.lines.len() - begun > self.line_bytes_max {
            self.lines.truncate(begun);
            self.reject(RejectReason::TooLong, &[]);
            return Ok(());
        }
        self.end_line()
    }

    fn begin_object(&mut self) {
        self.lines.push(b'{');
        self.lines.extend_from_slice(self.first.as_deref().unwrap_or_default().as_bytes());
    }

    fn end_line(&mut self) -> Result<(), BodyFault> {
        // An object that has nothing besides what was written first.
        if self.lines.ends_with(b",}") && self.first.is_some() {
            self.lines.truncate(self.lines.len() - 2);
            self.lines.push(b'}');
        }
        self.lines.push(b'\n');
        self.ends.push(self.lines.len());
        let begun = self.ends.iter().rev().nth(1).copied().unwrap_or(0);
        self.budget.spend(self.lines.len() - begun)?;
        Ok(())
    }

    /// These rows, each with the values of a response beside its own. Where that has other rows,
    /// they count without, and why it could not be read is told.
    #[must_use]
    pub fn with_response(mut self, response: RowLines) -> RowLines {
        self.are_answered = true;
        if let Some(lines) = joined(&self.lines, &response.lines).filter(|own| !own.is_empty()) {
            self.ends = memchr_iter(b'\n', &lines).map(|end| end + 1).collect();
            self.lines = lines;
        }
        if let Some((reason, text)) = response.first_rejected {
            self.n_rejected.add(reason, 1);
            self.first_rejected.get_or_insert((reason, text));
        }
        self
    }

    /// These rows, or none of them where one of them is none: a response says of each row which it
    /// belongs to by its number alone.
    #[must_use]
    pub fn all_or_none(mut self) -> RowLines {
        if self.n_rejected.sum() > 0 {
            self.lines.clear();
            self.ends.clear();
        }
        self
    }

    /// Appends rows that are written as these are, where there are any.
    pub fn append(&mut self, other: RowLines) {
        let (begun, row) = (self.lines.len(), self.n_rows() + self.n_rejected.sum());
        self.lines.extend(other.lines);
        self.ends.extend(other.ends.into_iter().map(|end| begun + end));
        self.are_texts = if begun == 0 { other.are_texts } else { self.are_texts };
        self.are_answered |= other.are_answered;
        let rejected = other.rejected.into_iter();
        self.rejected.extend(rejected.map(|own| RejectedRow { row: row + own.row, ..own }));
        other.n_rejected.iter().for_each(|(reason, n)| self.n_rejected.add(reason, n));
        self.first_rejected = self.first_rejected.take().or(other.first_rejected);
    }

    /// A row that is none, and how it begins.
    pub fn reject(&mut self, reason: RejectReason, text: &[u8]) {
        let row = self.n_rows() + self.n_rejected.sum();
        self.n_rejected.add(reason, 1);
        if self.rejected.len() < NAMED_MAX {
            self.rejected.push(RejectedRow { row, reason });
        }
        self.first_rejected.get_or_insert_with(|| {
            let head = &text[..text.len().min(HEAD_BYTES_MAX)];
            (reason, String::from_utf8_lossy(head).into_owned())
        });
    }
}

/// A name as JSON writes it.
#[derive(Debug, Clone)]
pub struct QuotedName(String);

impl QuotedName {
    pub fn all(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<QuotedName> {
        names.into_iter().map(|name| QuotedName(quoted(name.as_ref()))).collect()
    }
}

fn quoted(text: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(text).expect("a text can be written")
}
