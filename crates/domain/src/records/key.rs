//! Signing keys as records.

use lydian_jose::Algorithm;
use lydian_primitives::{Id, Timestamp};
use lydian_revocation::Seq;

use super::realm::RealmId;

/// The id of a signing key. Its name on the wire is its `kid`.
pub type KeyId = Id<SigningKeyRecord>;

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyState {
    /// Published, and not used yet: every cache of the key set learns it first.
    Prepublished,
    /// Signs.
    Active,
    /// Published until the last token that it signed has expired.
    Retiring,
    /// Gone: what it signed is dead.
    Retired,
}

impl KeyState {
    /// Its word in the store and in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepublished => "prepublished",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }

    /// Reads back what [`Self::name`] wrote.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Prepublished, Self::Active, Self::Retiring, Self::Retired]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether the key set shows it, and its signatures count.
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Retired)
    }
}

/// A signing key as it lies in the store: the private part is wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its id, never reused.
    pub id: KeyId,
    /// The realm to which it belongs.
    pub realm: RealmId,
    /// Its name on the wire: the thumbprint of RFC 7638.
    pub kid: String,
    /// The one algorithm that it serves.
    pub algorithm: Algorithm,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it stands there.
    pub changed_at: Timestamp,
    /// Everything that it signed before this position is dead.
    pub cut_at: Seq,
    /// The private key (PKCS #8), sealed under the wrapping key of the install.
    pub wrapped_private_key: Vec<u8>,
    /// Grows with each change of this record.
    pub version: u64,
}
