//! Small files that unpack to much.

use crate::support::daemon::{Daemon, config};
use crate::support::run;
use crate::support::table::{floats, strings, write, write_with};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

const QUARANTINED: [&str; 2] = ["driftd_source_files", "\"quarantined\""];
const COUNTED: [&str; 1] = ["driftd_source_rows_total"];
const MEBIBYTE: usize = 1 << 20;

/// 3 MB of numbers in one page.
fn one_page(path: &Path) {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(usize::MAX)
        .set_data_page_row_count_limit(usize::MAX)
        .set_write_batch_size(1 << 20)
        .build();
    write_with(path, vec![("x", floats((0..400_000).map(f64::from)))], properties);
}

#[test]
fn a_page_that_unpacks_to_more_than_may_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    one_page(&path("large.parquet"));
    let large = path("large.parquet").to_str().unwrap().to_owned();
    let check = |more: &[&str]| {
        let (status, out, err) = run(&[&["check", "--reference", &large, &large], more].concat());
        (status, out + &err)
    };
    assert_eq!(check(&[]).0, 0);
    let (status, told) = check(&["--page-max", "1MB"]);
    assert_eq!(status, 2);
    for part in ["large.parquet", "column \"x\"", "3200008 bytes", "page_max is 1MB"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(check(&["--page-max", "much"]).1.contains("512MB"), "it names what it takes");

    write(&path("reference.parquet"), vec![("x", floats((0..2_000).map(f64::from)))]);
    let config = config(folder.path(), "page_max = \"2MB\"");
    let mut daemon = Daemon::start(&config);
    std::fs::rename(path("large.parquet"), path("logs/large.parquet")).unwrap();
    daemon.wait_for_sample(&QUARANTINED, 1.0);
    let told = |line: &String| line.contains("large.parquet") && line.contains("page_max is 2MB");
    assert!(daemon.log().iter().any(told), "{:#?}", daemon.log());
    daemon.stop();
    // The reference has a limit of its own.
    let text = std::fs::read_to_string(&config).unwrap();
    let reference = "path = \"reference.parquet\"";
    let text = text.replace(reference, "path = \"logs/large.parquet\"\npage_max = \"1MB\"");
    std::fs::write(&config, text).unwrap();
    let (status, out, err) = run(&["config", "check", config.to_str().unwrap()]);
    assert!(status == 2 && (out + &err).contains("page_max is 1MB"));
}

/// A file of one column of the type and, of the same value, so many rows.
fn repeated<T: parquet::data_type::DataType>(
    path: &Path,
    column: &str,
    properties: WriterProperties,
    (value, rows): (&T::T, usize),
) {
    let schema = format!("message m {{ required {column} c; }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let hidden = path.with_extension("new");
    let file = File::create(&hidden).unwrap();
    let mut file = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    for _ in 0..rows {
        let value = std::slice::from_ref(value);
        column.typed::<T>().write_batch(value, None, None).unwrap();
    }
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    std::fs::rename(hidden, path).unwrap();
}

/// Texts that are all but the start of the one before, and values as long as their type says, of
/// which each file has 400 MB in a kilobyte or two.
#[test]
fn many_long_values_of_a_small_page_are_not_in_memory_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), vec![("c", strings(["a", "b"].repeat(500)))]);
    let mut daemon = Daemon::start(&config(folder.path(), ""));
    let before = daemon.resident_peak();
    let properties =
        || WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let long = Bytes::from(vec![b'y'; MEBIBYTE]);

    let prefixed = properties()
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY)
        .set_data_page_size_limit(usize::MAX)
        .build();
    let path = folder.path().join("logs/prefixed.parquet");
    let value = ByteArray::from(long.clone());
    repeated::<ByteArrayType>(&path, "binary", prefixed, (&value, 400));
    assert!(path.metadata().unwrap().len() < 2_000);
    daemon.wait_for_sample(&COUNTED, 400.0);

    let fixed = properties().set_dictionary_page_size_limit(usize::MAX).build();
    let path = folder.path().join("logs/fixed.parquet");
    let value = FixedLenByteArray::from(ByteArray::from(long));
    let column = format!("fixed_len_byte_array({MEBIBYTE})");
    repeated::<FixedLenByteArrayType>(&path, &column, fixed, (&value, 400));
    assert!(path.metadata().unwrap().len() < 2_000);
    daemon.wait_for_sample(&COUNTED, 800.0);
    let more = daemon.resident_peak() - before;
    assert!(more < 300, "{more} MiB");
    daemon.stop();
}
