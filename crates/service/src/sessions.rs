//! Sessions: how a browser is recognised after its person signed in.
//!
//! The cookie is a handle and 256 random bits; the store keeps its digest. Nothing of it is answered from memory: a session that was
//! ended is not recognised by the next request.

use std::sync::Arc;

use lydian_domain::authentication::Authentication;
use lydian_domain::secrets::{SubjectKind, sha256};
use lydian_domain::{BrowserSession, Session, SessionId, User};
use lydian_primitives::{Digest, Mint, Secret, base64url};
use lydian_revocation::{CutKind, Seq, TokenCoordinates};
use lydian_storage::{Change, StoredSession, Write};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::{Moment, Service};

/// The longest description of a browser that is kept, in bytes.
const USER_AGENT_BYTES_MAX: usize = 200;

/// A browser whose person is signed in.
#[derive(Clone, Debug)]
pub struct Recognised {
    /// The session.
    pub session: Session,
    /// Who signed in.
    pub user: User,
}

/// A person has just proved who it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof<'a> {
    pub(crate) user: &'a User,
    /// The session that the browser has already.
    pub(crate) before: Option<&'a Session>,
    pub(crate) authentication: Authentication,
    /// What the browser calls itself.
    pub(crate) user_agent: &'a str,
}

/// A new cookie, to be set once the session is durable.
#[derive(Debug)]
pub struct NewCookie {
    /// Its value.
    pub value: Secret,
    /// For how long the browser keeps it, in seconds.
    pub seconds: u64,
}

impl Service {
    /// Recognises a browser by its cookie; `None` for a cookie that is not ours, or a session that has ended.
    ///
    /// # Errors
    ///
    /// Unavailable when we do not know.
    pub async fn recognise(
        &self,
        realm: &Arc<RealmState>,
        cookie: &str,
        moment: &Moment,
    ) -> Result<Option<Recognised>, ServiceError> {
        let Some(id) = session_of(realm, cookie) else {
            return Ok(None);
        };
        let Some(StoredSession { session, user }) = self.storage.find_session(id).await? else {
            return Ok(None);
        };
        let presented = Digest::from_bytes(sha256(cookie.as_bytes()));
        if session.realm != realm.realm.id || !session.browser.cookie.matches(&presented) {
            return Ok(None);
        }
        if !self.stands(realm, &session, &user, moment)? {
            return Ok(None);
        }
        self.touch(realm, &session, moment).await?;
        Ok(Some(Recognised { session, user }))
    }

    /// Whether a sign-in is good now.
    pub(crate) fn stands(
        &self,
        realm: &RealmState,
        session: &Session,
        user: &User,
        moment: &Moment,
    ) -> Result<bool, ServiceError> {
        let browser = &session.browser;
        if !user.enabled || browser.signed_in_until <= moment.now || browser.idle_expires_at <= moment.now {
            return Ok(false);
        }
        let cuts = [session.cut_at, user.cut_at, realm.realm.cut_at];
        if cuts.into_iter().any(|cut_at| browser.minted_at < cut_at) {
            return Ok(false);
        }
        // The rows may be older than the ledger, and never newer.
        Ok(self.view(moment.boot_now)?.death_of(&coordinates(session)).is_none())
    }

    /// Moves the idle end of a session, not more often than a tenth of the idle time.
    async fn touch(
        &self,
        realm: &RealmState,
        session: &Session,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        let idle = realm.realm.sign_in.session_idle_seconds;
        let idle_expires_at = moment.now.plus_seconds(idle);
        if idle_expires_at.seconds_since(session.browser.idle_expires_at) < idle.div_ceil(10).max(1) {
            return Ok(());
        }
        let write = Write::TouchSession { session: session.id, idle_expires_at };
        let change = Change { preconditions: Vec::new(), writes: vec![write], at: moment.now };
        self.storage.apply(change).await?;
        Ok(())
    }

    /// The session of a person who has just proved who it is: a new one, or `before` with a new cookie (S29).
    pub(crate) fn signed_in_session(
        &self,
        realm: &RealmState,
        proof: &Proof<'_>,
        moment: &Moment,
        mint: &Mint<'_>,
    ) -> (Session, NewCookie) {
        let Proof { user, before, authentication, user_agent } = *proof;
        let settings = &realm.realm.sign_in;
        let before = before.filter(|session| session.user == user.id);
        let id = before.map_or_else(|| SessionId::from_number(mint.number()), |session| session.id);
        let signed_in_until = moment.now.plus_seconds(settings.session_seconds);
        let value = cookie_of(realm, id, mint);
        let session = Session {
            id,
            realm: realm.realm.id,
            user: user.id,
            expires_at: before.map_or(signed_in_until, |before| before.expires_at.max(signed_in_until)),
            cut_at: Seq::ZERO,
            browser: BrowserSession {
                cookie: Digest::from_bytes(sha256(value.expose().as_bytes())),
                minted_at: moment.minted_at,
                created_at: before.map_or(moment.now, |before| before.browser.created_at),
                authentication,
                signed_in_until,
                idle_expires_at: moment.now.plus_seconds(settings.session_idle_seconds),
                user_agent: cut_short(user_agent),
            },
        };
        (session, NewCookie { value, seconds: settings.session_seconds })
    }

    /// Ends a session: the browser is not recognised any more, and everything minted in it is dead.
    ///
    /// # Errors
    ///
    /// Unavailable when it is not durable.
    pub async fn end_session(&self, session: SessionId, moment: &Moment) -> Result<(), ServiceError> {
        let write = Write::Cut { kind: CutKind::Session, subject: session.as_number() };
        let change = Change { preconditions: Vec::new(), writes: vec![write], at: moment.now };
        self.storage.apply(change).await?;
        Ok(())
    }
}

/// The session that a cookie names, before its digest is compared.
fn session_of(realm: &RealmState, cookie: &str) -> Option<SessionId> {
    let bytes: [u8; 48] = base64url::decode_array(cookie.as_bytes())?;
    let (handle, _random) = bytes.split_first_chunk::<16>()?;
    realm.issuer_handles.subject_of(SubjectKind::Session, *handle).map(SessionId::from_number)
}

fn cookie_of(realm: &RealmState, id: SessionId, mint: &Mint<'_>) -> Secret {
    let mut bytes = [0; 48];
    bytes[..16].copy_from_slice(&realm.issuer_handles.of_subject(SubjectKind::Session, id.as_number()));
    bytes[16..].copy_from_slice(&mint.bytes::<32>());
    Secret::new(base64url::encode(&bytes))
}

/// What the ledger must know of a sign-in: it is minted as a token is, and cut by its session, user and realm alone.
fn coordinates(session: &Session) -> TokenCoordinates {
    TokenCoordinates {
        token: u128::MAX,
        minted_at: session.browser.minted_at,
        realm: u128::from(session.realm.as_number()),
        client: u128::MAX,
        grant: u128::MAX,
        user: Some(u128::from(session.user.as_number())),
        session: Some(u128::from(session.id.as_number())),
        key: None,
    }
}

fn cut_short(text: &str) -> String {
    let end = (0..=USER_AGENT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}
