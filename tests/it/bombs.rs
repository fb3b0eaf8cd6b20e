//! Small files that unpack to much.

use crate::support::daemon::{Daemon, config};
use crate::support::run;
use crate::support::table::{floats, strings, write, write_with};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType};
use parquet::file::properties::{WriterProperties, WriterVersion};
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

/// A file of one column and, of each value, so many rows.
fn repeated<T: parquet::data_type::DataType>(
    path: &Path,
    column: &str,
    properties: WriterProperties,
    values: &[(T::T, usize)],
) {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {column} }}")).unwrap());
    let hidden = path.with_extension("new");
    let file = File::create(&hidden).unwrap();
    let mut file = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    for (value, rows) in values {
        for _ in 0..*rows {
            let value = std::slice::from_ref(value);
            column.typed::<T>().write_batch(value, None, None).unwrap();
        }
    }
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    std::fs::rename(hidden, path).unwrap();
}

/// Texts that are all but the start of the one before, also in a struct, keys of a dictionary
/// beside texts, and values as long as their type says: of each a file has 400 MB in some
/// kilobytes.
#[test]
fn many_long_values_of_a_small_page_are_not_in_memory_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("reference.parquet"), vec![("c", strings(["a", "b"].repeat(500)))]);
    let mut daemon = Daemon::start(&config(folder.path(), ""));
    let before = daemon.resident_peak();
    let properties =
        || WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
    let long = ByteArray::from(Bytes::from(vec![b'y'; MEBIBYTE]));
    let prefixed = || {
        properties()
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_BYTE_ARRAY)
            .set_data_page_size_limit(usize::MAX)
            .build()
    };
    let path = |name: &str| folder.path().join("logs").join(name);
    let (text, same) = ("required binary c;", [(long.clone(), 400)]);
    repeated::<ByteArrayType>(&path("prefixed.parquet"), text, prefixed(), &same);
    daemon.wait_for_sample(&COUNTED, 400.0);
    let nested = "required group c { required binary t; }";
    repeated::<ByteArrayType>(&path("nested.parquet"), nested, prefixed(), &same);
    daemon.wait_for_sample(&COUNTED, 800.0);

    // The second text is more than the dictionary may have; what comes then stands for itself.
    let other = ByteArray::from(Bytes::from(vec![b'z'; MEBIBYTE]));
    let values = [(long.clone(), 398), (other, 1), (ByteArray::from("a"), 1)];
    let mixed = properties().set_dictionary_page_size_limit(MEBIBYTE + 100).build();
    repeated::<ByteArrayType>(&path("mixed.parquet"), text, mixed, &values);
    daemon.wait_for_sample(&COUNTED, 1_200.0);

    let fixed = properties().set_dictionary_page_size_limit(usize::MAX).build();
    let column = format!("required fixed_len_byte_array({MEBIBYTE}) c;");
    let values = [(FixedLenByteArray::from(long), 400)];
    repeated::<FixedLenByteArrayType>(&path("fixed.parquet"), &column, fixed, &values);
    daemon.wait_for_sample(&COUNTED, 1_600.0);
    for name in ["prefixed", "nested", "mixed", "fixed"] {
        let bytes = path(&format!("{name}.parquet")).metadata().unwrap().len();
        assert!(bytes < 5_000, "{name}: {bytes}");
    }
    let more = daemon.resident_peak() - before;
    assert!(more < 300, "{more} MiB");
    daemon.stop();
}

/// Texts whose lengths are packed apart from them, of any number, are read; of more than there may
/// be, they are not.
#[test]
fn pages_of_packed_lengths_are_read_as_far_as_they_may() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.parquet");
    let write_texts = |rows: usize, encoding, version| {
        let texts = (0..rows).map(|row| (row % 5 != 3).then(|| format!("t{}", row * row % 90)));
        let texts: arrow_array::StringArray = texts.collect();
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(false)
            .set_encoding(encoding)
            .set_writer_version(version)
            .build();
        write_with(&path, vec![("c", Arc::new(texts))], properties);
    };
    let name = path.to_str().unwrap().to_owned();
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for rows in [1, 2, 3, 40, 41, 159, 160, 161, 162, 163, 200, 1_000, 5_000] {
                write_texts(rows, encoding, version);
                let (status, out, err) = run(&["check", "--reference", &name, &name]);
                let seen = format!("{rows} rows against {rows}");
                assert!(status == 0 && out.contains(&seen), "{encoding} {rows}: {out}{err}");
            }
            write_texts(400, encoding, version);
            let (status, _, err) =
                run(&["check", "--page-max", "2KB", "--reference", &name, &name]);
            let limit = "says that it has 320 values, and 256 is the limit";
            let limit = [limit, "says that it has 400 values, and 256 is the limit"];
            assert!(status == 2 && limit.iter().any(|limit| err.contains(limit)), "{err}");
        }
    }
}
