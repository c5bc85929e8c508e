//! Records as rows: column lists and how they are read back.
//!
//! A row that does not read back is damage, never "absent".

use std::fmt;

use lydian_domain::authentication::{Authentication, AuthenticationMethods};
use lydian_domain::{
    AccessToken, Api, Audience, AuthorizationCode, BrowserSession, Client, Consent, DeviceAuthorization,
    DeviceDecision, Factor, FactorKind, Grant, KeyState, Passkey, PasswordHash, Realm, RefreshToken,
    Rotation, Session, SigningKeyRecord, TokenDigest, TokenForm, TokenId, User,
};
use lydian_jose::Algorithm;
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Digest, Id, Timestamp};
use lydian_revocation::Seq;
use lydian_storage::{Parents, StoredAccessToken, StoredCode, StoredRefreshToken};
use rusqlite::Row;
use rusqlite::types::{Type, ValueRef};
use serde::de::DeserializeOwned;

/// A stored value that nobody here can have written.
#[derive(Debug)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database holds a value that is not {}", self.0)
    }
}

impl std::error::Error for Malformed {}

macro_rules! realm_columns {
    () => {
        "r.id, r.cut_at, r.version, r.settings"
    };
}
macro_rules! api_columns {
    () => {
        "a.id, a.realm, a.version, a.settings"
    };
}
macro_rules! client_columns {
    () => {
        "c.id, c.realm, c.cut_at, c.version, c.settings"
    };
}
macro_rules! key_columns {
    () => {
        "k.id, k.realm, k.kid, k.algorithm, k.state, k.created_at, k.changed_at, k.cut_at, k.version, k.wrapped_private_key"
    };
}
macro_rules! grant_columns {
    () => {
        "g.id, g.realm, g.client, g.user, g.session, g.api, g.scope, g.created_at, g.cut_at, g.refresh_token, g.idle_expires_at, \
         g.expires_at, g.authenticated_at, g.methods, g.claims, g.previous_refresh_token, g.rotated_at, g.sealed_successor"
    };
}
macro_rules! session_columns {
    () => {
        "s.id, s.realm, s.user, s.expires_at, s.cut_at, s.cookie, s.minted_at, s.created_at, s.authenticated_at, s.methods, \
         s.signed_in_until, s.idle_expires_at, s.user_agent"
    };
}
macro_rules! user_columns {
    () => {
        "u.id, u.realm, u.subject, u.username, u.enabled, u.cut_at, u.version, u.profile, u.password"
    };
}
macro_rules! code_columns {
    () => {
        "t.id, t.realm, t.grant_id, t.client, t.user, t.session, t.issued_at, t.expires_at, t.minted_at, t.redeemed_at, \
         t.digest_generation, t.digest, t.redirect_uri, t.code_challenge, t.scope, t.nonce"
    };
}
macro_rules! device_columns {
    () => {
        "t.id, t.realm, t.client, t.api, t.user_code, t.issued_at, t.expires_at, t.decided_at, t.grant_id, t.minted_at, t.redeemed_at, \
         t.digest_generation, t.digest, t.scope"
    };
}
macro_rules! consent_columns {
    () => {
        "n.realm, n.user, n.client, n.api, n.scope, n.given_at"
    };
}
macro_rules! factor_columns {
    () => {
        "f.id, f.realm, f.user, f.name, f.created_at, f.last_used_at, f.mark, f.sealed_key, f.credential, f.public_key, f.transports, \
         f.is_copied, f.is_discoverable"
    };
}
macro_rules! access_token_columns {
    () => {
        "t.id, t.realm, t.grant_id, t.client, t.user, t.session, t.api, t.signing_key, t.issued_at, t.expires_at, t.minted_at, \
         t.revoked_at, t.digest_generation, t.digest, t.scope"
    };
}
macro_rules! refresh_token_columns {
    () => {
        "t.id, t.realm, t.grant_id, t.client, t.user, t.session, t.issued_at, t.expires_at, t.minted_at, t.revoked_at, \
         t.digest_generation, t.digest, t.scope, t.replaced_at"
    };
}
pub(crate) use {
    access_token_columns, api_columns, client_columns, code_columns, consent_columns, device_columns,
    factor_columns, grant_columns, key_columns, realm_columns, refresh_token_columns, session_columns,
    user_columns,
};

/// Reads the columns of a row from left to right.
pub(crate) struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r Row<'r>) -> Self {
        Self { row, next: 0 }
    }

    fn value(&mut self) -> rusqlite::Result<ValueRef<'r>> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        Ok(value)
    }

    fn malformed(&self, expected: &'static str) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(self.next - 1, Type::Null, Box::new(Malformed(expected)))
    }

    fn skip(&mut self, columns: usize) {
        self.next += columns;
    }

    pub(crate) fn integer(&mut self) -> rusqlite::Result<i64> {
        match self.value()? {
            ValueRef::Integer(number) => Ok(number),
            _ => Err(self.malformed("an integer")),
        }
    }

    pub(crate) fn optional_integer(&mut self) -> rusqlite::Result<Option<i64>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(number) => Ok(Some(number)),
            _ => Err(self.malformed("an integer")),
        }
    }

    pub(crate) fn text(&mut self) -> rusqlite::Result<&'r str> {
        match self.value()? {
            ValueRef::Text(text) => std::str::from_utf8(text).map_err(|_| self.malformed("UTF-8")),
            _ => Err(self.malformed("a text")),
        }
    }

    fn optional_text(&mut self) -> rusqlite::Result<Option<&'r str>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => std::str::from_utf8(text).map(Some).map_err(|_| self.malformed("UTF-8")),
            _ => Err(self.malformed("a text")),
        }
    }

    fn optional_bytes(&mut self) -> rusqlite::Result<Option<&'r [u8]>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            _ => Err(self.malformed("a blob")),
        }
    }

    fn bytes(&mut self) -> rusqlite::Result<&'r [u8]> {
        match self.value()? {
            ValueRef::Blob(bytes) => Ok(bytes),
            _ => Err(self.malformed("a blob")),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> rusqlite::Result<[u8; N]> {
        self.bytes()?.try_into().map_err(|_| self.malformed("a blob of the right length"))
    }

    pub(crate) fn optional_array<const N: usize>(&mut self) -> rusqlite::Result<Option<[u8; N]>> {
        let bytes = self.optional_bytes()?;
        bytes
            .map(|bytes| bytes.try_into().map_err(|_| self.malformed("a blob of the right length")))
            .transpose()
    }

    pub(crate) fn id<T>(&mut self) -> rusqlite::Result<Id<T>> {
        Ok(Id::from_stored(self.integer()?))
    }

    fn optional_id<T>(&mut self) -> rusqlite::Result<Option<Id<T>>> {
        Ok(self.optional_integer()?.map(Id::from_stored))
    }

    pub(crate) fn timestamp(&mut self) -> rusqlite::Result<Timestamp> {
        Ok(Timestamp::from_stored(self.integer()?))
    }

    pub(crate) fn seq(&mut self) -> rusqlite::Result<Seq> {
        Ok(Seq::from_stored(self.integer()?))
    }

    pub(crate) fn unsigned(&mut self) -> rusqlite::Result<u64> {
        Ok(self.integer()?.cast_unsigned())
    }

    fn scope(&mut self) -> rusqlite::Result<ScopeSet> {
        Ok(ScopeSet::from_stored(self.text()?))
    }

    fn settings<T: DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        let text = self.text()?;
        serde_json::from_str(text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(self.next - 1, Type::Text, Box::new(error))
        })
    }

    fn small(&mut self) -> rusqlite::Result<u8> {
        u8::try_from(self.integer()?).map_err(|_| self.malformed("a number below 256"))
    }

    pub(crate) fn realm(&mut self) -> rusqlite::Result<Realm> {
        let (id, cut_at, version) = (self.id()?, self.seq()?, self.unsigned()?);
        Ok(Realm { id, cut_at, version, ..self.settings()? })
    }

    pub(crate) fn api(&mut self) -> rusqlite::Result<Api> {
        let (id, realm, version) = (self.id()?, self.id()?, self.unsigned()?);
        Ok(Api { id, realm, version, ..self.settings()? })
    }

    pub(crate) fn client(&mut self) -> rusqlite::Result<Client> {
        let (id, realm, cut_at, version) = (self.id()?, self.id()?, self.seq()?, self.unsigned()?);
        Ok(Client { id, realm, cut_at, version, ..self.settings()? })
    }

    pub(crate) fn key(&mut self) -> rusqlite::Result<SigningKeyRecord> {
        Ok(SigningKeyRecord {
            id: self.id()?,
            realm: self.id()?,
            kid: self.text()?.to_owned(),
            algorithm: {
                let name = self.text()?;
                Algorithm::from_name(name).ok_or_else(|| self.malformed("a signature algorithm"))?
            },
            state: {
                let name = self.text()?;
                KeyState::from_name(name).ok_or_else(|| self.malformed("a state of a key"))?
            },
            created_at: self.timestamp()?,
            changed_at: self.timestamp()?,
            cut_at: self.seq()?,
            version: self.unsigned()?,
            wrapped_private_key: self.bytes()?.to_vec(),
        })
    }

    pub(crate) fn parents(&mut self) -> rusqlite::Result<Parents> {
        Ok(Parents {
            grant: self.joined(18, Self::grant)?,
            session: self.joined(13, Self::session)?,
            user: self.joined(9, Self::user)?,
        })
    }

    /// A record of an outer join: absent when its id is.
    fn joined<T>(
        &mut self,
        columns: usize,
        read: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        if self.row.get_ref(self.next)? == ValueRef::Null {
            self.skip(columns);
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(crate) fn grant(&mut self) -> rusqlite::Result<Grant> {
        Ok(Grant {
            id: self.id()?,
            realm: self.id()?,
            client: self.id()?,
            user: self.optional_id()?,
            session: self.optional_id()?,
            api: self.optional_id()?,
            scope: self.scope()?,
            created_at: self.timestamp()?,
            cut_at: self.seq()?,
            refresh_token: self.optional_integer()?.map(TokenId::from_stored),
            idle_expires_at: self.timestamp()?,
            expires_at: self.timestamp()?,
            authentication: self.optional_authentication()?,
            claims: self.optional_text()?.map(str::to_owned),
            rotation: Rotation {
                previous: self.optional_integer()?.map(TokenId::from_stored),
                rotated_at: self.optional_integer()?.map(Timestamp::from_stored),
                sealed_successor: self.optional_bytes()?.map(<[u8]>::to_vec),
            },
        })
    }

    fn optional_authentication(&mut self) -> rusqlite::Result<Option<Authentication>> {
        let (at, methods) = (self.optional_integer()?, self.optional_integer()?);
        let Some((at, methods)) = at.zip(methods) else { return Ok(None) };
        let bits = u8::try_from(methods).map_err(|_| self.malformed("a number below 256"))?;
        let methods = AuthenticationMethods::from_bits(bits);
        Ok(Some(Authentication { at: Timestamp::from_stored(at), methods }))
    }

    pub(crate) fn session(&mut self) -> rusqlite::Result<Session> {
        Ok(Session {
            id: self.id()?,
            realm: self.id()?,
            user: self.id()?,
            expires_at: self.timestamp()?,
            cut_at: self.seq()?,
            browser: BrowserSession {
                cookie: Digest::from_bytes(self.array()?),
                minted_at: self.seq()?,
                created_at: self.timestamp()?,
                authentication: Authentication {
                    at: self.timestamp()?,
                    methods: AuthenticationMethods::from_bits(self.small()?),
                },
                signed_in_until: self.timestamp()?,
                idle_expires_at: self.timestamp()?,
                user_agent: self.text()?.to_owned(),
            },
        })
    }

    pub(crate) fn user(&mut self) -> rusqlite::Result<User> {
        Ok(User {
            id: self.id()?,
            realm: self.id()?,
            subject: self.text()?.to_owned(),
            username: self.text()?.to_owned(),
            enabled: self.integer()? != 0,
            cut_at: self.seq()?,
            version: self.unsigned()?,
            profile: self.settings()?,
            password: self.optional_text()?.map(str::to_owned).map(PasswordHash::from_phc),
        })
    }

    /// An access token, followed by the name and subject of its user, and how that had proved who it is.
    pub(crate) fn access_token(&mut self) -> rusqlite::Result<StoredAccessToken> {
        let token = AccessToken {
            id: TokenId::from_stored(self.integer()?),
            realm: self.id()?,
            grant: self.id()?,
            client: self.id()?,
            user: self.optional_id()?,
            session: self.optional_id()?,
            audience: self.optional_id()?.map_or(Audience::Issuer, Audience::Api),
            form: self.optional_id()?.map_or(TokenForm::Opaque, TokenForm::Jwt),
            issued_at: self.timestamp()?,
            expires_at: self.timestamp()?,
            minted_at: self.seq()?,
            revoked_at: self.optional_integer()?.map(Seq::from_stored),
            digest: match self.optional_integer()? {
                None => {
                    self.skip(1);
                    None
                }
                Some(generation) => Some(
                    TokenDigest {
                        generation: u8::try_from(generation)
                            .map_err(|_| self.malformed("a number below 256"))?,
                        digest: Digest::from_bytes(self.array()?),
                    }
                    .into(),
                ),
            },
            scope: self.scope()?,
        };
        let username = self.optional_text()?.map(str::to_owned);
        let subject = self.optional_text()?.map(str::to_owned);
        let authentication = self.optional_authentication()?;
        Ok(StoredAccessToken { token, username, subject, authentication })
    }

    /// A refresh token, followed by its grant, session and user.
    pub(crate) fn refresh_token(&mut self) -> rusqlite::Result<StoredRefreshToken> {
        let token = RefreshToken {
            id: TokenId::from_stored(self.integer()?),
            realm: self.id()?,
            grant: self.id()?,
            client: self.id()?,
            user: self.optional_id()?,
            session: self.optional_id()?,
            issued_at: self.timestamp()?,
            expires_at: self.timestamp()?,
            minted_at: self.seq()?,
            revoked_at: self.optional_integer()?.map(Seq::from_stored),
            digest: TokenDigest { generation: self.small()?, digest: Digest::from_bytes(self.array()?) },
            scope: self.scope()?,
            replaced_at: self.optional_integer()?.map(Timestamp::from_stored),
        };
        Ok(StoredRefreshToken { token, parents: self.parents()? })
    }

    pub(crate) fn device(&mut self) -> rusqlite::Result<DeviceAuthorization> {
        Ok(DeviceAuthorization {
            id: TokenId::from_stored(self.integer()?),
            realm: self.id()?,
            client: self.id()?,
            api: self.optional_id()?,
            user_code: self.text()?.to_owned(),
            issued_at: self.timestamp()?,
            expires_at: self.timestamp()?,
            decision: {
                let (at, grant) = (self.optional_integer()?, self.optional_id()?);
                let minted_at = Seq::from_stored(self.optional_integer()?.unwrap_or_default());
                at.map(|at| DeviceDecision { at: Timestamp::from_stored(at), grant, minted_at })
            },
            redeemed_at: self.optional_integer()?.map(Timestamp::from_stored),
            digest: TokenDigest { generation: self.small()?, digest: Digest::from_bytes(self.array()?) },
            scope: self.scope()?,
        })
    }

    pub(crate) fn factor(&mut self) -> rusqlite::Result<Factor> {
        Ok(Factor {
            id: self.id()?,
            realm: self.id()?,
            user: self.id()?,
            name: self.text()?.to_owned(),
            created_at: self.timestamp()?,
            last_used_at: self.optional_integer()?.map(Timestamp::from_stored),
            mark: self.unsigned()?,
            kind: match self.optional_bytes()? {
                Some(sealed_key) => FactorKind::Authenticator { sealed_key: sealed_key.to_vec() },
                None => FactorKind::Passkey(Passkey {
                    credential: self.bytes()?.to_vec(),
                    public_key: self.bytes()?.to_vec(),
                    transports: self.text()?.split_whitespace().map(str::to_owned).collect(),
                    is_copied: self.integer()? != 0,
                    is_discoverable: self.integer()? != 0,
                }),
            },
        })
    }

    pub(crate) fn consent(&mut self) -> rusqlite::Result<Consent> {
        Ok(Consent {
            realm: self.id()?,
            user: self.id()?,
            client: self.id()?,
            api: self.optional_id()?,
            scope: self.scope()?,
            given_at: self.timestamp()?,
        })
    }

    /// An authorization code, followed by its grant, session and user.
    pub(crate) fn authorization_code(&mut self) -> rusqlite::Result<StoredCode> {
        let code = AuthorizationCode {
            id: TokenId::from_stored(self.integer()?),
            realm: self.id()?,
            grant: self.id()?,
            client: self.id()?,
            user: self.id()?,
            session: self.id()?,
            issued_at: self.timestamp()?,
            expires_at: self.timestamp()?,
            minted_at: self.seq()?,
            redeemed_at: self.optional_integer()?.map(Timestamp::from_stored),
            digest: TokenDigest { generation: self.small()?, digest: Digest::from_bytes(self.array()?) },
            redirect_uri: self.text()?.to_owned(),
            code_challenge: self.array()?,
            scope: self.scope()?,
            nonce: self.optional_text()?.map(str::to_owned),
        };
        Ok(StoredCode { code, parents: self.parents()? })
    }
}
