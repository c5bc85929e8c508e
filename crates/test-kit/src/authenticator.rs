//! A passkey in software: it answers what our pages ask as a browser and an authenticator do, and lies where a test says so.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use lydian_domain::secrets::sha256;
use lydian_primitives::base64url;
use serde_json::{Value, json};

/// Flags of the authenticator data (Web Authentication §6.1).
pub const USER_PRESENT: u8 = 1;
/// The authenticator checked its user.
pub const USER_VERIFIED: u8 = 1 << 2;
/// The key may be copied, and was.
pub const COPIED: u8 = 1 << 3 | 1 << 4;

/// An authenticator with one key. What it says of itself is in public fields: a test changes them.
pub struct Authenticator {
    key: EcdsaKeyPair,
    /// The id of its credential.
    pub credential: Vec<u8>,
    /// What it says of the user and of copies.
    pub flags: u8,
    /// Its counter; it grows with each use unless it is zero.
    pub counter: u32,
    /// The page on which the browser believes to be.
    pub origin: String,
    /// For whom it answers, if not for whom it is asked.
    pub relying_party: Option<String>,
    /// Whether the browser says that the page is within another one.
    pub cross_origin: bool,
    /// The user handle that it got when the passkey was made.
    pub user_handle: Option<String>,
    /// How often it answered: each key has an id of its own.
    pub transports: Vec<String>,
}

impl Authenticator {
    /// A phone that checks its user, in a browser on this page, with a credential id of this number.
    pub fn new(origin: &str, number: u8) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key is made");
        Self {
            key,
            credential: vec![number; 32],
            flags: USER_PRESENT | USER_VERIFIED,
            counter: 1,
            origin: origin.to_owned(),
            relying_party: None,
            cross_origin: false,
            user_handle: None,
            transports: vec!["internal".to_owned(), "hybrid".to_owned(), "pigeon".to_owned()],
        }
    }

    /// Makes the passkey that is asked for: what the script of the page puts into `credential`.
    pub fn create(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).expect("options are JSON");
        self.user_handle = options["user"]["id"].as_str().map(str::to_owned);
        let data = self.data(options["rp"]["id"].as_str().expect("a relying party"), true);
        let object =
            [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData".as_slice(), &head(2, data.len()), &data]
                .concat();
        self.answer(json!({
            "clientDataJSON": base64url::encode(&self.client_data("webauthn.create", &options)),
            "attestationObject": base64url::encode(&object),
            "transports": self.transports,
        }))
    }

    /// Answers the question of a sign-in.
    pub fn get(&mut self, options: &str) -> String {
        let options: Value = serde_json::from_str(options).expect("options are JSON");
        if self.counter > 0 {
            self.counter += 1;
        }
        let data = self.data(options["rpId"].as_str().expect("a relying party"), false);
        let client_data = self.client_data("webauthn.get", &options);
        let signed = [data.as_slice(), &sha256(&client_data)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("the key signs");
        self.answer(json!({
            "clientDataJSON": base64url::encode(&client_data),
            "authenticatorData": base64url::encode(&data),
            "signature": base64url::encode(signature.as_ref()),
            "userHandle": self.user_handle,
        }))
    }

    fn answer(&self, response: Value) -> String {
        let id = base64url::encode(&self.credential);
        json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "clientExtensionResults": { "credProps": { "rk": true } },
            "response": response,
        })
        .to_string()
    }

    fn client_data(&self, ceremony: &str, options: &Value) -> Vec<u8> {
        json!({
            "type": ceremony,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
            "other_keys_can_be_added_here": "do not compare clientDataJSON against a template",
        })
        .to_string()
        .into_bytes()
    }

    fn data(&self, asked_for: &str, with_key: bool) -> Vec<u8> {
        let relying_party = self.relying_party.as_deref().unwrap_or(asked_for);
        let flags = if with_key { self.flags | 1 << 6 } else { self.flags };
        let mut data = [sha256(relying_party.as_bytes()).as_slice(), &[flags]].concat();
        data.extend(self.counter.to_be_bytes());
        if with_key {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.credential.len()).expect("an id is short").to_be_bytes());
            data.extend(&self.credential);
            data.extend(self.cose_key());
        }
        data
    }

    /// The public key as COSE has it.
    pub fn cose_key(&self) -> Vec<u8> {
        let point = &self.key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".as_slice(), x, b"\x22\x58\x20", y].concat()
    }
}

/// The first bytes of a CBOR item of this major type and length.
fn head(major: u8, length: usize) -> Vec<u8> {
    match u16::try_from(length).expect("an answer is short") {
        length @ 0..=23 => vec![major << 5 | length as u8],
        length @ 24..=255 => vec![major << 5 | 24, length as u8],
        length => [&[major << 5 | 25], length.to_be_bytes().as_slice()].concat(),
    }
}
