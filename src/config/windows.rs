//! `[[model.window]]` and `[[model.baseline]]`.

use super::raw::Section;
use crate::position::Arrival;
use crate::settings::units::duration_text;
use crate::source::SourceConfig;
use crate::window::baseline::{BaselineConfig, BaselineKind, REFERENCE, WEEK};
use crate::window::period::Period;
use crate::window::{WindowConfig, WindowKind};
use std::collections::BTreeSet;
use std::time::Duration;

const BATCH_ROWS_DEFAULT: u64 = 10_000;
const BATCH_EVERY_DEFAULT: Duration = Duration::from_secs(60);
const LATENESS_DEFAULT: Duration = Duration::from_mins(10);
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_hours(1);

/// Panes that one window may be made of.
const PANES_PER_WINDOW_MAX: u128 = 10_000;

pub fn windows(
    model: &Section<'_>,
    sources: &Option<Vec<SourceConfig>>,
) -> Option<Vec<WindowConfig>> {
    let sections = model.sections("window");
    if sections.is_empty() {
        let kind = WindowKind::Batch { rows_max: BATCH_ROWS_DEFAULT, every: BATCH_EVERY_DEFAULT };
        return Some(vec![WindowConfig { name: "batch".to_owned(), kind }]);
    }
    let is_stream = |source: &SourceConfig| source.kind.arrival() == Arrival::Stream;
    let has_stream = sources.as_ref().is_none_or(|sources| sources.iter().any(is_stream));
    let mut names = BTreeSet::new();
    let windows = sections.iter().map(|section| {
        let name = name(section, &mut names, "window");
        let kind = window_kind(section, has_stream);
        section.finish();
        Some(WindowConfig { name: name?, kind: kind? })
    });
    let windows: Vec<WindowConfig> =
        windows.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    check_panes(&sections, &windows);
    Some(windows)
}

/// A name that no other of the model's has.
fn name(section: &Section<'_>, names: &mut BTreeSet<String>, what: &str) -> Option<String> {
    let name = section.required_string("name")?;
    if !names.insert(name.clone()) {
        section.fault("name", format!("{name:?} is used by another {what} of the model"));
    }
    Some(name)
}

fn window_kind(section: &Section<'_>, has_stream: bool) -> Option<WindowKind> {
    section.required_string("type")?;
    match section.choice("type", &[("batch", "batch"), ("rows", "rows"), ("time", "time")])? {
        "rows" => {
            let size = section.integer("size", 1);
            if size.is_none() {
                section.fault("size", "a window of type \"rows\" needs its size in rows");
            }
            Some(WindowKind::Rows { size: size? })
        }
        "time" => period(section).map(WindowKind::Time),
        _ => Some(batch(section, has_stream)),
    }
}

fn batch(section: &Section<'_>, has_stream: bool) -> WindowKind {
    let rows = section.integer("rows", 1);
    let every = section.duration("every");
    for (key, is_given) in [("rows", rows.is_some()), ("every", every.is_some())] {
        if is_given && !has_stream {
            section.fault(key, "only cuts a stream; a file is always one batch");
        }
    }
    WindowKind::Batch {
        rows_max: rows.unwrap_or(BATCH_ROWS_DEFAULT),
        every: every.unwrap_or(BATCH_EVERY_DEFAULT),
    }
}

fn period(section: &Section<'_>) -> Option<Period> {
    let size = section.duration("size");
    if !section.has("size") {
        section.fault("size", "a window of type \"time\" needs its size, such as \"1h\"");
    }
    let slide = section.duration("slide");
    let offset = section.duration_or_zero("offset").unwrap_or_default();
    let lateness = section.duration_or_zero("lateness").unwrap_or(LATENESS_DEFAULT);
    let idle_timeout = section.duration("idle_timeout").unwrap_or(IDLE_TIMEOUT_DEFAULT);
    let size = size?;
    let slide = slide.unwrap_or(size);
    if slide > size {
        let size = duration_text(size);
        section.fault(
            "slide",
            format!("is longer than the window ({size}): rows between would be lost"),
        );
    }
    if offset >= slide {
        section.fault("offset", format!("must be less than the slide ({})", duration_text(slide)));
    }
    Some(Period { size, slide, offset, lateness, idle_timeout })
}

/// All windows by event time are made of the same panes.
fn check_panes(sections: &[Section<'_>], windows: &[WindowConfig]) {
    let periods = windows.iter().map(|window| match &window.kind {
        WindowKind::Time(period) => Some(period),
        _ => None,
    });
    let periods: Vec<Option<&Period>> = periods.collect();
    let Some(width) = Period::pane_width(periods.iter().flatten().copied()) else { return };
    for (section, period) in sections.iter().zip(periods) {
        let panes = period.map_or(0, |period| period.size.as_micros() / width.max(1) as u128);
        if panes > PANES_PER_WINDOW_MAX {
            let common = duration_text(Duration::from_micros(width as u64));
            section.fault(
                "size",
                format!(
                    "would be made of {panes} panes of {common}, the greatest length that divides \
                 size, slide and offset of all windows; {PANES_PER_WINDOW_MAX} is the limit"
                ),
            );
        }
    }
}

pub fn baselines(
    model: &Section<'_>,
    windows: Option<&[WindowConfig]>,
) -> Option<Vec<BaselineConfig>> {
    let is_time = |window: &WindowConfig| matches!(window.kind, WindowKind::Time(_));
    let has_time = windows.is_none_or(|windows| windows.iter().any(is_time));
    let mut names = BTreeSet::from([REFERENCE.to_owned()]);
    let mut is_decided = false;
    let baselines = model.sections("baseline").into_iter().map(|section| {
        let name = name(&section, &mut names, "baseline");
        let kind = baseline_kind(&section, has_time);
        let decides = section.boolean("decides").unwrap_or(false);
        let is_seasonal = matches!(kind, Some(BaselineKind::SameHourOfWeek { .. }));
        let windows = || windows.into_iter().flatten();
        if decides && is_seasonal && !windows().all(is_time) {
            section
                .fault("decides", "needs all windows to be of type \"time\"; others have no week");
        }
        let is_long = |window: &WindowConfig| match window.kind {
            WindowKind::Time(period) => period.size > WEEK,
            _ => false,
        };
        if is_seasonal && windows().any(is_long) {
            section
                .fault("type", "would have rows of the window itself, which is longer than a week");
        }
        if decides && std::mem::replace(&mut is_decided, true) {
            section.fault("decides", "is true of another baseline, too; one can decide");
        }
        section.finish();
        Some(BaselineConfig { name: name?, kind: kind?, decides })
    });
    baselines.collect::<Vec<_>>().into_iter().collect()
}

fn baseline_kind(section: &Section<'_>, has_time: bool) -> Option<BaselineKind> {
    section.required_string("type")?;
    let kinds = ["previous", "rolling", "same_hour_of_week"].map(|kind| (kind, kind));
    let count = |key, default| section.integer(key, 1).map_or(default, |n| n.min(1_000) as u32);
    match section.choice("type", &kinds)? {
        "previous" => Some(BaselineKind::Rolling { windows: 1 }),
        "rolling" => {
            if !section.has("windows") {
                section
                    .fault("windows", "a baseline of type \"rolling\" needs its number of windows");
            }
            Some(BaselineKind::Rolling { windows: count("windows", 1) })
        }
        _ => {
            if !has_time {
                section.fault("type", "needs a window of type \"time\"");
            }
            Some(BaselineKind::SameHourOfWeek { weeks: count("weeks", 1) })
        }
    }
}
