//! The words of OAuth 2.0 on the wire: error codes, scopes, forms, metadata.
#![forbid(unsafe_code)]
