//! Where the pages of the daemon are, and how what they show is named in an address.

use super::feature_section::short_name;
use crate::monitor::figures::WindowFigures;
use crate::monitor::snapshot::ModelSnapshot;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A part of an address.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A model with its version, for people.
pub fn model_name(name: &str, version: &str) -> String {
    match version {
        "" => short_name(name),
        version => format!("{} {}", short_name(name), short_name(version)),
    }
}

/// A window of a model, from a page at the root of the server.
pub fn window_link(model: &ModelSnapshot, window: &str) -> String {
    format!("models/{}{}", encoded(&model.name), window_query(&model.version, window))
}

/// A window, on a page of its model.
pub fn window_query(version: &str, window: &str) -> String {
    format!("?version={}&window={}", encoded(version), encoded(window))
}

/// One closed window of those of its name, by its number, its end, and when it closed: an empty
/// window and the late rows that came for it end at once.
pub fn closed_window_query(version: &str, figures: &WindowFigures) -> String {
    let mut query = window_query(version, &figures.window);
    query += &format!("&slot={}", figures.slot);
    let times = [("end", figures.end.or(figures.closed)), ("closed", figures.closed)];
    for (key, time) in times {
        if let Some(time) = time {
            query += &format!("&{key}={}", encoded(&time.to_string()));
        }
    }
    query
}

/// A feature, on a page of its model: by a path, or by a query where no path can name it.
pub fn feature_link(model: &str, feature: &str, query: &str) -> String {
    let (model, name) = (encoded(model), encoded(feature));
    match feature {
        "." | ".." => format!("{model}/features/{query}&feature={name}"),
        _ => format!("{model}/features/{name}{query}"),
    }
}
