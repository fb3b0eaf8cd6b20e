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
        let similar = Arc::clone(locked(&self.0).entry(shape).or_default());
        let loaded = load(&mut locked(&similar));
        drop(similar);
        // Those that somebody looks at stay, and those that somebody has.
        locked(&self.0).retain(|_, own| Arc::strong_count(own) > 1 || !locked(own).is_empty());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_needs_is_forgotten() {
        let references = References::default();
        let shape = |size: u64| ReferenceShape { settings: 1, sizes: vec![size] };
        let record = ReferenceRecord { files: Vec::new(), accepted: None, settings: 1 };
        let load = |size: u64| {
            references.with_similar(shape(size), |similar| match similar.find(|_| true) {
                Some((_, reference)) => (reference, false),
                None => {
                    let empty = Reference { rows: size, features: Vec::new() };
                    let reference = Arc::new(empty);
                    similar.add(&record, &reference);
                    (reference, true)
                }
            })
        };
        let (first, is_new) = load(1);
        assert!(is_new);
        let (same, is_new) = load(1);
        assert!(!is_new && Arc::ptr_eq(&first, &same));
        drop((first, same));
        let (_other, is_new) = load(2);
        assert!(is_new);
        assert_eq!(locked(&references.0).len(), 1);
    }
}
