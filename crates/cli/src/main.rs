//! The `lydian` command.
#![forbid(unsafe_code)]
fn main() {}
