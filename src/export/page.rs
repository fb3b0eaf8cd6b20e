//! Pages: the snapshot's part is encoded once per snapshot and encoding, the live part each time.

use super::ExportConfig;
use super::snapshot::SnapshotCollector;
use crate::monitor::snapshot::{Published, Snapshot};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use prometheus::{Registry, TextEncoder};
use std::io::Write;
use std::sync::{Arc, Mutex};

/// What Prometheus 3 insists on.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The two encodings of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    Gzip,
}

/// Makes `/metrics`.
pub struct Pages {
    published: Arc<Published>,
    live: Registry,
    config: ExportConfig,
    /// The lock of each is held while it is made, so that many scrapers of a new snapshot wait for
    /// one encoding instead of making many.
    plain: Mutex<Option<Cached<String>>>,
    deflated: Mutex<Option<Cached<Deflated>>>,
}

/// A page of the snapshot with this generation.
struct Cached<T> {
    generation: u64,
    page: Arc<T>,
}

/// Compressed text that more can follow, and the checksum of the text.
struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
}

impl Pages {
    pub fn new(published: Arc<Published>, live: Registry, config: ExportConfig) -> Pages {
        Pages { published, live, config, plain: Mutex::default(), deflated: Mutex::default() }
    }

    /// The whole page.
    pub fn render(&self, encoding: Encoding) -> Vec<u8> {
        let snapshot = self.published.load();
        let text = || text(Arc::clone(&snapshot), &self.config);
        let live = self.live_text();
        match encoding {
            Encoding::Plain => {
                let page = cached(&self.plain, snapshot.generation, text);
                [page.as_bytes(), live.as_bytes()].concat()
            }
            Encoding::Gzip => {
                let head = cached(&self.deflated, snapshot.generation, || {
                    Deflated::new(&text(), Position::MoreFollows)
                });
                gzip(&head, &Deflated::new(&live, Position::Last))
            }
        }
    }

    fn live_text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.live.gather()).expect("every sample is complete")
    }
}

fn cached<T>(cache: &Mutex<Option<Cached<T>>>, generation: u64, make: impl Fn() -> T) -> Arc<T> {
    let mut cache = cache.lock().expect("encoding does not panic");
    if let Some(cached) = cache.as_ref().filter(|cached| cached.generation == generation) {
        return Arc::clone(&cached.page);
    }
    let page = Arc::new(make());
    *cache = Some(Cached { generation, page: Arc::clone(&page) });
    page
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    MoreFollows,
    Last,
}

impl Deflated {
    fn new(text: &str, position: Position) -> Deflated {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(text.as_bytes()).and_then(|()| match position {
            // A flush ends on a whole byte without ending the stream.
            Position::MoreFollows => encoder.flush().map(|()| encoder.get_ref().clone()),
            Position::Last => encoder.finish(),
        });
        Deflated { bytes: written.expect("memory takes every byte"), crc }
    }
}

/// One gzip member of two parts. Two members would be legal too, but some clients, curl among
/// them, stop after the first.
fn gzip(head: &Deflated, tail: &Deflated) -> Vec<u8> {
    // RFC 1952: magic, deflate, no flags, no time, fastest, unknown system.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
    let mut crc = Crc::new();
    crc.combine(&head.crc);
    crc.combine(&tail.crc);
    let (sum, length) = (crc.sum().to_le_bytes(), crc.amount().to_le_bytes());
    [&HEADER[..], &head.bytes, &tail.bytes, &sum, &length].concat()
}

/// A snapshot as text, format 0.0.4.
pub fn text(snapshot: Arc<Snapshot>, config: &ExportConfig) -> String {
    let registry = Registry::new();
    registry
        .register(Box::new(SnapshotCollector::new(snapshot, config.clone())))
        .expect("a new registry has no other");
    TextEncoder::new().encode_to_string(&registry.gather()).expect("every sample is complete")
}

/// A snapshot as OpenMetrics. The two formats agree on gauges; the counters, which are of a
/// running daemon, are left out.
pub fn openmetrics(snapshot: Arc<Snapshot>, config: &ExportConfig) -> String {
    let mut page = String::new();
    let mut is_counter = false;
    for line in text(snapshot, config).lines() {
        if line.starts_with("# HELP") {
            is_counter = line.split(' ').nth(2).is_some_and(|name| name.ends_with("_total"));
        }
        if !is_counter {
            page.push_str(line);
            page.push('\n');
        }
    }
    page + "# EOF\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn two_parts_are_one_member() {
        let (head, tail) = ("a line\n".repeat(1_000), "another\n".repeat(10));
        let page = gzip(
            &Deflated::new(&head, Position::MoreFollows),
            &Deflated::new(&tail, Position::Last),
        );
        let mut text = String::new();
        flate2::read::GzDecoder::new(page.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(text, head + &tail);
    }
}
