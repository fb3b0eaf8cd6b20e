//! What a page was made of, so that it is sent again only when that has changed.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;
use xxhash_rust::xxh3::Xxh3Default;

/// Another build may make another page of the same, and comes with another start.
static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());

/// The `ETag` of a page.
pub struct PageTag(String);

impl PageTag {
    /// Of what a page is made of, by this process.
    pub fn of(made_of: &(impl Hash + ?Sized)) -> PageTag {
        let mut hasher = Xxh3Default::new();
        (*START, made_of).hash(&mut hasher);
        PageTag(format!("\"{:032x}\"", hasher.digest128()))
    }

    /// Whether whoever asks has this page already.
    pub fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let known = headers.get(header::IF_NONE_MATCH);
        known.is_some_and(|known| known.as_bytes() == self.0.as_bytes())
    }

    pub fn unchanged(&self) -> Response {
        (StatusCode::NOT_MODIFIED, self.headers()).into_response()
    }

    pub fn page(&self, page: String) -> Response {
        (self.headers(), Html(page)).into_response()
    }

    /// A page is asked for anew each time, and is for nobody else.
    fn headers(&self) -> HeaderMap {
        let tag = HeaderValue::from_str(&self.0).expect("hexadecimal digits");
        let kept = HeaderValue::from_static("private, no-cache");
        HeaderMap::from_iter([(header::ETAG, tag), (header::CACHE_CONTROL, kept)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_tag() {
        let tag = PageTag::of(&("a window", 7));
        let sent = tag.page("page".to_owned()).headers().clone();
        let known = HeaderMap::from_iter([(header::IF_NONE_MATCH, sent[header::ETAG].clone())]);
        assert!(tag.is_known_to(&known) && !tag.is_known_to(&HeaderMap::new()));
        assert!(!PageTag::of(&("a window", 8)).is_known_to(&known));
        assert_eq!(tag.unchanged().status(), StatusCode::NOT_MODIFIED);
    }
}
