//! How clients say who they are: the credentials of a request, and signed assertions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use http::header::AUTHORIZATION;
use lydian_domain::authenticate::{AssertionAudiences, authenticate_by_assertion};
use lydian_domain::records::{Client, ClientId, RealmId};
use lydian_domain::{Refusal, RevocationCascade};
use lydian_http::credentials::{self, Read, Takes};
use lydian_oauth_types::{ClientAuthMethod, Form, ScopeSet};
use lydian_primitives::{Timestamp, limits};
use lydian_revocation::Seq;

use super::http::head_of;
use super::jose::signed_claims;
use crate::outcome::{Outcome, magnitude};

const ISSUER: &str = "https://as.example";
const TOKEN_ENDPOINT: &str = "https://as.example/oauth2/token";
const NOW: u64 = 1_800_000_000;

/// Values of `Authorization`, one a line, an empty line, and a form: at most one way of authentication is found, and nothing is
/// accepted that the request does not carry.
pub(crate) fn credentials(input: &[u8]) -> Outcome {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let body = input.get(end + 2..).unwrap_or_default();
    let Some(head) = head_of(&input[..end], &AUTHORIZATION) else {
        return Outcome::refused("no header");
    };
    let form = match Form::parse(body, &[]) {
        Ok(form) => form,
        Err(error) => return Outcome::refused(error),
    };
    let headers = head.headers.get_all(AUTHORIZATION).iter().count();
    let for_clients = credentials::read(&head, &form, Takes::Clients);
    let for_all = credentials::read(&head, &form, Takes::ClientsAndBearer);
    if credentials::basic_alone(&head, &form).is_some() {
        assert!(
            matches!(&for_all, Ok(Read::Secret { .. }) | Err(Refusal::BasicMalformed)),
            "Basic alone is Basic"
        );
    }
    let in_form = form.find("client_secret").is_some() || form.find("client_assertion").is_some();
    assert!(headers < 2 || for_all.is_err(), "two headers");
    assert!(headers == 0 || !in_form || for_all.is_err(), "header and form");
    match (for_clients, for_all) {
        (Err(one), Err(other)) => Outcome::refused((one, other)),
        (Err(refusal), Ok(Read::Bearer(token))) => {
            assert_eq!(refusal, Refusal::AuthenticationSchemeUnknown);
            Outcome::accepted(("bearer", magnitude(token.len())))
        }
        (Ok(_), Ok(Read::Secret { method, client_id, secret })) => {
            assert_eq!(method == ClientAuthMethod::ClientSecretBasic, headers == 1);
            assert!(!client_id.is_empty() && client_id.len() <= limits::CLIENT_ID_BYTES_MAX);
            let length = secret.expose().len();
            assert!((1..=limits::CLIENT_SECRET_BYTES_MAX).contains(&length));
            Outcome::accepted((method.as_str(), magnitude(length)))
        }
        (Ok(_), Ok(Read::Assertion { assertion, client_id })) => {
            assert_eq!(form.find("client_assertion"), Some(assertion));
            assert_eq!(form.find("client_id"), client_id);
            Outcome::accepted(("assertion", client_id.is_some()))
        }
        (Ok(_), Ok(Read::Name(name))) => {
            assert!(headers == 0 && !in_form && form.find("client_id") == Some(name));
            Outcome::accepted("name")
        }
        _ => panic!("an endpoint that takes less accepts more"),
    }
}

/// The claims of an assertion that is signed well: accepted, they say what RFC 7523 §3 wants, as `serde_json` reads them.
pub(crate) fn client_assertion(input: &[u8]) -> Outcome {
    let Some(claims) = signed_claims(input) else {
        return Outcome::refused("no claims");
    };
    let audiences = AssertionAudiences { issuer: ISSUER, token_endpoint: TOKEN_ENDPOINT };
    let now = Timestamp::from_unix_seconds(NOW);
    let (authenticated, assertion) = match authenticate_by_assertion(client(), &claims, audiences, now) {
        Ok(accepted) => accepted,
        Err(refusal) => {
            let dates =
                ["exp", "nbf", "iat"].map(|name| claims.numeric_date(name).map(|date| date.is_some()));
            return Outcome::refused((refusal, claims.audience().map(|audience| audience.is_some()), dates));
        }
    };
    let Ok(other) = serde_json::from_slice::<serde_json::Value>(input) else {
        // A claim that nobody looks at is a number beyond floating point.
        return Outcome::refused("number out of range");
    };
    assert_eq!(other["iss"], "app");
    assert_eq!(other["sub"], "app");
    assert!(other["aud"] == ISSUER || other["aud"] == serde_json::json!([ISSUER]), "for another audience");
    let expiry = other["exp"].as_f64().expect("a date is a number");
    let latest = NOW + limits::CLIENT_ASSERTION_SECONDS_MAX + limits::CLIENT_ASSERTION_LEEWAY_SECONDS;
    assert!(expiry > NOW as f64 && expiry < latest as f64 + 1.0, "expires at {expiry}");
    assert!(other["jti"].as_str().is_some_and(|jti| !jti.is_empty()));
    assert!(assertion.expires_at > now && authenticated.client().client_id == "app");
    Outcome::accepted((other["aud"].is_array(), other.get("nbf").is_some(), other.get("iat").is_some()))
}

fn client() -> &'static Arc<Client> {
    static CLIENT: OnceLock<Arc<Client>> = OnceLock::new();
    CLIENT.get_or_init(|| {
        Arc::new(Client {
            id: ClientId::from_number(1),
            realm: RealmId::from_number(1),
            client_id: "app".to_owned(),
            name: String::new(),
            enabled: true,
            cut_at: Seq::ZERO,
            version: 1,
            auth_methods: BTreeSet::from([ClientAuthMethod::PrivateKeyJwt]),
            secrets: Vec::new(),
            jwks: None,
            assertion_audience_token_endpoint: false,
            grant_types: BTreeSet::new(),
            allowed: BTreeMap::new(),
            issuer_scopes: ScopeSet::empty(),
            default_api: None,
            api: None,
            introspect_any: false,
            access_token_seconds: None,
            revocation_cascade: RevocationCascade::Standard,
            authorization: lydian_domain::ClientAuthorization::default(),
        })
    })
}
