//! Values that the tests of decisions begin with; each test changes only what matters to it.

use std::collections::{BTreeMap, BTreeSet};

use lydian_jose::Algorithm;
use lydian_oauth_types::{ClientAuthMethod, GrantType, ScopeSet};
use lydian_primitives::{BootInstant, Digest, Hour, Timestamp};
use lydian_revocation::{CutKind, Event, Ledger, Link, LogPosition, LogRow, Seq, View};

use crate::records::realm::SigningAlgorithm;
use crate::records::{
    AccessToken, Api, ApiId, Audience, CachePolicy, Client, ClientId, Grant, GrantId, KeyId, KeyState,
    RealmId, RefreshToken, RevocationCascade, Session, SessionId, SigningKeyRecord, TokenDigest, TokenForm,
    TokenFormat, User, UserId,
};
use crate::token_id::TokenId;

pub(crate) const REALM: RealmId = RealmId::from_number(1);
pub(crate) const API: ApiId = ApiId::from_number(10);
pub(crate) const OTHER_API: ApiId = ApiId::from_number(11);
pub(crate) const OWNER: ClientId = ClientId::from_number(20);
pub(crate) const GRANT: GrantId = GrantId::from_number(30);
pub(crate) const USER: UserId = UserId::from_number(40);
pub(crate) const SESSION: SessionId = SessionId::from_number(50);
pub(crate) const KEY: KeyId = KeyId::from_number(60);

/// When the tokens of these fixtures are issued.
pub(crate) const ISSUED: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// The position that they carry.
pub(crate) const MINTED: Seq = Seq::from_number(5);

pub(crate) fn scope(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

pub(crate) fn api(id: ApiId, audience: &str, scopes: &str) -> Api {
    Api {
        id,
        realm: REALM,
        audience: audience.to_owned(),
        name: audience.to_owned(),
        scopes: scope(scopes),
        token_format: TokenFormat::Opaque,
        access_token_seconds: None,
        cache: CachePolicy::default(),
        enabled: true,
        version: 1,
    }
}

pub(crate) fn jwt_format() -> TokenFormat {
    TokenFormat::Jwt {
        algorithm: SigningAlgorithm(Algorithm::Es256),
        typ: TokenFormat::AT_JWT.to_owned(),
        record: true,
    }
}

pub(crate) fn client(number: u64) -> Client {
    Client {
        id: ClientId::from_number(number),
        realm: REALM,
        client_id: format!("client-{number}"),
        name: String::new(),
        enabled: true,
        cut_at: Seq::ZERO,
        version: 1,
        auth_methods: BTreeSet::from([ClientAuthMethod::ClientSecretBasic]),
        secrets: Vec::new(),
        jwks: None,
        assertion_audience_token_endpoint: false,
        grant_types: BTreeSet::from([GrantType::ClientCredentials]),
        allowed: BTreeMap::new(),
        issuer_scopes: ScopeSet::empty(),
        default_api: None,
        api: None,
        introspect_any: false,
        access_token_seconds: None,
        revocation_cascade: RevocationCascade::Standard,
    }
}

/// A user's opaque token for [`API`], good for an hour.
pub(crate) fn access_token() -> AccessToken {
    AccessToken {
        id: TokenId::from_parts(Hour::from_number(500_001).unwrap(), 1, 7),
        realm: REALM,
        client: OWNER,
        user: Some(USER),
        session: Some(SESSION),
        grant: GRANT,
        audience: Audience::Api(API),
        scope: scope("openid read"),
        issued_at: ISSUED,
        expires_at: ISSUED.plus_seconds(3_600),
        minted_at: MINTED,
        form: TokenForm::Opaque,
        digest: None,
        revoked_at: None,
    }
}

pub(crate) fn refresh_token() -> RefreshToken {
    RefreshToken {
        id: TokenId::from_parts(Hour::from_number(500_100).unwrap(), 1, 8),
        realm: REALM,
        client: OWNER,
        user: Some(USER),
        session: Some(SESSION),
        grant: GRANT,
        scope: scope("openid read"),
        issued_at: ISSUED,
        expires_at: ISSUED.plus_seconds(86_400),
        minted_at: MINTED,
        digest: TokenDigest { generation: 0, digest: Digest::from_bytes([0; 32]) },
        revoked_at: None,
    }
}

pub(crate) fn grant() -> Grant {
    Grant {
        id: GRANT,
        realm: REALM,
        client: OWNER,
        user: Some(USER),
        session: Some(SESSION),
        api: None,
        scope: scope("openid read"),
        created_at: ISSUED,
        cut_at: Seq::ZERO,
        refresh_token: Some(refresh_token().id),
        idle_expires_at: ISSUED.plus_seconds(7_200),
    }
}

pub(crate) fn session() -> Session {
    Session {
        id: SESSION,
        realm: REALM,
        user: USER,
        expires_at: ISSUED.plus_seconds(43_200),
        cut_at: Seq::ZERO,
    }
}

pub(crate) fn user() -> User {
    User {
        id: USER,
        realm: REALM,
        subject: "usr_40".to_owned(),
        username: "alice".to_owned(),
        enabled: true,
        cut_at: Seq::ZERO,
    }
}

pub(crate) fn key(state: KeyState) -> SigningKeyRecord {
    SigningKeyRecord {
        id: KEY,
        realm: REALM,
        kid: "kid".to_owned(),
        algorithm: Algorithm::Es256,
        state,
        created_at: ISSUED,
        cut_at: Seq::ZERO,
        wrapped_private_key: Vec::new(),
        version: 1,
    }
}

/// A ledger that holds these events, the first of them at `first`.
pub(crate) fn ledger(first: u64, events: &[Event]) -> Ledger {
    let before = LogPosition { seq: Seq::from_number(first - 1), link: Link::NONE };
    let ledger = Ledger::new(before);
    for (number, event) in (first..).zip(events) {
        let row = LogRow {
            seq: Seq::from_number(number),
            link: Link::from_bits(number),
            event_id: u128::from(number),
            at: ISSUED,
            event: *event,
        };
        ledger.apply(&row).unwrap();
    }
    ledger.hold_lease();
    ledger
}

pub(crate) fn view(ledger: &Ledger) -> View<'_> {
    ledger.view(BootInstant::from_nanoseconds(1)).unwrap()
}

/// The subject of a cut of this kind that reaches the tokens of these fixtures.
pub(crate) fn subject_of(kind: CutKind) -> u128 {
    let number = match kind {
        CutKind::Client => OWNER.as_number(),
        CutKind::Grant => GRANT.as_number(),
        CutKind::Key => KEY.as_number(),
        CutKind::Realm => REALM.as_number(),
        CutKind::Session => SESSION.as_number(),
        CutKind::User => USER.as_number(),
    };
    u128::from(number)
}
