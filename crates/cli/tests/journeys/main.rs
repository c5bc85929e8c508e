//! Journeys with the real binary, as an operator and a script take them: processes, files, signals, `curl`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod apply;
mod backup;
mod browser;
mod certificates;
mod configuration;
mod control;
mod demo;
mod files;
mod insecure;
mod keys;
mod lifecycle;
mod login;
mod mail;
mod operations;
mod output;
mod records;
mod secrets;
mod support;
