//! What the authorization server decides, as pure functions over values.
//!
//! No clock, no randomness, no I/O: everything a decision needs comes in, everything it wants done goes out. Start with
//! [`introspect`](introspect::introspect): it is what the product is for.
#![forbid(unsafe_code)]

pub mod audience;
pub mod authenticate;
pub mod authentication;
pub mod authorize;
pub mod claims;
pub mod factors;
pub mod introspect;
pub mod issue;
pub mod key_rotation;
pub mod policy;
pub mod records;
pub mod redeem;
pub mod refresh;
pub mod refusal;
pub mod revoke;
pub mod secrets;
pub mod token_id;
pub mod token_string;

#[cfg(test)]
mod test_fixtures;

pub use records::{
    AccessToken, Api, ApiId, Audience, AuthorizationCode, BrowserSession, CachePolicy, Client,
    ClientAuthorization, ClientId, ClientSecretHash, Consent, DeviceAuthorization, DeviceDecision, Factor,
    FactorId, FactorKind, Grant, GrantId, KeyId, KeyState, Passkey, PasswordHash, Realm, RealmId, RealmName,
    RefreshToken, RevocationCascade, Rotation, ScopeDetail, Session, SessionId, SignInSettings,
    SigningKeyRecord, TokenDigest, TokenForm, TokenFormat, User, UserId, UserProfile,
};
pub use refusal::Refusal;
pub use token_id::TokenId;
