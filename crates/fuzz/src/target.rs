//! The one table of targets.

use std::path::Path;

use crate::outcome::Outcome;
use crate::targets::{authentication, factors, feed, files, http, jose, oauth, requests, tokens, validation};
use crate::words::{
    ADDRESSES, CLAIMS, CONFIGURATION, CONTENT_TYPES, FEED, FORM, HEADERS, JSON, JWK, JWS, NUMBERS, PATHS,
    PEM, RECORDS, REQUESTS, SCOPES, TOML, URIS,
};

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

macro_rules! target {
    ($name:literal, $run:path, $words:expr, $bytes_max:expr) => {
        target!($name, $run, $words, $bytes_max, Vec::new)
    };
    ($name:literal, $run:path, $words:expr, $bytes_max:expr, $seeds:path) => {
        Target { name: $name, run: $run, made_seeds: $seeds, words: $words, bytes_max: $bytes_max }
    };
}

const TARGETS: &[Target] = &[
    target!("access_token", validation::access_token, JWS, 4_096, validation::access_token_seeds),
    target!("apply_document", files::apply_document, TOML, 2_048),
    target!("base64url", oauth::base64url, &["-", "_", "=", "+", "/", "A"], 512),
    target!("basic", oauth::basic, HEADERS, 6_000, oauth::basic_seeds),
    target!("bearer", oauth::bearer, HEADERS, 17_000, oauth::bearer_seeds),
    target!("cbor", factors::cbor, &[], 512),
    target!("claims", jose::claims, CLAIMS, 4_096),
    target!("client_assertion", authentication::client_assertion, CLAIMS, 4_096),
    target!("compact_jws", jose::compact_jws, JWS, 17_000, jose::compact_jws_seeds),
    target!("configuration", files::configuration, CONFIGURATION, 2_048),
    target!("content_type", http::content_type, CONTENT_TYPES, 256),
    target!("credentials", authentication::credentials, HEADERS, 4_096, oauth::basic_seeds),
    target!("dpop_proof", validation::dpop_proof, JWS, 4_096, validation::dpop_proof_seeds),
    target!("factor_code", factors::factor_code, NUMBERS, 80),
    target!("feed", feed::values, FEED, 4_096, feed::seeds),
    target!("form", oauth::form, FORM, 8_192, oauth::form_seeds),
    target!("forwarded", http::forwarded, ADDRESSES, 1_024),
    target!("handle", tokens::handle, &[], 64, tokens::handle_seeds),
    target!("htu", validation::htu, URIS, 4_200, validation::htu_seeds),
    target!(
        "introspection_answer",
        validation::introspection_answer,
        CLAIMS,
        4_096,
        validation::introspection_answer_seeds
    ),
    target!("jwk", jose::jwk, JWK, 4_096, jose::jwk_seeds),
    target!("jwk_set", jose::jwk_set, JWK, 16_384, jose::jwk_set_seeds),
    target!("network", http::network, ADDRESSES, 64),
    target!("numeric_date", jose::numeric_date, NUMBERS, 512),
    target!("passkey_answer", factors::passkey_answer, JSON, 4_096),
    target!("passkey_assertion", factors::passkey_assertion, JSON, 4_096),
    target!("passkey_attestation", factors::passkey_attestation, &["authData", "fmt", "attStmt"], 1_024),
    target!("private_key", files::private_key, &[], 4_096, files::private_key_seeds),
    target!("query", http::query, FORM, 2_048),
    target!("request", requests::request, REQUESTS, 8_192, requests::seeds),
    target!(
        "request_credentials",
        validation::request_credentials,
        HEADERS,
        17_000,
        validation::request_credentials_seeds
    ),
    target!("resource", oauth::resource, URIS, 2_100, oauth::resource_seeds),
    target!(
        "resource_metadata",
        validation::resource_metadata,
        JSON,
        4_096,
        validation::resource_metadata_seeds
    ),
    target!("route", http::route, PATHS, 256),
    target!("scope", oauth::scope, SCOPES, 10_000, oauth::scope_seeds),
    target!("stored_records", files::stored_records, RECORDS, 4_096, files::stored_record_seeds),
    target!("strict_json", jose::strict_json, JSON, 16_384, jose::strict_json_seeds),
    target!("tls_files", files::tls_files, PEM, 8_192, files::tls_seeds),
    target!("token_string", tokens::token_string, &[], 128, tokens::token_string_seeds),
    target!("verify_with_set", jose::verify_with_set, JWS, 17_000, jose::compact_jws_seeds),
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
