//! Second factors of people: authenticator apps and passkeys.

use lydian_primitives::{Id, Timestamp, limits};

use super::realm::RealmId;
use super::user::UserId;

/// The id of a factor.
pub type FactorId = Id<Factor>;

/// What a person shows at sign-in besides a password, or instead of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factor {
    /// Its id, never reused.
    pub id: FactorId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// Whose it is.
    pub user: UserId,
    /// The name that the person gave it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last accepted.
    pub last_used_at: Option<Timestamp>,
    /// What only grows: the last accepted time step of an authenticator app, the signature counter of a passkey.
    pub mark: u64,
    /// What it is.
    pub kind: FactorKind,
}

/// What a factor is, with what verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// An authenticator app (RFC 6238); its key is sealed under a key of the realm.
    Authenticator {
        /// The sealed key.
        sealed_key: Vec<u8>,
    },
    /// A passkey (Web Authentication).
    Passkey(Passkey),
}

/// The public half of a passkey, and what is known of where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Its credential id, unique within the realm.
    pub credential: Vec<u8>,
    /// Its public key as COSE has it (RFC 9053).
    pub public_key: Vec<u8>,
    /// How browsers reach it, in their words.
    pub transports: Vec<String>,
    /// Whether it may live on several devices at once: its key is no hardware key then.
    pub is_copied: bool,
    /// Whether the authenticator finds it without being told its id, as far as the browser said.
    pub is_discoverable: bool,
}

impl Factor {
    /// The name as it is kept: without spaces around it and control characters in it, cut short; `otherwise` where nothing is left.
    pub fn canonical_name(text: &str, otherwise: &str) -> String {
        let plain: String = text.chars().filter(|character| !character.is_control()).collect();
        let cut: String = plain.trim().chars().take(limits::FACTOR_NAME_CHARACTERS_MAX).collect();
        if cut.trim().is_empty() { otherwise.to_owned() } else { cut.trim().to_owned() }
    }

    /// The passkey, if it is one.
    pub fn passkey(&self) -> Option<&Passkey> {
        match &self.kind {
            FactorKind::Passkey(passkey) => Some(passkey),
            FactorKind::Authenticator { .. } => None,
        }
    }

    /// What it is, in one word for machines.
    pub const fn word(&self) -> &'static str {
        match self.kind {
            FactorKind::Authenticator { .. } => "authenticator",
            FactorKind::Passkey(_) => "passkey",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_short_and_without_control_characters() {
        let name = |text: &str| Factor::canonical_name(text, "Passkey");
        assert_eq!(name("  My phone "), "My phone");
        assert_eq!(name("a\u{0}b\nc\u{7f}"), "abc");
        assert_eq!(name(" \n\t "), "Passkey");
        assert_eq!(name(""), "Passkey");
        assert_eq!(name(&"\u{e9}".repeat(100)).chars().count(), limits::FACTOR_NAME_CHARACTERS_MAX);
    }
}
