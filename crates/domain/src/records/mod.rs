//! The records that the authorization server keeps. They are values: what may be done with them is decided elsewhere.

pub mod api;
pub mod client;
pub mod code;
pub mod consent;
pub mod device;
pub mod factor;
pub mod grant;
pub mod key;
pub mod realm;
pub mod token;
pub mod user;

pub use api::{Api, ApiId, CachePolicy, ScopeDetail, TokenFormat};
pub use client::{Client, ClientAuthorization, ClientId, ClientSecretHash, RevocationCascade};
pub use code::AuthorizationCode;
pub use consent::Consent;
pub use device::{DeviceAuthorization, DeviceDecision};
pub use factor::{Factor, FactorId, FactorKind, Passkey};
pub use grant::{Grant, GrantId, Rotation};
pub use key::{KeyId, KeyState, SigningKeyRecord};
pub use realm::{Realm, RealmId, RealmName, SignInSettings};
pub use token::{AccessToken, Audience, RefreshToken, TokenDigest, TokenForm};
pub use user::{BrowserSession, PasswordHash, Session, SessionId, User, UserId, UserProfile};
