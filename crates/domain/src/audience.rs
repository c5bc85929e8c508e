//! For whom a token is, and with which scopes (RFC 8707 §2, RFC 9068 §3).

use lydian_oauth_types::{ResourceIndicator, ScopeSet, words};

use crate::records::{Api, Audience, Client, Grant};
use crate::refusal::Refusal;

/// What a token request asks for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The parameter `scope`; `None` when it is absent or empty.
    pub scope: Option<ScopeSet>,
    /// The parameters `resource`, as they came.
    pub resources: Vec<&'a str>,
}

/// For whom the token will be, and what it permits.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The API; `None` for the issuer itself.
    pub api: Option<&'a Api>,
    /// What is granted: never empty.
    pub scope: ScopeSet,
}

impl Chosen<'_> {
    /// The audience of the token.
    pub fn audience(&self) -> Audience {
        self.api.map_or(Audience::Issuer, |api| Audience::Api(api.id))
    }
}

/// The APIs of a realm, as this decision needs them.
pub trait Apis {
    /// An enabled API by its id.
    fn by_id(&self, id: crate::records::ApiId) -> Option<&Api>;

    /// An enabled API by its folded resource indicator.
    fn by_resource(&self, resource: &ResourceIndicator) -> Option<&Api>;
}

/// For whose use a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The client's own: nobody granted it, so that it says nothing of a person.
    Client,
    /// A person's: the identity scopes are open, and what belongs to the client alone is not.
    Person,
}

/// Chooses the one audience of a token, and narrows its scopes to what the client may have there.
///
/// For a person the identity scopes go along with those of the API.
///
/// # Errors
///
/// `invalid_target` for a resource that is malformed, unknown or not open to the client; `invalid_scope` when nothing is left, or
/// when no single API defines what is left.
pub fn choose<'a>(
    owner: Owner,
    client: &Client,
    request: &Request<'_>,
    apis: &'a impl Apis,
    issuer: &str,
) -> Result<Chosen<'a>, Refusal> {
    let api = match named_resource(request, issuer)? {
        Some(Named::Issuer) => None,
        Some(Named::Resource(resource)) => Some(allowed_api(client, &resource, apis)?),
        None => match implied(owner, client, request, apis)? {
            Implied::Api(api) => Some(api),
            Implied::Issuer => None,
        },
    };
    let may_have = match api {
        Some(api) => obtainable_at(client, api),
        None => issuer_scopes(owner, client),
    };
    let scope = match &request.scope {
        Some(requested) => requested.intersection(&may_have.union(&identity_scopes(owner, client))),
        None => may_have,
    };
    if scope.is_empty() {
        return Err(Refusal::ScopeNotAllowed);
    }
    Ok(Chosen { api, scope })
}

/// The audience and the scopes of a token under what a person granted, as far as the client may still have them.
///
/// # Errors
///
/// `invalid_scope` for more than was granted, or when nothing is left; `invalid_target` for another resource, or one that is gone.
pub fn of_grant<'a>(
    client: &Client,
    grant: &Grant,
    request: &Request<'_>,
    apis: &'a impl Apis,
    issuer: &str,
) -> Result<Chosen<'a>, Refusal> {
    let api = match grant.api {
        Some(id) => Some(apis.by_id(id).ok_or(Refusal::ResourceUnknown)?),
        None => None,
    };
    let granted = ResourceIndicator::parse(api.map_or(issuer, |api| &api.audience));
    match named_resource(request, issuer)? {
        None => {}
        Some(Named::Issuer) if api.is_none() => {}
        Some(Named::Resource(resource)) if api.is_some() && Some(&resource) == granted.as_ref() => {}
        Some(_) => return Err(Refusal::ResourceUnknown),
    }
    let identity = identity_scopes(Owner::Person, client);
    let may_have = api.map_or_else(ScopeSet::empty, |api| obtainable_at(client, api)).union(&identity);
    let scope = match &request.scope {
        Some(requested) if !requested.is_subset(&grant.scope) => return Err(Refusal::ScopeBeyondGrant),
        Some(requested) => requested.intersection(&may_have),
        None => grant.scope.intersection(&may_have),
    };
    if scope.is_empty() {
        return Err(Refusal::ScopeNotAllowed);
    }
    Ok(Chosen { api, scope })
}

enum Named {
    Issuer,
    Resource(ResourceIndicator),
}

/// The one resource that the request names.
fn named_resource(request: &Request<'_>, issuer: &str) -> Result<Option<Named>, Refusal> {
    let mut named: Option<ResourceIndicator> = None;
    for text in &request.resources {
        let resource = ResourceIndicator::parse(text).ok_or(Refusal::ResourceMalformed)?;
        if named.as_ref().is_some_and(|earlier| *earlier != resource) {
            return Err(Refusal::ResourceAmbiguous);
        }
        named = Some(resource);
    }
    let issuer = ResourceIndicator::parse(issuer);
    Ok(named.map(
        |resource| if Some(&resource) == issuer.as_ref() { Named::Issuer } else { Named::Resource(resource) },
    ))
}

fn allowed_api<'a>(
    client: &Client,
    resource: &ResourceIndicator,
    apis: &'a impl Apis,
) -> Result<&'a Api, Refusal> {
    let api = apis.by_resource(resource).ok_or(Refusal::ResourceUnknown)?;
    if client.allowed.contains_key(&api.id) { Ok(api) } else { Err(Refusal::ResourceUnknown) }
}

enum Implied<'a> {
    Api(&'a Api),
    Issuer,
}

/// No resource was named: the scopes decide, and where they do not, the client's default API.
fn implied<'a>(
    owner: Owner,
    client: &Client,
    request: &Request<'_>,
    apis: &'a impl Apis,
) -> Result<Implied<'a>, Refusal> {
    let default_api =
        client.default_api.and_then(|id| apis.by_id(id)).filter(|api| client.allowed.contains_key(&api.id));
    let default = || default_api.map_or(Implied::Issuer, Implied::Api);
    let Some(requested) = &request.scope else {
        return Ok(default());
    };
    let open: Vec<&Api> = client.allowed.keys().filter_map(|id| apis.by_id(*id)).collect();
    // Scopes that the client may have nowhere are dropped before anything is compared.
    let obtainable = |scope: &str| {
        issuer_scopes(owner, client).contains(scope)
            || open.iter().any(|api| obtainable_at(client, api).contains(scope))
    };
    let left: ScopeSet = requested.iter().filter(|scope| obtainable(scope)).collect();
    if left.is_empty() {
        return Err(Refusal::ScopeNotAllowed);
    }
    let deciding: ScopeSet = left.iter().filter(|scope| !words::IDENTITY_SCOPES.contains(scope)).collect();
    if deciding.is_empty() {
        return Ok(Implied::Issuer);
    }
    let defining: Vec<&Api> = open.into_iter().filter(|api| deciding.is_subset(&api.scopes)).collect();
    let issuer_defines = deciding.is_subset(&issuer_scopes(owner, client));
    match (defining.as_slice(), issuer_defines) {
        ([], true) => Ok(Implied::Issuer),
        ([], false) => Err(Refusal::ScopeAmbiguous),
        ([one], false) => Ok(Implied::Api(one)),
        // Several define them all: the client's default decides if it is one of them.
        (several, _) => match default_api.filter(|api| several.iter().any(|one| one.id == api.id)) {
            Some(api) => Ok(Implied::Api(api)),
            None => Err(Refusal::ScopeAmbiguous),
        },
    }
}

/// What a client may have at an API: what it is registered for, as far as the API defines it.
fn obtainable_at(client: &Client, api: &Api) -> ScopeSet {
    client.allowed.get(&api.id).map_or_else(ScopeSet::empty, |allowed| allowed.intersection(&api.scopes))
}

/// What a client may have at the issuer: identity scopes speak of a person, and the others of the client.
fn issuer_scopes(owner: Owner, client: &Client) -> ScopeSet {
    let is_identity = |scope: &&str| words::IDENTITY_SCOPES.contains(scope);
    client.issuer_scopes.iter().filter(|scope| is_identity(scope) == (owner == Owner::Person)).collect()
}

/// The scopes that go along with those of any API.
fn identity_scopes(owner: Owner, client: &Client) -> ScopeSet {
    match owner {
        Owner::Client => ScopeSet::empty(),
        Owner::Person => issuer_scopes(owner, client),
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
