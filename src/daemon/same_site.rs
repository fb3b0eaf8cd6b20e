//! Refusing requests that a page of another site makes a browser send: they would come with the
//! rights of whoever looks at that page.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets those through that no browser sent, or that come from a page of the daemon's own.
pub async fn same_site(request: Request, next: Next) -> Response {
    if is_foreign(request.headers()) {
        let text = "a page of another site may not ask for this\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

/// Browsers say where a request comes from: by `Sec-Fetch-Site` (W3C, "Fetch Metadata"), older ones
/// by `Origin`.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_none() || host != text(header::HOST.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_others_are_foreign() {
        let of = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (name.parse().expect("a name"), value.parse().expect("a value"))
            });
            is_foreign(&headers.collect::<HeaderMap>())
        };
        let host = ("host", "127.0.0.1:9797");
        assert!(!of(&[host]));
        assert!(!of(&[host, ("origin", "http://127.0.0.1:9797")]));
        assert!(!of(&[host, ("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!of(&[host, ("sec-fetch-site", "none")]));
        assert!(of(&[host, ("origin", "http://evil.example")]));
        assert!(of(&[host, ("origin", "null")]));
        for site in ["cross-site", "same-site", "anything"] {
            assert!(of(&[host, ("sec-fetch-site", site)]), "{site}");
        }
    }
}
