//! Strict JSON Web Signatures, keys and claims (RFC 7515 to 7519, 7638, 8037) over aws-lc-rs.
#![forbid(unsafe_code)]
