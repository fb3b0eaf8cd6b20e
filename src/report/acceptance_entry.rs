//! That a window was made the reference, for answers and pages.

use crate::monitor::acceptance::Acceptance;
use crate::time::Timestamp;
use serde_json::{Value, json};

/// In microseconds.
const SECOND: i64 = 1_000_000;

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
        "told": accepted_words(own),
    })
}

/// The same in words.
pub fn accepted_words(own: &Acceptance) -> String {
    let Acceptance { window, windows, rows, .. } = own;
    let what = if *windows == 1 { "window" } else { "windows" };
    let when = match (own.start, own.end) {
        (Some(start), Some(end)) => format!(" from {start} to {end}"),
        (_, Some(end)) => format!(" that ended {end}"),
        _ => String::new(),
    };
    let by = own.by.as_ref().map(|user| format!(" by {user}")).unwrap_or_default();
    let at = Timestamp(own.accepted.0 / SECOND * SECOND);
    format!("The reference is {windows} {what} {window}{when}, {rows} rows, accepted {at}{by}.")
}
