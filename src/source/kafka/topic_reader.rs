//! The thread that reads all partitions of topics and makes batches of their rows.

use super::consumer_settings::ConsumerSettings;
use super::kafka_context::{KafkaContext, rest};
use super::message_reader::MessageReader;
use super::partitions::Partitions;
use crate::error::Result;
use crate::format::line_schema::{LineFaults, LineSchema};
use crate::format::line_split::full_lines;
use crate::format::ndjson::{BatchBuilder, LineOrigin};
use crate::format::payload::{Event, EventRows, RowLines, TableRows};
use crate::monitor::table::{Table, rows};
use crate::position::{Position, PositionRange};
use crate::profile::instants;
use crate::source::stream::parse::{BATCH_CELLS, BATCH_ROWS, batch_bytes_max};
use crate::telemetry::RejectReason;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, SendTimeoutError, Sender};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// After this time a batch is made of what there is.
const BATCH_TIME: Duration = Duration::from_millis(100);

/// How often somebody looks for new partitions.
const LIST_INTERVAL: Duration = Duration::from_secs(30);

/// Batches that wait for their model.
pub const BATCHES_MAX: usize = 2;

/// Rows of a topic, and how far they go.
pub struct TopicBatch {
    /// How often the reader was set back.
    pub epoch: u64,
    pub table: Box<dyn Table + Send>,
    pub faults: LineFaults,
    pub bytes: u64,
    /// When rows happened that do not say so themselves.
    pub happened: Option<Timestamp>,
    pub positions: Vec<PositionRange>,
}

/// Has the reader go on from here.
pub struct Rewind {
    pub epoch: u64,
    pub positions: BTreeMap<String, Position>,
}

/// What the source and its reader know.
#[derive(Default)]
pub struct ReaderState {
    pub has_ended: AtomicBool,
    pub is_behind: AtomicBool,
    /// Partitions were assigned once.
    pub is_ready: AtomicBool,
}

/// Bytes that batches take at most, besides their texts.
pub fn memory_max(features: usize) -> u64 {
    (BATCHES_MAX as u64 + 2) * batch_bytes_max(features)
}

/// Reads all partitions of topics.
pub struct TopicReader {
    pub settings: ConsumerSettings,
    pub messages: MessageReader,
    pub schema: Arc<LineSchema>,
    pub state: Arc<ReaderState>,
    pub wake: Arc<Notify>,
    pub batches: Sender<TopicBatch>,
    pub rewinds: Receiver<Rewind>,
    pub epoch: u64,
    pub positions: BTreeMap<String, Position>,
    /// Where partitions began of which nothing was counted.
    pub starts: BTreeMap<String, u64>,
    /// The broker has not the offset that a partition was to be read from.
    pub was_out_of_range: bool,
    /// The batch that is being made.
    pub pending: PendingBatch,
}

/// A batch that is being made.
pub struct PendingBatch {
    builder: BatchBuilder,
    positions: BTreeMap<String, PositionRange>,
    since: Option<Instant>,
}

impl PendingBatch {
    pub fn new(schema: &Arc<LineSchema>) -> PendingBatch {
        let builder = BatchBuilder::new(Arc::clone(schema));
        PendingBatch { builder, positions: BTreeMap::new(), since: None }
    }

    fn note(&mut self, range: PositionRange) {
        self.since.get_or_insert_with(Instant::now);
        match self.positions.get_mut(&range.partition) {
            Some(own) => own.to = range.to,
            None => _ = self.positions.insert(range.partition.clone(), range),
        }
    }

    fn take_lines(&mut self, lines: RowLines, happened: Option<String>) {
        let RowLines { lines, are_texts, n_rejected, first_rejected, .. } = lines;
        let origin = LineOrigin { are_texts, happened: happened.map(Arc::from) };
        self.builder.add_rejected(&n_rejected, first_rejected);
        for line in full_lines(&lines) {
            if let Err(reason) = self.builder.push(line, &origin) {
                self.builder.reject(reason, line);
            }
        }
    }

    fn is_due(&self) -> bool {
        let is_full = self.builder.rows() >= BATCH_ROWS || self.builder.cells() >= BATCH_CELLS;
        is_full || self.since.is_some_and(|since| since.elapsed() >= BATCH_TIME)
    }
}

impl TopicReader {
    /// Until the source ends; a broker that is away is waited for.
    pub fn run(mut self, context: KafkaContext) -> Result<()> {
        let consumer = self.settings.consumer(context)?;
        while !self.has_ended() {
            if let Err(error) = self.read(&consumer) {
                let text = error.to_string();
                consumer.context().note_error(&text, &text);
                TopicReader::rest(&consumer);
            }
            // What was read is read, whatever comes next.
            self.send();
        }
        Ok(())
    }

    /// Waits before it tries again; no partition is read meanwhile.
    fn rest(consumer: &BaseConsumer<KafkaContext>) {
        let _ = consumer.unassign();
        rest(consumer);
    }

    fn has_ended(&self) -> bool {
        self.state.has_ended.load(Ordering::Acquire)
    }

    /// Reads from where the state ends, until there are other partitions, it is set back or fails.
    fn read(&mut self, consumer: &BaseConsumer<KafkaContext>) -> Result<(), KafkaError> {
        let was_out_of_range = std::mem::take(&mut self.was_out_of_range);
        let mut partitions = Partitions::assign(
            consumer,
            &self.settings,
            &self.positions,
            &mut self.starts,
            was_out_of_range,
        )?;
        consumer.context().note_success();
        self.note_behind(consumer, &partitions);
        self.state.is_ready.store(true, Ordering::Release);
        self.wake.notify_one();
        let mut listed = Instant::now();
        while !self.has_ended() {
            match consumer.poll(BATCH_TIME / 2).transpose() {
                Ok(Some(message)) => self.take(&message, &mut partitions),
                Ok(None) => {}
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => {
                    self.was_out_of_range = true;
                    TopicReader::rest(consumer);
                    return Ok(());
                }
                Err(KafkaError::MessageConsumption(code)) => {
                    // The library goes on by itself.
                    consumer.context().note_error(&code.to_string(), &code.to_string());
                }
                Err(error) => return Err(error),
            }
            if self.pending.is_due() {
                self.send();
            }
            self.note_behind(consumer, &partitions);
            if let Ok(Rewind { epoch, positions }) = self.rewinds.try_recv() {
                (self.epoch, self.positions) = (epoch, positions);
                self.pending = PendingBatch::new(&self.schema);
                return Ok(());
            }
            if listed.elapsed() >= LIST_INTERVAL {
                listed = Instant::now();
                if !partitions.are_all(consumer, &self.settings)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn note_behind(&self, consumer: &BaseConsumer<KafkaContext>, partitions: &Partitions) {
        let is_behind = partitions.are_behind(consumer.context());
        if self.state.is_behind.swap(is_behind, Ordering::AcqRel) != is_behind {
            self.wake.notify_one();
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>, partitions: &mut Partitions) {
        let offset = message.offset().max(0) as u64;
        let Some(range) = partitions.advance(message.topic(), message.partition(), offset) else {
            return;
        };
        // All that was read so far is kept, should the partitions be assigned again.
        self.positions.insert(range.partition.clone(), range.to);
        let bytes = message.payload_len() as u64;
        let events = match self.messages.read(message) {
            Ok(events) => events,
            Err(fault) => {
                self.pending.builder.reject(RejectReason::Malformed, fault.text().as_bytes());
                Vec::new()
            }
        };
        for Event { happened, rows: own, .. } in events {
            match own {
                EventRows::Response(_) => {}
                EventRows::Lines(lines) => self.pending.take_lines(lines, happened),
                EventRows::Table(TableRows { table, .. }) => {
                    // What came before goes first.
                    self.send();
                    let happened = happened.and_then(|own| instants::parse(&own, None));
                    let faults = self.schema.unknown_columns(table.schema(), rows(&*table));
                    let (epoch, positions) = (self.epoch, vec![range]);
                    let own = TopicBatch { epoch, table, faults, bytes, happened, positions };
                    // It is alone in its message.
                    return self.hand_over(own);
                }
            }
        }
        self.pending.builder.add_bytes(bytes);
        self.pending.note(range);
    }

    /// Hands over what there is, if there is anything.
    fn send(&mut self) {
        let PendingBatch { builder, positions, since } =
            std::mem::replace(&mut self.pending, PendingBatch::new(&self.schema));
        if since.is_none() {
            return;
        }
        let mut batch = builder.finish();
        let (faults, bytes) = (std::mem::take(&mut batch.faults), batch.bytes);
        let positions = positions.into_values().collect();
        let table = Box::new(batch);
        let epoch = self.epoch;
        self.hand_over(TopicBatch { epoch, table, faults, bytes, happened: None, positions });
    }

    /// Waits while the model is busy, unless it ends or sets this back.
    fn hand_over(&self, batch: TopicBatch) {
        let mut batch = batch;
        while !self.has_ended() && self.rewinds.is_empty() {
            match self.batches.send_timeout(batch, BATCH_TIME) {
                Ok(()) => return self.wake.notify_one(),
                Err(SendTimeoutError::Timeout(own)) => batch = own,
                Err(SendTimeoutError::Disconnected(_)) => return,
            }
        }
    }
}
