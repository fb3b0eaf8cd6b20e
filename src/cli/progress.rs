//! Progress bars on standard error, when that is a terminal.

use crate::error::{Fault, Result};
use crate::monitor::table::{Blocks, Table};
use arrow_schema::Schema;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts `steps` of `what`.
pub fn bar(what: &'static str, steps: usize) -> ProgressBar {
    // Hidden by itself when standard error is no terminal.
    let bar = ProgressBar::new(steps as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len} {eta}");
    bar.with_style(style.expect("the template is fixed"))
}

/// A table that moves a bar whenever a column of a row group is read.
pub struct Watched<'a> {
    pub table: &'a dyn Table,
    pub bar: &'a ProgressBar,
}

impl Table for Watched<'_> {
    fn schema(&self) -> &Schema {
        self.table.schema()
    }

    fn row_groups(&self) -> &[u64] {
        self.table.row_groups()
    }

    fn fingerprint(&self) -> u64 {
        self.table.fingerprint()
    }

    fn weight(&self, row_group: usize, column: usize) -> u64 {
        self.table.weight(row_group, column)
    }

    fn prefetch(&self, row_group: usize, column: usize) {
        self.table.prefetch(row_group, column);
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        self.bar.inc(1);
        self.table.read(row_group, column)
    }
}
