//! Issuing tokens: the token endpoint's use cases (RFC 6749 §4.4, §5.1).

use std::collections::HashMap;
use std::sync::Arc;

use lydian_domain::audience::{self, Chosen, Owner, Request};
use lydian_domain::authenticate::{AssertionUse, AuthenticatedClient};
use lydian_domain::issue::{self, ClaimSources, Granter, Minting};
use lydian_domain::secrets::TokenKind;
use lydian_domain::{
    AccessToken, Audience, Client, GrantId, KeyId, RealmId, Refusal, TokenForm, TokenFormat, token_string,
};
use lydian_oauth_types::{GrantType, ScopeSet};
use lydian_primitives::{Hour, Mint, Secret};
use lydian_storage::{ApplyError, Change, Conflict, Precondition, Unavailable, Write};
use parking_lot::Mutex;

use crate::directory::{KeyEntry, RealmState};
use crate::error::ServiceError;
use crate::{Moment, Service};

/// What a token request asks for.
pub type TokenRequest<'a> = Request<'a>;

/// A token on its way to its client.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token itself.
    pub access_token: Secret,
    /// How long it lives, in seconds.
    pub expires_in: u64,
    /// What it permits.
    pub scope: ScopeSet,
    /// The refresh token beside it.
    pub refresh_token: Option<Secret>,
    /// The ID token beside it (OpenID Connect Core §2).
    pub id_token: Option<String>,
}

/// An access token that was made and is not durable yet.
pub(crate) struct MadeToken {
    pub(crate) token: AccessToken,
    pub(crate) text: Secret,
    pub(crate) expires_in: u64,
    /// Whether it gets a row.
    pub(crate) record: bool,
}

impl MadeToken {
    /// What its client gets of it once it is durable, what is written of it, and whether that gets a row.
    pub(crate) fn split(self) -> (IssuedToken, AccessToken, bool) {
        let issued = IssuedToken {
            access_token: self.text,
            expires_in: self.expires_in,
            scope: self.token.scope.clone(),
            refresh_token: None,
            id_token: None,
        };
        (issued, self.token, self.record)
    }
}

/// How many JWTs were issued and are not yet counted in the store.
#[derive(Default)]
pub struct IssuedCounts {
    pending: Mutex<HashMap<(RealmId, Audience, KeyId, Hour), u64>>,
}

impl IssuedCounts {
    fn add(&self, token: &AccessToken) {
        if let TokenForm::Jwt(key) = token.form {
            let slot = (token.realm, token.audience, key, token.expires_at.hour());
            *self.pending.lock().entry(slot).or_default() += 1;
        }
    }
}

impl Service {
    /// Issues an access token for a client's own use (RFC 6749 §4.4).
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of the request; unavailable when the token cannot be made durable.
    pub async fn issue_client_credentials(
        &self,
        realm: &Arc<RealmState>,
        client: &AuthenticatedClient,
        assertion: Option<AssertionUse>,
        request: &TokenRequest<'_>,
        moment: &Moment,
    ) -> Result<IssuedToken, ServiceError> {
        issue::may_use(client, GrantType::ClientCredentials)?;
        let owner = client.client();
        let chosen = audience::choose(Owner::Client, owner, request, &**realm, &realm.issuer)?;
        let api = chosen.api.map(|api| api.id);
        let mint = self.mint(moment);
        let grant =
            self.standing_grants.find_or_make(&*self.storage, realm.realm.id, owner.id, api, &mint).await?;
        let made = self.make_access_token(realm, owner, &chosen, grant, None, moment, &mint).await?;
        let (issued, token, record) = made.split();
        self.commit(token, record, assertion, &mint).await?;
        Ok(issued)
    }

    /// Makes an access token. Nothing of it is durable yet.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is of its own type, and they are what a token is made of"
    )]
    pub(crate) async fn make_access_token(
        &self,
        realm: &Arc<RealmState>,
        client: &Client,
        chosen: &Chosen<'_>,
        grant: GrantId,
        granter: Option<Granter<'_>>,
        moment: &Moment,
        mint: &Mint<'_>,
    ) -> Result<MadeToken, ServiceError> {
        let key = signing_key(realm, chosen)?;
        let lifetime = issue::lifetime_seconds(&realm.realm, client, chosen);
        let expires_at = moment.now.plus_seconds(lifetime);
        let id = self.sequences.next(&*self.storage, expires_at.hour(), self.node.store_generation()).await?;
        let minting = Minting {
            client,
            chosen,
            grant,
            granter,
            id,
            now: moment.now,
            expires_at,
            minted_at: moment.minted_at,
            key: key.map(|entry| entry.record.id),
        };
        let mut token = issue::access_token(&minting);
        let text = match key {
            Some(entry) => sign(realm, &token, client.client_id.as_str(), chosen, granter, entry)?,
            None => {
                let handle = realm.secrets.token_handles().of_token(id);
                let generation = realm.secrets.generation();
                token_string::format_opaque(
                    &realm.realm.access_token_prefix,
                    generation,
                    handle,
                    mint.bytes(),
                )
            }
        };
        let text = Secret::new(text);
        let generation = realm.secrets.generation();
        token.digest = realm.secrets.digest(TokenKind::Access, generation, text.expose()).map(Box::new);
        Ok(MadeToken { token, text, expires_in: lifetime, record: has_record(chosen) })
    }

    /// Makes a token durable before it leaves the house, and uses up the assertion that asked for it.
    async fn commit(
        &self,
        token: AccessToken,
        record: bool,
        assertion: Option<AssertionUse>,
        mint: &Mint<'_>,
    ) -> Result<(), ServiceError> {
        let mut change = Change { preconditions: Vec::new(), writes: Vec::with_capacity(2), at: mint.now() };
        if let Some(AssertionUse { client, digest, expires_at }) = assertion {
            change.preconditions.push(Precondition::AssertionUnused { client, digest, expires_at });
            change.writes.push(Write::UseAssertion { client, digest, expires_at });
        }
        // With a row or without: what a key has signed decides how long it stays published.
        self.count_issued(&token);
        if record {
            change.writes.push(Write::PutAccessToken(token));
        }
        if change.writes.is_empty() {
            return Ok(());
        }
        match self.storage.apply(change).await {
            Ok(_) => Ok(()),
            Err(ApplyError::Conflict(Conflict::AssertionUsed)) => {
                Err(Refusal::ClientAssertionReplayed.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Counts a token that is about to leave: before its commit, so that no key looks less used than it is.
    pub(crate) fn count_issued(&self, token: &AccessToken) {
        self.issued.add(token);
    }

    /// Writes the counts of issued JWTs.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; the counts are kept for the next time.
    pub async fn write_issued_counts(&self) -> Result<(), Unavailable> {
        let counts = std::mem::take(&mut *self.issued.pending.lock());
        if counts.is_empty() {
            return Ok(());
        }
        let writes = counts
            .iter()
            .map(|(&(realm, audience, key, hour), &count)| Write::AddIssued {
                audience,
                realm,
                key,
                hour,
                count,
            })
            .collect();
        let change = Change { preconditions: Vec::new(), writes, at: self.clock().now() };
        match self.storage.apply(change).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let mut pending = self.issued.pending.lock();
                for (slot, count) in counts {
                    *pending.entry(slot).or_default() += count;
                }
                Err(Unavailable::new("count issued tokens", error))
            }
        }
    }
}

/// The key that signs for this choice; `None` for opaque tokens.
fn signing_key<'a>(
    realm: &'a RealmState,
    chosen: &Chosen<'_>,
) -> Result<Option<&'a Arc<KeyEntry>>, ServiceError> {
    let Some(TokenFormat::Jwt { algorithm, .. }) = chosen.api.map(|api| &api.token_format) else {
        return Ok(None);
    };
    let key =
        realm.active_key(algorithm.0).ok_or_else(|| Unavailable::because("find an active signing key"))?;
    Ok(Some(key))
}

fn has_record(chosen: &Chosen<'_>) -> bool {
    !matches!(chosen.api.map(|api| &api.token_format), Some(TokenFormat::Jwt { record: false, .. }))
}

fn sign(
    realm: &RealmState,
    token: &AccessToken,
    client_id: &str,
    chosen: &Chosen<'_>,
    granter: Option<Granter<'_>>,
    entry: &KeyEntry,
) -> Result<String, ServiceError> {
    let api = chosen.api.and_then(|api| realm.api(api.id));
    let sources = ClaimSources {
        issuer: &realm.issuer,
        audience: chosen.api.map_or(realm.issuer.as_str(), |api| api.audience.as_str()),
        client_id,
        subject: granter.map(|granter| granter.subject),
        authentication: granter.and_then(|granter| granter.authentication),
        reference_members: realm.realm.reference_members,
        token_handles: realm.secrets.token_handles(),
        subject_handles: &realm.handles(api.map(|state| &**state)),
    };
    let claims = issue::jwt_claims(token, &sources)?;
    let typ = match chosen.api.map(|api| &api.token_format) {
        Some(TokenFormat::Jwt { typ, .. }) => typ.as_str(),
        _ => TokenFormat::AT_JWT,
    };
    Ok(entry.key.sign_compact(typ, &claims).map_err(|error| Unavailable::new("sign a token", error))?)
}
