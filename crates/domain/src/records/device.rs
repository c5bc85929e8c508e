//! Devices that wait until their person decides in a browser (RFC 8628).

use lydian_oauth_types::ScopeSet;
use lydian_primitives::Timestamp;
use lydian_revocation::Seq;

use super::api::ApiId;
use super::client::ClientId;
use super::grant::GrantId;
use super::realm::RealmId;
use super::token::TokenDigest;
use crate::token_id::TokenId;

/// A device authorization (RFC 8628 §3.1).
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// Its id, which names the hour of its death.
    pub id: TokenId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// What runs on the device.
    pub client: ClientId,
    /// The digest of the device code.
    pub digest: TokenDigest,
    /// What the person types, without its hyphen.
    pub user_code: String,
    /// For which API; `None` for the issuer.
    pub api: Option<ApiId>,
    /// What is asked for.
    pub scope: ScopeSet,
    /// When it began.
    pub issued_at: Timestamp,
    /// The first second at which it is not accepted.
    pub expires_at: Timestamp,
    /// What the person decided.
    pub decision: Option<DeviceDecision>,
    /// When the device got its tokens.
    pub redeemed_at: Option<Timestamp>,
}

/// What a person decided over a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceDecision {
    /// When.
    pub at: Timestamp,
    /// The grant that it opened; none when it was refused.
    pub grant: Option<GrantId>,
    /// The log position that had been applied before the person's state was read.
    pub minted_at: Seq,
}

/// The characters of user codes: no vowels, so that no words come out, and nothing that looks like something else (RFC 8628 §6.1).
pub const USER_CODE_ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many characters a user code has.
pub const USER_CODE_LENGTH: usize = 8;

/// A user code as it was typed: in any case, with any separators. `None` for what cannot be one.
pub fn canonical_user_code(typed: &str) -> Option<String> {
    let code: String = typed
        .chars()
        .filter(|character| !character.is_whitespace() && *character != '-')
        .map(|character| character.to_ascii_uppercase())
        .collect();
    let is_ours = |byte: u8| USER_CODE_ALPHABET.contains(&byte);
    (code.len() == USER_CODE_LENGTH && code.bytes().all(is_ours)).then_some(code)
}

/// A user code of 8 random bytes; `None` for bytes that would make some characters likelier than others.
pub fn user_code_of(random: [u8; 16]) -> Option<String> {
    const FAIR: u8 = 240;
    let characters: String = random
        .into_iter()
        .filter(|byte| *byte < FAIR)
        .take(USER_CODE_LENGTH)
        .map(|byte| char::from(USER_CODE_ALPHABET[usize::from(byte) % USER_CODE_ALPHABET.len()]))
        .collect();
    (characters.len() == USER_CODE_LENGTH).then_some(characters)
}

/// A user code as it is shown: two groups of four.
pub fn shown_user_code(code: &str) -> String {
    match code.split_at_checked(USER_CODE_LENGTH / 2) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_code_is_read_however_it_is_typed() {
        for typed in ["WDJBMJHT", "wdjb-mjht", " WDJB MJHT ", "w-d-j-b-m-j-h-t"] {
            assert_eq!(canonical_user_code(typed).as_deref(), Some("WDJBMJHT"), "{typed}");
        }
        for typed in ["", "WDJBMJH", "WDJBMJHTT", "WDJBMJHA", "WDJB_MJHT", "\u{212a}DJBMJHT"] {
            assert_eq!(canonical_user_code(typed), None, "{typed}");
        }
        assert_eq!(shown_user_code("WDJBMJHT"), "WDJB-MJHT");
    }

    #[test]
    fn a_user_code_is_made_of_fair_bytes_alone() {
        let code = user_code_of([0; 16]).unwrap();
        assert_eq!(canonical_user_code(&code), Some(code));
        assert_eq!(user_code_of([255; 16]), None);
        let mut random = [250; 16];
        random[8..].fill(239);
        assert_eq!(user_code_of(random).as_deref(), Some("ZZZZZZZZ"));
    }
}
