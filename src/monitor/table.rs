//! What counting needs of a file or batch: a schema, row groups, and encoded columns that are
//! decoded where they are counted.

use crate::error::{Fault, Result, panic_text};
use crate::profile::block::Block;
use arrow_array::Array;
use arrow_schema::Schema;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rows in columns. Nothing of it is decoded until a column of a row group is read.
pub trait Table: Sync {
    fn schema(&self) -> &Schema;

    /// Rows of each row group.
    fn row_groups(&self) -> &[u64];

    /// Tells tables apart by what is known of their content before it is read. Rows without a key
    /// are sampled by it and their number.
    fn fingerprint(&self) -> u64;

    /// What decoding this column costs, in bytes as stored; tasks are started largest first.
    fn weight(&self, row_group: usize, column: usize) -> u64;

    /// Says that a column will be read soon, so that reading overlaps with decoding.
    fn prefetch(&self, _row_group: usize, _column: usize) {}

    /// Whether its columns have the names of the training data already.
    fn has_training_names(&self) -> bool {
        false
    }

    /// Whether a column costs as much as all of them: those of a row group are then read one after
    /// the other, and as many row groups at a time as there are threads.
    fn is_read_by_row_group(&self) -> bool {
        false
    }

    /// Decodes one top-level column of one row group, block by block.
    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault>;
}

/// The blocks of one column of one row group, in row order.
pub type Blocks<'a> = Box<dyn Iterator<Item = Result<Block, Fault>> + 'a>;

/// A table that asks before a column of a row group is read; a fault ends the reading.
pub struct ProgressTable<'a> {
    pub table: &'a dyn Table,
    pub on_read: &'a (dyn Fn() -> Result<(), Fault> + Sync),
}

impl Table for ProgressTable<'_> {
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

    fn is_read_by_row_group(&self) -> bool {
        self.table.is_read_by_row_group()
    }

    fn read(&self, row_group: usize, column: usize) -> Result<Blocks<'_>, Fault> {
        (self.on_read)()?;
        self.table.read(row_group, column)
    }
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is about to become an error; it need not be reported twice.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Runs a decoder. Its panic is the file's fault, not ours.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let outer = GUARDED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    outcome.unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        Err(Fault::unreadable(format!("the decoder failed: {text}")))
    })
}

/// The number of the first row of each row group.
pub fn first_rows(table: &dyn Table) -> Vec<u64> {
    let mut next = 0;
    let first = |rows: &u64| {
        let first = next;
        next += rows;
        first
    };
    table.row_groups().iter().map(first).collect()
}

/// Reads a column that says something of every row; fails when it does not.
pub fn read_by_row(
    table: &dyn Table,
    (row_group, column): (usize, usize),
    mut f: impl FnMut(&dyn Array) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let expected = table.row_groups()[row_group];
    guarded(|| {
        let mut found = 0;
        for block in table.read(row_group, column)? {
            let block = block?;
            found += block.rows() as u64;
            f(&*block.by_row())?;
        }
        if found == expected {
            return Ok(());
        }
        Err(Fault::unreadable(format!("{found} values for the {expected} rows of a row group")))
    })
    .map_err(|fault| {
        let field = table.schema().field(column);
        fault.context(format_args!("column {:?}", field.name()))
    })
}

/// All rows of a table.
pub fn rows(table: &dyn Table) -> u64 {
    table.row_groups().iter().sum()
}
