//! A source whose rows are in memory, with positions: what a broker looks like from here.

use super::Row;
use crate::error::Result;
use crate::format::arrow::RecordBatchTable;
use crate::journal::SourceLabel;
use crate::position::{Position, PositionRange};
use crate::source::{Delivery, DeliveryId, Fate, Poll, Rows, Source};
use crate::store::ModelStore;
use crate::time::Timestamp;
use crate::totals::Rejected;
use std::sync::{Arc, Mutex};

const PARTITION: &str = "p0";

/// The rows of a broker; they stay there.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Row>>>);

impl Log {
    pub fn append(&self, rows: &[Row]) {
        self.0.lock().unwrap().extend(rows);
    }

    pub fn rows(&self) -> Vec<Row> {
        self.0.lock().unwrap().clone()
    }
}

/// Delivers the rows of a log from where the state ends.
pub struct MemorySource {
    log: Log,
    /// How far rows were delivered.
    next: usize,
    /// How far the state has them, as far as this was told.
    settled: usize,
    /// From and to.
    deliveries: Vec<(usize, usize)>,
    batch_rows: usize,
    /// Deliver a batch again now and then, as brokers do.
    repeats: bool,
}

impl MemorySource {
    pub fn resume(log: Log, label: &SourceLabel, store: &ModelStore) -> Result<MemorySource> {
        let positions = store.positions(label.id)?;
        let next = positions.get(PARTITION).copied().unwrap_or_default().0 as usize;
        let (batch_rows, repeats, deliveries) = (7, true, Vec::new());
        Ok(MemorySource { log, next, settled: next, deliveries, batch_rows, repeats })
    }

    pub fn with_batch_rows(self, batch_rows: usize) -> MemorySource {
        MemorySource { batch_rows, repeats: false, ..self }
    }
}

impl Source for MemorySource {
    fn poll(&mut self, _now: Timestamp) -> Poll {
        let rows = self.log.rows();
        // Every third batch comes a second time.
        let again =
            self.deliveries.last().filter(|_| self.repeats && self.deliveries.len() % 3 == 2);
        let (from, to) = match again {
            Some(&(from, to)) => (from, to),
            None => (self.next, rows.len().min(self.next + self.batch_rows)),
        };
        if from == to {
            return Poll::Idle;
        }
        self.next = self.next.max(to);
        self.deliveries.push((from, to));
        let range = PositionRange {
            partition: PARTITION.to_owned(),
            from: Position(from as u64),
            to: Position(to as u64),
        };
        let table = RecordBatchTable::new(vec![super::record_batch(&rows[from..to])]).unwrap();
        Poll::Ready(Box::new(Delivery {
            id: DeliveryId(self.deliveries.len() as u64 - 1),
            rows: Rows::Batch { table: Box::new(table), positions: vec![range] },
            happened: None,
            bytes: 0,
            rejected: Rejected::default(),
            unknown_keys: 0,
        }))
    }

    fn settled(&mut self, id: DeliveryId, fate: Fate) {
        match fate {
            Fate::Counted | Fate::Duplicate => {
                self.settled = self.settled.max(self.deliveries[id.0 as usize].1);
            }
            Fate::Deferred(_) => self.next = self.settled,
            fate => panic!("no batch is {fate:?}"),
        }
    }

    fn is_behind(&self, _now: Timestamp) -> bool {
        self.next < self.log.rows().len()
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn update_gauges(&mut self, _now: Timestamp) {}
}
