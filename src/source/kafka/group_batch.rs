//! Messages of a group that are written together: for each partition its rows, and how far they go.

use super::kafka_context::TopicPartition;
use crate::format::payload::{Event, EventRows};
use crate::source::row_pieces::entries;
use crate::source::spool::spool_entry::{Entry, PreparedRows};
use crate::telemetry::RejectReason;
use crate::totals::Rejected;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What is worth a transaction, and two answers of the broker.
const MESSAGES_MAX: usize = 20_000;
const BYTES_MAX: u64 = 8 << 20;
const BATCH_TIME: Duration = Duration::from_millis(200);

/// Messages that are not written yet.
#[derive(Default)]
pub struct GroupBatch {
    partitions: BTreeMap<TopicPartition, PreparedRows>,
    messages: usize,
    bytes: u64,
    since: Option<Instant>,
    /// Messages and rows that are none, by partition.
    rejected: BTreeMap<TopicPartition, RejectedRows>,
}

/// How many rows are none, and how the first of them begins.
pub type RejectedRows = (Rejected, Option<(RejectReason, String)>);

impl GroupBatch {
    /// Takes the rows of a message at an offset, of a partition that the group has read up to
    /// `from`.
    pub fn add(
        &mut self,
        place: TopicPartition,
        from: Option<u64>,
        offset: u64,
        events: Vec<Event>,
    ) {
        self.since.get_or_insert_with(Instant::now);
        self.messages += 1;
        let rejected = self.rejected.entry(place.clone()).or_default();
        let own = self.partitions.entry(place).or_insert_with_key(|(topic, partition)| {
            let from = from.unwrap_or(offset);
            let partition = format!("{topic}/{partition}");
            PreparedRows { partition, from, to: offset, entries: Vec::new() }
        });
        own.to = offset + 1;
        for Event { happened, mut rows, .. } in events {
            if let EventRows::Lines(lines) = &mut rows {
                add_rejected(rejected, (lines.n_rejected, lines.first_rejected.take()));
            }
            if rows.n_rows() > 0 {
                let written = entries(rows, happened);
                self.bytes += written.iter().map(Entry::size).sum::<u64>();
                add(&mut own.entries, written);
            }
        }
    }

    /// Notes that a message of a partition is none.
    pub fn reject(&mut self, place: &TopicPartition, text: &str) {
        let (mut all, reason) = (Rejected::default(), RejectReason::Malformed);
        all.add(reason, 1);
        let own = self.rejected.entry(place.clone()).or_default();
        add_rejected(own, (all, Some((reason, text.to_owned()))));
    }

    pub fn is_due(&self) -> bool {
        let is_full = self.messages >= MESSAGES_MAX || self.bytes >= BYTES_MAX;
        is_full || self.since.is_some_and(|since| since.elapsed() >= BATCH_TIME)
    }

    /// Bytes of the disk that it will take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The rows, and those that are none.
    pub fn into_rows(
        self,
    ) -> (BTreeMap<TopicPartition, PreparedRows>, BTreeMap<TopicPartition, RejectedRows>) {
        (self.partitions, self.rejected)
    }
}

/// Adds what was rejected elsewhere.
pub fn add_rejected(own: &mut RejectedRows, (all, first): RejectedRows) {
    for (reason, n) in all.iter() {
        own.0.add(reason, n);
    }
    own.1 = own.1.take().or(first);
}

/// Lines of several messages that happened at one time are one entry.
fn add(all: &mut Vec<Entry>, written: Vec<Entry>) {
    for entry in written {
        match all.last_mut() {
            Some(last)
                if last.form == entry.form
                    && last.happened == entry.happened
                    && last.form.are_lines()
                    && last.bytes.len() + entry.bytes.len() <= ENTRY_BYTES_MAX =>
            {
                last.bytes.extend_from_slice(&entry.bytes);
                last.rows += entry.rows;
            }
            _ => all.push(entry),
        }
    }
}

/// An entry is read as one.
const ENTRY_BYTES_MAX: usize = 1 << 20;
