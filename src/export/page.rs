//! Pages: the snapshot's part is encoded once per snapshot and encoding, the live part each time.

use super::ExportConfig;
use super::snapshot::SnapshotCollector;
use crate::monitor::snapshot::{Published, Snapshot};
use flate2::Compression;
use flate2::write::GzEncoder;
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
    /// Per encoding, the snapshot's generation and its page. The lock is held while encoding, so
    /// that many scrapers of a new snapshot wait for one encoding instead of making many.
    cached: [Mutex<Option<(u64, Arc<Vec<u8>>)>>; 2],
}

impl Pages {
    pub fn new(published: Arc<Published>, live: Registry, config: ExportConfig) -> Pages {
        Pages { published, live, config, cached: Default::default() }
    }

    /// The whole page.
    pub fn render(&self, encoding: Encoding) -> Vec<u8> {
        let mut page = self.snapshot_page(encoding).to_vec();
        // Gzip members may follow one another, so the parts need not be compressed together.
        page.extend(encode(self.live_text(), encoding));
        page
    }

    fn snapshot_page(&self, encoding: Encoding) -> Arc<Vec<u8>> {
        let snapshot = self.published.load();
        let mut cached = self.cached[encoding as usize].lock().expect("encoding does not panic");
        match &*cached {
            Some((generation, page)) if *generation == snapshot.generation => Arc::clone(page),
            _ => {
                let generation = snapshot.generation;
                let page = Arc::new(encode(text(snapshot, &self.config), encoding));
                *cached = Some((generation, Arc::clone(&page)));
                page
            }
        }
    }

    fn live_text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.live.gather()).expect("every sample is complete")
    }
}

fn encode(text: String, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Plain => text.into_bytes(),
        Encoding::Gzip => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(text.as_bytes()).expect("memory takes every byte");
            gzip.finish().expect("memory takes every byte")
        }
    }
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
