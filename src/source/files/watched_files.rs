//! The files of one place while it is watched: which are to be opened, which were delivered, what
//! was last logged.

use super::FilesConfig;
use super::listing::{Ignored, Listed, Listing};
use super::path_states::{PathRules, PathState, PathStates, ScanResult};
use crate::error::{Error, Fault, FaultKind};
use crate::format::OpenFile;
use crate::format::file_format::{FileContext, OpenedTable};
use crate::format::line_schema::LineSchema;
use crate::identity::Stat;
use crate::source::{
    Delivery, DeliveryId, Fate, FileDelivery, OnDuplicate, Poll, Rows, SourceContext,
};
use crate::telemetry::{ErrorReason, RejectReason, SourceTelemetry};
use crate::time::Timestamp;
use crate::totals::Rejected;
use crate::window::period::AHEAD_MAX;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// While a backlog is counted, the gauges of waiting files are refreshed at most this often, since
/// that takes a look at every path.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);

/// The files of one place.
pub struct WatchedFiles {
    /// Label `source`.
    name: String,
    root: PathBuf,
    config: FilesConfig,
    /// What rows without types are read for.
    schema: Arc<LineSchema>,
    on_read: Arc<dyn Fn() + Send + Sync>,
    paths: PathStates,
    telemetry: Arc<SourceTelemetry>,
    is_listed: bool,
    /// What was last left out.
    ignored: Ignored,
    gauges_updated: Timestamp,
    /// Deliveries whose fate is not known yet.
    delivered: HashMap<DeliveryId, (PathBuf, Stat)>,
    deliveries: u64,
    /// What was last logged of a path that fails again and again; it is not repeated.
    logged: HashMap<PathBuf, String>,
}

/// What is to be done after a listing.
pub struct FoundFiles {
    /// Files to open now, in this order.
    pub ready: Vec<Listed>,
    /// To be told first.
    pub gone: Option<Poll>,
    /// When to list again, as far as files are seen that are not ready yet.
    pub again_in: Option<Duration>,
}

impl WatchedFiles {
    /// Goes on from what the state has.
    pub fn new(root: PathBuf, config: FilesConfig, context: &mut SourceContext) -> WatchedFiles {
        let paths = std::mem::take(&mut context.paths);
        for (path, reason) in paths.iter().filter_map(|(p, r)| Some((p, r.quarantined.as_ref()?))) {
            // The alert sends people to the log, which may be that of an earlier process.
            warn!(path = %path.display(), reason, "still quarantined, until it changes");
        }
        let rules = PathRules {
            stable_for: config.stable_for,
            stuck_after: config.stuck_after,
            keeps_all: config.on_duplicate == OnDuplicate::Count,
        };
        WatchedFiles {
            name: context.name.clone(),
            root,
            schema: Arc::clone(&context.schema),
            on_read: Arc::clone(&context.on_read),
            paths: PathStates::new(rules, paths),
            telemetry: Arc::clone(&context.telemetry),
            is_listed: false,
            ignored: Ignored::new(config.format),
            config,
            gauges_updated: Timestamp(0),
            delivered: HashMap::new(),
            deliveries: 0,
            logged: HashMap::new(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn config(&self) -> &FilesConfig {
        &self.config
    }

    /// Whether there was a listing.
    pub fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// Whether a file was seen that will be ready in a moment.
    pub fn is_settling(&self, now: Timestamp) -> bool {
        self.paths.is_settling(now)
    }

    /// Takes what a listing found, or why there is none. All that was ready before has to be
    /// delivered or deferred.
    pub fn take_listing(
        &mut self,
        listing: Result<Listing, Error>,
        now: Timestamp,
    ) -> Option<FoundFiles> {
        let root = self.root.clone();
        match listing {
            Ok(listing) => {
                if self.logged.remove(&root).is_some() {
                    info!(source = self.name, "listed again");
                }
                self.telemetry.last_success.set(now.0);
                let found = self.paths.scan(listing, now);
                Some(self.take_scan(found))
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

    fn take_scan(&mut self, found: ScanResult) -> FoundFiles {
        self.telemetry.errors(ErrorReason::List).add(found.errors.len() as u64);
        self.is_listed = true;
        self.note_ignored(found.ignored);
        for error in &found.errors {
            // The text names the folder.
            let text = error.to_string();
            if self.differs_from_last_log(Path::new(&text), &text) {
                warn!(source = self.name, %error, "a folder was not listed");
            }
        }
        let (paths, vanished) = (found.gone, found.vanished);
        let gone = (!paths.is_empty()).then_some(Poll::Gone { paths, vanished });
        FoundFiles { ready: found.ready, gone, again_in: found.again_in }
    }

    /// Whoever points at a folder whose files have no ending must not wait for ever.
    fn note_ignored(&mut self, ignored: Ignored) {
        if ignored != self.ignored && ignored.files > 0 {
            let (source, path) = (&self.name, self.root.as_path());
            warn!(source, path = %path.display(), "{ignored}");
        }
        self.telemetry.files_ignored.set(ignored.files as i64);
        self.ignored = ignored;
    }

    /// Makes a delivery of a file whose turn it is. None when it is not to be counted now.
    pub fn deliver(
        &mut self,
        listed: &Listed,
        opened: Result<OpenFile, Fault>,
        now: Timestamp,
    ) -> Option<Poll> {
        let Listed { path, stat } = listed;
        let id = DeliveryId(self.deliveries + 1);
        let poll = match opened.and_then(|file| self.open_table(file, *stat)) {
            Ok((file, OpenedTable { table, rejected, first_rejected })) => {
                self.tell_rejected(path, &rejected, first_rejected);
                let (happened, bytes) = (Some(happened(&file, now)), file.stat.size);
                let FilesConfig { on_duplicate, on_rewrite, .. } = self.config;
                let rows = Rows::File(FileDelivery { file, table, on_duplicate, on_rewrite });
                let unknown_keys = 0;
                let delivery = Delivery { id, rows, happened, bytes, rejected, unknown_keys };
                Poll::Ready(Box::new(delivery))
            }
            Err(fault) if fault.kind() == FaultKind::Unreadable => {
                Poll::Unreadable { id, path: path.clone(), stat: *stat, fault }
            }
            Err(fault) => {
                self.defer(path, *stat, &fault);
                return None;
            }
        };
        self.deliveries += 1;
        self.delivered.insert(id, (path.clone(), *stat));
        Some(poll)
    }

    fn open_table(&self, file: OpenFile, stat: Stat) -> Result<(OpenFile, OpenedTable), Fault> {
        if file.stat != stat {
            return Err(Fault::incomplete("changed since it was listed"));
        }
        let FilesConfig { format, names, page_bytes_max, .. } = &self.config;
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
    fn defer(&mut self, path: &Path, stat: Stat, fault: &Fault) {
        self.paths.defer(path, stat);
        if fault.kind() != FaultKind::Io {
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

    /// What became of a delivery.
    pub fn settled(&mut self, id: DeliveryId, fate: Fate) {
        let Some((path, stat)) = self.delivered.remove(&id) else { return };
        match fate {
            Fate::Deferred(fault) => self.defer(&path, stat, &fault),
            Fate::Quarantined(reason) => {
                let (source, path) = (&self.name, path.as_path());
                warn!(source, path = %path.display(), reason, "quarantined until it changes");
                self.paths.resolve(path, stat, PathState::Quarantined);
            }
            _ => self.paths.resolve(&path, stat, PathState::Done),
        }
    }

    /// Sets the gauges; less often while there is more to do.
    pub fn update_gauges(&mut self, now: Timestamp, is_busy: bool) {
        if !is_busy || now.since(self.gauges_updated) >= GAUGE_INTERVAL {
            self.paths.update_gauges(now, &self.telemetry);
            self.gauges_updated = now;
        }
    }
}

/// When the rows of a file happened that do not say so: what the path says, unless that is more
/// than a day ahead of the clock, else when the file was written.
fn happened(file: &OpenFile, now: Timestamp) -> Timestamp {
    let written = Timestamp(file.stat.mtime_ns.div_euclid(1_000)).min(now);
    file.partition_time.filter(|time| *time <= now.plus(AHEAD_MAX)).unwrap_or(written)
}
