//! The daemon's pages, for people: all models, one window, one feature.

use super::caller::Caller;
use super::server_state::{ServerState, in_turn, read_state};
use crate::error::{Result, StateError};
use crate::monitor::figures::{ReferenceFeatureFigures, WindowFigures};
use crate::report::model_pages::{
    FeatureFilter, Sight, SourceRow, feature_page, model_page, overview,
};
use crate::store::closed_windows::Query;
use crate::telemetry::Gauge;
use axum::extract::{Path, Query as QueryString, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

/// Past windows on the page of a feature.
const PAST_MAX: u32 = 100;

#[derive(Deserialize)]
pub struct PageQuery {
    version: Option<String>,
    window: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    verdict: String,
    page: Option<usize>,
    /// The window of a feature's page, by its number and its end.
    slot: Option<u64>,
    end: Option<String>,
}

pub async fn overview_page(State(state): State<Arc<ServerState>>) -> Response {
    let turns = Arc::clone(&state.renders);
    let page = in_turn(turns, move || {
        let snapshot = state.published.load();
        let sources = snapshot.models.iter().map(|model| {
            let sources = state.health.models.sources(&model.name, &model.version);
            let rows = sources.into_iter().map(|source| {
                let own = &source.telemetry;
                let files = [
                    &own.files_pending,
                    &own.files_stuck,
                    &own.files_quarantined,
                    &own.files_ignored,
                ];
                SourceRow { name: source.name, files: files.map(Gauge::get) }
            });
            rows.collect()
        });
        let sources: Vec<Vec<SourceRow>> = sources.collect();
        overview(&snapshot, &sources)
    });
    shown(page.await.map(Some))
}

pub async fn window_page(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    QueryString(query): QueryString<PageQuery>,
    caller: Caller,
) -> Response {
    let sight = sight(&state, &caller);
    if sight.has_bins {
        caller.note("distributions", &model);
    }
    let turns = Arc::clone(&state.renders);
    let page = in_turn(turns, move || {
        let snapshot = state.published.load();
        let is_it = |version: &String| query.version.as_ref().is_none_or(|own| own == version);
        let mut models = snapshot.models.iter();
        let model = models.find(|own| own.name == model && is_it(&own.version))?;
        let filter = FeatureFilter {
            window: query.window,
            name: query.name,
            verdict: query.verdict,
            page: query.page.unwrap_or(1),
        };
        model_page(model, &filter, sight)
    });
    shown(page.await)
}

/// One feature over time, out of the state.
pub async fn one_feature_page(
    State(state): State<Arc<ServerState>>,
    Path((model, feature)): Path<(String, String)>,
    QueryString(query): QueryString<PageQuery>,
    caller: Caller,
) -> Response {
    let sight = sight(&state, &caller);
    if sight.has_bins {
        caller.note("distributions", &format!("{model}/{feature}"));
    }
    let read = move |state: &ServerState| -> Result<Option<String>, StateError> {
        for ((name, version), store) in state.models() {
            if name != model || query.version.as_ref().is_some_and(|wanted| *wanted != version) {
                continue;
            }
            let limit = Query { limit: Some(PAST_MAX), ..Query::default() };
            let past = store.past_of_feature(&feature, query.window.as_deref(), &limit)?;
            // Of one window: the one that is asked for, or the first.
            let first = past.first().map(|(figures, _)| figures.window.clone());
            let past: Vec<_> =
                past.into_iter().filter(|(own, _)| Some(&own.window) == first.as_ref()).collect();
            let chosen = chosen(&past, query.slot, query.end.as_deref());
            let page = chosen.and_then(|at| feature_page((&name, &version), &past, at, sight));
            if page.is_some() {
                return Ok(page);
            }
        }
        Ok(None)
    };
    match read_state(state, read).await {
        Ok(Ok(page)) => shown(Ok(page)),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(panicked) => panicked.into_response(),
    }
}

/// The same of the feature whose name is empty, which no part of a path can be.
pub async fn nameless_feature_page(
    state: State<Arc<ServerState>>,
    Path(model): Path<String>,
    query: QueryString<PageQuery>,
    caller: Caller,
) -> Response {
    one_feature_page(state, Path((model, String::new())), query, caller).await
}

/// The window with this number that ended then, or the last.
fn chosen(
    past: &[(WindowFigures, Option<ReferenceFeatureFigures>)],
    slot: Option<u64>,
    end: Option<&str>,
) -> Option<usize> {
    if slot.is_none() && end.is_none() {
        return past.len().checked_sub(1);
    }
    past.iter().position(|(own, _)| {
        let time = own.end.or(own.closed).map(|time| time.to_string());
        slot.is_none_or(|slot| own.slot == slot) && (end.is_none() || time.as_deref() == end)
    })
}

fn sight(state: &ServerState, caller: &Caller) -> Sight {
    let (has_bins, shown) = (caller.sees_distributions(), caller.shown(state.pages.values()));
    Sight { has_bins, shown }
}

fn shown(page: std::result::Result<Option<String>, StatusCode>) -> Response {
    match page {
        Ok(Some(page)) => Html(page).into_response(),
        Ok(None) => {
            let text = "there is no such model, window or feature, or no window of it has closed\n";
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Err(status) => status.into_response(),
    }
}
