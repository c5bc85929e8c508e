//! Values that the tests of decisions begin with; each test changes only what matters to it.
//!
//! First the records, then [`Case`]: all that the decision over a token reads.

use std::collections::{BTreeMap, BTreeSet};

use lydian_jose::Algorithm;
use lydian_oauth_types::{ClientAuthMethod, GrantType, ScopeSet};
use lydian_primitives::{BootInstant, Digest, Hour, Timestamp};
use lydian_revocation::{CutKind, Event, Ledger, Link, LogPosition, LogRow, Reach, Seq, View};

use crate::introspect::{Inactive, Inspected, ParentRows, World, introspect};
use crate::records::realm::SigningAlgorithm;
use crate::records::{
    AccessToken, Api, ApiId, Audience, BrowserSession, CachePolicy, Client, ClientAuthorization, ClientId,
    Grant, GrantId, KeyId, KeyState, RealmId, RefreshToken, RevocationCascade, Rotation, Session, SessionId,
    SigningKeyRecord, TokenDigest, TokenForm, TokenFormat, User, UserId, UserProfile,
};
use crate::token_id::TokenId;

pub(crate) const REALM: RealmId = RealmId::from_number(1);
pub(crate) const OTHER_REALM: RealmId = RealmId::from_number(2);
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
        scope_details: BTreeMap::new(),
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
        authorization: ClientAuthorization::default(),
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

/// A client's token for its own use: nobody granted it, and there was no session.
pub(crate) fn own_access_token() -> AccessToken {
    AccessToken { user: None, session: None, scope: scope("read"), ..access_token() }
}

/// The refresh token beside [`access_token`], good for a day.
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
        replaced_at: None,
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
        expires_at: ISSUED.plus_seconds(86_400),
        authentication: None,
        claims: None,
        rotation: Rotation::default(),
    }
}

pub(crate) fn session() -> Session {
    Session {
        id: SESSION,
        realm: REALM,
        user: USER,
        expires_at: ISSUED.plus_seconds(43_200),
        cut_at: Seq::ZERO,
        browser: BrowserSession::default(),
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
        version: 1,
        profile: UserProfile::default(),
        password: None,
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
        changed_at: ISSUED,
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
            reach: Reach::default(),
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

/// The position of the first event of a case. The tokens of the fixtures were minted at the position before it.
pub(crate) const CUT: Seq = Seq::from_number(6);

/// The position after it.
pub(crate) const AFTER: Seq = Seq::from_number(7);

/// Everything that a decision reads; a test changes what matters to it.
pub(crate) struct Case {
    pub(crate) caller: Client,
    pub(crate) owner: Option<Client>,
    pub(crate) api: Option<Api>,
    pub(crate) key: Option<SigningKeyRecord>,
    pub(crate) grant: Option<Grant>,
    pub(crate) session: Option<Session>,
    pub(crate) user: Option<User>,
    pub(crate) has_parents: bool,
    pub(crate) realm_cut_at: Seq,
    pub(crate) events: Vec<Event>,
    pub(crate) now: Timestamp,
    pub(crate) token: AccessToken,
    pub(crate) refresh: Option<RefreshToken>,
}

/// An API's client asks about a good token of its API.
pub(crate) fn case() -> Case {
    Case {
        caller: Client { api: Some(API), ..client(99) },
        owner: Some(client(OWNER.as_number())),
        api: Some(api(API, "https://api.example/", "read write")),
        key: Some(key(KeyState::Active)),
        grant: Some(grant()),
        session: Some(session()),
        user: Some(user()),
        has_parents: true,
        realm_cut_at: Seq::ZERO,
        events: Vec::new(),
        now: ISSUED.plus_seconds(10),
        token: access_token(),
        refresh: None,
    }
}

/// The same about a JWT.
pub(crate) fn jwt_case() -> Case {
    case().with(|case| case.token.form = TokenForm::Jwt(KEY))
}

/// The same about a token that the ledger forgets before it expires.
pub(crate) fn long_lived() -> Case {
    case().with(|case| case.token.expires_at = ISSUED.plus_seconds(86_401))
}

/// The same about a client's token for its own use.
pub(crate) fn own_case() -> Case {
    case().with(|case| case.token = AccessToken { scope: scope("openid read"), ..own_access_token() })
}

/// The owner asks about its living refresh token.
pub(crate) fn refresh_case() -> Case {
    Case { caller: client(OWNER.as_number()), refresh: Some(refresh_token()), ..case() }
}

impl Case {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn asked_by(self, caller: Client) -> Self {
        Self { caller, ..self }
    }

    pub(crate) fn at_second(self, seconds: u64) -> Self {
        Self { now: ISSUED.plus_seconds(seconds), ..self }
    }

    pub(crate) fn minted_at(mut self, position: Seq) -> Self {
        self.token.minted_at = position;
        if let Some(refresh) = &mut self.refresh {
            refresh.minted_at = position;
        }
        self
    }

    /// With a session and an idle time that outlast every token.
    pub(crate) fn unhurried(mut self) -> Self {
        self.session.iter_mut().for_each(|session| session.expires_at = Timestamp::MAX);
        self.grant.iter_mut().for_each(|grant| grant.idle_expires_at = Timestamp::MAX);
        self
    }

    /// With this event in the ledger, at [`CUT`].
    pub(crate) fn after(self, event: Event) -> Self {
        Self { events: vec![event], ..self }
    }

    pub(crate) fn disable_owner(&mut self) {
        self.owner.iter_mut().for_each(|owner| owner.enabled = false);
    }

    pub(crate) fn disable_user(&mut self) {
        self.user.iter_mut().for_each(|user| user.enabled = false);
    }

    /// Cuts in the row of the subject, as it stands after the ledger has forgotten.
    pub(crate) fn cut_row(&mut self, kind: CutKind, at: Seq) {
        match kind {
            CutKind::Client => self.owner.iter_mut().for_each(|row| row.cut_at = at),
            CutKind::Grant => self.grant.iter_mut().for_each(|row| row.cut_at = at),
            CutKind::Key => self.key.iter_mut().for_each(|row| row.cut_at = at),
            CutKind::Realm => self.realm_cut_at = at,
            CutKind::Session => self.session.iter_mut().for_each(|row| row.cut_at = at),
            CutKind::User => self.user.iter_mut().for_each(|row| row.cut_at = at),
        }
    }

    pub(crate) fn inspected(&self) -> Inspected<'_> {
        match &self.refresh {
            Some(refresh) => Inspected::Refresh(refresh),
            None => Inspected::Access(&self.token),
        }
    }

    pub(crate) fn decide(&self) -> Result<ScopeSet, Inactive> {
        let parents = ParentRows {
            grant: self.grant.as_ref(),
            session: self.session.as_ref(),
            user: self.user.as_ref(),
        };
        let ledger = ledger(CUT.as_number(), &self.events);
        let world = World {
            view: view(&ledger),
            now: self.now,
            realm_cut_at: self.realm_cut_at,
            client: self.owner.as_ref(),
            api: self.api.as_ref(),
            key: self.key.as_ref(),
            parents: self.has_parents.then_some(parents),
        };
        let sizes = ledger.sizes();
        let decided = introspect(&self.caller, self.inspected(), &world);
        assert_eq!(ledger.sizes(), sizes, "asking leaves no trace");
        decided.map(|visible| visible.scope.into_owned())
    }

    #[track_caller]
    pub(crate) fn check(&self, expected: Result<&str, Inactive>) {
        assert_eq!(self.decide(), expected.map(scope));
    }

    #[track_caller]
    pub(crate) fn is_active(&self) {
        self.check(Ok("openid read"));
    }

    #[track_caller]
    pub(crate) fn is(&self, reason: Inactive) {
        self.check(Err(reason));
    }
}
