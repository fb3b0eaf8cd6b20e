//! Threads that models share: whoever comes first works first.
//!
//! There are few of them, however many models there are. While one works for long, or hangs as on a
//! file system that does not answer, another thread takes its place, so that it holds up nobody.

use crate::telemetry::ModelTelemetry;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::warn;

/// Work that takes longer than this does not count among what is done at a time.
const TURN_MAX: Duration = Duration::from_secs(10);

/// How often a thread that takes the place of another looks whether it is still needed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are taken in turns.
#[derive(Clone)]
pub struct Turns {
    name: &'static str,
    threads: usize,
    /// The threads are made when they are first needed.
    started: Arc<Once>,
    sender: Sender<Job>,
    jobs: Receiver<Job>,
    /// Threads that take the place of others.
    extra: Arc<AtomicUsize>,
}

impl Turns {
    pub fn new(name: &'static str, threads: usize) -> Turns {
        let (sender, jobs) = unbounded();
        Turns { name, threads, started: Arc::new(Once::new()), sender, jobs, extra: Arc::default() }
    }

    /// Works when it is the turn of the model with this telemetry. A panic is passed on.
    pub async fn take<T: Send + 'static>(
        &self,
        model: &Arc<ModelTelemetry>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.started.call_once(|| {
            for _ in 0..self.threads {
                let jobs = self.jobs.clone();
                self.spawn(move || jobs.iter().for_each(|job| job()));
            }
        });
        let (done, outcome) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        // It does not stand still as long as it waits for others.
        model.is_queued.set(1);
        let telemetry = Arc::clone(model);
        let job = Box::new(move || {
            telemetry.is_queued.set(0);
            // Whoever asked may have gone; the turn is taken nevertheless.
            let _ = begun.send(());
            let worked = catch_unwind(AssertUnwindSafe(work));
            let _ = ended.send(());
            let _ = done.send(worked);
        });
        self.sender.send(job).expect("this holds a receiver too");
        tokio::spawn(self.clone().relieve(has_begun, has_ended));
        match outcome.await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => resume_unwind(panic),
            // The process ends.
            Err(_) => std::future::pending().await,
        }
    }

    /// Has another thread take the place of one that works for too long, until it has ended.
    async fn relieve(self, has_begun: oneshot::Receiver<()>, mut has_ended: oneshot::Receiver<()>) {
        if has_begun.await.is_err() || timeout(TURN_MAX, &mut has_ended).await.is_ok() {
            return;
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let (jobs, over, extra) =
            (self.jobs.clone(), Arc::clone(&is_over), Arc::clone(&self.extra));
        extra.fetch_add(1, Ordering::Relaxed);
        self.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Ok(job) = jobs.recv_timeout(LOOK_INTERVAL) {
                    job();
                }
            }
            extra.fetch_sub(1, Ordering::Relaxed);
        });
        let _ = has_ended.await;
        is_over.store(true, Ordering::Relaxed);
    }

    fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().name(self.name.to_owned());
        if let Err(error) = thread.spawn(work) {
            warn!(%error, "there is no thread to be had; models wait for each other");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_holds_up_nobody() {
        let turns = Turns::new("test", 1);
        let model = Arc::<ModelTelemetry>::default();
        let (release, hangs) = mpsc::channel::<()>();
        let own = (turns.clone(), Arc::clone(&model));
        let hanging =
            tokio::spawn(async move { own.0.take(&own.1, move || hangs.recv().is_ok()).await });
        tokio::task::yield_now().await;
        // Whoever asked for it has gone, and it still hangs.
        hanging.abort();
        for i in 0..3 {
            assert_eq!(turns.take(&model, move || i).await, i);
        }
        // The clock of the test runs ahead of the threads, so that others may seem slow too.
        assert!(turns.extra.load(Ordering::Relaxed) >= 1);
        release.send(()).unwrap();
        while turns.extra.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        assert_eq!(turns.take(&model, || 7).await, 7);
    }

    #[tokio::test]
    async fn a_panic_is_that_of_whoever_asked() {
        let turns = Turns::new("test", 1);
        let model = Arc::<ModelTelemetry>::default();
        let own = (turns.clone(), Arc::clone(&model));
        let panics = tokio::spawn(async move { own.0.take(&own.1, || panic!("as wanted")).await });
        assert!(panics.await.unwrap_err().is_panic());
        assert_eq!(turns.take(&model, || 7).await, 7);
    }
}
