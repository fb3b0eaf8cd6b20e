//! Runs one of the targets of `driftd::fuzzing` under libFuzzer; `DRIFTD_TARGET` names it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("DRIFTD_TARGET").unwrap_or_default();
    let known = driftd::fuzzing::TARGETS;
    let Some((_, target)) = known.iter().find(|(own, _)| *own == name) else {
        panic!("DRIFTD_TARGET is one of {:?}", known.map(|(name, _)| name));
    };
    // Decoders may panic where that is caught; whatever is not ends the fuzzer.
    std::panic::set_hook(Box::new(|_| {}));
    *target
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
