//! What librdkafka tells: that partitions changed hands, that a broker is away, how far behind.

use crate::telemetry::{ErrorReason, SourceTelemetry};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::statistics::{Partition, Statistics};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};

/// A topic, and a partition of it.
pub type TopicPartition = (String, i32);

/// How long a broker is waited for before its silence is told.
pub const BROKER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait after a failure. A commit that nobody has answered has mostly arrived by then.
const PAUSE: Duration = Duration::from_secs(1);

/// What a consumer is told besides its messages.
pub struct KafkaContext {
    /// Label `source`.
    source: String,
    telemetry: Arc<SourceTelemetry>,
    /// How often partitions changed hands.
    rebalances: AtomicU64,
    /// They were given back, and not given anew.
    is_between: AtomicBool,
    /// Kinds of failures that were logged; they are not repeated until something works again.
    logged: Mutex<BTreeSet<String>>,
    /// Up to which offset each partition was fetched of which nothing waits to be read. Offsets
    /// that hold no message, such as the marks of transactions, are behind it.
    fetched: Mutex<BTreeMap<TopicPartition, u64>>,
    /// The next statistics may be of the time before partitions were read from other places.
    are_stale: AtomicBool,
}

impl KafkaContext {
    pub fn new(source: String, telemetry: Arc<SourceTelemetry>) -> KafkaContext {
        let (logged, fetched) = (Mutex::default(), Mutex::default());
        let [is_between, are_stale] = [true, false].map(AtomicBool::new);
        let rebalances = AtomicU64::new(0);
        KafkaContext { source, telemetry, rebalances, is_between, logged, fetched, are_stale }
    }

    pub fn rebalances(&self) -> u64 {
        self.rebalances.load(Ordering::Acquire)
    }

    /// Whether partitions were given back, and not given anew.
    pub fn is_between(&self) -> bool {
        self.is_between.load(Ordering::Acquire)
    }

    /// Whether all messages of a partition up to an offset were read.
    pub fn has_fetched(&self, place: &TopicPartition, offset: u64) -> bool {
        locked(&self.fetched).get(place).is_some_and(|own| *own >= offset)
    }

    /// Partitions are read from other places.
    pub fn forget_fetched(&self) {
        locked(&self.fetched).clear();
        self.are_stale.store(true, Ordering::Release);
    }

    /// Counts a failure, and logs it if it is the first of its kind.
    pub fn note_error(&self, kind: &str, text: &str) {
        self.telemetry.errors(ErrorReason::Connection).add(1);
        if locked(&self.logged).insert(kind.to_owned()) {
            warn!(source = self.source, error = text, "the broker is waited for");
        }
    }

    /// Something worked again.
    pub fn note_success(&self) {
        let mut logged = locked(&self.logged);
        if !logged.is_empty() {
            info!(source = self.source, "the broker answers");
            logged.clear();
        }
    }
}

/// Messages that the broker has and that were not read; none of a partition that is not read here.
fn lag(own: &Partition) -> u64 {
    let end = own.ls_offset.max(own.hi_offset);
    // Offsets that are not known are below 0.
    let read =
        [own.app_offset, own.committed_offset, own.lo_offset].into_iter().find(|at| *at >= 0);
    match read.filter(|_| own.desired && end >= 0) {
        Some(read) => (end - read).max(0) as u64,
        None => 0,
    }
}

impl ClientContext for KafkaContext {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        debug!(source = self.source, ?level, part, message, "librdkafka");
    }

    fn stats(&self, statistics: Statistics) {
        let mut fetched = locked(&self.fetched);
        fetched.clear();
        let (mut all, are_stale) = (0, self.are_stale.swap(false, Ordering::AcqRel));
        for (name, topic) in &statistics.topics {
            for (number, own) in &topic.partitions {
                all += lag(own);
                if own.desired && own.next_offset >= 0 && own.fetchq_cnt == 0 && !are_stale {
                    fetched.insert((name.clone(), *number), own.next_offset as u64);
                }
            }
        }
        self.telemetry.lag.set(all as i64);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let kind = error.to_string();
        self.note_error(&kind, &format!("{kind}: {reason}"));
    }
}

impl ConsumerContext for KafkaContext {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.rebalances.fetch_add(1, Ordering::AcqRel);
        let source = &self.source;
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.is_between.store(false, Ordering::Release);
                info!(source, partitions = partitions.count(), "partitions are read here");
            }
            Rebalance::Revoke(partitions) => {
                self.is_between.store(true, Ordering::Release);
                debug!(source, partitions = partitions.count(), "partitions were given back");
            }
            Rebalance::Error(error) => {
                let text = error.to_string();
                self.note_error(&text, &text);
            }
        }
    }
}

/// Waits, and takes what the library tells meanwhile. Whether a message was among it.
pub fn rest(consumer: &BaseConsumer<KafkaContext>) -> bool {
    let (begun, mut is_any) = (Instant::now(), false);
    while let Some(left) = PAUSE.checked_sub(begun.elapsed()) {
        is_any |= matches!(consumer.poll(left), Some(Ok(_)));
    }
    is_any
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
