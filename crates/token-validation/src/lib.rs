//! Is this access token good for this resource, now?
//!
//! Everything that a resource server must know to answer that, without I/O: no network, no clock, no runtime. Begin with a
//! [`Profile`], which cannot be made without issuer, audience and algorithms. [`read_credentials`] takes the token from a request,
//! [`verify`] makes [`Facts`] of a JWT, [`introspection_facts`] of an issuer's answer, and [`decide`] judges the facts, on each request
//! anew. [`Challenges`] tells the caller why not; [`Rejection::code`] tells the log.
//!
//! What is slow and can never change (the signature, the issuer's word) is apart from what is quick and can change at any time (the
//! clock, the keys that are published, revocation, what the route wants). The first may be kept in a [`FactCache`]; the second is
//! never kept.
//!
//! ```
//! use lydian_jose::{Algorithm, JwkSet, SigningKey};
//! use lydian_oauth_types::ScopeSet;
//! use lydian_primitives::Timestamp;
//! use lydian_token_validation::{
//!     Challenges, Keys, Presented, Profile, Rejection, RequestFields, Requirements, RevocationView, Schemes, Standing,
//!     Watermarks, decide, read_credentials, verify,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // An issuer, for the sake of the example.
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let claims = br#"{"iss":"https://as.example","aud":"https://api.example","sub":"alice","client_id":"app",
//!     "jti":"1","iat":1000,"exp":1300,"scope":"orders:read"}"#;
//! let authorization = format!("Bearer {}", key.sign_compact("at+jwt", claims)?);
//!
//! // What this resource server expects, and the keys of the issuer as they are published.
//! let profile =
//!     Profile::builder("https://as.example", ["https://api.example"], [Algorithm::Es256]).build()?;
//! let keys = Keys::new("https://as.example", &JwkSet::from_keys(vec![key.verifying_key().clone()])?);
//!
//! // A request comes in. The facts could be kept; the decision is made each time.
//! let fields = RequestFields { authorization: &[authorization.as_bytes()], ..RequestFields::default() };
//! let credentials = read_credentials(&fields)?;
//! let facts = verify(credentials.token, &keys, &profile)?;
//!
//! let watermarks = Watermarks::new();
//! let standing = |now| Standing {
//!     profile: &profile,
//!     keys: &keys,
//!     revocation: RevocationView::NoFeed(&watermarks),
//!     now: Timestamp::from_unix_seconds(now),
//! };
//! let read = Requirements::none().all_of(ScopeSet::parse("orders:read")?);
//! let grant = decide(&facts, &read, &Presented::BEARER, &standing(1_200))?;
//! assert_eq!(grant.facts().subject(), Some("alice"));
//!
//! // The same facts do not help when the token has expired, or for another route.
//! let rejection = decide(&facts, &read, &Presented::BEARER, &standing(1_330)).unwrap_err();
//! assert_eq!(rejection, Rejection::Expired);
//! let write = Requirements::none().all_of(ScopeSet::parse("orders:write")?);
//! let rejection = decide(&facts, &write, &Presented::BEARER, &standing(1_200)).unwrap_err();
//! assert_eq!((rejection.code(), rejection.outcome().status()), ("scope_insufficient", 403));
//! assert_eq!(
//!     Challenges::new(Schemes::Bearer).for_rejection(rejection, Some(credentials.scheme), &write),
//!     [r#"Bearer error="insufficient_scope", error_description="the access token lacks a scope", scope="orders:write""#],
//! );
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod certificate;
pub mod challenge;
pub mod confirmation;
pub mod coordinates;
pub mod decision;
pub mod dpop;
pub mod fact_cache;
pub mod facts;
pub mod introspection;
pub mod keys;
pub mod profile;
pub mod rejection;
pub mod request;
pub mod resource_metadata;
pub mod revocation_view;
pub mod verify;

pub use certificate::CertificateThumbprint;
pub use challenge::{Challenges, Schemes};
pub use confirmation::Confirmation;
pub use decision::{Binding, Grant, Presented, Requirements, Standing, decide};
pub use fact_cache::FactCache;
pub use facts::{Facts, Origin};
pub use introspection::introspection_facts;
pub use keys::Keys;
pub use profile::{ForgivenClaim, Profile, ProfileBuilder, ProfileError, ProfileId, TokenForm, Way};
pub use rejection::{Outcome, Rejection};
pub use request::{Credentials, RequestFields, Scheme, read_credentials};
pub use resource_metadata::ResourceMetadata;
pub use revocation_view::{RevocationView, Watermarks};
pub use verify::verify;

#[cfg(test)]
mod tests;
