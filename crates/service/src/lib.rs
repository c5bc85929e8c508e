//! The use cases: load, decide, commit.
#![forbid(unsafe_code)]
