//! A commit on its way to the disk, beside the counting of what comes after it.
//!
//! The disk takes its time to confirm a commit, and the processors are free meanwhile. Nothing of
//! it is shown before it is confirmed, and nothing else is committed.

use super::pending::Settled;
use crate::error::{Result, StateError};
use crate::monitor::snapshot::ModelSnapshot;
use crate::net::stop::Stop;
use crate::store::ModelStore;
use crate::store::commit::Commit;
use crate::telemetry::ProcessTelemetry;
use crate::time::Clock;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{debug, error};

/// Where commits go.
#[derive(Clone)]
pub struct Writer {
    pub store: ModelStore,
    pub process: Arc<ProcessTelemetry>,
    pub clock: Arc<dyn Clock>,
    pub stop: Stop,
    /// Pause before a failed commit is tried again.
    pub retry: Duration,
}

/// What is told and shown once a commit is confirmed.
pub struct Confirmed {
    pub settled: Vec<Settled>,
    pub snapshot: ModelSnapshot,
}

/// A commit that is being written.
pub struct Writing {
    pub commit: Arc<Commit>,
    confirmed: Confirmed,
    thread: CommitThread,
}

impl Writer {
    /// Writes a commit. A state that cannot be written holds everything up, since going on would
    /// only lose more; it is tried again until it works or the daemon stops. A commit that fails
    /// was rolled back as a whole, so nothing of it is written twice.
    pub fn write(&self, commit: &Commit) -> Result<(), StateError> {
        let begun = Instant::now();
        while let Err(error) = self.store.commit(commit) {
            self.process.state_write_errors.add(1);
            self.process.state_write_failed.set(self.clock.now().0);
            if error.is_damage() || self.stop.is_on() {
                return Err(error);
            }
            error!(%error, "the state was not written; trying again");
            std::thread::sleep(self.retry);
        }
        let bytes: usize = commit.deltas.iter().map(|delta| delta.body.len()).sum();
        let (deltas, windows) = (commit.deltas.len(), commit.closed.len());
        debug!(seconds = begun.elapsed().as_secs_f64(), deltas, bytes, windows, "committed");
        Ok(())
    }

    /// Begins to write a commit; here and now where there is no room for a thread.
    pub fn begin(&self, commit: Commit, confirmed: Confirmed) -> Result<Writing, StateError> {
        let commit = Arc::new(commit);
        let (writer, written) = (self.clone(), Arc::clone(&commit));
        let builder = std::thread::Builder::new().name("driftd-commit".into());
        let thread = match builder.spawn(move || writer.write(&written)) {
            Ok(thread) => CommitThread(Some(thread)),
            Err(_) => {
                self.write(&commit)?;
                CommitThread(None)
            }
        };
        Ok(Writing { commit, confirmed, thread })
    }
}

impl Writing {
    /// Waits until it is written.
    pub fn finish(mut self) -> Result<(Arc<Commit>, Confirmed), StateError> {
        let begun = Instant::now();
        self.thread.join()?;
        debug!(seconds = begun.elapsed().as_secs_f64(), "waited for a commit");
        Ok((self.commit, self.confirmed))
    }
}

/// The thread that writes; none when it is done.
struct CommitThread(Option<JoinHandle<Result<(), StateError>>>);

impl CommitThread {
    fn join(&mut self) -> Result<(), StateError> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for CommitThread {
    /// Whoever opens the state next must not meet it. Its faults are of no interest any more.
    fn drop(&mut self) {
        self.0.take().map(JoinHandle::join);
    }
}
