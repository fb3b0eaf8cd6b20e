//! That a window was made the reference, for answers and pages.

use crate::monitor::acceptance::Acceptance;
use crate::time::Timestamp;
use serde_json::{Value, json};

/// As it stands in answers; times are seconds since 1970.
pub fn acceptance(own: &Acceptance) -> Value {
    json!({
        "accepted": own.accepted.as_seconds(),
        "by": own.by,
        "window": own.window,
        "windows": own.windows,
        "start": own.start.map(Timestamp::as_seconds),
        "end": own.end.map(Timestamp::as_seconds),
        "rows": own.rows,
        "ended": own.ended.map(Timestamp::as_seconds),
    })
}

/// The same in words.
pub fn accepted_words(own: &Acceptance) -> String {
    let Acceptance { window, windows, rows, .. } = own;
    let what = match (windows, own.end) {
        (1, Some(end)) => format!("window {window} that ended {end}"),
        (1, None) => format!("a window {window}"),
        (_, Some(end)) => format!("{windows} windows {window}, the last of which ended {end}"),
        (_, None) => format!("{windows} windows {window}"),
    };
    let by = own.by.as_ref().map(|user| format!(" by {user}")).unwrap_or_default();
    format!("The reference is {what}, {rows} rows, accepted {}{by}.", own.accepted)
}
