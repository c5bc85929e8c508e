//! What operators ask a running server: metrics and health.

use crate::support::{Place, Server};

fn metric(server: &Server, line: &str) -> u64 {
    let answer = server.curl(&[&format!("{}/metrics", server.operations())]);
    assert_eq!(answer.status, 200);
    let found = answer.body.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("there is no {line}: {}", answer.body)).parse().unwrap()
}

#[test]
fn s42_metrics_count_what_happens_and_name_nobody() {
    let place = Place::new();
    let server = place.serve(&["--demo"]);
    let demo = server.demo();
    let (app, secret) = (&demo["APP_CLIENT_ID"], &demo["APP_CLIENT_SECRET"]);
    let token = server.token(app, secret, &[]);
    assert_eq!(server.introspect(app, secret, &token)["active"], true);
    assert_eq!(server.introspect(app, secret, "unknown")["active"], false);
    assert_eq!(server.post_token("introspect", app, "wrong", &token).status, 401);
    assert_eq!(server.post_token("revoke", app, secret, &token).status, 200);
    assert_eq!(server.introspect(app, secret, &token)["active"], false);
    for (line, count) in [
        ("lydian_http_answers_total{endpoint=\"token\",status=\"2xx\"}", 1),
        ("lydian_http_answers_total{endpoint=\"introspect\",status=\"2xx\"}", 3),
        ("lydian_http_answers_total{endpoint=\"introspect\",status=\"4xx\"}", 1),
        ("lydian_introspections_total{outcome=\"active\"}", 1),
        ("lydian_introspections_total{outcome=\"unknown\"}", 1),
        ("lydian_introspections_total{outcome=\"revoked\"}", 1),
        ("lydian_refusals_total{cause=\"ClientCredentialsWrong\"}", 1),
        ("lydian_ledger_revoked_entries", 1),
        ("lydian_panics_total", 0),
    ] {
        assert_eq!(metric(&server, line), count, "{line}");
    }
    let text = server.curl(&[&format!("{}/metrics", server.operations())]).body;
    for secret in demo.values().filter(|value| value.len() > 8).chain([&token]) {
        assert!(!text.contains(secret.as_str()), "{secret}");
    }
    assert!(!text.contains("demo-app"), "no label names a client");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a metric has a value");
        assert!(name.starts_with("lydian_") && value.parse::<u64>().is_ok(), "{line}");
    }
}

#[test]
fn s42_health_says_live_and_ready() {
    let place = Place::new();
    let server = place.serve(&[]);
    let at = |path: &str| server.curl(&[&format!("{}{path}", server.operations())]);
    assert_eq!(at("/health/live").body, "{\"live\":true}");
    let ready = at("/health/ready");
    assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)));
    assert_eq!(at("/health").status, 404);
    let posted = server.curl(&["--data", "x", &format!("{}/health/live", server.operations())]);
    assert_eq!(posted.status, 405);
}

#[test]
fn s6_the_public_listener_serves_neither_metrics_nor_health_and_the_other_no_tokens() {
    let place = Place::new();
    let server = place.serve(&[]);
    for path in ["/metrics", "/health/ready", "/health/live", "/admin", "/"] {
        assert_eq!(server.curl(&[&format!("{}{path}", server.url())]).status, 404, "{path}");
    }
    for path in ["/oauth2/jwks", "/oauth2/token", "/.well-known/openid-configuration"] {
        assert_eq!(server.curl(&[&format!("{}{path}", server.operations())]).status, 404, "{path}");
    }
}

#[test]
fn the_cost_of_passwords_is_measured_at_the_first_start_and_kept() {
    let place = Place::new();
    let cost = |place: &Place| {
        let said = place.run(&["doctor"]).stdout;
        let line = said.lines().find(|line| line.contains("argon2id")).unwrap_or_else(|| panic!("{said}"));
        let numbers: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        (numbers[0], numbers[1])
    };
    let server = place.serve_with(&["--demo"], &[("LYDIAN_PASSWORD_HASH_MILLISECONDS", "2000")]);
    let measured = cost(&place);
    assert!(measured.0 >= 19_456 && measured.0 <= 65_536, "{measured:?}");
    assert!(measured.1 > 2 && measured.1 <= 10, "two seconds take more than the minimum: {measured:?}");
    drop(server);
    assert_eq!(cost(&place), measured, "a stopped server has it too");
    let _server = place.serve_with(&[], &[("LYDIAN_PASSWORD_HASH_MILLISECONDS", "0")]);
    assert_eq!(cost(&place), measured, "a later start does not measure again");
    let other = Place::new();
    let _other = other.serve(&[]);
    assert_eq!(cost(&other), (19_456, 2));
}
