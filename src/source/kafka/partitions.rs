//! The partitions of topics that one daemon reads all of: where each begins, and how far it is.

use super::consumer_settings::ConsumerSettings;
use super::kafka_context::{BROKER_TIMEOUT, KafkaContext, TopicPartition};
use crate::position::{Position, PositionRange};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Instant;
use tracing::warn;

/// Stands between the name of a partition and how often its topic was made anew.
const ANEW: char = '#';

/// The partitions that are read.
pub struct Partitions(BTreeMap<TopicPartition, Partition>);

struct Partition {
    /// What its offsets are known by in the state.
    label: String,
    /// The offset after the last message that was read, or up to which the state has counted.
    next: Option<u64>,
    /// Where reading began, and where it is.
    at: u64,
    /// Its end when it was assigned; rows before it are a backlog.
    behind_until: u64,
}

impl Partitions {
    /// Has the consumer read all partitions, each from where the state ends. Where a broker has
    /// said that it has no such offset, it is asked which it has.
    pub fn assign(
        consumer: &BaseConsumer<KafkaContext>,
        settings: &ConsumerSettings,
        positions: &BTreeMap<String, Position>,
        starts: &mut BTreeMap<String, u64>,
        was_out_of_range: bool,
    ) -> KafkaResult<Partitions> {
        let mut found = BTreeMap::new();
        let all = list(consumer, &settings.topics)?;
        let cluster = consumer.client().fetch_cluster_id(BROKER_TIMEOUT).unwrap_or_default();
        let deadline = Instant::now() + BROKER_TIMEOUT;
        for place in all {
            let (topic, partition) = &place;
            let ends = ends(consumer, &place, deadline);
            let base = format!("{cluster} {topic}/{partition}");
            let (mut label, mut next) = of_state(&base, positions);
            let newer = anew(&base, &label);
            if starts.contains_key(&newer) {
                // Nothing of it was counted yet.
                (label, next) = (newer, None);
            }
            let start = next.or_else(|| starts.get(&label).copied());
            if let (true, Some([low, high]), Some(start)) = (was_out_of_range, ends, start) {
                if start > high {
                    // Its offsets begin again, and must not be taken for those that were counted.
                    // One that does not begin with the first has lost its end, and goes on there.
                    let at = if low == 0 { 0 } else { high };
                    warn!(topic, partition, at, "the topic was made anew, or has lost messages");
                    if next.take().is_some() {
                        label = anew(&base, &label);
                    }
                    starts.insert(label.clone(), at);
                } else if start < low {
                    warn!(topic, partition, lost = low - start, "messages are gone unread");
                    if next.is_none() {
                        starts.insert(label.clone(), low);
                    }
                }
            }
            let [low, high] = match (ends, next.or_else(|| starts.get(&label).copied())) {
                (Some(ends), _) => ends,
                (None, Some(at)) => [at, at],
                (None, None) => {
                    // It is looked for again with the next listing.
                    let text = format!("{topic}/{partition} has no leader");
                    consumer.context().note_error("leader", &text);
                    continue;
                }
            };
            let at = match next {
                Some(next) if was_out_of_range => next.max(low),
                Some(next) => next,
                // It is the same place, however often it begins.
                None => *starts.entry(label.clone()).or_insert(match settings.starts_at_end {
                    true => high,
                    false => low,
                }),
            };
            found.insert(place, Partition { label, next, at, behind_until: high });
        }
        let mut list = TopicPartitionList::new();
        for ((topic, partition), own) in &found {
            list.add_partition_offset(topic, *partition, Offset::Offset(own.at as i64))?;
        }
        consumer.context().forget_fetched();
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
        (own.next, own.at) = (Some(to), to);
        let partition = own.label.clone();
        Some(PositionRange { partition, from: Position(from), to: Position(to) })
    }

    /// Whether rows are there that were there already when the partitions were assigned.
    pub fn are_behind(&self, context: &KafkaContext) -> bool {
        let is_behind = |(place, own): (&TopicPartition, &Partition)| {
            own.at < own.behind_until && !context.has_fetched(place, own.behind_until)
        };
        self.0.iter().any(is_behind)
    }
}

/// All partitions of the topics that there are, in order.
fn list(
    consumer: &BaseConsumer<KafkaContext>,
    topics: &[String],
) -> KafkaResult<Vec<TopicPartition>> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), BROKER_TIMEOUT)?;
        let own = metadata.topics().iter().find(|own| own.name() == topic);
        let partitions = own.map(MetadataTopic::partitions).unwrap_or_default();
        if partitions.is_empty() {
            missing.push(topic.as_str());
        }
        found.extend(partitions.iter().map(|own| (topic.clone(), own.id())));
    }
    if !missing.is_empty() {
        let text = format!("the broker has no topic {}", missing.join(", "));
        consumer.context().note_error("missing", &text);
    }
    if found.is_empty() {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
    }
    found.sort();
    Ok(found)
}

/// Where a partition begins and ends; none where nobody says so in time. One that has no leader now
/// is read as soon as it has.
pub fn ends(
    consumer: &BaseConsumer<KafkaContext>,
    (topic, partition): &TopicPartition,
    deadline: Instant,
) -> Option<[u64; 2]> {
    let left = deadline.checked_duration_since(Instant::now())?;
    let (low, high) = consumer.fetch_watermarks(topic, *partition, left).ok()?;
    Some([low, high].map(|end| end.max(0) as u64))
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
