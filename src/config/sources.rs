//! `[[model.source]]`: read by the list of types and their keys.

use super::raw::{Section, nearest, unknown};
use super::{Model, Purpose};
use crate::settings::Settings;
use crate::source::{Resource, SOURCE_TYPES, SourceConfig, SourceType};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// The sources of a model; none when any is wrong.
pub(super) fn sources(
    model: &Section<'_>,
    folder: &Path,
    purpose: Purpose,
) -> Option<Vec<SourceConfig>> {
    let sections = model.sections("source");
    if sections.is_empty() && purpose == Purpose::Watching {
        model.fault("source", "is missing: there is nothing to watch");
    }
    let mut names = std::collections::BTreeSet::new();
    let sources = sections.iter().map(|section| {
        let name = section.required_string("name");
        if let Some(name) = name.as_ref().filter(|name| !names.insert((*name).clone())) {
            section.fault("name", format!("{name:?} is used by another source of the model"));
        }
        let source = source(section, folder);
        section.finish();
        let (kind, settings) = source?;
        Some(SourceConfig { name: name?, kind, settings })
    });
    sources.collect::<Vec<_>>().into_iter().collect()
}

fn source(section: &Section<'_>, folder: &Path) -> Option<(&'static dyn SourceType, Settings)> {
    let written = section.required_string("type")?;
    let names = || SOURCE_TYPES.iter().map(|kind| kind.name());
    if !names().any(|name| name == written) {
        section.fault("type", unknown(&written, names()));
    }
    // A mistyped type is checked as what it most likely means, so that all faults are found.
    let Some(name) = nearest(&written, names()) else {
        SOURCE_TYPES.iter().flat_map(|kind| kind.keys()).for_each(|key| section.ignore(key.name));
        return None;
    };
    let kind = *SOURCE_TYPES.iter().find(|kind| kind.name() == name)?;
    let written = kind.keys().iter().filter_map(|key| {
        if key.default.is_none() && !section.has(key.name) {
            section.fault(key.name, "is missing");
        }
        Some((key.name, section.setting(key, folder)?))
    });
    // Where a value is wrong the default stands in, so that all other faults are found too.
    Some((kind, Settings::complete(kind.keys(), written)?))
}

/// What is listened on can be listened on once.
pub fn check_resources(sections: &[Section<'_>], models: &[Option<Model>], server: SocketAddr) {
    let mut taken = BTreeMap::from([(Resource::Address(server), "[server]".to_owned())]);
    for (section, model) in sections.iter().zip(models) {
        let Some(model) = model else { continue };
        for source in &model.sources {
            let resource = source.resource();
            let is_free = matches!(&resource, Resource::Address(address) if address.port() == 0);
            if is_free || !resource.is_exclusive() {
                continue;
            }
            let name = format!("source {:?} of model {:?}", source.name, model.model.name);
            if let Some(other) = taken.get(&resource) {
                section.fault(
                    "source",
                    format!("{name} takes what comes to {resource}, as {other} does"),
                );
            } else {
                taken.insert(resource, name);
            }
        }
    }
}
