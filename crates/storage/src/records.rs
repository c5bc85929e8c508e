//! What reads return.

use lydian_domain::{AccessToken, Api, Client, Grant, Realm, RefreshToken, Session, SigningKeyRecord, User};
use lydian_primitives::Hour;

/// A record that nodes keep in memory.
#[derive(Clone, Debug)]
pub enum Record {
    /// An API.
    Api(Api),
    /// A client.
    Client(Client),
    /// A signing key.
    Key(SigningKeyRecord),
    /// A realm.
    Realm(Realm),
}

/// An access token with what its answer shows beside it.
#[derive(Clone, Debug)]
pub struct StoredAccessToken {
    /// The token.
    pub token: AccessToken,
    /// The name of its user, as it is now.
    pub username: Option<String>,
    /// The subject identifier of its user.
    pub subject: Option<String>,
}

/// A refresh token with the rows that decide over it.
#[derive(Clone, Debug)]
pub struct StoredRefreshToken {
    /// The token.
    pub token: RefreshToken,
    /// Its grant, session and user.
    pub parents: Parents,
}

/// The rows whose state decides over a token that lives long. A missing row means dead.
#[derive(Clone, Debug, Default)]
pub struct Parents {
    /// The grant.
    pub grant: Option<Grant>,
    /// The session.
    pub session: Option<Session>,
    /// The user.
    pub user: Option<User>,
}

/// How many tokens that expire in an hour were issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The hour of their expiry.
    pub hour: Hour,
    /// How many.
    pub count: u64,
}
