//! Passkeys: what browsers are asked, and the challenges that are good once.

use lydian_domain::authentication::{AuthenticationMethod, AuthenticationMethods};
use lydian_domain::factors::webauthn::{self, Expected};
use lydian_domain::secrets::{SubjectKind, sha256};
use lydian_domain::{ClientId, Factor, Passkey, User};
use lydian_primitives::{Timestamp, base64url, limits};
use lydian_storage::{Change, Precondition, Write};
use serde_json::{Value, json};

use crate::directory::RealmState;

/// What stands for the person in a passkey (Web Authentication §5.4.3): it tells nothing, and is found again without a lookup.
pub(crate) fn user_handle(realm: &RealmState, user: &User) -> [u8; 16] {
    realm.issuer_handles.of_subject(SubjectKind::Passkey, user.id.as_number())
}

/// Where passkeys of a realm are at home: the origin of the issuer and its host.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    origin: String,
    relying_party: String,
}

impl Home {
    /// The home of this realm's passkeys; `None` where the issuer is at a bare address, for which browsers make none.
    pub(crate) fn of(realm: &RealmState) -> Option<Self> {
        let issuer = url::Url::parse(&realm.issuer).ok()?;
        let relying_party = issuer.domain()?.to_owned();
        Some(Self { origin: issuer.origin().ascii_serialization(), relying_party })
    }

    /// What an answer must fit.
    pub(crate) fn expects<'a>(&'a self, challenge: &'a [u8; 32], user_verification: bool) -> Expected<'a> {
        Expected { challenge, origin: &self.origin, relying_party: &self.relying_party, user_verification }
    }

    /// The question for a passkey: one of these, or any of this house when there are none.
    pub(crate) fn ask<'a>(
        &self,
        challenge: &[u8; 32],
        allowed: impl Iterator<Item = &'a Factor>,
        user_verification: &str,
    ) -> String {
        json!({
            "challenge": base64url::encode(challenge),
            "rpId": self.relying_party,
            "timeout": limits::SECOND_FACTOR_SECONDS_MAX * 1_000,
            "userVerification": user_verification,
            "allowCredentials": descriptors(allowed),
        })
        .to_string()
    }

    /// The question for a new passkey of this person.
    pub(crate) fn ask_for_new<'a>(
        &self,
        challenge: &[u8; 32],
        realm: &RealmState,
        user: &User,
        known: impl Iterator<Item = &'a Factor>,
    ) -> String {
        let house = realm.realm.sign_in.brand_name.as_deref().unwrap_or("Lydian");
        let algorithm = |algorithm: &i64| json!({ "type": "public-key", "alg": algorithm });
        let algorithms: Vec<Value> = webauthn::ALGORITHMS.iter().map(algorithm).collect();
        json!({
            "rp": { "id": self.relying_party, "name": house },
            "user": {
                "id": base64url::encode(&user_handle(realm, user)),
                "name": user.username,
                "displayName": user.profile.name.as_deref().unwrap_or(&user.username),
            },
            "challenge": base64url::encode(challenge),
            "pubKeyCredParams": algorithms,
            "timeout": limits::SECOND_FACTOR_SECONDS_MAX * 1_000,
            "excludeCredentials": descriptors(known),
            "authenticatorSelection": { "residentKey": "preferred", "userVerification": "preferred" },
            "attestation": "none",
            "extensions": { "credProps": true },
        })
        .to_string()
    }
}

fn descriptors<'a>(factors: impl Iterator<Item = &'a Factor>) -> Vec<Value> {
    let descriptor = |passkey: &Passkey| {
        json!({
            "type": "public-key",
            "id": base64url::encode(&passkey.credential),
            "transports": passkey.transports,
        })
    };
    factors.filter_map(Factor::passkey).map(descriptor).collect()
}

/// What a passkey proves.
pub(crate) fn methods(passkey: &Passkey, user_verified: bool) -> AuthenticationMethods {
    let key = match passkey.is_copied {
        true => AuthenticationMethod::SoftwareKey,
        false => AuthenticationMethod::HardwareKey,
    };
    let methods = AuthenticationMethods::of(&[key]);
    if user_verified { methods.and(AuthenticationMethod::UserVerified) } else { methods }
}

/// Uses a challenge up: a change that does so twice conflicts. It is remembered among the used assertions, of a client that nobody is.
pub(crate) fn use_challenge(change: &mut Change, challenge: &[u8; 32], shown_at: u64) {
    let client = ClientId::from_number(0);
    let digest = sha256(&[b"passkey challenge ".as_slice(), challenge].concat());
    // The memory outlives the challenge by a second of its own.
    let expires_at = Timestamp::from_unix_seconds(shown_at + limits::SECOND_FACTOR_SECONDS_MAX + 1);
    change.preconditions.push(Precondition::AssertionUnused { client, digest, expires_at });
    change.writes.push(Write::UseAssertion { client, digest, expires_at });
}
