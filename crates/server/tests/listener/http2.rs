//! HTTP/2 over TLS.
