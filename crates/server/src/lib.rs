//! Configuration, listeners, TLS, telemetry, shutdown: the running authorization server.
#![forbid(unsafe_code)]
