//! The partitions of topics that one daemon reads all of: where each begins, and how far it is.

use super::consumer_settings::ConsumerSettings;
use super::kafka_context::KafkaContext;
use crate::position::{Position, PositionRange};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::warn;

/// How long a broker is waited for before its silence is told.
pub const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// Stands between the name of a partition and how often its topic was made anew.
const ANEW: char = '#';

/// The partitions that are read.
pub struct Partitions(BTreeMap<(String, i32), Partition>);

struct Partition {
    /// What its offsets are known by in the state.
    label: String,
    /// The offset after the last message that was read, or up to which the state has counted.
    next: Option<u64>,
    /// Its end when it was assigned; rows before it are a backlog.
    behind_until: u64,
}

impl Partitions {
    /// Has the consumer read all partitions, each from where the state ends. Where a broker has said
    /// that it has no such offset, it is asked which it has.
    pub fn assign(
        consumer: &BaseConsumer<KafkaContext>,
        settings: &ConsumerSettings,
        positions: &BTreeMap<String, Position>,
        was_out_of_range: bool,
    ) -> KafkaResult<Partitions> {
        let mut found = BTreeMap::new();
        let all = list(consumer, &settings.topics)?;
        let cluster = consumer.client().fetch_cluster_id(BROKER_TIMEOUT).unwrap_or_default();
        for place in all {
            let (topic, partition) = &place;
            let base = format!("{cluster} {topic}/{partition}");
            let (low, high) = consumer.fetch_watermarks(topic, *partition, BROKER_TIMEOUT)?;
            let [low, high] = [low, high].map(|offset| offset.max(0) as u64);
            let (mut label, mut next) = of_state(&base, positions);
            match next.filter(|_| was_out_of_range) {
                Some(next) if next > high => {
                    // Its offsets begin again, and must not be taken for those that were counted.
                    warn!(
                        topic,
                        partition, next, high, "the topic was made anew, and is read anew"
                    );
                    label = anew(&base, &label);
                }
                Some(own) if own < low => {
                    let lost = low - own;
                    warn!(topic, partition, lost, "messages were deleted before they were read");
                    next = Some(low);
                }
                _ => {}
            }
            next = next.filter(|_| label == base || positions.contains_key(&label));
            let behind_until = if next.is_none() && settings.starts_at_end { 0 } else { high };
            found.insert(place, Partition { label, next, behind_until });
        }
        let mut list = TopicPartitionList::new();
        for ((topic, partition), own) in &found {
            let offset = match own.next {
                Some(next) => Offset::Offset(next as i64),
                None if settings.starts_at_end => Offset::End,
                None => Offset::Beginning,
            };
            list.add_partition_offset(topic, *partition, offset)?;
        }
        consumer.assign(&list)?;
        Ok(Partitions(found))
    }

    /// Whether these are all that there are now.
    pub fn are_all(
        &self,
        consumer: &BaseConsumer<KafkaContext>,
        settings: &ConsumerSettings,
    ) -> KafkaResult<bool> {
        Ok(self.0.keys().eq(&list(consumer, &settings.topics)?))
    }

    /// Notes that a message was read; the offsets from the last one to this one. None of what is no
    /// partition of these.
    pub fn advance(&mut self, topic: &str, partition: i32, offset: u64) -> Option<PositionRange> {
        let own = self.0.get_mut(&(topic.to_owned(), partition))?;
        let from = own.next.unwrap_or(offset);
        let to = offset + 1;
        own.next = Some(to);
        let partition = own.label.clone();
        Some(PositionRange { partition, from: Position(from), to: Position(to) })
    }

    /// Whether rows are there that were there already when the partitions were assigned.
    pub fn are_behind(&self) -> bool {
        self.0.values().any(|own| own.next.unwrap_or(0) < own.behind_until)
    }

    /// How far each was read.
    pub fn positions(&self) -> BTreeMap<String, Position> {
        let read = self.0.values().filter_map(|own| Some((own.label.clone(), own.next?)));
        read.map(|(label, next)| (label, Position(next))).collect()
    }
}

/// All partitions of the topics, in order.
fn list(
    consumer: &BaseConsumer<KafkaContext>,
    topics: &[String],
) -> KafkaResult<Vec<(String, i32)>> {
    let mut found = Vec::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), BROKER_TIMEOUT)?;
        let own = metadata.topics().iter().find(|own| own.name() == topic);
        let partitions = own.map(|own| own.partitions()).unwrap_or_default();
        if partitions.is_empty() {
            let unknown = RDKafkaErrorCode::UnknownTopicOrPartition;
            return Err(KafkaError::MetadataFetch(unknown));
        }
        found.extend(partitions.iter().map(|own| (topic.clone(), own.id())));
    }
    found.sort();
    Ok(found)
}

/// The label of a partition that the state has an offset of, and the offset.
fn of_state(base: &str, positions: &BTreeMap<String, Position>) -> (String, Option<u64>) {
    let of = |label: &str| {
        let rest = label.strip_prefix(base)?;
        let times = if rest.is_empty() { Some(0) } else { rest.strip_prefix(ANEW)?.parse().ok() };
        times.filter(|_: &u64| true)
    };
    let known = positions.iter().filter_map(|(label, at)| Some((of(label)?, label, at.0)));
    match known.max() {
        Some((_, label, at)) => (label.clone(), Some(at)),
        None => (base.to_owned(), None),
    }
}

/// The label of a partition whose topic was made anew.
fn anew(base: &str, label: &str) -> String {
    let times: u64 = label.rsplit_once(ANEW).and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
    format!("{base}{ANEW}{}", times + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_was_made_anew_has_other_offsets() {
        let at = |labels: &[(&str, u64)]| {
            labels.iter().map(|(label, at)| ((*label).to_owned(), Position(*at))).collect()
        };
        assert_eq!(of_state("c t/1", &at(&[("c t/10", 7)])), ("c t/1".to_owned(), None));
        let known = at(&[("c t/1", 9), ("c t/1#1", 4), ("c t/1#10", 2), ("c t/1#9", 5)]);
        assert_eq!(of_state("c t/1", &known), ("c t/1#10".to_owned(), Some(2)));
        assert_eq!(anew("c t/1", "c t/1#10"), "c t/1#11");
        assert_eq!(anew("c t/1", "c t/1"), "c t/1#1");
    }
}
