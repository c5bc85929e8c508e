//! The document of `lydian apply`: what it may say, and under which names.

use std::collections::{BTreeMap, BTreeSet};

use lydian_domain::records::realm::SigningAlgorithm;
use lydian_domain::{RealmName, RevocationCascade, ScopeDetail, UserProfile};
use lydian_oauth_types::{ClientAuthMethod, GrantType};
use serde::{Deserialize, Serialize};

/// The document.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Realms. The realm `default` is always there.
    #[serde(default, rename = "realm")]
    pub realms: Vec<RealmEntry>,
    /// APIs.
    #[serde(default, rename = "api")]
    pub apis: Vec<ApiEntry>,
    /// Clients.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientEntry>,
    /// Users.
    #[serde(default, rename = "user")]
    pub users: Vec<UserEntry>,
}

/// A realm of the document. What is left out keeps its value, or gets the default when the realm is new.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are documented at the record of the same name")]
pub struct RealmEntry {
    pub name: RealmName,
    pub enabled: Option<bool>,
    pub opaque_access_token_seconds: Option<u64>,
    pub jwt_access_token_seconds: Option<u64>,
    pub refresh_token_seconds: Option<u64>,
    pub refresh_token_idle_seconds: Option<u64>,
    pub access_token_prefix: Option<String>,
    pub refresh_token_prefix: Option<String>,
    pub signing_algorithm: Option<SigningAlgorithm>,
    pub reference_members: Option<bool>,
    pub key_rotation_seconds: Option<u64>,
    pub key_prepublication_seconds: Option<u64>,
    pub code_seconds: Option<u64>,
    pub id_token_seconds: Option<u64>,
    pub session_seconds: Option<u64>,
    pub session_idle_seconds: Option<u64>,
    pub refresh_grace_seconds: Option<u64>,
    pub require_second_factor: Option<bool>,
    /// Empty for none.
    pub brand_name: Option<String>,
    /// Empty for none.
    pub brand_logo_uri: Option<String>,
    /// `#rrggbb`; empty for none.
    pub brand_colour: Option<String>,
}

/// An API of the document, found by realm and audience.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are documented at the record of the same name")]
pub struct ApiEntry {
    #[serde(default = "RealmName::default_realm")]
    pub realm: RealmName,
    pub audience: String,
    pub name: Option<String>,
    pub scopes: Option<Vec<String>>,
    /// `opaque` or `jwt`.
    pub token_format: Option<TokenFormatWord>,
    pub algorithm: Option<SigningAlgorithm>,
    pub typ: Option<String>,
    pub record: Option<bool>,
    pub access_token_seconds: Option<u64>,
    pub cache_with_feed_seconds: Option<u64>,
    pub cache_without_feed_seconds: Option<u64>,
    /// By scope: what is said of it, and who may grant it. Given, it replaces all that was said.
    pub scope_details: Option<BTreeMap<String, ScopeDetail>>,
    pub enabled: Option<bool>,
}

/// The form of an API's access tokens, as the document names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormatWord {
    /// Self-contained.
    Jwt,
    /// A random string.
    Opaque,
}

/// A client of the document, found by realm and `client_id`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are documented at the record of the same name")]
pub struct ClientEntry {
    #[serde(default = "RealmName::default_realm")]
    pub realm: RealmName,
    pub client_id: String,
    pub name: Option<String>,
    pub enabled: Option<bool>,
    pub auth_methods: Option<BTreeSet<ClientAuthMethod>>,
    /// A secret of at least 32 characters. Left out, a new client with a secret method gets a random one, which is returned once.
    pub client_secret: Option<String>,
    /// A file that holds the secret, relative to the document.
    pub client_secret_file: Option<String>,
    /// A JWK Set with the public keys of the client, for `private_key_jwt`.
    pub jwks: Option<toml::Table>,
    pub assertion_audience_token_endpoint: Option<bool>,
    pub grant_types: Option<BTreeSet<GrantType>>,
    /// Scopes by audience.
    pub allowed: Option<BTreeMap<String, Vec<String>>>,
    pub issuer_scopes: Option<Vec<String>>,
    /// The audience of the default API; empty for none.
    pub default_api: Option<String>,
    /// The audience of the API whose credentials these are; empty for none.
    pub api: Option<String>,
    pub introspect_any: Option<bool>,
    pub access_token_seconds: Option<u64>,
    pub revocation_cascade: Option<RevocationCascade>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub id_token_signed_response_alg: Option<SigningAlgorithm>,
    pub skip_consent: Option<bool>,
    pub require_second_factor: Option<bool>,
    pub require_pushed_authorization_requests: Option<bool>,
    pub rotate_refresh_tokens: Option<bool>,
    /// Empty for none.
    pub logo_uri: Option<String>,
    /// Empty for none.
    pub policy_uri: Option<String>,
    /// Empty for none.
    pub tos_uri: Option<String>,
}

/// A user of the document, found by realm and name.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the members are documented at the record of the same name")]
pub struct UserEntry {
    #[serde(default = "RealmName::default_realm")]
    pub realm: RealmName,
    pub username: String,
    pub enabled: Option<bool>,
    /// A password of at least 8 characters. Left out, a new user gets a random one, which is returned once.
    pub password: Option<String>,
    /// A file that holds the password, relative to the document.
    pub password_file: Option<String>,
    /// What is known of the person; given, it replaces all that was known.
    pub profile: Option<UserProfile>,
}

impl std::fmt::Debug for UserEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password does not print.
        f.debug_struct("UserEntry")
            .field("realm", &self.realm)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
