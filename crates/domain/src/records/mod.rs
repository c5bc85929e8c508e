//! The records that the authorization server keeps. They are values: what may be done with them is decided elsewhere.

pub mod api;
pub mod client;
pub mod grant;
pub mod key;
pub mod realm;
pub mod token;
pub mod user;

pub use api::{Api, ApiId, CachePolicy, TokenFormat};
pub use client::{Client, ClientId, ClientSecretHash, RevocationCascade};
pub use grant::{Grant, GrantId};
pub use key::{KeyId, KeyState, SigningKeyRecord};
pub use realm::{Realm, RealmId, RealmName};
pub use token::{AccessToken, Audience, RefreshToken, TokenDigest, TokenForm};
pub use user::{Session, SessionId, User, UserId};
