//! Which models are ready: their reference is loaded and their sources were listed once, or they
//! wait for the files of their warm-up.

use super::bound::ModelLabel;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The models that exist, and whether each is ready.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<BTreeMap<ModelLabel, bool>>);

impl Readiness {
    /// A model is being started.
    pub fn expect(&self, label: &ModelLabel) {
        self.set(label, false);
    }

    /// A model has become ready.
    pub fn reached(&self, label: &ModelLabel) {
        self.set(label, true);
    }

    /// A model is not there any more.
    pub fn remove(&self, label: &ModelLabel) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(label);
    }

    /// How many models are ready, and how many there are.
    pub fn count(&self) -> (usize, usize) {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (models.values().filter(|is_ready| **is_ready).count(), models.len())
    }

    /// The models that are not ready.
    pub fn missing(&self) -> Vec<String> {
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = models.iter().filter(|(_, is_ready)| !**is_ready);
        missing.map(|((name, version), _)| format!("{name} {version}").trim().to_owned()).collect()
    }

    /// Whether all models are ready; before the first is there, none is.
    pub fn is_reached(&self) -> bool {
        let (ready, all) = self.count();
        all > 0 && ready == all
    }

    fn set(&self, label: &ModelLabel, is_ready: bool) {
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.insert(label.clone(), is_ready);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_started_again_counts_once() {
        let label = |name: &str| (name.to_owned(), String::new());
        let readiness = Readiness::default();
        assert!(!readiness.is_reached());
        readiness.expect(&label("a"));
        readiness.expect(&label("b"));
        readiness.reached(&label("a"));
        // Stopped and started again by a reload, while the other still loads.
        readiness.expect(&label("a"));
        readiness.reached(&label("a"));
        assert_eq!((readiness.count(), readiness.is_reached()), ((1, 2), false));
        readiness.remove(&label("b"));
        assert!(readiness.is_reached());
    }
}
