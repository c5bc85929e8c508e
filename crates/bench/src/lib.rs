//! The load generator, the floors and the reports of cargo xtask bench.
#![forbid(unsafe_code)]
