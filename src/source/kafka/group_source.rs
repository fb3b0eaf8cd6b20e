//! Topics that several daemons share, as a source: what the broker has given to this one is on the
//! disk, and delivered from there.

use super::consumer_settings::ConsumerSettings;
use super::group_reader::{GroupReader, GroupState};
use super::kafka_context::KafkaContext;
use super::message_reader::MessageReader;
use crate::error::{Error, Result};
use crate::format::line_schema::{LineFaults, LineSchema};
use crate::format::ndjson::BatchBuilder;
use crate::net::stop::Stop;
use crate::source::spool::{Spool, SpoolLimits, SpoolOwner, SpoolSource};
use crate::source::stream::LineLog;
use crate::source::{Delivery, DeliveryId, Fate, Poll, Rows, Source, SourceContext};
use crate::telemetry::SourceTelemetry;
use crate::time::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use tracing::error;

/// Where rows are kept until they are counted.
pub struct GroupConfig {
    pub spool: PathBuf,
    pub limits: SpoolLimits,
}

/// Joins the group.
pub fn start(
    settings: ConsumerSettings,
    messages: MessageReader,
    config: GroupConfig,
    context: SourceContext,
) -> Result<Box<dyn Source>> {
    let wake = Arc::clone(&context.wake);
    let spool = Spool::open(&config.spool, config.limits, move || wake.notify_one())?;
    let (spool, state) = (Arc::new(spool), Arc::<GroupState>::default());
    let told = KafkaContext::new(context.name.clone(), Arc::clone(&context.telemetry));
    let (own, counted_by) = (Arc::clone(&state), Arc::clone(&spool));
    let reader = GroupReader::new(settings, messages, counted_by, own, Arc::clone(&context.wake));
    let thread = std::thread::Builder::new().name("driftd-kafka".into());
    let told_of = context.name.clone();
    let run = move || {
        if let Err(error) = reader.run(told) {
            error!(source = told_of, %error, "the topic is not read");
        }
    };
    let reader = thread
        .spawn(run)
        .map_err(|error| Error::new(format!("no thread to read a topic: {error}")))?;
    let beside = GroupMember {
        name: context.name.clone(),
        schema: Arc::clone(&context.schema),
        telemetry: Arc::clone(&context.telemetry),
        stop: context.stop.clone(),
        state,
        reader: Some(reader),
        deliveries: 0,
        log: LineLog::default(),
    };
    let owner = Arc::new(LeftForTheNextStart);
    Ok(Box::new(SpoolSource::start(spool, owner, context, Box::new(beside))))
}

/// What is on the disk when the source ends is counted when it is back.
struct LeftForTheNextStart;

impl SpoolOwner for LeftForTheNextStart {
    fn is_closing(&self) -> bool {
        false
    }

    fn has_time(&self) -> bool {
        false
    }
}

/// What stands beside the rows on the disk: messages that are none, and the thread.
struct GroupMember {
    name: String,
    schema: Arc<LineSchema>,
    telemetry: Arc<SourceTelemetry>,
    stop: Stop,
    state: Arc<GroupState>,
    reader: Option<JoinHandle<()>>,
    deliveries: u64,
    log: LineLog,
}

impl Source for GroupMember {
    /// Panics when its thread has ended: the model fails with it, and is started again.
    fn poll(&mut self, now: Timestamp) -> Poll {
        if self.stop.is_on() {
            return Poll::Ended;
        }
        let ended = self.reader.as_ref().is_none_or(JoinHandle::is_finished);
        assert!(!ended, "the thread of the topic has ended");
        let rejected = {
            let mut rejected = self.state.rejected.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *rejected)
        };
        let mut builder = BatchBuilder::new(Arc::clone(&self.schema));
        let (all, first) = rejected;
        if !builder.add_rejected(&all, first) {
            return Poll::Idle;
        }
        let mut batch = builder.finish();
        let faults = std::mem::take(&mut batch.faults);
        self.log.note(&self.name, &faults, None, now);
        self.telemetry.last_success.set(now.0);
        self.deliveries += 1;
        let id = DeliveryId(self.deliveries);
        let rows = Rows::Batch { table: Box::new(batch), positions: Vec::new() };
        let (happened, bytes, LineFaults { rejected, unknown_keys, .. }) = (None, 0, faults);
        Poll::Ready(Box::new(Delivery { id, rows, happened, bytes, rejected, unknown_keys }))
    }

    fn settled(&mut self, _id: DeliveryId, _fate: Fate) {}

    fn is_behind(&self, _now: Timestamp) -> bool {
        self.state.is_behind.load(Ordering::Acquire)
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn update_gauges(&mut self, _now: Timestamp) {
        self.telemetry.waiting_bytes.set(0);
    }
}

impl Drop for GroupMember {
    /// Waits until the file is no longer written to, which another may take over.
    fn drop(&mut self) {
        self.state.has_ended.store(true, Ordering::Release);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}
