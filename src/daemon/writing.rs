//! A commit on its way to the disk, beside the counting of the files after it.
//!
//! The disk takes its time to confirm a commit, and the processors are free meanwhile. Nothing of
//! it is shown before it is confirmed, nothing else is committed, and whoever asks the state for
//! what the commit is about waits for it first.

use super::file::Taken;
use super::shutdown::Stop;
use crate::error::Result;
use crate::monitor::snapshot::ModelSnapshot;
use crate::store::{Commit, ModelStore};
use crate::telemetry::ProcessTelemetry;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracing::{debug, error};

/// Pause before a failed commit is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Where commits go.
#[derive(Clone)]
pub struct Writer {
    pub store: ModelStore,
    pub process: Arc<ProcessTelemetry>,
    pub stop: Stop,
}

/// What is told and shown once a commit is confirmed.
pub struct Outcome {
    pub taken: Vec<(usize, Taken)>,
    pub snapshot: ModelSnapshot,
}

/// A commit that is being written.
pub struct Writing {
    pub commit: Arc<Commit>,
    outcome: Outcome,
    thread: Thread,
}

impl Writer {
    /// Writes a commit. A state that cannot be written holds everything up, since going on would
    /// only lose more; it is tried again until it works or the daemon stops.
    pub fn write(&self, commit: &Commit) -> Result<()> {
        let begun = Instant::now();
        while let Err(error) = self.store.commit(commit) {
            self.process.state_write_errors.add(1);
            error!(%error, "the state was not written; trying again");
            if self.stop.is_on() {
                return Err(error);
            }
            std::thread::sleep(RETRY);
        }
        let bytes: usize = commit.parts.iter().map(|part| part.body.len()).sum();
        let (parts, windows) = (commit.parts.len(), commit.closed.len());
        debug!(seconds = begun.elapsed().as_secs_f64(), parts, bytes, windows, "committed");
        Ok(())
    }

    /// Begins to write a commit; here and now where there is no room for a thread.
    pub fn begin(&self, commit: Commit, outcome: Outcome) -> Result<Writing> {
        let commit = Arc::new(commit);
        let (writer, written) = (self.clone(), Arc::clone(&commit));
        let builder = std::thread::Builder::new().name("driftd-commit".into());
        let thread = match builder.spawn(move || writer.write(&written)) {
            Ok(thread) => Thread(Some(thread)),
            Err(_) => {
                self.write(&commit)?;
                Thread(None)
            }
        };
        Ok(Writing { commit, outcome, thread })
    }
}

impl Writing {
    /// Waits until it is written.
    pub fn finish(mut self) -> Result<Outcome> {
        let begun = Instant::now();
        self.thread.join()?;
        debug!(seconds = begun.elapsed().as_secs_f64(), "waited for a commit");
        Ok(self.outcome)
    }
}

/// The thread that writes; none when it is done.
struct Thread(Option<JoinHandle<Result<()>>>);

impl Thread {
    fn join(&mut self) -> Result<()> {
        match self.0.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Thread {
    /// Whoever opens the state next must not meet it. Its faults are of no interest any more.
    fn drop(&mut self) {
        self.0.take().map(JoinHandle::join);
    }
}
