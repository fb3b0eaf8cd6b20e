//! `[export]`: which series there are, and where they are sent to.

use super::raw::{Section, unknown};
use crate::explain::phrases::ShownValues;
use crate::export::ExportConfig;
use crate::export::metric::Family;
use crate::export::remote_write::RemoteWriteConfig;
use crate::export::write_request::WriteVersion;
use crate::net::http_client::parse_url;
use crate::schema::NamePattern;
use std::collections::BTreeMap;
use std::path::Path;

/// Labels of series that a daemon has, of which none can be anything else.
const OWN_LABELS: [&str; 4] = ["model_name", "model_version", "window", "feature"];

pub fn export(root: &Section<'_>, folder: &Path) -> ExportConfig {
    let mut config = ExportConfig::default();
    let Some(section) = root.section("export") else { return config };
    if let Some(names) = section.strings("families") {
        config.families = names
            .iter()
            .filter_map(|name| {
                let family = Family::ALL.into_iter().find(|family| family.name() == name);
                if family.is_none() {
                    let known = Family::ALL.iter().map(|family| family.name());
                    section.fault("families", unknown(name, known));
                }
                family
            })
            .collect();
    }
    if let Some(series_max) = section.integer("series_max", 0) {
        config.series_max = series_max as usize;
    }
    config.values = section
        .choice("values", &ShownValues::ALL.map(|own| (own.name(), own)))
        .unwrap_or(config.values);
    let cells = section.strings("cells").unwrap_or_default();
    config.cells = cells.into_iter().map(NamePattern::new).collect();
    let remote = section.section("remote_write");
    config.remote_write = remote.and_then(|section| remote_write(&section, folder));
    section.finish();
    config
}

fn remote_write(section: &Section<'_>, folder: &Path) -> Option<RemoteWriteConfig> {
    let url = section.required_string("url");
    match url.as_deref().map(parse_url) {
        Some(Ok(url)) if !url.username().is_empty() || url.password().is_some() => {
            let text = "must not hold a password, which logs would show; see headers_file";
            section.fault("url", text);
        }
        Some(Err(_)) => {
            let text = "is no address such as \"https://prometheus.example.com/api/v1/write\"";
            section.fault("url", text);
        }
        Some(Ok(_)) | None => {}
    }
    let interval = section.duration("interval").unwrap_or(RemoteWriteConfig::INTERVAL);
    let headers_file = section.string("headers_file").map(|file| folder.join(file));
    let versions = WriteVersion::ALL.map(|own| (own.name(), own));
    let version = section.choice("version", &versions).unwrap_or(WriteVersion::One);
    let mut labels = RemoteWriteConfig::default_labels();
    labels.extend(section.texts("labels"));
    for name in labels.keys() {
        if let Err(fault) = check_label(name) {
            section.fault("labels", format!("{name:?} {fault}"));
        }
    }
    // One that is empty is none.
    let labels: BTreeMap<_, _> = labels.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    section.finish();
    Some(RemoteWriteConfig { url: url?, interval, headers_file, version, labels })
}

/// Whether series can have another label of this name.
fn check_label(name: &str) -> Result<(), &'static str> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_letter)
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
        && !name.starts_with("__");
    match () {
        () if !is_name => Err("is no name of a label: letters, digits and _"),
        () if OWN_LABELS.contains(&name) => Err("is a label that series have of their own"),
        () => Ok(()),
    }
}
