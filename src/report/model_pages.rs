//! Pages of the daemon: all models, the features of one window, one feature over time.

use super::Report;
use super::feature_section::{feature_section, short_name};
use super::feature_table::{by_name, feature_row, moment, table_head, window_head, worst_bar};
use super::page_frame::frame;
use super::ranking::{conclusion, sort_worst_first, verdict, verdict_class, window_class};
use crate::explain::number::{percent, short};
use crate::explain::phrases::ShownValues;
use crate::monitor::figures::{FeatureFigures, ReferenceFeatureFigures, WindowFigures};
use crate::monitor::label::label_value;
use crate::monitor::snapshot::{ModelSnapshot, Snapshot};
use crate::totals::{self, OF_SOURCES, Totals};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Features on one page.
const FEATURES_PER_PAGE: usize = 500;

/// A source, and its files that wait, are stuck, unreadable or ignored.
pub struct SourceRow {
    pub name: String,
    pub files: [i64; 4],
}

/// Which features of which window are asked for.
#[derive(Debug, Clone, Default)]
pub struct FeatureFilter {
    pub window: Option<String>,
    /// Part of a name, in any case.
    pub name: String,
    /// `drifted`, `ok` or a status; empty for all.
    pub verdict: String,
    /// From 1.
    pub page: usize,
}

/// What may be told to whoever asks.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    pub has_bins: bool,
    pub shown: ShownValues,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn model_name(model: &ModelSnapshot) -> String {
    match model.version.as_str() {
        "" => short_name(&model.name),
        version => format!("{} {}", short_name(&model.name), short_name(version)),
    }
}

/// A window of a model, from a page at the root of the server.
fn window_link(model: &ModelSnapshot, window: &str) -> String {
    let (name, version, window) = (encoded(&model.name), encoded(&model.version), encoded(window));
    format!("models/{name}?version={version}&window={window}")
}

/// All models: what their latest windows came to, and what their sources do.
pub fn overview(snapshot: &Snapshot, sources: &[Vec<SourceRow>]) -> String {
    frame(
        "driftd",
        &html! {
            header { h1 { "driftd" } }
            main {
                @if snapshot.models.is_empty() { p { "No model is watched." } }
                @for (model, sources) in snapshot.models.iter().zip(sources) {
                    h2 { bdi { (model_name(model)) } }
                    (windows_of(model))
                    (sources_of(sources, &model.totals))
                }
            }
            nav aria-label="More" { p {
                a href="api/v1/report.html" { "Report of the latest windows" } " · "
                a href="metrics" { "Metrics" } " · "
                a href="runbooks" { "Runbooks" } " · "
                a href="-/ready" { "Readiness" }
            } }
        },
    )
}

fn windows_of(model: &ModelSnapshot) -> Markup {
    html! {
        @if model.reference.is_none() { p.soft { "The reference is being loaded." } }
        div.scroll { table {
            caption { "Windows" }
            thead { tr {
                th { "window" } th { "latest" } th.number { "drifted" } th { "ended" }
                th.number { "rows" } th.number { "rows in the open one" }
            } }
            tbody { @for window in &model.windows {
                tr {
                    th scope="row" {
                        a href=(window_link(model, &window.name)) {
                            bdi { (short_name(&window.name)) }
                        }
                    }
                    @match &window.latest {
                        Some(latest) => {
                            td.(window_class(latest)) { (conclusion(latest)) }
                            td.number { (latest.drifted_ratio().map(percent).unwrap_or_default()) }
                            td {
                                @if let Some(end) = latest.end.or(latest.closed) { (moment(end)) }
                            }
                            td.number { (latest.rows) }
                        }
                        None => { td.soft { "none has closed yet" } td {} td {} td {} }
                    }
                    td.number { (window.open_rows) }
                }
            } }
        } }
    }
}

fn sources_of(sources: &[SourceRow], totals: &Totals) -> Markup {
    let total = |source: &str, name: &str| totals.get(OF_SOURCES, source, name);
    html! {
        div.scroll { table {
            caption { "Sources" }
            thead { tr {
                th { "source" } th.number { "rows" } th.number { "late" }
                @for state in ["waiting", "stuck", "unreadable", "ignored"] {
                    th.number { "files " (state) }
                }
            } }
            tbody { @for source in sources {
                tr {
                    th scope="row" { bdi { (short_name(&source.name)) } }
                    td.number { (total(&source.name, totals::ROWS)) }
                    td.number { (total(&source.name, totals::ROWS_LATE)) }
                    @for files in source.files { td.number { (files) } }
                }
            } }
        } }
    }
}

/// The features of a model's window, worst first; none where there is no such window.
pub fn model_page(model: &ModelSnapshot, filter: &FeatureFilter, sight: Sight) -> Option<String> {
    let wanted = filter.window.as_deref();
    let window = model.windows.iter().find(|own| wanted.is_none_or(|wanted| own.name == wanted))?;
    let title = format!("{}, window {}", model_name(model), short_name(&window.name));
    let body = html! {
        header {
            p { a href="../" { "All models" } }
            h1 { bdi { (title) } }
        }
        main {
            @if model.windows.len() > 1 { nav aria-label="Windows" { p {
                "Windows: "
                @for own in &model.windows {
                    a href={ "../" (window_link(model, &own.name)) }
                        aria-current=[(own.name == window.name).then_some("page")] {
                        bdi { (short_name(&own.name)) }
                    } " "
                }
            } } }
            @match &window.latest {
                Some(latest) => { (features_of(model, latest, filter, sight)) }
                None => {
                    p { "No window has closed yet; " (window.open_rows) " rows are counted." }
                }
            }
        }
    };
    Some(frame(&title, &body))
}

fn features_of(
    model: &ModelSnapshot,
    latest: &WindowFigures,
    filter: &FeatureFilter,
    sight: Sight,
) -> Markup {
    let reference = model.compared_with(latest);
    let report = Report {
        model: &model.name,
        version: &model.version,
        reference,
        figures: latest,
        has_bins: sight.has_bins,
        shown: sight.shown,
    };
    let name = filter.name.to_lowercase();
    let is_wanted = |feature: &&FeatureFigures| {
        let own = match feature.drifted {
            Some(true) => "drifted",
            Some(false) => "ok",
            None => feature.status.name(),
        };
        feature.name.to_lowercase().contains(&name)
            && (filter.verdict.is_empty() || filter.verdict == own)
    };
    let mut features: Vec<&FeatureFigures> = latest.features.iter().filter(is_wanted).collect();
    sort_worst_first(&mut features);
    let pages = features.len().div_ceil(FEATURES_PER_PAGE).max(1);
    let page = filter.page.clamp(1, pages);
    let shown = features.iter().skip((page - 1) * FEATURES_PER_PAGE).take(FEATURES_PER_PAGE);
    let of_reference = by_name(reference);
    let query = format!("version={}&window={}", encoded(&model.version), encoded(&latest.window));
    let link = |feature: &FeatureFigures| {
        format!("{}/features/{}?{query}", encoded(&model.name), encoded(&feature.name))
    };
    html! {
        (window_head(&report))
        (filter_form(model, latest, filter))
        p.soft { (features.len()) " of " (latest.features.len()) " features" }
        div.scroll { table {
            (table_head())
            tbody { @for feature in shown {
                (feature_row(feature, of_reference.get(feature.name.as_str()).copied(), &report,
                    Some(link(feature))))
            } }
        } }
        @if pages > 1 { nav aria-label="Pages" { p {
            "Page " (page) " of " (pages) ". "
            @for other in [page.saturating_sub(1), page + 1] {
                @if (1..=pages).contains(&other) {
                    a href={ "?" (query) "&name=" (encoded(&filter.name)) "&verdict="
                        (encoded(&filter.verdict)) "&page=" (other) } { "Page " (other) } " "
                }
            }
        } } }
    }
}

fn filter_form(model: &ModelSnapshot, latest: &WindowFigures, filter: &FeatureFilter) -> Markup {
    html! {
        form method="get" {
            input type="hidden" name="version" value=(model.version);
            input type="hidden" name="window" value=(latest.window);
            label { "Name " input type="search" name="name" value=(filter.name); } " "
            label { "Verdict "
                select name="verdict" {
                    @for (value, told) in [("", "all"), ("drifted", "drifted"), ("ok", "ok"),
                        ("too_few_rows", "too few rows"), ("absent", "absent"),
                        ("muted", "muted")] {
                        option value=(value) selected[value == filter.verdict] { (told) }
                    }
                }
            } " "
            button { "Show" }
        }
    }
}

/// One feature in the closed windows of one name, oldest first, and the one of them that is chosen;
/// none where there is none.
pub fn feature_page(
    (model, version): (&str, &str),
    past: &[(WindowFigures, Option<ReferenceFeatureFigures>)],
    chosen: usize,
    sight: Sight,
) -> Option<String> {
    let (figures, reference) = past.get(chosen)?;
    let feature = figures.features.first()?;
    let Sight { has_bins, shown } = sight;
    let report = Report { model, version, reference: None, figures, has_bins, shown };
    let title = format!("{}: {}", short_name(model), short_name(&feature.name));
    let back = format!(
        "../../{}?version={}&window={}",
        encoded(model),
        encoded(version),
        encoded(&figures.window)
    );
    let body = html! {
        header {
            p { a href="../../../" { "All models" } " · " a href=(back) {
                bdi { (short_name(model)) } ", window " bdi { (short_name(&figures.window)) }
            } }
            h1 { bdi { (title) } }
            p.soft {
                (figures.rows) " rows"
                @if let Some(end) = figures.end.or(figures.closed) { "; ended " (moment(end)) }
            }
        }
        main {
            h2 { "This window" }
            (feature_section(feature, reference.as_ref(), &report, "now"))
            h2 { "Past windows" }
            (past_windows(version, past, chosen))
            h2 { "In Prometheus" }
            (queries((model, version), figures, feature))
        }
    };
    Some(frame(&title, &body))
}

fn past_windows(
    version: &str,
    past: &[(WindowFigures, Option<ReferenceFeatureFigures>)],
    chosen: usize,
) -> Markup {
    let link = |figures: &WindowFigures| {
        let end = figures.end.or(figures.closed).map(|end| end.to_string()).unwrap_or_default();
        format!(
            "?version={}&window={}&slot={}&end={}",
            encoded(version),
            encoded(&figures.window),
            figures.slot,
            encoded(&end)
        )
    };
    html! {
        div.scroll { table {
            thead { tr {
                th { "ended" } th { "verdict" } th { "score, in thresholds" }
                th.number { "rows" } th.number { "missing" } th.number { "mean" }
            } }
            tbody {
                @for (place, (figures, _)) in past.iter().enumerate().rev() {
                    @if let Some(feature) = figures.features.first() {
                        tr {
                            th scope="row" {
                                a href=(link(figures))
                                    aria-current=[(place == chosen).then_some("true")] {
                                    @match figures.end.or(figures.closed) {
                                        Some(end) => { (moment(end)) }
                                        None => { "window " (figures.slot) }
                                    }
                                }
                            }
                            td.(verdict_class(feature)) { (verdict(feature)) }
                            td { (worst_bar(feature)) }
                            td.number { (figures.rows) }
                            td.number {
                                (feature.statistics.missing_ratio.map(percent).unwrap_or_default())
                            }
                            td.number { (feature.statistics.mean.map(short).unwrap_or_default()) }
                        }
                    }
                }
            }
        } }
    }
}

/// What to ask Prometheus for the same numbers.
fn queries(
    (model, version): (&str, &str),
    figures: &WindowFigures,
    feature: &FeatureFigures,
) -> Markup {
    let labels = format!(
        "{{model_name={},model_version={},window={},feature={}}}",
        quoted(model),
        quoted(version),
        quoted(&figures.window),
        quoted(&feature.name)
    );
    html! {
        ul {
            @for name in ["driftd_drift_score", "driftd_drift_threshold", "driftd_drift_detected",
                "driftd_feature_missing_ratio", "driftd_feature_mean"] {
                li { code { bdi { (name) (labels) } } }
            }
        }
    }
}

/// A label's value as PromQL has it.
fn quoted(name: &str) -> String {
    let mut text = String::from('"');
    for c in label_value(name).chars() {
        match c {
            '\\' | '"' => text.extend(['\\', c]),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text + "\""
}
