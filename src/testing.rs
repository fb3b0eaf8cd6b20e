//! How property tests of this crate run: failing cases are kept under `tests/`.

use proptest::test_runner::{Config, FileFailurePersistence};

/// Where failing cases are kept, relative to the package.
const FAILURES: &str = "tests/proptest-regressions/lib.txt";

/// So many cases; `DRIFTD_CASES` asks for more.
pub fn cases(usual: u32) -> Config {
    let wanted = std::env::var("DRIFTD_CASES").ok();
    let cases = wanted.map_or(usual, |text| text.parse().expect("DRIFTD_CASES is a number"));
    let failures = FileFailurePersistence::Direct(FAILURES);
    Config { cases, failure_persistence: Some(Box::new(failures)), ..Config::default() }
}
