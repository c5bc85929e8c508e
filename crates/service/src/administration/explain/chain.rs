//! The records behind a token, and how each of them stands.

use lydian_domain::introspect::Inspected;
use lydian_domain::{Audience, KeyState, TokenForm};
use lydian_revocation::Seq;

use super::{ChainLink, Known};
use crate::administration::revoke::client_of;
use crate::{Moment, Service};

impl Service {
    /// From the realm down to the token itself.
    pub(super) fn chain_of(&self, known: &Known, moment: &Moment) -> Vec<ChainLink> {
        let Some(inspected) = known.inspected() else { return Vec::new() };
        let (minted_at, client, user, session, grant, revoked_at) = match inspected {
            Inspected::Access(token) => {
                (token.minted_at, token.client, token.user, token.session, token.grant, token.revoked_at)
            }
            Inspected::Refresh(token) => {
                (token.minted_at, token.client, token.user, token.session, token.grant, token.revoked_at)
            }
        };
        let realm = &known.realm;
        let link = |kind: &str, name: String, state: &str, cut_at: Seq, good: bool| ChainLink {
            kind: kind.to_owned(),
            name,
            state: state.to_owned(),
            cut_at: (cut_at > Seq::ZERO).then(|| cut_at.as_number()),
            stands: good && minted_at >= cut_at,
        };
        let missing = |kind: &str, name: String| link(kind, name, "missing", Seq::ZERO, false);
        let enabled = |enabled: bool| if enabled { "enabled" } else { "disabled" };
        let mut chain = Vec::new();
        let record = &realm.realm;
        chain.push(link(
            "realm",
            record.name.to_string(),
            enabled(record.enabled),
            record.cut_at,
            record.enabled,
        ));
        chain.push(match realm.client(client) {
            Some(client) => link(
                "client",
                client.client_id.clone(),
                enabled(client.enabled),
                client.cut_at,
                client.enabled,
            ),
            None => missing("client", client_of(realm, client)),
        });
        if let Inspected::Access(token) = inspected {
            if let Audience::Api(id) = token.audience {
                chain.push(match realm.api(id) {
                    Some(state) => {
                        let api = &state.api;
                        link("api", api.audience.clone(), enabled(api.enabled), Seq::ZERO, api.enabled)
                    }
                    None => missing("api", format!("number {id}")),
                });
            }
            if let TokenForm::Jwt(id) = token.form {
                chain.push(match realm.key(id) {
                    Some(entry) => {
                        let key = &entry.record;
                        let good = key.state != KeyState::Retired;
                        link("key", key.kid.clone(), key.state.name(), key.cut_at, good)
                    }
                    None => missing("key", format!("number {id}")),
                });
            }
        }
        if let Some(id) = user {
            chain.push(match &known.parents.user {
                Some(user) => {
                    link("user", user.username.clone(), enabled(user.enabled), user.cut_at, user.enabled)
                }
                None => missing("user", format!("number {id}")),
            });
        }
        if let Some(id) = session {
            chain.push(match &known.parents.session {
                Some(session) => {
                    let over = session.expires_at <= moment.now;
                    let state = if over { "over" } else { "open" };
                    // A token may outlive its session's last hour only if it is short-lived: the decision says whether it does.
                    link("session", format!("number {id}"), state, session.cut_at, true)
                }
                None => missing("session", format!("number {id}")),
            });
        }
        chain.push(match &known.parents.grant {
            Some(found) => {
                let state = match inspected {
                    Inspected::Refresh(token) if found.refresh_token != Some(token.id) => {
                        "has another refresh token"
                    }
                    Inspected::Refresh(_) if found.idle_expires_at <= moment.now => "idle for too long",
                    _ => "given",
                };
                link("grant", format!("number {grant}"), state, found.cut_at, true)
            }
            None => missing("grant", format!("number {grant}")),
        });
        let (kind, expires_at) = match inspected {
            Inspected::Access(token) => ("access token", token.expires_at),
            Inspected::Refresh(token) => ("refresh token", token.expires_at),
        };
        let in_ledger = known
            .coordinates()
            .and_then(|coordinates| self.node.ledger().view(moment.boot_now)?.death_of(&coordinates))
            .and_then(|death| match death {
                lydian_revocation::Death::Revoked(position) => Some(position),
                lydian_revocation::Death::Cut(..) => None,
            });
        let revoked_at = revoked_at.or(in_ledger);
        let expired = expires_at <= moment.now;
        chain.push(ChainLink {
            kind: "token".to_owned(),
            name: kind.to_owned(),
            state: match (revoked_at, expired) {
                (Some(_), _) => "revoked",
                (None, true) => "expired",
                (None, false) => "live",
            }
            .to_owned(),
            cut_at: revoked_at.map(|position| position.as_number()),
            stands: revoked_at.is_none() && !expired,
        });
        chain
    }
}
