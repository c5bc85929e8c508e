//! What a person sees and ends of its own: sessions, applications that hold grants, the password.

use std::collections::BTreeMap;
use std::sync::Arc;

use lydian_domain::secrets::{SubjectKind, sha256};
use lydian_domain::{Client, ClientId, Grant, GrantId, Refusal, Session, SessionId, User};
use lydian_oauth_types::ScopeSet;
use lydian_pages::Language;
use lydian_primitives::{Secret, Timestamp, base64url, limits};
use lydian_revocation::CutKind;
use lydian_storage::{ApplyError, Change, Precondition, Unavailable, Write};

use crate::directory::RealmState;
use crate::error::ServiceError;
use crate::mail::{Errand, Recipient};
use crate::password_rules;
use crate::passwords::Verdict;
use crate::sessions::{NewCookie, Proof, Recognised};
use crate::{Moment, Service};

/// How long the page may stay open before a form of it is refused, in seconds.
const PAGE_SECONDS_MAX: u64 = 3_600;

/// Grants that one change cuts.
const GRANTS_PER_CHANGE: usize = 200;

/// A session that stands.
#[derive(Clone, Debug)]
pub struct OwnSession {
    /// By what the person names it.
    pub handle: String,
    /// The session.
    pub session: Session,
    /// When the browser last came, as far as it is known.
    pub last_used: Timestamp,
}

/// An application that holds grants.
#[derive(Clone, Debug)]
pub struct OwnApplication {
    /// The application.
    pub client: Arc<Client>,
    /// All that its grants permit.
    pub scope: ScopeSet,
    /// Since when.
    pub since: Timestamp,
}

/// Why a new password was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordFault {
    /// It is on a list of passwords that attackers try.
    Common,
    /// The current password is wrong.
    CurrentWrong,
    /// Both inputs differ.
    Differs,
    /// It is a name that others know: the person's own, or that of the house.
    Guessable,
    /// It is the one that stands.
    Same,
    /// It is too long.
    TooLong,
    /// It is too short.
    TooShort,
}

/// What a person typed to change its password.
#[derive(Debug)]
pub struct PasswordChange<'a> {
    /// The password that stands.
    pub current: &'a Secret,
    /// The new one.
    pub new: &'a Secret,
    /// The new one, once more.
    pub repeated: &'a Secret,
    /// The language of the page, for the mail that tells of it.
    pub language: Language,
}

impl Service {
    /// The sessions of a person that stand, the latest first.
    ///
    /// # Errors
    ///
    /// Unavailable when the store cannot be read.
    pub async fn own_sessions(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        moment: &Moment,
    ) -> Result<Vec<OwnSession>, ServiceError> {
        let user = &recognised.user;
        let mut own = Vec::new();
        let mut after = SessionId::from_number(0);
        loop {
            let page = self.storage.list_sessions(user.id, after, limits::PAGE_MAX).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for session in page {
                if self.stands(realm, &session, user, moment)? {
                    let handle =
                        realm.issuer_handles.of_subject(SubjectKind::Session, session.id.as_number());
                    let idle = realm.realm.sign_in.session_idle_seconds;
                    let last_used = session.browser.idle_expires_at.minus_seconds(idle);
                    own.push(OwnSession { handle: base64url::encode(&handle), session, last_used });
                }
            }
        }
        own.sort_by_key(|one| std::cmp::Reverse((one.session.browser.authentication.at, one.session.id)));
        Ok(own)
    }

    /// The applications that hold grants of a person, in order of their names.
    ///
    /// # Errors
    ///
    /// Unavailable when the store cannot be read.
    pub async fn own_applications(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        moment: &Moment,
    ) -> Result<Vec<OwnApplication>, ServiceError> {
        let mut own: BTreeMap<ClientId, OwnApplication> = BTreeMap::new();
        for grant in self.all_grants(&recognised.user).await? {
            let is_over = grant.expires_at <= moment.now || grant.cut_at > lydian_revocation::Seq::ZERO;
            let Some(client) = realm.client(grant.client).filter(|_| !is_over) else { continue };
            let entry = own.entry(grant.client).or_insert_with(|| OwnApplication {
                client: Arc::clone(client),
                scope: ScopeSet::empty(),
                since: grant.created_at,
            });
            entry.scope = entry.scope.union(&grant.scope);
            entry.since = entry.since.min(grant.created_at);
        }
        let mut list: Vec<OwnApplication> = own.into_values().collect();
        list.sort_by(|one, other| one.client.name.cmp(&other.client.name));
        Ok(list)
    }

    /// Ends a session of this person.
    ///
    /// # Errors
    ///
    /// A refusal for a session that is not its own; unavailable when it is not durable.
    pub async fn end_own_session(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        handle: &str,
        moment: &Moment,
    ) -> Result<SessionId, ServiceError> {
        let number = base64url::decode_array(handle.as_bytes())
            .and_then(|handle| realm.issuer_handles.subject_of(SubjectKind::Session, handle));
        let id = SessionId::from_number(number.ok_or(Refusal::FormMalformed)?);
        let stored = self.storage.find_session(id).await?;
        if stored.is_none_or(|stored| stored.user.id != recognised.user.id) {
            return Err(Refusal::FormMalformed.into());
        }
        self.end_session(id, moment).await?;
        Ok(id)
    }

    /// Takes back everything that a person granted to an application. Its tokens are dead when this returns.
    ///
    /// # Errors
    ///
    /// Unavailable when it is not durable.
    pub async fn remove_application(
        &self,
        realm: &RealmState,
        recognised: &Recognised,
        client_id: &str,
        moment: &Moment,
    ) -> Result<(), ServiceError> {
        let client = realm.client_by_name(client_id).ok_or(Refusal::FormMalformed)?;
        let user = &recognised.user;
        // What is agreed to goes first, so that no new grant begins with it; what began meanwhile is found by the second look.
        let forget = Write::DeleteConsents { user: user.id, client: client.id };
        self.storage
            .apply(Change { preconditions: Vec::new(), writes: vec![forget], at: moment.now })
            .await?;
        for _ in 0..2 {
            let grants: Vec<Grant> = self.all_grants(user).await?;
            let of_client: Vec<GrantId> = grants
                .iter()
                .filter(|grant| grant.client == client.id && grant.expires_at > moment.now)
                .filter(|grant| grant.cut_at == lydian_revocation::Seq::ZERO)
                .map(|grant| grant.id)
                .collect();
            for grants in of_client.chunks(GRANTS_PER_CHANGE) {
                let cut = |grant: &GrantId| Write::Cut { kind: CutKind::Grant, subject: grant.as_number() };
                let writes = grants.iter().map(cut).collect();
                self.storage.apply(Change { preconditions: Vec::new(), writes, at: moment.now }).await?;
            }
        }
        Ok(())
    }

    /// Changes the password of a person. Everything that was granted under the old one is dead, and every other browser is signed out;
    /// this one gets a new cookie.
    ///
    /// # Errors
    ///
    /// "Too many requests" after many wrong guesses of the current one; unavailable when it cannot be checked or made durable.
    pub async fn change_password(
        &self,
        realm: &Arc<RealmState>,
        recognised: &Recognised,
        change: &PasswordChange<'_>,
        address: std::net::IpAddr,
        moment: &Moment,
    ) -> Result<Result<NewCookie, PasswordFault>, ServiceError> {
        let user = &recognised.user;
        if let Err(fault) = password_rules::check_repeated(&realm.realm, user, change.new, change.repeated) {
            return Ok(Err(fault));
        }
        self.admit_guess(realm, &user.username, address, moment)?;
        let mint = self.mint(moment);
        let verdict = self.passwords.verify(user.password.as_ref(), change.current, &mint).await;
        if !matches!(verdict, Ok(Verdict::Wrong)) {
            self.forgive_guess(realm, &user.username, address);
        }
        if verdict? == Verdict::Wrong {
            return Ok(Err(PasswordFault::CurrentWrong));
        }
        if change.new.expose() == change.current.expose() {
            return Ok(Err(PasswordFault::Same));
        }
        let password = Some(self.passwords.hash(change.new, &mint).await?);
        let changed = User { password, version: user.version + 1, ..user.clone() };
        let written = Change {
            preconditions: vec![Precondition::UserUnchanged { user: user.id, version: user.version }],
            writes: vec![
                Write::PutUser(Box::new(changed.clone())),
                Write::Cut { kind: CutKind::User, subject: user.id.as_number() },
            ],
            at: moment.now,
        };
        self.storage.apply(written).await.map_err(|error| match error {
            ApplyError::Unavailable(unavailable) => unavailable,
            ApplyError::Conflict(conflict) => Unavailable::new("change a password twice at once", conflict),
        })?;
        let to = Recipient { realm: realm.realm.id, user: user.id, language: change.language };
        self.post(Errand::PasswordChanged(to));
        self.restart_session(realm, &recognised.session, &changed).await.map(Ok)
    }

    /// Lets a session live on after everything of its person was cut: minted after the cut, with a new cookie.
    pub(crate) async fn restart_session(
        &self,
        realm: &RealmState,
        before: &Session,
        user: &User,
    ) -> Result<NewCookie, ServiceError> {
        let after = self.moment()?;
        let proof = Proof {
            user,
            before: Some(before),
            authentication: before.browser.authentication,
            user_agent: &before.browser.user_agent,
        };
        let (session, cookie) = self.signed_in_session(realm, &proof, &after, &self.mint(&after));
        let written =
            Change { preconditions: Vec::new(), writes: vec![Write::PutSession(session)], at: after.now };
        self.storage.apply(written).await?;
        Ok(cookie)
    }

    /// What binds the forms of a person's own pages to this browser and this session, and where to go on after a sign-in.
    pub fn carry_account(
        &self,
        realm: &RealmState,
        session: Option<SessionId>,
        mark: &str,
        then: &str,
        moment: &Moment,
    ) -> String {
        let plain = [&moment.now.as_unix_seconds().to_le_bytes(), then.as_bytes()].concat();
        realm.secrets.seal_carried(&label(session, mark), &plain, &self.mint(moment))
    }

    /// Whether a form of a person's own pages belongs to this browser and this session; where to go on.
    ///
    /// # Errors
    ///
    /// A refusal when it does not, or is too old.
    pub fn open_account(
        &self,
        realm: &RealmState,
        carried: &str,
        session: Option<SessionId>,
        mark: &str,
        moment: &Moment,
    ) -> Result<String, Refusal> {
        let opened =
            realm.secrets.open_carried(&label(session, mark), carried).ok_or(Refusal::FlowInvalid)?;
        let (shown_at, then) = opened.split_first_chunk::<8>().ok_or(Refusal::FlowInvalid)?;
        let shown_at = Timestamp::from_unix_seconds(u64::from_le_bytes(*shown_at));
        let then = std::str::from_utf8(then).map_err(|_| Refusal::FlowInvalid)?;
        if moment.now.seconds_since(shown_at) > PAGE_SECONDS_MAX {
            return Err(Refusal::FlowExpired);
        }
        Ok(then.to_owned())
    }

    async fn all_grants(&self, user: &User) -> Result<Vec<Grant>, Unavailable> {
        let mut all = Vec::new();
        let mut after = GrantId::from_number(0);
        loop {
            let page = self.storage.list_grants(user.id, after, limits::PAGE_MAX).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.id;
            all.extend(page);
        }
    }
}

fn label(session: Option<SessionId>, mark: &str) -> String {
    let mark = base64url::encode(&sha256(mark.as_bytes()));
    match session {
        Some(session) => format!("account of browser {mark} in session {session}"),
        None => format!("sign-in to the account of browser {mark}"),
    }
}
