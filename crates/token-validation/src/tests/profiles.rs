use lydian_jose::Algorithm;

use super::support::*;
use crate::{ForgivenClaim, Profile, ProfileBuilder, ProfileError, TokenForm, Way};

#[track_caller]
fn check(builder: ProfileBuilder, expected: Option<ProfileError>) {
    assert_eq!(builder.build().err(), expected);
}

#[test]
fn there_is_no_profile_without_issuer_audience_and_algorithm() {
    let none: [&str; 0] = [];
    check(Profile::builder("", [AUDIENCE], [Algorithm::Es256]), Some(ProfileError::IssuerMalformed));
    check(
        Profile::builder("https://as .example", [AUDIENCE], [Algorithm::Es256]),
        Some(ProfileError::IssuerMalformed),
    );
    check(Profile::builder(ISSUER, none, [Algorithm::Es256]), Some(ProfileError::AudienceMissing));
    check(
        Profile::builder(ISSUER, [AUDIENCE, ""], [Algorithm::Es256]),
        Some(ProfileError::AudienceMalformed),
    );
    check(Profile::builder(ISSUER, [AUDIENCE], []), Some(ProfileError::AlgorithmMissing));
    check(builder(), None);
}

#[test]
fn bounds_of_a_profile_lie_within_what_is_safe() {
    check(builder().leeway_seconds(60), None);
    check(builder().leeway_seconds(61), Some(ProfileError::LeewayTooLong));
    check(builder().lifetime_seconds_max(0), Some(ProfileError::LifetimeZero));
    check(builder().age_seconds_max(0), Some(ProfileError::LifetimeZero));
    check(builder().token_bytes_max(0), Some(ProfileError::TokenBytes));
    check(builder().token_bytes_max(16 * 1024 + 1), Some(ProfileError::TokenBytes));
    check(builder().lifetime_seconds_max(86_401), None);
    check(builder().with_feed().lifetime_seconds_max(86_401), Some(ProfileError::LifetimeBeyondFeed));
    check(builder().with_feed().lifetime_seconds_max(86_400), None);
    check(builder().with_feed().forgive(ForgivenClaim::IssuedAt), Some(ProfileError::IssuedAtNeeded));
}

#[test]
fn the_leeway_is_nothing_with_a_feed_and_half_a_minute_without() {
    assert_eq!(builder().build().unwrap().leeway_seconds(), 30);
    assert_eq!(builder().with_feed().build().unwrap().leeway_seconds(), 0);
}

#[test]
fn the_form_of_a_token_is_configured_and_never_guessed() {
    let jwt = token_with(&[]);
    let way = |form: TokenForm, token: &str| builder().token_form(form).build().unwrap().way_for(token);
    for token in [jwt.as_str(), "lya_0abc", "ory.at.abc", ""] {
        assert_eq!(way(TokenForm::Jwt, token), Way::Verify, "{token}");
        assert_eq!(way(TokenForm::Opaque, token), Way::Introspect, "{token}");
    }
    let mixed = || TokenForm::OpaqueByPrefix(vec!["lya_".into(), "ory.".into()]);
    assert_eq!(way(mixed(), "lya_0abc"), Way::Introspect);
    assert_eq!(way(mixed(), "ory.at.abc"), Way::Introspect);
    assert_eq!(way(mixed(), "LYA_0abc"), Way::Verify);
    assert_eq!(way(mixed(), &jwt), Way::Verify);
    for prefixes in [vec![], vec![""], vec!["e"], vec!["eyJ"], vec!["lya_", " "]] {
        let form = TokenForm::OpaqueByPrefix(prefixes.into_iter().map(str::to_owned).collect());
        check(builder().token_form(form), Some(ProfileError::PrefixMalformed));
    }
}
