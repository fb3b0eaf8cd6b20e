//! All models: what their latest windows came to, and what their sources do.

use super::acceptance_entry::accepted_words;
use super::column_chart::shares_over_time;
use super::feature_section::short_name;
use super::feature_table::moment;
use super::page_frame::{live_page, live_part, scrolled};
use super::page_links::{model_name, window_link};
use super::ranking::{conclusion, window_class};
use crate::explain::number::percent;
use crate::monitor::figures::WindowSummary;
use crate::monitor::snapshot::{ModelSnapshot, WindowSnapshot};
use crate::telemetry::RejectReason;
use crate::time::Timestamp;
use crate::totals::{self, OF_SOURCES};
use maud::{Markup, html};

/// A model that is watched.
pub struct WatchedModel<'a> {
    pub figures: &'a ModelSnapshot,
    pub is_up: bool,
    pub sources: Vec<WatchedSource>,
    /// Closed windows, oldest first, in the order of the model's windows.
    pub past: Vec<Vec<WindowSummary>>,
}

/// A source of a model.
pub struct WatchedSource {
    pub name: String,
    pub files: FileCounts,
    /// When the oldest file that waits was first seen.
    pub waits_since: Option<Timestamp>,
    /// The last listing or message that worked.
    pub last_success: Option<Timestamp>,
    /// Files that cannot be read, and why; not all where there are many.
    pub unreadable: Vec<(String, String)>,
}

/// Files of a source that were seen and not counted.
#[derive(Clone, Copy)]
pub struct FileCounts {
    pub waiting: i64,
    pub stuck: i64,
    pub unreadable: i64,
    pub ignored: i64,
}

impl FileCounts {
    /// What keeps them from being counted.
    fn told(self) -> [(i64, &'static str, &'static str); 4] {
        [
            (self.waiting, "waiting", "not complete, or not counted yet"),
            (self.stuck, "stuck", "not complete, and not growing"),
            (self.unreadable, "unreadable", "left out until they change"),
            (self.ignored, "ignored", "their names end otherwise than the source's files do"),
        ]
    }
}

/// The first page.
pub fn overview(models: &[WatchedModel<'_>]) -> String {
    live_page(
        "driftd",
        &html! {
            header { h1 { "driftd" } }
            main { (live_part("models", &html! {
                @if models.is_empty() { p { "No model is watched." } }
                @for model in models { (model_part(model)) }
            })) }
            nav aria-label="More" { p {
                a href="api/v1/report.html" { "Report of the latest windows" } " · "
                a href="metrics" { "Metrics" } " · "
                a href="runbooks" { "Runbooks" } " · "
                a href="-/ready" { "Readiness" }
            } }
        },
    )
}

fn model_part(model: &WatchedModel<'_>) -> Markup {
    let figures = model.figures;
    html! {
        h2 { bdi { (model_name(&figures.name, &figures.version)) } }
        @match (model.is_up, &figures.reference) {
            (false, _) => { p.drifted { "It has failed and waits to be started again." } }
            (true, None) => { p.soft { "The reference is being loaded." } }
            (true, Some(reference)) => { p.soft {
                (reference.features.len()) " features against " (reference.rows)
                " rows of the reference"
            } }
        }
        @if let Some(accepted) = &figures.accepted { p.soft { (accepted_words(accepted)) } }
        (windows_of(model))
        (sources_of(model))
    }
}

fn windows_of(model: &WatchedModel<'_>) -> Markup {
    let windows = model.figures.windows.iter();
    html! {
        div.scroll { table {
            caption { "Windows" }
            thead { tr {
                th { "window" } th { "latest" } th.number { "drifted" } th { "over time" }
                th { "ended" } th.number { "rows" } th.number { "rows in the open one" }
            } }
            tbody { @for (at, window) in windows.enumerate() {
                (window_row(model.figures, window, model.past.get(at).map_or(&[], Vec::as_slice)))
            } }
        } }
    }
}

fn window_row(model: &ModelSnapshot, window: &WindowSnapshot, past: &[WindowSummary]) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href=(window_link(model, &window.name)) { bdi { (short_name(&window.name)) } }
            }
            @match &window.latest {
                Some(latest) => {
                    td.(window_class(latest)) { (conclusion(latest)) }
                    td.number { (latest.drifted_ratio().map(percent).unwrap_or_default()) }
                    td { (shares_over_time(past, 4, 24)) }
                    td { @if let Some(end) = latest.end.or(latest.closed) { (moment(end)) } }
                    td.number { (latest.rows) }
                }
                None => {
                    @let when = if model.accepted.is_some() { "since" } else { "yet" };
                    td.soft { "none has closed " (when) } td {} td {} td {} td {}
                }
            }
            td.number { (window.open_rows) }
        }
    }
}

fn sources_of(model: &WatchedModel<'_>) -> Markup {
    let totals = &model.figures.totals;
    let table = html! { table {
        caption { "Sources" }
        thead { tr {
            th { "source" } th.number { "rows" } th.number { "late" }
            th.number { "rejected" } th { "files not counted" } th { "worked last" }
        } }
        tbody { @for source in &model.sources {
            @let total = |name: &str| totals.get(OF_SOURCES, &source.name, name);
            tr {
                th scope="row" { bdi { (short_name(&source.name)) } }
                td.number { (total(totals::ROWS)) }
                td.number { (total(totals::ROWS_LATE)) }
                td.number {
                    (total(totals::ROWS_REJECTED))
                    @for reason in RejectReason::ALL {
                        @if total(reason.total()) > 0 {
                            br;
                            span.soft {
                                (total(reason.total())) " " (reason.name().replace('_', " "))
                            }
                        }
                    }
                }
                td.facts { (files_of(&model.figures.name, source)) }
                // It changes with every look at a directory, and is no news.
                td data-restless {
                    @if let Some(time) = source.last_success { (moment(time)) }
                }
            }
        } }
    } };
    scrolled("Sources", &table)
}

fn files_of(model: &str, source: &WatchedSource) -> Markup {
    let told = source.files.told();
    let told = told.iter().filter(|(number, ..)| *number > 0);
    let key = format!("{model}/{}", source.name);
    html! {
        @for (number, state, why) in told {
            div {
                (number) " " (state)
                span.soft {
                    ": " (why)
                    @if *state == "waiting" {
                        @if let Some(since) = source.waits_since { ", since " (moment(since)) }
                    }
                }
            }
        }
        @if !source.unreadable.is_empty() {
            details data-key=(key) {
                summary { "Which, and why" }
                ul { @for (path, reason) in &source.unreadable {
                    li { code { bdi { (short_name(path)) } } ": " bdi { (short_name(reason)) } }
                } }
            }
        }
    }
}
