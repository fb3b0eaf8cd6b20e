//! What to do about an alert, for whoever follows its link.

use axum::extract::Path;
use axum::http::StatusCode;

const ALL: &str = include_str!("../../config/runbooks.md");

/// All of them.
pub async fn runbooks() -> &'static str {
    ALL
}

/// The section of one alert.
pub async fn runbook(Path(alert): Path<String>) -> Result<String, StatusCode> {
    let mut sections = ALL.split("\n## ").skip(1);
    let section = sections.find(|section| section.lines().next() == Some(alert.as_str()));
    section.map(|section| format!("{}\n", section.trim_end())).ok_or(StatusCode::NOT_FOUND)
}
