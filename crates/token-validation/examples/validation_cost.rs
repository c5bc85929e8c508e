//! Measures what a token costs at first sight beyond its bare signature, and what it costs when it was seen before.
//!
//! Run it with `cargo run --release -p lydian-token-validation --example validation_cost`. All sides run in turns, so that a change of the
//! machine's speed meets them alike; the medians of the turns are printed. `cargo xtask bench` has the rows of record.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use lydian_jose::json::Json;
use lydian_jose::{Algorithm, JwkSet, SigningKey};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{BootInstant, SystemEntropy, Timestamp, base64url};
use lydian_revocation::{CutKind, Event, Ledger, Link, LogPosition, LogRow, Seq};
use lydian_token_validation::{
    FactCache, Keys, Presented, Profile, Requirements, RevocationView, Standing, decide, verify,
};

const ISSUER: &str = "https://as.example.com/t/acme";
const CLAIMS: &[u8] = br#"{"iss":"https://as.example.com/t/acme","sub":"5ba552d67","aud":"https://rs.example.com/","exp":1618357690,"nbf":1618354090,"iat":1618354090,"jti":"AAECAwQFBgcICQoLDA0ODw","client_id":"s6BhdRkqt3","azp":"s6BhdRkqt3","scope":"orders:read orders:write profile","aut":"APPLICATION_USER","minted_at":123456,"lyd_grant":"AAECAwQFBgcICQoLDA0OEA","lyd_session":"AAECAwQFBgcICQoLDA0OEQ","lyd_subject":"AAECAwQFBgcICQoLDA0OEg"}"#;
const TURNS: usize = 101;

fn main() {
    for (algorithm, raw) in [
        (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED as &'static dyn VerificationAlgorithm),
        (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
        (Algorithm::EdDsa, &ED25519),
    ] {
        measure(algorithm, raw);
    }
}

fn measure(algorithm: Algorithm, raw_algorithm: &'static dyn VerificationAlgorithm) {
    let key = SigningKey::generate(algorithm).expect("a key can be made");
    let token = key.sign_compact("at+jwt", CLAIMS).expect("the key signs");
    let set = JwkSet::from_keys(vec![key.verifying_key().clone()]).expect("one key is a set");
    let keys = Keys::new(ISSUER, &set);
    let profile = Profile::builder(ISSUER, ["https://rs.example.com/"], [algorithm]).with_feed().build();
    let profile = profile.expect("the profile is complete");

    let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
    let signature = base64url::decode(signature.as_bytes()).expect("we encoded it");
    let raw_key = raw_key(&key, raw_algorithm);

    let cache = FactCache::new(100_000, &SystemEntropy);
    let facts = Arc::new(verify(&token, &keys, &profile).expect("the token is good"));
    cache.keep(cache.key_of(&token), facts, BootInstant::FOREVER);
    let ledgers = [ledger(0), ledger(100_000)];
    let requirements = Requirements::none().all_of(ScopeSet::parse("orders:read").expect("a scope"));
    let seen_before = |ledger: &Ledger| {
        let boot_now = BootInstant::from_nanoseconds(1);
        let facts = cache.find(cache.key_of(black_box(&token)), profile.id(), boot_now).expect("it was kept");
        let standing = Standing {
            profile: &profile,
            keys: &keys,
            revocation: ledger.view(boot_now).map_or(RevocationView::Unknown, RevocationView::Feed),
            now: Timestamp::from_unix_seconds(1_618_354_100),
        };
        assert!(decide(&facts, &requirements, &Presented::BEARER, &standing).is_ok());
    };

    let mut turns: [Vec<f64>; 5] = Default::default();
    for _ in 0..TURNS {
        turns[0].push(nanoseconds(200, || {
            assert!(raw_key.verify_sig(black_box(message.as_bytes()), black_box(&signature)).is_ok());
        }));
        turns[1].push(nanoseconds(200, || {
            assert!(verify(black_box(&token), &keys, &profile).is_ok());
        }));
        turns[2].push(nanoseconds(2_000, || {
            black_box(cache.key_of(black_box(&token)));
        }));
        turns[3].push(nanoseconds(2_000, || seen_before(&ledgers[0])));
        turns[4].push(nanoseconds(2_000, || seen_before(&ledgers[1])));
    }
    let [raw, first, prf, seen, seen_full] = turns.map(median);
    println!("{} token of {} bytes, nanoseconds", algorithm.name(), token.len());
    println!("  signature alone            {raw:>8.0}");
    println!("  first sight                {first:>8.0}  {:.3} x", first / raw);
    println!("  seen before                {seen:>8.0}  of which the key of the cache {prf:.0}");
    println!("  the same, 100,000 cuts     {seen_full:>8.0}");
}

/// A ledger with so many revoked tokens and as many cuts, none of which concerns the token.
fn ledger(entries: u64) -> Ledger {
    let ledger = Ledger::new(LogPosition { seq: Seq::from_number(2 * entries), link: Link::NONE });
    ledger.hold_lease();
    let row = |seq, event| LogRow {
        reach: lydian_revocation::Reach::default(),
        seq: Seq::from_number(seq),
        link: Link::NONE,
        event_id: 0,
        at: Timestamp::from_unix_seconds(1_618_354_000),
        event,
    };
    for entry in 0..entries {
        let (token, subject) = (u128::from(entry) << 64, u128::from(entry) << 64 | 1);
        let expires_at = Timestamp::MAX;
        ledger.restore(&row(entry, Event::Revoked { token, expires_at }));
        let kind = CutKind::ALL[entry as usize % CutKind::ALL.len()];
        ledger.restore(&row(entry, Event::Cut { kind, subject }));
    }
    ledger
}

fn raw_key(key: &SigningKey, algorithm: &'static dyn VerificationAlgorithm) -> ParsedPublicKey {
    let jwk = Json::parse(key.verifying_key().to_jwk_json().as_bytes()).expect("we wrote it");
    let member = |name| base64url::decode(jwk.root().get(name)?.as_str()?.as_bytes());
    if let (Some(n), Some(e)) = (member("n"), member("e")) {
        let parameters = match key.algorithm() {
            Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            _ => &RSA_PKCS1_2048_8192_SHA256,
        };
        return RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).expect("the key is our own");
    }
    let x = member("x").expect("the key has an x");
    let point = member("y").map_or_else(|| x.clone(), |y| [&[4], x.as_slice(), &y].concat());
    ParsedPublicKey::new(algorithm, point).expect("the key is our own")
}

fn nanoseconds(calls: u32, call: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns.get(turns.len() / 2).copied().unwrap_or(f64::NAN)
}
