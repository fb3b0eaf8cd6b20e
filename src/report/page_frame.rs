//! What every page has: no script, nothing from anywhere else, and no style but its own.

use crate::explain::bin::printable;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

const STYLE: &str = include_str!("report.css");

/// A page with this title.
pub fn frame(title: &str, body: &Markup) -> String {
    // The page's own style, forms that come back here, and nothing else, whatever a name may hold.
    let hash = BASE64_STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (printable(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                footer { p.soft { "driftd " (env!("CARGO_PKG_VERSION")) } }
            }
        }
    };
    page.into_string()
}
