//! Models and their closed windows over HTTP, out of the state.

use super::caller::Caller;
use super::server_state::{ServerState, in_turn, read_state};
use crate::error::{Result, StateError};
use crate::explain::phrases::ShownValues;
use crate::net::roles::Role;
use crate::profile::instants;
use crate::report::history::{self, Past};
use crate::report::model_list::{self, ListedModel};
use crate::report::role;
use crate::store::ModelStore;
use crate::store::closed_windows::Query;
use axum::extract::{Path, Query as QueryString, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Closed windows in an answer, unless the request says how many, and at most.
const PAST_DEFAULT: u32 = 100;
const PAST_MAX: u32 = 1_000;

/// Which closed windows a request is about.
#[derive(Deserialize)]
pub struct PastQuery {
    version: Option<String>,
    window: Option<String>,
    /// ISO 8601, or seconds since 1970.
    from: Option<String>,
    to: Option<String>,
    /// The newest of each window.
    limit: Option<u32>,
    /// Rows by bin as well, of one feature.
    #[serde(default)]
    bins: bool,
}

/// What of the past of one model is asked for.
type PastOf<T> =
    Box<dyn Fn(&ModelStore, Option<&str>, &Query) -> Result<Vec<T>, StateError> + Send>;

/// The models that there are, and where each stands.
pub async fn models(State(state): State<Arc<ServerState>>) -> Response {
    let list = in_turn(Arc::clone(&state.renders), move || {
        let snapshot = state.published.load();
        let listed = snapshot.models.iter().map(|figures| {
            let live = state.health.models.of(&figures.name, &figures.version);
            let is_up = live.as_ref().is_some_and(|own| own.telemetry.up.get() == 1);
            let sources = live.into_iter().flat_map(|own| own.sources);
            ListedModel { figures, is_up, sources: sources.map(|own| own.name).collect() }
        });
        model_list::models(&listed.collect::<Vec<_>>())
    });
    match list.await {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(panicked) => panicked.into_response(),
    }
}

pub async fn past_windows(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    QueryString(query): QueryString<PastQuery>,
    caller: Caller,
) -> Response {
    let read: PastOf<_> = Box::new(ModelStore::past);
    past(state, (model, None), query, caller, read, |past, _| history::windows(&past)).await
}

pub async fn past_feature(
    State(state): State<Arc<ServerState>>,
    Path((model, feature)): Path<(String, String)>,
    QueryString(query): QueryString<PastQuery>,
    caller: Caller,
) -> Response {
    let has_bins = query.bins;
    if has_bins && !caller.sees_distributions() {
        return caller.refusal(Role::Distributions);
    }
    let is_open = caller.sees_distributions();
    if is_open {
        caller.note("distributions", &format!("{model}/{feature}"));
    }
    let wanted = feature.clone();
    let read: PastOf<_> =
        Box::new(move |store, window, query| store.past_of_feature(&feature, window, query));
    let snapshot = state.published.load();
    let own = snapshot.models.iter().filter(|own| own.name == model);
    let role = own.filter_map(|own| role(&own.predictions, &wanted)).next();
    let write =
        move |past: Vec<_>, shown| history::feature(&past, (has_bins, is_open), role, shown);
    past(state, (model, Some(wanted)), query, caller, read, write).await
}

async fn past<T: Send + 'static>(
    state: Arc<ServerState>,
    (model, feature): (String, Option<String>),
    query: PastQuery,
    caller: Caller,
    read: PastOf<T>,
    write: impl FnOnce(Vec<Past<T>>, ShownValues) -> String + Send + 'static,
) -> Response {
    let read = move |state: &ServerState| -> Result<String, (StatusCode, String)> {
        let bad = |key: &str| (StatusCode::BAD_REQUEST, format!("{key}: no time, see ISO 8601\n"));
        let time = |key, text: Option<&String>| match text {
            None => Ok(None),
            Some(text) => instants::parse(text, None).map(Some).ok_or_else(|| bad(key)),
        };
        let limit = Some(query.limit.unwrap_or(PAST_DEFAULT).min(PAST_MAX));
        let (from, to) = (time("from", query.from.as_ref())?, time("to", query.to.as_ref())?);
        let wanted = Query { from, to, limit };
        let found = past_of(state, &model, &query, |store, window| read(store, window, &wanted));
        let found = found.map_err(|e| (StatusCode::SERVICE_UNAVAILABLE, format!("{e}\n")))?;
        if found.is_empty() {
            // It may be that there cannot be any.
            unknown(state, &model, feature.as_deref(), &query).map_or(Ok(()), Err)?;
        }
        Ok(write(found, caller.shown(state.pages.values())))
    };
    match read_state(state, read).await {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(panicked) => panicked.into_response(),
    }
}

/// The answer to a request for a model, version, window or feature that is not there.
fn unknown(
    state: &ServerState,
    model: &str,
    feature: Option<&str>,
    query: &PastQuery,
) -> Option<(StatusCode, String)> {
    let snapshot = state.published.load();
    let all = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let of_model: Vec<_> = snapshot.models.iter().filter(|own| own.name == model).collect();
    let text = if of_model.is_empty() {
        let names = snapshot.models.iter().map(|own| own.name.as_str()).collect();
        format!("there is no model {model:?}; there are: {}\n", all(names))
    } else if let Some(version) = &query.version
        && !of_model.iter().any(|own| own.version == *version)
    {
        let names = of_model.iter().map(|own| own.version.as_str()).collect();
        format!("there is no version {version:?}; there are: {}\n", all(names))
    } else if let Some(window) = &query.window
        && !of_model.iter().any(|own| own.windows.iter().any(|own| own.name == *window))
    {
        let windows = of_model.iter().flat_map(|own| &own.windows);
        let names = windows.map(|own| own.name.as_str()).collect();
        format!("there is no window {window:?}; there are: {}\n", all(names))
    } else {
        // While references are loaded, nobody knows.
        let references: Option<Vec<_>> =
            of_model.iter().map(|own| own.reference.as_ref()).collect();
        let is_known = |name: &str| {
            references.as_ref().is_none_or(|all| {
                all.iter().any(|own| own.features.iter().any(|own| own.name == name))
            })
        };
        let name = feature.filter(|name| !is_known(name))?;
        format!("there is no feature {name:?} in the reference of model {model:?}\n")
    };
    Some((StatusCode::NOT_FOUND, text))
}

/// Of all versions, or of the one that is wanted.
fn past_of<T>(
    state: &ServerState,
    wanted: &str,
    which: &PastQuery,
    read: impl Fn(&ModelStore, Option<&str>) -> Result<Vec<T>, StateError>,
) -> Result<Vec<Past<T>>, StateError> {
    let mut found = Vec::new();
    for ((model, version), store) in state.models() {
        if model != wanted || which.version.as_ref().is_some_and(|wanted| *wanted != version) {
            continue;
        }
        found.extend(Past::of(&model, &version, read(&store, which.window.as_deref())?));
    }
    Ok(found)
}
