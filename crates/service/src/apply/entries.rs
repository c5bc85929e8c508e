//! Records as entries of a document: what is shown can be applied again, and changes nothing.

use lydian_domain::records::realm::SigningAlgorithm;
use lydian_domain::{Api, ApiId, Client, Realm, RealmName, TokenFormat, User};
use lydian_oauth_types::ScopeSet;

use super::{ApiEntry, ClientEntry, RealmEntry, TokenFormatWord, UserEntry};
use crate::directory::RealmState;

impl RealmEntry {
    /// The entry that says what this realm is.
    pub fn of(realm: &Realm) -> Self {
        Self {
            name: realm.name.clone(),
            enabled: Some(realm.enabled),
            opaque_access_token_seconds: Some(realm.opaque_access_token_seconds),
            jwt_access_token_seconds: Some(realm.jwt_access_token_seconds),
            refresh_token_seconds: Some(realm.refresh_token_seconds),
            refresh_token_idle_seconds: Some(realm.refresh_token_idle_seconds),
            access_token_prefix: Some(realm.access_token_prefix.clone()),
            refresh_token_prefix: Some(realm.refresh_token_prefix.clone()),
            signing_algorithm: Some(realm.signing_algorithm),
            reference_members: Some(realm.reference_members),
            key_rotation_seconds: Some(realm.key_rotation_seconds),
            key_prepublication_seconds: Some(realm.key_prepublication_seconds),
            code_seconds: Some(realm.sign_in.code_seconds),
            id_token_seconds: Some(realm.sign_in.id_token_seconds),
            session_seconds: Some(realm.sign_in.session_seconds),
            session_idle_seconds: Some(realm.sign_in.session_idle_seconds),
            refresh_grace_seconds: Some(realm.sign_in.refresh_grace_seconds),
            require_second_factor: Some(realm.sign_in.require_second_factor),
            brand_name: realm.sign_in.brand_name.clone(),
            brand_logo_uri: realm.sign_in.brand_logo_uri.clone(),
            brand_colour: realm.sign_in.brand_colour.clone(),
        }
    }

    /// The entry that names this realm and says nothing of it.
    pub fn named(name: RealmName) -> Self {
        Self {
            name,
            enabled: None,
            opaque_access_token_seconds: None,
            jwt_access_token_seconds: None,
            refresh_token_seconds: None,
            refresh_token_idle_seconds: None,
            access_token_prefix: None,
            refresh_token_prefix: None,
            signing_algorithm: None,
            reference_members: None,
            key_rotation_seconds: None,
            key_prepublication_seconds: None,
            code_seconds: None,
            id_token_seconds: None,
            session_seconds: None,
            session_idle_seconds: None,
            refresh_grace_seconds: None,
            require_second_factor: None,
            brand_name: None,
            brand_logo_uri: None,
            brand_colour: None,
        }
    }
}

impl ApiEntry {
    /// The entry that says what this API is.
    pub fn of(realm: &RealmName, api: &Api) -> Self {
        let (token_format, algorithm, typ, record): (_, Option<SigningAlgorithm>, _, _) =
            match &api.token_format {
                TokenFormat::Jwt { algorithm, typ, record } => {
                    (TokenFormatWord::Jwt, Some(*algorithm), Some(typ.clone()), Some(*record))
                }
                TokenFormat::Opaque => (TokenFormatWord::Opaque, None, None, None),
            };
        Self {
            realm: realm.clone(),
            audience: api.audience.clone(),
            name: Some(api.name.clone()),
            scopes: Some(scopes(&api.scopes)),
            token_format: Some(token_format),
            algorithm,
            typ,
            record,
            access_token_seconds: api.access_token_seconds,
            cache_with_feed_seconds: Some(api.cache.with_feed_seconds),
            cache_without_feed_seconds: Some(api.cache.without_feed_seconds),
            scope_details: Some(api.scope_details.clone()).filter(|details| !details.is_empty()),
            enabled: Some(api.enabled),
        }
    }

    /// The entry that names this API and says nothing of it.
    pub fn named(realm: RealmName, audience: &str) -> Self {
        Self {
            realm,
            audience: audience.to_owned(),
            name: None,
            scopes: None,
            token_format: None,
            algorithm: None,
            typ: None,
            record: None,
            access_token_seconds: None,
            cache_with_feed_seconds: None,
            cache_without_feed_seconds: None,
            scope_details: None,
            enabled: None,
        }
    }
}

impl ClientEntry {
    /// The entry that says what this client is; secrets are known to nobody and left out.
    pub fn of(realm: &RealmState, client: &Client) -> Self {
        let audience = |id: &ApiId| realm.api(*id).map(|state| state.api.audience.clone());
        Self {
            realm: realm.realm.name.clone(),
            client_id: client.client_id.clone(),
            name: Some(client.name.clone()),
            enabled: Some(client.enabled),
            auth_methods: Some(client.auth_methods.clone()),
            client_secret: None,
            client_secret_file: None,
            jwks: client.jwks.as_deref().and_then(|document| serde_json::from_str(document).ok()),
            assertion_audience_token_endpoint: Some(client.assertion_audience_token_endpoint),
            grant_types: Some(client.grant_types.clone()),
            // An API that was deleted has no audience to be named by.
            allowed: Some(
                client
                    .allowed
                    .iter()
                    .filter_map(|(api, allowed)| Some((audience(api)?, scopes(allowed))))
                    .collect(),
            ),
            issuer_scopes: Some(scopes(&client.issuer_scopes)),
            default_api: client.default_api.as_ref().and_then(audience),
            api: client.api.as_ref().and_then(audience),
            introspect_any: Some(client.introspect_any),
            access_token_seconds: client.access_token_seconds,
            revocation_cascade: Some(client.revocation_cascade),
            redirect_uris: Some(client.authorization.redirect_uris.clone()),
            post_logout_redirect_uris: Some(client.authorization.post_logout_redirect_uris.clone()),
            id_token_signed_response_alg: Some(client.authorization.id_token_algorithm),
            skip_consent: Some(client.authorization.skip_consent),
            require_second_factor: Some(client.authorization.require_second_factor),
            require_pushed_authorization_requests: Some(
                client.authorization.require_pushed_authorization_requests,
            ),
            rotate_refresh_tokens: Some(client.authorization.rotate_refresh_tokens),
            logo_uri: client.authorization.logo_uri.clone(),
            policy_uri: client.authorization.policy_uri.clone(),
            tos_uri: client.authorization.tos_uri.clone(),
        }
    }

    /// The entry that names this client and says nothing of it.
    pub fn named(realm: RealmName, client_id: &str) -> Self {
        Self {
            realm,
            client_id: client_id.to_owned(),
            name: None,
            enabled: None,
            auth_methods: None,
            client_secret: None,
            client_secret_file: None,
            jwks: None,
            assertion_audience_token_endpoint: None,
            grant_types: None,
            allowed: None,
            issuer_scopes: None,
            default_api: None,
            api: None,
            introspect_any: None,
            access_token_seconds: None,
            revocation_cascade: None,
            redirect_uris: None,
            post_logout_redirect_uris: None,
            id_token_signed_response_alg: None,
            skip_consent: None,
            require_second_factor: None,
            require_pushed_authorization_requests: None,
            rotate_refresh_tokens: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
        }
    }
}

impl UserEntry {
    /// The entry that says what this user is; the password is known to nobody and left out.
    pub fn of(realm: &RealmName, user: &User) -> Self {
        Self {
            realm: realm.clone(),
            username: user.username.clone(),
            enabled: Some(user.enabled),
            password: None,
            password_file: None,
            profile: Some(user.profile.clone()),
        }
    }

    /// The entry that names this user and says nothing of it.
    pub fn named(realm: RealmName, username: &str) -> Self {
        Self {
            realm,
            username: username.to_owned(),
            enabled: None,
            password: None,
            password_file: None,
            profile: None,
        }
    }
}

fn scopes(set: &ScopeSet) -> Vec<String> {
    set.iter().map(str::to_owned).collect()
}
