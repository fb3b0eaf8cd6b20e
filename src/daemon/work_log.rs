//! What a model's work leaves in the log: each file and window, or a sum where there are many.

use crate::explain::phrases::ShownValues;
use crate::monitor::figures::{WindowFigures, WindowVerdict};
use crate::schema::column_changes::ColumnChanges;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tracing::{debug, info, warn};

/// So many files, and so many windows without drift, have lines of their own in this time; more of
/// them are added up, so that a backlog does not hide what is worth reading.
const LINES: u64 = 10;
const INTERVAL: Duration = Duration::from_secs(10);

/// The same change of columns is told once in this time, and so many in all.
const COLUMNS_INTERVAL: Duration = Duration::from_secs(3_600);
const COLUMNS_TOLD_MAX: usize = 20;

/// So many are told at once when they are done.
const BACKLOG: u64 = 10;

/// The log of one model.
#[derive(Default)]
pub struct WorkLog {
    /// How the columns of each source's files differ from the reference's, and when that was told.
    changes: HashMap<String, Vec<(ColumnChanges, Timestamp)>>,
    since: Option<Timestamp>,
    files: u64,
    windows: u64,
    /// Of what has no line of its own.
    held: Held,
}

#[derive(Default)]
struct Held {
    files: u64,
    rows: u64,
    windows: u64,
}

impl WorkLog {
    /// A file was counted.
    pub fn note_file(
        &mut self,
        (model, source): (&str, &str),
        path: &Path,
        rows: u64,
        now: Timestamp,
    ) {
        self.begin(model, now);
        self.files += 1;
        let path = path.display();
        if self.files <= LINES {
            info!(model, source, %path, rows, "counted");
        } else {
            debug!(model, source, %path, rows, "counted");
            self.held.files += 1;
            self.held.rows += rows;
        }
    }

    /// The columns of a file differ from the reference's in this; told once in a while, also where
    /// the files of several writers alternate.
    pub fn note_columns(
        &mut self,
        (model, source): (&str, &str),
        path: &Path,
        changes: ColumnChanges,
        now: Timestamp,
    ) {
        let told = self.changes.entry(source.to_owned()).or_default();
        told.retain(|(_, at)| now.since(*at) < COLUMNS_INTERVAL);
        let is_news = !told.iter().any(|(known, _)| *known == changes);
        if !is_news || (changes.is_empty() && told.is_empty()) || told.len() >= COLUMNS_TOLD_MAX {
            return;
        }
        let path = path.display();
        match changes.is_empty() {
            true => info!(model, source, %path, "columns are those of the reference again"),
            false => warn!(model, source, %path, %changes, "columns have changed"),
        }
        told.push((changes, now));
    }

    /// A window has closed; one that has drifted, or breaks a rule, always has a line.
    pub fn note_window(&mut self, model: &str, figures: &WindowFigures, now: Timestamp) {
        self.begin(model, now);
        macro_rules! tell {
            ($level:ident) => {
                $level!(
                    model,
                    window = figures.window,
                    file = figures.file,
                    end = figures.end.map(tracing::field::display),
                    rows = figures.rows,
                    verdict = figures.verdict().name(),
                    judged = figures.judged(),
                    drifted = drifted(figures),
                    broken_rules = broken_rules(figures),
                    "window closed"
                )
            };
        }
        let is_broken = figures.broken_rules().next().is_some();
        if is_broken || figures.verdict() == WindowVerdict::Drifted {
            tell!(warn);
            return;
        }
        self.windows += 1;
        if self.windows <= LINES {
            tell!(info);
        } else {
            tell!(debug);
            self.held.windows += 1;
        }
    }

    /// Tells what has no line of its own, once that is some time ago or a backlog is done.
    pub fn tell_in_time(&mut self, model: &str, is_done: bool, now: Timestamp) {
        let is_old = self.since.is_some_and(|since| now.since(since) >= INTERVAL);
        if is_old || is_done && self.held.files + self.held.windows >= BACKLOG {
            self.tell(model, now);
        }
    }

    /// Tells what has no line of its own.
    pub fn tell(&mut self, model: &str, now: Timestamp) {
        let Held { files, rows, windows } = std::mem::take(&mut self.held);
        if files + windows > 0 {
            let since = self.since.unwrap_or(now);
            let seconds = now.since(since).as_secs_f64();
            info!(
                model,
                files,
                rows,
                windows,
                seconds,
                "besides these, files counted and windows closed without drift"
            );
        }
    }

    fn begin(&mut self, model: &str, now: Timestamp) {
        if self.since.is_none_or(|since| now.since(since) >= INTERVAL) {
            self.tell(model, now);
            (self.since, self.files, self.windows) = (Some(now), 0, 0);
        }
    }
}

/// Names of broken rules; none where there are no rules.
fn broken_rules(figures: &WindowFigures) -> Option<String> {
    let names: Vec<&str> = figures.broken_rules().map(|rule| rule.rule.as_str()).collect();
    (!figures.rules.is_empty()).then(|| names.join(", "))
}

/// The drifted features, each with the measures that called it and what moved; values of categories
/// stay out of the log.
fn drifted(figures: &WindowFigures) -> String {
    let drifted = figures.features.iter().filter(|feature| feature.drifted == Some(true));
    let told = drifted.map(|feature| {
        let called = feature.called().collect::<Vec<_>>().join(" ");
        let why = feature.why(ShownValues::Hidden).join("; ");
        match (called.is_empty(), why.is_empty()) {
            (true, _) => format!("{} ({})", feature.name, feature.status.name()),
            (false, true) => format!("{} ({called})", feature.name),
            (false, false) => format!("{} ({called}: {why})", feature.name),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}
