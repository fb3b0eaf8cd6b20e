//! Threads that models share: whoever comes first works first.
//!
//! There are few of them, however many models there are. One that works for long, or hangs as on a
//! file system that does not answer, leaves its turn to another thread and holds up nobody.

use crate::telemetry::ModelTelemetry;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use threadpool::ThreadPool;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Work that takes longer than this does not count among what is done at a time.
const TURN_MAX: Duration = Duration::from_secs(10);

/// Threads that are taken in turns.
#[derive(Clone)]
pub struct Turns {
    name: &'static str,
    /// Made when it is first needed.
    pool: Arc<OnceLock<ThreadPool>>,
    /// How many there are, those included whose turn was too long.
    threads: Arc<Mutex<usize>>,
}

impl Turns {
    pub fn new(name: &'static str, threads: usize) -> Turns {
        Turns { name, pool: Arc::default(), threads: Arc::new(Mutex::new(threads)) }
    }

    fn pool(&self) -> ThreadPool {
        let threads = *self.threads();
        self.pool.get_or_init(|| ThreadPool::with_name(self.name.to_owned(), threads)).clone()
    }

    fn threads(&self) -> MutexGuard<'_, usize> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works when it is the turn of the model with this telemetry. A panic is passed on.
    pub async fn take<T: Send + 'static>(
        &self,
        model: &Arc<ModelTelemetry>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (done, mut outcome) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        // It does not stand still as long as it waits for others.
        model.is_queued.set(1);
        let telemetry = Arc::clone(model);
        self.pool().execute(move || {
            telemetry.is_queued.set(0);
            // Whoever asked may have gone.
            let _ = begun.send(());
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        });
        let _ = has_begun.await;
        let outcome = match timeout(TURN_MAX, &mut outcome).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let _extra = ExtraThread::new(self.clone());
                outcome.await
            }
        };
        match outcome {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => resume_unwind(panic),
            // The process ends.
            Err(_) => std::future::pending().await,
        }
    }

    fn change(&self, change: impl FnOnce(usize) -> usize) {
        let mut pool = self.pool();
        let mut threads = self.threads();
        *threads = change(*threads);
        pool.set_num_threads(*threads);
    }
}

/// A thread more, as long as another takes too long.
struct ExtraThread(Turns);

impl ExtraThread {
    fn new(turns: Turns) -> ExtraThread {
        turns.change(|threads| threads + 1);
        ExtraThread(turns)
    }
}

impl Drop for ExtraThread {
    fn drop(&mut self) {
        self.0.change(|threads| threads - 1);
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
        for i in 0..3 {
            assert_eq!(turns.take(&model, move || i).await, i);
        }
        assert_eq!(*turns.threads.lock().unwrap(), 2);
        release.send(()).unwrap();
        assert!(hanging.await.unwrap());
        assert_eq!(*turns.threads.lock().unwrap(), 1);
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
