//! Configuration, listeners, TLS, telemetry, shutdown: the running authorization server.
//!
//! Start with [`run::run`]. Configuration keys are one table in [`config`].
#![forbid(unsafe_code)]

pub mod backup;
pub mod config;
pub mod control;
mod control_socket;
pub mod data_directory;
pub mod demo;
mod examination;
pub mod listener;
pub mod mail;
pub mod offline;
pub mod operations;
pub mod run;
pub mod telemetry;
pub mod tls;
