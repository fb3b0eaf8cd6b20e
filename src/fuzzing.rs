//! What fuzzers call: each takes any bytes, and no bytes may make it panic, hang or ask for more
//! than some memory. `fuzz/` drives them with libFuzzer, the test below with plain mutations.

mod bodies;
#[cfg(test)]
mod corpus;

use crate::config;
use crate::drift::MEASURES;
use crate::explain::phrases::ShownValues;
use crate::feature::Kind;
use crate::format::OpenFile;
use crate::format::arrow::RecordBatchTable;
use crate::format::ipc_stream::{IpcStream, body_bytes};
use crate::format::line_schema::{LineFeature, LineSchema};
use crate::format::parquet::ParquetTable;
use crate::format::parquet::page_headers::{PageLimits, check_pages};
use crate::format::partition::{partition_label, partition_time, partition_values};
use crate::format::{FileTable, stat};
use crate::monitor::reference::{Profile, Reference, ReferenceConfig};
use crate::monitor::table::{Table, rows};
use crate::monitor::whole::count_whole;
use crate::profile::codec::{Content, decode, seal};
use crate::profile::instants::parse;
use crate::source::stream::line_buffer::{LineBuffer, Lines};
use crate::source::stream::parse::{TakenChunks, TakenRows};
use crate::source::stream::row_chunk::{Chunk, LineChunk};
use crate::store::feature_details::FeatureDetails;
use crate::telemetry::RejectReason;
use crate::time::EpochUnit;
use crate::totals::Rejected;
use crate::window::WindowConfig;
use crate::window::cursor::Place;
use crate::window::pane::Pane;
use ::parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use ::parquet::column::page::PageReader;
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::SchemaDescriptor;
use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Takes any bytes.
pub type Target = fn(&[u8]);

/// Each target by its name.
pub const TARGETS: [(&str, Target); 10] = [
    ("parquet", footer_and_pages),
    ("pages", pages),
    ("lines", lines),
    ("batches", arrow_stream),
    ("bodies", bodies::posted_body),
    ("files", bodies::written_file),
    ("state", profiles_and_state),
    ("config", configuration),
    ("times", event_times),
    ("paths", partition_paths),
];

const PAGE_BYTES_MAX: u64 = 16 << 20;

/// A file of many rows and few bytes is counted like any other, and takes its time.
const ROWS_MAX: u64 = 1 << 20;

/// A Parquet file: whatever can be read becomes a reference, and counts as often as it has rows.
pub fn footer_and_pages(bytes: &[u8]) {
    let file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("a file in memory"));
    file.write_all_at(bytes, 0).expect("memory takes every byte");
    let stat = stat(&file.metadata().expect("the file is open"));
    let (root, path) = (Path::new(""), PathBuf::from("fuzz.parquet"));
    let file = OpenFile::fetched(root, path, stat, file).expect("the file is open");
    let Ok(table) = ParquetTable::open(&file) else { return };
    let table = table.hashing().limited(PAGE_BYTES_MAX);
    if rows(&table) > ROWS_MAX {
        return;
    }
    if let Ok(reference) = Reference::build(&[&table], &ReferenceConfig::default(), &|| {}) {
        if let Ok(pane) = count_whole(&reference, &table, None, None) {
            assert_eq!(pane.rows, rows(&table));
        }
        table.content().expect("what was read once can be read again");
    }
}

/// Pages of a chunk, after a byte that names their codec: those that are let through unpack to no
/// more than they may, whatever the decoder makes of their headers.
pub fn pages(bytes: &[u8]) {
    const PAGE_BYTES_MAX: u64 = 1 << 16;
    let Some((codec, chunk)) = bytes.split_first() else { return };
    let codec = match codec % 6 {
        0 => Compression::UNCOMPRESSED,
        1 => Compression::SNAPPY,
        2 => Compression::GZIP(GzipLevel::default()),
        3 => Compression::BROTLI(BrotliLevel::default()),
        4 => Compression::LZ4,
        _ => Compression::ZSTD(ZstdLevel::default()),
    };
    let limits = PageLimits { codec, value_bytes_min: 8, page_bytes_max: PAGE_BYTES_MAX };
    if check_pages(chunk, limits).is_err() {
        return;
    }
    let schema = parse_message_type("message m { optional int64 x; }").expect("it is one");
    let schema = SchemaDescriptor::new(Arc::new(schema));
    let metadata = ColumnChunkMetaData::builder(schema.column(0))
        .set_compression(codec)
        .set_num_values(1 << 20)
        .set_total_compressed_size(chunk.len() as i64)
        .set_data_page_offset(0)
        .build()
        .expect("it has all that a chunk needs");
    let bytes = Arc::new(Bytes::copy_from_slice(chunk));
    let Ok(mut reader) = SerializedPageReader::new(bytes, &metadata, 1 << 20, None) else { return };
    let next = || std::panic::catch_unwind(AssertUnwindSafe(|| reader.get_next_page()));
    for page in std::iter::repeat_with(next) {
        let Ok(Ok(Some(page))) = page else { return };
        assert!(page.buffer().len() as u64 <= PAGE_BYTES_MAX);
    }
}

const LINE_BYTES_MAX: usize = 200;

/// Features of each kind, one of them inside of an object.
fn schema() -> Arc<LineSchema> {
    let feature = |name: &str, kind| LineFeature { name: name.to_owned(), kind, declared: false };
    let features = vec![
        feature("x", Kind::Numeric),
        feature("c", Kind::Categorical),
        feature("b", Kind::Boolean),
        feature("t", Kind::Temporal),
        feature("o.x", Kind::Numeric),
        LineFeature::key("id"),
    ];
    Arc::new(LineSchema::new(features, Default::default()))
}

/// Lines of a socket, after eight bytes that say where they are cut: any pieces give the same.
pub fn lines(bytes: &[u8]) {
    let Some((cuts, text)) = bytes.split_at_checked(8) else { return };
    let schema = schema();
    let mut pieces = Vec::new();
    let mut rest = text;
    for cut in cuts {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(*cut)));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    let (whole, cut) = (batches(&schema, &[text]), batches(&schema, &pieces));
    assert_eq!(whole, cut);
}

/// Rows, rejected lines, and the values of each column, of all that arrives.
fn batches(schema: &Arc<LineSchema>, pieces: &[&[u8]]) -> (u64, Rejected, Vec<Vec<String>>) {
    let mut buffer = LineBuffer::default();
    let mut arrived = Vec::new();
    for piece in pieces {
        buffer.space().extend_from_slice(piece);
        arrived.extend(buffer.take(piece.len(), LINE_BYTES_MAX));
    }
    arrived.extend(buffer.finish());
    let room = Arc::new(Semaphore::new(arrived.len()));
    let chunks = arrived.into_iter().map(|Lines { lines, bytes, too_long }| {
        let room = Arc::clone(&room).try_acquire_owned().expect("there is one for each");
        let mut chunk = LineChunk::new(lines, bytes, "peer".into(), room);
        chunk.rejected.add(RejectReason::TooLong, too_long);
        Chunk::Lines(chunk)
    });
    let mut taken = TakenChunks::default();
    taken.extend(chunks.collect());
    let (mut all_rows, mut rejected, mut values) = (0, Rejected::default(), Vec::new());
    while let Some(TakenRows { table, faults, .. }) = taken.next(schema, LINE_BYTES_MAX) {
        all_rows += rows(&*table);
        faults.rejected.iter().for_each(|(reason, lines)| rejected.add(reason, lines));
        values.resize(table.schema().fields().len(), Vec::new());
        for (column, values) in values.iter_mut().enumerate() {
            for block in table.read(0, column).expect("it is in memory") {
                let block = block.expect("it is in memory");
                let row = |row| format!("{:?}", block.values().slice(row, 1));
                values.extend((0..block.rows()).map(row));
            }
        }
    }
    (all_rows, rejected, values)
}

/// An Arrow stream: what is read as rows can be counted.
pub fn arrow_stream(bytes: &[u8]) {
    let most = PAGE_BYTES_MAX as usize;
    let mut stream = IpcStream::default();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        rest = after;
        let Some((head, after)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
        else {
            // What it begins with, or not to its end.
            continue;
        };
        let Ok(body) = body_bytes(head, most) else { continue };
        let Some((body, after)) = after.split_at_checked(body) else { return };
        rest = after;
        let Ok(Some(batch)) = stream.take(head, body.to_vec(), most) else { continue };
        let table = RecordBatchTable::new(vec![batch]).expect("there is one");
        for column in 0..table.schema().fields().len() {
            for block in table.read(0, column).expect("it is in memory") {
                let block = block.expect("it is in memory");
                assert!(block.n_missing() <= block.rows());
            }
        }
    }
}

/// Values of the state and of `.profile` files, after a byte that says which: what can be read can
/// be used.
pub fn profiles_and_state(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    let packed = || zstd::bulk::compress(body, 1).expect("memory takes every byte");
    match kind % 5 {
        0 => {
            let Ok(profile) = Profile::from_bytes(&seal(Content::Profile, &[&packed()])) else {
                return;
            };
            assert!(Profile::from_bytes(&profile.to_bytes()).is_ok());
            if let Profile::Reference(reference) = profile {
                let pane = reference.adopt(Pane::new(reference.grids()));
                let _ = reference.select(&ReferenceConfig::default());
                assert_eq!(pane.rows, 0);
            }
        }
        1 => {
            let Ok(pane) = decode::<Pane>(Content::Pane, &seal(Content::Pane, &[body])) else {
                return;
            };
            // Not merged: counts that were never counted may add up to more than there is room for.
            assert!(decode::<Pane>(Content::Pane, &pane.to_bytes()).is_ok());
            let _ = pane.bytes();
        }
        2 => {
            let Ok(details) = FeatureDetails::decode(body) else { return };
            if let Some(explanation) = details.explanation {
                explanation.phrases(MEASURES.iter().map(|own| own.name()), ShownValues::Shown);
            }
        }
        3 => drop(serde_json::from_slice::<Vec<WindowConfig>>(body)),
        _ => drop(serde_json::from_slice::<Place>(body)),
    }
}

/// A configuration: what is shown of it is one, and shows the same.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match config::parse(text, Path::new("/srv")) {
        Ok(config) => {
            let shown = config::show(&config);
            match config::parse(&shown, Path::new("/srv")) {
                Ok(again) => assert_eq!(config::show(&again), shown),
                Err(faults) => panic!("{faults:?}\n{shown}"),
            }
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
}

/// The last second whose year has four digits, as ISO 8601 has them.
const YEAR_9999: i64 = 253_402_300_799_999_999;

/// A text as a time: after 1970, and the same when it is written and read again.
pub fn event_times(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let units = EpochUnit::ALL.iter().map(|(_, unit)| Some(*unit)).chain([None]);
    for time in units.filter_map(|unit| parse(text, unit)) {
        assert!(time.0 > 0, "{text:?}");
        let written = time.to_string();
        if time.0 > YEAR_9999 {
            continue;
        }
        assert_eq!(parse(&written, None), Some(time), "{text:?} is {written}");
    }
}

/// A path below a source.
pub fn partition_paths(bytes: &[u8]) {
    let path = Path::new("/srv/logs").join(OsStr::from_bytes(bytes));
    let values = partition_values(Path::new("/srv/logs"), &path);
    let _ = partition_label(&values);
    assert!(partition_time(Path::new("/srv/logs"), &path).is_none_or(|time| time.0 > 0));
}

#[cfg(test)]
mod tests {
    use super::corpus::{fixtures, logs, payloads};
    use super::*;
    use crate::judge::drift_config::DriftConfig;
    use crate::monitor::score::{WindowLabel, score};
    use crate::profile::codec::append;
    use crate::source::inputs::open;
    use crate::window::WindowKind;
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};
    use std::time::{Duration, Instant};

    /// What a target starts from.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        match target {
            "parquet" => fixtures("parquet"),
            "config" => fixtures("toml"),
            "pages" => chunks(),
            "batches" => fixtures("arrows"),
            "bodies" => payloads(),
            "files" => logs(),
            "state" => stored(),
            "lines" => texts(&[concat!(
                "\x05\x00\x01\x1e\x03\x07\x02\x20",
                "{\"x\": 1.5, \"c\": \"a\", \"b\": true}\n\n{\"x\": \"NaN\", \"c\": null, ",
                "\"t\": \"2026-01-01T00:00:00Z\", \"id\": 7}\r\n{\"y\": [1, {}]}\nno object",
            )]),
            "times" => texts(&[
                "2026-11-20T10:11:12.123456789+05:30",
                "2026-11-20 10:11:12,5 UTC",
                "20261120T101112Z",
                "20261120",
                "1767225600",
                "1767225600.25",
                "1e18",
            ]),
            "paths" => texts(&[
                "dt=2026-01-31/shard=09/part-0.parquet",
                "2026/01/31/23/a.parquet",
                "year=2026/month=1/day=31/hour=7/x",
                "str=gr%C3%B6%C3%9Fe%2F50%25/x",
            ]),
            _ => unreachable!("{target}"),
        }
    }

    /// The column chunks of some files.
    fn chunks() -> Vec<Vec<u8>> {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        let mut found = Vec::new();
        for file in fixtures("parquet").into_iter().map(Bytes::from) {
            let Ok(reader) = SerializedFileReader::new(file.clone()) else { continue };
            for group in reader.metadata().row_groups().iter().take(1) {
                for column in group.columns().iter().take(3) {
                    let codec = match column.compression() {
                        Compression::UNCOMPRESSED => 0,
                        Compression::SNAPPY => 1,
                        Compression::GZIP(_) => 2,
                        Compression::BROTLI(_) => 3,
                        Compression::LZ4 => 4,
                        Compression::ZSTD(_) => 5,
                        _ => continue,
                    };
                    let (start, length) = column.byte_range();
                    let Some(chunk) = file.get(start as usize..(start + length) as usize) else {
                        continue;
                    };
                    found.push([&[codec], &chunk[..chunk.len().min(4_000)]].concat());
                }
            }
        }
        found
    }

    /// Values as a state keeps them.
    fn stored() -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/state");
        let table = open(&folder.join("reference.parquet"), u64::MAX).unwrap();
        let reference = Reference::build(&[&table], &ReferenceConfig::default(), &|| {}).unwrap();
        let pane = count_whole(&reference, &table, None, None).unwrap();
        let window = "w".to_owned();
        let label = WindowLabel { window, slot: 1, ..WindowLabel::default() };
        let figures =
            score(&reference, &pane, &[], &[], &DriftConfig::default(), label).unwrap().figures;
        let windows =
            vec![WindowConfig { name: "w".to_owned(), kind: WindowKind::Rows { size: 10 } }];
        let mut bodies = [vec![0], vec![1], vec![2], vec![3], vec![4]];
        append(&Profile::Reference(reference), &mut bodies[0]);
        append(&pane, &mut bodies[1]);
        bodies[2].extend(FeatureDetails::encode(&figures.features[0], &[]));
        bodies[3].extend(serde_json::to_vec(&windows).unwrap());
        bodies[4].extend(br#"{"open":{"slot":3,"rows":10}}"#);
        bodies.into()
    }

    /// Another input: bytes changed, cut out, put in, or taken from elsewhere.
    fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut StdRng) {
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..=input.len());
            let length = random.random_range(0..=(input.len() - at).min(40));
            match random.random_range(0..6) {
                0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                1 if at < input.len() => {
                    input[at] =
                        *[0, 1, 0x7f, 0x80, 0xff, b'0', b'-', b'\n'].choose(random).unwrap();
                }
                2 => drop(input.drain(at..at + length)),
                3 => {
                    let piece: Vec<u8> = (0..length).map(|_| random.random()).collect();
                    input.splice(at..at, piece);
                }
                4 => {
                    let other = corpus.choose(random).unwrap();
                    let from = random.random_range(0..=other.len());
                    let piece = &other[from..(from + 30).min(other.len())];
                    input.splice(at..at + length, piece.iter().copied());
                }
                _ => {
                    let piece = input[at..at + length].to_vec();
                    input.splice(at..at, piece);
                }
            }
        }
    }

    /// For `fuzz/run`.
    #[test]
    #[ignore = "writes files"]
    fn write_corpus() {
        let folder = PathBuf::from(std::env::var("DRIFTD_FUZZ_CORPUS").unwrap());
        let inputs = corpus(&std::env::var("DRIFTD_TARGET").unwrap());
        for (number, input) in inputs.into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), input).unwrap();
        }
    }

    /// One input that did harm, with the message that the fuzzer keeps to itself.
    #[test]
    #[ignore = "needs DRIFTD_FUZZ_INPUT"]
    fn replay() {
        let input = std::fs::read(std::env::var("DRIFTD_FUZZ_INPUT").unwrap()).unwrap();
        let name = std::env::var("DRIFTD_TARGET").unwrap();
        let (_, target) = TARGETS.iter().find(|(own, _)| *own == name).unwrap();
        target(&input);
    }

    /// A second each; `DRIFTD_FUZZ_SECONDS` asks for more, and `DRIFTD_SEED` for others.
    #[test]
    fn mutated_inputs_do_no_harm() {
        let number = |name: &str, usual| std::env::var(name).map_or(usual, |n| n.parse().unwrap());
        let seconds = Duration::from_secs(number("DRIFTD_FUZZ_SECONDS", 1));
        let mut random = StdRng::seed_from_u64(number("DRIFTD_SEED", 1));
        for (name, target) in TARGETS {
            let corpus = corpus(name);
            corpus.iter().for_each(|input| target(input));
            let begun = Instant::now();
            while begun.elapsed() < seconds {
                let mut input = corpus.choose(&mut random).unwrap().clone();
                mutate(&mut input, &corpus, &mut random);
                let told = std::panic::catch_unwind(|| target(&input));
                assert!(told.is_ok(), "{name}: {:?}", String::from_utf8_lossy(&input));
                assert!(begun.elapsed() < seconds + Duration::from_secs(10), "{name} hangs");
            }
        }
    }
}
