//! The one table of targets.

use std::path::Path;

use crate::outcome::Outcome;
use crate::targets::{authentication, files, http, jose, oauth, requests, tokens};

/// A parser with its promise, and what is known of its inputs.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, which is also the name of its corpus.
    pub name: &'static str,
    /// Feeds it one input.
    ///
    /// Panics when the parser panics or breaks its promise.
    pub run: fn(&[u8]) -> Outcome,
    /// Seeds that cannot lie in the tree, because they are signed, sealed or keys.
    pub(crate) made_seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the format.
    pub words: &'static [&'static str],
    /// The longest input that is tried, in bytes.
    pub bytes_max: usize,
}

impl Target {
    /// The corpus of the tree and the seeds that are made at run time.
    ///
    /// # Errors
    ///
    /// When the corpus cannot be read.
    pub fn seeds(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut paths = Vec::new();
        if directory.exists() {
            for entry in std::fs::read_dir(directory)? {
                paths.push(entry?.path());
            }
        }
        // Folders have no order; runs of one seed shall be the same.
        paths.sort();
        let mut seeds = (self.made_seeds)();
        for path in paths {
            seeds.push(std::fs::read(path)?);
        }
        Ok(seeds)
    }
}

/// The target with this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// All targets, in alphabetical order.
pub fn targets() -> &'static [Target] {
    TARGETS
}

const JWS: &[&str] = &[
    "\"alg\":\"none\"",
    "\"alg\":\"HS256\"",
    "\"alg\":\"ES256\"",
    "\"alg\":\"EdDSA\"",
    "\"kid\":\"a\"",
    "\"crit\":[\"exp\"]",
    "\"b64\":false",
    "\"typ\":\"application/at+jwt\"",
    "\"jwk\":{}",
    "\"jku\":\"https://x\"",
    "\"x5c\":[]",
    "..",
    ".",
    "eyJ",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    "\\\\",
    "null",
    "true",
    "false",
    "1e-2147483648",
    "-0.0e+1",
    "\u{feff}",
    "{\"a\":",
    "[[[[[[[[",
    "\u{1f600}",
];
const JWK: &[&str] = &[
    "\"kty\":\"EC\"",
    "\"kty\":\"RSA\"",
    "\"kty\":\"OKP\"",
    "\"kty\":\"oct\"",
    "\"crv\":\"P-256\"",
    "\"crv\":\"P-384\"",
    "\"crv\":\"Ed25519\"",
    "\"x\":\"\"",
    "\"d\":\"AA\"",
    "\"e\":\"AQAB\"",
    "\"use\":\"sig\"",
    "\"use\":\"enc\"",
    "\"key_ops\":[\"verify\"]",
    "\"alg\":\"ES256\"",
    "\"alg\":\"RS256\"",
    "\"kid\":\"a\"",
    ",",
];
const CLAIMS: &[&str] = &[
    "\"exp\":1800000100",
    "\"exp\":1e-2147483648",
    "\"nbf\":",
    "\"iat\":18e8",
    "\"aud\":[]",
    "\"aud\":",
    "\"iss\":",
    "\"sub\":",
    "\"jti\":\"\"",
    "e+400",
    "e-400",
    "e-2147483648",
    "e2147483647",
    ".5",
    "[\"",
    "\"]",
    "null",
    "-",
    "9007199254740992",
];
const NUMBERS: &[&str] =
    &["e", "E", "+", "-", ".", "e-2147483648", "e+400", "e401", "9007199254740991", "0.", "1e"];
const FORM: &[&str] = &[
    "&",
    "=",
    "%",
    "+",
    "%00",
    "%ff",
    "%c3%a9",
    "%26",
    "%3D",
    "token=",
    "token_type_hint=",
    "client_id=",
    "client_secret=",
    "client_assertion=",
    "scope=",
    "resource=",
    "grant_type=client_credentials",
    "&&",
    "%2",
    "\u{e9}",
];
const HEADERS: &[&str] = &[
    "\n",
    "Basic ",
    "Bearer ",
    "basic ",
    "bEARER  ",
    "DPoP ",
    "client_id=app",
    "client_secret=x",
    "&",
    "client_assertion=a",
    "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
    "=",
    "==",
    "YTpi",
    "Og==",
];
const PATHS: &[&str] = &[
    "/t/",
    "/t/default",
    "/t/acme",
    "/oauth2/",
    "token",
    "introspect",
    "revoke",
    "jwks",
    "/.well-known/",
    "openid-configuration",
    "oauth-authorization-server",
    "//",
    "/",
    "..",
    "%2f",
    "?",
];
const ADDRESSES: &[&str] = &[
    "::ffff:",
    "/",
    "/0",
    "/8",
    "/32",
    "/96",
    "/104",
    "/128",
    "127.0.0.1",
    "10.0.0.0/8",
    "::1",
    ", ",
    "\n",
    "fe80::1%eth0",
    "[::1]",
];
const REQUESTS: &[&str] = &[
    "POST ",
    "GET ",
    "HEAD ",
    "OPTIONS ",
    "/oauth2/token",
    "/oauth2/introspect",
    "/oauth2/revoke",
    "/oauth2/jwks",
    "/t/acme",
    "\n",
    "\n\n",
    "authorization: Basic ",
    "authorization: Bearer ",
    "content-type: application/x-www-form-urlencoded",
    "x-forwarded-for: ",
    "; charset=utf-8",
    "grant_type=client_credentials",
    "&scope=read",
    "&token=",
    "&resource=",
    "client_id=app",
    "&client_secret=",
    "%",
    "accept: application/jwt",
];
const TOML: &[&str] = &[
    "[[realm]]\n",
    "[[api]]\n",
    "[[client]]\n",
    "name = ",
    "audience = ",
    "client_id = ",
    "enabled = ",
    "\"",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "= ",
    "true",
    "false",
    "scopes = []\n",
    "token_format = \"jwt\"\n",
    "jwks = { keys = [] }\n",
    "\\u0000",
    "1979-05-27",
    "inf",
    "0x",
];
const CONFIGURATION: &[&str] = &[
    "data_dir = ",
    "listen = ",
    "metrics_listen = ",
    "issuer = ",
    "tls_certificate = ",
    "tls_key = ",
    "insecure_plain_http = true\n",
    "insecure_beyond_loopback = true\n",
    "trusted_proxies = ",
    "log_level = ",
    "log_format = ",
    "fact_cache_bytes = ",
    "\"",
    "[\"",
    "\"]\n",
    "0123",
    "+5",
    "\\u007f",
    "\\u0000",
    "::ffff:10.0.0.0/104",
    "[::1]:1",
    "info",
    "lydian_http=debug",
    "[{a=b}]",
    "\n",
    "https://",
];
const RECORDS: &[&str] = &[
    "null",
    "true",
    "false",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\"kind\":\"opaque\"",
    "\"kind\":\"jwt\"",
    "\"ES256\"",
    "\"scopes\":",
    "\"allowed\":",
];
const PEM: &[&str] = &[
    "-----BEGIN ",
    "-----END ",
    "-----\n",
    "CERTIFICATE",
    "PRIVATE KEY",
    "EC PRIVATE KEY",
    "\n",
    "\r\n",
    "=",
    "====",
];

macro_rules! target {
    ($name:literal, $run:path, $words:expr, $bytes_max:expr) => {
        target!($name, $run, $words, $bytes_max, Vec::new)
    };
    ($name:literal, $run:path, $words:expr, $bytes_max:expr, $seeds:path) => {
        Target { name: $name, run: $run, made_seeds: $seeds, words: $words, bytes_max: $bytes_max }
    };
}

const TARGETS: &[Target] = &[
    target!("apply_document", files::apply_document, TOML, 2_048),
    target!("base64url", oauth::base64url, &["-", "_", "=", "+", "/", "A"], 512),
    target!("basic", oauth::basic, HEADERS, 6_000, oauth::basic_seeds),
    target!("bearer", oauth::bearer, HEADERS, 17_000),
    target!("claims", jose::claims, CLAIMS, 4_096),
    target!("client_assertion", authentication::client_assertion, CLAIMS, 4_096),
    target!("compact_jws", jose::compact_jws, JWS, 17_000, jose::compact_jws_seeds),
    target!("configuration", files::configuration, CONFIGURATION, 2_048),
    target!(
        "content_type",
        http::content_type,
        &["; charset=utf-8", "application/x-www-form-urlencoded", "\"", ";", "\n"],
        256
    ),
    target!("credentials", authentication::credentials, HEADERS, 4_096, oauth::basic_seeds),
    target!("form", oauth::form, FORM, 8_192),
    target!("forwarded", http::forwarded, ADDRESSES, 1_024),
    target!("handle", tokens::handle, &[], 64, tokens::handle_seeds),
    target!("jwk", jose::jwk, JWK, 4_096, jose::jwk_seeds),
    target!("jwk_set", jose::jwk_set, JWK, 16_384, jose::jwk_set_seeds),
    target!("network", http::network, ADDRESSES, 64),
    target!("numeric_date", jose::numeric_date, NUMBERS, 512),
    target!("private_key", files::private_key, &[], 4_096, files::private_key_seeds),
    target!("query", http::query, FORM, 2_048),
    target!("request", requests::request, REQUESTS, 8_192, requests::seeds),
    target!(
        "resource",
        oauth::resource,
        &["https://", "urn:", "@", "#", "?", "/", "//", "[::1]", "HTTP://"],
        2_100
    ),
    target!("route", http::route, PATHS, 256),
    target!("scope", oauth::scope, &[" ", "  ", "read", "write", "\"", "\\", "\n", "\u{e9}"], 10_000),
    target!("stored_records", files::stored_records, RECORDS, 4_096, files::stored_record_seeds),
    target!("strict_json", jose::strict_json, JSON, 16_384),
    target!("tls_files", files::tls_files, PEM, 8_192, files::tls_seeds),
    target!(
        "token_string",
        tokens::token_string,
        &["_", "-", "0", "lya", "lyr"],
        128,
        tokens::token_string_seeds
    ),
    target!("verify_with_set", jose::verify_with_set, JWS, 17_000, jose::verify_with_set_seeds),
    target!("wrapped_secret", tokens::wrapped_secret, &[], 512, tokens::wrapped_secret_seeds),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_order() {
        assert!(TARGETS.is_sorted_by(|one, next| one.name < next.name));
    }

    #[test]
    fn every_target_has_seeds_that_are_not_too_long() {
        for target in TARGETS {
            let seeds = target.seeds().unwrap();
            assert!(!seeds.is_empty(), "{}", target.name);
            assert!(seeds.iter().all(|seed| seed.len() <= target.bytes_max), "{}", target.name);
        }
    }
}
