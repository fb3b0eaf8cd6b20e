//! The features of one window of a model, worst first, and what the windows before it came to.

use super::Report;
use super::acceptance_entry::accepted_words;
use super::bar::THRESHOLDS_MAX;
use super::column_chart::{Column, ColumnChart, pitch_of, shares_over_time};
use super::feature_section::{file_name, short_name};
use super::feature_table::{FeatureRow, by_name, moment, table_head, window_head};
use super::page_frame::{live_page, live_part};
use super::page_links::{
    closed_window_query, encoded, feature_link, model_name, window_link, window_query,
};
use super::ranking::{sort_worst_first, worst};
use crate::explain::number::percent;
use crate::explain::phrases::ShownValues;
use crate::feature::{Kind, Status};
use crate::monitor::figures::{FeatureFigures, WindowFigures, WindowSummary};
use crate::monitor::snapshot::{ModelSnapshot, WindowSnapshot};
use maud::{Markup, html};
use std::collections::HashMap;

/// Features on one page.
const FEATURES_PER_PAGE: usize = 200;

/// Which features of a window are asked for.
#[derive(Debug, Clone, Default)]
pub struct FeatureFilter {
    /// Part of a name, in any case.
    pub name: String,
    /// `drifted`, `ok` or a status; empty for all.
    pub verdict: String,
    /// Name of a kind; empty for all.
    pub kind: String,
    /// From 1.
    pub page: usize,
}

/// What may be told to whoever asks.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Sight {
    pub has_bins: bool,
    pub shown: ShownValues,
}

/// A feature in one window: whether it had drifted, and its worst score in thresholds.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    is_drifted: bool,
    ratio: Option<f64>,
}

impl Reading {
    pub fn of(feature: &FeatureFigures) -> Reading {
        let ratio = worst(feature).map(|(_, ratio)| ratio);
        Reading { is_drifted: feature.drifted == Some(true), ratio }
    }
}

/// Readings by the name of the feature, oldest first; none of a window without it.
pub type Readings = HashMap<String, Vec<Option<Reading>>>;

/// What a page of a window shows.
pub struct WindowView<'a> {
    pub model: &'a ModelSnapshot,
    pub window: &'a WindowSnapshot,
    /// The window that is chosen; none where none has closed.
    pub figures: Option<&'a WindowFigures>,
    /// Those that closed, oldest first.
    pub past: &'a [WindowSummary],
    pub filter: &'a FeatureFilter,
    pub sight: Sight,
}

impl<'a> WindowView<'a> {
    /// The features that are wanted, worst first.
    fn features(&self) -> Vec<&'a FeatureFigures> {
        let name = self.filter.name.to_lowercase();
        let (kind, verdict) = (&self.filter.kind, &self.filter.verdict);
        let is_wanted = |feature: &&FeatureFigures| {
            let is_wanted = match verdict.as_str() {
                "" => true,
                "drifted" => feature.drifted == Some(true),
                "ok" => feature.drifted == Some(false),
                status => feature.status.name() == status,
            };
            is_wanted
                && (kind.is_empty() || kind == feature.kind.name())
                && feature.name.to_lowercase().contains(&name)
        };
        let all = self.figures.iter().flat_map(|figures| &figures.features);
        let mut features: Vec<&FeatureFigures> = all.filter(is_wanted).collect();
        sort_worst_first(&mut features);
        features
    }

    /// The features of the page that is wanted, of all that are; its number, and of how many.
    fn paged(
        features: &[&'a FeatureFigures],
        page: usize,
    ) -> (Vec<&'a FeatureFigures>, [usize; 2]) {
        let pages = features.len().div_ceil(FEATURES_PER_PAGE).max(1);
        let page = page.clamp(1, pages);
        let shown = features.iter().skip((page - 1) * FEATURES_PER_PAGE).take(FEATURES_PER_PAGE);
        (shown.copied().collect(), [page, pages])
    }

    /// The page; `readings` are asked for the features that it shows.
    pub fn page<E>(
        &self,
        readings: impl FnOnce(&[&str]) -> Result<Readings, E>,
    ) -> Result<String, E> {
        let all = self.features();
        let (shown, place) = WindowView::paged(&all, self.filter.page);
        let names: Vec<&str> = shown.iter().map(|own| own.name.as_str()).collect();
        let readings = readings(&names)?;
        let name = model_name(&self.model.name, &self.model.version);
        let title = format!("{name}, window {}", short_name(&self.window.name));
        let body = html! {
            header {
                p { a href="../" { "All models" } }
                h1 { bdi { (title) } }
            }
            main {
                (self.windows())
                @if let Some(accepted) = &self.model.accepted { p { (accepted_words(accepted))
                    @if self.window.latest.is_none() { " No window has closed since." }
                } }
                @match self.figures {
                    Some(figures) => {
                        (live_part("window", &self.head(figures)))
                        (self.form(figures))
                        @let table = self.table(figures, (&shown, all.len()), place, &readings);
                        (live_part("features", &table))
                    }
                    // Another part, so that the page is loaded again once there is more to show.
                    None => { (live_part("no-window", &html! {
                        p { "No window has closed yet." }
                        p { (self.window.open_rows) " rows are counted." }
                    })) }
                }
            }
        };
        Ok(live_page(&title, &body))
    }

    fn windows(&self) -> Markup {
        html! {
            @if self.model.windows.len() > 1 { nav aria-label="Windows" { p {
                "Windows: "
                @for own in &self.model.windows {
                    a href={ "../" (window_link(self.model, &own.name)) }
                        aria-current=[(own.name == self.window.name).then_some("page")] {
                        bdi { (short_name(&own.name)) }
                    } " "
                }
            } } }
        }
    }

    fn report(&self, figures: &'a WindowFigures) -> Report<'a> {
        Report {
            model: &self.model.name,
            version: &self.model.version,
            reference: self.model.compared_with(figures),
            figures,
            has_bins: self.sight.has_bins,
            shown: self.sight.shown,
            predictions: &self.model.predictions,
        }
    }

    fn is_latest(&self, figures: &WindowFigures) -> bool {
        self.window.latest.as_ref().is_some_and(|own| is_same(own, figures))
    }

    fn head(&self, figures: &'a WindowFigures) -> Markup {
        let newest = window_query(&self.model.version, &figures.window);
        html! {
            (window_head(&self.report(figures)))
            @if self.window.latest.is_some() && !self.is_latest(figures) {
                p { "It is not the newest: " a href=(newest) { "show that" } "." }
            }
            @if self.past.len() > 1 {
                @let shares = self.past.iter().filter_map(WindowSummary::drifted_ratio);
                @let most = shares.fold(0.0, f64::max);
                figure {
                    figcaption { "Share of drifted features over time, at most " (percent(most)) }
                    (shares_over_time(self.past, pitch_of(self.past.len()), 60))
                }
                details data-key="past" {
                    summary { (self.past.len()) " windows as a table" }
                    (self.past_windows(figures))
                }
            }
        }
    }

    fn past_windows(&self, chosen: &WindowFigures) -> Markup {
        html! {
            div.scroll { table {
                thead { tr {
                    th { "ended" } th { "verdict" } th.number { "drifted" } th.number { "judged" }
                    th.number { "share" } th.number { "rows" } th { "which" }
                } }
                tbody { @for own in self.past.iter().rev() {
                    @let figures = &own.figures;
                    tr {
                        th scope="row" {
                            a href=(closed_window_query(&self.model.version, figures))
                                aria-current=[is_same(figures, chosen).then_some("true")] {
                                (ended(figures))
                            }
                        }
                        td.drifted[own.drifted > 0] { (own.verdict().name()) }
                        td.number { (own.drifted) }
                        td.number { (own.judged) }
                        td.number { (own.drifted_ratio().map(percent).unwrap_or_default()) }
                        td.number { (figures.rows) }
                        td.facts { (first_names(&own.drifted_features)) }
                    }
                } }
            } }
        }
    }

    fn table(
        &self,
        figures: &'a WindowFigures,
        (shown, wanted): (&[&FeatureFigures], usize),
        [page, pages]: [usize; 2],
        readings: &Readings,
    ) -> Markup {
        let report = self.report(figures);
        let of_reference = by_name(report.reference);
        let query = self.query(figures);
        let link = |feature: &FeatureFigures| feature_link(&self.model.name, &feature.name, &query);
        let FeatureFilter { name, verdict, kind, .. } = self.filter;
        let [name, verdict, kind] = [name, verdict, kind].map(|own| encoded(own));
        let filter = format!("&name={name}&verdict={verdict}&kind={kind}");
        html! {
            p.soft { (wanted) " of " (figures.features.len()) " features" }
            div.scroll { table {
                (table_head(true))
                tbody { @for feature in shown {
                    (FeatureRow {
                        feature,
                        reference: of_reference.get(feature.name.as_str()).copied(),
                        report: &report,
                        link: Some(link(feature)),
                        over_time: readings.get(&feature.name).map(|own| sparkline(own)),
                    })
                } }
            } }
            @if pages > 1 { nav aria-label="Pages" { p {
                "Page " (page) " of " (pages) ". "
                @for other in [page.saturating_sub(1), page + 1] {
                    @if (1..=pages).contains(&other) {
                        a href={ (query) (filter) "&page=" (other) } { "Page " (other) } " "
                    }
                }
            } } }
        }
    }

    /// The window that is shown; the newest follows the daemon.
    fn query(&self, figures: &WindowFigures) -> String {
        match self.is_latest(figures) {
            true => window_query(&self.model.version, &figures.window),
            false => closed_window_query(&self.model.version, figures),
        }
    }

    fn form(&self, figures: &WindowFigures) -> Markup {
        let FeatureFilter { name, verdict, kind, .. } = self.filter;
        let verdicts = ["", "drifted", "ok"].into_iter();
        let verdicts = verdicts.chain(Status::ALL.into_iter().skip(1).map(Status::name));
        let kinds = [""].into_iter().chain(Kind::ALL.map(Kind::name));
        let choice = |label: &str, key: &str, all: Vec<&'static str>, chosen: &str| {
            html! {
                label { (label) " "
                    select name=(key) {
                        @for value in all {
                            option value=(value) selected[value == chosen] {
                                @if value.is_empty() { "all" } @else { (value.replace('_', " ")) }
                            }
                        }
                    }
                } " "
            }
        };
        let end = figures.end.or(figures.closed).map(|end| end.to_string());
        html! {
            form method="get" {
                input type="hidden" name="version" value=(self.model.version);
                input type="hidden" name="window" value=(figures.window);
                @if let Some(end) = end.filter(|_| !self.is_latest(figures)) {
                    input type="hidden" name="slot" value=(figures.slot);
                    input type="hidden" name="end" value=(end);
                    @if let Some(closed) = figures.closed {
                        input type="hidden" name="closed" value=(closed);
                    }
                }
                label { "Name " input type="search" name="name" value=(name); } " "
                (choice("Verdict", "verdict", verdicts.collect(), verdict))
                (choice("Kind", "kind", kinds.collect(), kind))
                button { "Show" }
            }
        }
    }
}

/// Whether both are the same closed window of a model.
fn is_same(one: &WindowFigures, other: &WindowFigures) -> bool {
    (one.slot, one.end, one.closed) == (other.slot, other.end, other.closed)
}

/// When a window ended, or its number where it has no time; of one file that file.
pub fn ended(figures: &WindowFigures) -> Markup {
    html! {
        @if let Some(file) = &figures.file { (file_name(file)) ", " }
        @match figures.end.or(figures.closed) {
            Some(end) => { (moment(end)) }
            None => { "window " (figures.slot) }
        }
    }
}

/// Some names of features, and how many more there are.
fn first_names(names: &[String]) -> Markup {
    const MOST: usize = 5;
    html! {
        @for (at, name) in names.iter().take(MOST).enumerate() {
            @if at > 0 { ", " }
            bdi { (short_name(name)) }
        }
        @if names.len() > MOST { " and " (names.len() - MOST) " more" }
    }
}

fn sparkline(readings: &[Option<Reading>]) -> ColumnChart {
    let columns = readings.iter().map(|own| Column {
        height: own.and_then(|own| own.ratio).map(|ratio| ratio / THRESHOLDS_MAX),
        is_drifted: own.is_some_and(|own| own.is_drifted),
    });
    let threshold = Some(1.0 / THRESHOLDS_MAX);
    ColumnChart { columns: columns.collect(), pitch: 4, height: 20, threshold, label: None }
}
