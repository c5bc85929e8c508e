//! What a passkey says, at its registration and at a sign-in (Web Authentication Level 3, §7.1 and §7.2).
//!
//! No attestation is asked for and none is believed: a statement in the answer is passed over. Which challenges are good, and who a
//! credential belongs to, is decided by the caller.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use lydian_primitives::{Digest, base64url, limits};
use serde::Deserialize;

use super::cbor::{Item, Malformed, Reader};
use crate::records::{Factor, Passkey};
use crate::secrets::sha256;

/// The algorithms that are asked for, preferred ones first (RFC 9053 §2, RFC 8812 §2).
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const MAY_BE_COPIED: u8 = 1 << 3;
const IS_COPIED: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// How browsers reach an authenticator (Web Authentication §5.8.4). Others are not kept.
const TRANSPORTS: [&str; 6] = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];

/// Why the answer of a passkey is refused. It is for logs: the person is told that it did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers another challenge.
    Challenge,
    /// Its counter did not grow: there may be a copy of the key.
    Counter,
    /// It was made within a page of somebody else.
    CrossOrigin,
    /// Its key is of a kind that was not asked for, or is none.
    Key,
    /// It is not what an authenticator writes.
    Malformed,
    /// It was made on another page than ours.
    Origin,
    /// It is for another relying party.
    RelyingParty,
    /// Its signature is wrong.
    Signature,
    /// Nobody was present.
    UserAbsent,
    /// It belongs to somebody else.
    UserHandle,
    /// The authenticator did not check its user, and it must.
    UserNotVerified,
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What an answer must fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The challenge that was given out.
    pub challenge: &'a [u8],
    /// Where our pages are: `https://login.example.com`.
    pub origin: &'a str,
    /// The host of the issuer.
    pub relying_party: &'a str,
    /// Whether the authenticator must have checked its user.
    pub user_verification: bool,
}

/// A passkey that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What is kept of it.
    pub passkey: Passkey,
    /// Its counter.
    pub counter: u32,
    /// Whether the authenticator checked its user when it made it.
    pub user_verified: bool,
}

/// What a passkey says at a sign-in, read and not yet believed.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// The credential id by which the passkey is found.
    pub credential: Vec<u8>,
    /// The user handle that the authenticator keeps, if it sends it.
    pub user_handle: Option<Vec<u8>>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

/// What a passkey has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Its counter, from now on the least that is good.
    pub counter: u32,
    /// Whether the authenticator checked its user.
    pub user_verified: bool,
}

/// What the script of our pages sends (Web Authentication §5.1, `toJSON`). Other members are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    raw_id: String,
    r#type: String,
    response: AnswerResponse,
    #[serde(default)]
    client_extension_results: Extensions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: Option<String>,
    #[serde(default)]
    transports: Vec<String>,
    authenticator_data: Option<String>,
    signature: Option<String>,
    user_handle: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    #[serde(default)]
    cred_props: CredentialProperties,
}

#[derive(Default, Deserialize)]
struct CredentialProperties {
    #[serde(default)]
    rk: bool,
}

/// What the browser adds (Web Authentication §5.8.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// What the authenticator says of itself (Web Authentication §6.1).
struct AuthenticatorData<'a> {
    flags: u8,
    counter: u32,
    relying_party: &'a [u8],
    /// The credential id and the public key, where a passkey was made.
    credential: Option<(&'a [u8], &'a [u8])>,
}

/// Reads the answer to a registration.
///
/// # Errors
///
/// A [`Fault`].
pub fn register(answer: &str, expected: &Expected<'_>) -> Result<Made, Fault> {
    let answer = read(answer)?;
    let client_data = decode(&answer.response.client_data)?;
    fits(&client_data, "webauthn.create", expected)?;
    let attestation = decode(answer.response.attestation_object.as_deref().ok_or(Fault::Malformed)?)?;
    let data = AuthenticatorData::read(attested(&attestation)?)?;
    data.fits(expected)?;
    let (credential, key) = data.credential.ok_or(Fault::Malformed)?;
    if decode(&answer.raw_id)? != credential {
        return Err(Fault::Malformed);
    }
    PublicKey::read(key)?.check()?;
    let known = |known: &&str| answer.response.transports.iter().any(|one| one == known);
    Ok(Made {
        passkey: Passkey {
            credential: credential.to_vec(),
            public_key: key.to_vec(),
            transports: TRANSPORTS.iter().filter(|one| known(one)).map(|one| (*one).to_owned()).collect(),
            is_copied: data.flags & MAY_BE_COPIED != 0,
            is_discoverable: answer.client_extension_results.cred_props.rk,
        },
        counter: data.counter,
        user_verified: data.flags & USER_VERIFIED != 0,
    })
}

/// Reads what a passkey says at a sign-in, so that it can be found.
///
/// # Errors
///
/// [`Fault::Malformed`].
pub fn assertion(answer: &str) -> Result<Assertion, Fault> {
    let answer = read(answer)?;
    let needed = |text: Option<String>| decode(text.as_deref().ok_or(Fault::Malformed)?);
    let credential = decode(&answer.raw_id)?;
    if credential.is_empty() || credential.len() > limits::CREDENTIAL_ID_BYTES_MAX {
        return Err(Fault::Malformed);
    }
    let user_handle = answer.response.user_handle.filter(|handle| !handle.is_empty());
    Ok(Assertion {
        credential,
        user_handle: user_handle.map(|handle| decode(&handle)).transpose()?,
        client_data: decode(&answer.response.client_data)?,
        authenticator_data: needed(answer.response.authenticator_data)?,
        signature: needed(answer.response.signature)?,
    })
}

/// Decides whether an assertion proves that its passkey is there.
///
/// # Errors
///
/// A [`Fault`].
pub fn prove(assertion: &Assertion, factor: &Factor, expected: &Expected<'_>) -> Result<Proven, Fault> {
    let passkey = factor.passkey().filter(|passkey| passkey.credential == assertion.credential);
    let passkey = passkey.ok_or(Fault::UserHandle)?;
    fits(&assertion.client_data, "webauthn.get", expected)?;
    let data = AuthenticatorData::read(&assertion.authenticator_data)?;
    data.fits(expected)?;
    let signed = [assertion.authenticator_data.as_slice(), &sha256(&assertion.client_data)].concat();
    PublicKey::read(&passkey.public_key)?.verify(&signed, &assertion.signature)?;
    let counter = u64::from(data.counter);
    // Zero stands for an authenticator that does not count (Web Authentication §6.1.1).
    if (counter, factor.mark) != (0, 0) && counter <= factor.mark {
        return Err(Fault::Counter);
    }
    Ok(Proven { counter: data.counter, user_verified: data.flags & USER_VERIFIED != 0 })
}

fn read(answer: &str) -> Result<Answer, Fault> {
    if answer.len() > limits::CREDENTIAL_BYTES_MAX {
        return Err(Fault::Malformed);
    }
    let answer: Answer = serde_json::from_str(answer).map_err(|_| Fault::Malformed)?;
    if answer.r#type == "public-key" { Ok(answer) } else { Err(Fault::Malformed) }
}

fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    base64url::decode(text.as_bytes()).ok_or(Fault::Malformed)
}

/// Whether the browser made this answer on our page for our challenge.
fn fits(client_data: &[u8], ceremony: &str, expected: &Expected<'_>) -> Result<(), Fault> {
    let data: ClientData = serde_json::from_slice(client_data).map_err(|_| Fault::Malformed)?;
    if data.r#type != ceremony {
        return Err(Fault::Malformed);
    }
    let (given, answered) = (Digest::from_bytes(sha256(expected.challenge)), decode(&data.challenge)?);
    if !given.matches(&Digest::from_bytes(sha256(&answered))) {
        return Err(Fault::Challenge);
    }
    if data.origin != expected.origin {
        return Err(Fault::Origin);
    }
    if data.cross_origin { Err(Fault::CrossOrigin) } else { Ok(()) }
}

/// The authenticator data of an attestation object (Web Authentication §6.5.4).
fn attested(object: &[u8]) -> Result<&[u8], Fault> {
    let mut reader = Reader::of(object);
    let mut found = None;
    for _ in 0..reader.map()? {
        match reader.item()? {
            Item::Text("authData") if found.is_none() => found = Some(reader.bytes()?),
            Item::Text("fmt" | "attStmt") => reader.skip()?,
            _ => return Err(Fault::Malformed),
        }
    }
    if reader.rest().is_empty() { found.ok_or(Fault::Malformed) } else { Err(Fault::Malformed) }
}

impl<'a> AuthenticatorData<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (relying_party, rest) = bytes.split_at_checked(32).ok_or(Fault::Malformed)?;
        let (&flags, rest) = rest.split_first().ok_or(Fault::Malformed)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or(Fault::Malformed)?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            let (_model, after) = rest.split_at_checked(16).ok_or(Fault::Malformed)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or(Fault::Malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            if length == 0 || length > limits::CREDENTIAL_ID_BYTES_MAX {
                return Err(Fault::Malformed);
            }
            let (id, after) = after.split_at_checked(length).ok_or(Fault::Malformed)?;
            let mut reader = Reader::of(after);
            reader.skip()?;
            let key = &after[..after.len() - reader.rest().len()];
            if key.len() > limits::CREDENTIAL_KEY_BYTES_MAX {
                return Err(Fault::Malformed);
            }
            credential = Some((id, key));
            rest = reader.rest();
        }
        if flags & HAS_EXTENSIONS != 0 {
            let mut reader = Reader::of(rest);
            reader.clone().map()?;
            reader.skip()?;
            rest = reader.rest();
        }
        // A key that may not be copied is no copy (Web Authentication §6.1.3).
        if !rest.is_empty() || (flags & IS_COPIED != 0 && flags & MAY_BE_COPIED == 0) {
            return Err(Fault::Malformed);
        }
        Ok(Self { flags, counter: u32::from_be_bytes(*counter), relying_party, credential })
    }

    fn fits(&self, expected: &Expected<'_>) -> Result<(), Fault> {
        if self.relying_party != sha256(expected.relying_party.as_bytes()) {
            return Err(Fault::RelyingParty);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(Fault::UserAbsent);
        }
        if expected.user_verification && self.flags & USER_VERIFIED == 0 {
            return Err(Fault::UserNotVerified);
        }
        Ok(())
    }
}

/// A public key as COSE has it (RFC 9053 §7, RFC 8230 §4).
enum PublicKey<'a> {
    EdDsa(&'a [u8]),
    Es256 { x: &'a [u8], y: &'a [u8] },
    Rs256 { n: &'a [u8], e: &'a [u8] },
}

impl<'a> PublicKey<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader::of(bytes);
        let (mut kind, mut algorithm, mut curve) = (None, None, None);
        let mut parts: [Option<&[u8]>; 3] = [None; 3];
        for _ in 0..reader.map()? {
            let label = reader.integer()?;
            let known = match (label, reader.item()?) {
                (1, Item::Integer(value)) => kind.replace(value).is_some(),
                (3, Item::Integer(value)) => algorithm.replace(value).is_some(),
                (-1, Item::Integer(value)) => curve.replace(value).is_some(),
                (-1, Item::Bytes(value)) => parts[0].replace(value).is_some(),
                (-2, Item::Bytes(value)) => parts[1].replace(value).is_some(),
                (-3, Item::Bytes(value)) => parts[2].replace(value).is_some(),
                _ => true,
            };
            // A member twice, or one that none of our keys has.
            if known {
                return Err(Fault::Key);
            }
        }
        if !reader.rest().is_empty() {
            return Err(Fault::Malformed);
        }
        match (kind, algorithm, curve, parts) {
            (Some(2), Some(ES256), Some(1), [None, Some(x), Some(y)]) if x.len() == 32 && y.len() == 32 => {
                Ok(Self::Es256 { x, y })
            }
            (Some(1), Some(EDDSA), Some(6), [None, Some(key), None]) if key.len() == 32 => {
                Ok(Self::EdDsa(key))
            }
            (Some(3), Some(RS256), None, [Some(n), Some(e), None]) => Ok(Self::Rs256 { n, e }),
            _ => Err(Fault::Key),
        }
    }

    /// The point of an ES256 key as the library takes it: uncompressed.
    fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
        [&[4], x, y].concat()
    }

    /// Whether it is a key at all.
    fn check(&self) -> Result<(), Fault> {
        let parsed = match self {
            Self::EdDsa(key) => ParsedPublicKey::new(&ED25519, *key).map(drop),
            Self::Es256 { x, y } => {
                ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, Self::point(x, y)).map(drop)
            }
            // The library looks at the size when it verifies.
            Self::Rs256 { n, e } => {
                return if (256..=1024).contains(&n.len()) && !e.is_empty() && e.len() <= 8 {
                    Ok(())
                } else {
                    Err(Fault::Key)
                };
            }
        };
        parsed.map_err(|_| Fault::Key)
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Fault> {
        let verified = match self {
            Self::EdDsa(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature),
            Self::Es256 { x, y } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, Self::point(x, y)).verify(signed, signature)
            }
            Self::Rs256 { n, e } => {
                PublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
        };
        verified.map_err(|_| Fault::Signature)
    }
}
