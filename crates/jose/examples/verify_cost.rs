//! Measures what verifying a token costs beyond the signature itself.
//!
//! Run it with `cargo run --release -p lydian-jose --example verify_cost`. Both sides run in turns, so that a change of
//! the machine's speed meets both alike; the median of the turns is printed.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm};
use lydian_jose::json::Json;
use lydian_jose::{Algorithm, Compact, JwkSet, KeyError, SigningKey, verify_with_set};
use lydian_primitives::base64url;

const CLAIMS: &[u8] = br#"{"iss":"https://as.example.com/t/acme","sub":"5ba552d67","aud":"https://rs.example.com/","exp":1639528912,"iat":1618354090,"nbf":1618354090,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"openid profile reademail","aut":"APPLICATION_USER","username":"alice@example.com"}"#;
const TURNS: usize = 101;
const CALLS_PER_TURN: u32 = 200;

fn main() -> Result<(), KeyError> {
    for (algorithm, raw_algorithm) in [
        (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED as &'static dyn VerificationAlgorithm),
        (Algorithm::EdDsa, &ED25519),
    ] {
        measure(algorithm, raw_algorithm)?;
    }
    Ok(())
}

fn measure(algorithm: Algorithm, raw_algorithm: &'static dyn VerificationAlgorithm) -> Result<(), KeyError> {
    let key = SigningKey::generate(algorithm)?;
    let token = key.sign_compact("at+jwt", CLAIMS)?;
    let keys = JwkSet::from_keys(vec![key.verifying_key().clone()]).expect("one key is a set");

    let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
    let signature = base64url::decode(signature.as_bytes()).expect("we encoded it");
    let raw_key = ParsedPublicKey::new(raw_algorithm, public_bytes(&key)).expect("the key is our own");

    let mut raw_turns = Vec::new();
    let mut verify_turns = Vec::new();
    let mut claims_turns = Vec::new();
    let mut parse_turns = Vec::new();
    for _ in 0..TURNS {
        raw_turns.push(nanoseconds(|| {
            assert!(raw_key.verify_sig(black_box(message.as_bytes()), black_box(&signature)).is_ok());
        }));
        verify_turns.push(nanoseconds(|| {
            assert!(verify_with_set(black_box(&token), &keys, &[algorithm]).is_ok());
        }));
        claims_turns.push(nanoseconds(|| {
            let verified =
                verify_with_set(black_box(&token), &keys, &[algorithm]).expect("the token is valid");
            assert!(black_box(verified.claims()).is_ok());
        }));
        parse_turns.push(nanoseconds(|| {
            assert!(Compact::parse(black_box(&token)).is_ok());
        }));
    }
    let [raw, verify, claims, parse] = [raw_turns, verify_turns, claims_turns, parse_turns].map(median);
    println!("{} token of {} bytes, nanoseconds", algorithm.name(), token.len());
    println!("  signature alone       {raw:>8.0}");
    println!("  verify_with_set       {verify:>8.0}  {:.3} x", verify / raw);
    println!("  the same with claims  {claims:>8.0}  {:.3} x", claims / raw);
    println!("  Compact::parse alone  {parse:>8.0}");
    let sign = nanoseconds(|| {
        assert!(key.sign_compact(black_box("at+jwt"), black_box(CLAIMS)).is_ok());
    });
    println!("  sign_compact          {sign:>8.0}");
    Ok(())
}

/// The public key in the form that aws-lc-rs takes: an uncompressed point, or the bytes of an Ed25519 key.
fn public_bytes(key: &SigningKey) -> Vec<u8> {
    let jwk = Json::parse(key.verifying_key().to_jwk_json().as_bytes()).expect("we wrote it");
    let coordinate = |name| {
        let text = jwk.root().get(name)?.as_str()?;
        base64url::decode(text.as_bytes())
    };
    let x = coordinate("x").expect("the key has an x");
    coordinate("y").map_or_else(|| x.clone(), |y| [&[4], x.as_slice(), &y].concat())
}

fn nanoseconds(call: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS_PER_TURN {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS_PER_TURN)
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns.get(turns.len() / 2).copied().unwrap_or(f64::NAN)
}
