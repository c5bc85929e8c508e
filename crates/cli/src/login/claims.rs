//! What the ID token says, compared with what was asked (OpenID Connect Core §3.1.3.7).
//!
//! It came from the token endpoint itself over TLS, which stands for its signature (item 6 there).

use lydian_primitives::base64url;
use serde_json::{Map, Value};

use super::error::LoginError;

/// Checks that an ID token is there when one was granted, and that it answers this very request; a device sends no nonce.
///
/// # Errors
///
/// [`LoginError::IdTokenWrong`].
pub(crate) fn check(
    tokens: &Map<String, Value>,
    issuer: &str,
    client_id: &str,
    nonce: Option<&str>,
) -> Result<(), LoginError> {
    let text = |name: &str| tokens.get(name).and_then(Value::as_str);
    let Some(id_token) = text("id_token") else {
        let granted = text("scope").unwrap_or_default();
        if granted.split(' ').any(|scope| scope == "openid") {
            return Err(LoginError::IdTokenWrong("it is missing"));
        }
        return Ok(());
    };
    let claims = payload(id_token).ok_or(LoginError::IdTokenWrong("it is no JWT"))?;
    if claims.get("nonce").and_then(Value::as_str) != nonce {
        return Err(LoginError::IdTokenWrong("its nonce is not the one that was sent"));
    }
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(LoginError::IdTokenWrong("another server issued it"));
    }
    let names_client = match claims.get("aud") {
        Some(Value::String(audience)) => audience == client_id,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == client_id),
        _ => false,
    };
    if !names_client {
        return Err(LoginError::IdTokenWrong("it is for another client"));
    }
    Ok(())
}

fn payload(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let payload = parts.nth(1)?;
    parts.next()?;
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&base64url::decode(payload.as_bytes())?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(claims: &Value) -> Option<String> {
        let token = format!("e30.{}.c2ln", base64url::encode(claims.to_string().as_bytes()));
        let tokens = json!({ "scope": "openid", "id_token": token });
        let outcome = check(tokens.as_object().unwrap(), "https://as.example", "cli", Some("n-1"));
        outcome.err().map(|error| error.to_string())
    }

    #[test]
    fn an_id_token_is_taken_when_issuer_audience_and_nonce_are_ours() {
        let good = json!({ "iss": "https://as.example", "aud": "cli", "nonce": "n-1" });
        assert_eq!(checked(&good), None);
        assert_eq!(
            checked(&json!({ "iss": "https://as.example", "aud": ["x", "cli"], "nonce": "n-1" })),
            None
        );
        let cases = [
            ("nonce", json!("n-2"), "nonce"),
            ("nonce", Value::Null, "nonce"),
            ("iss", json!("https://as.example/"), "another server"),
            ("aud", json!("cli2"), "another client"),
            ("aud", json!(["x"]), "another client"),
        ];
        for (name, value, said) in cases {
            let mut claims = good.clone();
            claims[name] = value;
            let error = checked(&claims).expect("it is refused");
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn an_id_token_that_was_granted_must_be_there_and_be_a_jwt() {
        let outcome = |tokens: Value| check(tokens.as_object().unwrap(), "i", "c", Some("n")).is_ok();
        assert!(!outcome(json!({ "scope": "profile openid" })));
        assert!(outcome(json!({ "scope": "read" })));
        for token in ["", "a.b", "e30.e30.e30.e30", "e30.!.e30"] {
            assert!(!outcome(json!({ "id_token": token })), "{token}");
        }
    }
}
