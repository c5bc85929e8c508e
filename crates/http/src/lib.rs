//! The endpoints: routes, request parsing, error responses.
#![forbid(unsafe_code)]

pub mod body;
