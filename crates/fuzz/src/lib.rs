//! Inputs that nobody wrote, for every parser that the network or a file reaches.
//!
//! A [`Target`] is a plain function over bytes with its promise asserted inside: no panic, what is written reads back the same,
//! and a second implementation agrees. [`targets`] is the one table of them. [`run`] mutates seeds on stable Rust; the same
//! functions serve any other engine.
#![forbid(unsafe_code)]

mod mutate;
mod outcome;
mod runner;
mod second;
mod target;
mod targets;
mod words;

pub use outcome::Outcome;
pub use runner::{Budget, Finding, Limits, Run, execute, run};
pub use target::{Target, find, targets};
