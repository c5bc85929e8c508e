//! `/oauth2/revocations/...`: the feed by which validators learn of revocations, and the leases that prove it.
//!
//! Callers authenticate as at introspection, and must be an API: each sees its own view, in its own handles. Nothing here writes, and
//! nothing that introspection waits for is held.

pub mod lease;
pub mod propagation;
pub mod snapshot;
pub mod stream;

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use lydian_domain::Refusal;
use lydian_domain::authenticate::{AuthenticatedBy, AuthenticatedClient};
use lydian_oauth_types::Form;
use lydian_primitives::Secret;
use lydian_service::feed::View;
use lydian_service::{Moment, Presented, RealmState, Service};

use crate::credentials::{self, Challenger, Read, Takes};
use crate::error_response::Problem;
use crate::find_realm;
use crate::form_request::names_a_parameter;

/// An API that asks for its feed.
pub(crate) struct Caller {
    /// The instant of the request.
    pub(crate) moment: Moment,
    /// What it sees.
    pub(crate) view: View,
    /// Turns refusals into problems of this request.
    pub(crate) challenger: Challenger,
    standing: Standing,
}

/// By what a caller may go on listening.
pub(crate) struct Standing {
    realm: Option<String>,
    client: AuthenticatedClient,
    bearer: Option<Secret>,
    peer: IpAddr,
}

impl Caller {
    /// Authenticates the caller of a request that has arrived whole.
    pub(crate) async fn of(
        service: &Service,
        realm: Option<&str>,
        head: &Parts,
        peer: IpAddr,
    ) -> Result<Self, Problem> {
        let challenger = Challenger::of(head, Takes::ClientsAndBearer);
        if head.uri.query().is_some_and(names_a_parameter) {
            return Err(challenger.refuse(Refusal::ParameterInQuery));
        }
        let moment = service.moment().map_err(Problem::Service)?;
        let state = find_realm(service, realm)?;
        let form = Form::parse(b"", &[]).map_err(|_| challenger.refuse(Refusal::FormMalformed))?;
        let (client, bearer) = authenticate(service, &state, head, &form, peer, &moment, &challenger).await?;
        let refuse = || challenger.refuse(Refusal::FeedForApisOnly);
        let view = view_of(&state, &client).ok_or_else(refuse)?;
        let standing = Standing { realm: realm.map(str::to_owned), client, bearer, peer };
        Ok(Self { moment, view, challenger, standing })
    }

    pub(crate) fn into_parts(self) -> (View, Standing) {
        (self.view, self.standing)
    }
}

async fn authenticate(
    service: &Service,
    realm: &Arc<RealmState>,
    head: &Parts,
    form: &Form<'_>,
    peer: IpAddr,
    moment: &Moment,
    challenger: &Challenger,
) -> Result<(AuthenticatedClient, Option<Secret>), Problem> {
    let header = credentials::basic_alone(head, form);
    if let Some(caller) = header.and_then(|header| service.known_caller(realm, header)) {
        return Ok((caller, None));
    }
    let read = credentials::read(head, form, Takes::ClientsAndBearer)
        .map_err(|refusal| challenger.refuse(refusal))?;
    let caller = service
        .authenticate_introspector(realm, &read.presented(), peer, moment)
        .await
        .map_err(|error| challenger.problem(error))?;
    if let Some(header) = header {
        service.remember_caller(header, &caller);
    }
    let bearer = match read {
        Read::Bearer(token) => Some(Secret::new(token.to_owned())),
        _ => None,
    };
    Ok((caller, bearer))
}

/// The view of the API whose credentials these are, while it is enabled.
fn view_of(realm: &Arc<RealmState>, client: &AuthenticatedClient) -> Option<View> {
    let api = realm.api(client.client().api?)?;
    api.api.enabled.then(|| View::new(Arc::clone(realm), Arc::clone(api)))
}

impl Standing {
    /// Whether the caller could begin now what it began earlier: the same record of its client, an enabled API, a Bearer token that is
    /// still good. Any change of the record ends it; who is entitled comes back.
    pub(crate) async fn holds(&self, service: &Service) -> bool {
        let Ok(moment) = service.moment() else { return false };
        let Ok(realm) = find_realm(service, self.realm.as_deref()) else { return false };
        let client = &self.client;
        let stands = realm.client(client.client().id).is_some_and(|record| client.is_for(record))
            && view_of(&realm, client).is_some();
        if !stands || client.by() != AuthenticatedBy::BearerToken {
            return stands;
        }
        let Some(bearer) = &self.bearer else { return false };
        let presented = Presented::Bearer(bearer.expose());
        service.authenticate_introspector(&realm, &presented, self.peer, &moment).await.is_ok()
    }
}
