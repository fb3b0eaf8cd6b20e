//! Pushing what was found once to Prometheus' Pushgateway.
//!
//! A gateway keeps what was pushed under a key of labels, its group; a model has a group of its
//! own, which a push replaces as a whole, so that a feature that is gone is gone there too.

use super::exposition::Format;
use crate::error::{Error, Result};
use crate::net::http_client::{
    Way, error_text, http_client, parse_url, refusal_text, without_user,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Where paths of groups begin.
const GROUPS: &str = "/metrics/job/";
const GROUPS_IN_BASE64: &str = "/metrics/job@base64/";

/// Label `job` of what is pushed.
const JOB: &str = "driftd";

/// The address of a model's group at a gateway; an address that names a group is that of the group.
pub fn group_url(gateway: &str, model: &str, version: &str) -> Result<Url> {
    let url = parse_url(gateway)?;
    if [GROUPS, GROUPS_IN_BASE64].iter().any(|begin| url.path().contains(begin)) {
        return Ok(url);
    }
    let labels = [("model_name", model), ("model_version", version)];
    let labels = labels.map(|(name, value)| group_label(name, value)).concat();
    let mut group = url.clone();
    group.set_path(&format!("{}{GROUPS}{JOB}{labels}", url.path().trim_end_matches('/')));
    Ok(group)
}

/// A label as part of a path: what has a slash, or nothing at all, has to be Base64.
fn group_label(name: &str, value: &str) -> String {
    match value {
        "" => format!("/{name}@base64/="),
        value if value.contains('/') => format!("/{name}@base64/{}", URL_SAFE.encode(value)),
        value => format!("/{name}/{}", utf8_percent_encode(value, NON_ALPHANUMERIC)),
    }
}

/// Puts a page of format 0.0.4 in place of what the group held.
pub async fn push(group: &Url, page: Vec<u8>) -> Result<()> {
    let request = http_client(group, TIMEOUT, Way::AnyProxy)?.put(group.clone());
    let request = request.header(CONTENT_TYPE, Format::Text.content_type()).body(page);
    let shown = without_user(group.clone());
    let failed = |why: String| Error::new(format!("{shown}: not pushed: {why}"));
    let sent = request.send().await;
    let answer = sent.map_err(|error| failed(error_text(&error.without_url())))?;
    if answer.status().is_success() { Ok(()) } else { Err(failed(refusal_text(answer).await)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the README of Pushgateway 1.11 writes paths.
    #[test]
    fn a_model_has_a_group() {
        let of = |gateway, model, version| group_url(gateway, model, version).unwrap().to_string();
        let group = of("http://gateway:9091/", "fraud", "2");
        assert_eq!(
            group,
            "http://gateway:9091/metrics/job/driftd/model_name/fraud/model_version/2"
        );
        let group = of("https://proxy/push", "a/b c", "");
        let path = "/model_name@base64/YS9iIGM=/model_version@base64/=";
        assert_eq!(group, format!("https://proxy/push/metrics/job/driftd{path}"));
        assert!(of("http://gateway", "é & x", "1").contains("/model_name/%C3%A9%20%26%20x/"));
        let own = "http://gateway:9091/metrics/job/nightly/team/risk";
        assert_eq!(of(own, "fraud", ""), own);
        let secret = of("http://me:word@gateway:9091", "fraud", "2");
        let url = without_user(parse_url(&secret).unwrap());
        assert!(secret.contains("word") && url.as_str().starts_with("http://gateway:9091/m"));
        for wrong in ["gateway:9091", "gateway", "ftp://gateway", "http://gateway:99999", ""] {
            assert!(group_url(wrong, "fraud", "").is_err(), "{wrong}");
        }
    }
}
