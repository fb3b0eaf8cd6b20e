//! The thread of a member of a consumer group.
//!
//! ```text
//! messages ──▶ on the disk, as prepared ──▶ offsets to the broker ──▶ what does it have? ──▶ ours
//! ```
//!
//! A commit that fails may have been taken, and one that is late may be refused since another has
//! the partition now. So the broker is always asked what it has, and that decides.

use super::consumer_settings::ConsumerSettings;
use super::group_batch::{GroupBatch, RejectedRows, add_rejected};
use super::kafka_context::{BROKER_TIMEOUT, KafkaContext, TopicPartition, rest};
use super::message_reader::MessageReader;
use super::offset_owners::{Counted, OffsetOwners};
use super::partitions::ends;
use crate::error::{Error, Result};
use crate::source::spool::Spool;
use crate::source::spool::spool_entry::{PreparedRows, Unsettled};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Message, Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tracing::{info, warn};

const POLL_TIME: Duration = Duration::from_millis(50);

/// What the source and its thread know.
pub struct GroupState {
    pub has_ended: AtomicBool,
    /// Rows were there before this member had its partitions, and are not read yet.
    pub is_behind: AtomicBool,
    /// What was no row.
    pub rejected: Mutex<RejectedRows>,
}

impl Default for GroupState {
    fn default() -> GroupState {
        // Nobody knows what is there before the broker has given a partition.
        let (has_ended, is_behind) = (AtomicBool::new(false), AtomicBool::new(true));
        GroupState { has_ended, is_behind, rejected: Mutex::default() }
    }
}

/// What the group has of a partition.
#[derive(Debug, Clone, Default)]
struct GroupOffset {
    /// None where nothing was committed.
    committed: Option<u64>,
    /// None where somebody else wrote the metadata, or the broker keeps none.
    owners: Option<OffsetOwners>,
}

/// Reads what the group gives to this daemon.
pub struct GroupReader {
    settings: ConsumerSettings,
    messages: MessageReader,
    spool: Arc<Spool>,
    /// By what this daemon is known to the others: its spool.
    owner: String,
    state: Arc<GroupState>,
    wake: Arc<Notify>,
    batch: GroupBatch,
    /// Of each partition that is read here.
    offsets: BTreeMap<TopicPartition, GroupOffset>,
    /// The backlog of each partition that is not read yet: where it ends.
    behind: BTreeMap<TopicPartition, u64>,
    is_paused: bool,
    /// Where partitions began of which the group had nothing, until they are there.
    starts: BTreeMap<TopicPartition, u64>,
    /// Partitions whose offsets begin again.
    anew: BTreeSet<TopicPartition>,
    /// A message was taken from the library and not read.
    has_missed: bool,
    keeps_no_metadata: bool,
}

impl GroupReader {
    pub fn new(
        settings: ConsumerSettings,
        messages: MessageReader,
        spool: Arc<Spool>,
        state: Arc<GroupState>,
        wake: Arc<Notify>,
    ) -> GroupReader {
        let owner = spool.partition.rsplit(' ').next().unwrap_or_default().to_owned();
        GroupReader {
            settings,
            messages,
            spool,
            owner,
            state,
            wake,
            batch: GroupBatch::default(),
            offsets: BTreeMap::new(),
            behind: BTreeMap::new(),
            is_paused: false,
            starts: BTreeMap::new(),
            anew: BTreeSet::new(),
            has_missed: false,
            keeps_no_metadata: false,
        }
    }

    /// Until the source ends; a broker that is away is waited for.
    pub fn run(mut self, context: KafkaContext) -> Result<()> {
        let consumer = self.settings.consumer(context)?;
        while !self.has_ended() {
            let read = self.read(&consumer);
            // Whatever was read and not settled is read again, by whoever has the partitions then.
            self.batch = GroupBatch::default();
            consumer.unsubscribe();
            if let Err(error) = read {
                let text = error.to_string();
                consumer.context().note_error(&text, &text);
                rest(&consumer);
            }
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.state.has_ended.load(Ordering::Acquire)
    }

    /// Reads until something fails.
    fn read(&mut self, consumer: &BaseConsumer<KafkaContext>) -> Result<()> {
        let unsettled = self.spool.unsettled()?;
        if !unsettled.is_empty() {
            self.settle(consumer, &unsettled)?;
        }
        self.settings.subscribe(consumer)?;
        let mut rebalances = consumer.context().rebalances();
        while !self.has_ended() {
            let message = match consumer.poll(POLL_TIME).transpose() {
                Ok(message) => message,
                Err(KafkaError::MessageConsumption(code)) => {
                    // The library goes on by itself.
                    consumer.context().note_error(&code.to_string(), &code.to_string());
                    None
                }
                Err(error) => return Err(failure(error)),
            };
            if consumer.context().rebalances() != rebalances {
                rebalances = consumer.context().rebalances();
                // What was read before is read again from where the group is.
                self.batch = GroupBatch::default();
                self.take_partitions(consumer).map_err(failure)?;
            }
            if let Some(message) = &message {
                self.take(message);
            }
            if self.batch.is_due() {
                self.write(consumer)?;
            }
            self.note_behind(consumer);
            if std::mem::take(&mut self.has_missed) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Learns what the group has of the partitions that are read here.
    fn take_partitions(&mut self, consumer: &BaseConsumer<KafkaContext>) -> KafkaResult<()> {
        let list = consumer.assignment()?;
        // The library remembers pauses when it gets a partition again.
        consumer.resume(&list)?;
        self.is_paused = false;
        consumer.context().forget_fetched();
        self.offsets = fetch(consumer, list)?;
        self.behind.clear();
        self.starts.clear();
        let deadline = Instant::now() + BROKER_TIMEOUT;
        let mut starts = TopicPartitionList::new();
        for (place, own) in &mut self.offsets {
            let ends = ends(consumer, place, deadline);
            if own.committed.is_none() && self.settings.starts_at_end {
                // From here on, whoever has it.
                let unknown = KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable);
                let [_, high] = ends.ok_or(unknown)?;
                own.committed = Some(high);
                starts.add_partition_offset(&place.0, place.1, Offset::Offset(high as i64))?;
                self.starts.insert(place.clone(), high);
            }
            if let Some([low, high]) = ends
                && own.committed.unwrap_or(0).max(low) < high
            {
                self.behind.insert(place.clone(), high);
            }
        }
        if starts.count() > 0 {
            consumer.commit(&starts, CommitMode::Sync)?;
            for own in starts.elements() {
                consumer.seek(own.topic(), own.partition(), own.offset(), BROKER_TIMEOUT)?;
            }
        }
        consumer.context().note_success();
        self.note_behind(consumer);
        Ok(())
    }

    fn note_behind(&mut self, consumer: &BaseConsumer<KafkaContext>) {
        if consumer.context().is_between() {
            // Nobody knows what the next partitions hold.
            self.state.is_behind.store(true, Ordering::Release);
            return;
        }
        self.behind.retain(|place, end| !consumer.context().has_fetched(place, *end));
        let is_behind = !self.behind.is_empty();
        if self.state.is_behind.swap(is_behind, Ordering::AcqRel) != is_behind {
            self.wake.notify_one();
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let place = (message.topic().to_owned(), message.partition());
        let offset = message.offset().max(0) as u64;
        match self.starts.get(&place) {
            // It was read before the start was known.
            Some(start) if offset < *start => return,
            Some(_) => _ = self.starts.remove(&place),
            None => {}
        }
        let mut from = self.offsets.get(&place).and_then(|own| own.committed);
        if from.is_some_and(|from| offset < from) {
            let (topic, partition) = &place;
            if self.anew.insert(place.clone()) {
                // Once more from where the group is, so that nothing of others is lost.
                warn!(topic, partition, offset, "the topic was made anew, and is read anew");
                self.has_missed = true;
                return;
            }
            self.offsets.insert(place.clone(), GroupOffset::default());
            from = None;
        }
        let events = self.messages.read(message).unwrap_or_else(|fault| {
            self.batch.reject(&place, fault.text());
            Vec::new()
        });
        self.batch.add(place, from, offset, events);
    }

    /// Writes what was read, commits it, and goes back where it turned out not to be ours.
    fn write(&mut self, consumer: &BaseConsumer<KafkaContext>) -> Result<()> {
        if !self.spool.has_room(self.batch.bytes()) {
            // The group must see that this member lives, so it is polled on.
            if !self.is_paused {
                let all = consumer.assignment().map_err(failure)?;
                consumer.pause(&all).map_err(failure)?;
                self.is_paused = true;
            }
            return Ok(());
        }
        let (rows, rejected) = std::mem::take(&mut self.batch).into_rows();
        let list = self.list(&rows).map_err(failure)?;
        if !self.spool.prepare(rows.into_values().collect())? {
            return Err(Error::new("the rows of one batch are more than spool_max"));
        }
        let committed = consumer.commit(&list, CommitMode::Sync);
        if let Err(error) = committed {
            info!(%error, "offsets were not taken, or nobody said so; the broker is asked");
            self.wait(consumer);
        }
        let unsettled = self.spool.unsettled()?;
        let others = self.settle(consumer, &unsettled)?;
        self.note_rejected(rejected, &others);
        if self.is_paused {
            let all = consumer.assignment().map_err(failure)?;
            consumer.resume(&all).map_err(failure)?;
            self.is_paused = false;
        }
        self.go_back(consumer, others).map_err(failure)
    }

    /// Reads on from where the group is, as far as the partitions still are ours.
    fn go_back(
        &self,
        consumer: &BaseConsumer<KafkaContext>,
        places: Vec<TopicPartition>,
    ) -> KafkaResult<()> {
        let assigned = consumer.assignment()?;
        for (topic, partition) in places {
            if assigned.find_partition(&topic, partition).is_none() {
                continue;
            }
            let known = self.offsets.get(&(topic.clone(), partition));
            let offset = match known.and_then(|known| known.committed) {
                Some(committed) => Offset::Offset(committed as i64),
                None => Offset::Beginning,
            };
            consumer.seek(&topic, partition, offset, BROKER_TIMEOUT)?;
        }
        Ok(())
    }

    /// The offsets to commit, each with who counted what.
    fn list(
        &self,
        rows: &BTreeMap<TopicPartition, PreparedRows>,
    ) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), own) in rows {
            let known = self.offsets.get(&(topic.clone(), *partition));
            let owners = known.and_then(|known| known.owners.clone()).unwrap_or_default();
            let mut added = list.add_partition(topic, *partition);
            added.set_offset(Offset::Offset(own.to as i64))?;
            added.set_metadata(owners.with(own.from, &self.owner).to_string());
        }
        Ok(list)
    }

    /// Asks the broker whose the rows are that were prepared. The partitions of those that are not
    /// ours.
    fn settle(
        &mut self,
        consumer: &BaseConsumer<KafkaContext>,
        unsettled: &[Unsettled],
    ) -> Result<Vec<TopicPartition>> {
        let mut list = TopicPartitionList::new();
        for own in unsettled {
            let (topic, partition) = place(&own.partition)?;
            list.add_partition(&topic, partition);
        }
        let found = loop {
            match fetch(consumer, list.clone()) {
                Ok(found) => break found,
                Err(error) => {
                    consumer.context().note_error(&error.to_string(), &error.to_string());
                    if self.has_ended() {
                        // The next start asks again.
                        return Err(Error::new("it ends before the broker has answered"));
                    }
                    self.wait(consumer);
                }
            }
        };
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for own in unsettled {
            let place = place(&own.partition)?;
            let known = found.get(&place).cloned().unwrap_or_default();
            match self.is_ours(own, &known) {
                true => ours.push(own.partition.clone()),
                false => others.push(place.clone()),
            }
            if self.behind.get(&place).is_some_and(|end| own.to >= *end) {
                self.behind.remove(&place);
            }
            self.anew.remove(&place);
            self.offsets.insert(place, known);
        }
        self.spool.settle(ours)?;
        self.note_behind(consumer);
        self.wake.notify_one();
        Ok(others)
    }

    fn is_ours(&mut self, own: &Unsettled, known: &GroupOffset) -> bool {
        let Unsettled { partition, from, to, .. } = own;
        let committed = known.committed.unwrap_or(0);
        let counted = match &known.owners {
            Some(owners) => owners.counted((*from, *to), committed, &self.owner),
            None if committed < *to => Counted::No,
            None => {
                if !std::mem::replace(&mut self.keeps_no_metadata, true) {
                    warn!(
                        partition,
                        "the broker keeps no metadata of offsets: where a member fails between \
                         two of its answers, rows may be counted twice"
                    );
                }
                Counted::Yes
            }
        };
        match counted {
            Counted::Yes => true,
            Counted::No => {
                info!(partition, from, to, "another member of the group counts these rows");
                false
            }
            Counted::Unknown => {
                warn!(partition, from, to, "it is not known any more who counted these rows");
                false
            }
        }
    }

    fn note_rejected(
        &self,
        rejected: BTreeMap<TopicPartition, RejectedRows>,
        others: &[TopicPartition],
    ) {
        let mut all = self.state.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = rejected.into_iter().filter(|(place, _)| !others.contains(place));
        ours.for_each(|(_, own)| add_rejected(&mut all, own));
    }

    /// Waits, and takes what the library tells meanwhile.
    fn wait(&mut self, consumer: &BaseConsumer<KafkaContext>) {
        if let Ok(all) = consumer.assignment()
            && consumer.pause(&all).is_ok()
        {
            self.is_paused = true;
        }
        self.has_missed |= rest(consumer);
    }
}

fn failure(error: KafkaError) -> Error {
    Error::new(error.to_string())
}

/// A partition by its name on the disk.
fn place(partition: &str) -> Result<TopicPartition> {
    let split = partition.rsplit_once('/');
    let place = split.and_then(|(topic, own)| Some((topic.to_owned(), own.parse().ok()?)));
    place.ok_or_else(|| Error::new(format!("{partition:?} is no partition")))
}

/// What the group has of these partitions.
fn fetch(
    consumer: &BaseConsumer<KafkaContext>,
    list: TopicPartitionList,
) -> KafkaResult<BTreeMap<TopicPartition, GroupOffset>> {
    if list.count() == 0 {
        return Ok(BTreeMap::new());
    }
    let found = consumer.committed_offsets(list, BROKER_TIMEOUT)?;
    let offsets = found.elements().into_iter().map(|own| {
        own.error()?;
        let committed = match own.offset() {
            Offset::Offset(offset) => Some(offset.max(0) as u64),
            _ => None,
        };
        let owners = OffsetOwners::parse(own.metadata());
        Ok(((own.topic().to_owned(), own.partition()), GroupOffset { committed, owners }))
    });
    offsets.collect()
}
