//! The records, the observer and the questions that the suite works with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use lydian_domain::authentication::{Authentication, AuthenticationMethod, AuthenticationMethods};
use lydian_domain::{
    AccessToken, Api, ApiId, Audience, AuthorizationCode, BrowserSession, CachePolicy, Client,
    ClientAuthorization, ClientId, ClientSecretHash, Consent, DeviceAuthorization, DeviceDecision, Factor,
    FactorId, FactorKind, Grant, GrantId, KeyId, KeyState, Passkey, PasswordHash, Realm, RealmId, RealmName,
    RefreshToken, RevocationCascade, Rotation, ScopeDetail, Session, SessionId, SignInSettings,
    SigningKeyRecord, TokenDigest, TokenForm, TokenFormat, TokenId, User, UserId, UserProfile,
};
use lydian_jose::Algorithm;
use lydian_oauth_types::{ClientAuthMethod, GrantType, ScopeSet};
use lydian_primitives::{Digest, Hour, Id, Timestamp};
use lydian_revocation::{CutKind, LogPosition, LogRow, Reach, RecordKind, Seq};
use tokio::sync::watch;

use super::Backend;
use crate::{ApplyError, Change, Conflict, LogObserver, Precondition, Record, SharedStorage, Write};

/// The time of changes, unless a test says otherwise.
pub const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// An hour that tokens of the suite expire in.
pub fn hour() -> Hour {
    NOW.hour()
}

/// A store that was opened, with what it told its observer.
pub struct Store {
    /// The store.
    pub storage: SharedStorage,
    /// Its observer.
    pub observer: Arc<Recorder>,
}

impl Store {
    /// Opens the store of a backend.
    pub async fn open(backend: &impl Backend) -> Self {
        let observer = Arc::new(Recorder::default());
        let storage = backend.open(Arc::<Recorder>::clone(&observer)).await;
        Self { storage, observer }
    }

    /// Closes the store and opens it again.
    pub async fn reopen(self, backend: &impl Backend) -> Self {
        self.storage.close().await.unwrap();
        drop(self);
        Self::open(backend).await
    }

    /// Applies writes without preconditions.
    #[track_caller]
    pub fn write(&self, writes: Vec<Write>) -> impl Future<Output = LogPosition> {
        let answer = self.storage.apply(change(vec![], writes));
        async move { answer.await.unwrap() }
    }

    /// Applies a change that must conflict.
    pub async fn conflict(&self, change: Change) -> Conflict {
        match self.storage.apply(change).await {
            Err(ApplyError::Conflict(conflict)) => conflict,
            other => panic!("a conflict was expected: {other:?}"),
        }
    }

    /// Whether a precondition holds now.
    pub async fn holds(&self, precondition: Precondition) -> bool {
        self.storage.apply(change(vec![precondition], vec![])).await.is_ok()
    }

    /// Everything that the fixtures of the suite can have written, as one text.
    pub async fn everything(&self) -> String {
        let storage = &self.storage;
        let unused = |series: u32| Precondition::AssertionUnused {
            client: client_id(1),
            digest: [series as u8; 32],
            expires_at: NOW,
        };
        let mut all = Vec::new();
        let mut add = |part: &dyn Debug| all.push(format!("{part:?}"));
        add(&storage.load_records().await.unwrap());
        add(&storage.load_parents(grant_id(1), Some(session_id(1)), Some(user_id(1))).await.unwrap());
        for series in 0..2 {
            add(&storage.find_access_token(token_id(series * 10 + 1)).await.unwrap());
            add(&storage.find_refresh_token(token_id(series * 10 + 2)).await.unwrap());
            add(&storage.find_authorization_code(token_id(series * 10 + 4)).await.unwrap());
            add(&storage.find_device(token_id(series * 10 + 5)).await.unwrap());
            add(&self.holds(unused(series)).await);
        }
        add(&storage.find_session(session_id(1)).await.unwrap());
        add(&storage.list_users(realm_id(1), user_id(0), 100).await.unwrap());
        add(&storage.list_grants(user_id(1), grant_id(0), 100).await.unwrap());
        add(&storage.list_sessions(user_id(1), session_id(0), 100).await.unwrap());
        add(&storage.find_consents(user_id(1), client_id(1)).await.unwrap());
        add(&storage.list_factors(user_id(1)).await.unwrap());
        add(&storage.count_recovery_codes(user_id(1)).await.unwrap());
        add(&storage.find_setting("setting").await.unwrap());
        add(&storage.head().await.unwrap());
        add(&storage.log_after(Seq::ZERO, 1_000).await.unwrap());
        add(&storage.issued_under_key(key_id(1), hour()).await.unwrap());
        all.join("\n")
    }

    /// Stops the store between a commit and its answer, so that what is applied meanwhile waits for one batch.
    pub async fn hold(&self) -> Held<'_> {
        self.observer.gate.send_replace(Gate::Armed);
        let answer = self.storage.apply(change(vec![], vec![cut(CutKind::User, 999)]));
        let mut gate = self.observer.gate.subscribe();
        gate.wait_for(|gate| *gate == Gate::Held).await.unwrap();
        Held { store: self, answer }
    }
}

/// A store that is stopped; see [`Store::hold`].
pub struct Held<'a> {
    store: &'a Store,
    answer: crate::Answer<'a, LogPosition, ApplyError>,
}

impl Held<'_> {
    /// Lets the store go on.
    pub async fn release(self) {
        self.store.observer.gate.send_replace(Gate::Open);
        self.answer.await.unwrap();
    }
}

/// What an observer was told.
#[derive(Clone, Debug)]
pub enum Told {
    /// Rows are durable.
    Committed(Vec<LogRow>, Vec<Record>),
    /// An outcome is unknown.
    LostTrack,
    /// All rows were given again.
    CaughtUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Gate {
    #[default]
    Open,
    Armed,
    Held,
}

/// An observer that remembers what it was told, and can hold the store up.
#[derive(Default)]
pub struct Recorder {
    told: std::sync::Mutex<Vec<Told>>,
    gate: watch::Sender<Gate>,
}

impl Recorder {
    /// What it was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The rows that it was given so far.
    pub fn rows(&self) -> Vec<LogRow> {
        let rows_of = |told| match told {
            Told::Committed(rows, _) => rows,
            Told::LostTrack | Told::CaughtUp => Vec::new(),
        };
        self.told().into_iter().flat_map(rows_of).collect()
    }

    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl LogObserver for Recorder {
    fn committed(&self, rows: &[LogRow], records: Vec<Record>) {
        self.tell(Told::Committed(rows.to_vec(), records));
        let held = self.gate.send_if_modified(|gate| {
            let armed = *gate == Gate::Armed;
            if armed {
                *gate = Gate::Held;
            }
            armed
        });
        // The store's thread stands still here until the test lets it go on.
        while held && *self.gate.borrow() == Gate::Held {
            std::thread::yield_now();
        }
    }

    fn lost_track(&self) {
        self.tell(Told::LostTrack);
    }

    fn caught_up(&self) {
        self.tell(Told::CaughtUp);
    }
}

/// A change at [`NOW`].
pub fn change(preconditions: Vec<Precondition>, writes: Vec<Write>) -> Change {
    Change { preconditions, writes, at: NOW }
}

macro_rules! ids {
    ($($name:ident: $id:ty = $base:literal;)*) => {$(
        /// An id of this kind; ids of different kinds differ.
        pub fn $name(number: u64) -> $id {
            Id::from_number($base + number)
        }
    )*};
}
ids! {
    realm_id: RealmId = 10_000;
    api_id: ApiId = 20_000;
    client_id: ClientId = 30_000;
    key_id: KeyId = 40_000;
    user_id: UserId = 50_000;
    session_id: SessionId = 60_000;
    factor_id: FactorId = 70_000;
    grant_id: GrantId = 0x7fff_ffff_ffff_0000;
}

/// The id of a token that expires in [`hour`].
pub fn token_id(sequence: u32) -> TokenId {
    TokenId::from_parts(hour(), 3, sequence)
}

/// A set of scopes.
pub fn scope(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

/// A realm in which no setting has its default.
pub fn realm(number: u64) -> Realm {
    Realm {
        enabled: false,
        version: 7,
        opaque_access_token_seconds: 11,
        jwt_access_token_seconds: 12,
        refresh_token_seconds: 13,
        refresh_token_idle_seconds: 14,
        access_token_prefix: "abc".to_owned(),
        refresh_token_prefix: "abd".to_owned(),
        reference_members: false,
        sign_in: SignInSettings {
            code_seconds: 15,
            refresh_grace_seconds: 16,
            brand_name: Some("A realm".to_owned()),
            ..SignInSettings::default()
        },
        ..Realm::with_defaults(realm_id(number), RealmName::parse(&format!("realm-{number}")).unwrap())
    }
}

/// An API of the first realm.
pub fn api(number: u64) -> Api {
    Api {
        id: api_id(number),
        realm: realm_id(1),
        audience: format!("https://api-{number}.example/"),
        name: "An \"API\" with a name like \u{2026}".to_owned(),
        scopes: scope("read write"),
        token_format: TokenFormat::Jwt {
            algorithm: lydian_domain::records::realm::SigningAlgorithm(Algorithm::EdDsa),
            typ: "JWT".to_owned(),
            record: false,
        },
        access_token_seconds: Some(77),
        cache: CachePolicy { with_feed_seconds: 1, without_feed_seconds: 2 },
        scope_details: BTreeMap::from([(
            "write".to_owned(),
            ScopeDetail {
                description: Some("change things".to_owned()),
                roles: BTreeSet::from(["editor".to_owned()]),
                groups: BTreeSet::from(["staff".to_owned()]),
            },
        )]),
        enabled: false,
        version: u64::from(u32::MAX) + 3,
    }
}

/// A client of the first realm.
pub fn client(number: u64) -> Client {
    Client {
        id: client_id(number),
        realm: realm_id(1),
        client_id: format!("client-{number}"),
        name: "A client".to_owned(),
        enabled: true,
        cut_at: Seq::ZERO,
        version: 3,
        auth_methods: BTreeSet::from([ClientAuthMethod::ClientSecretPost, ClientAuthMethod::PrivateKeyJwt]),
        secrets: vec![
            ClientSecretHash { salt: [1; 12], digest: Digest::from_bytes([2; 32]) },
            ClientSecretHash { salt: [3; 12], digest: Digest::from_bytes([4; 32]) },
        ],
        jwks: Some("{\"keys\":[]}".to_owned()),
        assertion_audience_token_endpoint: true,
        grant_types: BTreeSet::from([GrantType::ClientCredentials]),
        allowed: BTreeMap::from([(api_id(1), scope("read")), (api_id(2), scope(""))]),
        issuer_scopes: scope("introspect openid"),
        default_api: Some(api_id(1)),
        api: Some(api_id(2)),
        introspect_any: true,
        access_token_seconds: None,
        revocation_cascade: RevocationCascade::Grant,
        authorization: ClientAuthorization {
            redirect_uris: vec!["https://app.example/callback?x=1".to_owned()],
            skip_consent: true,
            rotate_refresh_tokens: false,
            ..ClientAuthorization::default()
        },
    }
}

/// A signing key of the first realm.
pub fn signing_key(number: u64) -> SigningKeyRecord {
    SigningKeyRecord {
        id: key_id(number),
        realm: realm_id(1),
        kid: format!("kid-{number}"),
        algorithm: Algorithm::Es256,
        state: KeyState::Retiring,
        created_at: NOW.minus_seconds(5),
        changed_at: NOW.minus_seconds(3),
        cut_at: Seq::ZERO,
        wrapped_private_key: vec![0, 255, 7],
        version: 2,
    }
}

/// A user of the first realm.
pub fn user(number: u64) -> User {
    User {
        id: user_id(number),
        realm: realm_id(1),
        subject: format!("subject-{number}"),
        username: format!("user-{number}@example"),
        enabled: true,
        cut_at: Seq::ZERO,
        version: 4,
        profile: UserProfile {
            name: Some("\u{c4}nne \"the\" User".to_owned()),
            email: Some(format!("user-{number}@example.com")),
            email_verified: true,
            roles: BTreeSet::from(["reader".to_owned()]),
            ..UserProfile::default()
        },
        password: Some(PasswordHash::from_phc("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$dGFn".to_owned())),
    }
}

/// An authenticator app of the first user.
pub fn authenticator(number: u64) -> Factor {
    Factor {
        id: factor_id(number),
        realm: realm_id(1),
        user: user_id(1),
        name: "<b>Phone</b> \u{c4}".to_owned(),
        created_at: NOW,
        last_used_at: None,
        mark: 0,
        kind: FactorKind::Authenticator { sealed_key: vec![9; 40] },
    }
}

/// A passkey of the first user.
pub fn passkey(number: u64) -> Factor {
    Factor {
        last_used_at: Some(NOW.plus_seconds(1)),
        mark: u64::from(u32::MAX),
        kind: FactorKind::Passkey(Passkey {
            credential: format!("credential {number}").into_bytes(),
            public_key: vec![3; 77],
            transports: vec!["hybrid".to_owned(), "internal".to_owned()],
            is_copied: true,
            is_discoverable: true,
        }),
        ..authenticator(number)
    }
}

/// A session of the first user.
pub fn session(number: u64) -> Session {
    Session {
        id: session_id(number),
        realm: realm_id(1),
        user: user_id(1),
        expires_at: NOW.plus_seconds(9),
        cut_at: Seq::ZERO,
        browser: BrowserSession {
            cookie: Digest::from_bytes([6; 32]),
            minted_at: Seq::from_number(5),
            created_at: NOW.minus_seconds(9),
            authentication: authentication(),
            signed_in_until: NOW.plus_seconds(8),
            idle_expires_at: NOW.plus_seconds(7),
            user_agent: "A browser".to_owned(),
        },
    }
}

/// A sign-in with two factors.
pub fn authentication() -> Authentication {
    let methods =
        AuthenticationMethods::of(&[AuthenticationMethod::Password, AuthenticationMethod::OneTimePassword]);
    Authentication { at: NOW.minus_seconds(4), methods }
}

/// An authorization code of the first grant.
pub fn authorization_code(id: TokenId) -> AuthorizationCode {
    AuthorizationCode {
        id,
        realm: realm_id(1),
        client: client_id(1),
        user: user_id(1),
        session: session_id(1),
        grant: grant_id(1),
        redirect_uri: "https://app.example/callback?x=1".to_owned(),
        code_challenge: [5; 32],
        scope: scope("openid read"),
        nonce: Some("a nonce".to_owned()),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(60),
        minted_at: Seq::from_number(5),
        digest: TokenDigest { generation: 2, digest: Digest::from_bytes([7; 32]) },
        redeemed_at: None,
    }
}

/// A device that waits for its person.
pub fn device(id: TokenId) -> DeviceAuthorization {
    DeviceAuthorization {
        id,
        realm: realm_id(1),
        client: client_id(1),
        digest: TokenDigest { generation: 3, digest: Digest::from_bytes([3; 32]) },
        user_code: format!("CODE{}", id.as_number()),
        api: Some(api_id(1)),
        scope: scope("read"),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(600),
        decision: None,
        redeemed_at: None,
    }
}

/// What the first user agreed to for the first client.
pub fn consent(api: Option<ApiId>) -> Consent {
    Consent {
        realm: realm_id(1),
        user: user_id(1),
        client: client_id(1),
        api,
        scope: scope("read"),
        given_at: NOW,
    }
}

/// What the first user granted to the first client.
pub fn grant(number: u64) -> Grant {
    Grant {
        id: grant_id(number),
        realm: realm_id(1),
        client: client_id(1),
        user: Some(user_id(1)),
        session: Some(session_id(1)),
        api: None,
        scope: scope("read"),
        created_at: NOW,
        cut_at: Seq::ZERO,
        refresh_token: Some(token_id(2)),
        idle_expires_at: NOW.plus_seconds(8),
        expires_at: NOW.plus_seconds(99),
        authentication: Some(authentication()),
        claims: Some("{}".to_owned()),
        rotation: Rotation {
            previous: Some(token_id(1)),
            rotated_at: Some(NOW.minus_seconds(2)),
            sealed_successor: Some(vec![0, 255, 1]),
        },
    }
}

/// A standing grant of the first client.
pub fn standing_grant(number: u64, api: Option<ApiId>) -> Grant {
    Grant {
        user: None,
        session: None,
        api,
        refresh_token: None,
        expires_at: Timestamp::MAX,
        authentication: None,
        claims: None,
        rotation: Rotation::default(),
        ..grant(number)
    }
}

/// An opaque access token of the first grant.
pub fn access_token(id: TokenId) -> AccessToken {
    AccessToken {
        id,
        realm: realm_id(1),
        client: client_id(1),
        user: Some(user_id(1)),
        session: Some(session_id(1)),
        grant: grant_id(1),
        audience: Audience::Api(api_id(1)),
        scope: scope("read write"),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(60),
        minted_at: Seq::from_number(5),
        form: TokenForm::Opaque,
        digest: Some(TokenDigest { generation: 200, digest: Digest::from_bytes([9; 32]) }.into()),
        revoked_at: None,
    }
}

/// A refresh token of the first grant.
pub fn refresh_token(id: TokenId) -> RefreshToken {
    RefreshToken {
        id,
        realm: realm_id(1),
        client: client_id(1),
        user: Some(user_id(1)),
        session: Some(session_id(1)),
        grant: grant_id(1),
        scope: scope("read"),
        issued_at: NOW,
        expires_at: NOW.plus_seconds(60),
        minted_at: Seq::from_number(5),
        digest: TokenDigest { generation: 1, digest: Digest::from_bytes([8; 32]) },
        revoked_at: None,
        replaced_at: None,
    }
}

/// A cut.
pub fn cut(kind: CutKind, subject: u64) -> Write {
    Write::Cut { kind, subject }
}

/// The record and the cut of each kind that can be cut.
pub fn cuttable() -> [(CutKind, u64, Write); 6] {
    [
        (CutKind::Client, client_id(1).as_number(), Write::PutClient(client(1))),
        (CutKind::Grant, grant_id(1).as_number(), Write::PutGrant(grant(1))),
        (CutKind::Key, key_id(1).as_number(), Write::PutSigningKey(signing_key(1))),
        (CutKind::Realm, realm_id(1).as_number(), Write::PutRealm(realm(1))),
        (CutKind::Session, session_id(1).as_number(), Write::PutSession(session(1))),
        (CutKind::User, user_id(1).as_number(), Write::PutUser(Box::new(user(1)))),
    ]
}

/// One write of each kind. What can be added once only is another thing in each series, of which [`Store::everything`] knows two.
pub fn each_write(series: u32) -> Vec<Write> {
    let token = |number| token_id(series * 10 + number);
    let mut writes = vec![
        Write::AddIssued {
            audience: Audience::Api(api_id(1)),
            realm: realm_id(1),
            key: key_id(1),
            hour: hour(),
            count: 3,
        },
        Write::PutAccessToken(access_token(token(1))),
        Write::PutApi(api(1)),
        Write::PutRefreshToken(refresh_token(token(2))),
        Write::PutSetting { name: "setting", value: vec![1] },
        Write::RevokeToken { token: token(1), expires_at: NOW, reach: Reach::default() },
        Write::RevokeToken { token: token(3), expires_at: NOW, reach: Reach::default() },
        Write::UseAssertion { client: client_id(1), digest: [series as u8; 32], expires_at: NOW },
    ];
    writes.push(Write::PutAuthorizationCode(authorization_code(token(4))));
    writes.push(Write::RedeemCode { code: token(4), at: NOW });
    writes.push(Write::ReplaceRefreshToken { token: token(2), at: NOW });
    writes.push(Write::PutDeviceAuthorization(device(token(5))));
    let decision = DeviceDecision { at: NOW, grant: Some(grant_id(1)), minted_at: Seq::from_number(5) };
    writes.push(Write::DecideDevice { device: token(5), decision });
    writes.push(Write::RedeemDevice { device: token(5), at: NOW });
    writes.push(Write::PutConsent(consent(Some(api_id(series.into())))));
    writes.push(Write::PutConsent(consent(None)));
    writes.push(Write::ExtendSession { session: session_id(1), expires_at: NOW });
    writes.push(Write::TouchSession { session: session_id(1), idle_expires_at: NOW });
    writes.push(Write::PutFactor(Box::new(passkey(u64::from(series) * 3 + 1))));
    writes.push(Write::PutFactor(Box::new(authenticator(u64::from(series) * 3 + 2))));
    writes.push(Write::PutFactor(Box::new(authenticator(u64::from(series) * 3 + 3))));
    let factor = factor_id(u64::from(series) * 3 + 2);
    writes.push(Write::UseFactor { factor, mark: 7, at: NOW });
    writes.push(Write::DeleteFactor(factor_id(u64::from(series) * 3 + 3)));
    let digests = vec![[series as u8; 32], [77; 32]];
    writes.push(Write::ReplaceRecoveryCodes { realm: realm_id(1), user: user_id(1), digests });
    writes.push(Write::UseRecoveryCode { user: user_id(1), digest: [77; 32] });
    writes.push(Write::DeleteFactorsOf(user_id(2)));
    writes.push(Write::DeleteConsents { user: user_id(2), client: client_id(1) });
    for (kind, subject, put) in cuttable() {
        writes.push(put);
        writes.push(cut(kind, subject));
    }
    // What adds rows to the log comes last: the fixtures of earlier versions have those before at their places.
    writes.push(Write::PutUser(Box::new(user(90 + u64::from(series)))));
    writes.push(Write::DeleteUser(user_id(90 + u64::from(series))));
    writes.push(Write::ForgetSuccessors { before: NOW.minus_seconds(1) });
    writes
}

/// A precondition, what makes it true, what makes it false, and its name then.
pub struct Case {
    /// The precondition.
    pub precondition: Precondition,
    /// What is there at first: the precondition holds.
    pub before: Vec<Write>,
    /// A write that ends it: of rivals that all do this, one may win.
    pub consume: Write,
    /// The conflict after that.
    pub conflict: Conflict,
}

/// Each kind of precondition, over fresh names for each `round`.
pub fn each_precondition(round: u64) -> Vec<Case> {
    let number = 100 + round;
    let sequence = u32::try_from(number).unwrap();
    let rotated = Grant { refresh_token: Some(token_id(sequence + 1_000_000)), ..grant(number) };
    let standing_client = client_id(number);
    let standing = |api| Grant { client: standing_client, ..standing_grant(number * 2 + 2_000, api) };
    let mut cases = vec![
        Case {
            precondition: Precondition::AudienceFree { realm: realm_id(1), audience: api(number).audience },
            before: vec![],
            consume: Write::PutApi(api(number)),
            conflict: Conflict::AudienceTaken,
        },
        Case {
            precondition: Precondition::AssertionUnused {
                client: client_id(number),
                digest: [7; 32],
                expires_at: NOW,
            },
            before: vec![],
            consume: Write::UseAssertion { client: client_id(number), digest: [7; 32], expires_at: NOW },
            conflict: Conflict::AssertionUsed,
        },
        Case {
            precondition: Precondition::ClientIdFree {
                realm: realm_id(1),
                client_id: client(number).client_id,
            },
            before: vec![],
            consume: Write::PutClient(client(number)),
            conflict: Conflict::ClientIdTaken,
        },
        Case {
            precondition: Precondition::CodeUnredeemed { code: token_id(sequence + 2_000_000) },
            before: vec![Write::PutAuthorizationCode(authorization_code(token_id(sequence + 2_000_000)))],
            consume: Write::RedeemCode { code: token_id(sequence + 2_000_000), at: NOW },
            conflict: Conflict::CodeRedeemed,
        },
        Case {
            precondition: Precondition::DeviceUndecided { device: token_id(sequence + 3_000_000) },
            before: vec![Write::PutDeviceAuthorization(device(token_id(sequence + 3_000_000)))],
            consume: Write::DecideDevice {
                device: token_id(sequence + 3_000_000),
                decision: DeviceDecision { at: NOW, grant: None, minted_at: Seq::ZERO },
            },
            conflict: Conflict::DeviceDecided,
        },
        Case {
            precondition: Precondition::DeviceUnredeemed { device: token_id(sequence + 4_000_000) },
            before: vec![Write::PutDeviceAuthorization(device(token_id(sequence + 4_000_000)))],
            consume: Write::RedeemDevice { device: token_id(sequence + 4_000_000), at: NOW },
            conflict: Conflict::DeviceRedeemed,
        },
        Case {
            precondition: Precondition::FactorUnused { factor: factor_id(number), mark: 0 },
            before: vec![Write::PutFactor(Box::new(Factor {
                user: user_id(number),
                ..authenticator(number)
            }))],
            consume: Write::UseFactor { factor: factor_id(number), mark: 1, at: NOW },
            conflict: Conflict::FactorUsed,
        },
        Case {
            precondition: Precondition::FactorUnused { factor: factor_id(number + 1_000_000), mark: 0 },
            before: vec![Write::PutFactor(Box::new(Factor {
                user: user_id(number),
                ..authenticator(number + 1_000_000)
            }))],
            consume: Write::DeleteFactor(factor_id(number + 1_000_000)),
            conflict: Conflict::FactorUsed,
        },
        Case {
            precondition: Precondition::FactorsBelow { user: user_id(number + 2_000_000), limit: 2 },
            before: vec![Write::PutFactor(Box::new(Factor {
                user: user_id(number + 2_000_000),
                ..authenticator(number + 2_000_000)
            }))],
            consume: Write::PutFactor(Box::new(Factor {
                user: user_id(number + 2_000_000),
                ..authenticator(number + 3_000_000)
            })),
            conflict: Conflict::TooManyFactors,
        },
        Case {
            precondition: Precondition::RecoveryCodeUnused { user: user_id(number), digest: [5; 32] },
            before: vec![Write::ReplaceRecoveryCodes {
                realm: realm_id(1),
                user: user_id(number),
                digests: vec![[4; 32], [5; 32]],
            }],
            consume: Write::UseRecoveryCode { user: user_id(number), digest: [5; 32] },
            conflict: Conflict::RecoveryCodeUsed,
        },
        Case {
            precondition: Precondition::UserUnchanged { user: user_id(number), version: user(1).version },
            before: vec![Write::PutUser(Box::new(user(number)))],
            consume: Write::PutUser(Box::new(User { version: user(1).version + 1, ..user(number) })),
            conflict: Conflict::RecordChanged,
        },
        Case {
            precondition: Precondition::CurrentRefreshToken {
                grant: grant_id(number),
                token: token_id(sequence),
            },
            before: vec![Write::PutGrant(Grant { refresh_token: Some(token_id(sequence)), ..grant(number) })],
            consume: Write::PutGrant(rotated),
            conflict: Conflict::NotCurrentRefreshToken,
        },
        Case {
            precondition: Precondition::NoStandingGrant { client: standing_client, api: None },
            before: vec![],
            consume: Write::PutGrant(standing(None)),
            conflict: Conflict::HasStandingGrant,
        },
        Case {
            precondition: Precondition::NoStandingGrant { client: standing_client, api: Some(api_id(1)) },
            before: vec![],
            consume: Write::PutGrant(Grant { id: grant_id(number * 2 + 2_001), ..standing(Some(api_id(1))) }),
            conflict: Conflict::HasStandingGrant,
        },
        Case {
            precondition: Precondition::RealmNameFree { name: realm(number).name.as_str().to_owned() },
            before: vec![],
            consume: Write::PutRealm(realm(number)),
            conflict: Conflict::RealmNameTaken,
        },
        Case {
            precondition: Precondition::SettingIs { name: "absent", value: Some(vec![round as u8]) },
            before: vec![Write::PutSetting { name: "absent", value: vec![round as u8] }],
            consume: Write::PutSetting { name: "absent", value: vec![255, round as u8] },
            conflict: Conflict::SettingChanged,
        },
    ];
    let number = 5_000 + number;
    let unchanged = |kind, id, before, consume| Case {
        precondition: Precondition::RecordUnchanged { kind, id, version: 1 },
        before: vec![before],
        consume,
        conflict: Conflict::RecordChanged,
    };
    cases.push(unchanged(
        RecordKind::Api,
        api_id(number).as_number(),
        Write::PutApi(Api { version: 1, ..api(number) }),
        Write::PutApi(Api { version: 2, ..api(number) }),
    ));
    cases.push(unchanged(
        RecordKind::Client,
        client_id(number).as_number(),
        Write::PutClient(Client { version: 1, ..client(number) }),
        Write::PutClient(Client { version: 2, ..client(number) }),
    ));
    cases.push(unchanged(
        RecordKind::Key,
        key_id(number).as_number(),
        Write::PutSigningKey(SigningKeyRecord { version: 1, ..signing_key(number) }),
        Write::PutSigningKey(SigningKeyRecord { version: 2, ..signing_key(number) }),
    ));
    cases.push(unchanged(
        RecordKind::Realm,
        realm_id(number).as_number(),
        Write::PutRealm(Realm { version: 1, ..realm(number) }),
        Write::PutRealm(Realm { version: 2, ..realm(number) }),
    ));
    cases
}

/// Whether two values print the same. Digests do not print: compare them apart.
#[track_caller]
pub fn assert_same(found: &impl Debug, expected: &impl Debug) {
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}
