//! Checksums of rows: at the start, every row is as it was written and none is missing; later, what
//! is large or stands for a file is compared again whenever it is read.
//!
//! Every row has the checksum of its table and its values, 32 bits of XXH3, and the table
//! `table_sum` has the number of rows of every other table and the sum of their checksums, which
//! triggers keep. SQLite itself notices a page that does not fit to others, but not a digit that
//! has become another.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction, params};
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3;

/// A table whose rows have checksums.
#[derive(Debug, Clone)]
pub struct SummedTable {
    name: &'static str,
    /// What is summed, in this order; ids that only number the rows are not.
    columns: Cow<'static, str>,
    /// Whether columns may be added at the end, which the rows before have nothing in.
    grows: bool,
}

pub const MODEL: SummedTable = SummedTable::new("model", "id, name, version, windows, created");
pub const SOURCE: SummedTable = SummedTable::new("source", "id, model, name");
pub const FILE: SummedTable =
    SummedTable::new("file", "source, content, size, partition, path, rows, counted");
pub const PATH: SummedTable = SummedTable::new(
    "path",
    "source, path, dev, ino, size, mtime_ns, ctime_ns, quarantined, content",
);
pub const FILE_ROWS: SummedTable = SummedTable::new("file_rows", "source, content, start, rows");
pub const POSITION: SummedTable = SummedTable::new("position", "source, partition, position");
pub const PLACE: SummedTable = SummedTable::new("place", "model, window, body");
pub const TOTAL: SummedTable = SummedTable::new("total", "model, scope, of, name, value");
pub const REFERENCE: SummedTable = SummedTable::new("reference", "model, settings, files");
pub const REFERENCE_PART: SummedTable = SummedTable::new("reference_part", "model, number, body");
pub const PANE_DELTA: SummedTable =
    SummedTable::new("pane_delta", "model, bucket, slots, rows, level, source, content, body");
pub const CLOSED_WINDOW: SummedTable = SummedTable::growing(
    "closed_window",
    "model, window, slot, start, \"end\", closed, rows, rows_kept, verdict, judged, drifted, \
     features, baselines, compared, file, rules",
);

pub const WINDOW_EVIDENCE: SummedTable =
    SummedTable::new("window_evidence", "model, window, slot, body");

pub const FEATURE: SummedTable =
    SummedTable::new("feature", "model, name, kind, content, reference");

pub const ACCEPTED_REFERENCE: SummedTable = SummedTable::new(
    "accepted_reference",
    "model, accepted, accepted_by, window, windows, start, \"end\", rows, in_place_of, \
     replaced, ended",
);

const TABLES: [SummedTable; 15] = [
    MODEL,
    SOURCE,
    FILE,
    PATH,
    FILE_ROWS,
    POSITION,
    PLACE,
    TOTAL,
    REFERENCE,
    REFERENCE_PART,
    PANE_DELTA,
    CLOSED_WINDOW,
    WINDOW_EVIDENCE,
    FEATURE,
    ACCEPTED_REFERENCE,
];

impl SummedTable {
    pub const fn new(name: &'static str, columns: &'static str) -> SummedTable {
        SummedTable { name, columns: Cow::Borrowed(columns), grows: false }
    }

    /// One whose columns another driftd may have more of.
    pub fn of_any(name: &'static str, columns: String) -> SummedTable {
        SummedTable { name, columns: Cow::Owned(columns), grows: true }
    }

    /// One whose columns have been added to since rows were written.
    const fn growing(name: &'static str, columns: &'static str) -> SummedTable {
        SummedTable { name, columns: Cow::Borrowed(columns), grows: true }
    }

    /// What is summed, in this order.
    pub fn columns(&self) -> &str {
        &self.columns
    }

    /// SQL for the checksum of the values that a row has.
    pub fn sum(&self) -> String {
        self.sum_of(&self.columns)
    }

    /// SQL for the checksum of these values.
    pub fn sum_of(&self, values: &str) -> String {
        let function = if self.grows { "grown_row_sum" } else { "row_sum" };
        format!("{function}('{}', {values})", self.name)
    }

    /// SQL that inserts a row, whose values are the parameters in the order of the columns.
    pub fn insert(&self) -> String {
        self.written("INSERT")
    }

    /// The same, where a row that has its key is replaced.
    pub fn replace(&self) -> String {
        self.written("INSERT OR REPLACE")
    }

    /// The same, where a row that has its key stays.
    pub fn insert_new(&self) -> String {
        self.written("INSERT OR IGNORE")
    }

    /// SQL that inserts the rows of a query, whose columns have the table's names.
    pub fn insert_selected(&self, query: &str) -> String {
        let SummedTable { name, columns, .. } = self;
        let sum = self.sum();
        format!("INSERT OR IGNORE INTO {name} ({columns}, sum) SELECT *, {sum} FROM ({query})")
    }

    fn written(&self, verb: &str) -> String {
        let SummedTable { name, columns, .. } = self;
        let n = columns.split(',').count();
        let values = (1..=n).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
        let sum = self.sum_of(&values);
        format!("{verb} INTO {name} ({columns}, sum) VALUES ({values}, {sum})")
    }

    /// SQL that is true of a row as it was written.
    pub fn is_whole(&self) -> String {
        format!("sum = {}", self.sum())
    }

    /// The same, of a table that has this name in a query.
    pub fn is_whole_in(&self, name: &str) -> String {
        format!("{name}.sum = {}", self.sum_of(&self.columns_in(name)))
    }

    /// The columns, of a table that has this name in a query.
    pub fn columns_in(&self, name: &str) -> String {
        let columns = self.columns.split(", ").map(|column| format!("{name}.{column}"));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// An error where a row, of which [`is_whole`](Self::is_whole) is the column at `at`, is not as
    /// it was written.
    pub fn expect_whole(&self, row: &Row<'_>, at: usize) -> rusqlite::Result<()> {
        if row.get::<_, Option<bool>>(at)? == Some(true) {
            return Ok(());
        }
        let fault = format!("a row of table {} is not as it was written", self.name);
        Err(rusqlite::Error::UserFunctionError(fault.into()))
    }

    /// What is wrong with the table; none when nothing is.
    fn fault(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let name = self.name;
        let found = connection.query_row(
            &format!(
                "SELECT count(*), coalesce(sum(sum), 0), count(*) FILTER (WHERE NOT {})
                 FROM {name}",
                self.is_whole()
            ),
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        )?;
        let (rows, sum, changed) = found;
        if changed > 0 {
            return Ok(Some(format!(
                "table {name}: {changed} of {rows} rows are not as they were written"
            )));
        }
        Ok(match written_sum(connection, name)? {
            None => Some(format!("how many rows table {name} has is not there")),
            Some((written, _)) if rows != written => {
                Some(format!("table {name} has {rows} rows, and {written} were written"))
            }
            Some((_, its)) if sum != its => {
                Some(format!("table {name} has other rows than were written"))
            }
            Some(_) => None,
        })
    }
}

/// What is wrong with the tables; one line each.
pub fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    if written_sum(connection, SCHEMA)? != Some(schema_sum(connection)?) {
        faults.push("the definitions of the tables are not as they were written".to_owned());
    }
    for table in &TABLES {
        faults.extend(table.fault(connection)?);
    }
    Ok(faults)
}

/// Makes `row_sum(table, value …)` known to a connection, and `grown_row_sum`, which leaves out
/// what is null at the end.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("row_sum", -1, flags, |own| Ok(row_sum(own, own.len())))?;
    connection.create_scalar_function("grown_row_sum", -1, flags, |own| {
        // Values at the end that are not there may be of columns that were not there either.
        let is_there = |at: &usize| own.get_raw(*at) != ValueRef::Null;
        Ok(row_sum(own, (0..own.len()).rfind(is_there).map_or(0, |last| last + 1)))
    })
}

fn row_sum(values: &Context<'_>, n: usize) -> i64 {
    let mut hash = Xxh3::new();
    for at in 0..n {
        let (kind, bytes): (u8, &[u8]) = match values.get_raw(at) {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(value) => (1, &value.to_le_bytes()),
            ValueRef::Real(value) => (2, &value.to_bits().to_le_bytes()),
            ValueRef::Text(text) => (3, text),
            ValueRef::Blob(bytes) => (4, bytes),
        };
        hash.update(&[kind]);
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    i64::from(hash.digest() as u32)
}

/// The name under which `table_sum` keeps the definitions of all tables.
const SCHEMA: &str = "sqlite_schema";

/// Starts to keep the sums of some tables.
pub fn keep(transaction: &Transaction<'_>, tables: &[&str]) -> rusqlite::Result<()> {
    for name in tables {
        let change = |change: &str| format!("UPDATE table_sum SET {change} WHERE name = '{name}'");
        let added = change("rows = rows + 1, sum = sum + new.sum");
        let removed = change("rows = rows - 1, sum = sum - old.sum");
        let changed = change("sum = sum + new.sum - old.sum");
        transaction.execute_batch(&format!(
            "INSERT INTO table_sum SELECT '{name}', count(*), coalesce(sum(sum), 0) FROM {name};
             CREATE TRIGGER {name}_added AFTER INSERT ON {name} BEGIN {added}; END;
             CREATE TRIGGER {name}_removed AFTER DELETE ON {name} BEGIN {removed}; END;
             CREATE TRIGGER {name}_changed AFTER UPDATE ON {name} BEGIN {changed}; END;"
        ))?;
    }
    Ok(())
}

/// Writes the sum of the definitions as they are now.
pub fn write_schema_sum(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let (rows, sum) = schema_sum(transaction)?;
    let sql = "INSERT OR REPLACE INTO table_sum (name, rows, sum) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![SCHEMA, rows, sum]).map(|_| ())
}

fn schema_sum(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    // Where a table starts is another page in a copy; statistics are SQLite's own.
    let sql = "SELECT count(*), sum(row_sum(type, name, tbl_name, sql)) FROM sqlite_schema
               WHERE name NOT LIKE 'sqlite_stat%'";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn written_sum(connection: &Connection, name: &str) -> rusqlite::Result<Option<(i64, i64)>> {
    use rusqlite::OptionalExtension;
    let sql = "SELECT rows, sum FROM table_sum WHERE name = ?1";
    connection.query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}
