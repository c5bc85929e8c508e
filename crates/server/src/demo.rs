//! The fixtures of the reference page: two APIs with their clients, another API, applications, and a user.

use std::fmt::Write;
use std::path::Path;

use lydian_primitives::{Mint, Secret};
use lydian_service::Service;
use lydian_service::apply::{self, ApplyDocumentError};

use crate::data_directory::DataDirectory;

/// The file of shell variables that scripts read.
pub const DEMO_FILE: &str = "demo.env";

/// A client of the demo: its name on the wire, and the variables that hold its name and secret.
struct DemoClient {
    client_id: &'static str,
    id_variable: &'static str,
    secret_variable: &'static str,
}

const APP: DemoClient =
    DemoClient { client_id: "demo-app", id_variable: "APP_CLIENT_ID", secret_variable: "APP_CLIENT_SECRET" };
const API: DemoClient =
    DemoClient { client_id: "demo-api", id_variable: "API_CLIENT_ID", secret_variable: "API_CLIENT_SECRET" };
const JWT_API: DemoClient = DemoClient {
    client_id: "demo-jwt-api",
    id_variable: "JWT_API_CLIENT_ID",
    secret_variable: "JWT_API_CLIENT_SECRET",
};
const OTHER_API: DemoClient = DemoClient {
    client_id: "demo-other-api",
    id_variable: "OTHER_API_CLIENT_ID",
    secret_variable: "OTHER_API_CLIENT_SECRET",
};

const WEB: DemoClient =
    DemoClient { client_id: "demo-web", id_variable: "WEB_CLIENT_ID", secret_variable: "WEB_CLIENT_SECRET" };

/// A public client: a single-page application.
const SPA_CLIENT_ID: &str = "demo-spa";

/// The public client of `lydian login`.
const CLI_CLIENT_ID: &str = "lydian-cli";

/// Loopback addresses: any port will do (RFC 8252 §7.3).
const WEB_REDIRECT_URI: &str = "http://127.0.0.1/callback";
const SPA_REDIRECT_URI: &str = "http://127.0.0.1/spa/callback";

const CLI_REDIRECT_URI: &str = "http://127.0.0.1/callback";

const USER_NAME: &str = "alice@example.com";
const USER_PASSWORD: &str = "USER_PASSWORD";

const API_AUDIENCE: &str = "https://api.example.com/";
const JWT_API_AUDIENCE: &str = "https://jwt-api.example.com/";
const OTHER_API_AUDIENCE: &str = "https://other-api.example.com/";

/// The demo as a script needs it.
pub struct Demo {
    secrets: Vec<(DemoClient, Secret)>,
    password: Secret,
}

impl Demo {
    /// Makes the fixtures, or leaves them as they are: the secrets in `demo.env` stay valid.
    ///
    /// # Errors
    ///
    /// [`ApplyDocumentError`] when the store cannot be written.
    pub async fn make(
        service: &Service,
        directory: &DataDirectory,
        mint: &Mint<'_>,
    ) -> Result<Self, ApplyDocumentError> {
        let known = std::fs::read_to_string(directory.path().join(DEMO_FILE)).unwrap_or_default();
        let secrets: Vec<(DemoClient, Secret)> = [APP, API, JWT_API, OTHER_API, WEB]
            .into_iter()
            .map(|client| {
                let secret =
                    variable(&known, client.secret_variable).map(|text| Secret::new(text.to_owned()));
                let secret = secret.unwrap_or_else(|| mint.client_secret());
                (client, secret)
            })
            .collect();
        let password = variable(&known, USER_PASSWORD).map(|text| Secret::new(text.to_owned()));
        let password = password.unwrap_or_else(|| mint.client_secret());
        let document = apply::parse(&document(&secrets, &password))?;
        service.apply_document(&document, false).await?;
        Ok(Self { secrets, password })
    }

    /// The file of shell variables.
    pub fn variables(&self, url: &str, certificate: Option<&Path>) -> String {
        let mut text = String::from(
            "# Shell variables of the demo. The secrets are good for this data directory alone.\n",
        );
        let mut variable = |name: &str, value: &str| {
            writeln!(text, "{name}={}", quoted(value)).expect("writing to a string succeeds");
        };
        variable("LYDIAN_URL", url);
        let certificate = certificate.map(|path| path.display().to_string()).unwrap_or_default();
        variable("LYDIAN_CA", &certificate);
        for (client, secret) in &self.secrets {
            variable(client.id_variable, client.client_id);
            variable(client.secret_variable, secret.expose());
        }
        variable("WEB_REDIRECT_URI", WEB_REDIRECT_URI);
        variable("SPA_CLIENT_ID", SPA_CLIENT_ID);
        variable("SPA_REDIRECT_URI", SPA_REDIRECT_URI);
        variable("USER_NAME", USER_NAME);
        variable(USER_PASSWORD, self.password.expose());
        variable("API_AUDIENCE", API_AUDIENCE);
        variable("JWT_API_AUDIENCE", JWT_API_AUDIENCE);
        variable("OTHER_API_AUDIENCE", OTHER_API_AUDIENCE);
        text
    }

    /// The commands of the reference page, ready to paste.
    pub fn commands(file: &Path, has_certificate: bool) -> String {
        let file = quoted(&file.display().to_string());
        let for_people = if has_certificate { Self::commands_for_people() } else { String::new() };
        let ca = if has_certificate { " --cacert \"$LYDIAN_CA\"" } else { "" };
        format!(
            r#"
Try it: paste these into another terminal.

# 1. The variables of the demo.
. {file}

# 2. An application gets an access token.
ACCESS_TOKEN=$(curl --silent{ca} --user "$APP_CLIENT_ID:$APP_CLIENT_SECRET" \
  --data-urlencode 'grant_type=client_credentials' \
  "$LYDIAN_URL/oauth2/token" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')

# 3. The API asks whether the token is good, with its own credentials.
curl{ca} --location --request POST "$LYDIAN_URL/oauth2/introspect" \
  --header 'Content-Type: application/x-www-form-urlencoded' \
  --header "Authorization: Basic $(printf '%s' "$API_CLIENT_ID:$API_CLIENT_SECRET" | base64 | tr -d '\n')" \
  --data-urlencode "token=$ACCESS_TOKEN"; echo

# 4. The same with a Bearer token of the API, and a cookie that changes nothing.
API_TOKEN=$(curl --silent{ca} --user "$API_CLIENT_ID:$API_CLIENT_SECRET" \
  --data-urlencode 'grant_type=client_credentials' --data-urlencode 'scope=introspect' \
  "$LYDIAN_URL/oauth2/token" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
curl{ca} --location --request POST "$LYDIAN_URL/oauth2/introspect" \
  --header 'Content-Type: application/x-www-form-urlencoded' \
  --header 'Cookie: atbv=646b0ed2-c501-4b17-9251-94112013a718' \
  --header "Authorization: Bearer $API_TOKEN" \
  --data-urlencode "token=$ACCESS_TOKEN"; echo

# 5. The application revokes the token, and the API asks again.
curl{ca} --user "$APP_CLIENT_ID:$APP_CLIENT_SECRET" \
  --data-urlencode "token=$ACCESS_TOKEN" "$LYDIAN_URL/oauth2/revoke"
curl{ca} --user "$API_CLIENT_ID:$API_CLIENT_SECRET" \
  --data-urlencode "token=$ACCESS_TOKEN" "$LYDIAN_URL/oauth2/introspect"; echo
{for_people}"#
        )
    }

    /// The commands for which a person signs in with a browser, which takes TLS.
    fn commands_for_people() -> String {
        let program =
            std::env::current_exe().map_or_else(|_| "lydian".to_owned(), |path| path.display().to_string());
        let program = quoted(&program);
        format!(
            r#"
# 6. A person signs in with a browser, as whom this says.
printf '\nUser name: %s\nPassword:  %s\n\n' "$USER_NAME" "$USER_PASSWORD"
TOKENS=$(printf '%s' "$WEB_CLIENT_SECRET" | {program} login --server "$LYDIAN_URL" --ca "$LYDIAN_CA" \
  --client "$WEB_CLIENT_ID" --client-secret-file - --scope 'openid profile' --json)
USER_TOKEN=$(printf '%s' "$TOKENS" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
REFRESH_TOKEN=$(printf '%s' "$TOKENS" | sed -n 's/.*"refresh_token":"\([^"]*\)".*/\1/p')

# 7. What the server says of the person's access token, and of the refresh token.
curl --cacert "$LYDIAN_CA" --user "$WEB_CLIENT_ID:$WEB_CLIENT_SECRET" \
  --data-urlencode "token=$USER_TOKEN" "$LYDIAN_URL/oauth2/introspect"; echo
curl --cacert "$LYDIAN_CA" --user "$WEB_CLIENT_ID:$WEB_CLIENT_SECRET" \
  --data-urlencode "token=$REFRESH_TOKEN" "$LYDIAN_URL/oauth2/introspect"; echo

# 8. The same as a table, by a client without a secret, for an API.
{program} login --server "$LYDIAN_URL" --ca "$LYDIAN_CA" --scope 'openid profile read' --resource "$API_AUDIENCE"
"#
        )
    }
}

/// The document that makes the demo.
fn document(secrets: &[(DemoClient, Secret)], password: &Secret) -> String {
    let secret = |client: &DemoClient| {
        secrets
            .iter()
            .find(|(one, _)| one.client_id == client.client_id)
            .map_or("", |(_, secret)| secret.expose())
    };
    let (app, api, jwt_api, other_api, web) =
        (secret(&APP), secret(&API), secret(&JWT_API), secret(&OTHER_API), secret(&WEB));
    let password = password.expose();
    format!(
        r#"
[[api]]
audience = "{API_AUDIENCE}"
name = "Demo API"
scopes = ["read", "write"]
token_format = "opaque"
scope_details = {{ read = {{ description = "read your things" }}, write = {{ description = "change your things" }} }}

[[api]]
audience = "{JWT_API_AUDIENCE}"
name = "Demo API with JWTs"
scopes = ["read", "write"]
token_format = "jwt"

[[api]]
audience = "{OTHER_API_AUDIENCE}"
name = "Another API"
scopes = ["read", "write"]
token_format = "opaque"

[[client]]
client_id = "{app_id}"
name = "Demo application"
client_secret = "{app}"
auth_methods = ["client_secret_basic", "client_secret_post"]
grant_types = ["client_credentials"]
allowed = {{ "{API_AUDIENCE}" = ["read", "write"], "{JWT_API_AUDIENCE}" = ["read", "write"] }}
default_api = "{API_AUDIENCE}"

[[client]]
client_id = "{api_id}"
name = "Demo API"
client_secret = "{api}"
grant_types = ["client_credentials"]
issuer_scopes = ["introspect", "internal_oauth2_introspect"]
api = "{API_AUDIENCE}"

[[client]]
client_id = "{jwt_api_id}"
name = "Demo API with JWTs"
client_secret = "{jwt_api}"
grant_types = ["client_credentials"]
issuer_scopes = ["introspect", "internal_oauth2_introspect"]
api = "{JWT_API_AUDIENCE}"

[[client]]
client_id = "{other_api_id}"
name = "Another API"
client_secret = "{other_api}"
grant_types = ["client_credentials"]
issuer_scopes = ["introspect", "internal_oauth2_introspect"]
api = "{OTHER_API_AUDIENCE}"

[[client]]
client_id = "{web_id}"
name = "Demo web application"
client_secret = "{web}"
auth_methods = ["client_secret_basic", "client_secret_post"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["{WEB_REDIRECT_URI}"]
post_logout_redirect_uris = ["{WEB_REDIRECT_URI}"]
allowed = {{ "{API_AUDIENCE}" = ["read", "write"], "{JWT_API_AUDIENCE}" = ["read", "write"] }}
issuer_scopes = ["openid", "profile", "email", "offline_access"]
default_api = "{API_AUDIENCE}"

[[client]]
client_id = "{SPA_CLIENT_ID}"
name = "Demo single-page application"
auth_methods = ["none"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["{SPA_REDIRECT_URI}"]
allowed = {{ "{API_AUDIENCE}" = ["read"], "{JWT_API_AUDIENCE}" = ["read"] }}
issuer_scopes = ["openid", "profile", "email"]
default_api = "{API_AUDIENCE}"

[[client]]
client_id = "{CLI_CLIENT_ID}"
name = "Lydian on the command line"
auth_methods = ["none"]
grant_types = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]
redirect_uris = ["{CLI_REDIRECT_URI}"]
allowed = {{ "{API_AUDIENCE}" = ["read", "write"], "{JWT_API_AUDIENCE}" = ["read", "write"] }}
issuer_scopes = ["openid", "profile", "email", "offline_access"]
default_api = "{API_AUDIENCE}"

[[user]]
username = "{USER_NAME}"
password = "{password}"
profile = {{ name = "Alice Example", given_name = "Alice", family_name = "Example", email = "{USER_NAME}", email_verified = true }}
"#,
        app_id = APP.client_id,
        api_id = API.client_id,
        jwt_api_id = JWT_API.client_id,
        other_api_id = OTHER_API.client_id,
        web_id = WEB.client_id,
    )
}

/// The value of a variable in a file that [`Demo::variables`] wrote.
fn variable<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    value.strip_prefix('\'')?.strip_suffix('\'').filter(|value| !value.is_empty() && !value.contains('\''))
}

/// A word that a shell takes as it is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_back() {
        let text = "# x\nA='1'\nAB='2'\nC=''\nD=3\n";
        assert_eq!(variable(text, "A"), Some("1"));
        assert_eq!(variable(text, "AB"), Some("2"));
        assert_eq!((variable(text, "C"), variable(text, "D"), variable(text, "E")), (None, None, None));
    }

    #[test]
    fn a_quote_in_a_path_stays_within_its_word() {
        assert_eq!(quoted("a'b"), "'a'\\''b'");
    }
}
