//! The one table of routes of the public listener.

use http::Method;
use lydian_domain::RealmName;

/// What answers at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// What a person sees and ends of its own.
    Account,
    /// Style sheets and scripts of the pages.
    Asset,
    /// RFC 6749 §3.1.
    Authorize,
    /// The page that confirms an address.
    ConfirmAddress,
    /// The decision of the consent page.
    Consent,
    /// An authorization request after its person signed in.
    Continue,
    /// The page where a person decides over a device (RFC 8628 §3.3).
    Device,
    /// RFC 8628 §3.1.
    DeviceAuthorize,
    /// A validator asks for a lease.
    FeedLease,
    /// Where the revocation feed is.
    FeedMetadata,
    /// Which validators have applied what.
    FeedPropagation,
    /// What a validator begins with.
    FeedSnapshot,
    /// Revocations as they happen.
    FeedStream,
    /// The page that asks for a link to a new password.
    ForgottenPassword,
    /// RFC 7662.
    Introspect,
    /// RFC 7517 §5.
    Jwks,
    /// OpenID Connect RP-Initiated Logout.
    LogOut,
    /// RFC 8414, OpenID Connect Discovery.
    Metadata,
    /// RFC 9126.
    Par,
    /// The page on which a forgotten password is replaced.
    ResetPassword,
    /// RFC 7009.
    Revoke,
    /// The form of the sign-in page.
    SignIn,
    /// RFC 6749 §3.2.
    Token,
    /// OpenID Connect Core §5.3.
    UserInfo,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Self; 24] = [
        Self::Account,
        Self::Asset,
        Self::Authorize,
        Self::ConfirmAddress,
        Self::Consent,
        Self::Continue,
        Self::Device,
        Self::DeviceAuthorize,
        Self::FeedLease,
        Self::FeedMetadata,
        Self::FeedPropagation,
        Self::FeedSnapshot,
        Self::FeedStream,
        Self::ForgottenPassword,
        Self::Introspect,
        Self::Jwks,
        Self::LogOut,
        Self::Metadata,
        Self::Par,
        Self::ResetPassword,
        Self::Revoke,
        Self::SignIn,
        Self::Token,
        Self::UserInfo,
    ];

    /// The methods that it answers, as the header `Allow` has them.
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Account
            | Self::Authorize
            | Self::ConfirmAddress
            | Self::ForgottenPassword
            | Self::LogOut
            | Self::ResetPassword
            | Self::UserInfo
            | Self::Device => "GET, HEAD, POST",
            Self::Consent
            | Self::FeedLease
            | Self::Introspect
            | Self::Revoke
            | Self::SignIn
            | Self::Token
            | Self::DeviceAuthorize
            | Self::Par => "POST",
            Self::FeedPropagation | Self::FeedSnapshot | Self::FeedStream => "GET",
            Self::Asset | Self::Continue | Self::FeedMetadata | Self::Jwks | Self::Metadata => "GET, HEAD",
        }
    }

    /// Whether it answers this method.
    pub fn allows(self, method: &Method) -> bool {
        match self {
            Self::Account
            | Self::Authorize
            | Self::ConfirmAddress
            | Self::ForgottenPassword
            | Self::LogOut
            | Self::ResetPassword
            | Self::UserInfo
            | Self::Device => method == Method::GET || method == Method::HEAD || method == Method::POST,
            Self::Consent
            | Self::FeedLease
            | Self::Introspect
            | Self::Revoke
            | Self::SignIn
            | Self::Token
            | Self::DeviceAuthorize
            | Self::Par => method == Method::POST,
            Self::FeedPropagation | Self::FeedSnapshot | Self::FeedStream => method == Method::GET,
            Self::Asset | Self::Continue | Self::FeedMetadata | Self::Jwks | Self::Metadata => {
                method == Method::GET || method == Method::HEAD
            }
        }
    }

    /// Its word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceAuthorize => "device_authorize",
            Self::Device => "device",
            Self::Par => "par",
            Self::Account => "account",
            Self::Asset => "asset",
            Self::Authorize => "authorize",
            Self::ConfirmAddress => "confirm_address",
            Self::Consent => "consent",
            Self::Continue => "continue",
            Self::FeedLease => "feed_lease",
            Self::FeedMetadata => "feed_metadata",
            Self::FeedPropagation => "feed_propagation",
            Self::FeedSnapshot => "feed_snapshot",
            Self::FeedStream => "feed_stream",
            Self::ForgottenPassword => "forgotten_password",
            Self::Introspect => "introspect",
            Self::Jwks => "jwks",
            Self::LogOut => "logout",
            Self::Metadata => "metadata",
            Self::ResetPassword => "reset_password",
            Self::Revoke => "revoke",
            Self::SignIn => "sign_in",
            Self::Token => "token",
            Self::UserInfo => "userinfo",
        }
    }
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// What answers.
    pub endpoint: Endpoint,
    /// The realm in the path; `None` for the default realm.
    pub realm: Option<&'a str>,
}

/// The paths of a realm. Another realm than the default one has them under `/t/{realm}`.
pub const PATHS: [(&str, Endpoint); 24] = [
    ("/oauth2/device_authorize", Endpoint::DeviceAuthorize),
    ("/oauth2/device", Endpoint::Device),
    ("/oauth2/par", Endpoint::Par),
    ("/oauth2/account", Endpoint::Account),
    ("/oauth2/authorize", Endpoint::Authorize),
    ("/oauth2/confirm-address", Endpoint::ConfirmAddress),
    ("/oauth2/consent", Endpoint::Consent),
    ("/oauth2/continue", Endpoint::Continue),
    ("/oauth2/forgotten-password", Endpoint::ForgottenPassword),
    ("/oauth2/logout", Endpoint::LogOut),
    ("/oauth2/reset-password", Endpoint::ResetPassword),
    ("/oauth2/sign-in", Endpoint::SignIn),
    ("/oauth2/userinfo", Endpoint::UserInfo),
    ("/oauth2/introspect", Endpoint::Introspect),
    ("/oauth2/token", Endpoint::Token),
    ("/oauth2/revoke", Endpoint::Revoke),
    ("/oauth2/revocations", Endpoint::FeedMetadata),
    ("/oauth2/revocations/lease", Endpoint::FeedLease),
    ("/oauth2/revocations/propagation", Endpoint::FeedPropagation),
    ("/oauth2/revocations/snapshot", Endpoint::FeedSnapshot),
    ("/oauth2/revocations/stream", Endpoint::FeedStream),
    ("/oauth2/jwks", Endpoint::Jwks),
    // OpenID Connect appends the well-known path to the issuer (Discovery §4); migrants ask under the token endpoint.
    ("/.well-known/openid-configuration", Endpoint::Metadata),
    ("/oauth2/token/.well-known/openid-configuration", Endpoint::Metadata),
];

/// Where the assets of the pages lie, beside the pages.
pub const ASSETS: &str = "/oauth2/assets/";

/// The well-known paths that go between host and issuer path (RFC 8414 §3.1): the path of the issuer follows them.
pub const INSERTED_PATHS: [(&str, Endpoint); 2] = [
    ("/.well-known/oauth-authorization-server", Endpoint::Metadata),
    ("/.well-known/openid-configuration", Endpoint::Metadata),
];

/// The route of a path. Paths compare byte by byte: nothing is decoded, and a trailing slash is another path.
pub fn find(path: &str) -> Option<Route<'_>> {
    if let Some(rest) = path.strip_prefix("/t/") {
        let (realm, rest) = rest.split_at(rest.find('/')?);
        return in_realm(Some(named(realm)?), rest);
    }
    for (prefix, endpoint) in INSERTED_PATHS {
        if let Some(rest) = path.strip_prefix(prefix) {
            if rest.is_empty() {
                return Some(Route { endpoint, realm: None });
            }
            return Some(Route { endpoint, realm: Some(named(rest.strip_prefix("/t/")?)?) });
        }
    }
    in_realm(None, path)
}

fn in_realm<'a>(realm: Option<&'a str>, path: &str) -> Option<Route<'a>> {
    if let Some(name) = path.strip_prefix(ASSETS) {
        return (!name.is_empty() && !name.contains('/'))
            .then_some(Route { endpoint: Endpoint::Asset, realm });
    }
    let (_, endpoint) = PATHS.into_iter().find(|(known, _)| *known == path)?;
    Some(Route { endpoint, realm })
}

/// A realm has one issuer and one place: the default realm does not live under `/t/` a second time.
fn named(realm: &str) -> Option<&str> {
    (!realm.is_empty() && realm != RealmName::DEFAULT && !realm.contains('/')).then_some(realm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<(Endpoint, Option<&str>)>) {
        assert_eq!(find(path).map(|route| (route.endpoint, route.realm)), expected, "{path}");
    }

    #[test]
    fn every_path_leads_to_its_endpoint_in_the_default_and_in_another_realm() {
        for (path, endpoint) in PATHS {
            check(path, Some((endpoint, None)));
            let in_realm = format!("/t/acme{path}");
            assert_eq!(find(&in_realm), Some(Route { endpoint, realm: Some("acme") }), "{in_realm}");
        }
    }

    #[test]
    fn asm_01_the_well_known_path_goes_between_host_and_issuer_path() {
        check("/.well-known/oauth-authorization-server", Some((Endpoint::Metadata, None)));
        check("/.well-known/oauth-authorization-server/t/acme", Some((Endpoint::Metadata, Some("acme"))));
        check("/t/acme/.well-known/oauth-authorization-server", None);
        check("/.well-known/oauth-authorization-server/", None);
        check("/.well-known/oauth-authorization-server/acme", None);
    }

    #[test]
    fn asm_02_the_openid_form_is_served_appended_and_inserted() {
        check("/t/acme/.well-known/openid-configuration", Some((Endpoint::Metadata, Some("acme"))));
        check("/.well-known/openid-configuration/t/acme", Some((Endpoint::Metadata, Some("acme"))));
    }

    #[test]
    fn paths_compare_byte_by_byte() {
        for path in [
            "/",
            "",
            "/oauth2/introspect/",
            "/OAUTH2/introspect",
            "/oauth2//introspect",
            "/oauth2/%69ntrospect",
        ] {
            check(path, None);
        }
        for path in [
            "/t/",
            "/t/acme",
            "/t//oauth2/introspect",
            "/t/a/b/oauth2/introspect",
            "/t/default/oauth2/introspect",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn gen_06_each_endpoint_answers_its_methods_and_no_other() {
        for endpoint in Endpoint::ALL {
            for method in
                [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS]
            {
                let listed = endpoint.allow().split(", ").any(|allowed| allowed == method.as_str());
                assert_eq!(endpoint.allows(&method), listed, "{endpoint:?} {method}");
            }
        }
    }
}
