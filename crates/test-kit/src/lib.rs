//! What tests share: a server on free ports, an HTTP client that checks every answer, fixtures.
#![forbid(unsafe_code)]
