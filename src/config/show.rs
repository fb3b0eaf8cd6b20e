//! The effective configuration, as TOML that loads to the same.

use super::quality_rules::written;
use super::{Config, Importance, Model, ReferenceSource};
use crate::export::ExportConfig;
use crate::position::Arrival;
use crate::schema::NamePattern;
use crate::settings::Setting;
use crate::settings::units::{bytes_text, duration_text};
use crate::source::SourceConfig;
use crate::source::warm_up::WarmUp;
use crate::time::EpochUnit;
use crate::window::WindowKind;
use crate::window::baseline::{BaselineConfig, BaselineKind};
use crate::window::period::Period;
use crate::window::sampling::{SamplingConfig, SamplingMode};
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// Every key with the value in force, defaults included.
pub fn show(config: &Config) -> String {
    let mut root = Table::new();
    let server = &config.server;
    let mut server = vec![
        ("listen", text(server.listen)),
        ("reload", Value::Boolean(server.reload)),
        ("stop_timeout", text(duration_text(server.stop_timeout))),
        ("connections_max", integer(server.connections_max as u64)),
        ("header_timeout", text(duration_text(server.header_timeout))),
        ("idle_timeout", text(duration_text(server.idle_timeout))),
    ];
    server.extend(config.server.external_url.as_ref().map(|url| ("external_url", text(url))));
    if !config.server.roles.0.is_empty() {
        let users = |own: &Vec<String>| Value::Array(own.iter().map(text).collect());
        let roles = config.server.roles.0.iter().map(|(role, own)| (role.name(), users(own)));
        server.push(("roles", table(roles)));
    }
    root.insert("server".into(), table(server));
    let mut state = vec![
        ("windows_max", integer(config.state.windows_max)),
        ("history_max", text(bytes_text(config.state.history_max))),
        ("profiles_max", integer(config.state.profiles_max)),
        ("memory_max", text(bytes_text(config.state.memory_max))),
    ];
    let age = config.state.history_age.map(|age| ("history_age", text(duration_text(age))));
    state.extend(age);
    state.extend(config.state.path.as_ref().map(|path| ("path", path_text(path))));
    root.insert("state".into(), table(state));
    root.insert("export".into(), export(&config.export));
    let models = config.models.iter().zip(&config.importance);
    let models = models.map(|(own, importance)| model(own, importance));
    root.insert("model".into(), Value::Array(models.collect()));
    toml::to_string(&root).expect("plain data has a TOML form")
}

fn export(export: &ExportConfig) -> Value {
    let families = export.families.iter().map(|family| text(family.name())).collect();
    let cells = export.cells.iter().map(|own| text(own.as_str())).collect();
    let mut shown = vec![
        ("families", Value::Array(families)),
        ("series_max", integer(export.series_max as u64)),
        ("values", text(export.values.name())),
        ("cells", Value::Array(cells)),
    ];
    if let Some(remote) = &export.remote_write {
        let labels = remote.labels.iter().map(|(name, own)| (name.as_str(), text(own)));
        let mut keys = vec![
            ("url", text(&remote.url)),
            ("interval", text(duration_text(remote.interval))),
            ("version", text(remote.version.name())),
            ("labels", table(labels)),
        ];
        keys.extend(remote.headers_file.as_ref().map(|file| ("headers_file", path_text(file))));
        shown.push(("remote_write", table(keys)));
    }
    table(shown)
}

fn model(model: &Model, importance: &BTreeMap<String, Importance>) -> Value {
    let has_stream = model.sources.iter().any(|s| s.kind.arrival() == Arrival::Stream);
    let columns = &model.reference.columns;
    let patterns = |patterns: &[NamePattern]| {
        Value::Array(patterns.iter().map(|pattern| text(pattern.as_str())).collect())
    };
    let mut shown_columns = vec![("exclude", patterns(&columns.exclude))];
    shown_columns.extend(columns.include.as_deref().map(|include| ("include", patterns(include))));
    shown_columns.extend(columns.id.as_ref().map(|id| ("id", text(id))));
    shown_columns.extend(columns.label.as_ref().map(|label| ("label", text(label))));
    if !columns.predictions.is_empty() {
        let names = columns.predictions.iter().map(String::as_str).map(text);
        shown_columns.push(("prediction", Value::Array(names.collect())));
    }
    shown_columns.extend(columns.cluster.as_ref().map(|own| ("cluster", text(own))));
    if !columns.renaming.is_empty() {
        let rules = columns.renaming.rules().map(|(from, to)| (from, text(to)));
        shown_columns.push(("rename", table(rules)));
    }
    if let Some(time) = &columns.time {
        shown_columns.push(("time", text(&time.name)));
        shown_columns
            .extend(time.unit.map(|unit| ("time_unit", text(name_of(&EpochUnit::ALL, unit)))));
    }
    let shown = [
        ("name", text(&model.model.name)),
        ("version", text(&model.model.version)),
        ("reference", reference(model)),
        ("source", Value::Array(model.sources.iter().map(source).collect())),
        (
            "window",
            Value::Array(model.model.windows.iter().map(|w| window(w, has_stream)).collect()),
        ),
        ("baseline", Value::Array(model.model.baselines.iter().map(baseline).collect())),
        ("columns", table(shown_columns)),
        ("drift", drift(model)),
        ("feature", Value::Table(features(model, importance))),
    ];
    let rules = &model.model.drift.rules;
    let rules = rules.iter().map(|rule| Value::Table(written(rule))).collect::<Vec<_>>();
    let rules = (!rules.is_empty()).then_some(("rule", Value::Array(rules)));
    let sampling = model.model.sampling.as_ref().map(|own| ("sampling", sampling(own)));
    let persistence = model.model.drift.persistence;
    let alert = persistence.map(|own| ("alert", table([("windows", text(own))])));
    table(shown.into_iter().chain(rules).chain(sampling).chain(alert))
}

fn reference(model: &Model) -> Value {
    let page_max = text(bytes_text(model.page_bytes_max));
    let mut shown = vec![("page_max", page_max), ("ordered", Value::Boolean(model.is_ordered))];
    match &model.reference_source {
        ReferenceSource::Path(path) => shown.push(("path", path_text(path))),
        ReferenceSource::WarmUp(WarmUp { rows, files }) => {
            let keys = [("warm_up_rows", rows), ("warm_up_files", files)];
            shown.extend(keys.into_iter().filter_map(|(key, n)| Some((key, integer((*n)?)))));
        }
    }
    table(shown)
}

fn sampling(sampling: &SamplingConfig) -> Value {
    let mode = name_of(&SamplingMode::ALL, sampling.mode);
    let mut shown = vec![
        ("rate", Value::Float(sampling.rate)),
        ("seed", integer(sampling.seed)),
        ("mode", text(mode)),
    ];
    shown.extend(sampling.key.as_ref().map(|key| ("key", text(key))));
    shown.extend(sampling.rows_max.map(|max| ("rows_max", integer(max))));
    table(shown)
}

fn source(source: &SourceConfig) -> Value {
    let shown = [("name", text(&source.name)), ("type", text(source.kind.name()))];
    let settings = source.settings.iter().map(|(key, setting)| {
        let value = match setting {
            Setting::Path(path) => path_text(path),
            Setting::Integer(number) => integer(*number),
            Setting::Flag(flag) => Value::Boolean(*flag),
            Setting::Names(names) => Value::Array(names.iter().map(text).collect()),
            setting => text(setting),
        };
        (key, value)
    });
    table(shown.into_iter().chain(settings))
}

fn window(window: &crate::window::WindowConfig, has_stream: bool) -> Value {
    let mut shown = vec![("name", text(&window.name))];
    match window.kind {
        // Without a stream, keys that cut one are refused.
        WindowKind::Batch { .. } if !has_stream => shown.push(("type", text("batch"))),
        WindowKind::Batch { rows_max, every } => shown.extend([
            ("type", text("batch")),
            ("rows", integer(rows_max)),
            ("every", text(duration_text(every))),
        ]),
        WindowKind::Rows { size } => {
            shown.extend([("type", text("rows")), ("size", integer(size))]);
        }
        WindowKind::Time(Period { size, slide, offset, lateness, idle_timeout }) => {
            shown.push(("type", text("time")));
            for (key, duration) in [
                ("size", size),
                ("slide", slide),
                ("offset", offset),
                ("lateness", lateness),
                ("idle_timeout", idle_timeout),
            ] {
                shown.push((key, text(duration_text(duration))));
            }
        }
    }
    table(shown)
}

fn baseline(baseline: &BaselineConfig) -> Value {
    let count = |n: u32| integer(n.into());
    let kind = match baseline.kind {
        BaselineKind::Rolling { windows } => {
            [("type", text("rolling")), ("windows", count(windows))]
        }
        BaselineKind::SameHourOfWeek { weeks } => {
            [("type", text("same_hour_of_week")), ("weeks", count(weeks))]
        }
    };
    let own = [("name", text(&baseline.name)), ("decides", Value::Boolean(baseline.decides))];
    table(own.into_iter().chain(kind))
}

/// The name of a choice.
fn name_of<T: PartialEq>(choices: &[(&'static str, T)], value: T) -> &'static str {
    choices.iter().find(|(_, choice)| *choice == value).expect("every choice is listed").0
}

fn drift(model: &Model) -> Value {
    let drift = &model.model.drift;
    let measures = drift.measures.iter().map(|measure| text(measure.name())).collect();
    let decide = drift.decide.iter().map(text).collect();
    table([
        ("measures", Value::Array(measures)),
        ("decide", Value::Array(decide)),
        ("rows_min", integer(drift.rows_min)),
        ("p_max", Value::Float(drift.p_max)),
        ("history", integer(drift.history as u64)),
        ("variation", text(drift.variation.name())),
        ("thresholds", thresholds(&drift.thresholds)),
    ])
}

fn features(model: &Model, importance: &BTreeMap<String, Importance>) -> Table {
    let shown = model.reference.features.iter().map(|(name, own)| {
        let mut keys = vec![("distinct", Value::Boolean(own.distinct))];
        keys.extend(
            own.kind.map(|kind| ("kind", Value::try_from(kind).expect("a kind has a TOML form"))),
        );
        if !own.bins.ends.is_empty() {
            let ends = own.bins.ends.iter().map(|end| Value::Float(*end)).collect();
            keys.push(("bins", Value::Array(ends)));
        }
        if !own.bins.names.is_empty() {
            let names = own.bins.names.iter().map(text).collect();
            keys.push(("labels", Value::Array(names)));
        }
        if own.bins.has_missing {
            keys.push(("missing_bin", Value::Boolean(true)));
        }
        if let Some(own) = model.model.drift.feature_thresholds.get(name) {
            keys.push(("thresholds", thresholds(own)));
        }
        if model.model.drift.muted.contains(name) {
            keys.push(("mute", Value::Boolean(true)));
        }
        keys.extend(importance.get(name).map(|own| ("importance", text(own.name()))));
        (name.clone(), table(keys))
    });
    shown.collect()
}

fn thresholds(thresholds: &BTreeMap<&'static str, f64>) -> Value {
    table(thresholds.iter().map(|(measure, threshold)| (*measure, Value::Float(*threshold))))
}

fn table<'k>(entries: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text(value: impl std::fmt::Display) -> Value {
    Value::String(value.to_string())
}

/// Absolute, since the output may be saved in another folder.
fn path_text(path: &Path) -> Value {
    text(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display())
}

fn integer(value: u64) -> Value {
    Value::Integer(value as i64)
}
