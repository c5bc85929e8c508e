//! Client certificates as a token names them (RFC 8705 §3.1).

use aws_lc_rs::digest;
use lydian_primitives::{Digest, base64url};

/// The SHA-256 of a certificate in DER, the value of `x5t#S256`.
#[derive(Clone, Copy, Debug)]
pub struct CertificateThumbprint(Digest);

impl CertificateThumbprint {
    /// The thumbprint of this certificate.
    ///
    /// The certificate is the one of the TLS connection, or one that a trusted proxy vouches for; whose it is decides the caller.
    pub fn of_der(certificate: &[u8]) -> Self {
        Self(sha256(certificate))
    }

    /// The thumbprint with these bytes, from a proxy that computed it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// Its text, as it stands in `cnf`.
    pub fn to_text(&self) -> String {
        base64url::encode(self.0.as_bytes())
    }

    /// Whether it is the one that a token names, in constant time.
    pub(crate) fn matches(&self, named: &Digest) -> bool {
        self.0.matches(named)
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut array = [0; 32];
    array.copy_from_slice(digest.as_ref());
    Digest::from_bytes(array)
}
