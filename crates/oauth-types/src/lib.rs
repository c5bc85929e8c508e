//! The words of OAuth 2.0 on the wire: error codes, scopes, forms, credentials, resource indicators, metadata.
//!
//! Only spelling and grammar live here; what a word leads to is decided in `domain`.
#![forbid(unsafe_code)]

pub mod authorization;
pub mod error_code;
pub mod form;
pub mod metadata;
pub mod resource;
pub mod scope;
pub mod words;

pub use authorization::{Authorization, AuthorizationError, BasicCredentials};
pub use error_code::ErrorCode;
pub use form::{Form, FormError};
pub use resource::ResourceIndicator;
pub use scope::{Scope, ScopeError, ScopeSet};
pub use words::{ClientAuthMethod, GrantType, TokenTypeHint};
