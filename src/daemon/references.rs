//! References that models have in common: profiled once, and held once, for as long as any model
//! needs them.

use crate::monitor::reference::Reference;
use crate::store::reference_record::{ReferenceFile, ReferenceRecord};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The references of all models.
#[derive(Default)]
pub struct References(Mutex<HashMap<ReferenceShape, Arc<Mutex<SimilarReferences>>>>);

/// What two references that are the same have in common at first sight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReferenceShape {
    pub settings: u128,
    /// Sizes of the files.
    pub sizes: Vec<u64>,
}

/// The references of one shape.
#[derive(Default)]
pub struct SimilarReferences(Vec<(ReferenceRecord, Weak<Reference>)>);

impl References {
    /// Calls `load` with the references of this shape, one caller at a time: who comes second finds
    /// what the first has loaded.
    pub fn with_similar<T>(
        &self,
        shape: ReferenceShape,
        load: impl FnOnce(&mut SimilarReferences) -> T,
    ) -> T {
        let similar = Arc::clone(locked(&self.0).entry(shape.clone()).or_default());
        let loaded = load(&mut locked(&similar));
        drop(similar);
        let mut all = locked(&self.0);
        if let Some(own) = all.get(&shape)
            && Arc::strong_count(own) == 1
            && locked(own).0.iter().all(|(_, reference)| reference.strong_count() == 0)
        {
            all.remove(&shape);
        }
        loaded
    }
}

impl SimilarReferences {
    /// One whose files are told apart by nothing that `is_same` looks at.
    pub fn find(
        &self,
        is_same: impl Fn(&[ReferenceFile]) -> bool,
    ) -> Option<(ReferenceRecord, Arc<Reference>)> {
        let mut same = self.0.iter().filter(|(record, _)| is_same(&record.files));
        same.find_map(|(record, reference)| Some((record.clone(), reference.upgrade()?)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, reference)| reference.strong_count() == 0)
    }

    /// Remembers it for others, and forgets what nobody needs any more.
    pub fn add(&mut self, record: &ReferenceRecord, reference: &Arc<Reference>) {
        self.0.retain(|(_, reference)| reference.strong_count() > 0);
        self.0.push((record.clone(), Arc::downgrade(reference)));
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
