//! Pages: the snapshot's part is encoded once per snapshot, format and encoding, the live part
//! each time.

use super::ExportConfig;
use super::exposition::Format;
use super::live::{Live, add_about};
use super::metric::MetricKind;
use super::page_parts::write_parts;
use super::sample::Samples;
use super::snapshot::samples;
use super::text_format::END;
use crate::explain::phrases::ShownValues;
use crate::monitor::snapshot::Snapshot;
use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The two encodings of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Plain,
    Gzip,
}

/// Makes `/metrics`.
pub struct Pages {
    live: Live,
    config: watch::Sender<ExportConfig>,
    /// By format, in the order of [`Format::ALL`].
    caches: [Cache; Format::ALL.len()],
}

/// The snapshot's part of a page in one format. The lock of each encoding is held while it is made,
/// so that many scrapers of a new snapshot wait for one encoding instead of making many.
#[derive(Default)]
struct Cache {
    plain: Mutex<Option<Cached<Vec<Bytes>>>>,
    deflated: Mutex<Option<Cached<Vec<Arc<Deflated>>>>>,
}

/// A page of the snapshot with this generation.
struct Cached<T> {
    generation: u64,
    page: T,
    made: Instant,
    /// How long it took to make.
    cost: Duration,
}

/// A page that takes longer than this to make is made less often than snapshots come, so that
/// scrapers cannot slow counting down: it is shown for so many times its cost.
const CHEAP: Duration = Duration::from_millis(50);
const COSTS_SHOWN: u32 = 40;

impl<T> Cached<T> {
    fn is_good_for(&self, generation: u64) -> bool {
        let is_dear = self.cost > CHEAP;
        self.generation == generation || is_dear && self.made.elapsed() < self.cost * COSTS_SHOWN
    }
}

/// Compressed text that more can follow, and the checksum of the text.
struct Deflated {
    bytes: Bytes,
    crc: Crc,
}

impl Pages {
    pub fn new(live: Live, config: ExportConfig) -> Pages {
        Pages { live, config: watch::Sender::new(config), caches: Default::default() }
    }

    /// Tells when the configuration is another.
    pub fn subscribe(&self) -> watch::Receiver<ExportConfig> {
        self.config.subscribe()
    }

    /// Hands over all samples as they are now: those of the snapshot, and what is live.
    pub fn collect(&self, mut take: impl FnMut(&Samples<'_>)) {
        let snapshot = self.live.published.load();
        take(&samples(&snapshot, &self.config.borrow().clone()));
        self.live.write(take);
    }

    /// How values of categories are told.
    pub fn values(&self) -> ShownValues {
        self.config.borrow().values
    }

    /// Takes another configuration, for every page from now on.
    pub fn configure(&self, config: ExportConfig) {
        self.config.send_replace(config);
        for cache in &self.caches {
            *cache.plain.lock().expect("encoding does not panic") = None;
            *cache.deflated.lock().expect("encoding does not panic") = None;
        }
        self.live.published.renew();
    }

    /// The whole page in parts. Those of the snapshot are shared by all who read them.
    pub fn render(&self, format: Format, encoding: Encoding) -> Vec<Bytes> {
        let snapshot = self.live.published.load();
        let config = self.config.borrow().clone();
        let live = self.live.write(|samples| last_part(samples, format));
        let cache = &self.caches[format as usize];
        match encoding {
            Encoding::Plain => {
                let mut page = cached(&cache.plain, snapshot.generation, || {
                    write_parts(&samples(&snapshot, &config), format, Bytes::from)
                });
                page.push(live.into());
                page
            }
            Encoding::Gzip => {
                let mut page = cached(&cache.deflated, snapshot.generation, || {
                    let deflated = |part: Vec<u8>| Arc::new(Deflated::new(&part, MORE_FOLLOWS));
                    write_parts(&samples(&snapshot, &config), format, deflated)
                });
                page.push(Arc::new(Deflated::new(&live, LAST)));
                gzip(&page)
            }
        }
    }
}

/// Samples as the end of a page.
fn last_part(samples: &Samples<'_>, format: Format) -> Vec<u8> {
    let mut part = write_parts(samples, format, |part| part).concat();
    if format == Format::OpenMetrics {
        part.extend(END.as_bytes());
    }
    part
}

fn cached<T: Clone>(cache: &Mutex<Option<Cached<T>>>, generation: u64, make: impl Fn() -> T) -> T {
    let mut cache = cache.lock().expect("encoding does not panic");
    if let Some(cached) = cache.as_ref().filter(|cached| cached.is_good_for(generation)) {
        return cached.page.clone();
    }
    let started = Instant::now();
    let page = make();
    let made = Instant::now();
    let cost = made - started;
    *cache = Some(Cached { generation, page: page.clone(), made, cost });
    page
}

/// Ends a part on a whole byte without ending the stream.
const MORE_FOLLOWS: FlushCompress = FlushCompress::Sync;
const LAST: FlushCompress = FlushCompress::Finish;

impl Deflated {
    fn new(text: &[u8], end: FlushCompress) -> Deflated {
        let mut crc = Crc::new();
        crc.update(text);
        let mut compress = Compress::new(Compression::fast(), false);
        let mut bytes = Vec::with_capacity(1_024 + text.len() / 8);
        loop {
            let rest = &text[compress.total_in() as usize..];
            compress.compress_vec(rest, &mut bytes, end).expect("no state is missing");
            // Over only when there was room left; until then with the same flush again, as zlib's
            // manual asks. The library's own writers do not.
            if compress.total_in() == text.len() as u64 && bytes.len() < bytes.capacity() {
                return Deflated { bytes: bytes.into(), crc };
            }
            bytes.reserve(bytes.capacity());
        }
    }
}

/// One gzip member of all parts. More members would be legal too, but some clients, curl among
/// them, stop after the first.
fn gzip(parts: &[Arc<Deflated>]) -> Vec<Bytes> {
    // RFC 1952: magic, deflate, no flags, no time, fastest, unknown system.
    const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
    let mut crc = Crc::new();
    parts.iter().for_each(|part| crc.combine(&part.crc));
    let trailer = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    let header = std::iter::once(Bytes::from_static(HEADER));
    let bodies = parts.iter().map(|part| part.bytes.clone());
    header.chain(bodies).chain([trailer.into()]).collect()
}

/// A snapshot as a page, without the counters, which are of a running daemon; with where people
/// reach that, for links.
pub fn page(
    snapshot: &Snapshot,
    config: &ExportConfig,
    external_url: Option<&str>,
    format: Format,
) -> Vec<u8> {
    let mut samples = samples(snapshot, config);
    samples.retain(|metric| metric.kind != MetricKind::Counter);
    add_about(&mut samples, external_url);
    last_part(&samples, format)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::live::LiveModels;
    use std::io::Read;

    #[test]
    fn a_dear_page_is_not_made_for_every_snapshot() {
        let is_shown = |cost: Duration, age: Duration| {
            let made = Instant::now().checked_sub(age).expect("the machine is up for a minute");
            let cache = Mutex::new(Some(Cached { generation: 1, page: 0, made, cost }));
            cached(&cache, 2, || 7) != 7
        };
        let dear = CHEAP * 2;
        assert!(!is_shown(CHEAP, Duration::ZERO));
        assert!(is_shown(dear, dear));
        assert!(is_shown(dear, dear * (COSTS_SHOWN - 1)));
        assert!(!is_shown(dear, dear * COSTS_SHOWN));
    }

    #[test]
    fn readers_share_a_page() {
        let live = Live {
            models: LiveModels::default(),
            published: Arc::default(),
            process: Arc::default(),
            external_url: None,
        };
        let pages = Pages::new(live, ExportConfig::default());
        for (encoding, part) in [(Encoding::Plain, 0), (Encoding::Gzip, 1)] {
            for format in Format::ALL {
                let [one, other] = [(); 2].map(|()| pages.render(format, encoding));
                assert!(!one[part].is_empty());
                assert_eq!(one[part].as_ptr(), other[part].as_ptr(), "{format:?}, {encoding:?}");
            }
        }
    }

    /// Of any size: the library's buffers hold some 32 KiB, and a real page some megabytes.
    #[test]
    fn two_parts_are_one_member() {
        let line = |i: u64| format!("line {}\n", (i * 7_919) % 1_000_003);
        for (n_head, n_tail) in [(0, 0), (0, 9), (9, 0), (1_000, 9), (20_000, 30_000), (300_000, 9)]
        {
            let head: String = (0..n_head).map(line).collect();
            let tail: String = (0..n_tail).map(line).collect();
            let parts = [(&head, MORE_FOLLOWS), (&tail, LAST)];
            let page =
                gzip(&parts.map(|(text, end)| Arc::new(Deflated::new(text.as_bytes(), end))));
            let mut text = String::new();
            flate2::read::GzDecoder::new(page.concat().as_slice())
                .read_to_string(&mut text)
                .unwrap();
            assert!(text == head + &tail, "{n_head} and {n_tail} lines");
        }
    }
}
