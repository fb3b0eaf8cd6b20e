//! `/api/v1/models/{model}/reference`: which windows were made the reference, and making one it.

use super::caller::Caller;
use super::reference_request::{AcceptRequest, ReferenceRequest};
use super::reloading::ChangeRequest;
use super::server_state::{ServerState, read_state};
use crate::error::StateError;
use crate::monitor::acceptance::Acceptance;
use crate::profile::instants;
use crate::report::acceptance_entry::acceptance;
use crate::store::ModelStore;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// How long a model may take to go on with another reference.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Which windows of which version are meant.
#[derive(Deserialize)]
pub struct ReferenceQuery {
    version: Option<String>,
    window: Option<String>,
    /// ISO 8601, or seconds since 1970.
    from: Option<String>,
    to: Option<String>,
}

type Refusal = (StatusCode, String);

/// All windows that were made the reference, oldest first.
pub async fn acceptances(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    Query(query): Query<ReferenceQuery>,
) -> Response {
    let (version, store) = match chosen(&state, &model, &query) {
        Ok(chosen) => chosen,
        Err(refusal) => return refusal.into_response(),
    };
    let read =
        move |_: &ServerState| -> Result<Vec<Acceptance>, StateError> { store.acceptances() };
    match read_state(state, read).await {
        Ok(Ok(all)) => {
            let all: Vec<_> = all.iter().map(acceptance).collect();
            Json(json!({ "model": model, "version": version, "accepted": all })).into_response()
        }
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(panicked) => panicked.into_response(),
    }
}

/// Answers when the window is the reference, or with why it is not.
pub async fn accept(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    Query(query): Query<ReferenceQuery>,
    caller: Caller,
) -> Response {
    match try_accept(&state, &model, query, &caller).await {
        Ok(accepted) => Json(acceptance(&accepted)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Answers when what is configured is the reference again.
pub async fn undo(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    Query(query): Query<ReferenceQuery>,
    caller: Caller,
) -> Response {
    let (version, store) = match chosen(&state, &model, &query) {
        Ok(chosen) => chosen,
        Err(refusal) => return refusal.into_response(),
    };
    caller.note("undo accepted reference", &model);
    let request = ReferenceRequest::Undo((model, version));
    let done = match ask(&state, request).await {
        Ok(()) => in_state(&state, store, |accepted| accepted.is_none().then_some(())).await,
        Err(refusal) => Err(refusal),
    };
    match done {
        Ok(()) => "the reference is what is configured\n".into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn try_accept(
    state: &Arc<ServerState>,
    model: &str,
    query: ReferenceQuery,
    caller: &Caller,
) -> Result<Acceptance, Refusal> {
    let (version, store) = chosen(state, model, &query)?;
    let bad = |text: String| (StatusCode::BAD_REQUEST, text);
    let time = |key: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match instants::parse(text, None) {
            Some(time) => Ok(Some(time)),
            None => Err(bad(format!("{key}: no time, see ISO 8601\n"))),
        },
    };
    let (from, to) = (time("from", &query.from)?, time("to", &query.to)?);
    let window = query.window.ok_or_else(|| bad("window: which one? Say its name\n".to_owned()))?;
    let (at, by) = (state.health.clock.now(), caller.name());
    caller.note("accept reference", &format!("{model}/{window}"));
    let label = (model.to_owned(), version);
    let request = AcceptRequest { label, window, from, to, by, at };
    ask(state, ReferenceRequest::Accept(request)).await?;
    in_state(state, store, |own| own.filter(|own| own.accepted == at)).await
}

/// Has the daemon change what a model is compared with.
async fn ask(state: &ServerState, request: ReferenceRequest) -> Result<(), Refusal> {
    let Some(changes) = &state.changes else {
        let text = "changing what is watched over HTTP is not enabled; set server.reload = true\n";
        return Err((StatusCode::FORBIDDEN, text.to_owned()));
    };
    let (answer, outcome) = oneshot::channel();
    let is_sent = changes.send(ChangeRequest::Reference(request, answer)).await.is_ok();
    match outcome.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((StatusCode::CONFLICT, format!("{error}\n"))),
        Err(_) if is_sent => {
            Err((StatusCode::SERVICE_UNAVAILABLE, "driftd is stopping\n".to_owned()))
        }
        Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, "driftd is not running\n".to_owned())),
    }
}

/// The model goes on by itself; what was asked for is so when the state has it.
async fn in_state<T>(
    state: &Arc<ServerState>,
    store: ModelStore,
    is_so: impl Fn(Option<Acceptance>) -> Option<T>,
) -> Result<T, Refusal> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let own = store.clone();
        let read = read_state(Arc::clone(state), move |_: &ServerState| own.acceptance()).await;
        if let Ok(Ok(accepted)) = read
            && let Some(found) = is_so(accepted)
        {
            return Ok(found);
        }
        if Instant::now() > deadline {
            let text = "not in the state yet; the log says what keeps the model from going on\n";
            return Err((StatusCode::SERVICE_UNAVAILABLE, text.to_owned()));
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// The version that is meant, and its part of the state.
fn chosen(
    state: &ServerState,
    model: &str,
    query: &ReferenceQuery,
) -> Result<(String, ModelStore), Refusal> {
    let all = state.models();
    let named = |text: String| (StatusCode::NOT_FOUND, text);
    let of_name: Vec<_> = all.iter().filter(|((name, _), _)| name == model).collect();
    let is_wanted = |version: &String| query.version.as_ref().is_none_or(|own| own == version);
    let found: Vec<_> = of_name.iter().filter(|((_, version), _)| is_wanted(version)).collect();
    let versions = || {
        let versions = of_name.iter().map(|((_, version), _)| format!("{version:?}"));
        versions.collect::<Vec<_>>().join(", ")
    };
    match found.as_slice() {
        [((_, version), store)] => Ok((version.clone(), store.clone())),
        [] if of_name.is_empty() => {
            let names = all.iter().map(|((name, _), _)| name.as_str()).collect::<Vec<_>>();
            Err(named(format!("there is no model {model:?}; there are: {}\n", names.join(", "))))
        }
        [] => {
            Err(named(format!("no such version of model {model:?}; there are: {}\n", versions())))
        }
        _ => {
            let text = format!("which version of model {model:?}? There are: {}\n", versions());
            Err((StatusCode::BAD_REQUEST, text))
        }
    }
}
