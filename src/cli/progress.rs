//! Progress bars on standard error, when that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts `steps` of `what`.
pub fn bar(what: &'static str, steps: usize) -> ProgressBar {
    // Hidden by itself when standard error is no terminal.
    let bar = ProgressBar::new(steps as u64).with_message(what);
    let style = ProgressStyle::with_template("{msg:10} {wide_bar} {pos}/{len} {eta}");
    bar.with_style(style.expect("the template is fixed"))
}
