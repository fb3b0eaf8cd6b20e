//! What librdkafka tells: that partitions changed hands, that a broker is away, how far behind.

use crate::telemetry::{ErrorReason, SourceTelemetry};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::{debug, info, warn};

/// What a consumer is told besides its messages.
pub struct KafkaContext {
    /// Label `source`.
    source: String,
    telemetry: Arc<SourceTelemetry>,
    /// How often partitions changed hands.
    rebalances: AtomicU64,
    /// What was last logged; it is not repeated.
    logged: Mutex<String>,
}

impl KafkaContext {
    pub fn new(source: String, telemetry: Arc<SourceTelemetry>) -> KafkaContext {
        KafkaContext { source, telemetry, rebalances: AtomicU64::new(0), logged: Mutex::default() }
    }

    pub fn rebalances(&self) -> u64 {
        self.rebalances.load(Ordering::Acquire)
    }

    /// Counts a failure, and logs it unless it was the last that was logged.
    pub fn note_error(&self, text: &str) {
        self.telemetry.errors(ErrorReason::Connection).add(1);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if *logged != text {
            warn!(source = self.source, error = text, "the broker is waited for");
            text.clone_into(&mut logged);
        }
    }

    /// Something worked again.
    pub fn note_success(&self) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if !logged.is_empty() {
            info!(source = self.source, "the broker answers again");
            logged.clear();
        }
    }
}

impl ClientContext for KafkaContext {
    fn log(&self, level: RDKafkaLogLevel, part: &str, message: &str) {
        debug!(source = self.source, ?level, part, message, "librdkafka");
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        // Unknown where it is below 0.
        let lag: i64 = partitions.map(|own| own.consumer_lag).filter(|lag| *lag > 0).sum();
        self.telemetry.lag.set(lag);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_error(&format!("{error}: {reason}"));
    }
}

impl ConsumerContext for KafkaContext {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.rebalances.fetch_add(1, Ordering::AcqRel);
        let source = &self.source;
        match rebalance {
            Rebalance::Assign(partitions) => {
                info!(source, partitions = partitions.count(), "partitions are read here");
            }
            Rebalance::Revoke(partitions) => {
                debug!(source, partitions = partitions.count(), "partitions were given back");
            }
            Rebalance::Error(error) => self.note_error(&error.to_string()),
        }
    }
}
