//! Topics of which one daemon reads all partitions, as a source; and how sources of Kafka start.

use super::consumer_settings::ConsumerSettings;
use super::group_source::{self, GroupConfig};
use super::kafka_context::KafkaContext;
use super::message_reader::MessageReader;
use super::topic_reader::{
    BATCHES_MAX, PendingBatch, ReaderState, Rewind, TopicBatch, TopicReader,
};
use crate::error::{Error, Result};
use crate::format::line_schema::LineFaults;
use crate::net::stop::Stop;
use crate::position::{Position, PositionRange};
use crate::settings::Settings;
use crate::source::spool::SpoolLimits;
use crate::source::stream::LineLog;
use crate::source::{
    BoundSource, Delivery, DeliveryId, Fate, Poll, Rows, SharedByAll, Source, SourceContext,
    SourceOwner,
};
use crate::telemetry::SourceTelemetry;
use crate::time::Timestamp;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, unbounded};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{error, warn};

/// Opens what is set; no broker is waited for.
pub fn bind(
    settings: &Settings,
    owner: &SourceOwner,
    shared: &SharedByAll,
) -> Result<Box<dyn BoundSource>> {
    let consumer = ConsumerSettings::of(settings)?;
    consumer.check()?;
    let messages = MessageReader::of(settings);
    let left = shared.spool_folder.as_ref().map(|folder| spool_file(folder, owner));
    let group = match &consumer.group {
        None => {
            if let Some(file) = left.filter(|file| file.exists()) {
                let file = file.display();
                warn!(%file, "rows of a group that are there count when the group is set again");
            }
            None
        }
        Some(_) => {
            let folder = shared
                .spool_folder
                .as_ref()
                .ok_or_else(|| Error::new("a group keeps rows beside the state; set state.path"))?;
            let spool = spool_file(folder, owner);
            let bytes_max = settings.bytes("spool_max");
            let (dedupe, response_wait) = (Duration::ZERO, Duration::ZERO);
            let limits = SpoolLimits { bytes_max, dedupe, response_wait };
            Some(GroupConfig { spool, limits })
        }
    };
    Ok(Box::new(BoundKafka { consumer, messages, group }))
}

fn spool_file(folder: &Path, owner: &SourceOwner) -> PathBuf {
    folder.join(owner.file_name()).with_extension("db")
}

/// Topics, as a source that can be started.
struct BoundKafka {
    consumer: ConsumerSettings,
    messages: MessageReader,
    /// None where this daemon reads all partitions.
    group: Option<GroupConfig>,
}

impl BoundSource for BoundKafka {
    fn address(&self) -> Option<String> {
        None
    }

    fn has_lag(&self) -> bool {
        true
    }

    fn start(self: Box<Self>, context: SourceContext) -> Result<Box<dyn Source>> {
        let BoundKafka { consumer, messages, group } = *self;
        match group {
            Some(group) => {
                group_source::start(consumer, messages.for_schema(&context.schema), group, context)
            }
            None => TopicSource::start(consumer, messages.for_schema(&context.schema), context)
                .map(|source| Box::new(source) as Box<dyn Source>),
        }
    }
}

/// All partitions of topics, as a source.
struct TopicSource {
    name: String,
    telemetry: Arc<SourceTelemetry>,
    stop: Stop,
    batches: Receiver<TopicBatch>,
    rewinds: Sender<Rewind>,
    state: Arc<ReaderState>,
    /// How often the reader was set back.
    epoch: u64,
    /// How far the state has each partition.
    settled: BTreeMap<String, Position>,
    /// Deliveries whose fate is not known yet.
    delivered: HashMap<DeliveryId, Vec<PositionRange>>,
    deliveries: u64,
    log: LineLog,
}

impl TopicSource {
    fn start(
        settings: ConsumerSettings,
        messages: MessageReader,
        context: SourceContext,
    ) -> Result<TopicSource> {
        let SourceContext { name, schema, telemetry, positions, wake, stop, .. } = context;
        let told = KafkaContext::new(name.clone(), Arc::clone(&telemetry));
        let (state, settled) = (Arc::<ReaderState>::default(), positions.clone());
        let (sender, batches) = bounded(BATCHES_MAX);
        let (rewinds, receiver) = unbounded();
        let reader = TopicReader {
            settings,
            messages,
            pending: PendingBatch::new(&schema),
            schema,
            state: Arc::clone(&state),
            wake,
            batches: sender,
            rewinds: receiver,
            epoch: 0,
            positions,
            was_out_of_range: false,
            starts: BTreeMap::new(),
        };
        let thread = std::thread::Builder::new().name("driftd-kafka".into());
        let told_of = name.clone();
        let run = move || {
            if let Err(error) = reader.run(told) {
                error!(source = told_of, %error, "the topic is not read");
            }
        };
        // Nobody waits for it: it may wait for a broker, and what it reads then is not taken.
        thread
            .spawn(run)
            .map_err(|error| Error::new(format!("no thread to read a topic: {error}")))?;
        Ok(TopicSource {
            name,
            telemetry,
            stop,
            batches,
            rewinds,
            state,
            epoch: 0,
            settled,
            delivered: HashMap::new(),
            deliveries: 0,
            log: LineLog::default(),
        })
    }

    fn deliver(&mut self, batch: TopicBatch, now: Timestamp) -> Poll {
        let TopicBatch { table, faults, bytes, happened, positions, .. } = batch;
        self.telemetry.last_success.set(now.0);
        self.log.note(&self.name, &faults, None, now);
        self.deliveries += 1;
        let id = DeliveryId(self.deliveries);
        self.delivered.insert(id, positions.clone());
        let LineFaults { rejected, unknown_keys, .. } = faults;
        let rows = Rows::Batch { table, positions };
        Poll::Ready(Box::new(Delivery { id, rows, happened, bytes, rejected, unknown_keys }))
    }
}

impl Source for TopicSource {
    /// Panics when its thread has ended: the model fails with it, and is started again.
    fn poll(&mut self, now: Timestamp) -> Poll {
        if self.stop.is_on() {
            // What was not counted is read again after the next start.
            return Poll::Ended;
        }
        loop {
            match self.batches.try_recv() {
                // It was read before the reader was set back.
                Ok(batch) if batch.epoch != self.epoch => {}
                Ok(batch) => return self.deliver(batch, now),
                Err(TryRecvError::Empty) => return Poll::Idle,
                Err(TryRecvError::Disconnected) => panic!("the thread of the topic has ended"),
            }
        }
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate) {
        let Some(ranges) = self.delivered.remove(&id) else { return };
        if matches!(fate, Fate::Deferred(_)) {
            self.epoch += 1;
            let (epoch, positions) = (self.epoch, self.settled.clone());
            let _ = self.rewinds.send(Rewind { epoch, positions });
            return;
        }
        for range in ranges {
            let own = self.settled.entry(range.partition).or_default();
            *own = range.to.max(*own);
        }
    }

    fn is_behind(&self, _now: Timestamp) -> bool {
        !self.is_ready() || self.state.is_behind.load(Ordering::Acquire) || !self.batches.is_empty()
    }

    fn is_ready(&self) -> bool {
        self.state.is_ready.load(Ordering::Acquire)
    }

    fn update_gauges(&mut self, _now: Timestamp) {}
}

impl Drop for TopicSource {
    fn drop(&mut self) {
        self.state.has_ended.store(true, Ordering::Release);
    }
}
