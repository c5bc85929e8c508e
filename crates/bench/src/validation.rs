//! Validation of tokens within one process: ours, the bare signature, and a library that many use, in turns on one core.
//!
//! Nothing here goes over a network. The sides take turns of a few hundred calls each, so that a drift of the machine meets all of
//! them alike, and CPU time of the thread is measured, not the clock on the wall.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation};
use lydian_jose::{Algorithm, JwkSet, SigningKey};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{BootInstant, SystemEntropy, Timestamp};
use lydian_revocation::{CutKind, Event, Ledger, Link, LogPosition, LogRow, Seq};
use lydian_token_validation::{
    FactCache, Keys, Presented, Profile, Requirements, RevocationView, Standing, decide, verify,
};
use serde_json::Value;

use crate::machine::{pin_to, thread_cpu};
use crate::verification::Verification;

const ISSUER: &str = "https://as.example.com/t/acme";
const AUDIENCE: &str = "https://rs.example.com/";
const ISSUED_AT: u64 = 1_618_354_090;
/// Signatures cost the same for each token; a few hundred keep the branch predictor honest.
const TOKENS: usize = 256;
/// Calls of one side before the other has its turn.
const CALLS_AT_FIRST_SIGHT: usize = 64;
const CALLS_SEEN_BEFORE: usize = 4_096;

/// CPU time of one call of each side, in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Costs {
    /// Each side's, in the order in which they took turns.
    pub microseconds: Vec<f64>,
}

/// Tokens such as the product mints, with all that is needed to judge them.
pub struct Validator {
    profile: Profile,
    keys: Keys,
    tokens: Vec<String>,
    raw: Verification,
    decoding_key: DecodingKey,
    validation: Validation,
    requirements: Requirements,
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Validator").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Validator {
    /// Makes a key and signs tokens with it.
    ///
    /// # Errors
    ///
    /// The algorithm is not one of those measured, or aws-lc-rs fails.
    pub fn prepare(algorithm: Algorithm) -> Result<Self> {
        let key = SigningKey::generate(algorithm)?;
        let tokens: Vec<String> = (0..TOKENS)
            .map(|number| key.sign_compact("at+jwt", claims(number).as_bytes()))
            .collect::<Result<_, _>>()?;
        let set = JwkSet::from_keys(vec![key.verifying_key().clone()])?;
        let published: Value = serde_json::from_str(&set.to_json())?;
        let jwk: Jwk =
            serde_json::from_value(published["keys"][0].clone()).context("read the key as a JWK")?;
        let mut validation = Validation::new(algorithm.name().parse().context("name the algorithm")?);
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The tokens of all runs are of one time, so that their bytes are the same; ours is told the time, theirs cannot be.
        validation.validate_exp = false;
        Ok(Self {
            profile: Profile::builder(ISSUER, [AUDIENCE], [algorithm]).with_feed().build()?,
            keys: Keys::new(ISSUER, &set),
            raw: Verification::prepare(&published, &tokens)?,
            decoding_key: DecodingKey::from_jwk(&jwk)?,
            validation,
            tokens,
            requirements: Requirements::none().all_of(ScopeSet::parse("orders:read")?),
        })
    }

    /// How long a token is, in bytes.
    pub fn token_bytes(&self) -> usize {
        self.tokens.first().map_or(0, String::len)
    }

    /// First sight: ours, the bare signature, the other library; for as long as `duration` on `core`.
    ///
    /// # Errors
    ///
    /// A token is refused, or the core cannot be had.
    pub fn first_sight(&self, duration: Duration, core: usize) -> Result<Costs> {
        let ours = |number: usize| verify(black_box(&self.tokens[number]), &self.keys, &self.profile).is_ok();
        let raw = |number: usize| self.raw.verify_one(number);
        let other = |number: usize| {
            jsonwebtoken::decode::<Value>(
                black_box(&self.tokens[number]),
                &self.decoding_key,
                &self.validation,
            )
            .is_ok()
        };
        take_turns(&[&ours, &raw, &other], CALLS_AT_FIRST_SIGHT, duration, core)
    }

    /// Seen before: key of the cache, lookup and decision, with an empty ledger and with one of so many cuts.
    ///
    /// # Errors
    ///
    /// A token is refused, or the core cannot be had.
    pub fn seen_before(&self, cuts: u64, duration: Duration, core: usize) -> Result<Costs> {
        let cache = self.filled_cache()?;
        let (empty, full) = (ledger(0), ledger(cuts));
        let with_empty = |number: usize| self.judge_again(&cache, &empty, number);
        let with_full = |number: usize| self.judge_again(&cache, &full, number);
        take_turns(&[&with_empty, &with_full], CALLS_SEEN_BEFORE, duration, core)
    }

    /// A cache that knows all tokens.
    ///
    /// # Errors
    ///
    /// A token is refused.
    pub fn filled_cache(&self) -> Result<FactCache> {
        // A cache that is far from full: no token gives way to another.
        let cache = FactCache::new(TOKENS * 64, &SystemEntropy);
        for token in &self.tokens {
            let facts = Arc::new(verify(token, &self.keys, &self.profile)?);
            cache.keep(cache.key_of(token), facts, BootInstant::FOREVER);
        }
        Ok(cache)
    }

    /// Whether a token that the cache knows is granted.
    pub fn judge_again(&self, cache: &FactCache, ledger: &Ledger, number: usize) -> bool {
        let boot_now = BootInstant::from_nanoseconds(1);
        let key = cache.key_of(black_box(&self.tokens[number]));
        let Some(facts) = cache.find(key, self.profile.id(), boot_now) else {
            return false;
        };
        let standing = Standing {
            profile: &self.profile,
            keys: &self.keys,
            revocation: ledger.view(boot_now).map_or(RevocationView::Unknown, RevocationView::Feed),
            now: Timestamp::from_unix_seconds(ISSUED_AT + 100),
        };
        decide(&facts, &self.requirements, &Presented::BEARER, &standing).is_ok()
    }
}

/// The claims of the product's own tokens for a user (RFC 9068 §2.2).
fn claims(number: usize) -> String {
    format!(
        concat!(
            r#"{{"iss":"{issuer}","sub":"5ba552d6-7f0c-4a51","aud":"{audience}","exp":{exp},"nbf":{iat},"iat":{iat},"#,
            r#""jti":"{number:022}","client_id":"s6BhdRkqt3","azp":"s6BhdRkqt3","scope":"orders:read orders:write profile","#,
            r#""aut":"APPLICATION_USER","minted_at":123456,"lyd_grant":"{number:022}","lyd_session":"{number:022}","#,
            r#""lyd_subject":"{number:022}"}}"#
        ),
        issuer = ISSUER,
        audience = AUDIENCE,
        exp = ISSUED_AT + 900,
        iat = ISSUED_AT,
        number = number * 4,
    )
}

/// A ledger with so many cuts and as many revoked tokens, none of which concerns a token of ours.
pub fn ledger(entries: u64) -> Ledger {
    let ledger = Ledger::new(LogPosition { seq: Seq::from_number(entries), link: Link::NONE });
    ledger.hold_lease();
    for entry in 0..entries {
        let subject = u128::from(entry) << 64 | 1;
        let row = |event| LogRow {
            reach: lydian_revocation::Reach::default(),
            seq: Seq::from_number(entry),
            link: Link::NONE,
            event_id: 0,
            at: Timestamp::from_unix_seconds(ISSUED_AT),
            event,
        };
        let kind = CutKind::ALL[entry as usize % CutKind::ALL.len()];
        ledger.restore(&row(Event::Cut { kind, subject }));
        ledger.restore(&row(Event::Revoked { token: subject, expires_at: Timestamp::MAX }));
    }
    ledger
}

/// Lets each side make so many calls, one after the other, until `duration` has passed; a side says whether its call went well.
fn take_turns(
    sides: &[&(dyn Fn(usize) -> bool + Sync)],
    calls: usize,
    duration: Duration,
    core: usize,
) -> Result<Costs> {
    let run = || {
        pin_to(core)?;
        let started = Instant::now();
        let mut spent = vec![Duration::ZERO; sides.len()];
        let mut turns = 0_u32;
        while turns == 0 || started.elapsed() < duration {
            for (side, spent) in sides.iter().zip(&mut spent) {
                let before = thread_cpu();
                let went_well = (0..calls).all(|call| side(call % TOKENS));
                *spent += thread_cpu() - before;
                ensure!(went_well, "a good token was refused");
            }
            turns += 1;
        }
        let each = f64::from(turns) * calls as f64;
        Ok(Costs { microseconds: spent.iter().map(|spent| spent.as_secs_f64() * 1e6 / each).collect() })
    };
    thread::scope(|scope| match scope.spawn(run).join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_is_measured_on_each_side() {
        for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
            let validator = Validator::prepare(algorithm).unwrap();
            let core = crate::machine::Cores::allowed().unwrap()[0];
            assert_eq!(validator.first_sight(Duration::ZERO, core).unwrap().microseconds.len(), 3);
            assert_eq!(validator.seen_before(10, Duration::ZERO, core).unwrap().microseconds.len(), 2);
        }
    }

    #[test]
    fn p5_a_token_that_was_seen_before_is_judged_without_allocation() {
        let validator = Validator::prepare(Algorithm::Es256).unwrap();
        let cache = validator.filled_cache().unwrap();
        for ledger in [ledger(0), ledger(1_000)] {
            let counted = allocation_counter::measure(|| {
                for number in 0..TOKENS {
                    assert!(validator.judge_again(&cache, &ledger, number));
                }
            });
            assert_eq!(counted.count_total, 0);
        }
        // The counter counts: a first sight allocates.
        let counted = allocation_counter::measure(|| {
            assert!(verify(&validator.tokens[0], &validator.keys, &validator.profile).is_ok());
        });
        assert!(counted.count_total > 0);
    }
}
