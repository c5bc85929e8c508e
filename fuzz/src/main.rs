//! One program for all targets of `lydian-fuzz` under libFuzzer: `LYDIAN_FUZZ_TARGET` names the one that runs.
//!
//! `cargo xtask campaign libfuzzer` builds and starts it. What the promises are is written at the targets themselves.
#![no_main]
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use lydian_fuzz::{Target, find, targets};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("LYDIAN_FUZZ_TARGET").unwrap_or_default();
    find(&name).unwrap_or_else(|| {
        let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
        panic!("LYDIAN_FUZZ_TARGET names one of {}", names.join(", "))
    })
});

fuzz_target!(|input: &[u8]| -> Corpus {
    if input.len() > TARGET.bytes_max {
        return Corpus::Reject;
    }
    let _ = (TARGET.run)(input);
    Corpus::Keep
});
