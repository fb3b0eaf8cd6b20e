//! A directory while it is watched: when to list it, which file is next, what was last logged.

use super::DirectoryConfig;
use super::events::{FileEvents, Subscription};
use super::listing::Ignored;
use super::path_states::{PathState, PathStates, ScanResult};
use crate::error::{Fault, FaultKind, Result};
use crate::format::OpenFile;
use crate::format::file_format::{FileContext, OpenedTable};
use crate::format::line_schema::LineSchema;
use crate::identity::Stat;
use crate::net::stop::Stop;
use crate::source::{Delivery, DeliveryId, Fate, FileDelivery, Poll, Rows, Source, SourceContext};
use crate::telemetry::{ErrorReason, RejectReason, SourceTelemetry};
use crate::time::Timestamp;
use crate::totals::Rejected;
use crate::window::period::AHEAD_MAX;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{debug, error, info, warn};

/// While a backlog is counted, the gauges of waiting files are refreshed at most this often, since
/// that takes a look at every path.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);

/// How long files that are not ready yet are waited for before windows close. With many files a
/// second there always is one.
const SETTLING_MAX: Duration = Duration::from_secs(3);

/// Events come in bursts; one listing serves those of this time.
const EVENT_PAUSE: Duration = Duration::from_millis(20);

/// Listings take no more than one part in so many of the time, however many events there are.
const LISTING_PARTS: u32 = 10;

/// The files of a directory, as a source.
pub struct DirectorySource {
    name: String,
    config: DirectoryConfig,
    /// What rows without types are read for.
    schema: Arc<LineSchema>,
    on_read: Arc<dyn Fn() + Send + Sync>,
    paths: PathStates,
    telemetry: Arc<SourceTelemetry>,
    stop: Stop,
    /// Says when something seems to have changed.
    events: Subscription,
    /// When to list next.
    at: Timestamp,
    /// When an event may bring that forward to.
    not_before: Timestamp,
    is_listed: bool,
    /// Files of the last listing that are still to be delivered. The next listing waits for them,
    /// so that a backlog has an end although new files keep coming.
    ready: VecDeque<PathBuf>,
    /// Since when there has always been a file that will be ready in a moment.
    settling_since: Option<Timestamp>,
    /// What was last left out.
    ignored: Ignored,
    gauges_updated: Timestamp,
    /// Deliveries whose fate is not known yet.
    delivered: HashMap<DeliveryId, (PathBuf, Stat)>,
    deliveries: u64,
    /// What was last logged of a path that fails again and again; it is not repeated.
    logged: HashMap<PathBuf, String>,
}

impl DirectorySource {
    pub fn start(
        config: DirectoryConfig,
        events: &Arc<FileEvents>,
        context: SourceContext,
    ) -> DirectorySource {
        let SourceContext { name, schema, telemetry, paths, wake, stop, on_read, .. } = context;
        for (path, reason) in paths.iter().filter_map(|(p, r)| Some((p, r.quarantined.as_ref()?))) {
            // The alert sends people to the log, which may be that of an earlier process.
            warn!(path = %path.display(), reason, "still quarantined, until it changes");
        }
        let events = events.subscribe(&config.path, wake, Arc::clone(&telemetry));
        DirectorySource {
            name,
            paths: PathStates::new(&config, paths),
            ignored: Ignored::new(config.format),
            schema,
            on_read,
            config,
            telemetry,
            stop,
            events,
            at: Timestamp(0),
            not_before: Timestamp(0),
            is_listed: false,
            ready: VecDeque::new(),
            settling_since: None,
            gauges_updated: Timestamp(0),
            delivered: HashMap::new(),
            deliveries: 0,
            logged: HashMap::new(),
        }
    }

    /// Lists the directory if it is time and all that was ready has been delivered. What is gone,
    /// if anything.
    fn scan(&mut self, now: Timestamp) -> Option<Poll> {
        if self.at > now || !self.ready.is_empty() {
            return None;
        }
        let begun = Instant::now();
        let scanned = self.paths.scan(now);
        self.not_before = now.plus(begun.elapsed() * LISTING_PARTS);
        self.at = now.plus(self.config.reconcile_interval);
        let root = self.config.path.clone();
        match scanned {
            Ok(found) => {
                if self.logged.remove(&root).is_some() {
                    info!(source = self.name, "listed again");
                }
                self.take_listing(found, now)
            }
            Err(error) => {
                self.telemetry.errors(ErrorReason::List).add(1);
                if self.differs_from_last_log(&root, &error.to_string()) {
                    error!(source = self.name, %error, "not listed; will be tried again");
                }
                None
            }
        }
    }

    fn take_listing(&mut self, found: ScanResult, now: Timestamp) -> Option<Poll> {
        self.telemetry.last_success.set(now.0);
        self.telemetry.errors(ErrorReason::List).add(found.errors.len() as u64);
        self.is_listed = true;
        self.ready = found.ready.into();
        self.note_ignored(found.ignored);
        if let Some(wait) = found.again_in {
            self.at = self.at.min(now.plus(wait).max(self.not_before));
        }
        for error in &found.errors {
            // The text names the folder.
            let text = error.to_string();
            if self.differs_from_last_log(Path::new(&text), &text) {
                warn!(source = self.name, %error, "a folder was not listed");
            }
        }
        let (paths, vanished) = (found.gone, found.vanished);
        (!paths.is_empty()).then_some(Poll::Gone { paths, vanished })
    }

    /// Whoever points at a folder whose files have no ending must not wait for ever.
    fn note_ignored(&mut self, ignored: Ignored) {
        if ignored != self.ignored && ignored.files > 0 {
            let (source, path) = (&self.name, self.config.path.as_path());
            warn!(source, path = %path.display(), "{ignored}");
        }
        self.telemetry.files_ignored.set(ignored.files as i64);
        self.ignored = ignored;
    }

    /// Opens the next file. None when it is not to be counted now.
    fn open(&mut self, path: &Path, now: Timestamp) -> Option<Poll> {
        let stat = self.paths.stat(path)?;
        let opened = self.open_table(path, stat);
        let id = DeliveryId(self.deliveries + 1);
        let poll = match opened {
            Ok((file, OpenedTable { table, rejected, first_rejected })) => {
                self.tell_rejected(path, &rejected, first_rejected);
                let (happened, bytes) = (Some(happened(&file, now)), file.stat.size);
                let DirectoryConfig { on_duplicate, on_rewrite, .. } = self.config;
                let rows = Rows::File(FileDelivery { file, table, on_duplicate, on_rewrite });
                let unknown_keys = 0;
                let delivery = Delivery { id, rows, happened, bytes, rejected, unknown_keys };
                Poll::Ready(Box::new(delivery))
            }
            Err(fault) if fault.kind() == FaultKind::Unreadable => {
                Poll::Unreadable { id, path: path.to_owned(), stat, fault }
            }
            Err(fault) => {
                self.note_deferred(path, &fault);
                return None;
            }
        };
        self.deliveries += 1;
        self.paths.deliver(path);
        self.delivered.insert(id, (path.to_owned(), stat));
        Some(poll)
    }

    fn open_table(&self, path: &Path, stat: Stat) -> Result<(OpenFile, OpenedTable), Fault> {
        let file = OpenFile::open(&self.config.path, path)?;
        if file.stat != stat {
            return Err(Fault::incomplete("changed since it was listed"));
        }
        let DirectoryConfig { format, names, page_bytes_max, .. } = &self.config;
        let (lines, names) = (Arc::clone(&self.schema), names.clone());
        let on_read = Arc::clone(&self.on_read);
        let context = FileContext { lines, names, page_bytes_max: *page_bytes_max, on_read };
        let table = format.open(&file, &context);
        // Before any fault is believed: a file that is rewritten while it is read decodes badly.
        file.check_untouched()?;
        Ok((file, table?))
    }

    fn tell_rejected(
        &self,
        path: &Path,
        rejected: &Rejected,
        first: Option<(RejectReason, String)>,
    ) {
        if let Some((reason, line)) = first {
            let (source, reason, lines) = (&self.name, reason.name(), rejected.sum());
            let path = path.display();
            warn!(source, %path, reason, line, lines, "lines were rejected, such as this one");
        }
    }

    /// The file stays pending; the next listing tells more.
    fn note_deferred(&mut self, path: &Path, fault: &Fault) {
        if fault.kind() != FaultKind::Io || path.symlink_metadata().is_err() {
            debug!(path = %path.display(), %fault, "gone or not complete");
            return;
        }
        self.telemetry.errors(ErrorReason::Read).add(1);
        if self.differs_from_last_log(path, &fault.to_string()) {
            let name = &self.name;
            warn!(source = name, path = %path.display(), %fault, "not read; will be tried again");
        }
    }

    fn differs_from_last_log(&mut self, path: &Path, text: &str) -> bool {
        self.logged.insert(path.to_owned(), text.to_owned()).as_deref() != Some(text)
    }
}

/// When the rows of a file happened that do not say so: what the path says, unless that is more
/// than a day ahead of the clock, else when the file was written.
fn happened(file: &OpenFile, now: Timestamp) -> Timestamp {
    let written = Timestamp(file.stat.mtime_ns.div_euclid(1_000)).min(now);
    file.partition_time.filter(|time| *time <= now.plus(AHEAD_MAX)).unwrap_or(written)
}

impl Source for DirectorySource {
    fn poll(&mut self, now: Timestamp) -> Poll {
        if self.stop.is_on() {
            // What was not begun is counted after the next start.
            return Poll::Ended;
        }
        if self.events.take() {
            self.at = self.at.min(now.plus(EVENT_PAUSE).max(self.not_before));
        }
        if let Some(gone) = self.scan(now) {
            return gone;
        }
        let is_settling = self.paths.is_settling(now);
        self.settling_since = is_settling.then(|| self.settling_since.unwrap_or(now));
        while let Some(path) = self.ready.pop_front() {
            if let Some(poll) = self.open(&path, now) {
                return poll;
            }
        }
        Poll::At(self.at)
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate) {
        let Some((path, stat)) = self.delivered.remove(&id) else { return };
        match fate {
            Fate::Deferred(fault) => {
                self.note_deferred(&path, &fault);
                self.paths.defer(&path, stat);
            }
            Fate::Quarantined(reason) => {
                let (source, path) = (&self.name, path.as_path());
                warn!(source, path = %path.display(), reason, "quarantined until it changes");
                self.paths.resolve(path, stat, PathState::Quarantined);
            }
            _ => self.paths.resolve(&path, stat, PathState::Done),
        }
    }

    fn is_behind(&self, now: Timestamp) -> bool {
        let is_settling =
            |since: Timestamp| now.since(since) < SETTLING_MAX + self.config.stable_for;
        !self.is_listed || !self.ready.is_empty() || self.settling_since.is_some_and(is_settling)
    }

    fn is_ready(&self) -> bool {
        self.is_listed
    }

    fn update_gauges(&mut self, now: Timestamp) {
        if self.ready.is_empty() || now.since(self.gauges_updated) >= GAUGE_INTERVAL {
            self.paths.update_gauges(now, &self.telemetry);
            self.gauges_updated = now;
        }
    }
}
