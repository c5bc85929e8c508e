//! The embedded backend: SQLite with group commit.
#![forbid(unsafe_code)]
