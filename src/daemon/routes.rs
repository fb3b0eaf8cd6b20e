//! What the daemon answers over HTTP.

use super::health::Health;
use super::page_body::PageBody;
use super::readiness::Readiness;
use super::reloading::ReloadRequest;
use super::supervisor::WatchedModels;
use crate::explain::phrases::ShownValues;
use crate::export::page::{CONTENT_TYPE, Encoding, Pages};
use crate::monitor::snapshot::Published;
use crate::profile::instants;
use crate::report::Report;
use crate::report::history::{self, Past};
use crate::report::json::json;
use crate::store::closed_windows::Query;
use axum::Router;
use axum::extract::{Path, Query as QueryString, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, RwLock};
use tokio::sync::{Semaphore, mpsc, oneshot};

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
    /// Where requests to reload go; none when those are refused.
    pub reload: Option<mpsc::Sender<ReloadRequest>>,
}

impl ServerState {
    fn models(&self) -> WatchedModels {
        self.models.read().expect("no writer panics").clone()
    }
}

/// Closed windows in an answer, unless the request says how many, and at most.
const PAST_DEFAULT: u32 = 100;
const PAST_MAX: u32 = 1_000;

const INDEX: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>driftd</title>\
    <h1>driftd</h1><ul><li><a href=\"/metrics\">Metrics</a> for Prometheus\
    <li><a href=\"/api/v1/report\">Report</a> of the latest windows\
    <li><a href=\"/api/v1/state\">State</a>: totals over all runs\
    <li><a href=\"/-/healthy\">Health</a> and <a href=\"/-/ready\">readiness</a></ul></html>";

pub fn routes(state: ServerState) -> Router {
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload).put(reload))
        .route("/api/v1/report", get(report))
        .route("/api/v1/state", get(totals))
        .route("/api/v1/models/{model}/windows", get(past_windows))
        .route("/api/v1/models/{model}/features/{feature}", get(past_feature))
        .with_state(Arc::new(state))
}

async fn metrics(State(state): State<Arc<ServerState>>, headers: HeaderMap) -> Response {
    let encoding = if accepts_gzip(&headers) { Encoding::Gzip } else { Encoding::Plain };
    // Encoding many series takes a while, and the thread here also accepts connections.
    let turns = Arc::clone(&state.renders);
    let page = in_turn(turns, move || state.pages.render(encoding)).await;
    let Ok(page) = page else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let (page, content_type) = (PageBody::response(page), [(header::CONTENT_TYPE, CONTENT_TYPE)]);
    match encoding {
        Encoding::Plain => (content_type, page).into_response(),
        Encoding::Gzip => {
            (content_type, [(header::CONTENT_ENCODING, "gzip")], page).into_response()
        }
    }
}

/// `gzip` or `gzip;q=…` with a quality other than 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.unwrap_or_default().split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().trim_start_matches("q=").parse::<f64>();
        name.trim() == "gzip" && quality != Ok(0.0)
    })
}

async fn healthy(State(state): State<Arc<ServerState>>) -> (StatusCode, String) {
    match state.health.stalled().join(", ") {
        stalled if stalled.is_empty() => (StatusCode::OK, "driftd is healthy.\n".to_owned()),
        stalled => (StatusCode::SERVICE_UNAVAILABLE, format!("stalled: {stalled}\n")),
    }
}

async fn ready(State(state): State<Arc<ServerState>>) -> (StatusCode, String) {
    if state.readiness.is_reached() {
        return (StatusCode::OK, "driftd is ready.\n".to_owned());
    }
    let (ready, all) = state.readiness.count();
    let missing = state.readiness.missing().join(", ");
    let text = format!("{ready} of {all} models are ready; not ready: {missing}\n");
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Answers when the new configuration is in force, or with why it is not.
async fn reload(State(state): State<Arc<ServerState>>) -> (StatusCode, String) {
    let Some(reloads) = &state.reload else {
        let text = "reload over HTTP is not enabled; set server.reload, or send SIGHUP\n";
        return (StatusCode::FORBIDDEN, text.to_owned());
    };
    let (answer, outcome) = oneshot::channel();
    let is_sent = reloads.send(answer).await.is_ok();
    match outcome.await {
        Ok(Ok(())) => (StatusCode::OK, "configuration reloaded\n".to_owned()),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        Err(_) if is_sent => (StatusCode::SERVICE_UNAVAILABLE, "driftd is stopping\n".to_owned()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "driftd is not running\n".to_owned()),
    }
}

async fn report(State(state): State<Arc<ServerState>>) -> Response {
    let (snapshot, shown) = (state.published.load(), state.pages.values());
    let reports = snapshot.models.iter().flat_map(|model| {
        let latest = model.windows.iter().filter_map(|window| window.latest.as_deref());
        latest.map(|figures| Report {
            model: &model.name,
            version: &model.version,
            reference: model.reference.as_deref(),
            figures,
            shown,
        })
    });
    let body = json(&reports.collect::<Vec<_>>());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Which closed windows a request is about.
#[derive(Deserialize)]
struct PastQuery {
    version: Option<String>,
    window: Option<String>,
    /// ISO 8601, or seconds since 1970.
    from: Option<String>,
    to: Option<String>,
    /// The newest of each window.
    limit: Option<u32>,
}

async fn past_windows(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    query: QueryString<PastQuery>,
) -> Response {
    past(state, model, query, |past, _| history::windows(&past)).await
}

async fn past_feature(
    State(state): State<Arc<ServerState>>,
    Path((model, feature)): Path<(String, String)>,
    query: QueryString<PastQuery>,
) -> Response {
    past(state, model, query, move |past, shown| history::feature(&past, &feature, shown)).await
}

/// Works on a thread of its own, beside a few others at most. Who has gone away while it waited for
/// its turn leaves nothing to do.
async fn in_turn<T: Send + 'static>(
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
async fn read_state<T: Send + 'static>(
    state: Arc<ServerState>,
    read: impl FnOnce(&ServerState) -> T + Send + 'static,
) -> Result<T, StatusCode> {
    in_turn(Arc::clone(&state.state_reads), move || read(&state)).await
}

async fn past(
    state: Arc<ServerState>,
    model: String,
    QueryString(query): QueryString<PastQuery>,
    write: impl FnOnce(Vec<Past>, ShownValues) -> String + Send + 'static,
) -> Response {
    let read = move |state: &ServerState| -> Result<String, (StatusCode, String)> {
        let bad = |key: &str| (StatusCode::BAD_REQUEST, format!("{key}: no time, see ISO 8601\n"));
        let time = |key, text: Option<&String>| match text {
            None => Ok(None),
            Some(text) => instants::parse(text, None).map(Some).ok_or_else(|| bad(key)),
        };
        let limit = Some(query.limit.unwrap_or(PAST_DEFAULT).min(PAST_MAX));
        let (from, to) = (time("from", query.from.as_ref())?, time("to", query.to.as_ref())?);
        let found = past_of(state, &model, &query, &Query { from, to, limit });
        let found = found.map_err(|e| (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")))?;
        let none = || (StatusCode::NOT_FOUND, format!("there is no model {model:?}\n"));
        Ok(write(found.ok_or_else(none)?, state.pages.values()))
    };
    match read_state(state, read).await {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(panicked) => panicked.into_response(),
    }
}

/// None when there is no such model.
fn past_of(
    state: &ServerState,
    wanted: &str,
    which: &PastQuery,
    query: &Query,
) -> crate::error::Result<Option<Vec<Past>>> {
    let mut found = None;
    for ((model, version), store) in state.models() {
        if model != wanted || which.version.as_ref().is_some_and(|wanted| *wanted != version) {
            continue;
        }
        let past: &mut Vec<Past> = found.get_or_insert_default();
        past.extend(Past::of(&model, &version, store.past(which.window.as_deref(), query)?));
    }
    Ok(found)
}

async fn totals(State(state): State<Arc<ServerState>>) -> Response {
    let read = |state: &ServerState| -> crate::error::Result<Value> {
        let models = state.models().into_iter().map(|((name, version), store)| {
            let totals = store.totals()?;
            Ok(json!({ "model": name, "version": version, "totals": totals }))
        });
        Ok(json!({ "models": models.collect::<crate::error::Result<Vec<_>>>()? }))
    };
    match read_state(state, read).await {
        Ok(Ok(totals)) => axum::Json(totals).into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        Err(panicked) => panicked.into_response(),
    }
}
