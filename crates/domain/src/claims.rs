//! Claims about a person: which of them a request may see (OpenID Connect Core §5).

use lydian_oauth_types::ScopeSet;
use serde_json::{Map, Value};

use crate::records::{User, UserProfile};
use crate::refusal::Refusal;

/// The claims of each identity scope (OpenID Connect Core §5.4).
const BY_SCOPE: [(&str, &[&str]); 4] = [
    ("address", &["address"]),
    ("email", &["email", "email_verified"]),
    ("phone", &["phone_number", "phone_number_verified"]),
    (
        "profile",
        &[
            "birthdate",
            "family_name",
            "gender",
            "given_name",
            "locale",
            "middle_name",
            "name",
            "nickname",
            "picture",
            "preferred_username",
            "profile",
            "updated_at",
            "website",
            "zoneinfo",
        ],
    ),
];

/// The claims that can be asked for one by one (`claims_supported`), `sub` aside.
pub fn supported() -> impl Iterator<Item = &'static str> {
    BY_SCOPE.into_iter().flat_map(|(_, claims)| claims.iter().copied())
}

/// Claims that a request asks for one by one (the parameter `claims`, OpenID Connect Core §5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// Names of claims for the ID token.
    pub id_token: Vec<String>,
    /// Names of claims for the UserInfo answer.
    pub userinfo: Vec<String>,
    /// The classes of authentication that the ID token is to say.
    pub acr: Option<AcrRequest>,
}

/// Which classes of authentication are asked for (OpenID Connect Core §5.5.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrRequest {
    /// Whether there is no answer without one of them.
    pub essential: bool,
    /// The classes, preferred ones first; words that nobody knows may be among them.
    pub values: Vec<String>,
}

impl AcrRequest {
    fn read(asked: &Value) -> Option<Self> {
        let words = |value: &Value| value.as_str().map(str::to_owned);
        let mut values: Vec<String> = asked.get("value").and_then(words).into_iter().collect();
        values.extend(asked.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(words));
        let essential = asked.get("essential").and_then(Value::as_bool).unwrap_or_default();
        (!values.is_empty()).then_some(Self { essential, values })
    }
}

impl ClaimsRequest {
    /// Reads the parameter. Claims that are not known are left out: a request for them is no error (§5.5.1).
    ///
    /// # Errors
    ///
    /// [`Refusal::ClaimsMalformed`] when it is no JSON object of objects.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let parsed: Value = serde_json::from_str(text).map_err(|_| Refusal::ClaimsMalformed)?;
        let members = parsed.as_object().ok_or(Refusal::ClaimsMalformed)?;
        let names = |member: &str| match members.get(member) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(claims)) => {
                let known = |name: &&String| supported().any(|claim| claim == name.as_str());
                Ok(claims.keys().filter(known).cloned().collect())
            }
            Some(_) => Err(Refusal::ClaimsMalformed),
        };
        let acr = members.get("id_token").and_then(|claims| AcrRequest::read(claims.get("acr")?));
        Ok(Self { id_token: names("id_token")?, userinfo: names("userinfo")?, acr })
    }
}

/// The claims of a person that the scopes and the single requests open, as members of a JSON object. `sub` is not among them.
pub fn of_user(user: &User, scope: &ScopeSet, asked: &[String]) -> Map<String, Value> {
    let mut all = match serde_json::to_value(Shown::of(user)) {
        Ok(Value::Object(all)) => all,
        _ => Map::new(),
    };
    let by_scope =
        |claim: &str| BY_SCOPE.iter().any(|(name, claims)| scope.contains(name) && claims.contains(&claim));
    all.retain(|claim, _| by_scope(claim) || asked.contains(claim));
    all
}

/// The standard claims as they go on the wire: what verifies stands beside what it verifies, and a name that was not given is the user name.
#[derive(serde::Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    profile: UserProfile,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number_verified: Option<bool>,
    preferred_username: &'a str,
}

impl<'a> Shown<'a> {
    fn of(user: &'a User) -> Self {
        let profile = &user.profile;
        Self {
            email_verified: profile.email.as_ref().map(|_| profile.email_verified),
            phone_number_verified: profile.phone_number.as_ref().map(|_| profile.phone_number_verified),
            preferred_username: profile.preferred_username.as_deref().unwrap_or(&user.username),
            // Flattened members and those beside them must not meet.
            profile: UserProfile {
                email_verified: false,
                phone_number_verified: false,
                preferred_username: None,
                roles: Default::default(),
                groups: Default::default(),
                ..profile.clone()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_fixtures::{scope, user};

    fn alice() -> User {
        let profile = UserProfile {
            name: Some("Alice".to_owned()),
            email: Some("alice@example.com".to_owned()),
            roles: ["admin".to_owned()].into(),
            ..UserProfile::default()
        };
        User { profile, ..user() }
    }

    #[track_caller]
    fn shown(scope_text: &str, asked: &[&str]) -> Vec<String> {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        of_user(&alice(), &scope(scope_text), &asked).keys().cloned().collect()
    }

    #[test]
    fn a_scope_opens_its_claims_and_no_others() {
        assert_eq!(shown("openid", &[]), [""; 0]);
        assert_eq!(shown("openid email", &[]), ["email", "email_verified"]);
        assert_eq!(shown("openid profile", &[]), ["name", "preferred_username"]);
        assert_eq!(shown("openid phone address", &[]), [""; 0]);
    }

    #[test]
    fn a_claim_can_be_asked_for_by_its_name() {
        assert_eq!(shown("openid", &["name"]), ["name"]);
        assert_eq!(shown("openid", &["roles", "password"]), [""; 0]);
    }

    #[test]
    fn classes_of_authentication_are_asked_for_by_value_or_values() {
        let acr =
            |text: &str| ClaimsRequest::parse(&format!(r#"{{"id_token":{{"acr":{text}}}}}"#)).unwrap().acr;
        let of = |essential, values: &[&str]| {
            Some(AcrRequest { essential, values: values.iter().map(|value| (*value).to_owned()).collect() })
        };
        assert_eq!(acr(r#"{"essential":true,"values":["a","b"]}"#), of(true, &["a", "b"]));
        assert_eq!(acr(r#"{"value":"a"}"#), of(false, &["a"]));
        for nothing in ["null", "{}", r#"{"essential":true}"#, "5", r#"{"values":"a"}"#, r#"{"values":[1]}"#]
        {
            assert_eq!(acr(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_parameter_claims_names_what_is_known_and_must_be_well_formed() {
        let text = r#"{"userinfo":{"name":null,"shoe_size":null},"id_token":{"email":{"essential":true}},"other":1}"#;
        let request = ClaimsRequest::parse(text).unwrap();
        assert_eq!((request.userinfo, request.id_token), (vec!["name".to_owned()], vec!["email".to_owned()]));
        assert_eq!(ClaimsRequest::parse("{}"), Ok(ClaimsRequest::default()));
        for text in ["", "[]", "1", r#"{"userinfo":[]}"#, r#"{"id_token":"name"}"#] {
            assert_eq!(ClaimsRequest::parse(text), Err(Refusal::ClaimsMalformed), "{text}");
        }
    }
}
