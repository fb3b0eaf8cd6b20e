//! The keys that name values which come without names.

use crate::format::payload::ValueNames;
use crate::settings::{Key, SettingKind, Settings};

pub const NAMES: Key = Key {
    name: "names",
    kind: SettingKind::Names,
    default: Some(""),
    meaning: "of values that come without, in their order: lists, unnamed tensors, what SageMaker \
              captures",
};

pub const RESPONSE_NAMES: Key = Key {
    name: "response_names",
    kind: SettingKind::Names,
    default: Some(""),
    meaning: "the same of what a model answered; where they are given it stands in the row of its \
              request",
};

/// As they are set. Responses are left out unless they have names.
pub fn value_names(settings: &Settings) -> ValueNames {
    let responses = settings.names(RESPONSE_NAMES.name).to_vec();
    ValueNames {
        requests: settings.names(NAMES.name).to_vec(),
        responses: Some(responses).filter(|own| !own.is_empty()),
    }
}
