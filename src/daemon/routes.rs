//! What the daemon answers over HTTP.

use super::caller::{Caller, require};
use super::metrics_route::metrics;
use super::page_routes::{nameless_feature_page, one_feature_page, overview_page, window_page};
use super::past_routes::{models, past_feature, past_windows};
use super::reference_routes::{accept, acceptances, undo};
use super::reloading::ChangeRequest;
use super::runbooks::{runbook, runbooks};
use super::same_site::same_site;
use super::server_state::{ServerState, in_turn, read_state};
use crate::net::roles::Role;
use crate::report::Report;
use crate::report::html::html;
use crate::report::json::json;
use crate::source::http::EventsQuery;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

pub fn routes(state: ServerState) -> Router {
    let state = Arc::new(state);
    let of = |role: Role, routes: Router<Arc<ServerState>>| {
        routes.route_layer(from_fn_with_state((Arc::clone(&state), role), require))
    };
    let of_metrics = Router::new()
        .route("/", get(overview_page))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/runbooks", get(runbooks))
        .route("/runbooks/{alert}", get(runbook));
    let of_reload = Router::new()
        .route("/-/reload", post(reload).put(reload))
        .route("/api/v1/models/{model}/reference", post(accept).delete(undo))
        .route_layer(from_fn(same_site));
    let of_read = Router::new()
        .route("/models/{model}", get(window_page))
        .route("/models/{model}/features/{feature}", get(one_feature_page))
        .route("/models/{model}/features/", get(nameless_feature_page))
        .route("/api/v1/report", get(report))
        .route("/api/v1/report.html", get(report_page))
        .route("/api/v1/state", get(totals))
        .route("/api/v1/models", get(models))
        .route("/api/v1/models/{model}/windows", get(past_windows))
        .route("/api/v1/models/{model}/reference", get(acceptances))
        .route("/api/v1/models/{model}/features/{feature}", get(past_feature));
    let of_write = Router::new().route("/api/v1/models/{model}/events", post(events));
    of(Role::Metrics, of_metrics)
        .merge(of(Role::Reload, of_reload))
        .merge(of(Role::Read, of_read))
        .merge(of(Role::Write, of_write))
        .with_state(Arc::clone(&state))
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
async fn reload(State(state): State<Arc<ServerState>>, caller: Caller) -> (StatusCode, String) {
    caller.note("reload", "configuration");
    let Some(changes) = &state.changes else {
        let text = "reload over HTTP is not enabled; set server.reload, or send SIGHUP\n";
        return (StatusCode::FORBIDDEN, text.to_owned());
    };
    let (answer, outcome) = oneshot::channel();
    let is_sent = changes.send(ChangeRequest::Reload(answer)).await.is_ok();
    match outcome.await {
        Ok(Ok(())) => (StatusCode::OK, "configuration reloaded\n".to_owned()),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        Err(_) if is_sent => (StatusCode::SERVICE_UNAVAILABLE, "driftd is stopping\n".to_owned()),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "driftd is not running\n".to_owned()),
    }
}

async fn events(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    state.endpoints.receive(&model, &query, &headers, body).await
}

async fn report(State(state): State<Arc<ServerState>>, caller: Caller) -> Response {
    written_report(state, &caller, json, "application/json").await
}

async fn report_page(State(state): State<Arc<ServerState>>, caller: Caller) -> Response {
    written_report(state, &caller, html, "text/html; charset=utf-8").await
}

/// The latest window of each, as far as the caller may see it.
async fn written_report(
    state: Arc<ServerState>,
    caller: &Caller,
    write: fn(&[Report<'_>]) -> String,
    content_type: &'static str,
) -> Response {
    let shown = caller.shown(state.pages.values());
    let has_bins = caller.sees_distributions();
    if has_bins {
        caller.note("distributions", "report");
    }
    // A report of many features takes a while to write, as a page does.
    let turns = Arc::clone(&state.renders);
    let body = in_turn(turns, move || {
        let snapshot = state.published.load();
        let reports = snapshot.models.iter().flat_map(|model| {
            let latest = model.windows.iter().filter_map(|window| window.latest.as_deref());
            latest.map(|figures| Report {
                model: &model.name,
                version: &model.version,
                reference: model.compared_with(figures),
                figures,
                has_bins,
                shown,
                predictions: &model.predictions,
            })
        });
        write(&reports.collect::<Vec<_>>())
    });
    match body.await {
        Ok(body) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Err(panicked) => panicked.into_response(),
    }
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
