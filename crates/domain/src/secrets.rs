//! Keys of the install, and what is derived from them: peppers, handles, wrapping, client secrets.

use std::fmt;

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf, hmac};
use lydian_primitives::{Digest, Mint, Secret, SecretBytes, base64url};
use zeroize::Zeroizing;

use crate::records::{Api, ApiId, ClientSecretHash, FactorId, RealmId, TokenDigest};
use crate::token_id::TokenId;

/// Which strings a pepper or a prefix is for. Kinds never share a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// Access tokens.
    Access,
    /// Authorization codes.
    Code,
    /// Device codes.
    Device,
    /// Refresh tokens.
    Refresh,
}

impl TokenKind {
    const ALL: [Self; 4] = [Self::Access, Self::Code, Self::Device, Self::Refresh];

    const fn label(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Code => "code",
            Self::Device => "device",
            Self::Refresh => "refresh",
        }
    }
}

/// A secret could not be unwrapped: another wrapping key, or altered bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnwrapError;

impl fmt::Display for UnwrapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored secret does not open with this wrapping key")
    }
}

impl std::error::Error for UnwrapError {}

/// The one key that is not in the store: it seals everything else (AES-256-GCM).
pub struct WrappingKey(SecretBytes<32>);

impl WrappingKey {
    /// The wrapping key with these bytes.
    pub fn new(key: SecretBytes<32>) -> Self {
        Self(key)
    }

    /// Seals `plain` for the purpose `label`; the same label opens it.
    pub fn wrap(&self, label: &str, plain: &[u8], mint: &Mint<'_>) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = mint.bytes();
        let mut sealed = Zeroizing::new(plain.to_vec());
        self.cipher()
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(label), &mut *sealed)
            .expect("a few kilobytes are within the limits of AES-GCM");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Self::wrap`] sealed.
    ///
    /// # Errors
    ///
    /// [`UnwrapError`] when key, label or bytes differ.
    pub fn unwrap(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(UnwrapError)?;
        let mut plain = Zeroizing::new(sealed.to_vec());
        let length = self
            .cipher()
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(label), &mut plain)
            .map_err(|_| UnwrapError)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// A value that tells whether two nodes hold the same key, and nothing else about it.
    pub fn check_value(&self) -> [u8; 16] {
        let mut value = [0; 16];
        expand(self.0.expose(), "lydian wrapping key check", &mut value);
        value
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.0.expose()).expect("the key has 32 bytes"))
    }
}

/// Hides 64-bit numbers in 128-bit handles: one AES-256 block over the number and zero bits.
///
/// A handle tells an outsider neither time nor rate, and a forged one is found out without a lookup.
#[derive(Clone)]
pub struct HandleCipher(Aes256);

impl HandleCipher {
    fn derive(root: &[u8; 32], label: &str) -> Self {
        let mut key = Zeroizing::new([0_u8; 32]);
        expand(root, label, &mut *key);
        Self(Aes256::new((&*key).into()))
    }

    /// The handle of a token: what `jti` shows in base64url.
    pub fn of_token(&self, id: TokenId) -> [u8; 16] {
        self.encrypt(u128::from(id.as_number()) << 64)
    }

    /// The token that a handle names; `None` for a handle that this key did not make.
    pub fn token_of(&self, handle: [u8; 16]) -> Option<TokenId> {
        let mut block = handle.into();
        self.0.decrypt_block(&mut block);
        let number = u128::from_be_bytes(block.into());
        if number as u64 != 0 {
            return None;
        }
        TokenId::from_number((number >> 64) as u64)
    }

    /// The handle of a grant, session or subject; the kinds cannot meet.
    pub fn of_subject(&self, kind: SubjectKind, number: u64) -> [u8; 16] {
        self.encrypt(u128::from(number) << 64 | kind as u128)
    }

    /// The grant, session or subject that a handle names; `None` for a handle that this key did not make for this kind.
    pub fn subject_of(&self, kind: SubjectKind, handle: [u8; 16]) -> Option<u64> {
        let mut block = handle.into();
        self.0.decrypt_block(&mut block);
        let number = u128::from_be_bytes(block.into());
        (number as u64 == kind as u64).then_some((number >> 64) as u64)
    }

    fn encrypt(&self, number: u128) -> [u8; 16] {
        let mut block = number.to_be_bytes().into();
        self.0.encrypt_block(&mut block);
        block.into()
    }
}

impl fmt::Debug for HandleCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandleCipher(..)")
    }
}

/// What a handle that differs per API names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SubjectKind {
    /// A grant (`lyd_grant`).
    Grant = 1,
    /// A session (`lyd_session`).
    Session = 2,
    /// A user (`lyd_subject`).
    User = 3,
    /// The user handle that passkeys keep (Web Authentication §5.4.3).
    Passkey = 4,
}

/// The root keys of an install, unwrapped.
pub struct RootKeys {
    /// Hides token ids; lives as long as the install.
    pub handle: SecretBytes<32>,
    /// The peppers of token digests, by generation; the last one is used for new tokens.
    pub peppers: Vec<SecretBytes<32>>,
}

/// What a realm derives from the root keys (HKDF-SHA-256 per realm and kind).
pub struct RealmSecrets {
    realm: RealmId,
    handle_root: SecretBytes<32>,
    token_handles: HandleCipher,
    /// By kind, then by generation.
    peppers: [Vec<hmac::Key>; TokenKind::ALL.len()],
    /// Make the keys that seal successors of refresh tokens, by generation.
    successor_keys: Vec<hmac::Key>,
    /// Seals what a browser carries for us between two pages.
    carried: WrappingKey,
    /// Seals the keys of authenticator apps.
    factors: WrappingKey,
}

impl RealmSecrets {
    /// Derives the secrets of a realm.
    pub fn derive(root: &RootKeys, realm: RealmId) -> Self {
        let peppers = |kind: TokenKind| -> Vec<hmac::Key> {
            root.peppers.iter().map(|pepper| pepper_key(pepper, realm, kind)).collect()
        };
        Self {
            realm,
            handle_root: root.handle.clone(),
            token_handles: HandleCipher::derive(
                root.handle.expose(),
                &format!("lydian token handles {realm}"),
            ),
            peppers: TokenKind::ALL.map(peppers),
            successor_keys: root
                .peppers
                .iter()
                .map(|pepper| {
                    let mut key = Zeroizing::new([0_u8; 32]);
                    expand(pepper.expose(), &format!("lydian refresh successors {realm}"), &mut *key);
                    hmac::Key::new(hmac::HMAC_SHA256, &*key)
                })
                .collect(),
            carried: wrapping_key_of(root, &format!("lydian carried state {realm}")),
            factors: wrapping_key_of(root, &format!("lydian second factors {realm}")),
        }
    }

    /// The cipher behind token strings and `jti`.
    pub fn token_handles(&self) -> &HandleCipher {
        &self.token_handles
    }

    /// The cipher behind the handles that one API sees; other APIs see others.
    pub fn subject_handles(&self, api: Option<ApiId>) -> HandleCipher {
        let api = api.map_or(0, lydian_primitives::Id::<Api>::as_number);
        HandleCipher::derive(
            self.handle_root.expose(),
            &format!("lydian subject handles {} {api}", self.realm),
        )
    }

    /// Seals the successor of a refresh token: it opens with the string of the replaced token alone.
    ///
    /// `None` for a generation that does not exist.
    pub fn seal_successor(
        &self,
        generation: u8,
        presented: &str,
        successor: &str,
        mint: &Mint<'_>,
    ) -> Option<Vec<u8>> {
        Some(self.successor_key(generation, presented)?.wrap("successor", successor.as_bytes(), mint))
    }

    /// Opens what [`Self::seal_successor`] sealed; `None` when it was sealed under another token.
    pub fn open_successor(&self, generation: u8, presented: &str, sealed: &[u8]) -> Option<Secret> {
        let plain = self.successor_key(generation, presented)?.unwrap("successor", sealed).ok()?;
        std::str::from_utf8(&plain).ok().map(|text| Secret::new(text.to_owned()))
    }

    fn successor_key(&self, generation: u8, presented: &str) -> Option<WrappingKey> {
        let tag = hmac::sign(self.successor_keys.get(usize::from(generation))?, presented.as_bytes());
        Some(WrappingKey::new(SecretBytes::new(tag.as_ref().try_into().ok()?)))
    }

    /// Seals what a browser carries for us between two pages, for the browser and the purpose that `label` names.
    pub fn seal_carried(&self, label: &str, plain: &[u8], mint: &Mint<'_>) -> String {
        base64url::encode(&self.carried.wrap(label, plain, mint))
    }

    /// Opens what [`Self::seal_carried`] sealed; `None` for another realm, browser or purpose, or altered bytes.
    pub fn open_carried(&self, label: &str, sealed: &str) -> Option<Vec<u8>> {
        let sealed = base64url::decode(sealed.as_bytes())?;
        Some(self.carried.unwrap(label, &sealed).ok()?.to_vec())
    }

    /// Seals the key of an authenticator app for the factor that it belongs to.
    pub fn seal_factor(&self, factor: FactorId, key: &[u8], mint: &Mint<'_>) -> Vec<u8> {
        self.factors.wrap(&format!("factor {factor}"), key, mint)
    }

    /// Opens what [`Self::seal_factor`] sealed; `None` for another realm or factor, or altered bytes.
    pub fn open_factor(&self, factor: FactorId, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.factors.unwrap(&format!("factor {factor}"), sealed).ok()
    }

    /// The generation of pepper that new tokens use.
    pub fn generation(&self) -> u8 {
        u8::try_from(self.peppers[0].len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// The digest of a whole token string under the pepper of a generation; `None` for a generation that does not exist.
    pub fn digest(&self, kind: TokenKind, generation: u8, token: &str) -> Option<TokenDigest> {
        let key = self.peppers[kind as usize].get(usize::from(generation))?;
        let tag = hmac::sign(key, token.as_bytes());
        let digest = Digest::from_bytes(tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes"));
        Some(TokenDigest { generation, digest })
    }
}

impl fmt::Debug for RealmSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RealmSecrets(..)")
    }
}

impl ClientSecretHash {
    /// Hashes a secret under a new salt.
    pub fn of(secret: &Secret, mint: &Mint<'_>) -> Self {
        let salt = mint.bytes();
        Self { salt, digest: salted(&salt, secret.expose()) }
    }

    /// Whether this is the hash of `presented`, in constant time.
    pub fn matches(&self, presented: &Secret) -> bool {
        self.digest.matches(&salted(&self.salt, presented.expose()))
    }
}

/// SHA-256 of salt and secret: with 12 and 43 bytes it fits one block.
fn salted(salt: &[u8; 12], secret: &str) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(salt);
    context.update(secret.as_bytes());
    Digest::from_bytes(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

/// SHA-256 of a text, where a digest stands for the text itself.
pub fn sha256(text: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, text).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn wrapping_key_of(root: &RootKeys, label: &str) -> WrappingKey {
    let mut key = [0_u8; 32];
    expand(root.handle.expose(), label, &mut key);
    WrappingKey::new(SecretBytes::new(key))
}

fn pepper_key(pepper: &SecretBytes<32>, realm: RealmId, kind: TokenKind) -> hmac::Key {
    let mut key = Zeroizing::new([0_u8; 32]);
    expand(pepper.expose(), &format!("lydian token pepper {realm} {}", kind.label()), &mut *key);
    hmac::Key::new(hmac::HMAC_SHA256, &*key)
}

fn expand(root: &[u8; 32], label: &str, out: &mut [u8]) {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"lydian 1")
        .extract(root)
        .expand(&[label.as_bytes()], Length(out.len()))
        .and_then(|material| material.fill(out))
        .expect("the length is far below the limit of HKDF");
}

#[cfg(test)]
mod tests {
    use lydian_primitives::{Hour, SystemEntropy, Timestamp};

    use super::*;

    fn mint() -> Mint<'static> {
        Mint::new(Timestamp::EPOCH, &SystemEntropy)
    }

    fn roots() -> RootKeys {
        RootKeys {
            handle: SecretBytes::new([1; 32]),
            peppers: vec![SecretBytes::new([2; 32]), SecretBytes::new([3; 32])],
        }
    }

    fn secrets(realm: u64) -> RealmSecrets {
        RealmSecrets::derive(&roots(), RealmId::from_number(realm))
    }

    fn id(sequence: u32) -> TokenId {
        TokenId::from_parts(Hour::from_number(500_000).unwrap(), 1, sequence)
    }

    #[test]
    fn what_was_wrapped_opens_with_the_same_key_and_label_only() {
        let key = WrappingKey::new(SecretBytes::new([7; 32]));
        let sealed = key.wrap("a", b"secret", &mint());
        assert_eq!(&*key.unwrap("a", &sealed).unwrap(), b"secret");
        assert_eq!(key.unwrap("b", &sealed).unwrap_err(), UnwrapError);
        assert_eq!(
            WrappingKey::new(SecretBytes::new([8; 32])).unwrap("a", &sealed).unwrap_err(),
            UnwrapError
        );
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert_eq!(key.unwrap("a", &altered).unwrap_err(), UnwrapError, "byte {position}");
        }
        assert_eq!(key.unwrap("a", &sealed[..5]).unwrap_err(), UnwrapError);
    }

    #[test]
    fn no_two_sealed_secrets_share_a_nonce() {
        let key = WrappingKey::new(SecretBytes::new([7; 32]));
        let mint = mint();
        let mut nonces: Vec<_> =
            (0..100).map(|_| key.wrap("a", b"secret", &mint)[..NONCE_LEN].to_vec()).collect();
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), 100);
    }

    #[test]
    fn the_check_value_tells_keys_apart() {
        let value = |byte| WrappingKey::new(SecretBytes::new([byte; 32])).check_value();
        assert_eq!(value(1), value(1));
        assert_ne!(value(1), value(2));
    }

    #[test]
    fn a_handle_leads_back_to_its_token() {
        let secrets = secrets(1);
        for sequence in [0, 1, u32::MAX] {
            let handle = secrets.token_handles().of_token(id(sequence));
            assert_eq!(secrets.token_handles().token_of(handle), Some(id(sequence)));
        }
    }

    #[test]
    fn a_forged_handle_names_nothing() {
        let secrets = secrets(1);
        let handle = secrets.token_handles().of_token(id(1));
        for bit in 0..128 {
            let mut forged = handle;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(secrets.token_handles().token_of(forged), None, "bit {bit}");
        }
    }

    #[test]
    fn w32_a_handle_of_another_realm_names_nothing() {
        let handle = secrets(1).token_handles().of_token(id(1));
        assert_eq!(secrets(2).token_handles().token_of(handle), None);
    }

    #[test]
    fn subject_handles_differ_by_api_kind_and_number_and_are_no_token_handles() {
        let secrets = secrets(1);
        let (one, two) = (ApiId::from_number(1), ApiId::from_number(2));
        let of = |api, kind, number| secrets.subject_handles(Some(api)).of_subject(kind, number);
        let handle = of(one, SubjectKind::Grant, 9);
        assert_eq!(handle, of(one, SubjectKind::Grant, 9));
        assert_ne!(handle, of(two, SubjectKind::Grant, 9));
        assert_ne!(handle, of(one, SubjectKind::Session, 9));
        assert_ne!(handle, of(one, SubjectKind::Grant, 10));
        assert_eq!(secrets.token_handles().token_of(handle), None);
    }

    #[test]
    fn a_subject_handle_leads_back_within_its_api_and_kind() {
        let cipher = secrets(1).subject_handles(None);
        let handle = cipher.of_subject(SubjectKind::User, 77);
        assert_eq!(cipher.subject_of(SubjectKind::User, handle), Some(77));
        assert_eq!(cipher.subject_of(SubjectKind::Grant, handle), None);
        let other = secrets(1).subject_handles(Some(ApiId::from_number(1)));
        assert_eq!(other.subject_of(SubjectKind::User, handle), None);
    }

    #[test]
    fn digests_differ_by_kind_generation_and_realm() {
        let secrets_one = secrets(1);
        let digest = |secrets: &RealmSecrets, kind, generation| {
            secrets.digest(kind, generation, "lya_x").unwrap().digest
        };
        let base = digest(&secrets_one, TokenKind::Access, 0);
        assert!(base.matches(&digest(&secrets_one, TokenKind::Access, 0)));
        assert!(!base.matches(&digest(&secrets_one, TokenKind::Refresh, 0)));
        assert!(!base.matches(&digest(&secrets_one, TokenKind::Access, 1)));
        assert!(!base.matches(&digest(&secrets(2), TokenKind::Access, 0)));
        assert!(secrets_one.digest(TokenKind::Access, 2, "lya_x").is_none());
        assert_eq!(secrets_one.generation(), 1);
    }

    #[test]
    fn a_successor_opens_with_the_replaced_token_alone() {
        let secrets = secrets(1);
        let sealed = secrets.seal_successor(1, "lyr_old", "lyr_new", &mint()).unwrap();
        assert_eq!(secrets.open_successor(1, "lyr_old", &sealed).unwrap().expose(), "lyr_new");
        assert!(secrets.open_successor(1, "lyr_other", &sealed).is_none());
        assert!(secrets.open_successor(0, "lyr_old", &sealed).is_none());
        assert!(
            super::RealmSecrets::derive(&roots(), RealmId::from_number(2))
                .open_successor(1, "lyr_old", &sealed)
                .is_none()
        );
        assert!(secrets.seal_successor(2, "lyr_old", "lyr_new", &mint()).is_none());
    }

    #[test]
    fn what_a_browser_carries_opens_for_its_realm_and_label_alone() {
        let sealed = secrets(1).seal_carried("flow of one browser", b"request", &mint());
        assert_eq!(secrets(1).open_carried("flow of one browser", &sealed).unwrap(), b"request");
        assert!(secrets(1).open_carried("flow of another", &sealed).is_none());
        assert!(secrets(2).open_carried("flow of one browser", &sealed).is_none());
        assert!(secrets(1).open_carried("flow of one browser", &format!("{sealed}A")).is_none());
        assert!(secrets(1).open_carried("flow of one browser", "").is_none());
    }

    #[test]
    fn the_key_of_an_app_opens_for_its_realm_and_factor_alone() {
        let (one, two) = (FactorId::from_number(1), FactorId::from_number(2));
        let sealed = secrets(1).seal_factor(one, b"key", &mint());
        assert_eq!(&**secrets(1).open_factor(one, &sealed).unwrap(), b"key");
        assert!(secrets(1).open_factor(two, &sealed).is_none());
        assert!(secrets(2).open_factor(one, &sealed).is_none());
        assert!(secrets(1).open_factor(one, &sealed[1..]).is_none());
        // Nor does it open as what a browser carries.
        assert!(secrets(1).open_carried("factor 1", &base64url::encode(&sealed)).is_none());
    }

    #[test]
    fn a_client_secret_matches_its_own_hash_only() {
        let secret = mint().client_secret();
        let hash = ClientSecretHash::of(&secret, &mint());
        assert!(hash.matches(&secret));
        assert!(!hash.matches(&mint().client_secret()));
        assert!(!hash.matches(&Secret::new(String::new())));
        let again = ClientSecretHash::of(&secret, &mint());
        assert_ne!(hash.salt, again.salt);
        assert!(!hash.digest.matches(&again.digest));
    }
}
