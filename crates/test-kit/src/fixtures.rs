//! The realms, APIs and clients that tests find on a fresh server.

use lydian_jose::SigningKey;

/// A client of the fixtures.
#[derive(Clone, Copy, Debug)]
pub struct Credentials {
    /// Its name on the wire.
    pub client_id: &'static str,
    /// Its secret.
    pub client_secret: &'static str,
}

/// An application that may have every scope of [`API`], [`JWT_API`] and [`BARE_API`]; its default is [`API`].
pub const APP: Credentials =
    Credentials { client_id: "app", client_secret: "app-secret-0123456789abcdef0123456789" };
/// Another application, with `read` at [`API`] alone, that sends its secret by form.
pub const POST_APP: Credentials =
    Credentials { client_id: "post-app", client_secret: "post-secret-0123456789abcdef0123456789" };
/// An application whose revocations take the whole grant along.
pub const CASCADE_APP: Credentials =
    Credentials { client_id: "cascade-app", client_secret: "cascade-secret-0123456789abcdef01234567" };
/// The client of [`API`].
pub const API_CLIENT: Credentials =
    Credentials { client_id: "api-client", client_secret: "api-secret-0123456789abcdef0123456789" };
/// The client of [`JWT_API`].
pub const JWT_API_CLIENT: Credentials =
    Credentials { client_id: "jwt-api-client", client_secret: "jwt-secret-0123456789abcdef0123456789" };
/// The client of [`BARE_API`].
pub const BARE_API_CLIENT: Credentials =
    Credentials { client_id: "bare-api-client", client_secret: "bare-secret-0123456789abcdef0123456789" };
/// The client of [`OTHER_API`].
pub const OTHER_API_CLIENT: Credentials =
    Credentials { client_id: "other-api-client", client_secret: "other-secret-0123456789abcdef0123456789" };
/// A client that may see every token of the realm.
pub const AUDITOR: Credentials =
    Credentials { client_id: "auditor", client_secret: "auditor-secret-0123456789abcdef0123456789" };
/// The two clients of the reference page's samples.
pub const PAGE_CLIENT_B: Credentials = Credentials {
    client_id: "Wsoq8t4nHW80gSnPfyDvRbiC__Eb",
    client_secret: "page-b-secret-0123456789abcdef0123456",
};
/// See [`PAGE_CLIENT_B`].
pub const PAGE_CLIENT_A: Credentials = Credentials {
    client_id: "Wsoq8t4nHW80gSnPfyDvRbiC__Ea",
    client_secret: "page-a-secret-0123456789abcdef0123456",
};
/// A public client.
pub const PUBLIC_CLIENT: &str = "public-app";
/// An application of the realm `acme`, with the same name as one of the default realm.
pub const ACME_APP: Credentials =
    Credentials { client_id: "app", client_secret: "acme-secret-0123456789abcdef0123456789" };
/// The client of the API of the realm `acme`.
pub const ACME_API_CLIENT: Credentials =
    Credentials { client_id: "api-client", client_secret: "acme-api-secret-0123456789abcdef012345" };

/// An API with opaque tokens and the scopes `read` and `write`.
pub const API: &str = "https://api.example.com/";
/// An API with JWTs that have a row.
pub const JWT_API: &str = "https://jwt.example.com/";
/// An API with JWTs that have no row.
pub const BARE_API: &str = "https://bare.example.com/";
/// An API that no application may ask for.
pub const OTHER_API: &str = "https://other.example.com/";

/// The issuer of the default realm.
pub const ISSUER: &str = "https://localhost:9443";

/// The document that makes the fixtures.
pub fn document() -> String {
    let client = |realm: &str, credentials: Credentials, more: &str| {
        format!(
            "[[client]]\nrealm = {realm:?}\nclient_id = {:?}\nclient_secret = {:?}\n{more}\n",
            credentials.client_id, credentials.client_secret
        )
    };
    let of_api = |audience: &str| {
        format!(
            "grant_types = [\"client_credentials\"]\nissuer_scopes = [\"introspect\", \"internal_oauth2_introspect\"]\napi = {audience:?}"
        )
    };
    let all = format!(
        "grant_types = [\"client_credentials\"]\ndefault_api = {API:?}\nallowed = {{ {API:?} = [\"read\", \"write\", \"only-opaque\"], {JWT_API:?} = [\"read\", \"write\", \"only-jwt\"], {BARE_API:?} = [\"read\", \"write\"] }}"
    );
    [
        "[[realm]]\nname = \"acme\"\n".to_owned(),
        format!("[[api]]\naudience = {API:?}\nscopes = [\"read\", \"write\", \"only-opaque\"]\n"),
        format!("[[api]]\naudience = {JWT_API:?}\nscopes = [\"read\", \"write\", \"only-jwt\"]\ntoken_format = \"jwt\"\n"),
        format!("[[api]]\naudience = {BARE_API:?}\nscopes = [\"read\", \"write\"]\ntoken_format = \"jwt\"\nrecord = false\n"),
        format!("[[api]]\naudience = {OTHER_API:?}\nscopes = [\"read\", \"write\"]\n"),
        format!("[[api]]\nrealm = \"acme\"\naudience = {API:?}\nscopes = [\"read\", \"write\"]\n"),
        client("default", APP, &all),
        client(
            "default",
            POST_APP,
            &format!("auth_methods = [\"client_secret_post\"]\ngrant_types = [\"client_credentials\"]\nallowed = {{ {API:?} = [\"read\"] }}"),
        ),
        client("default", CASCADE_APP, &format!("{all}\nrevocation_cascade = \"grant\"")),
        client("default", API_CLIENT, &of_api(API)),
        client("default", JWT_API_CLIENT, &of_api(JWT_API)),
        client("default", BARE_API_CLIENT, &of_api(BARE_API)),
        client("default", OTHER_API_CLIENT, &of_api(OTHER_API)),
        client("default", AUDITOR, "introspect_any = true"),
        client("default", PAGE_CLIENT_A, ""),
        client("default", PAGE_CLIENT_B, ""),
        format!("[[client]]\nclient_id = {PUBLIC_CLIENT:?}\nauth_methods = [\"none\"]\n"),
        client("acme", ACME_APP, &format!("grant_types = [\"client_credentials\"]\ndefault_api = {API:?}\nallowed = {{ {API:?} = [\"read\", \"write\"] }}")),
        client("acme", ACME_API_CLIENT, &of_api(API)),
    ]
    .concat()
}

/// The value of `jwks` in a document, with the public halves of these keys.
pub fn jwks_of(keys: &[&SigningKey]) -> String {
    let members = |key: &&SigningKey| {
        let jwk: serde_json::Value =
            serde_json::from_str(&key.verifying_key().to_jwk_json()).expect("a JWK is JSON");
        let members = jwk.as_object().expect("a JWK is an object").iter();
        let members: Vec<String> = members.map(|(name, value)| format!("{name} = {value}")).collect();
        format!("{{ {} }}", members.join(", "))
    };
    let keys: Vec<String> = keys.iter().map(members).collect();
    format!("{{ keys = [{}] }}", keys.join(", "))
}
