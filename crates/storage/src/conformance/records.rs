//! What is written reads back.

use lydian_domain::{
    AccessToken, Api, Audience, AuthorizationCode, Client, Consent, DeviceAuthorization, DeviceDecision,
    Factor, Grant, GrantId, KeyState, Realm, RefreshToken, Session, SigningKeyRecord, TokenForm, TokenFormat,
    TokenId, User, UserProfile,
};
use lydian_primitives::{Hour, Timestamp};
use lydian_revocation::{CutKind, Event, Seq};

use super::Backend;
use super::fixtures::*;
use crate::{
    ApplyError, Conflict, Issued, Parents, Precondition, Record, StoredAccessToken, StoredCode, StoredDevice,
    StoredRefreshToken, Write,
};

pub async fn a_realm_reads_back_as_it_was_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let changed = Realm { enabled: true, version: 8, ..realm(1) };
    check_record(&store, Write::PutRealm(realm(1)), Record::Realm(realm(1))).await;
    check_record(&store, Write::PutRealm(changed.clone()), Record::Realm(changed)).await;
}

pub async fn an_api_reads_back_as_it_was_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let changed = Api {
        audience: "urn:other".to_owned(),
        token_format: TokenFormat::Opaque,
        access_token_seconds: None,
        version: 9,
        ..api(1)
    };
    check_record(&store, Write::PutApi(api(1)), Record::Api(api(1))).await;
    check_record(&store, Write::PutApi(changed.clone()), Record::Api(changed)).await;
}

pub async fn a_client_reads_back_as_it_was_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let changed =
        Client { secrets: vec![], jwks: None, api: None, default_api: None, version: 4, ..client(1) };
    check_record(&store, Write::PutClient(client(1)), Record::Client(client(1))).await;
    let records = store.storage.load_records().await.unwrap();
    let [Record::Client(found)] = records.as_slice() else { panic!("one client: {records:?}") };
    for (found, expected) in found.secrets.iter().zip(client(1).secrets) {
        assert!(found.digest.matches(&expected.digest));
    }
    check_record(&store, Write::PutClient(changed.clone()), Record::Client(changed)).await;
}

pub async fn a_signing_key_reads_back_as_it_was_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let changed = SigningKeyRecord { state: KeyState::Retired, version: 3, ..signing_key(1) };
    check_record(&store, Write::PutSigningKey(signing_key(1)), Record::Key(signing_key(1))).await;
    check_record(&store, Write::PutSigningKey(changed.clone()), Record::Key(changed)).await;
}

async fn check_record(store: &Store, write: Write, expected: Record) {
    store.write(vec![write]).await;
    assert_same(&store.storage.load_records().await.unwrap(), &[expected]);
}

pub async fn records_are_loaded_as_realms_apis_clients_and_keys(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let writes = vec![
        Write::PutSigningKey(signing_key(1)),
        Write::PutClient(client(2)),
        Write::PutClient(client(1)),
        Write::PutApi(api(1)),
        Write::PutRealm(realm(1)),
        Write::PutUser(Box::new(user(1))),
    ];
    store.write(writes).await;
    let expected = [
        Record::Realm(realm(1)),
        Record::Api(api(1)),
        Record::Client(client(1)),
        Record::Client(client(2)),
        Record::Key(signing_key(1)),
    ];
    assert_same(&store.storage.load_records().await.unwrap(), &expected);
}

pub async fn grants_sessions_and_users_read_back_as_they_were_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let changed = (
        Grant {
            session: None,
            api: Some(api_id(1)),
            refresh_token: None,
            idle_expires_at: NOW.plus_seconds(99),
            ..grant(1)
        },
        Session { expires_at: NOW.plus_seconds(99), ..session(1) },
        User { username: "other".to_owned(), enabled: false, ..user(1) },
    );
    for (grant, session, user) in [(grant(1), session(1), user(1)), changed] {
        let writes = vec![
            Write::PutGrant(grant.clone()),
            Write::PutSession(session.clone()),
            Write::PutUser(Box::new(user.clone())),
        ];
        store.write(writes).await;
        let parents =
            store.storage.load_parents(grant_id(1), Some(session_id(1)), Some(user_id(1))).await.unwrap();
        assert_eq!((parents.grant, parents.session, parents.user), (Some(grant), Some(session), Some(user)));
        let name = store.storage.find_username(user_id(1)).await.unwrap();
        assert_eq!(
            name,
            store
                .storage
                .load_parents(grant_id(1), None, Some(user_id(1)))
                .await
                .unwrap()
                .user
                .map(|u| u.username)
        );
    }
    let without = store.storage.load_parents(grant_id(1), None, None).await.unwrap();
    assert!(without.grant.is_some() && without.session.is_none() && without.user.is_none());
}

pub async fn access_tokens_of_each_form_read_back_as_they_were_written(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.write(vec![Write::PutUser(Box::new(user(1)))]).await;
    let tokens = [
        access_token(token_id(1)),
        AccessToken {
            form: TokenForm::Jwt(key_id(1)),
            audience: Audience::Issuer,
            user: None,
            session: None,
            scope: scope(""),
            ..access_token(token_id(2))
        },
        AccessToken { form: TokenForm::Jwt(key_id(1)), digest: None, ..access_token(token_id(3)) },
        AccessToken {
            user: Some(user_id(2)),
            expires_at: Timestamp::MAX,
            minted_at: Seq::from_number(u64::MAX),
            ..access_token(TokenId::from_parts(Hour::NEVER, 255, u32::MAX))
        },
    ];
    for token in tokens {
        store.write(vec![Write::PutAccessToken(token.clone())]).await;
        let found = store.storage.find_access_token(token.id).await.unwrap().unwrap();
        if let (Some(found), Some(expected)) = (&found.token.digest, &token.digest) {
            assert!(found.digest.matches(&expected.digest));
        }
        // The name is that of a user who is there.
        let known = token.user == Some(user_id(1));
        let expected = StoredAccessToken {
            token,
            username: known.then(|| user(1).username),
            subject: known.then(|| user(1).subject),
            authentication: None,
        };
        assert_same(&found, &expected);
    }
    // Its grant says how the user had proved who it is.
    store.write(vec![Write::PutGrant(grant(1))]).await;
    let found = store.storage.find_access_token(token_id(1)).await.unwrap().unwrap();
    assert_eq!((found.token.grant, found.authentication), (grant_id(1), grant(1).authentication));
    let renamed = User { username: "renamed".to_owned(), ..user(1) };
    store.write(vec![Write::PutUser(Box::new(renamed))]).await;
    let found = store.storage.find_access_token(token_id(1)).await.unwrap().unwrap();
    assert_eq!(found.username.as_deref(), Some("renamed"));
}

pub async fn a_refresh_token_reads_back_with_the_rows_that_decide_over_it(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let alone = RefreshToken { user: None, session: None, ..refresh_token(token_id(3)) };
    store
        .write(vec![Write::PutRefreshToken(refresh_token(token_id(2))), Write::PutRefreshToken(alone)])
        .await;
    let missing = store.storage.find_refresh_token(token_id(2)).await.unwrap().unwrap().parents;
    assert!(missing.grant.is_none() && missing.session.is_none() && missing.user.is_none());
    let writes =
        vec![Write::PutGrant(grant(1)), Write::PutSession(session(1)), Write::PutUser(Box::new(user(1)))];
    store.write(writes).await;
    let found = store.storage.find_refresh_token(token_id(2)).await.unwrap().unwrap();
    assert!(found.token.digest.digest.matches(&refresh_token(token_id(2)).digest.digest));
    let parents =
        store.storage.load_parents(grant_id(1), Some(session_id(1)), Some(user_id(1))).await.unwrap();
    assert!(parents.grant.is_some() && parents.session.is_some() && parents.user.is_some());
    assert_same(&found, &StoredRefreshToken { token: refresh_token(token_id(2)), parents });
    let alone = store.storage.find_refresh_token(token_id(3)).await.unwrap().unwrap().parents;
    assert_eq!((alone.grant, alone.session, alone.user), (Some(grant(1)), None, None));
}

pub async fn an_authorization_code_reads_back_with_the_rows_that_decide_over_it(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let bare = AuthorizationCode { nonce: None, ..authorization_code(token_id(5)) };
    store
        .write(vec![
            Write::PutAuthorizationCode(authorization_code(token_id(4))),
            Write::PutAuthorizationCode(bare.clone()),
        ])
        .await;
    let find = async |id| store.storage.find_authorization_code(token_id(id)).await.unwrap().unwrap();
    let alone = find(5).await;
    assert_same(&alone, &StoredCode { code: bare, parents: Parents::default() });
    let writes =
        vec![Write::PutGrant(grant(1)), Write::PutSession(session(1)), Write::PutUser(Box::new(user(1)))];
    store.write(writes).await;
    let parents = Parents { grant: Some(grant(1)), session: Some(session(1)), user: Some(user(1)) };
    let expected = StoredCode { code: authorization_code(token_id(4)), parents };
    assert_same(&find(4).await, &expected);
    // The first use is the one that counts.
    for at in [NOW, NOW.plus_seconds(9)] {
        store.write(vec![Write::RedeemCode { code: token_id(4), at }]).await;
        assert_eq!(find(4).await.code.redeemed_at, Some(NOW));
    }
    assert_eq!(find(5).await.code.redeemed_at, None);
    store.write(vec![Write::PutRefreshToken(refresh_token(token_id(2)))]).await;
    for at in [NOW, NOW.plus_seconds(9)] {
        store.write(vec![Write::ReplaceRefreshToken { token: token_id(2), at }]).await;
        let found = store.storage.find_refresh_token(token_id(2)).await.unwrap().unwrap();
        assert_eq!(found.token.replaced_at, Some(NOW));
    }
}

pub async fn a_device_reads_back_by_id_and_by_user_code(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let storage = &store.storage;
    let bare = DeviceAuthorization { api: None, ..device(token_id(6)) };
    store
        .write(vec![
            Write::PutDeviceAuthorization(device(token_id(5))),
            Write::PutDeviceAuthorization(bare.clone()),
        ])
        .await;
    let find = async |id| storage.find_device(token_id(id)).await.unwrap().unwrap();
    assert_same(&find(6).await, &StoredDevice { device: bare, parents: Parents::default() });
    let by_code = async |realm, code: String| storage.find_device_by_user_code(realm, code).await.unwrap();
    let waiting = by_code(realm_id(1), device(token_id(5)).user_code).await.unwrap();
    assert_same(&waiting, &device(token_id(5)));
    assert!(by_code(realm_id(2), device(token_id(5)).user_code).await.is_none());
    assert!(by_code(realm_id(1), "ANOTHER".to_owned()).await.is_none());
    let twin = DeviceAuthorization { user_code: device(token_id(5)).user_code, ..device(token_id(7)) };
    let taken = change(vec![], vec![Write::PutDeviceAuthorization(twin)]);
    assert_eq!(store.conflict(taken).await, Conflict::UserCodeTaken);
    let decision = DeviceDecision { at: NOW, grant: Some(grant_id(1)), minted_at: Seq::from_number(5) };
    store
        .write(vec![
            Write::PutGrant(grant(1)),
            Write::PutSession(session(1)),
            Write::PutUser(Box::new(user(1))),
            Write::DecideDevice { device: token_id(5), decision },
        ])
        .await;
    let parents = Parents { grant: Some(grant(1)), session: Some(session(1)), user: Some(user(1)) };
    let decided = DeviceAuthorization { decision: Some(decision), ..device(token_id(5)) };
    assert_same(&find(5).await, &StoredDevice { device: decided, parents });
    for at in [NOW, NOW.plus_seconds(9)] {
        store.write(vec![Write::RedeemDevice { device: token_id(5), at }]).await;
        assert_eq!(find(5).await.device.redeemed_at, Some(NOW));
    }
}

pub async fn a_session_and_a_user_are_found_by_what_names_them(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let storage = &store.storage;
    let nobody = User { password: None, profile: UserProfile::default(), ..user(2) };
    store
        .write(vec![
            Write::PutUser(Box::new(user(1))),
            Write::PutUser(Box::new(nobody.clone())),
            Write::PutSession(session(1)),
        ])
        .await;
    let found = storage.find_session(session_id(1)).await.unwrap().unwrap();
    assert_eq!((found.session, found.user), (session(1), user(1)));
    assert!(storage.find_session(session_id(2)).await.unwrap().is_none());
    assert_eq!(storage.find_user(user_id(2)).await.unwrap(), Some(nobody));
    let by_name = |realm, name: &str| storage.find_user_by_name(realm, name.to_owned());
    assert_eq!(by_name(realm_id(1), "user-1@example").await.unwrap(), Some(user(1)));
    assert_eq!(by_name(realm_id(2), "user-1@example").await.unwrap(), None);
    assert_eq!(by_name(realm_id(1), "user-3@example").await.unwrap(), None);
    // The capital letters of an address are the store's business, and several people may share one.
    let shared = |number, email: &str| User {
        profile: UserProfile { email: Some(email.to_owned()), ..UserProfile::default() },
        ..user(number)
    };
    let sharing = [shared(11, "Both@Example.com"), shared(12, "both@example.COM")];
    let writes = sharing.iter().cloned().map(|user| Write::PutUser(Box::new(user))).collect();
    store.write(writes).await;
    let by_email = async |realm, email: &str, limit| {
        storage.find_users_by_email(realm, email.to_owned(), limit).await.unwrap()
    };
    assert_eq!(by_email(realm_id(1), "user-1@example.com", 9).await, [user(1)]);
    assert_eq!(by_email(realm_id(1), "both@example.com", 9).await, sharing);
    assert_eq!(by_email(realm_id(1), "both@example.com", 1).await, sharing[..1]);
    for (realm, email) in
        [(2, "user-1@example.com"), (1, "user-2@example.com"), (1, ""), (1, "both@example_com")]
    {
        assert_eq!(by_email(realm_id(realm), email, 9).await, [], "{email}");
    }
    let by_subject = |realm, subject: &str| storage.find_user_by_subject(realm, subject.to_owned());
    assert_eq!(by_subject(realm_id(1), "subject-1").await.unwrap(), Some(user(1)));
    assert_eq!(by_subject(realm_id(2), "subject-1").await.unwrap(), None);
    // The end of a session for its tokens never comes closer.
    for (expires_at, expected) in [(NOW, session(1).expires_at), (NOW.plus_seconds(50), NOW.plus_seconds(50))]
    {
        let touched = NOW.plus_seconds(1);
        store
            .write(vec![
                Write::ExtendSession { session: session_id(1), expires_at },
                Write::TouchSession { session: session_id(1), idle_expires_at: touched },
            ])
            .await;
        let found = storage.find_session(session_id(1)).await.unwrap().unwrap().session;
        assert_eq!((found.expires_at, found.browser.idle_expires_at), (expected, touched));
    }
    store.write(vec![Write::DeleteUser(user_id(1))]).await;
    assert_eq!(storage.find_user(user_id(1)).await.unwrap(), None);
    assert!(storage.find_session(session_id(1)).await.unwrap().is_none());
    // The log tells everybody: what was minted for the user is dead.
    let rows = storage.log_after(Seq::ZERO, 10).await.unwrap();
    let subject = u128::from(user_id(1).as_number());
    assert!(rows.iter().any(|row| row.event == Event::Cut { kind: CutKind::User, subject }));
    assert!(rows.iter().any(|row| row.event == Event::UserChanged { user: subject }));
    // The name is free again.
    store
        .write(vec![Write::PutUser(Box::new(User {
            id: user_id(3),
            subject: "another".to_owned(),
            ..user(1)
        }))])
        .await;
    assert_eq!(by_name(realm_id(1), "user-1@example").await.unwrap().map(|user| user.id), Some(user_id(3)));
}

pub async fn what_a_user_agreed_to_is_kept_per_client_and_api_until_it_is_taken_back(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let other_client = Consent { client: client_id(2), ..consent(None) };
    let other_user = Consent { user: user_id(2), ..consent(None) };
    let wider =
        Consent { scope: scope("read write"), given_at: NOW.plus_seconds(1), ..consent(Some(api_id(1))) };
    for given in
        [consent(None), consent(Some(api_id(1))), other_client.clone(), other_user.clone(), wider.clone()]
    {
        store.write(vec![Write::PutConsent(given)]).await;
    }
    let find = |user, client| store.storage.find_consents(user, client);
    assert_eq!(find(user_id(1), client_id(1)).await.unwrap(), [consent(None), wider]);
    store.write(vec![Write::DeleteConsents { user: user_id(1), client: client_id(1) }]).await;
    assert_eq!(find(user_id(1), client_id(1)).await.unwrap(), []);
    assert_eq!(find(user_id(1), client_id(2)).await.unwrap(), [other_client]);
    assert_eq!(find(user_id(2), client_id(1)).await.unwrap(), [other_user]);
}

pub async fn users_grants_and_sessions_are_listed_by_pages(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let storage = &store.storage;
    let elsewhere = User { realm: realm_id(2), ..user(4) };
    let mut writes: Vec<Write> = (1..=3).map(|number| Write::PutUser(Box::new(user(number)))).collect();
    writes.push(Write::PutUser(Box::new(elsewhere)));
    writes.extend((1..=3).map(|number| Write::PutGrant(grant(number))));
    writes.push(Write::PutGrant(standing_grant(4, None)));
    writes.push(Write::PutGrant(Grant { user: Some(user_id(2)), ..grant(5) }));
    writes.extend((1..=3).map(|number| Write::PutSession(session(number))));
    writes.push(Write::PutSession(Session { user: user_id(2), ..session(4) }));
    store.write(writes).await;
    let users = |after, limit| storage.list_users(realm_id(1), after, limit);
    assert_eq!(users(user_id(0), 2).await.unwrap(), [user(1), user(2)]);
    assert_eq!(users(user_id(2), 2).await.unwrap(), [user(3)]);
    let grants = |after, limit| storage.list_grants(user_id(1), after, limit);
    assert_eq!(grants(grant_id(0), 2).await.unwrap(), [grant(1), grant(2)]);
    assert_eq!(grants(grant_id(2), 2).await.unwrap(), [grant(3)]);
    let sessions = |after, limit| storage.list_sessions(user_id(1), after, limit);
    assert_eq!(sessions(session_id(0), 2).await.unwrap(), [session(1), session(2)]);
    assert_eq!(sessions(session_id(2), 2).await.unwrap(), [session(3)]);
}

pub async fn what_is_not_there_is_absent_and_no_error(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let storage = &store.storage;
    assert!(storage.load_records().await.unwrap().is_empty());
    assert!(storage.find_access_token(token_id(1)).await.unwrap().is_none());
    assert!(storage.find_refresh_token(token_id(1)).await.unwrap().is_none());
    assert_eq!(storage.find_standing_grant(client_id(1), None).await.unwrap(), None);
    assert_eq!(storage.find_username(user_id(1)).await.unwrap(), None);
    assert_eq!(storage.find_setting("setting").await.unwrap(), None);
    assert_eq!(storage.head().await.unwrap(), lydian_revocation::LogPosition::default());
    assert_eq!(storage.log_after(Seq::ZERO, 10).await.unwrap(), vec![]);
    assert_eq!(storage.log_position_at(NOW).await.unwrap(), Seq::from_number(1));
    assert_eq!(storage.issued_under_key(key_id(1), hour()).await.unwrap(), vec![]);
    let (found, next) = storage.scan_access_tokens(realm_id(1), grant_id(1), token_id(0), 10).await.unwrap();
    assert!(found.is_empty() && next.is_none());
}

pub async fn a_standing_grant_is_found_by_client_and_api(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let other_client = Grant { client: client_id(2), ..standing_grant(3, None) };
    let writes = vec![
        Write::PutGrant(standing_grant(1, None)),
        Write::PutGrant(standing_grant(2, Some(api_id(1)))),
        Write::PutGrant(other_client),
        // What a user granted is no standing grant.
        Write::PutGrant(Grant { api: Some(api_id(2)), ..grant(4) }),
    ];
    store.write(writes).await;
    let find = |client, api| store.storage.find_standing_grant(client, api);
    assert_eq!(find(client_id(1), None).await.unwrap(), Some(grant_id(1)));
    assert_eq!(find(client_id(1), Some(api_id(1))).await.unwrap(), Some(grant_id(2)));
    assert_eq!(find(client_id(1), Some(api_id(2))).await.unwrap(), None);
    assert_eq!(find(client_id(2), None).await.unwrap(), Some(grant_id(3)));
    assert_eq!(find(client_id(2), Some(api_id(1))).await.unwrap(), None);
}

pub async fn factors_and_recovery_codes_are_kept_per_user_until_they_are_used_or_taken_away(
    backend: &impl Backend,
) {
    let store = Store::open(backend).await;
    let storage = &store.storage;
    let other = Factor { user: user_id(2), ..passkey(3) };
    let put = |factor: &Factor| Write::PutFactor(Box::new(factor.clone()));
    store.write(vec![put(&passkey(2)), put(&authenticator(1)), put(&other)]).await;
    assert_eq!(storage.list_factors(user_id(1)).await.unwrap(), [authenticator(1), passkey(2)]);
    assert_eq!(storage.list_factors(user_id(3)).await.unwrap(), []);
    let by_credential = |realm, number| {
        let credential = format!("credential {number}").into_bytes();
        storage.find_passkey(realm_id(realm), credential)
    };
    assert_eq!(by_credential(1, 3).await.unwrap(), Some(other.clone()));
    assert_eq!(by_credential(2, 3).await.unwrap(), None);
    assert_eq!(by_credential(1, 1).await.unwrap(), None);
    // Another realm may have the same credential id, this one not.
    let same = Factor { id: factor_id(9), ..passkey(2) };
    assert_eq!(store.conflict(change(vec![], vec![put(&same)])).await, Conflict::CredentialTaken);
    store.write(vec![put(&Factor { realm: realm_id(2), ..same })]).await;
    let mark = u64::from(u32::MAX) + 9;
    store.write(vec![Write::UseFactor { factor: factor_id(1), mark, at: NOW }]).await;
    let used = Factor { mark, last_used_at: Some(NOW), ..authenticator(1) };
    assert_eq!(storage.list_factors(user_id(1)).await.unwrap()[0], used);

    let codes = |user, digests| Write::ReplaceRecoveryCodes { realm: realm_id(1), user, digests };
    let unused = |user, byte| Precondition::RecoveryCodeUnused { user: user_id(user), digest: [byte; 32] };
    store.write(vec![codes(user_id(1), vec![[1; 32], [2; 32]]), codes(user_id(2), vec![[1; 32]])]).await;
    store.write(vec![Write::UseRecoveryCode { user: user_id(1), digest: [1; 32] }]).await;
    assert_eq!(storage.count_recovery_codes(user_id(1)).await.unwrap(), 1);
    assert!(!store.holds(unused(1, 1)).await && store.holds(unused(1, 2)).await);
    assert!(store.holds(unused(2, 1)).await, "somebody else's code is another code");
    // A new set kills the old one.
    store.write(vec![codes(user_id(1), vec![[3; 32], [4; 32], [5; 32]])]).await;
    assert_eq!(storage.count_recovery_codes(user_id(1)).await.unwrap(), 3);
    assert!(!store.holds(unused(1, 2)).await);

    store.write(vec![Write::DeleteFactor(factor_id(1))]).await;
    store.write(vec![Write::DeleteFactorsOf(user_id(2))]).await;
    assert_eq!(storage.list_factors(user_id(2)).await.unwrap(), []);
    assert_eq!(storage.count_recovery_codes(user_id(2)).await.unwrap(), 0);
    assert_eq!(storage.count_recovery_codes(user_id(1)).await.unwrap(), 3);
    let left: Vec<_> = storage.list_factors(user_id(1)).await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(left, [factor_id(2), factor_id(9)]);
}

pub async fn a_setting_reads_back_and_is_replaced(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for value in [vec![1, 2, 3], vec![], vec![255; 1_000]] {
        store.write(vec![Write::PutSetting { name: "setting", value: value.clone() }]).await;
        assert_eq!(store.storage.find_setting("setting").await.unwrap(), Some(value));
    }
    assert_eq!(store.storage.find_setting("other").await.unwrap(), None);
}

pub async fn issued_tokens_are_counted_by_key_and_hour(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let add = |key, hour, audience, realm, count| Write::AddIssued { audience, realm, key, hour, count };
    let api_audience = Audience::Api(api_id(1));
    let writes = vec![
        add(key_id(1), hour(), Audience::Issuer, realm_id(1), 1),
        add(key_id(1), hour(), api_audience, realm_id(1), 2),
        add(key_id(1), hour(), api_audience, realm_id(1), 4),
        add(key_id(1), hour(), api_audience, realm_id(2), 8),
        add(key_id(1), hour().next(), api_audience, realm_id(1), 16),
        add(key_id(2), hour(), api_audience, realm_id(1), 32),
    ];
    store.write(writes).await;
    let count = |hour, count| Issued { hour, count };
    let find = |key, hour| store.storage.issued_under_key(key, hour);
    assert_eq!(find(key_id(1), hour()).await.unwrap(), vec![count(hour(), 15), count(hour().next(), 16)]);
    assert_eq!(find(key_id(1), hour().next()).await.unwrap(), vec![count(hour().next(), 16)]);
    assert_eq!(find(key_id(2), hour()).await.unwrap(), vec![count(hour(), 32)]);
}

pub async fn a_scan_finds_the_tokens_of_a_grant_and_looks_at_no_more_rows_than_it_may(
    backend: &impl Backend,
) {
    let store = Store::open(backend).await;
    for sequence in 1..=10 {
        let grant = grant_id(u64::from(sequence % 2));
        let token = AccessToken { grant, ..access_token(token_id(sequence)) };
        store.write(vec![Write::PutAccessToken(token)]).await;
    }
    let other_realm = AccessToken { realm: realm_id(2), ..access_token(token_id(11)) };
    store.write(vec![Write::PutAccessToken(other_realm)]).await;
    let (first, next) = scan(&store, token_id(0), 4).await;
    assert_eq!((first, next), (vec![token_id(1), token_id(3)], Some(token_id(4))));
    let (second, next) = scan(&store, token_id(4), 100).await;
    assert_eq!((second, next), (vec![token_id(5), token_id(7), token_id(9)], None));
}

pub async fn tokens_that_come_meanwhile_neither_repeat_nor_hide_others_in_a_scan(backend: &impl Backend) {
    let store = Store::open(backend).await;
    let put = |sequence| Write::PutAccessToken(access_token(token_id(sequence)));
    store.write([10, 20, 30, 40].map(put).to_vec()).await;
    let mut seen = Vec::new();
    let mut after = token_id(0);
    let mut inserted = 0;
    loop {
        let (found, next) = scan(&store, after, 1).await;
        seen.extend(found);
        let Some(next) = next else { break };
        after = next;
        // One before the place where the scan stands, and one after it.
        inserted += 1;
        if inserted < 4 {
            store.write(vec![put(inserted), put(inserted + 30)]).await;
        }
    }
    let expected = [10, 20, 30, 31, 32, 33, 40].map(token_id);
    assert_eq!(seen, expected);
}

async fn scan(store: &Store, after: TokenId, rows: usize) -> (Vec<TokenId>, Option<TokenId>) {
    let grant: GrantId = grant_id(1);
    let (found, next) = store.storage.scan_access_tokens(realm_id(1), grant, after, rows).await.unwrap();
    (found.into_iter().map(|found| found.token.id).collect(), next)
}

pub async fn what_was_acknowledged_survives_closing_and_opening(backend: &impl Backend) {
    let store = Store::open(backend).await;
    for write in each_write(0) {
        store.write(vec![write]).await;
    }
    // A change that logs one row alone comes last.
    store.write(vec![Write::PutRealm(realm(1))]).await;
    let before = store.everything().await;
    let store = store.reopen(backend).await;
    assert_eq!(store.everything().await, before);
    // The log goes on where it stood.
    let head = store.storage.head().await.unwrap().seq;
    assert_eq!(store.write(vec![Write::PutRealm(realm(1))]).await.seq, head.next());
}

pub async fn a_closed_store_is_unavailable(backend: &impl Backend) {
    let store = Store::open(backend).await;
    store.storage.close().await.unwrap();
    assert!(store.storage.head().await.is_err());
    let refused = store.storage.apply(change(vec![], vec![])).await;
    assert!(matches!(refused, Err(ApplyError::Unavailable(ref reason)) if !reason.outcome_is_unknown()));
    assert!(store.storage.allocate_sequences(hour(), 1).await.is_err());
    assert!(store.storage.forget(hour(), NOW, 1).await.is_err());
}
