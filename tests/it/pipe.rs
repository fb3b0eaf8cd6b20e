//! `driftd profile -`: rows through a pipe, and profiles that are added.

use crate::support::driftd;
use crate::support::run;
use crate::support::table::{batch, floats, strings, write_with};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

const BATCH: usize = 1_000;

fn columns(rows: std::ops::Range<usize>) -> Vec<(&'static str, ArrayRef)> {
    let numbers = rows.clone().map(|n| ((n * 7_919) % 10_007) as f64 / 7.0);
    let few = rows.clone().map(|n| (n % 13) as f64);
    let kinds = rows.map(|n| ["a", "b", "c"][n % 3]);
    vec![("x", floats(numbers)), ("few", floats(few)), ("kind", strings(kinds))]
}

/// A stream of these rows, in batches.
fn stream(rows: std::ops::Range<usize>) -> Vec<u8> {
    let batches: Vec<RecordBatch> =
        rows.clone().step_by(BATCH).map(|n| batch(columns(n..n + BATCH))).collect();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch(columns(0..1)).schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// The profile of what is piped, and what is said.
fn piped(arguments: &[&str], bytes: &[u8]) -> (i32, Vec<u8>, String) {
    let mut command = driftd();
    command.args(["profile", "-", "--output", "-"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who ends before it has read everything has said why.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap(), stdout, String::from_utf8(stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Three parts through pipes, added, are the profile of one process over a file of the same
/// batches, to the bit; and the reference of a pipe is that of the file.
#[test]
fn parts_through_pipes_add_up_to_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(BATCH)).build();
    write_with(&path("all.parquet"), columns(0..9_000), properties.clone());
    write_with(&path("reference.parquet"), columns(0..4_000), properties);
    let profiled = |from: &str, more: &[&str], to: &str| {
        let (from, to) = (path(from), path(to));
        let arguments = [&["profile", text(&from), "--output", text(&to)], more].concat();
        let (status, _, told) = run(&arguments);
        assert_eq!(status, 0, "{told}");
        std::fs::read(to).unwrap()
    };
    let reference = profiled("reference.parquet", &[], "reference.profile");
    let (status, from_pipe, told) = piped(&[], &stream(0..4_000));
    assert_eq!((status, from_pipe == reference), (0, true), "{told}");
    let grid = path("reference.profile");
    let grid = ["--grid", text(&grid)];
    let whole = profiled("all.parquet", &grid, "all.profile");
    let parts = [0..1_000, 1_000..6_000, 6_000..9_000].map(|rows| {
        let part = path(&format!("{}.profile", rows.start));
        let (status, profile, told) = piped(&grid, &stream(rows));
        assert_eq!(status, 0, "{told}");
        std::fs::write(&part, profile).unwrap();
        part
    });
    let merged = driftd()
        .args(["merge", "--output", "-"])
        .args([&parts[2], &parts[0], &parts[1]])
        .output()
        .unwrap();
    assert!(merged.status.success() && merged.stdout == whole);
    // A partition without rows adds nothing.
    let (status, empty, _) = piped(&grid, &stream(0..0));
    assert_eq!(status, 0);
    std::fs::write(path("empty.profile"), empty).unwrap();
    let all = driftd()
        .args(["merge", "--output", "-"])
        .args([&path("all.profile"), &path("empty.profile")])
        .output()
        .unwrap();
    assert!(all.stdout == whole);
}

#[test]
fn what_is_wrong_with_a_pipe_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let grid = folder.path().join("grid.profile");
    std::fs::write(&grid, piped(&[], &stream(0..2_000)).1).unwrap();
    let whole = stream(0..2_000);
    let (cut, none) = (&whole[..whole.len() / 2], &[][..]);
    let on_grid = ["--grid", text(&grid)];
    for (arguments, bytes, expected) in [
        (&on_grid[..], cut, "standard input: it ends before the stream says so"),
        (&on_grid[..], none, "standard input: it ends before the stream says so"),
        (&on_grid[..], b"PAR1, and the rest of it", "Parquet cannot be read from a pipe"),
        (&on_grid[..], b"x,few,kind\n1,2,a\n", "no stream of Arrow IPC"),
        (&["--exclude", "nothing"], &whole, "--exclude \"nothing\" matches no column"),
        (&["also.parquet"], &whole, "- is standard input, and stands alone"),
    ] {
        let (status, profile, told) = piped(arguments, bytes);
        assert_eq!((status, profile.len()), (2, 0), "{told}");
        assert!(told.contains(expected), "{told}");
    }
}
