//! The daemon's pages, for people: all models, one window, one feature.

use super::caller::Caller;
use super::page_tag::PageTag;
use super::server_state::{ServerState, read_state};
use crate::error::{Result, StateError};
use crate::export::live::LiveSource;
use crate::monitor::figures::{WindowFigures, WindowSummary, WindowVerdict};
use crate::monitor::snapshot::{ModelSnapshot, WindowSnapshot};
use crate::net::roles::Role;
use crate::profile::instants;
use crate::report::feature_page::FeatureView;
use crate::report::history::FeatureOfWindow;
use crate::report::overview_page::{FileCounts, WatchedModel, WatchedSource, overview};
use crate::report::window_page::{FeatureFilter, Reading, Sight, WindowView};
use crate::store::ModelStore;
use crate::store::closed_windows::Query;
use crate::time::Timestamp;
use crate::totals::OF_WINDOWS;
use axum::extract::{Path, Query as QueryString, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

/// Past windows on a page, and of each feature of a table.
const PAST_MAX: u32 = 100;
const PAST_OF_TABLE: u32 = 30;
/// Files of a source whose faults are told.
const UNREADABLE_TOLD: u32 = 20;

#[derive(Deserialize)]
pub struct PageQuery {
    version: Option<String>,
    window: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    verdict: String,
    #[serde(default)]
    kind: String,
    page: Option<usize>,
    /// A closed window of those of its name: its number, its end, or when it closed where it has
    /// none, and which of several that ended then.
    slot: Option<u64>,
    end: Option<String>,
    closed: Option<String>,
    /// Of the page of a feature whose name cannot be part of a path.
    feature: Option<String>,
}

impl PageQuery {
    fn is_version(&self, version: &str) -> bool {
        self.version.as_deref().is_none_or(|wanted| wanted == version)
    }

    /// Whether a window is the one that is asked for.
    fn is_it(&self, figures: &WindowFigures) -> bool {
        let is_at = |asked: &Option<String>, time: Option<Timestamp>| {
            asked.is_none() || *asked == time.map(|time| time.to_string())
        };
        self.slot.is_none_or(|slot| figures.slot == slot)
            && is_at(&self.end, figures.end.or(figures.closed))
            && is_at(&self.closed, figures.closed)
    }

    /// Whether any is, and not the newest.
    fn is_of_the_past(&self) -> bool {
        self.slot.is_some() || self.end.is_some() || self.closed.is_some()
    }

    /// The windows that end as the one that is asked for; none where it does not say when.
    fn at_its_end(&self) -> Option<Query> {
        let end = instants::parse(self.end.as_deref()?, None)?;
        let to = Some(Timestamp(end.0.saturating_add(1)));
        Some(Query { from: Some(end), to, limit: Some(PAST_MAX) })
    }
}

/// A page, none where there is no such thing, or why the state has none.
type Page = Result<Option<String>, StateError>;

pub async fn overview_page(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    caller: Caller,
) -> Response {
    let snapshot = state.published.load();
    let reads = caller.has(Role::Read);
    let page = move |state: &ServerState| -> Result<(PageTag, String), StateError> {
        let mut watched = Vec::new();
        for figures in &snapshot.models {
            let store = state.model(&figures.name, &figures.version);
            let store = store.as_ref();
            let mut past = Vec::new();
            for window in &figures.windows {
                let query = Query { limit: Some(PAST_MAX), ..Query::default() };
                past.push(match store {
                    Some(store) => store.past_counts(&window.name, &query)?,
                    None => Vec::new(),
                });
            }
            let live = state.health.models.of(&figures.name, &figures.version);
            let is_up = live.as_ref().is_none_or(|own| own.telemetry.up.get() == 1);
            let sources = live.into_iter().flat_map(|own| own.sources);
            let sources = sources.map(|own| watched_source(own, store.filter(|_| reads)));
            let sources = sources.collect::<Result<Vec<_>, _>>()?;
            watched.push(WatchedModel { figures, is_up, sources, past });
        }
        let page = overview(&watched);
        Ok((PageTag::of(&page), page))
    };
    match read_state(state, page).await {
        Ok(Ok((tag, _))) if tag.is_known_to(&headers) => tag.unchanged(),
        Ok(Ok((tag, page))) => tag.page(page),
        Ok(Err(error)) => unavailable(&error),
        Err(panicked) => panicked.into_response(),
    }
}

fn watched_source(
    source: LiveSource,
    store: Option<&ModelStore>,
) -> Result<WatchedSource, StateError> {
    let own = &source.telemetry;
    let files = FileCounts {
        waiting: own.files_pending.get(),
        stuck: own.files_stuck.get(),
        unreadable: own.files_quarantined.get(),
        ignored: own.files_ignored.get(),
    };
    let unreadable = match store.filter(|_| files.unreadable > 0) {
        Some(store) => store.unreadable(&source.name, UNREADABLE_TOLD)?,
        None => Vec::new(),
    };
    let time = |micros: i64| (micros > 0).then_some(Timestamp(micros));
    Ok(WatchedSource {
        files,
        waits_since: time(own.oldest_pending.get()),
        last_success: time(own.last_success.get()),
        unreadable: unreadable
            .into_iter()
            .map(|(path, why)| (path.display().to_string(), why))
            .collect(),
        name: source.name,
    })
}

pub async fn window_page(
    State(state): State<Arc<ServerState>>,
    Path(name): Path<String>,
    QueryString(query): QueryString<PageQuery>,
    headers: HeaderMap,
    caller: Caller,
) -> Response {
    let sight = sight(&state, &caller);
    let snapshot = state.published.load();
    let mut models = snapshot.models.iter();
    let Some(model) = models.find(|own| own.name == name && query.is_version(&own.version)) else {
        return not_found();
    };
    let wanted = query.window.as_deref();
    let mut windows = model.windows.iter();
    let Some(at) = windows.position(|own| wanted.is_none_or(|wanted| own.name == wanted)) else {
        return not_found();
    };
    let tag = tag_of(&state, &[model.as_ref()], sight);
    if tag.is_known_to(&headers) {
        return tag.unchanged();
    }
    if sight.has_bins {
        caller.note("distributions", &name);
    }
    let model = Arc::clone(model);
    let page = read_state(state, move |state| -> Page {
        let store = state.model(&model.name, &model.version);
        window_view(&model, &model.windows[at], store.as_ref(), &query, sight)
    });
    shown(tag, page.await)
}

/// The page of a window that is chosen, out of the picture or, of one before it, out of the state.
fn window_view(
    model: &ModelSnapshot,
    window: &WindowSnapshot,
    store: Option<&ModelStore>,
    query: &PageQuery,
    sight: Sight,
) -> Page {
    let latest = window.latest.as_deref();
    let newest = Query { limit: Some(PAST_MAX), ..Query::default() };
    let past: Vec<WindowSummary> = match store {
        Some(store) => store.past(Some(&window.name), &newest)?,
        None => Vec::new(),
    };
    let mut before = None;
    if query.is_of_the_past() && !latest.is_some_and(|own| query.is_it(own)) {
        let (Some(store), Some(wanted)) = (store, query.at_its_end()) else { return Ok(None) };
        store.each_window(&window.name, &wanted, &mut |own| {
            before = Some(own).filter(|own| query.is_it(own)).or(before.take());
        })?;
        if before.is_none() {
            return Ok(None);
        }
    }
    // What is shown no more since a window was accepted is still what closed last.
    if let (None, None, Some(store)) = (latest, &before, store) {
        let last = Query { limit: Some(1), ..Query::default() };
        store.each_window(&window.name, &last, &mut |own| before = Some(own))?;
    }
    let filter = FeatureFilter {
        name: query.name.clone(),
        verdict: query.verdict.clone(),
        kind: query.kind.clone(),
        page: query.page.unwrap_or(1),
    };
    let figures = before.as_ref().or(latest);
    let view = WindowView { model, window, figures, past: &past, filter: &filter, sight };
    let readings = |names: &[&str]| match store {
        Some(store) => store.recent_features(&window.name, names, PAST_OF_TABLE, Reading::of),
        None => Ok(Default::default()),
    };
    view.page(readings).map(Some)
}

/// One feature over time, out of the state.
pub async fn one_feature_page(
    State(state): State<Arc<ServerState>>,
    Path((model, feature)): Path<(String, String)>,
    QueryString(query): QueryString<PageQuery>,
    headers: HeaderMap,
    caller: Caller,
) -> Response {
    let sight = sight(&state, &caller);
    let snapshot = state.published.load();
    let of_model = snapshot.models.iter().filter(|own| own.name == model);
    let of_model: Vec<&ModelSnapshot> = of_model.map(AsRef::as_ref).collect();
    let tag = tag_of(&state, &of_model, sight);
    if tag.is_known_to(&headers) {
        return tag.unchanged();
    }
    if sight.has_bins {
        caller.note("distributions", &format!("{model}/{feature}"));
    }
    let page = read_state(state, move |state| -> Page {
        for ((name, version), store) in state.models() {
            if name != model || !query.is_version(&version) {
                continue;
            }
            let limit = Query { limit: Some(PAST_MAX), ..Query::default() };
            let window = query.window.as_deref();
            let mut past = store.past_of_feature(&feature, window, &limit)?;
            if !past.iter().any(|(own, _)| query.is_it(own))
                && let Some(wanted) = query.at_its_end()
            {
                // It closed before all of these.
                let mut before = store.past_of_feature(&feature, window, &wanted)?;
                before.retain(|(own, _)| query.is_it(own));
                past.splice(0..0, before);
            }
            // Of one window: the one that is asked for, or the first.
            let first = past.first().map(|(figures, _)| figures.window.clone());
            let is_first = |own: &FeatureOfWindow| Some(&own.0.window) == first.as_ref();
            let past: Vec<_> = past.into_iter().filter(is_first).collect();
            let chosen = match query.is_of_the_past() {
                true => past.iter().rposition(|(own, _)| query.is_it(own)),
                false => past.len().checked_sub(1),
            };
            let own = snapshot.models.iter().find(|own| own.name == name && own.version == version);
            let predictions = own.map_or(&[][..], |own| &own.predictions);
            let (model, version, past) = (&*name, &*version, &*past);
            let page = chosen.and_then(|chosen| {
                FeatureView { model, version, past, chosen, predictions, sight }.page()
            });
            if page.is_some() {
                return Ok(page);
            }
        }
        Ok(None)
    });
    shown(tag, page.await)
}

/// The same of a feature whose name no part of a path can be: nothing, or dots alone.
pub async fn nameless_feature_page(
    state: State<Arc<ServerState>>,
    Path(model): Path<String>,
    mut query: QueryString<PageQuery>,
    headers: HeaderMap,
    caller: Caller,
) -> Response {
    let feature = query.feature.take().unwrap_or_default();
    one_feature_page(state, Path((model, feature)), query, headers, caller).await
}

/// A tag that changes when a window of a model closes or its reference is loaded, and while none
/// has closed when rows are counted.
fn tag_of(state: &ServerState, models: &[&ModelSnapshot], sight: Sight) -> PageTag {
    let marks = models.iter().map(|model| {
        let windows = model.windows.iter().map(|own| {
            let latest = own.latest.as_ref().map(|own| (own.slot, own.end, own.closed, own.rows));
            let closed = WindowVerdict::ALL
                .map(|verdict| model.totals.get(OF_WINDOWS, &own.name, verdict.name()));
            (&own.name, latest, closed, if latest.is_none() { own.open_rows } else { 0 })
        });
        let reference = model.reference.as_ref().map(|own| own.content);
        let is_stored = state.model(&model.name, &model.version).is_some();
        (&model.name, &model.version, reference, is_stored, windows.collect::<Vec<_>>())
    });
    PageTag::of(&(sight, marks.collect::<Vec<_>>()))
}

fn sight(state: &ServerState, caller: &Caller) -> Sight {
    let (has_bins, shown) = (caller.sees_distributions(), caller.shown(state.pages.values()));
    Sight { has_bins, shown }
}

fn shown(tag: PageTag, page: std::result::Result<Page, StatusCode>) -> Response {
    match page {
        Ok(Ok(Some(page))) => tag.page(page),
        Ok(Ok(None)) => not_found(),
        Ok(Err(error)) => unavailable(&error),
        Err(status) => status.into_response(),
    }
}

fn not_found() -> Response {
    let text = "there is no such model, window or feature, or no window of it has closed\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

fn unavailable(error: &StateError) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
}
