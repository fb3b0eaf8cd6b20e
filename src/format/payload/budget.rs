//! Bytes that all rows of one body may take, whatever events they are in.

use super::BodyFault;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// So many bytes, shared by all that is read of a body.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    pub most: usize,
    left: Arc<AtomicUsize>,
}

impl Budget {
    pub fn new(most: usize) -> Budget {
        Budget { most, left: Arc::new(AtomicUsize::new(most)) }
    }

    /// Takes so many of them; fails when there are not so many left.
    pub fn spend(&self, bytes: usize) -> Result<(), BodyFault> {
        let less = |left: usize| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Relaxed, Relaxed, less);
        taken.map(|_| ()).map_err(|_| {
            let most = self.most;
            BodyFault::TooLarge(format!(
                "its rows take more than {most} bytes; send fewer of them at a time"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_spent_for_all() {
        let budget = Budget::new(10);
        let other = budget.clone();
        assert_eq!((budget.spend(6), other.spend(4)), (Ok(()), Ok(())));
        assert!(matches!(other.spend(1), Err(BodyFault::TooLarge(_))));
        assert_eq!(budget.spend(0), Ok(()));
    }
}
