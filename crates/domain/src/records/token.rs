//! Access and refresh tokens as records: facts that never change, and the position of their revocation.

use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Digest, Timestamp};
use lydian_revocation::{Reach, Seq, TokenCoordinates};

use super::api::ApiId;
use super::client::ClientId;
use super::grant::GrantId;
use super::key::KeyId;
use super::realm::RealmId;
use super::user::{SessionId, UserId};
use crate::token_id::TokenId;

/// The digest of a token string under the pepper of a generation; the string itself is never stored.
#[derive(Clone, Copy, Debug)]
pub struct TokenDigest {
    /// The generation of the pepper.
    pub generation: u8,
    /// HMAC-SHA-256 of the whole string.
    pub digest: Digest,
}

/// For whom an access token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// For one API.
    Api(ApiId),
    /// For the authorization server itself.
    Issuer,
}

/// The form in which an access token left the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// Signed with this key.
    Jwt(KeyId),
    /// A random string.
    Opaque,
}

/// An access token. All its facts are fixed when it is minted.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// Its id, which names the hour of its death.
    pub id: TokenId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// To whom it was issued.
    pub client: ClientId,
    /// Who granted it, if a user did.
    pub user: Option<UserId>,
    /// The session in which it was granted.
    pub session: Option<SessionId>,
    /// The family to which it belongs.
    pub grant: GrantId,
    /// For whom it is.
    pub audience: Audience,
    /// What it permits.
    pub scope: ScopeSet,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first second at which it is not accepted.
    pub expires_at: Timestamp,
    /// The log position that had been applied before its state was read.
    pub minted_at: Seq,
    /// Its form.
    pub form: TokenForm,
    /// The digest of its string; absent for a JWT without a record, and in memory, where the string itself was the key.
    pub digest: Option<Box<TokenDigest>>,
    /// The position at which it was revoked, as its row says.
    pub revoked_at: Option<Seq>,
}

impl AccessToken {
    /// Who can hold it: its realm, and the API for which it is.
    pub fn reach(&self) -> Reach {
        let api = match self.audience {
            Audience::Api(api) => api.as_number(),
            Audience::Issuer => Reach::ISSUER,
        };
        Reach::api(self.realm.as_number(), api)
    }

    /// What the ledger must know of it.
    pub fn coordinates(&self) -> TokenCoordinates {
        TokenCoordinates {
            token: u128::from(self.id.as_number()),
            minted_at: self.minted_at,
            realm: u128::from(self.realm.as_number()),
            client: u128::from(self.client.as_number()),
            grant: u128::from(self.grant.as_number()),
            user: self.user.map(|user| u128::from(user.as_number())),
            session: self.session.map(|session| u128::from(session.as_number())),
            key: match self.form {
                TokenForm::Jwt(key) => Some(u128::from(key.as_number())),
                TokenForm::Opaque => None,
            },
        }
    }
}

/// A refresh token. Whether it is the living leaf of its family is said by its grant.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Its id, which names the hour of its (absolute) death.
    pub id: TokenId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// To whom it was issued.
    pub client: ClientId,
    /// Who granted it.
    pub user: Option<UserId>,
    /// The session in which it was granted.
    pub session: Option<SessionId>,
    /// The family to which it belongs.
    pub grant: GrantId,
    /// What was granted.
    pub scope: ScopeSet,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first second at which it is not accepted.
    pub expires_at: Timestamp,
    /// The log position that had been applied before its state was read.
    pub minted_at: Seq,
    /// The digest of its string.
    pub digest: TokenDigest,
    /// The position at which it was revoked, as its row says.
    pub revoked_at: Option<Seq>,
    /// When it was exchanged for its successor.
    pub replaced_at: Option<Timestamp>,
}

impl RefreshToken {
    /// What the ledger must know of it.
    pub fn coordinates(&self) -> TokenCoordinates {
        TokenCoordinates {
            token: u128::from(self.id.as_number()),
            minted_at: self.minted_at,
            realm: u128::from(self.realm.as_number()),
            client: u128::from(self.client.as_number()),
            grant: u128::from(self.grant.as_number()),
            user: self.user.map(|user| u128::from(user.as_number())),
            session: self.session.map(|session| u128::from(session.as_number())),
            key: None,
        }
    }
}
