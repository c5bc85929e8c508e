//! What the authorization server decides, as pure functions over values.
#![forbid(unsafe_code)]
