//! Lists a bucket and fetches its objects, on a thread of its own: a model that is counted on any
//! other takes what has come.

use super::BucketStore;
use crate::error::{Error, Fault, Result};
use crate::format::OpenFile;
use crate::format::file_format::FileFormat;
use crate::source::files::listing::{Listed, Listing};
use futures_util::{StreamExt, stream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

/// Small objects take as long as an answer of the store; several come at once.
const OBJECTS_AT_ONCE: usize = 4;

/// What is ahead is counted in parts of so many bytes.
const PART_BYTES: u64 = 1 << 10;

/// What a fetcher is asked for.
enum Request {
    List,
    Fetch(Listed),
}

/// What came of a request; in the order of the requests.
pub enum Fetched {
    Listing(Result<Listing>),
    Object(Listed, Result<OpenFile, Fault>, Ahead),
}

/// Room for what was fetched before its turn, as long as this lives.
pub struct Ahead(#[expect(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

/// What objects are fetched for.
pub struct FetcherConfig {
    /// Folders below it can hold partition values.
    pub root: PathBuf,
    pub format: FileFormat,
    /// Where they are kept until they are counted; the system's folder for such files if none.
    pub folder: Option<PathBuf>,
    /// Bytes that are kept before their turn; a larger object is fetched alone.
    pub ahead_max: u64,
}

/// A thread that lists and fetches, as long as this lives.
pub struct Fetcher {
    requests: UnboundedSender<Request>,
    fetched: Receiver<Fetched>,
    _ends: oneshot::Sender<()>,
}

impl Fetcher {
    /// The model is woken whenever something has come.
    pub fn start(store: BucketStore, config: FetcherConfig, wake: Arc<Notify>) -> Result<Fetcher> {
        let failed = |error: std::io::Error| Error::new(format!("no thread to fetch on: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let (requests, mut asked) = unbounded_channel();
        let (answers, fetched) = channel();
        let (ends, ended) = oneshot::channel::<()>();
        let work = move || {
            let asked = stream::poll_fn(|context| asked.poll_recv(context));
            runtime.block_on(async {
                tokio::select! {
                    () = answer(store, config, asked, answers, wake) => {}
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("driftd-bucket".into());
        thread.spawn(work).map_err(failed)?;
        Ok(Fetcher { requests, fetched, _ends: ends })
    }

    pub fn list(&self) {
        let _ = self.requests.send(Request::List);
    }

    pub fn fetch(&self, listed: Listed) {
        let _ = self.requests.send(Request::Fetch(listed));
    }

    /// The next that has come, if any has.
    pub fn take(&self) -> Option<Fetched> {
        match self.fetched.try_recv() {
            Ok(fetched) => Some(fetched),
            Err(TryRecvError::Empty) => None,
            // Whoever supervises the model starts it again.
            Err(TryRecvError::Disconnected) => panic!("the thread that fetches objects has ended"),
        }
    }
}

async fn answer(
    store: BucketStore,
    config: FetcherConfig,
    asked: impl stream::Stream<Item = Request>,
    answers: Sender<Fetched>,
    wake: Arc<Notify>,
) {
    let parts_max = u32::try_from(config.ahead_max / PART_BYTES).unwrap_or(u32::MAX).max(1);
    let room = Arc::new(Semaphore::new(parts_max as usize));
    let (store, config, room) = (&store, &config, &room);
    // Room is given in the order of the requests, so that the next is never the one that waits.
    let with_room = asked.then(|request| async move {
        let parts = match &request {
            Request::List => 0,
            Request::Fetch(listed) => {
                let parts = listed.stat.size.div_ceil(PART_BYTES);
                u32::try_from(parts).unwrap_or(u32::MAX).min(parts_max)
            }
        };
        let room = Arc::clone(room).acquire_many_owned(parts).await;
        (request, Ahead(room.expect("nobody closes it")))
    });
    let fetched = with_room.map(|(request, ahead)| async move {
        match request {
            Request::List => Fetched::Listing(store.list(config.format).await),
            Request::Fetch(listed) => {
                let fetched = store.fetch(&config.root, &listed, config.folder.as_deref()).await;
                Fetched::Object(listed, fetched, ahead)
            }
        }
    });
    let mut fetched = std::pin::pin!(fetched.buffered(OBJECTS_AT_ONCE));
    while let Some(fetched) = fetched.next().await {
        if answers.send(fetched).is_err() {
            return;
        }
        wake.notify_one();
    }
}
