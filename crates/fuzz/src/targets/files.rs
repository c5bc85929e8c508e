//! What is read from files and from the store: configuration, documents, keys, certificates, settings of records.

use std::path::Path;
use std::sync::OnceLock;

use lydian_domain::RealmName;
use lydian_domain::records::{Api, Client, Realm, RealmId};
use lydian_jose::{Algorithm, SigningKey};
use lydian_primitives::Timestamp;
use lydian_server::config;
use lydian_server::tls::{TlsError, TlsFiles, certified_key, ensure_self_signed};
use lydian_service::apply::{self, ApplyDocumentError};
use rustls::crypto::aws_lc_rs::default_provider;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{keys, text_of};
use crate::outcome::{Outcome, magnitude};

/// The document of `lydian apply`. The plan that is made of it belongs to the target `request`, which has a server.
pub(crate) fn apply_document(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    match apply::parse(text) {
        Ok(document) => Outcome::accepted(
            [document.realms.len(), document.apis.len(), document.clients.len()].map(magnitude),
        ),
        Err(ApplyDocumentError::Invalid(faults)) => {
            assert_eq!(faults.len(), 1, "a text has one fault");
            Outcome::refused_saying(last_line(&faults[0]))
        }
        Err(ApplyDocumentError::Unavailable(_)) => panic!("reading needs no store"),
    }
}

/// What is wrong stands behind the quoted line.
fn last_line(fault: &str) -> &str {
    fault.trim_end().lines().last().unwrap_or_default()
}

/// A configuration file: printed, it reads back as the same configuration.
pub(crate) fn configuration(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let path = Path::new("lydian.toml");
    match config::parse(text, path) {
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a fault");
            let fault = faults[0].to_string();
            // The name of the key comes first, and may be anything.
            let what = fault.split_once("): ").map_or(fault.as_str(), |(_, what)| what);
            Outcome::refused_saying(last_line(what))
        }
        Ok(config) => {
            let printed = config.print();
            let again = config::parse(&printed, path);
            let again =
                again.unwrap_or_else(|faults| panic!("what is printed has faults: {faults:?}\n{printed}"));
            for (line, same) in again.print().lines().zip(printed.lines()) {
                assert_eq!(line, same, "what is printed is another configuration");
            }
            let set = printed.lines().filter(|line| !line.starts_with('#')).count();
            Outcome::accepted((set, config.insecure_options().len(), config.trusted_proxies.len().min(4)))
        }
    }
}

/// The settings of a realm, an API or a client as the store has them: written again, they are the same.
pub(crate) fn stored_records(input: &[u8]) -> Outcome {
    let Some(text) = text_of(input) else {
        return Outcome::refused("UTF-8");
    };
    let read = [round_trip::<Realm>(text), round_trip::<Api>(text), round_trip::<Client>(text)];
    match read.iter().position(Result::is_ok) {
        Some(which) => Outcome::accepted((which, read[which].as_ref().ok().copied())),
        None => Outcome::refused_saying(&read.map(|result| result.err().unwrap_or_default()).concat()),
    }
}

/// How long the record is as text; otherwise what is wrong with it.
fn round_trip<T: DeserializeOwned + Serialize>(text: &str) -> Result<u32, String> {
    let record: T = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let written = serde_json::to_string(&record).expect("a record can be written");
    let again: T = serde_json::from_str(&written).expect("what is written can be read");
    assert_eq!(serde_json::to_string(&again).expect("a record can be written"), written);
    Ok(magnitude(written.len()))
}

/// A realm with the default settings; the others lie in the tree.
pub(crate) fn stored_record_seeds() -> Vec<Vec<u8>> {
    let realm = Realm::with_defaults(RealmId::from_number(1), RealmName::default_realm());
    vec![serde_json::to_vec(&realm).expect("a record can be written")]
}

/// A private key as PKCS#8, after one byte that chooses the algorithm: what is accepted signs so that its own public half verifies,
/// and is the same key when it is written and read.
pub(crate) fn private_key(input: &[u8]) -> Outcome {
    let Some((first, der)) = input.split_first() else {
        return Outcome::refused("empty");
    };
    let algorithm = Algorithm::ALL[usize::from(*first) % Algorithm::ALL.len()];
    let key = match SigningKey::from_pkcs8(algorithm, der) {
        Ok(key) => key,
        Err(error) => return Outcome::refused((algorithm, error)),
    };
    let token = key.sign_compact("JWT", b"payload").expect("a small payload can be signed");
    let token = lydian_jose::Compact::parse(&token).expect("what we sign is a JWS");
    assert!(token.verify(key.verifying_key()).is_ok(), "the halves of the key do not belong together");
    let written = key.to_pkcs8().expect("a key can be written");
    let again = SigningKey::from_pkcs8(algorithm, &written).expect("what is written can be read");
    assert_eq!(again.kid(), key.kid());
    Outcome::accepted((algorithm, magnitude(der.len())))
}

/// A key of each type, behind the byte of its algorithm.
pub(crate) fn private_key_seeds() -> Vec<Vec<u8>> {
    let seed = |key: &SigningKey| {
        let place =
            Algorithm::ALL.iter().position(|algorithm| *algorithm == key.algorithm()).unwrap_or_default();
        let der = key.to_pkcs8().expect("a key can be written");
        [&[u8::try_from(place).unwrap_or_default()], &der[..]].concat()
    };
    vec![seed(keys::ed25519()), seed(keys::p256()), seed(keys::rsa())]
}

/// One file of PEM that holds certificate chain and key, as some authorities hand them out.
pub(crate) fn tls_files(input: &[u8]) -> Outcome {
    let files = TlsFiles::in_directory(Path::new("tls"));
    match certified_key(&files, input, input, &default_provider()) {
        Ok(certified) => {
            assert!(!certified.cert.is_empty());
            Outcome::accepted(certified.cert.len())
        }
        Err(TlsError::Pem { path, source }) => Outcome::refused_saying(&format!("{path:?} {source}")),
        Err(TlsError::KeyUnusable { .. }) => Outcome::refused("key"),
        Err(TlsError::Mismatch { source, .. }) => Outcome::refused_saying(&source.to_string()),
        Err(other) => panic!("no such fault of a text: {other}"),
    }
}

/// A certificate as a first start makes it, with its key.
pub(crate) fn tls_seeds() -> Vec<Vec<u8>> {
    static PEM: OnceLock<Vec<u8>> = OnceLock::new();
    let pem = PEM.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let inner = directory.path().join("tls");
        ensure_self_signed(&inner, &[], Timestamp::from_unix_seconds(1_800_000_000))
            .expect("a certificate is made");
        let files = TlsFiles::in_directory(&inner);
        [files.certificate, files.key].map(|path| std::fs::read(path).expect("the file was made")).concat()
    });
    vec![pem.clone()]
}
