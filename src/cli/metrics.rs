//! `driftd metrics`: the table of metrics.

use super::output;
use crate::export::metrics::all;
use anyhow::Result;
use std::fmt::Write;
use std::process::ExitCode;

pub fn run() -> Result<ExitCode> {
    output::write(None, text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// One line per metric, tabs between name, type, labels, family and help.
fn text() -> String {
    let mut text = String::from("name\ttype\tlabels\tfamily\thelp\n");
    for metric in all() {
        let family = metric.family.map_or("always", |family| family.name());
        let (name, kind, help) = (metric.name, metric.kind.name(), metric.help);
        let labels = metric.labels.join(",");
        writeln!(text, "{name}\t{kind}\t{labels}\t{family}\t{help}").expect("memory takes it");
    }
    text
}
