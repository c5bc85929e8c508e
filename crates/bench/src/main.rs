//! The command `lydian-bench`.
#![forbid(unsafe_code)]
fn main() {}
