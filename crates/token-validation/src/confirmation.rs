//! To what a token is bound (RFC 7800 §3.1).

use lydian_jose::json::{Kind, Value};
use lydian_primitives::{Digest, base64url};

/// The confirmation of a token: what its presenter must prove to have.
#[derive(Clone, Copy, Debug)]
pub enum Confirmation {
    /// Nothing: whoever bears the token may use it.
    Bearer,
    /// The key with this thumbprint (`jkt`, RFC 9449 §6.1), this certificate (`x5t#S256`, RFC 8705 §3.1), or both.
    Bound {
        /// SHA-256 thumbprint of the key of the proofs.
        key: Option<Digest>,
        /// SHA-256 of the client certificate.
        certificate: Option<Digest>,
    },
    /// Something that is not known here. Such a token is refused: ignoring the member would unbind it.
    Unknown,
}

impl Confirmation {
    /// Reads the member `cnf` of claims or of an introspection answer; `None` when it is no object.
    pub(crate) fn read(cnf: Option<Value<'_>>) -> Option<Self> {
        let Some(cnf) = cnf else {
            return Some(Self::Bearer);
        };
        if cnf.kind() != Kind::Object {
            return None;
        }
        let (mut key, mut certificate) = (None, None);
        for (name, value) in cnf.as_object()? {
            let digest = value.as_str().and_then(|text| base64url::decode_array(text.as_bytes()));
            let known = match name {
                "jkt" => &mut key,
                "x5t#S256" => &mut certificate,
                _ => return Some(Self::Unknown),
            };
            *known = Some(Digest::from_bytes(digest?));
        }
        if key.is_none() && certificate.is_none() {
            return Some(Self::Unknown);
        }
        Some(Self::Bound { key, certificate })
    }
}
