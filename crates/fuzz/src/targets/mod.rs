//! The targets, by what they read. Each feeds one parser and asserts its promise.

pub(crate) mod authentication;
pub(crate) mod factors;
pub(crate) mod feed;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod jose;
pub(crate) mod keys;
pub(crate) mod oauth;
pub(crate) mod requests;
pub(crate) mod same_json;
pub(crate) mod tokens;
pub(crate) mod validation;

/// The input as text, for parsers that take text; what is no UTF-8 never reaches them.
fn text_of(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}
