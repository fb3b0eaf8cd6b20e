//! What every page has: nothing from anywhere else, and no style or script but its own.

use crate::explain::bin::printable;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

const STYLE: &str = include_str!("page.css");
/// Follows the daemon, and tells times in the reader's zone. A page says all without it.
const SCRIPT: &str = include_str!("page.js");

/// A page with this title that stays as it is: a file on a disk.
pub fn fixed_page(title: &str, body: &Markup) -> String {
    page(title, body, None)
}

/// A page with this title whose parts with `data-live` follow the daemon that serves it.
pub fn live_page(title: &str, body: &Markup) -> String {
    page(title, body, Some(SCRIPT))
}

/// A part of a page that follows the daemon; no two of a page have the same id.
pub fn live_part(id: &str, content: &Markup) -> Markup {
    html! { div id=(id) data-live tabindex="-1" { (content) } }
}

/// A table without a link, which a keyboard scrolls all the same where it is wider than the screen.
pub fn scrolled(name: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(name) { (table) } }
}

fn page(title: &str, body: &Markup, script: Option<&str>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy(script));
                title { (printable(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                footer { p.soft { "driftd " (env!("CARGO_PKG_VERSION")) } }
                @if let Some(script) = script { script { (PreEscaped(script)) } }
            }
        }
    };
    page.into_string()
}

/// The page's own style and script by their hashes, forms that come back here, and nothing else,
/// whatever a name may hold.
fn policy(script: Option<&str>) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let style =
        format!("default-src 'none'; style-src 'sha256-{}'; form-action 'self'", hash(STYLE));
    match script {
        Some(script) => {
            format!("{style}; script-src 'sha256-{}'; connect-src 'self'", hash(script))
        }
        None => style,
    }
}
