//! What the authorization server decides, as pure functions over values.
//!
//! No clock, no randomness, no I/O: everything a decision needs comes in, everything it wants done goes out. Start with
//! [`introspect`](introspect::introspect): it is what the product is for.
#![forbid(unsafe_code)]

pub mod audience;
pub mod authenticate;
pub mod introspect;
pub mod issue;
pub mod key_rotation;
pub mod records;
pub mod refusal;
pub mod revoke;
pub mod secrets;
pub mod token_id;
pub mod token_string;

#[cfg(test)]
mod test_fixtures;

pub use records::{
    AccessToken, Api, ApiId, Audience, CachePolicy, Client, ClientId, ClientSecretHash, Grant, GrantId,
    KeyId, KeyState, Realm, RealmId, RealmName, RefreshToken, RevocationCascade, Session, SessionId,
    SigningKeyRecord, TokenDigest, TokenForm, TokenFormat, User, UserId,
};
pub use refusal::Refusal;
pub use token_id::TokenId;
