//! Strict JSON Web Signatures, keys and claims (RFC 7515 to 7519, 7638, 8037) over aws-lc-rs.
//!
//! Only the compact serialization and only asymmetric signatures exist here: there is no `none`, no HMAC, no
//! JSON serialization and no decryption. Begin with [`verify_with_set`], or with [`Compact`] where the key is
//! chosen in another way; [`Claims`] can be reached through [`Verified`] alone. [`json`] is the strict reader
//! beneath all of it.
//!
//! ```
//! use lydian_jose::{Algorithm, JwkSet, SigningKey, verify_with_set};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let token = key.sign_compact("at+jwt", br#"{"iss":"https://as.example","sub":"alice"}"#)?;
//!
//! let published = JwkSet::from_keys(vec![key.verifying_key().clone()])?.to_json();
//! let keys = JwkSet::parse(published.as_bytes())?.keys;
//! let verified = verify_with_set(&token, &keys, &[Algorithm::Es256])?;
//! assert!(verified.header().typ_is("at+jwt"));
//! assert_eq!(verified.claims()?.required_string("sub")?, "alice");
//! # Ok(())
//! # }
//! ```
//!
//! A token that was only parsed shows no claims:
//!
//! ```compile_fail,E0599
//! let token = lydian_jose::Compact::parse("e30.e30.e30").unwrap();
//! token.claims();
//! ```
#![forbid(unsafe_code)]

mod algorithm;
mod claims;
pub mod json;
mod jwk_set;
mod jws;
mod key_error;
mod signing;
mod verifying;
mod weak;

pub use algorithm::{Algorithm, KeyType};
pub use claims::{Claims, ClaimsError, NumericDate};
pub use jwk_set::{JwkSet, JwkSetError, JwkSetReading, SkippedKey};
pub use jws::{Compact, Header, JwsError, Verified, verify_with_set};
pub use key_error::KeyError;
pub use signing::SigningKey;
pub use verifying::VerifyingKey;

#[cfg(test)]
mod tests;
