//! What the daemon answers over HTTP.

use crate::export::page::{CONTENT_TYPE, Encoding, Pages};
use crate::monitor::snapshot::Published;
use crate::report::Report;
use crate::report::json::json;
use crate::store::ModelStore;
use crate::telemetry::ProcessTelemetry;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the routes read; none of them changes anything.
pub struct ServerState {
    pub pages: Pages,
    pub published: Arc<Published>,
    pub process: Arc<ProcessTelemetry>,
    /// Name and version, and the model's part of the state.
    pub models: Vec<((String, String), ModelStore)>,
}

const INDEX: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>driftd</title>\
    <h1>driftd</h1><ul><li><a href=\"/metrics\">Metrics</a> for Prometheus\
    <li><a href=\"/api/v1/report\">Report</a> of the latest windows\
    <li><a href=\"/api/v1/state\">State</a>: totals over all runs\
    <li><a href=\"/-/healthy\">Health</a> and <a href=\"/-/ready\">readiness</a></ul></html>";

pub fn routes(state: ServerState) -> Router {
    Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "driftd is healthy.\n" }))
        .route("/-/ready", get(ready))
        .route("/api/v1/report", get(report))
        .route("/api/v1/state", get(totals))
        .with_state(Arc::new(state))
}

async fn metrics(State(state): State<Arc<ServerState>>, headers: HeaderMap) -> Response {
    let encoding = if accepts_gzip(&headers) { Encoding::Gzip } else { Encoding::Plain };
    // Encoding many series takes a while, and the threads here also accept connections.
    let page = tokio::task::spawn_blocking(move || state.pages.render(encoding)).await;
    match (page, encoding) {
        (Err(_), _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (Ok(page), Encoding::Plain) => {
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response()
        }
        (Ok(page), Encoding::Gzip) => {
            let headers =
                [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CONTENT_ENCODING, "gzip")];
            (headers, page).into_response()
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

async fn ready(State(state): State<Arc<ServerState>>) -> (StatusCode, String) {
    let (ready, all) = (state.process.models_ready.get(), state.models.len());
    if ready == all as u64 {
        return (StatusCode::OK, "driftd is ready.\n".to_owned());
    }
    let text = format!("driftd is starting: {ready} of {all} models are ready.\n");
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn report(State(state): State<Arc<ServerState>>) -> Response {
    let snapshot = state.published.load();
    let reports = snapshot.models.iter().flat_map(|model| {
        let latest = model.windows.iter().filter_map(|window| window.latest.as_deref());
        latest.map(|figures| Report {
            model: &model.name,
            version: &model.version,
            reference: model.reference.as_deref(),
            figures,
        })
    });
    let body = json(&reports.collect::<Vec<_>>());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn totals(State(state): State<Arc<ServerState>>) -> Response {
    let read = move || -> crate::error::Result<Value> {
        let models = state.models.iter().map(|((name, version), store)| {
            let totals = store.totals()?;
            Ok(json!({ "model": name, "version": version, "totals": totals }))
        });
        Ok(json!({ "models": models.collect::<crate::error::Result<Vec<_>>>()? }))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(totals)) => axum::Json(totals).into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
