//! One feature on a page: what moved, the window beside the reference by bin, measures, statistics.

use super::Report;
use super::bar::Bar;
use super::page_frame::scrolled;
use super::ranking::{verdict, verdict_class};
use crate::drift::parts_of_psi;
use crate::explain::bin::{Bin, printable};
use crate::explain::number::{distance_of_kind, of_kind, percent, short};
use crate::feature::Status;
use crate::monitor::figures::{
    BaselineFigures, ComparisonFigures, FeatureFigures, MeasureFigures, ReferenceFeatureFigures,
    Statistics,
};
use crate::profile::percentiles::PERCENTILES;
use maud::{Markup, html};
use ndarray::ArrayView2;

/// Bytes of a name, and of what is told of it, that are shown.
const NAME_BYTES_MAX: usize = 200;
const FACT_BYTES_MAX: usize = 600;

/// A name that cannot break a page, cannot fill one, and can be seen.
pub fn short_name(name: &str) -> String {
    let is_seen = name.chars().any(|c| !c.is_whitespace() && c.escape_debug().len() == 1);
    if is_seen { cut(name, NAME_BYTES_MAX) } else { cut(&format!("{name:?}"), NAME_BYTES_MAX) }
}

/// A file by its name; the path is told to whoever asks.
pub fn file_name(path: &str) -> Markup {
    let name = path.rsplit('/').next().unwrap_or(path);
    html! { bdi title=(printable(path)) { (short_name(name)) } }
}

/// What moved, in as many words as a page has room for; shares of bins and values only for whoever
/// may see rows by bin.
pub fn facts(feature: &FeatureFigures, report: &Report<'_>) -> Vec<String> {
    if !report.has_bins {
        return feature.reasons().iter().map(|reason| reason.replace('_', " ")).collect();
    }
    feature.why(report.shown).iter().map(|fact| cut(fact, FACT_BYTES_MAX)).collect()
}

fn cut(text: &str, bytes_max: usize) -> String {
    let shown = &text[..text.floor_char_boundary(bytes_max)];
    let rest = if shown.len() < text.len() { "…" } else { "" };
    printable(shown) + rest
}

/// A feature under its name, to be linked to.
pub fn feature_section(
    feature: &FeatureFigures,
    reference: Option<&ReferenceFeatureFigures>,
    report: &Report<'_>,
    id: &str,
) -> Markup {
    html! {
        section.feature id=(id) {
            h3 { bdi { (short_name(&feature.name)) } }
            (feature_body(feature, reference, report))
        }
    }
}

/// What there is to say of a feature.
pub fn feature_body(
    feature: &FeatureFigures,
    reference: Option<&ReferenceFeatureFigures>,
    report: &Report<'_>,
) -> Markup {
    let (facts, usual) = (facts(feature, report), usual(feature));
    html! {
        p {
            span.(verdict_class(feature)) { (verdict(feature).replace('_', " ")) }
            span.soft {
                " · " (feature.kind.name())
                @if let Some(role) = report.role(&feature.name) { " · " (role) }
            }
        }
        @if feature.status == Status::Retyped { p {
            "The column holds values of another type than the " (feature.kind.name())
            " ones of the reference, and none of them counts as a value."
        } }
        @if !usual.is_empty() { p.soft {
            (usual.join(", ")) ": above the threshold, and no more than may come of chance or "
            "of how the feature varies from window to window."
        } }
        @if !facts.is_empty() {
            ul { @for fact in &facts { li { bdi { (fact) } } } }
        }
        div.tables {
            @if let Some(reference) = reference.filter(|_| report.has_bins) {
                (bins(feature, reference, report))
            }
            (measures("the reference", &feature.measures))
            @for (baseline, own) in report.figures.baselines.iter().zip(&feature.others) {
                (measures(&told_baseline(baseline, own), &own.measures))
            }
            (statistics(feature, reference.map(|own| &own.statistics)))
        }
    }
}

/// Measures above their thresholds that call no drift all the same, where nothing else does.
fn usual(feature: &FeatureFigures) -> Vec<&str> {
    let is_quiet = feature.drifted == Some(false) && feature.decided_by.is_none();
    let measures = feature.measures.iter().filter(|_| is_quiet);
    let all = measures.filter(|own| own.calls == Some(false) && is_above(own));
    all.map(|own| &*own.measure).collect()
}

fn is_above(own: &MeasureFigures) -> bool {
    own.threshold.is_some_and(|threshold| own.score >= threshold)
}

/// The shares of both sides by bin; nothing where the window was counted in others.
fn bins(
    feature: &FeatureFigures,
    reference: &ReferenceFeatureFigures,
    report: &Report<'_>,
) -> Markup {
    let current = &feature.bins;
    if current.is_empty() || current.len() != reference.bins.len() {
        return html! {};
    }
    let (r, c) = (reference.bins.iter().map(|(_, rows)| rows).sum(), current.iter().sum());
    let share = |rows: u64, all: u64| if all > 0 { rows as f64 / all as f64 } else { 0.0 };
    let pairs = reference.bins.iter().zip(current);
    let shares: Vec<_> = pairs
        .clone()
        .map(|((bin, rows), now)| {
            let name = match bin {
                Bin::Text(text) => report.shown.text(text),
                bin => Some(bin.told(feature.kind)),
            };
            (
                short_name(&name.unwrap_or_else(|| "a value".to_owned())),
                share(*rows, r),
                share(*now, c),
            )
        })
        .collect();
    let most = shares.iter().map(|(_, p, q)| p.max(*q)).fold(f64::MIN_POSITIVE, f64::max);
    let rows: Vec<[u64; 2]> = pairs.map(|((_, rows), now)| [*rows, *now]).collect();
    let parts = parts_of_psi(ArrayView2::from(rows.as_slice()).t());
    let whole: f64 = parts.iter().sum();
    let part = |at: usize| if whole > 0.0 { parts[at] / whole } else { 0.0 };
    let is_measured = feature.measures.iter().any(|own| own.measure == "psi");
    let table = html! {
        table {
            caption { "Share of the values by bin: the reference above, the window below" }
            thead { tr {
                th { "bin" } th.number { "reference" } th.number { "window" } th { "shares" }
                @if is_measured { th.number { "of psi" } }
            } }
            tbody {
                @for (at, (bin, p, q)) in shares.iter().enumerate() {
                    tr {
                        th scope="row" { bdi { (bin) } }
                        td.number { (percent(*p)) }
                        td.number { (percent(*q)) }
                        td { (Bar::of_shares(*p / most, *q / most)) }
                        @if is_measured { td.number { (percent(part(at))) } }
                    }
                }
            }
        }
    };
    scrolled("Shares by bin", &table)
}

/// What a baseline is, what the feature came to against it, and whether that is the verdict.
fn told_baseline(baseline: &BaselineFigures, own: &ComparisonFigures) -> String {
    let verdict = match own.drifted {
        Some(true) => "drifted".to_owned(),
        Some(false) => "ok".to_owned(),
        None => own.status.name().replace('_', " "),
    };
    let decides = if baseline.decides { ", which decides" } else { "" };
    let name = short_name(&baseline.name);
    format!("{name} ({} rows; {verdict}{decides})", baseline.rows)
}

fn measures(against: &str, measures: &[MeasureFigures]) -> Markup {
    let number = |value: Option<f64>| value.map(short).unwrap_or_default();
    if measures.is_empty() {
        return html! {};
    }
    let name = format!("Measures against {against}");
    let table = html! {
            table {
                caption { bdi { (name) } }
                thead { tr {
                    th { "measure" } th.number { "score" } th.number { "threshold" }
                    th.number { "p-value" } th { "calls drift" }
                } }
                tbody {
                    @for own in measures {
                        tr {
                            th scope="row" { (own.measure) }
                            td.number { (short(own.score)) }
                            td.number { (number(own.threshold)) }
                            td.number { (number(own.p_value)) }
                            td {
                                @match own.calls {
                                    Some(true) => { span.drifted { "yes" } }
                                    Some(false) if is_above(own) => { "no, not rare enough" }
                                    Some(false) => { "no" }
                                    None => { span.soft { "does not decide" } }
                                }
                            }
                        }
                    }
                }
            }
    };
    scrolled(&name, &table)
}

fn statistics(feature: &FeatureFigures, reference: Option<&Statistics>) -> Markup {
    let (window, kind) = (&feature.statistics, feature.kind);
    type Read = fn(&Statistics) -> Option<f64>;
    let shares: [(&str, Read); 8] = [
        ("missing", |own| own.missing_ratio),
        ("null", |own| own.null_ratio),
        ("NaN", |own| own.nan_ratio),
        ("infinite", |own| own.infinite_ratio),
        ("zero", |own| own.zero_ratio),
        ("never seen", |own| own.unseen_ratio),
        ("out of range", |own| own.out_of_range_ratio),
        ("outliers", |own| own.outlier_ratio),
    ];
    let values: [(&str, Read); 3] =
        [("mean", |own| own.mean), ("least", |own| own.min), ("greatest", |own| own.max)];
    let told = |value: f64| of_kind(kind, value);
    let line =
        |name: &str, read: &dyn Fn(&Statistics) -> Option<f64>, told: &dyn Fn(f64) -> String| {
            let (now, was) = (read(window), reference.and_then(read));
            html! {
                @if now.is_some() || was.is_some() {
                    tr {
                        th scope="row" { (name) }
                        td.number { (was.map(told).unwrap_or_default()) }
                        td.number { (now.map(told).unwrap_or_default()) }
                    }
                }
            }
        };
    let table = html! {
        table {
            caption { "Statistics" }
            thead { tr {
                th { "statistic" } th.number { "reference" } th.number { "window" }
            } }
            tbody {
                (line("rows", &|own| Some(own.rows as f64), &|rows| format!("{rows}")))
                @for (name, read) in shares { (line(name, &read, &percent)) }
                @for (name, read) in values { (line(name, &read, &told)) }
                (line("standard deviation", &|own| own.stddev, &|own| distance_of_kind(kind, own)))
                (line("distinct values", &|own| own.distinct.map(|n| n as f64), &short))
                @for (at, percent) in PERCENTILES.iter().enumerate() {
                    (line(&format!("P{percent}"), &|own| own.percentiles.map(|all| all[at]), &told))
                }
            }
        }
    };
    scrolled("Statistics", &table)
}
