//! From what was written to values that can be used, with defaults.

use super::drift_settings::{JudgedFeatures, drift, features};
use super::export::export;
use super::quality_rules::rules;
use super::raw::Section;
use super::sampling::sampling;
use super::sources::{check_resources, sources};
use super::windows::{baselines, windows};
use super::{Config, Model, Purpose, ReferenceSource};
use crate::export::ExportConfig;
use crate::export::metric::Family;
use crate::format::parquet::PAGE_BYTES_MAX;
use crate::judge::drift_config::DriftConfig;
use crate::monitor::model::ModelConfig;
use crate::monitor::reference::{FeatureConfig, ReferenceConfig};
use crate::net::ServerConfig;
use crate::net::roles::{Role, Roles};
use crate::schema::NamePattern;
use crate::schema::columns::{ColumnsConfig, TimeColumn};
use crate::schema::renaming::Renaming;
use crate::settings::is_address;
use crate::source::warm_up::WarmUp;
use crate::source::{SourceConfig, bucket};
use crate::store::StateConfig;
use crate::time::EpochUnit;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

const SERVER_DEFAULT: ServerConfig = ServerConfig {
    listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9797),
    reload: false,
    stop_timeout: Duration::from_secs(30),
    connections_max: 256,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(120),
    roles: Roles(BTreeMap::new()),
    external_url: None,
};

/// The whole file. None when something was missing that cannot be defaulted; faults are noted in
/// the sections either way.
pub(super) fn config(root: &Section<'_>, folder: &Path, purpose: Purpose) -> Option<Config> {
    let server = server(root);
    let state = state(root, folder);
    let export = export(root, folder);
    let sections = root.sections("model");
    if sections.is_empty() {
        root.fault("model", "is missing: nothing to watch without a [[model]]");
    }
    let mut importance = Vec::new();
    let models = sections.iter().map(|section| {
        let (features, judged) = features(section);
        importance.push(judged.importance.clone());
        let sources = sources(section, folder, purpose);
        model(section, (features, judged), sources, (&export, &state), folder)
    });
    let models: Vec<Option<Model>> = models.collect();
    let mut seen = BTreeSet::new();
    for (section, model) in sections.iter().zip(models.iter().flatten()) {
        if !seen.insert((model.model.name.clone(), model.model.version.clone())) {
            section.fault("name", "is used by another model of the same version");
        }
    }
    check_resources(&sections, &models, server.listen);
    check_needs_state(&sections, &models, &state);
    let models = models.into_iter().collect::<Option<_>>()?;
    Some(Config { server, state, export, models, importance })
}

/// Rows that are kept on the disk are kept beside the state.
fn check_needs_state(sections: &[Section<'_>], models: &[Option<Model>], state: &StateConfig) {
    for (section, model) in sections.iter().zip(models) {
        let sources = model.iter().flat_map(|model| &model.sources);
        let mut needing = sources.filter(|own| own.kind.needs_state(&own.settings));
        if state.path.is_none()
            && let Some(source) = needing.next()
        {
            let name = &source.name;
            let text = format!("{name:?} keeps rows beside the state; say where with state.path");
            section.fault("source", text);
        }
    }
}

fn server(root: &Section<'_>) -> ServerConfig {
    let mut config = SERVER_DEFAULT;
    if let Some(section) = root.section("server") {
        config.listen = socket_address(&section).unwrap_or(config.listen);
        config.reload = section.boolean("reload").unwrap_or(config.reload);
        let connections_max = section.integer("connections_max", 1).map(|n| n as usize);
        config.connections_max = connections_max.unwrap_or(config.connections_max);
        for (key, timeout) in [
            ("stop_timeout", &mut config.stop_timeout),
            ("header_timeout", &mut config.header_timeout),
            ("idle_timeout", &mut config.idle_timeout),
        ] {
            *timeout = section.duration(key).unwrap_or(*timeout);
        }
        config.roles = roles(&section);
        config.external_url = external_url(&section);
        section.finish();
    }
    config
}

fn external_url(server: &Section<'_>) -> Option<String> {
    let url = server.string("external_url")?;
    let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
    if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
        let text = format!("{url:?} is no address such as \"https://driftd.example.com\"");
        server.fault("external_url", text);
    }
    Some(url.trim_end_matches('/').to_owned())
}

fn roles(server: &Section<'_>) -> Roles {
    let Some(section) = server.section("roles") else { return Roles::default() };
    let named = Role::ALL.into_iter();
    let named = named.filter_map(|role| Some((role, section.strings(role.name())?)));
    let roles = Roles(named.collect());
    section.finish();
    roles
}

fn socket_address(section: &Section<'_>) -> Option<SocketAddr> {
    let text = section.string("listen")?;
    let address = text.parse();
    if address.is_err() {
        section.fault("listen", format!("{text:?} is no address such as \"127.0.0.1:9797\""));
    }
    address.ok()
}

fn state(root: &Section<'_>, folder: &Path) -> StateConfig {
    let mut config = StateConfig::default();
    if let Some(section) = root.section("state") {
        config.path = section.string("path").map(|path| folder.join(path));
        config.windows_max = section.integer("windows_max", 1).unwrap_or(config.windows_max);
        config.history_max = section.bytes("history_max").unwrap_or(config.history_max);
        config.profiles_max = section.integer("profiles_max", 0).unwrap_or(config.profiles_max);
        config.history_age = section.duration("history_age");
        config.memory_max = section.bytes("memory_max").unwrap_or(config.memory_max);
        section.finish();
    }
    config
}

fn model(
    section: &Section<'_>,
    (features, judged): (BTreeMap<String, FeatureConfig>, JudgedFeatures),
    sources: Option<Vec<SourceConfig>>,
    (export, state): (&ExportConfig, &StateConfig),
    folder: &Path,
) -> Option<Model> {
    let name = section.required_string("name");
    let version = section.string("version").unwrap_or_default();
    let reference_source = reference(section, folder, sources.as_deref());
    let windows = windows(section, &sources);
    let columns = columns(section);
    let drift = DriftConfig { rules: rules(section), ..drift(section, judged) };
    let baselines = baselines(section, windows.as_deref());
    let sampling = sampling(section, windows.as_deref());
    section.finish();
    let (time, cluster) = (columns.time.clone(), columns.cluster.clone());
    let (windows, baselines) = (windows?, baselines?);
    let (reference_source, page_bytes_max, is_ordered) = reference_source?;
    Some(Model {
        model: ModelConfig {
            name: name?,
            version,
            windows,
            baselines,
            drift,
            sampling,
            time,
            cluster,
            predictions: columns.predictions.clone(),
            distributions: export.families.contains(&Family::Distributions),
            cells: export.cells.clone(),
            // Nobody could read those of a state that ends with the process.
            profiles: state.path.is_some() && state.profiles_max > 0,
        },
        reference_source,
        reference: ReferenceConfig { columns, features },
        page_bytes_max,
        is_ordered,
        sources: sources?,
    })
}

fn reference(
    model: &Section<'_>,
    folder: &Path,
    sources: Option<&[SourceConfig]>,
) -> Option<(ReferenceSource, u64, bool)> {
    let Some(section) = model.section("reference") else {
        model.fault("reference", "is missing: there is nothing to compare with");
        return None;
    };
    let (rows, files) = (section.integer("warm_up_rows", 1), section.integer("warm_up_files", 1));
    let is_directory = |source: &SourceConfig| source.directory().is_some();
    let source = if rows.is_some() || files.is_some() {
        if section.has("path") {
            section.fault("path", "and a warm-up exclude each other: there is a reference or not");
        }
        if sources.is_some_and(|sources| !sources.iter().any(is_directory)) {
            let key = if rows.is_some() { "warm_up_rows" } else { "warm_up_files" };
            section.fault(key, "needs a source of type \"directory\", whose files are waited for");
        }
        let is_other =
            |own: &SourceConfig| own.file_format().is_some_and(|own| own.name() != "parquet");
        if sources.is_some_and(|sources| sources.iter().any(is_other)) {
            let key = if rows.is_some() { "warm_up_rows" } else { "warm_up_files" };
            section.fault(key, "needs Parquet files, which say what their columns are");
        }
        Some(ReferenceSource::WarmUp(WarmUp { rows, files }))
    } else {
        let path = section.required_string("path");
        path.map(|path| {
            let path = Path::new(&path);
            let is_address = is_address(path);
            if let Err(error) = if is_address { bucket::check(path) } else { Ok(()) } {
                section.fault("path", error.to_string());
            }
            // An address is not relative to anything.
            ReferenceSource::Path(if is_address { path.to_owned() } else { folder.join(path) })
        })
    };
    // The first files of sources are read as the sources read them.
    let page_bytes_max = section.bytes("page_max").unwrap_or_else(|| match &source {
        Some(ReferenceSource::WarmUp(_)) => {
            let sources = sources.into_iter().flatten();
            sources.filter_map(SourceConfig::page_bytes_max).max().unwrap_or(PAGE_BYTES_MAX)
        }
        _ => PAGE_BYTES_MAX,
    });
    let is_ordered = section.boolean("ordered").unwrap_or(false);
    if is_ordered && matches!(source, Some(ReferenceSource::WarmUp(_))) {
        section.fault("ordered", "is of files that are there, and not of a warm-up");
    }
    section.finish();
    Some((source?, page_bytes_max, is_ordered))
}

fn columns(model: &Section<'_>) -> ColumnsConfig {
    let Some(section) = model.section("columns") else { return ColumnsConfig::default() };
    let patterns = |key| {
        let names = section.strings(key)?;
        Some(names.into_iter().map(NamePattern::new).collect::<Vec<_>>())
    };
    let config = ColumnsConfig {
        include: patterns("include"),
        exclude: patterns("exclude").unwrap_or_default(),
        id: section.string("id"),
        label: section.string("label"),
        predictions: section.string_or_strings("prediction").unwrap_or_default(),
        time: time_column(&section),
        cluster: section.string("cluster"),
        renaming: renaming(&section),
    };
    section.finish();
    config
}

fn renaming(columns: &Section<'_>) -> Renaming {
    Renaming::new(columns.texts("rename")).unwrap_or_else(|fault| {
        columns.fault("rename", fault);
        Renaming::default()
    })
}

fn time_column(section: &Section<'_>) -> Option<TimeColumn> {
    let name = section.string("time");
    let unit = section.choice("time_unit", &EpochUnit::ALL);
    if name.is_none() && section.has("time_unit") {
        section.fault("time_unit", "is the unit of the numbers in columns.time, which is missing");
    }
    Some(TimeColumn { name: name?, unit })
}
