//! What a change means: its preconditions as questions, its writes as statements, and the rows of the log that they add.

use lydian_domain::{
    AccessToken, Api, Audience, AuthorizationCode, Client, Consent, DeviceAuthorization, Factor, FactorKind,
    Grant, Passkey, PasswordHash, Realm, RefreshToken, Session, SigningKeyRecord, TokenForm, TokenId, User,
    UserId,
};
use lydian_primitives::{Entropy, Hour, Id, Timestamp};
use lydian_revocation::{CutKind, Event, LogPosition, LogRow, Reach, RecordKind};
use lydian_storage::{Change, Conflict, Precondition, Write};
use rusqlite::{Connection, OptionalExtension, Params, params};

use crate::faults::Faults;
use crate::log::{self, Head};
use crate::orphans::{RETIRED_AUDIENCE, RETIRED_CLIENT_ID, RETIRED_REALM};
use crate::reads::{self, exists, stored};

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A precondition did not hold; nothing was written.
    Conflict(Conflict),
    /// A unique constraint was violated half-way; what was written before it must be rolled back.
    Violated(Conflict),
    /// The hour has no sequence numbers left, or is forgotten; nothing was written.
    NoSequence,
    /// A statement failed; what was written before it must be rolled back.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// A transaction under way on the writer's connection.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) faults: &'a Faults,
    /// The head after the changes so far.
    pub(crate) head: Head,
    /// The rows of the log that the changes so far added.
    pub(crate) rows: Vec<LogRow>,
    /// Whether anything was written.
    pub(crate) dirty: bool,
}

impl Transaction<'_> {
    /// Makes a change, or refuses it without having written anything.
    pub(crate) fn make(&mut self, change: &Change) -> Result<LogPosition, Failure> {
        for precondition in &change.preconditions {
            self.check(precondition)?;
        }
        self.faults.change_begins(change.at);
        let first_row = self.rows.len();
        for write in &change.writes {
            self.write(write, change.at)?;
        }
        if self.rows.len() > first_row {
            // The head moves with the last statement of a change that logs (lease protocol, rule 1).
            self.faults.before_statement(change.at)?;
            log::write_head(self.connection, &self.head)?;
        }
        Ok(self.head.position)
    }

    fn check(&self, precondition: &Precondition) -> Result<(), Failure> {
        let (holds, conflict) = match precondition {
            Precondition::AudienceFree { realm, audience } => {
                let sql = "SELECT 1 FROM apis WHERE realm = ?1 AND audience = ?2";
                let taken = exists(self.connection, sql, params![realm.as_stored(), audience])?
                    || self.is_retired(realm.as_stored(), RETIRED_AUDIENCE, audience)?;
                (!taken, Conflict::AudienceTaken)
            }
            Precondition::AssertionUnused { client, digest, expires_at } => {
                let sql =
                    "SELECT 1 FROM used_assertions WHERE expires_at = ?1 AND client = ?2 AND digest = ?3";
                let key = params![expires_at.as_stored(), client.as_stored(), digest.as_slice()];
                (!exists(self.connection, sql, key)?, Conflict::AssertionUsed)
            }
            Precondition::ClientIdFree { realm, client_id } => {
                let sql = "SELECT 1 FROM clients WHERE realm = ?1 AND client_id = ?2";
                let taken = exists(self.connection, sql, params![realm.as_stored(), client_id])?
                    || self.is_retired(realm.as_stored(), RETIRED_CLIENT_ID, client_id)?;
                (!taken, Conflict::ClientIdTaken)
            }
            Precondition::CodeUnredeemed { code } => {
                let sql = "SELECT 1 FROM authorization_codes WHERE id = ?1 AND redeemed_at IS NULL";
                (exists(self.connection, sql, [code.as_stored()])?, Conflict::CodeRedeemed)
            }
            Precondition::CurrentRefreshToken { grant, token } => {
                let sql = "SELECT 1 FROM grants WHERE id = ?1 AND refresh_token = ?2";
                let current = exists(self.connection, sql, [grant.as_stored(), token.as_stored()])?;
                (current, Conflict::NotCurrentRefreshToken)
            }
            Precondition::DeviceUndecided { device } => {
                let sql = "SELECT 1 FROM device_authorizations WHERE id = ?1 AND decided_at IS NULL";
                (exists(self.connection, sql, [device.as_stored()])?, Conflict::DeviceDecided)
            }
            Precondition::DeviceUnredeemed { device } => {
                let sql = "SELECT 1 FROM device_authorizations WHERE id = ?1 AND redeemed_at IS NULL";
                (exists(self.connection, sql, [device.as_stored()])?, Conflict::DeviceRedeemed)
            }
            Precondition::FactorUnused { factor, mark } => {
                let sql = "SELECT 1 FROM factors WHERE id = ?1 AND mark = ?2";
                let unused = exists(self.connection, sql, [factor.as_stored(), mark.cast_signed()])?;
                (unused, Conflict::FactorUsed)
            }
            Precondition::FactorsBelow { user, limit } => {
                let sql = "SELECT 1 FROM factors WHERE user = ?1 LIMIT 1 OFFSET ?2";
                let last = i64::try_from(limit.saturating_sub(1)).unwrap_or(i64::MAX);
                (!exists(self.connection, sql, [user.as_stored(), last])?, Conflict::TooManyFactors)
            }
            Precondition::NoStandingGrant { client, api } => {
                let standing = reads::standing_grant(self.connection, *client, *api)?;
                (standing.is_none(), Conflict::HasStandingGrant)
            }
            Precondition::RealmNameFree { name } => {
                let taken = exists(self.connection, "SELECT 1 FROM realms WHERE name = ?1", [name])?
                    || self.is_retired(0, RETIRED_REALM, name)?;
                (!taken, Conflict::RealmNameTaken)
            }
            Precondition::RecoveryCodeUnused { user, digest } => {
                let sql = "SELECT 1 FROM recovery_codes WHERE user = ?1 AND digest = ?2";
                let key = params![user.as_stored(), digest.as_slice()];
                (exists(self.connection, sql, key)?, Conflict::RecoveryCodeUsed)
            }
            Precondition::RecordUnchanged { kind, id, version } => {
                let found = reads::version(self.connection, *kind, *id)?;
                (found == Some(*version), Conflict::RecordChanged)
            }
            Precondition::SettingIs { name, value } => {
                let found = reads::setting(self.connection, name)?;
                (found == *value, Conflict::SettingChanged)
            }
            Precondition::UserUnchanged { user, version } => {
                let sql = "SELECT 1 FROM users WHERE id = ?1 AND version = ?2";
                let unchanged = exists(self.connection, sql, [user.as_stored(), stored(*version)])?;
                (unchanged, Conflict::RecordChanged)
            }
        };
        if holds { Ok(()) } else { Err(Failure::Conflict(conflict)) }
    }

    /// Whether a deleted record had this name.
    fn is_retired(&self, realm: i64, kind: i64, name: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM retired_names WHERE realm = ?1 AND kind = ?2 AND name = ?3";
        exists(self.connection, sql, params![realm, kind, name])
    }

    fn write(&mut self, write: &Write, at: Timestamp) -> Result<(), Failure> {
        match write {
            Write::AddIssued { audience, realm, key, hour, count } => {
                self.run(
                    at,
                    "INSERT INTO issued (hour, signing_key, realm, api, count) VALUES (?1, ?2, ?3, ?4, ?5) \
                     ON CONFLICT DO UPDATE SET count = count + excluded.count",
                    params![
                        hour.as_number(),
                        key.as_stored(),
                        realm.as_stored(),
                        api_of(*audience).unwrap_or(-1),
                        stored(*count)
                    ],
                )?;
            }
            Write::Cut { kind, subject } => self.cut(*kind, *subject, at)?,
            Write::Delete { kind, id } => self.delete_record(*kind, *id, at)?,
            Write::DecideDevice { device, decision } => {
                let sql = "UPDATE device_authorizations SET decided_at = ?2, grant_id = ?3, minted_at = ?4 \
                           WHERE id = ?1";
                let grant = decision.grant.map(Id::as_stored);
                let minted_at = decision.minted_at.as_stored();
                self.run(at, sql, params![device.as_stored(), decision.at.as_stored(), grant, minted_at])?;
            }
            Write::DeleteConsents { user, client } => {
                let sql = "DELETE FROM consents WHERE user = ?1 AND client = ?2";
                self.run(at, sql, [user.as_stored(), client.as_stored()])?;
            }
            Write::DeleteFactor(factor) => {
                self.run(at, "DELETE FROM factors WHERE id = ?1", [factor.as_stored()])?;
            }
            Write::DeleteFactorsOf(user) => {
                self.run(at, "DELETE FROM factors WHERE user = ?1", [user.as_stored()])?;
                self.run(at, "DELETE FROM recovery_codes WHERE user = ?1", [user.as_stored()])?;
            }
            Write::DeleteUser(user) => self.delete_user(*user, at)?,
            Write::ExtendSession { session, expires_at } => {
                let sql = "UPDATE sessions SET expires_at = max(expires_at, ?2) WHERE id = ?1";
                self.run(at, sql, [session.as_stored(), expires_at.as_stored()])?;
            }
            Write::ForgetSuccessors { before } => self.forget_successors(*before, at)?,
            Write::PutAccessToken(token) => self.put_access_token(token, at)?,
            Write::PutApi(api) => self.put_api(api, at)?,
            Write::PutAuthorizationCode(code) => self.put_authorization_code(code, at)?,
            Write::PutClient(client) => self.put_client(client, at)?,
            Write::PutConsent(consent) => self.put_consent(consent, at)?,
            Write::PutDeviceAuthorization(device) => self.put_device(device, at)?,
            Write::PutFactor(factor) => self.put_factor(factor, at)?,
            Write::PutGrant(grant) => self.put_grant(grant, at)?,
            Write::PutRealm(realm) => self.put_realm(realm, at)?,
            Write::PutRefreshToken(token) => self.put_refresh_token(token, at)?,
            Write::PutSession(session) => self.put_session(session, at)?,
            Write::PutSetting { name, value } => {
                self.run(
                    at,
                    "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
                    params![name, value],
                )?;
            }
            Write::PutSigningKey(key) => self.put_signing_key(key, at)?,
            Write::PutUser(user) => self.put_user(user, at)?,
            Write::RedeemCode { code, at: redeemed_at } => {
                let sql =
                    "UPDATE authorization_codes SET redeemed_at = ifnull(redeemed_at, ?2) WHERE id = ?1";
                self.run(at, sql, [code.as_stored(), redeemed_at.as_stored()])?;
            }
            Write::RedeemDevice { device, at: redeemed_at } => {
                let sql =
                    "UPDATE device_authorizations SET redeemed_at = ifnull(redeemed_at, ?2) WHERE id = ?1";
                self.run(at, sql, [device.as_stored(), redeemed_at.as_stored()])?;
            }
            Write::ReplaceRecoveryCodes { realm, user, digests } => {
                self.run(at, "DELETE FROM recovery_codes WHERE user = ?1", [user.as_stored()])?;
                for digest in digests {
                    let sql = "INSERT INTO recovery_codes (realm, user, digest) VALUES (?1, ?2, ?3)";
                    self.run(at, sql, params![realm.as_stored(), user.as_stored(), digest.as_slice()])?;
                }
            }
            Write::ReplaceRefreshToken { token, at: replaced_at } => {
                let sql = "UPDATE refresh_tokens SET replaced_at = ifnull(replaced_at, ?2) WHERE id = ?1";
                self.run(at, sql, [token.as_stored(), replaced_at.as_stored()])?;
            }
            Write::RevokeToken { token, expires_at, reach } => {
                self.revoke_token(*token, *expires_at, *reach, at)?
            }
            Write::TouchSession { session, idle_expires_at } => {
                let sql = "UPDATE sessions SET idle_expires_at = ?2 WHERE id = ?1";
                self.run(at, sql, [session.as_stored(), idle_expires_at.as_stored()])?;
            }
            Write::UseFactor { factor, mark, at: used_at } => {
                let sql = "UPDATE factors SET mark = ?2, last_used_at = ?3 WHERE id = ?1";
                self.run(at, sql, [factor.as_stored(), mark.cast_signed(), used_at.as_stored()])?;
            }
            Write::UseRecoveryCode { user, digest } => {
                let sql = "DELETE FROM recovery_codes WHERE user = ?1 AND digest = ?2";
                self.run(at, sql, params![user.as_stored(), digest.as_slice()])?;
            }
            Write::UseAssertion { client, digest, expires_at } => {
                self.run(
                    at,
                    "INSERT INTO used_assertions (expires_at, client, digest) VALUES (?1, ?2, ?3)",
                    params![expires_at.as_stored(), client.as_stored(), digest.as_slice()],
                )?;
            }
        }
        Ok(())
    }

    fn cut(&mut self, kind: CutKind, subject: u64, at: Timestamp) -> Result<(), Failure> {
        let subject = stored(subject);
        let reach = self.reach_of(kind, subject)?;
        self.log(Event::Cut { kind, subject: u128::from(subject.cast_unsigned()) }, reach, at)?;
        let sql = match kind {
            CutKind::Client => "UPDATE clients SET cut_at = ?2 WHERE id = ?1",
            CutKind::Grant => "UPDATE grants SET cut_at = ?2 WHERE id = ?1",
            CutKind::Key => "UPDATE signing_keys SET cut_at = ?2 WHERE id = ?1",
            CutKind::Realm => "UPDATE realms SET cut_at = ?2 WHERE id = ?1",
            CutKind::Session => "UPDATE sessions SET cut_at = ?2 WHERE id = ?1",
            CutKind::User => "UPDATE users SET cut_at = ?2 WHERE id = ?1",
        };
        self.run(at, sql, [subject, self.head.position.seq.as_stored()])?;
        Ok(())
    }

    /// Whom a cut concerns, by the row of its subject; a subject without a row concerns everybody.
    fn reach_of(&self, kind: CutKind, subject: i64) -> Result<Reach, Failure> {
        let sql = match kind {
            CutKind::Client => "SELECT realm, NULL, client_id FROM clients WHERE id = ?1",
            // The tokens of a standing grant are for one API; those of a person's grant may be for any.
            CutKind::Grant => {
                "SELECT realm, CASE WHEN user IS NULL THEN ifnull(api, 0) END, NULL FROM grants WHERE id = ?1"
            }
            CutKind::Key => "SELECT realm, NULL, kid FROM signing_keys WHERE id = ?1",
            CutKind::Realm => "SELECT id, NULL, NULL FROM realms WHERE id = ?1",
            CutKind::Session => "SELECT realm, NULL, NULL FROM sessions WHERE id = ?1",
            CutKind::User => "SELECT realm, NULL, NULL FROM users WHERE id = ?1",
        };
        let reach = self
            .connection
            .prepare_cached(sql)?
            .query_row([subject], |row| {
                let name: Option<String> = row.get(2)?;
                let realm: i64 = row.get(0)?;
                let api: Option<i64> = row.get(1)?;
                Ok(Reach {
                    realm: Some(realm.cast_unsigned()),
                    api: api.map(i64::cast_unsigned),
                    name: name.as_deref().map(lydian_revocation::name_key),
                })
            })
            .optional()?;
        Ok(reach.unwrap_or_default())
    }

    fn revoke_token(
        &mut self,
        token: TokenId,
        expires_at: Timestamp,
        reach: Reach,
        at: Timestamp,
    ) -> Result<(), Failure> {
        self.log(Event::Revoked { token: u128::from(token.as_number()), expires_at }, reach, at)?;
        let mark = [token.as_stored(), self.head.position.seq.as_stored()];
        // The first revocation is the one that explains. Access and refresh tokens share the numbers, so one table holds it.
        let access = "UPDATE access_tokens SET revoked_at = ifnull(revoked_at, ?2) WHERE id = ?1";
        if self.run(at, access, mark)? == 0 {
            let refresh = "UPDATE refresh_tokens SET revoked_at = ifnull(revoked_at, ?2) WHERE id = ?1";
            self.run(at, refresh, mark)?;
        }
        Ok(())
    }

    fn put_access_token(&mut self, token: &AccessToken, at: Timestamp) -> Result<(), Failure> {
        self.run(at, INSERT_ACCESS_TOKEN, access_token_parameters!(token)).map(drop)
    }

    fn put_refresh_token(&mut self, token: &RefreshToken, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO refresh_tokens (id, realm, grant_id, client, user, session, issued_at, expires_at, minted_at, \
             revoked_at, digest_generation, digest, scope, replaced_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                token.id.as_stored(),
                token.realm.as_stored(),
                token.grant.as_stored(),
                token.client.as_stored(),
                token.user.map(Id::as_stored),
                token.session.map(Id::as_stored),
                token.issued_at.as_stored(),
                token.expires_at.as_stored(),
                token.minted_at.as_stored(),
                token.revoked_at.map(|seq| seq.as_stored()),
                token.digest.generation,
                token.digest.digest.as_bytes().as_slice(),
                token.scope.as_str(),
                token.replaced_at.map(Timestamp::as_stored),
            ],
        )
        .map(drop)
    }

    fn put_api(&mut self, api: &Api, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO apis (id, realm, audience, version, settings) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET realm = excluded.realm, audience = excluded.audience, \
             version = excluded.version, settings = excluded.settings",
            params![
                api.id.as_stored(),
                api.realm.as_stored(),
                api.audience,
                stored(api.version),
                settings(api)?
            ],
        )?;
        self.record_changed(RecordKind::Api, api.id.as_number(), at)
    }

    fn put_client(&mut self, client: &Client, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO clients (id, realm, client_id, cut_at, version, settings) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (id) DO UPDATE SET realm = excluded.realm, client_id = excluded.client_id, \
             version = excluded.version, settings = excluded.settings",
            params![
                client.id.as_stored(),
                client.realm.as_stored(),
                client.client_id,
                client.cut_at.as_stored(),
                stored(client.version),
                settings(client)?
            ],
        )?;
        self.record_changed(RecordKind::Client, client.id.as_number(), at)
    }

    fn put_realm(&mut self, realm: &Realm, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO realms (id, name, cut_at, version, settings) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, settings = excluded.settings",
            params![
                realm.id.as_stored(),
                realm.name.as_str(),
                realm.cut_at.as_stored(),
                stored(realm.version),
                settings(realm)?
            ],
        )?;
        self.record_changed(RecordKind::Realm, realm.id.as_number(), at)
    }

    fn put_signing_key(&mut self, key: &SigningKeyRecord, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO signing_keys (id, realm, kid, algorithm, state, created_at, changed_at, cut_at, version, \
             wrapped_private_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (id) DO UPDATE SET realm = excluded.realm, kid = excluded.kid, algorithm = excluded.algorithm, \
             state = excluded.state, created_at = excluded.created_at, changed_at = excluded.changed_at, \
             version = excluded.version, wrapped_private_key = excluded.wrapped_private_key",
            params![
                key.id.as_stored(),
                key.realm.as_stored(),
                key.kid,
                key.algorithm.name(),
                key.state.name(),
                key.created_at.as_stored(),
                key.changed_at.as_stored(),
                key.cut_at.as_stored(),
                stored(key.version),
                key.wrapped_private_key
            ],
        )?;
        self.record_changed(RecordKind::Key, key.id.as_number(), at)
    }

    fn put_grant(&mut self, grant: &Grant, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO grants (id, realm, client, user, session, api, scope, created_at, cut_at, refresh_token, \
             idle_expires_at, expires_at, authenticated_at, methods, claims, previous_refresh_token, rotated_at, sealed_successor) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
             ON CONFLICT (id) DO UPDATE SET realm = excluded.realm, client = excluded.client, user = excluded.user, \
             session = excluded.session, api = excluded.api, scope = excluded.scope, created_at = excluded.created_at, \
             refresh_token = excluded.refresh_token, idle_expires_at = excluded.idle_expires_at, \
             expires_at = excluded.expires_at, authenticated_at = excluded.authenticated_at, methods = excluded.methods, \
             claims = excluded.claims, previous_refresh_token = excluded.previous_refresh_token, rotated_at = excluded.rotated_at, \
             sealed_successor = excluded.sealed_successor",
            params![
                grant.id.as_stored(),
                grant.realm.as_stored(),
                grant.client.as_stored(),
                grant.user.map(Id::as_stored),
                grant.session.map(Id::as_stored),
                grant.api.map(Id::as_stored),
                grant.scope.as_str(),
                grant.created_at.as_stored(),
                grant.cut_at.as_stored(),
                grant.refresh_token.map(TokenId::as_stored),
                grant.idle_expires_at.as_stored(),
                grant.expires_at.as_stored(),
                grant.authentication.map(|authentication| authentication.at.as_stored()),
                grant.authentication.map(|authentication| authentication.methods.as_bits()),
                grant.claims,
                grant.rotation.previous.map(TokenId::as_stored),
                grant.rotation.rotated_at.map(Timestamp::as_stored),
                grant.rotation.sealed_successor
            ],
        )
        .map(drop)
    }

    fn put_session(&mut self, session: &Session, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO sessions (id, realm, user, expires_at, cut_at, cookie, minted_at, created_at, authenticated_at, methods, \
             signed_in_until, idle_expires_at, user_agent) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
             ON CONFLICT (id) DO UPDATE SET realm = excluded.realm, user = excluded.user, expires_at = excluded.expires_at, \
             cookie = excluded.cookie, minted_at = excluded.minted_at, created_at = excluded.created_at, \
             authenticated_at = excluded.authenticated_at, methods = excluded.methods, \
             signed_in_until = excluded.signed_in_until, idle_expires_at = excluded.idle_expires_at, \
             user_agent = excluded.user_agent",
            params![
                session.id.as_stored(),
                session.realm.as_stored(),
                session.user.as_stored(),
                session.expires_at.as_stored(),
                session.cut_at.as_stored(),
                session.browser.cookie.as_bytes().as_slice(),
                session.browser.minted_at.as_stored(),
                session.browser.created_at.as_stored(),
                session.browser.authentication.at.as_stored(),
                session.browser.authentication.methods.as_bits(),
                session.browser.signed_in_until.as_stored(),
                session.browser.idle_expires_at.as_stored(),
                session.browser.user_agent
            ],
        )
        .map(drop)
    }

    fn put_user(&mut self, user: &User, at: Timestamp) -> Result<(), Failure> {
        let profile = settings(&user.profile)?;
        let facts = params![
            user.id.as_stored(),
            user.realm.as_stored(),
            user.subject,
            user.username,
            user.enabled,
            stored(user.version),
            profile,
            user.password.as_ref().map(PasswordHash::as_phc),
            user.cut_at.as_stored()
        ];
        let replace = "UPDATE users SET realm = ?2, subject = ?3, username = ?4, enabled = ?5, version = ?6, profile = ?7, \
                       password = ?8 WHERE id = ?1";
        if self.run(at, replace, &facts[..8])? == 1 {
            let reach = Reach::realm(user.realm.as_number());
            return self.log(Event::UserChanged { user: u128::from(user.id.as_number()) }, reach, at);
        }
        let insert = "INSERT INTO users (id, realm, subject, username, enabled, version, profile, password, cut_at) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.run(at, insert, facts).map(drop)
    }

    /// Deletes a user. Everything minted for it dies with the row of the log, and its name is free again.
    fn delete_user(&mut self, user: UserId, at: Timestamp) -> Result<(), Failure> {
        let reach = self.reach_of(CutKind::User, user.as_stored())?;
        self.cut(CutKind::User, user.as_number(), at)?;
        self.run(at, "DELETE FROM users WHERE id = ?1", [user.as_stored()])?;
        self.log(Event::UserChanged { user: u128::from(user.as_number()) }, reach, at)
    }

    fn forget_successors(&mut self, before: Timestamp, at: Timestamp) -> Result<(), Failure> {
        let sql = "UPDATE grants SET sealed_successor = NULL WHERE id IN \
                   (SELECT id FROM grants WHERE sealed_successor IS NOT NULL AND rotated_at < ?1 LIMIT ?2)";
        self.run(at, sql, [before.as_stored(), SUCCESSORS_FORGOTTEN_AT_ONCE]).map(drop)
    }

    fn put_authorization_code(&mut self, code: &AuthorizationCode, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO authorization_codes (id, realm, grant_id, client, user, session, issued_at, expires_at, minted_at, \
             redeemed_at, digest_generation, digest, redirect_uri, code_challenge, scope, nonce) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            params![
                code.id.as_stored(),
                code.realm.as_stored(),
                code.grant.as_stored(),
                code.client.as_stored(),
                code.user.as_stored(),
                code.session.as_stored(),
                code.issued_at.as_stored(),
                code.expires_at.as_stored(),
                code.minted_at.as_stored(),
                code.redeemed_at.map(Timestamp::as_stored),
                code.digest.generation,
                code.digest.digest.as_bytes().as_slice(),
                code.redirect_uri,
                code.code_challenge.as_slice(),
                code.scope.as_str(),
                code.nonce
            ],
        )
        .map(drop)
    }

    fn put_device(&mut self, device: &DeviceAuthorization, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO device_authorizations (id, realm, client, api, user_code, issued_at, expires_at, decided_at, grant_id, \
             minted_at, redeemed_at, digest_generation, digest, scope) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                device.id.as_stored(),
                device.realm.as_stored(),
                device.client.as_stored(),
                device.api.map(Id::as_stored),
                device.user_code,
                device.issued_at.as_stored(),
                device.expires_at.as_stored(),
                device.decision.map(|decision| decision.at.as_stored()),
                device.decision.and_then(|decision| decision.grant).map(Id::as_stored),
                device.decision.map(|decision| decision.minted_at.as_stored()),
                device.redeemed_at.map(Timestamp::as_stored),
                device.digest.generation,
                device.digest.digest.as_bytes().as_slice(),
                device.scope.as_str()
            ],
        )
        .map(drop)
    }

    fn put_factor(&mut self, factor: &Factor, at: Timestamp) -> Result<(), Failure> {
        let (sealed_key, passkey) = match &factor.kind {
            FactorKind::Authenticator { sealed_key } => (Some(sealed_key), None),
            FactorKind::Passkey(passkey) => (None, Some(passkey)),
        };
        self.run(
            at,
            "INSERT INTO factors (id, realm, user, name, created_at, last_used_at, mark, sealed_key, credential, public_key, \
             transports, is_copied, is_discoverable) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                factor.id.as_stored(),
                factor.realm.as_stored(),
                factor.user.as_stored(),
                factor.name,
                factor.created_at.as_stored(),
                factor.last_used_at.map(Timestamp::as_stored),
                factor.mark.cast_signed(),
                sealed_key,
                passkey.map(|passkey: &Passkey| &passkey.credential),
                passkey.map(|passkey| &passkey.public_key),
                passkey.map(|passkey| passkey.transports.join(" ")),
                passkey.map(|passkey| passkey.is_copied),
                passkey.map(|passkey| passkey.is_discoverable)
            ],
        )
        .map(drop)
    }

    fn put_consent(&mut self, consent: &Consent, at: Timestamp) -> Result<(), Failure> {
        self.run(
            at,
            "INSERT INTO consents (realm, user, client, api, scope, given_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (user, client, ifnull(api, -1)) DO UPDATE SET realm = excluded.realm, scope = excluded.scope, \
             given_at = excluded.given_at",
            params![
                consent.realm.as_stored(),
                consent.user.as_stored(),
                consent.client.as_stored(),
                consent.api.map(Id::as_stored),
                consent.scope.as_str(),
                consent.given_at.as_stored()
            ],
        )
        .map(drop)
    }

    pub(crate) fn record_changed(&mut self, kind: RecordKind, id: u64, at: Timestamp) -> Result<(), Failure> {
        // Records are read again by nodes; of validators, those of a changed API alone are concerned.
        let api = (kind == RecordKind::Api).then_some(id);
        self.log(Event::RecordChanged { kind, record: u128::from(id) }, Reach { api, ..Reach::default() }, at)
    }

    fn log(&mut self, event: Event, reach: Reach, at: Timestamp) -> Result<(), Failure> {
        self.faults.before_statement(at)?;
        let row = self.head.append(event, reach, at, self.entropy);
        self.dirty = true;
        log::write_row(self.connection, &row, self.head.latest_at)?;
        self.rows.push(row);
        Ok(())
    }

    /// Runs a statement of a change; how many rows it wrote.
    pub(crate) fn run(
        &mut self,
        at: Timestamp,
        sql: &str,
        parameters: impl Params,
    ) -> Result<usize, Failure> {
        self.faults.before_statement(at)?;
        self.execute(sql, parameters)
    }

    /// Runs a statement; how many rows it wrote.
    pub(crate) fn execute(&mut self, sql: &str, parameters: impl Params) -> Result<usize, Failure> {
        self.dirty = true;
        self.connection.prepare_cached(sql)?.execute(parameters).map_err(|error| match conflict_of(&error) {
            Some(conflict) => Failure::Violated(conflict),
            None => Failure::Sql(error),
        })
    }

    /// Hands out `count` sequence numbers of an hour; the first of them.
    pub(crate) fn allocate(&mut self, hour: Hour, count: u32) -> Result<u32, Failure> {
        // An hour whose block was forgotten would begin again at zero.
        if hour < forgotten_before(self.connection)? {
            return Err(Failure::NoSequence);
        }
        let next: i64 = self
            .connection
            .prepare_cached("SELECT coalesce((SELECT next FROM id_blocks WHERE hour = ?1), 0)")?
            .query_row([hour.as_number()], |row| row.get(0))?;
        let after = next.saturating_add(i64::from(count));
        if after > i64::from(u32::MAX) + 1 {
            return Err(Failure::NoSequence);
        }
        let first = u32::try_from(next).map_err(|_| Failure::NoSequence)?;
        self.execute(
            "INSERT INTO id_blocks (hour, next) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET next = excluded.next",
            [i64::from(hour.as_number()), after],
        )?;
        Ok(first)
    }
}

/// How many sealed successors one change erases.
const SUCCESSORS_FORGOTTEN_AT_ONCE: i64 = 10_000;

/// The hour before which tokens were forgotten.
pub(crate) fn forgotten_before(connection: &Connection) -> rusqlite::Result<Hour> {
    let number: u32 = connection
        .prepare_cached("SELECT forgotten_before FROM file_state WHERE id = 1")?
        .query_row([], |row| row.get(0))?;
    Ok(Hour::from_number(number).unwrap_or(Hour::NEVER))
}

pub(crate) const INSERT_ACCESS_TOKEN: &str = "INSERT INTO access_tokens (id, realm, grant_id, client, user, session, api, \
     signing_key, issued_at, expires_at, minted_at, revoked_at, digest_generation, digest, scope) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

macro_rules! access_token_parameters {
    ($token:expr) => {
        rusqlite::params![
            $token.id.as_stored(),
            $token.realm.as_stored(),
            $token.grant.as_stored(),
            $token.client.as_stored(),
            $token.user.map(lydian_primitives::Id::as_stored),
            $token.session.map(lydian_primitives::Id::as_stored),
            $crate::changes::api_of($token.audience),
            $crate::changes::key_of($token.form),
            $token.issued_at.as_stored(),
            $token.expires_at.as_stored(),
            $token.minted_at.as_stored(),
            $token.revoked_at.map(|seq| seq.as_stored()),
            $token.digest.as_ref().map(|digest| digest.generation),
            $token.digest.as_ref().map(|digest| digest.digest.as_bytes().as_slice()),
            $token.scope.as_str(),
        ]
    };
}
pub(crate) use access_token_parameters;

pub(crate) fn api_of(audience: Audience) -> Option<i64> {
    match audience {
        Audience::Api(api) => Some(api.as_stored()),
        Audience::Issuer => None,
    }
}

pub(crate) fn key_of(form: TokenForm) -> Option<i64> {
    match form {
        TokenForm::Jwt(key) => Some(key.as_stored()),
        TokenForm::Opaque => None,
    }
}

fn settings(record: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(record).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The conflict behind a violated unique constraint: the backstop of the preconditions.
fn conflict_of(error: &rusqlite::Error) -> Option<Conflict> {
    let rusqlite::Error::SqliteFailure(code, Some(message)) = error else { return None };
    if code.code != rusqlite::ErrorCode::ConstraintViolation {
        return None;
    }
    const CONSTRAINTS: [(&str, Conflict); 10] = [
        ("apis.audience", Conflict::AudienceTaken),
        ("clients.client_id", Conflict::ClientIdTaken),
        ("device_authorizations.user_code", Conflict::UserCodeTaken),
        ("factors.credential", Conflict::CredentialTaken),
        ("realms.name", Conflict::RealmNameTaken),
        ("signing_keys.kid", Conflict::KidTaken),
        ("standing_grants", Conflict::HasStandingGrant),
        ("used_assertions", Conflict::AssertionUsed),
        ("users.subject", Conflict::SubjectTaken),
        ("users.username", Conflict::UsernameTaken),
    ];
    CONSTRAINTS.iter().find(|(name, _)| message.contains(name)).map(|(_, conflict)| *conflict)
}
