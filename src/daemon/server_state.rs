//! What the routes read.

use super::health::Health;
use super::readiness::Readiness;
use super::reloading::ChangeRequest;
use super::supervisor::WatchedModels;
use crate::export::page::Pages;
use crate::monitor::snapshot::Published;
use crate::net::roles::Roles;
use crate::source::http::Endpoints;
use crate::store::ModelStore;
use axum::http::StatusCode;
use std::sync::{Arc, RwLock};
use tokio::sync::{Semaphore, mpsc};

/// What the routes read; none of them changes anything.
pub struct ServerState {
    pub pages: Arc<Pages>,
    pub published: Arc<Published>,
    pub readiness: Arc<Readiness>,
    pub health: Health,
    pub models: Arc<RwLock<WatchedModels>>,
    /// Answers from the state at a time, so that those never hold up a page.
    pub state_reads: Arc<Semaphore>,
    /// Pages that are made at a time.
    pub renders: Arc<Semaphore>,
    /// Where requests to change what is watched go; none when those are refused.
    pub changes: Option<mpsc::Sender<ChangeRequest>>,
    pub roles: Arc<Roles>,
    /// Where rows are posted to.
    pub endpoints: Arc<Endpoints>,
}

impl ServerState {
    pub fn models(&self) -> WatchedModels {
        self.models.read().expect("no writer panics").clone()
    }

    /// What the state has of a model that is watched.
    pub fn model(&self, name: &str, version: &str) -> Option<ModelStore> {
        let all = self.models.read().expect("no writer panics");
        let mut own = all.iter().filter(|((n, v), _)| n == name && v == version);
        own.next().map(|(_, store)| store.clone())
    }
}

/// Works on a thread of its own, beside a few others at most. Who has gone away while it waited for
/// its turn leaves nothing to do.
pub async fn in_turn<T: Send + 'static>(
    turns: Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StatusCode> {
    let turn = turns.acquire_owned().await.expect("it is never closed");
    let worked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    worked.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Reads the state for an answer.
pub async fn read_state<T: Send + 'static>(
    state: Arc<ServerState>,
    read: impl FnOnce(&ServerState) -> T + Send + 'static,
) -> Result<T, StatusCode> {
    in_turn(Arc::clone(&state.state_reads), move || read(&state)).await
}
