//! A change: what must still hold, and what is written then.

use std::fmt;

use lydian_domain::{
    AccessToken, Api, ApiId, Audience, AuthorizationCode, Client, ClientId, Consent, DeviceAuthorization,
    DeviceDecision, Factor, FactorId, Grant, GrantId, KeyId, Realm, RealmId, RefreshToken, Session,
    SessionId, SigningKeyRecord, TokenId, User, UserId,
};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::{CutKind, Reach, RecordKind};

/// A condition and its consequences, made in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What must hold, read after the writes of the changes before this one.
    pub preconditions: Vec<Precondition>,
    /// What is written, in order.
    pub writes: Vec<Write>,
    /// The writer's wall clock, for the rows of the log.
    pub at: Timestamp,
}

/// Something that must hold for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No API of the realm, deleted ones included, has this audience.
    AudienceFree {
        /// The realm.
        realm: RealmId,
        /// The audience.
        audience: String,
    },
    /// This client has not used this assertion before (RFC 7523 §3, `jti`).
    AssertionUnused {
        /// The client.
        client: ClientId,
        /// The digest of its `jti`.
        digest: [u8; 32],
        /// When the assertion expires; the memory of it can go then.
        expires_at: Timestamp,
    },
    /// No client of the realm, deleted ones included, has this name.
    ClientIdFree {
        /// The realm.
        realm: RealmId,
        /// The name on the wire.
        client_id: String,
    },
    /// The authorization code is there and was not used.
    CodeUnredeemed {
        /// The code.
        code: TokenId,
    },
    /// This is the living leaf of the family.
    CurrentRefreshToken {
        /// The family.
        grant: GrantId,
        /// The leaf.
        token: TokenId,
    },
    /// The device authorization is there, and nobody decided over it.
    DeviceUndecided {
        /// Which one.
        device: TokenId,
    },
    /// The device authorization is there, and its code was not used.
    DeviceUnredeemed {
        /// Which one.
        device: TokenId,
    },
    /// The factor is there and was not used since it was read.
    FactorUnused {
        /// Which one.
        factor: FactorId,
        /// The mark that was read.
        mark: u64,
    },
    /// The user has fewer factors than this.
    FactorsBelow {
        /// Whose.
        user: UserId,
        /// How many there may be afterwards.
        limit: usize,
    },
    /// The client has no standing grant at this API (`None`: at the issuer).
    NoStandingGrant {
        /// The client.
        client: ClientId,
        /// The API.
        api: Option<ApiId>,
    },
    /// No realm, deleted ones included, has this name.
    RealmNameFree {
        /// The name.
        name: String,
    },
    /// The recovery code is there.
    RecoveryCodeUnused {
        /// Whose.
        user: UserId,
        /// Its digest.
        digest: [u8; 32],
    },
    /// The record still has this version.
    RecordUnchanged {
        /// What kind of record.
        kind: RecordKind,
        /// Which one.
        id: u64,
        /// The version that was read.
        version: u64,
    },
    /// The setting still has this value; `None`: it is absent.
    SettingIs {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: Option<Vec<u8>>,
    },
    /// The user's record still has this version.
    UserUnchanged {
        /// Which one.
        user: UserId,
        /// The version that was read.
        version: u64,
    },
}

/// One thing to write.
///
/// Rows of the log come with the writes that need them: a record that nodes keep in memory adds `RecordChanged`, also when it goes, a known user
/// `UserChanged`, a revocation `Revoked`, a cut `Cut`.
#[derive(Clone, Debug)]
pub enum Write {
    /// Counts issued JWTs, with a row or without.
    AddIssued {
        /// For whom they are.
        audience: Audience,
        /// The realm.
        realm: RealmId,
        /// The key that signed them.
        key: KeyId,
        /// The hour of their expiry.
        hour: Hour,
        /// How many.
        count: u64,
    },
    /// Kills everything of the subject that was minted before this row of the log: adds the row, and sets `cut_at` of the record.
    Cut {
        /// What kind of subject.
        kind: CutKind,
        /// Which one.
        subject: u64,
    },
    /// Deletes a record that nodes keep in memory, and retires its name for good; what it owned goes by
    /// [`Storage::sweep_orphans`](crate::Storage::sweep_orphans).
    Delete {
        /// What kind of record.
        kind: RecordKind,
        /// Which one.
        id: u64,
    },
    /// Keeps what a person decided over a device.
    DecideDevice {
        /// Which one.
        device: TokenId,
        /// The decision.
        decision: DeviceDecision,
    },
    /// Takes back everything that a user agreed to for a client.
    DeleteConsents {
        /// Who agreed.
        user: UserId,
        /// To whom it was given.
        client: ClientId,
    },
    /// Deletes a factor.
    DeleteFactor(FactorId),
    /// Deletes all factors and recovery codes of a user.
    DeleteFactorsOf(UserId),
    /// Deletes a user; what it owned goes by [`Storage::sweep_orphans`](crate::Storage::sweep_orphans).
    DeleteUser(UserId),
    /// Moves the end of a session for its tokens; it never comes closer.
    ExtendSession {
        /// Which one.
        session: SessionId,
        /// When its last token dies.
        expires_at: Timestamp,
    },
    /// Erases the sealed successors of refresh tokens that were replaced before `before`, many at a time.
    ForgetSuccessors {
        /// The time.
        before: Timestamp,
    },
    /// Adds an access token.
    PutAccessToken(AccessToken),
    /// Adds or replaces an API, by id.
    PutApi(Api),
    /// Adds an authorization code.
    PutAuthorizationCode(AuthorizationCode),
    /// Adds or replaces a client, by id. Its `cut_at` is not written for a client that exists: cuts alone move it.
    PutClient(Client),
    /// Adds or replaces what a user agreed to for a client at an API.
    PutConsent(Consent),
    /// Adds a device authorization.
    PutDeviceAuthorization(DeviceAuthorization),
    /// Adds a factor.
    PutFactor(Box<Factor>),
    /// Adds or replaces a grant, by id. Its `cut_at` is not written for a grant that exists.
    PutGrant(Grant),
    /// Adds or replaces a realm, by id. Its `cut_at` is not written for a realm that exists.
    PutRealm(Realm),
    /// Adds a refresh token.
    PutRefreshToken(RefreshToken),
    /// Adds or replaces a session, by id. Its `cut_at` is not written for a session that exists.
    PutSession(Session),
    /// Sets a setting of the install.
    PutSetting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: Vec<u8>,
    },
    /// Adds or replaces a signing key, by id. Its `cut_at` is not written for a key that exists.
    PutSigningKey(SigningKeyRecord),
    /// Adds or replaces a user, by id. Its `cut_at` is not written for a user that exists.
    PutUser(Box<User>),
    /// Marks an authorization code as used.
    RedeemCode {
        /// Which one.
        code: TokenId,
        /// When.
        at: Timestamp,
    },
    /// Marks a device code as used.
    RedeemDevice {
        /// Which one.
        device: TokenId,
        /// When.
        at: Timestamp,
    },
    /// Marks a refresh token as exchanged for its successor. The first time is the one that counts.
    ReplaceRefreshToken {
        /// Which one.
        token: TokenId,
        /// When.
        at: Timestamp,
    },
    /// Replaces all recovery codes of a user.
    ReplaceRecoveryCodes {
        /// The realm of the user.
        realm: RealmId,
        /// Whose.
        user: UserId,
        /// Their digests.
        digests: Vec<[u8; 32]>,
    },
    /// Kills one token, with or without a row: adds the row of the log, and marks the token's row.
    RevokeToken {
        /// Which one.
        token: TokenId,
        /// When it would have expired.
        expires_at: Timestamp,
        /// Who can hold it: its realm, and the API for which it is.
        reach: Reach,
    },
    /// Moves the time at which a browser is not recognised any more because it did not come back.
    TouchSession {
        /// Which one.
        session: SessionId,
        /// The time.
        idle_expires_at: Timestamp,
    },
    /// Moves the mark of a factor that was accepted.
    UseFactor {
        /// Which one.
        factor: FactorId,
        /// The mark from now on.
        mark: u64,
        /// When it was accepted.
        at: Timestamp,
    },
    /// Uses a recovery code up.
    UseRecoveryCode {
        /// Whose.
        user: UserId,
        /// Its digest.
        digest: [u8; 32],
    },
    /// Remembers that a client used an assertion.
    UseAssertion {
        /// The client.
        client: ClientId,
        /// The digest of its `jti`.
        digest: [u8; 32],
        /// When the assertion expires.
        expires_at: Timestamp,
    },
}

/// The precondition that did not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another API has this audience, or had it.
    AudienceTaken,
    /// The assertion was used before.
    AssertionUsed,
    /// Another client has this name, or had it.
    ClientIdTaken,
    /// The authorization code was used, or is gone.
    CodeRedeemed,
    /// Another factor of the realm has this credential id.
    CredentialTaken,
    /// Somebody decided over the device before, or it is gone.
    DeviceDecided,
    /// The device code was used, or is gone.
    DeviceRedeemed,
    /// The factor was used meanwhile, or is gone.
    FactorUsed,
    /// The client has a standing grant there.
    HasStandingGrant,
    /// Another key of the realm has this `kid`.
    KidTaken,
    /// The refresh token is no longer the living leaf.
    NotCurrentRefreshToken,
    /// Another realm has this name, or had it.
    RealmNameTaken,
    /// The record was changed meanwhile, or is gone.
    RecordChanged,
    /// The recovery code was used, or was never made.
    RecoveryCodeUsed,
    /// The setting was changed meanwhile.
    SettingChanged,
    /// Another user of the realm has this subject identifier.
    SubjectTaken,
    /// The user has as many factors as there may be.
    TooManyFactors,
    /// Another device of the realm waits under this user code.
    UserCodeTaken,
    /// Another user of the realm has this name.
    UsernameTaken,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AudienceTaken => "another API of the realm has, or had, this audience",
            Self::AssertionUsed => "the client assertion was used before",
            Self::ClientIdTaken => "another client of the realm has, or had, this client_id",
            Self::CodeRedeemed => "the authorization code was used before",
            Self::CredentialTaken => "another factor of the realm has this credential id",
            Self::DeviceDecided => "somebody decided over the device before",
            Self::DeviceRedeemed => "the device code was used before",
            Self::FactorUsed => "the factor was used meanwhile",
            Self::HasStandingGrant => "the client has a standing grant there",
            Self::KidTaken => "another key of the realm has this kid",
            Self::NotCurrentRefreshToken => "the refresh token is not the current one of its grant",
            Self::RealmNameTaken => "another realm has, or had, this name",
            Self::RecordChanged => "the record was changed meanwhile",
            Self::RecoveryCodeUsed => "the recovery code was used before",
            Self::SettingChanged => "the setting was changed meanwhile",
            Self::SubjectTaken => "another user of the realm has this subject identifier",
            Self::TooManyFactors => "the user has as many factors as there may be",
            Self::UserCodeTaken => "another device waits under this user code",
            Self::UsernameTaken => "another user of the realm has this name",
        })
    }
}

impl std::error::Error for Conflict {}
