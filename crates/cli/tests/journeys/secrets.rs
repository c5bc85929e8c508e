//! No secret is written anywhere but where it belongs, at whatever level (RFC 6749 §10.3).

use std::collections::BTreeSet;

use crate::support::{Place, Server};

/// A journey with everything that is secret in it; returns what must not be seen afterwards.
fn travel(server: &Server) -> BTreeSet<String> {
    let demo = server.demo();
    let mut secrets: BTreeSet<String> =
        demo.iter().filter(|(name, _)| name.ends_with("_SECRET")).map(|(_, value)| value.clone()).collect();
    let (app, app_secret) = (&demo["APP_CLIENT_ID"], &demo["APP_CLIENT_SECRET"]);
    let (api, api_secret) = (&demo["API_CLIENT_ID"], &demo["API_CLIENT_SECRET"]);
    let bearer = server.token(api, api_secret, &["scope=introspect"]);
    let introspect = format!("{}/oauth2/introspect", server.url());
    for audience in [&demo["API_AUDIENCE"], &demo["JWT_API_AUDIENCE"]] {
        let token = server.token(app, app_secret, &[&format!("resource={audience}")]);
        let data = format!("token={token}");
        for arguments in [
            &["--user", &format!("{app}:{app_secret}"), "--data", &data, &introspect][..],
            &["--header", &format!("Authorization: Bearer {bearer}"), "--data", &data, &introspect],
            &["--header", &format!("Authorization: Bearer {token}"), "--data", &data, &introspect],
            &["--data", &data, &introspect],
            &["--get", "--data", &data, &introspect],
            &["--user", &format!("{app}:{app_secret}"), "--request", "POST", &format!("{introspect}?{data}")],
            &["--cookie", &data, &format!("{}/{token}", server.url())],
            &["--header", &format!("X-Token: {token}"), "--data", "client_secret=x", &introspect],
            &["--http1.1", "--user", &format!("{app}:{token}"), "--data", &data, &introspect],
        ] {
            server.curl(arguments);
        }
        assert_eq!(server.post_token("revoke", app, app_secret, &token).status, 200);
        server.introspect(app, app_secret, &token);
        secrets.insert(token.rsplit('.').next().unwrap().to_owned());
        secrets.insert(token);
    }
    secrets.insert(bearer);
    secrets
}

#[test]
fn oau_28_s41_nothing_secret_is_printed_or_logged_even_when_everything_is_logged() {
    let place = Place::new();
    let mut secrets = BTreeSet::new();
    for (format, restart) in [("text", false), ("json", true)] {
        let environment = [("LYDIAN_LOG_LEVEL", "trace"), ("LYDIAN_LOG_FORMAT", format)];
        let server = place.serve_with(&["--demo"], &environment);
        server.stdout.wait_for("# 5.");
        secrets.extend(travel(&server));
        let (said, logged) = server.stop();
        assert!(
            logged.contains("a request was refused") && logged.contains("TRACE"),
            "the capture works: {logged}"
        );
        assert!(said.contains("ready: "));
        let key = std::fs::read_to_string(place.data().join("tls/key.pem")).unwrap();
        secrets.extend(key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
        for text in [&said, &logged] {
            for secret in &secrets {
                assert!(secret.len() >= 20, "{secret:?} is too short to look for");
                assert!(!text.contains(secret.as_str()), "restarted: {restart}: {secret} was written");
            }
            for mark in ["-----BEGIN", "PRIVATE KEY"] {
                assert!(!text.contains(mark), "{mark}");
            }
        }
    }
}

#[test]
fn s5_no_password_is_known_in_advance() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let url = format!("{}/oauth2/token", server.url());
    for user in
        ["admin:admin", "demo-app:demo-app", "demo-app:secret", "lydian:lydian", "admin:", "root:root"]
    {
        let answer = server.curl(&["--user", user, "--data", "grant_type=client_credentials", &url]);
        assert_eq!(answer.status, 401, "{user}");
    }
}
