//! How the names that tokens carry become the 128-bit subjects of the ledger.
//!
//! The authorization server shows handles of tokens, grants, sessions and subjects, 22 characters of base64url each, and its feed
//! speaks of the same handles. Clients, keys and issuers are known by their names on both sides: their subject is the beginning of a
//! digest of the name. Tokens of other issuers have names in place of handles, and these are digested too.

use aws_lc_rs::digest;
use lydian_primitives::base64url;

/// The subject of a cut of everything that an issuer minted.
pub fn of_issuer(issuer: &str) -> u128 {
    digest_of("issuer", issuer)
}

/// The subject of a cut of a client, by its `client_id`.
pub fn of_client(client_id: &str) -> u128 {
    digest_of("client", client_id)
}

/// The subject of a cut of a key, by its thumbprint (RFC 7638).
pub fn of_key(thumbprint: &str) -> u128 {
    digest_of("key", thumbprint)
}

/// The number of a handle, or of the digest of a name of this kind that is no handle.
pub fn of_handle(kind: &'static str, handle: &str) -> u128 {
    match base64url::decode_array::<16>(handle.as_bytes()) {
        Some(bytes) => u128::from_be_bytes(bytes),
        None => digest_of(kind, handle),
    }
}

/// The kind keeps names apart; no kind holds a zero byte.
fn digest_of(kind: &'static str, name: &str) -> u128 {
    // Names are short: a buffer on the stack saves the context of a digest in pieces.
    let length = kind.len() + 1 + name.len();
    let mut short = [0_u8; 128];
    let digest = match short.get_mut(..length) {
        Some(described) => {
            described[..kind.len()].copy_from_slice(kind.as_bytes());
            described[kind.len() + 1..].copy_from_slice(name.as_bytes());
            digest::digest(&digest::SHA256, described)
        }
        None => digest::digest(&digest::SHA256, &[kind.as_bytes(), &[0], name.as_bytes()].concat()),
    };
    digest.as_ref().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}
