//! Profiles as bytes, encoded by the workers that counted them and put together afterwards.

use crate::profile::codec::append;
use crate::profile::feature::FeatureProfile;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The bytes that each worker encoded, one after the other: a vector per feature would cost more
/// in memory management than the encoding itself.
pub struct Encoder {
    workers: Vec<Mutex<Vec<u8>>>,
}

/// Where the bytes of one profile are.
pub struct EncodedRange {
    worker: usize,
    range: Range<usize>,
}

/// What the workers of an [`Encoder`] wrote.
pub struct EncodedProfiles(Vec<Vec<u8>>);

impl Encoder {
    pub fn new() -> Encoder {
        let workers = (0..rayon::current_num_threads()).map(|_| Mutex::default());
        Encoder { workers: workers.collect() }
    }

    /// Encodes a profile; nobody else uses the worker's bytes.
    pub fn encode(&self, profile: &FeatureProfile) -> EncodedRange {
        let worker = rayon::current_thread_index().unwrap_or(0);
        let mut bytes = self.workers[worker].lock().unwrap_or_else(PoisonError::into_inner);
        let start = bytes.len();
        append(profile, &mut bytes);
        EncodedRange { worker, range: start..bytes.len() }
    }

    pub fn finish(self) -> EncodedProfiles {
        let workers = self.workers.into_iter();
        let bytes = workers.map(|own| own.into_inner().unwrap_or_else(PoisonError::into_inner));
        EncodedProfiles(bytes.collect())
    }
}

impl EncodedProfiles {
    pub fn get(&self, own: &EncodedRange) -> &[u8] {
        &self.0[own.worker][own.range.clone()]
    }
}
