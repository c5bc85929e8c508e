//! Fills the embedded store of a stopped server with as many rows as the targets speak of.
//!
//! Ten million tokens cannot be issued and left to expire while somebody waits, so they are written through the
//! backend's own filler, with the ids that they would have.

use std::path::Path;

use anyhow::{Context, Result};
use lydian_domain::{AccessToken, Audience, TokenDigest, TokenForm, TokenId};
use lydian_oauth_types::ScopeSet;
use lydian_primitives::{Digest, Id, Timestamp};
use lydian_revocation::Seq;
use lydian_storage_embedded::fill::Filler;

use crate::progress::Progress;

/// Rows that are written before progress is shown.
const BATCH: u32 = 500_000;

/// How long ago the tokens have expired: less than the hour after which they may be forgotten.
const EXPIRED_SECONDS_AGO: u64 = 600;

/// How long they had lived.
const LIFE_SECONDS: u64 = 3_600;

/// How long the revoked tokens would still live: the ledger must hold them.
const REVOKED_LIFE_SECONDS: u64 = 3_000;

/// The generation of the store in the ids, so that no token that the server mints has one of them.
const STORE_GENERATION: u8 = 200;

/// Adds so many access tokens that expired a while before `now` to the store in a data directory.
///
/// # Errors
///
/// The store cannot be opened or written.
pub fn add_expired_tokens(directory: &Path, count: u32, now: Timestamp, progress: &Progress) -> Result<()> {
    let filler = Filler::open(directory).context("open the store to fill it")?;
    let scope: ScopeSet = ScopeSet::parse("read write").context("read the scope of the tokens")?;
    in_batches(count, |sequences| {
        let done = sequences.end;
        let tokens = sequences.map(|sequence| expired_token(now, sequence, scope.clone()));
        filler.access_tokens(tokens).context("store expired tokens")?;
        progress.now(&format!("stored {done} of {count} expired tokens"));
        Ok(())
    })?;
    filler.finish().context("close the store that was filled")
}

/// Adds so many revocations of tokens that would still live to the log of the store in a data directory.
///
/// # Errors
///
/// The store cannot be opened or written.
pub fn add_revocations(directory: &Path, count: u32, now: Timestamp, progress: &Progress) -> Result<()> {
    let filler = Filler::open(directory).context("open the store to fill it")?;
    let expires_at = now.plus_seconds(REVOKED_LIFE_SECONDS);
    in_batches(count, |sequences| {
        let done = sequences.end;
        let tokens = sequences.map(|sequence| (id(expires_at, sequence), expires_at));
        filler.revocations(tokens, now).context("store revocations")?;
        progress.now(&format!("stored {done} of {count} revocations"));
        Ok(())
    })?;
    filler.finish().context("close the store that was filled")
}

fn in_batches(count: u32, mut add: impl FnMut(std::ops::Range<u32>) -> Result<()>) -> Result<()> {
    for first in (0..count).step_by(BATCH as usize) {
        add(first..count.min(first.saturating_add(BATCH)))?;
    }
    Ok(())
}

/// A token like those of client_credentials, of a client and a grant that nobody asks about.
fn expired_token(now: Timestamp, sequence: u32, scope: ScopeSet) -> AccessToken {
    let expires_at = now.minus_seconds(EXPIRED_SECONDS_AGO);
    // Nobody presents these tokens: a digest needs the length of one, not its secret.
    let mut digest = [0xA5; 32];
    digest[..4].copy_from_slice(&sequence.to_be_bytes());
    AccessToken {
        id: id(expires_at, sequence),
        realm: Id::from_number(1),
        client: Id::from_number(1),
        user: None,
        session: None,
        grant: Id::from_number(1),
        audience: Audience::Api(Id::from_number(1)),
        scope,
        issued_at: expires_at.minus_seconds(LIFE_SECONDS),
        expires_at,
        minted_at: Seq::from_number(1),
        form: TokenForm::Opaque,
        digest: Some(Box::new(TokenDigest { generation: 1, digest: Digest::from_bytes(digest) })),
        revoked_at: None,
    }
}

fn id(expires_at: Timestamp, sequence: u32) -> TokenId {
    TokenId::from_parts(expires_at.hour(), STORE_GENERATION, sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_every_sequence_number_once() {
        for count in [0, 1, BATCH, BATCH + 1, 3 * BATCH - 1] {
            let mut next = 0;
            in_batches(count, |sequences| {
                assert_eq!(sequences.start, next);
                assert!(sequences.end - sequences.start <= BATCH);
                next = sequences.end;
                Ok(())
            })
            .unwrap();
            assert_eq!(next, count);
        }
    }

    #[test]
    fn the_tokens_have_expired_and_may_not_be_forgotten_yet() {
        let now = Timestamp::from_unix_seconds(1_800_000_123);
        let token = expired_token(now, 7, ScopeSet::parse("read").unwrap());
        assert!(token.expires_at <= now);
        assert_eq!(token.id.expiry(), token.expires_at.hour());
        assert!(token.expires_at.plus_seconds(3_600) > now);
    }

    #[test]
    fn a_store_is_filled_with_both() {
        let directory = tempfile::tempdir().unwrap();
        let progress = Progress::begin("test", 1);
        let now = Timestamp::from_unix_seconds(1_800_000_000);
        add_expired_tokens(directory.path(), 1_000, now, &progress).unwrap();
        add_revocations(directory.path(), 1_000, now, &progress).unwrap();
    }
}
