//! Is this token good for this resource, now? One pure function, asked on every request, whether the facts were at hand or not.

use std::fmt;

use lydian_oauth_types::{Scope, ScopeSet};
use lydian_primitives::Timestamp;

use crate::certificate::CertificateThumbprint;
use crate::confirmation::Confirmation;
use crate::dpop::{ProofError, VerifiedProof};
use crate::facts::{Facts, Origin, TokenType};
use crate::keys::Keys;
use crate::profile::Profile;
use crate::rejection::Rejection;
use crate::request::Scheme;
use crate::revocation_view::RevocationView;

/// What a route wants of a token, beyond that it is good for the resource server.
#[derive(Clone, Debug)]
pub struct Requirements {
    pub(crate) audience: Option<Box<str>>,
    pub(crate) all_of: ScopeSet,
    pub(crate) any_of: Vec<Scope>,
    pub(crate) binding: Binding,
    pub(crate) acr_values: Vec<Box<str>>,
    pub(crate) max_age_seconds: Option<u64>,
}

/// What a token must be bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// To nothing; a token that is bound must be proved all the same.
    #[default]
    Any,
    /// To a key (RFC 9449) or to a certificate (RFC 8705).
    Bound,
    /// To a certificate.
    Certificate,
    /// To a key.
    Dpop,
}

impl Requirements {
    /// No requirements: any token that is good for the resource server.
    pub fn none() -> Self {
        Self {
            audience: None,
            all_of: ScopeSet::empty(),
            any_of: Vec::new(),
            binding: Binding::Any,
            acr_values: Vec::new(),
            max_age_seconds: None,
        }
    }

    /// One of the audiences of the profile, for a route that belongs to it alone.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// All of these scopes.
    #[must_use]
    pub fn all_of(mut self, scopes: ScopeSet) -> Self {
        self.all_of = scopes;
        self
    }

    /// At least one of these scopes. The first is the one that a challenge asks for.
    #[must_use]
    pub fn any_of(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.any_of = scopes.into_iter().collect();
        self
    }

    /// A token that is bound in this way.
    #[must_use]
    pub fn binding(mut self, binding: Binding) -> Self {
        self.binding = binding;
        self
    }

    /// A sign-in of one of these kinds (RFC 9470 §3), in the order in which a challenge names them.
    #[must_use]
    pub fn acr_values<A: AsRef<str>>(mut self, values: impl IntoIterator<Item = A>) -> Self {
        self.acr_values = values.into_iter().map(|value| value.as_ref().into()).collect();
        self
    }

    /// A sign-in that is no older than this, in seconds (RFC 9470 §3).
    #[must_use]
    pub fn max_age_seconds(mut self, seconds: u64) -> Self {
        self.max_age_seconds = Some(seconds);
        self
    }

    /// The scopes that a challenge names: all that a token needs to pass (RFC 6750 §3.1).
    pub(crate) fn scopes_to_ask_for(&self) -> impl Iterator<Item = &str> {
        let first = self.any_of.first().map(Scope::as_str).filter(|scope| !self.all_of.contains(scope));
        self.all_of.iter().chain(first)
    }
}

/// What came with the token.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The scheme of the Authorization field.
    pub scheme: Scheme,
    /// The DPoP proof, verified for this token and this request.
    pub proof: Option<&'a VerifiedProof>,
    /// The certificate of the client's connection.
    pub certificate: Option<CertificateThumbprint>,
}

impl Presented<'_> {
    /// A token that came as a Bearer token, over a connection without a client certificate.
    pub const BEARER: Presented<'static> =
        Presented { scheme: Scheme::Bearer, proof: None, certificate: None };
}

/// How things stand at the instant of the request.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// What is expected of tokens.
    pub profile: &'a Profile,
    /// The keys that are published now.
    pub keys: &'a Keys,
    /// What is known of revocations.
    pub revocation: RevocationView<'a>,
    /// The wall clock, and no earlier than the mark up to which the ledger has forgotten.
    pub now: Timestamp,
}

/// Leave to go on. Only [`decide`] gives it, and it says nothing about the next request.
#[derive(Clone, Copy)]
#[must_use = "a grant that is not looked at lets everybody in"]
pub struct Grant<'a> {
    facts: &'a Facts,
}

impl<'a> Grant<'a> {
    /// What is known of the token.
    pub fn facts(&self) -> &'a Facts {
        self.facts
    }
}

impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("facts", self.facts).finish()
    }
}

/// Decides about one request. It allocates nothing, and everything that can change is looked at each time.
///
/// # Errors
///
/// The first reason against the token. What concerns the token itself comes before what it may do: who holds a dead token does not
/// learn which scopes a route wants.
pub fn decide<'f>(
    facts: &'f Facts,
    requirements: &Requirements,
    presented: &Presented<'_>,
    standing: &Standing<'_>,
) -> Result<Grant<'f>, Rejection> {
    let profile = standing.profile;
    if facts.profile != profile.id() {
        return Err(Rejection::FactsOfOtherProfile);
    }
    if standing.keys.issuer() != profile.issuer() {
        return Err(Rejection::KeysOfOtherIssuer);
    }
    check_time(facts, profile, standing.now)?;
    if let Origin::Signed { key } = facts.origin
        && !standing.keys.has(key)
    {
        return Err(Rejection::KeyWithdrawn);
    }
    standing.revocation.check(facts, profile)?;
    check_audience(facts, requirements, profile)?;
    check_binding(facts, requirements.binding, presented)?;
    check_authentication(facts, requirements, profile, standing.now)?;
    check_scope(facts, requirements)?;
    Ok(Grant { facts })
}

/// `exp` names the first second at which the token is not accepted (RFC 7519 §4.1.4).
fn check_time(facts: &Facts, profile: &Profile, now: Timestamp) -> Result<(), Rejection> {
    let settings = &profile.settings;
    if facts.expires_at.is_some_and(|at| at.plus_seconds(settings.leeway_seconds) <= now) {
        return Err(Rejection::Expired);
    }
    let latest = now.plus_seconds(settings.ahead_seconds_max);
    if facts.not_before.is_some_and(|at| at > latest) {
        return Err(Rejection::NotYetValid);
    }
    let Some(issued_at) = facts.issued_at else {
        return Ok(());
    };
    if issued_at > latest {
        return Err(Rejection::IssuedInFuture);
    }
    let is_too_old = |age: u64| issued_at.plus_seconds(age.saturating_add(settings.leeway_seconds)) <= now;
    if settings.age_seconds_max.is_some_and(is_too_old) {
        return Err(Rejection::TooOld);
    }
    Ok(())
}

fn check_audience(facts: &Facts, requirements: &Requirements, profile: &Profile) -> Result<(), Rejection> {
    let introspected = matches!(facts.origin, Origin::Introspected { .. });
    let is_for_us = match facts.has_audience() {
        false => {
            introspected
                && profile.settings.accepts_answers_without_audience
                && requirements.audience.is_none()
        }
        true => {
            facts.is_for(profile.audiences())
                && requirements
                    .audience
                    .as_deref()
                    .is_none_or(|audience| facts.is_for([audience].into_iter()))
        }
    };
    if is_for_us { Ok(()) } else { Err(Rejection::AudienceWrong) }
}

/// A token is used in the way that it is bound in, and in no weaker one (RFC 9449 §7, RFC 8705 §3).
fn check_binding(facts: &Facts, wanted: Binding, presented: &Presented<'_>) -> Result<(), Rejection> {
    let (key, certificate) = match &facts.confirmation {
        Confirmation::Bearer => (None, None),
        Confirmation::Bound { key, certificate } => (key.as_ref(), certificate.as_ref()),
        Confirmation::Unknown => return Err(Rejection::ConfirmationUnknown),
    };
    if facts.token_type == Some(TokenType::Dpop) && key.is_none() {
        return Err(Rejection::ConfirmationUnknown);
    }
    let is_bound_as_wanted = match wanted {
        Binding::Any => true,
        Binding::Bound => key.is_some() || certificate.is_some(),
        Binding::Certificate => certificate.is_some(),
        Binding::Dpop => key.is_some(),
    };
    if !is_bound_as_wanted {
        return Err(Rejection::BindingMissing);
    }
    match (key, presented.scheme) {
        (None, Scheme::Bearer) => {}
        (None, Scheme::Dpop) => return Err(Rejection::UnboundTokenAsDpop),
        (Some(_), Scheme::Bearer) => return Err(Rejection::BoundTokenAsBearer),
        (Some(key), Scheme::Dpop) => {
            let proof = presented.proof.ok_or(ProofError::Missing)?;
            if !proof.covers_token() {
                return Err(ProofError::TokenHashMissing.into());
            }
            if !proof.is_by(key) {
                return Err(Rejection::ProofKeyOther);
            }
        }
    }
    if let Some(named) = certificate {
        let certificate = presented.certificate.ok_or(Rejection::CertificateMissing)?;
        if !certificate.matches(named) {
            return Err(Rejection::CertificateOther);
        }
    }
    Ok(())
}

/// A route that depends on what the token does not say refuses it (RFC 9068 §4).
fn check_authentication(
    facts: &Facts,
    requirements: &Requirements,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), Rejection> {
    if !requirements.acr_values.is_empty() {
        let is_wanted = |acr: &str| requirements.acr_values.iter().any(|value| **value == *acr);
        if !facts.acr().is_some_and(is_wanted) {
            return Err(Rejection::AuthenticationTooWeak);
        }
    }
    if let Some(seconds) = requirements.max_age_seconds {
        let seconds = seconds.saturating_add(profile.settings.leeway_seconds);
        let is_recent = facts.authenticated_at.is_some_and(|at| {
            at.plus_seconds(seconds) >= now && at <= now.plus_seconds(profile.settings.ahead_seconds_max)
        });
        if !is_recent {
            return Err(Rejection::AuthenticationTooOld);
        }
    }
    Ok(())
}

fn check_scope(facts: &Facts, requirements: &Requirements) -> Result<(), Rejection> {
    if !requirements.all_of.iter().all(|scope| facts.has_scope(scope)) {
        return Err(Rejection::ScopeInsufficient);
    }
    let has_one = requirements.any_of.iter().any(|scope| facts.has_scope(scope.as_str()));
    if !requirements.any_of.is_empty() && !has_one {
        return Err(Rejection::ScopeInsufficient);
    }
    Ok(())
}
