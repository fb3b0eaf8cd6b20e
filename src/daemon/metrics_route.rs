//! `GET /metrics`: the page in the format and the encoding that the client asks for, within the
//! time that it has.

use super::page_body::PageBody;
use super::server_state::{ServerState, in_turn};
use crate::export::exposition::Format;
use crate::export::page::Encoding;
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;

/// How long Prometheus waits for the page.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

/// Of that, what is left for the page to travel.
const TRAVEL: f64 = 0.1;

/// Who says nothing waits this long.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn metrics(State(state): State<Arc<ServerState>>, headers: HeaderMap) -> Response {
    let format = Format::wanted(&list(&headers, ACCEPT.as_str()));
    let is_gzip = accepts_gzip(&list(&headers, ACCEPT_ENCODING.as_str()));
    let encoding = if is_gzip { Encoding::Gzip } else { Encoding::Plain };
    let patience = patience(&headers);
    // Encoding many series takes a while, and the thread here also accepts connections. A page that
    // comes too late for this scrape is there for the next.
    let turns = Arc::clone(&state.renders);
    let page = in_turn(turns, move || state.pages.render(format, encoding));
    let page = match tokio::time::timeout(patience, page).await {
        Ok(Ok(page)) => PageBody::response(page),
        Ok(Err(panicked)) => return panicked.into_response(),
        Err(_) => {
            let text = format!(
                "no page within {:.1} s, the time of this scrape\n",
                patience.as_secs_f64()
            );
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        }
    };
    let about = [(CONTENT_TYPE, format.content_type()), (VARY, "accept, accept-encoding")];
    match encoding {
        Encoding::Plain => (about, page).into_response(),
        Encoding::Gzip => (about, [(CONTENT_ENCODING, "gzip")], page).into_response(),
    }
}

/// The values of a header that may come more than once.
fn list(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(",")
}

/// `gzip` or `gzip;q=…` with a quality other than 0.
fn accepts_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().trim_start_matches("q=").parse::<f64>();
        name.trim() == "gzip" && quality != Ok(0.0)
    })
}

/// How long the page may take to make.
fn patience(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.parse().ok());
    let patience =
        seconds.map(|seconds: f64| Duration::try_from_secs_f64(seconds * (1.0 - TRAVEL)));
    patience.and_then(Result::ok).map_or(PATIENCE, |patience| patience.min(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_has_its_own_time() {
        let of = |value: &str| {
            let value = value.parse().expect("a header");
            patience(&HeaderMap::from_iter([(SCRAPE_TIMEOUT.parse().expect("a name"), value)]))
        };
        assert_eq!(of("10.000000"), Duration::from_secs(9));
        assert_eq!(of("0.5"), Duration::from_millis(450));
        for unusable in ["", "-1", "NaN", "inf", "ten", "1e300"] {
            assert_eq!(of(unusable), PATIENCE, "{unusable}");
        }
        assert_eq!(patience(&HeaderMap::new()), PATIENCE);
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        for accepted in ["gzip", "deflate, gzip;q=0.5", "br,gzip"] {
            assert!(accepts_gzip(accepted), "{accepted}");
        }
        for refused in ["", "identity", "gzip;q=0", "gzip; q=0.0", "xgzip"] {
            assert!(!accepts_gzip(refused), "{refused}");
        }
    }
}
