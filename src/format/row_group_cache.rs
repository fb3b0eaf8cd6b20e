//! What was last made of some row groups, for tables that cannot read a column alone.

use crate::error::{Fault, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What was made of a row group, once it is.
type Slot<T> = Arc<OnceLock<Result<Arc<T>, Fault>>>;

/// What was made of the last row groups that were asked for.
#[derive(Debug)]
pub struct RowGroupCache<T> {
    most: usize,
    slots: Mutex<VecDeque<(usize, Slot<T>)>>,
}

impl<T> RowGroupCache<T> {
    /// Of so many row groups, or twice as many as there are threads, which each make one.
    pub fn new(most: usize) -> RowGroupCache<T> {
        RowGroupCache { most: most.max(2 * rayon::current_num_threads()), slots: Mutex::default() }
    }

    /// What `make` makes of a row group, which is kept. Others who need it wait meanwhile, so it
    /// must not wait for them.
    pub fn get(
        &self,
        row_group: usize,
        make: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<Arc<T>, Fault> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let found = slots.iter().find(|(own, _)| *own == row_group);
            match found.map(|(_, slot)| Arc::clone(slot)) {
                Some(slot) => slot,
                None => {
                    let slot = Slot::<T>::default();
                    slots.push_back((row_group, Arc::clone(&slot)));
                    if slots.len() > self.most {
                        slots.pop_front();
                    }
                    slot
                }
            }
        };
        slot.get_or_init(|| make().map(Arc::new)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_last_are_made_once() {
        let (cache, made) = (RowGroupCache::new(0), Cell::new(0));
        let get = |row_group: usize| {
            let make = || {
                made.set(made.get() + 1);
                Ok(row_group)
            };
            assert_eq!(*cache.get(row_group, make).unwrap(), row_group);
        };
        let most = cache.most;
        (0..most).for_each(get);
        (0..most).for_each(get);
        assert_eq!(made.get(), most);
        get(most);
        get(0);
        assert_eq!(made.get(), most + 2);
        let broken: Result<Arc<usize>, Fault> = cache.get(99, || Err(Fault::unreadable("x")));
        assert!(broken.is_err());
    }
}
