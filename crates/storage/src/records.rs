//! What reads return.

use lydian_domain::authentication::Authentication;
use lydian_domain::{
    AccessToken, Api, AuthorizationCode, Client, DeviceAuthorization, Grant, Realm, RefreshToken, Session,
    SigningKeyRecord, User,
};
use lydian_primitives::Hour;
use lydian_revocation::RecordKind;

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
    /// A record that is gone.
    Removed {
        /// What kind of record it was.
        kind: RecordKind,
        /// Which one.
        id: u64,
    },
}

/// Where a sweep for orphans goes on; the default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanCursor {
    /// The table, by its place in the order of the sweep.
    pub table: usize,
    /// The id after which to go on.
    pub after: i64,
}

/// The kinds of rows that can lose their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnedKind {
    /// APIs of a realm.
    Api,
    /// Clients of a realm.
    Client,
    /// What users agreed to.
    Consent,
    /// Second factors of a user.
    Factor,
    /// Grants of a client, a user or a realm.
    Grant,
    /// Signing keys of a realm.
    Key,
    /// Recovery codes of a user.
    RecoveryCode,
    /// Sessions of a user or a realm.
    Session,
    /// Users of a realm.
    User,
}

/// What one step of a sweep found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// How many rows left, by kind.
    pub removed: Vec<(OwnedKind, usize)>,
    /// Where to go on; `None` at the end.
    pub next: Option<OrphanCursor>,
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
    /// How its user had proved who it is, as its grant says.
    pub authentication: Option<Authentication>,
}

/// A refresh token with the rows that decide over it.
#[derive(Clone, Debug)]
pub struct StoredRefreshToken {
    /// The token.
    pub token: RefreshToken,
    /// Its grant, session and user.
    pub parents: Parents,
}

/// An authorization code with the rows that decide over it.
#[derive(Clone, Debug)]
pub struct StoredCode {
    /// The code.
    pub code: AuthorizationCode,
    /// Its grant, session and user.
    pub parents: Parents,
}

/// A device authorization with the rows of the grant that it opened.
#[derive(Clone, Debug)]
pub struct StoredDevice {
    /// The device authorization.
    pub device: DeviceAuthorization,
    /// Its grant, and the session and user of that.
    pub parents: Parents,
}

/// A browser session with its user.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// The session.
    pub session: Session,
    /// Who signed in.
    pub user: User,
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
