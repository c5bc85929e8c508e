use std::sync::Barrier;
use std::time::Duration;

use lydian_jose::{Algorithm, ClaimsError, SigningKey};
use lydian_primitives::{BootInstant, Digest, SecretBytes, base64url};

use super::support::*;
use crate::Rejection;
use crate::certificate::sha256;
use crate::dpop::{
    ExpectedProof, NonceRule, NonceStanding, Nonces, ProofError, ProofRules, ReplayMemory, VerifiedProof,
    verify_proof,
};

const ADDRESS: &str = "https://api.example/orders/1";

/// A client that makes proofs.
pub(super) struct Maker {
    key: aws_lc_rs::signature::EcdsaKeyPair,
    jwk: String,
    thumbprint: String,
}

impl Maker {
    pub(super) fn new() -> Self {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.to_pkcs8().unwrap()).unwrap();
        Self { key: pair, jwk: key.verifying_key().to_jwk_json(), thumbprint: key.kid().to_owned() }
    }

    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    fn header(&self) -> String {
        format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, self.jwk)
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let input =
            format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()));
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = self.key.sign(&random, input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }

    fn proof(&self, changes: &[(&str, &str)]) -> String {
        self.sign(&self.header(), &proof_claims(changes))
    }
}

fn proof_claims(changes: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("jti", "\"proof-1\"".to_owned()),
        ("htm", "\"GET\"".to_owned()),
        ("htu", format!("\"{ADDRESS}\"")),
        ("iat", NOW.to_string()),
    ];
    for (name, value) in changes {
        members.retain(|(other, _)| other != name);
        if !value.is_empty() {
            members.push((name, (*value).to_owned()));
        }
    }
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn rules() -> ProofRules {
    ProofRules::new([Algorithm::Es256, Algorithm::EdDsa])
}

const EXPECTED: ExpectedProof<'static> =
    ExpectedProof { method: "GET", address: ADDRESS, access_token: None, nonce: NonceRule::Ignored };

fn verify_at(proof: &str, expected: &ExpectedProof<'_>, now: u64) -> Result<VerifiedProof, ProofError> {
    verify_proof(proof, &rules(), expected, at(now))
}

#[track_caller]
fn check(proof: &str, expected: Option<ProofError>) {
    assert_eq!(verify_at(proof, &EXPECTED, NOW).err(), expected);
}

fn hash_of(token: &str) -> String {
    base64url::encode(sha256(token.as_bytes()).as_bytes())
}

/// A verified proof of this client, for this token.
pub(super) fn verified(maker: &Maker, token: Option<&str>) -> VerifiedProof {
    let ath = token.map(|token| format!("\"{}\"", hash_of(token))).unwrap_or_default();
    let expected = ExpectedProof { access_token: token, ..EXPECTED };
    verify_at(&maker.proof(&[("ath", &ath)]), &expected, NOW).unwrap()
}

#[test]
fn v38_a_good_proof_gives_its_thumbprint() {
    let maker = Maker::new();
    let proof = verify_at(&maker.proof(&[]), &EXPECTED, NOW).unwrap();
    assert_eq!(proof.thumbprint(), maker.thumbprint());
    let thumbprint = Digest::from_bytes(base64url::decode_array(maker.thumbprint().as_bytes()).unwrap());
    assert!(proof.is_by(&thumbprint) && !proof.is_by(&Digest::from_bytes([0; 32])));
    assert!(!proof.covers_token() && proof.nonce().is_none());
}

#[test]
fn v38_a_proof_is_one_signed_jws_of_its_type() {
    let maker = Maker::new();
    let good = maker.proof(&[]);
    for text in ["", "proof", "a.b.c", &format!("{good},{good}"), &format!("{good}."), &format!(" {good}")] {
        check(text, Some(ProofError::Malformed));
    }
    check(&"a".repeat(8 * 1024 + 1), Some(ProofError::TooLong));
    for typ in ["JWT", "at+jwt", "dpop", "application/jwt"] {
        let header = maker.header().replace("dpop+jwt", typ);
        check(&maker.sign(&header, &proof_claims(&[])), Some(ProofError::TypeOther));
    }
    let untyped = maker.header().replace(r#""typ":"dpop+jwt","#, "");
    check(&maker.sign(&untyped, &proof_claims(&[])), Some(ProofError::TypeOther));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let mut raw = base64url::decode(signature.as_bytes()).unwrap();
    raw[5] ^= 1;
    check(&format!("{head}.{}", base64url::encode(&raw)), Some(ProofError::SignatureWrong));
}

#[test]
fn v38_the_algorithm_is_asymmetric_and_allowed() {
    let maker = Maker::new();
    for name in ["none", "HS256", "ES256K", "ES384", "RS256"] {
        let header = maker.header().replacen("\"ES256\"", &format!("\"{name}\""), 1);
        check(&maker.sign(&header, &proof_claims(&[])), Some(ProofError::AlgorithmNotAllowed));
    }
    // Allowed, and not what the key is for.
    let header = maker.header().replacen("\"ES256\"", "\"EdDSA\"", 1);
    check(&maker.sign(&header, &proof_claims(&[])), Some(ProofError::KeyUnusable));
}

#[test]
fn v38_the_key_is_public_and_in_the_header() {
    let maker = Maker::new();
    let with = |jwk: &str| {
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#);
        maker.sign(&header, &proof_claims(&[]))
    };
    let private = format!(r#"{},"d":"AAAA"}}"#, maker.jwk.trim_end_matches('}'));
    for jwk in [private.as_str(), r#"{"kty":"oct","k":"AAAA"}"#, "{}", "\"key\"", "null", "[]"] {
        check(&with(jwk), Some(ProofError::KeyUnusable));
    }
    let header = r#"{"typ":"dpop+jwt","alg":"ES256"}"#;
    check(&maker.sign(header, &proof_claims(&[])), Some(ProofError::KeyMissing));
    // Another client's key: the signature is not by it.
    check(&with(&Maker::new().jwk), Some(ProofError::SignatureWrong));
    // Other members that carry keys are data.
    let header = maker.header().replace("\"typ\"", r#""jku":"https://evil.example","x5c":["AA=="],"typ""#);
    check(&maker.sign(&header, &proof_claims(&[])), None);
}

#[test]
fn v38_each_claim_is_there_and_has_its_type() {
    let maker = Maker::new();
    for name in ["jti", "htm", "htu", "iat"] {
        check(&maker.proof(&[(name, "")]), Some(ProofError::Claims(ClaimsError::Missing(name))));
        check(&maker.proof(&[(name, "[]")]), Some(ProofError::Claims(ClaimsError::WrongType(name))));
    }
    for name in ["ath", "nonce", "exp", "nbf"] {
        check(&maker.proof(&[(name, "[]")]), Some(ProofError::Claims(ClaimsError::WrongType(name))));
    }
    check(&maker.proof(&[("jti", "\"\"")]), Some(ProofError::IdLength));
    check(&maker.proof(&[("jti", &format!("\"{}\"", "j".repeat(256)))]), None);
    check(&maker.proof(&[("jti", &format!("\"{}\"", "j".repeat(257)))]), Some(ProofError::IdLength));
    check(&maker.proof(&[("extra", "{\"a\":1}")]), None);
}

#[test]
fn v38_the_proof_is_for_this_method_and_this_address() {
    let maker = Maker::new();
    for method in ["get", "POST", "GET ", ""] {
        check(&maker.proof(&[("htm", &format!("\"{method}\""))]), Some(ProofError::MethodOther));
    }
    for (address, expected) in [
        ("HTTPS://API.example:443/orders/./1?x#y", None),
        ("https://api.example/orders/%31", None),
        ("https://api.example/orders/2", Some(ProofError::AddressOther)),
        ("https://api.example/orders/1/", Some(ProofError::AddressOther)),
        ("https://api.example/Orders/1", Some(ProofError::AddressOther)),
        ("http://api.example/orders/1", Some(ProofError::AddressOther)),
        ("https://evil.example/orders/1", Some(ProofError::AddressOther)),
        ("https://api.example@evil.example/orders/1", Some(ProofError::AddressMalformed)),
        ("/orders/1", Some(ProofError::AddressMalformed)),
    ] {
        check(&maker.proof(&[("htu", &format!("\"{address}\""))]), expected);
    }
    let with_query = ExpectedProof { address: "https://api.example/orders/1?page=2", ..EXPECTED };
    assert!(verify_at(&maker.proof(&[]), &with_query, NOW).is_ok());
    let malformed = ExpectedProof { address: "orders", ..EXPECTED };
    assert_eq!(verify_at(&maker.proof(&[]), &malformed, NOW).err(), Some(ProofError::AddressOther));
}

#[test]
fn v38_the_proof_is_of_now() {
    let maker = Maker::new();
    let proof = maker.proof(&[]);
    for (now, expected) in [
        (NOW - 11, Some(ProofError::IssuedInFuture)),
        (NOW - 10, None),
        (NOW + 60, None),
        (NOW + 61, Some(ProofError::TooOld)),
    ] {
        assert_eq!(verify_at(&proof, &EXPECTED, now).err(), expected, "{now}");
    }
    check(&maker.proof(&[("exp", &NOW.to_string())]), Some(ProofError::TooOld));
    check(&maker.proof(&[("exp", &(NOW + 1).to_string())]), None);
    check(&maker.proof(&[("nbf", &(NOW + 11).to_string())]), Some(ProofError::IssuedInFuture));
    check(&maker.proof(&[("iat", "1e300")]), Some(ProofError::Claims(ClaimsError::OutOfRange("iat"))));
    // Whatever the fraction of a second, it is remembered for as long as it is accepted.
    for iat in [NOW.to_string(), format!("{NOW}.999")] {
        let proof = maker.proof(&[("iat", &iat)]);
        let verified = verify_at(&proof, &EXPECTED, NOW).unwrap();
        assert!(verify_at(&proof, &EXPECTED, verified.expires_at().as_unix_seconds()).is_err());
    }
}

#[test]
fn v38_the_proof_is_for_this_token() {
    let maker = Maker::new();
    let expected = ExpectedProof { access_token: Some("the token"), ..EXPECTED };
    for (ath, error) in [
        (hash_of("the token"), None),
        (hash_of("another token"), Some(ProofError::TokenOther)),
        (hash_of("the token")[1..].to_owned(), Some(ProofError::TokenOther)),
        (format!("{}=", hash_of("the token")), Some(ProofError::TokenOther)),
    ] {
        let proof = maker.proof(&[("ath", &format!("\"{ath}\""))]);
        assert_eq!(verify_at(&proof, &expected, NOW).err(), error, "{ath}");
    }
    assert_eq!(verify_at(&maker.proof(&[]), &expected, NOW).err(), Some(ProofError::TokenHashMissing));
}

#[test]
fn v41_a_nonce_is_good_while_it_is_given_out_and_for_as_long_again() {
    let (nonces, others) = (Nonces::new(&SecretBytes::new([1; 32])), Nonces::new(&SecretBytes::new([2; 32])));
    let start = 1_700_000_040 / 60 * 60;
    let nonce = nonces.issue(at(start));
    assert_eq!(nonce.len(), 22);
    assert_eq!(nonce, nonces.issue(at(start + 59)));
    assert_ne!(nonce, nonces.issue(at(start + 60)));
    assert_ne!(nonce, others.issue(at(start)));
    for (now, standing) in [
        (start, Some(NonceStanding::Current)),
        (start + 59, Some(NonceStanding::Current)),
        (start + 60, Some(NonceStanding::Previous)),
        (start + 119, Some(NonceStanding::Previous)),
        (start + 120, None),
        // A node whose clock is behind.
        (start - 1, Some(NonceStanding::Current)),
        (start - 61, None),
    ] {
        assert_eq!(nonces.check(&nonce, at(now)), standing, "{now}");
        assert_eq!(others.check(&nonce, at(now)), None);
    }
    for text in ["", "AAAAAAAAAAAAAAAAAAAAAA", &nonce[1..], &format!("{nonce}A")] {
        assert_eq!(nonces.check(text, at(start)), None, "{text}");
    }
    assert_eq!(nonces.check("", at(0)), None);
}

#[test]
fn v41_where_a_nonce_is_demanded_no_proof_passes_without_one() {
    let maker = Maker::new();
    let nonces = Nonces::new(&SecretBytes::new([1; 32]));
    let demanded = ExpectedProof { nonce: NonceRule::Demanded(&nonces), ..EXPECTED };
    let offered = ExpectedProof { nonce: NonceRule::Offered(&nonces), ..EXPECTED };
    let with = |nonce: &str| maker.proof(&[("nonce", &format!("\"{nonce}\""))]);
    let current = nonces.issue(at(NOW));
    let standing = |proof: &str, expected: &ExpectedProof<'_>| {
        verify_at(proof, expected, NOW).map(|verified| verified.nonce())
    };
    assert_eq!(standing(&with(&current), &demanded), Ok(Some(NonceStanding::Current)));
    assert_eq!(standing(&with(&current), &offered), Ok(Some(NonceStanding::Current)));
    assert_eq!(standing(&with("made-up"), &demanded), Err(ProofError::NonceOther));
    assert_eq!(standing(&with("made-up"), &offered), Err(ProofError::NonceOther));
    assert_eq!(standing(&with("made-up"), &EXPECTED), Ok(None));
    assert_eq!(standing(&maker.proof(&[]), &demanded), Err(ProofError::NonceMissing));
    assert_eq!(standing(&maker.proof(&[]), &offered), Ok(None));
}

const BOOT: BootInstant = BootInstant::from_nanoseconds(1_000_000_000_000);

fn memory(entries_max: usize) -> ReplayMemory {
    ReplayMemory::new(entries_max, at(NOW - 30), BOOT)
}

fn proof_named(maker: &Maker, jti: &str) -> VerifiedProof {
    verify_at(&maker.proof(&[("jti", &format!("\"{jti}\""))]), &EXPECTED, NOW).unwrap()
}

#[test]
fn v39_a_proof_counts_once_and_another_clients_proof_with_its_name_counts_too() {
    let (memory, maker) = (memory(10), Maker::new());
    let replayed = Err(Rejection::Proof(ProofError::Replayed));
    assert_eq!(memory.admit(&proof_named(&maker, "a"), BOOT), Ok(()));
    assert_eq!(memory.admit(&proof_named(&maker, "a"), BOOT), replayed);
    assert_eq!(memory.admit(&proof_named(&maker, "b"), BOOT), Ok(()));
    assert_eq!(memory.admit(&proof_named(&Maker::new(), "a"), BOOT), Ok(()));
    // For as long as it could come again it is remembered, and not for ever.
    let later = |seconds| BOOT.plus(Duration::from_secs(seconds));
    assert_eq!(memory.admit(&proof_named(&maker, "a"), later(71)), replayed);
    assert_eq!(memory.admit(&proof_named(&maker, "c"), later(72)), Ok(()));
    assert_eq!(memory.admit(&proof_named(&maker, "a"), later(143)), replayed);
    assert_eq!(memory.len(), 4);
    assert_eq!(memory.admit(&proof_named(&maker, "d"), later(144)), Ok(()));
    assert_eq!(memory.len(), 2);
    assert_eq!(memory.admit(&proof_named(&maker, "e"), later(1_000)), Ok(()));
    assert_eq!(memory.len(), 1);
}

#[test]
fn v39_of_many_copies_at_once_exactly_one_is_admitted() {
    let (memory, maker) = (memory(10_000), Maker::new());
    let (threads, rounds) = (8, 50);
    let proofs: Vec<VerifiedProof> =
        (0..rounds).map(|round| proof_named(&maker, &format!("round {round}"))).collect();
    let barrier = Barrier::new(threads);
    let admitted: usize = std::thread::scope(|scope| {
        let rival = || {
            let admit = |proof| {
                barrier.wait();
                usize::from(memory.admit(proof, BOOT).is_ok())
            };
            proofs.iter().map(admit).sum::<usize>()
        };
        let rivals: Vec<_> = (0..threads).map(|_| scope.spawn(rival)).collect();
        rivals.into_iter().map(|rival| rival.join().unwrap()).sum()
    });
    assert_eq!(admitted, rounds);
}

#[test]
fn v39_a_full_memory_refuses_what_it_could_not_remember() {
    let (memory, maker) = (memory(2), Maker::new());
    assert!(memory.is_empty());
    assert_eq!(memory.admit(&proof_named(&maker, "a"), BOOT), Ok(()));
    assert_eq!(memory.admit(&proof_named(&maker, "b"), BOOT), Ok(()));
    assert_eq!(memory.admit(&proof_named(&maker, "c"), BOOT), Err(Rejection::ReplayMemoryFull));
    assert_eq!(memory.admit(&proof_named(&maker, "a"), BOOT), Err(Rejection::Proof(ProofError::Replayed)));
    assert_eq!(memory.len(), 2);
}

#[test]
fn v40_a_proof_from_before_the_start_counts_only_with_a_nonce() {
    let maker = Maker::new();
    let memory = ReplayMemory::new(10, at(NOW + 1), BOOT);
    let before = Err(Rejection::Proof(ProofError::MadeBeforeMemory));
    assert_eq!(memory.admit(&proof_named(&maker, "a"), BOOT), before);
    let nonces = Nonces::new(&SecretBytes::new([1; 32]));
    let nonce = format!("\"{}\"", nonces.issue(at(NOW)));
    let offered = ExpectedProof { nonce: NonceRule::Offered(&nonces), ..EXPECTED };
    let with_nonce = verify_at(&maker.proof(&[("nonce", &nonce)]), &offered, NOW).unwrap();
    assert_eq!(memory.admit(&with_nonce, BOOT), Ok(()));
    assert_eq!(ReplayMemory::new(10, at(NOW), BOOT).admit(&proof_named(&maker, "a"), BOOT), Ok(()));
}

#[test]
fn v40_a_proof_that_was_refused_is_not_burnt() {
    let (memory, maker) = (memory(10), Maker::new());
    let proof = maker.proof(&[]);
    let other_address = ExpectedProof { address: "https://api.example/other", ..EXPECTED };
    assert_eq!(verify_at(&proof, &other_address, NOW).err(), Some(ProofError::AddressOther));
    let verified = verify_at(&proof, &EXPECTED, NOW).unwrap();
    assert_eq!(memory.admit(&verified, BOOT), Ok(()));
}
