//! Rows that wait on the disk, as a source: delivered in their order, and forgotten when the state
//! has them.

use super::row_spool::Spool;
use super::spool_entry::{Entry, EntryForm};
use crate::error::{Error, Result};
use crate::format::line_schema::{LineFaults, LineSchema};
use crate::format::line_split::full_lines;
use crate::format::ndjson::{BatchBuilder, LineOrigin};
use crate::format::payload::{BodyFault, table};
use crate::monitor::table::{Table, rows};
use crate::net::stop::Stop;
use crate::position::{Position, PositionRange};
use crate::profile::instants;
use crate::source::stream::LineLog;
use crate::source::stream::parse::{BATCH_CELLS, BATCH_ROWS};
use crate::source::{Delivery, DeliveryId, Fate, Poll, Rows, Source, SourceContext};
use crate::telemetry::{ErrorReason, RejectReason, SourceTelemetry};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tracing::{error, info, warn};

/// Deliveries of the disk and of the inbox are told apart by this bit of their names.
const OF_SPOOL: u64 = 1 << 63;

/// Bytes of rows that are read at a time.
const READ_BYTES_MAX: usize = 8 << 20;

/// How often it is said that sides of exchanges lack each other.
const UNMET_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How long to wait after the disk failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Whoever takes the rows that a spool keeps.
pub trait SpoolOwner: Send + Sync {
    /// Whether it takes no more, since its source goes.
    fn is_closing(&self) -> bool;

    /// Whether there still is time then to count what was taken.
    fn has_time(&self) -> bool;
}

/// The rows of a spool, and beside them what is not kept on the disk: rows that are none.
pub struct SpoolSource {
    name: String,
    beside: Box<dyn Source>,
    spool: Arc<Spool>,
    owner: Arc<dyn SpoolOwner>,
    schema: Arc<LineSchema>,
    telemetry: Arc<SourceTelemetry>,
    stop: Stop,
    /// Up to there rows were delivered, and up to there the state has them.
    delivered: u64,
    counted: u64,
    /// The last position when there was nothing to read.
    empty_at: u64,
    /// Where each delivery ends whose fate is not known yet.
    ends: BTreeMap<DeliveryId, u64>,
    deliveries: u64,
    log: LineLog,
    unmet_said: Option<Timestamp>,
}

/// Entries of one form as a table.
struct Read {
    table: Box<dyn Table + Send>,
    faults: LineFaults,
    bytes: u64,
    end: u64,
    /// Of rows that do not say so themselves.
    happened: Option<Timestamp>,
}

impl SpoolSource {
    /// Goes on after what the state has. `beside` delivers what is in the inbox.
    pub fn start(
        spool: Arc<Spool>,
        owner: Arc<dyn SpoolOwner>,
        context: SourceContext,
        beside: Box<dyn Source>,
    ) -> SpoolSource {
        let SourceContext { name, schema, telemetry, positions, stop, .. } = context;
        let counted = positions.get(&spool.partition).map_or(0, |position| position.0);
        spool.forget(counted);
        if spool.last() > counted && spool.bytes() > 0 {
            let (source, bytes) = (&name, spool.bytes());
            info!(source, bytes, "rows wait on the disk");
        }
        SpoolSource {
            name,
            beside,
            spool,
            owner,
            schema,
            telemetry,
            stop,
            delivered: counted,
            counted,
            empty_at: 0,
            ends: BTreeMap::new(),
            deliveries: 0,
            log: LineLog::default(),
            unmet_said: None,
        }
    }

    /// The next entries of one form, as many as make a batch.
    fn read(&self) -> Result<Option<Read>> {
        let features = self.schema.features().len() as u64;
        let (mut form, mut n_rows, mut n_bytes) = (None, 0, 0);
        let entries = self.spool.read(self.delivered, |entry| {
            n_rows += entry.rows;
            n_bytes += entry.bytes.len();
            let is_table = matches!(entry.form, EntryForm::Table(_));
            let is_other = form.replace(entry.form).is_some_and(|own| own != entry.form);
            let is_large = n_rows > BATCH_ROWS || n_rows * features > BATCH_CELLS;
            is_other || is_table || is_large || n_bytes > READ_BYTES_MAX
        })?;
        let Some((end, _)) = entries.last() else { return Ok(None) };
        let end = *end;
        self.of_entries(entries, end).map(Some)
    }

    /// Fails where the disk does.
    fn of_entries(&self, entries: Vec<(u64, Entry)>, end: u64) -> Result<Read> {
        let mut builder = BatchBuilder::new(Arc::clone(&self.schema));
        for (_, entry) in entries {
            let Entry { form, happened, bytes: own, .. } = entry;
            builder.add_bytes(own.len() as u64);
            let are_texts = match form {
                EntryForm::Table(form) => match table(form, own) {
                    Ok(own) => {
                        let (table, bytes) = (own.table, own.bytes.len() as u64);
                        let faults = self.schema.unknown_columns(table.schema(), rows(&*table));
                        let happened = happened.and_then(|own| instants::parse(&own, None));
                        return Ok(Read { table, faults, bytes, end, happened });
                    }
                    Err(BodyFault::Disk(text)) => return Err(Error::new(text)),
                    Err(fault) => {
                        builder.reject(RejectReason::BrokenStream, fault.text().as_bytes());
                        continue;
                    }
                },
                form => form == EntryForm::Texts,
            };
            let origin = LineOrigin { are_texts, happened: happened.map(Arc::from) };
            for line in full_lines(&own) {
                if let Err(reason) = builder.push(line, &origin) {
                    builder.reject(reason, line);
                }
            }
        }
        let mut batch = builder.finish();
        let (faults, bytes) = (std::mem::take(&mut batch.faults), batch.bytes);
        Ok(Read { table: Box::new(batch), faults, bytes, end, happened: None })
    }

    /// Counts requests that were not answered, and responses to nothing, and says so now and then.
    fn note_unmet(&mut self, now: Timestamp) {
        let (unanswered, unmatched) = self.spool.take_unmet();
        if unanswered + unmatched == 0 {
            return;
        }
        self.telemetry.errors(ErrorReason::Unanswered).add(unanswered);
        self.telemetry.errors(ErrorReason::Unmatched).add(unmatched);
        if self.unmet_said.is_none_or(|said| now.since(said) >= UNMET_LOG_INTERVAL) {
            self.unmet_said = Some(now);
            let source = &self.name;
            warn!(source, unanswered, unmatched, "requests without a response, or the other way");
        }
    }

    /// Says what is left on the disk.
    fn ended(&self, beside: Poll) -> Poll {
        let bytes = self.spool.bytes();
        if matches!(beside, Poll::Ended) && self.owner.is_closing() && bytes > 0 {
            let (source, file) = (&self.name, self.spool.path.display());
            warn!(source, bytes, %file, "rows stay on the disk, and count when the source is back");
        }
        beside
    }

    fn deliver(&mut self, read: Read, now: Timestamp) -> Poll {
        let Read { table, faults, bytes, end, happened } = read;
        self.telemetry.last_success.set(now.0);
        self.log.note(&self.name, &faults, None, now);
        self.deliveries += 1;
        let id = DeliveryId(OF_SPOOL | self.deliveries);
        let (from, to) = (Position(self.delivered), Position(end));
        let partition = self.spool.partition.clone();
        let rows = Rows::Batch { table, positions: vec![PositionRange { partition, from, to }] };
        self.ends.insert(id, end);
        self.delivered = end;
        let LineFaults { rejected, unknown_keys, .. } = faults;
        Poll::Ready(Box::new(Delivery { id, rows, happened, bytes, rejected, unknown_keys }))
    }
}

impl Source for SpoolSource {
    fn poll(&mut self, now: Timestamp) -> Poll {
        self.note_unmet(now);
        let beside = self.beside.poll(now);
        if let Poll::Ready(delivery) = beside {
            return Poll::Ready(delivery);
        }
        // Another model takes them, or the next start; where the source goes, what was taken is
        // counted as long as there is time.
        if self.stop.is_on() && !self.owner.has_time() {
            return self.ended(beside);
        }
        let last = self.spool.last();
        match self.read() {
            Ok(Some(read)) => self.deliver(read, now),
            Ok(None) => {
                self.empty_at = last;
                beside
            }
            Err(error) => {
                self.telemetry.errors(ErrorReason::Read).add(1);
                error!(source = self.name, %error, "not read; will be tried again");
                Poll::At(now.plus(PAUSE))
            }
        }
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate) {
        let Some(end) = self.ends.remove(&id) else { return self.beside.settled(id, fate) };
        match fate {
            Fate::Deferred(_) => {
                self.delivered = self.counted;
            }
            _ => {
                self.counted = self.counted.max(end);
                self.spool.forget(end);
            }
        }
    }

    fn is_behind(&self, now: Timestamp) -> bool {
        self.spool.last() > self.delivered.max(self.empty_at) || self.beside.is_behind(now)
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn update_gauges(&mut self, now: Timestamp) {
        self.beside.update_gauges(now);
        let waiting = &self.telemetry.waiting_bytes;
        waiting.set(waiting.get() + self.spool.bytes() as i64);
    }
}
