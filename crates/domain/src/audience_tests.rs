//! Tests of `audience`.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::records::ApiId;
use crate::test_fixtures::{API, OTHER_API, api, client, grant, scope};

const ISSUER: &str = "https://login.example";
const THIRD: ApiId = ApiId::from_number(12);

#[derive(Debug)]
struct Realm(Vec<Api>);

impl Apis for Realm {
    fn by_id(&self, id: ApiId) -> Option<&Api> {
        self.0.iter().find(|api| api.id == id && api.enabled)
    }

    fn by_resource(&self, resource: &ResourceIndicator) -> Option<&Api> {
        self.0
            .iter()
            .find(|api| api.enabled && ResourceIndicator::parse(&api.audience).as_ref() == Some(resource))
    }
}

fn realm() -> Realm {
    Realm(vec![
        api(API, "https://a.example/", "read write only-a"),
        api(OTHER_API, "https://b.example/", "read write only-b"),
        api(THIRD, "https://c.example/", "read only-c"),
    ])
}

/// May have `read`, `only-a` at a; `read`, `only-b` at b; `introspect` at the issuer; nothing at c. Its default is a.
fn caller() -> Client {
    Client {
        allowed: BTreeMap::from([(API, scope("read only-a")), (OTHER_API, scope("read only-b"))]),
        issuer_scopes: scope("introspect openid"),
        default_api: Some(API),
        ..client(1)
    }
}

type Answer<'a> = Result<(&'a str, &'a str), Refusal>;

#[track_caller]
fn check_as(client: &Client, realm: &Realm, scopes: Option<&str>, resources: &[&str], expected: Answer<'_>) {
    let request = Request { scope: scopes.map(scope), resources: resources.to_vec() };
    let chosen = choose(Owner::Client, client, &request, realm, ISSUER);
    let chosen = chosen.map(|chosen| {
        (chosen.api.map_or("issuer".to_owned(), |api| api.audience.clone()), chosen.scope.as_str().to_owned())
    });
    assert_eq!(
        chosen,
        expected.map(|(audience, scope)| (audience.to_owned(), scope.to_owned())),
        "{scopes:?} {resources:?}"
    );
}

#[track_caller]
fn check(scopes: Option<&str>, resources: &[&str], expected: Answer<'_>) {
    check_as(&caller(), &realm(), scopes, resources, expected);
}

const A: &str = "https://a.example/";
const B: &str = "https://b.example/";
const C: &str = "https://c.example/";

// A resource is named.

#[test]
fn atp_09_res_04_a_resource_decides_and_cuts_the_scope_down() {
    check(None, &[A], Ok((A, "only-a read")));
    check(None, &[B], Ok((B, "only-b read")));
    check(Some("read"), &[B], Ok((B, "read")));
    check(Some("only-b only-a read"), &[B], Ok((B, "only-b read")));
    check(Some("introspect read"), &[A], Ok((A, "read")));
}

#[test]
fn atp_09_the_issuer_is_a_resource_like_others() {
    check(None, &[ISSUER], Ok(("issuer", "introspect")));
    check(Some("introspect read"), &[ISSUER], Ok(("issuer", "introspect")));
    check(Some("read"), &[ISSUER], Err(Refusal::ScopeNotAllowed));
    check(Some("openid"), &[ISSUER], Err(Refusal::ScopeNotAllowed));
    let nothing_there = Client { issuer_scopes: scope("openid profile"), ..caller() };
    check_as(&nothing_there, &realm(), None, &[ISSUER], Err(Refusal::ScopeNotAllowed));
}

#[test]
fn res_05_a_resource_is_found_in_any_spelling_that_means_the_same() {
    for spelling in [A, "https://a.example", "HTTPS://A.Example", "https://A.EXAMPLE/"] {
        check(None, &[spelling], Ok((A, "only-a read")));
        check(None, &[A, spelling], Ok((A, "only-a read")));
        check(None, &[spelling, A, spelling], Ok((A, "only-a read")));
    }
    for spelling in ["https://login.example/", "HTTPS://LOGIN.example"] {
        check(None, &[spelling, ISSUER], Ok(("issuer", "introspect")));
    }
}

#[test]
fn res_05_another_spelling_is_another_resource() {
    for other in [
        "https://a.example/v1",
        "https://a.example/?a=1",
        "https://a.example:443/",
        "http://a.example/",
        "https://a.example//",
        "https://login.example/oauth2",
        "urn:a",
    ] {
        check(None, &[other], Err(Refusal::ResourceUnknown));
    }
}

#[test]
fn res_02_an_unknown_resource_or_one_that_is_not_open_to_the_client_is_refused_alike() {
    for scopes in [None, Some("read"), Some("only-c"), Some("nonsense")] {
        check(scopes, &["https://nowhere.example/"], Err(Refusal::ResourceUnknown));
        check(scopes, &[C], Err(Refusal::ResourceUnknown));
    }
    let mut disabled = realm();
    disabled.0[0].enabled = false;
    check_as(&caller(), &disabled, None, &[A], Err(Refusal::ResourceUnknown));
}

#[test]
fn res_01_a_malformed_resource_is_refused() {
    for resource in ["", "rs", "/a", "//a.example", "https://a.example/#x", "https://a.example/#", "https:"] {
        check(None, &[resource], Err(Refusal::ResourceMalformed));
        check(None, &[A, resource], Err(Refusal::ResourceMalformed));
    }
}

#[test]
fn atp_12_two_resources_are_one_too_many() {
    check(None, &[A, B], Err(Refusal::ResourceAmbiguous));
    check(None, &[A, A, B], Err(Refusal::ResourceAmbiguous));
    check(Some("read"), &[A, ISSUER], Err(Refusal::ResourceAmbiguous));
    check(None, &[A, "https://nowhere.example/"], Err(Refusal::ResourceAmbiguous));
    check(Some("only-a"), &[A, "https://a.example/v1"], Err(Refusal::ResourceAmbiguous));
}

#[test]
fn a_resource_that_is_open_for_no_scope_at_all_gives_nothing() {
    let registered = Client { allowed: BTreeMap::from([(THIRD, scope(""))]), ..caller() };
    check_as(&registered, &realm(), None, &[C], Err(Refusal::ScopeNotAllowed));
    check_as(&registered, &realm(), Some("read"), &[C], Err(Refusal::ScopeNotAllowed));
}

// No resource, no scope.

#[test]
fn atp_10_without_resource_and_scope_the_default_api_decides_and_then_the_issuer() {
    check(None, &[], Ok((A, "only-a read")));
    check_as(&with_default(Some(OTHER_API)), &realm(), None, &[], Ok((B, "only-b read")));
    check_as(&with_default(None), &realm(), None, &[], Ok(("issuer", "introspect")));
    let bare = Client { issuer_scopes: scope(""), ..with_default(None) };
    check_as(&bare, &realm(), None, &[], Err(Refusal::ScopeNotAllowed));
}

#[test]
fn a_default_api_that_is_disabled_gone_or_not_open_to_the_client_is_none() {
    let mut disabled = realm();
    disabled.0[0].enabled = false;
    check_as(&caller(), &disabled, None, &[], Ok(("issuer", "introspect")));
    for stale in [THIRD, ApiId::from_number(4_711)] {
        check_as(&with_default(Some(stale)), &realm(), None, &[], Ok(("issuer", "introspect")));
        check_as(&with_default(Some(stale)), &realm(), Some("read"), &[], Err(Refusal::ScopeAmbiguous));
    }
}

fn with_default(default_api: Option<ApiId>) -> Client {
    Client { default_api, ..caller() }
}

// No resource: the scopes decide.

#[test]
fn atp_10_scopes_that_one_api_alone_defines_choose_it() {
    for default_api in [None, Some(API), Some(OTHER_API)] {
        let check =
            |scopes, expected| check_as(&with_default(default_api), &realm(), Some(scopes), &[], expected);
        check("only-a", Ok((A, "only-a")));
        check("only-b", Ok((B, "only-b")));
        check("read only-b", Ok((B, "only-b read")));
        check("introspect", Ok(("issuer", "introspect")));
    }
}

#[test]
fn atp_11_scopes_that_several_define_go_to_the_default_and_else_nowhere() {
    check(Some("read"), &[], Ok((A, "read")));
    check_as(&with_default(Some(OTHER_API)), &realm(), Some("read"), &[], Ok((B, "read")));
    check_as(&with_default(None), &realm(), Some("read"), &[], Err(Refusal::ScopeAmbiguous));
}

#[test]
fn atp_11_a_default_that_does_not_define_the_scopes_does_not_take_them() {
    let registered = Client {
        allowed: BTreeMap::from([
            (API, scope("only-a")),
            (OTHER_API, scope("read only-b")),
            (THIRD, scope("read only-c")),
        ]),
        default_api: Some(API),
        ..caller()
    };
    let mut narrowed = realm();
    narrowed.0[0].scopes = scope("only-a");
    check_as(&registered, &narrowed, Some("read"), &[], Err(Refusal::ScopeAmbiguous));
    check_as(&registered, &narrowed, Some("read only-c"), &[], Ok((C, "only-c read")));
}

#[test]
fn atp_11_scopes_that_no_single_api_defines_are_refused() {
    for default_api in [None, Some(API), Some(OTHER_API)] {
        for scopes in
            ["only-a only-b", "only-a introspect", "only-a only-b introspect read", "read introspect"]
        {
            check_as(&with_default(default_api), &realm(), Some(scopes), &[], Err(Refusal::ScopeAmbiguous));
        }
    }
}

#[test]
fn atp_11_what_an_api_defines_counts_and_not_what_the_client_may_have_there() {
    // Both define `read`, and the client may have it at a alone: by the rule the default decides, and b gives nothing.
    let registered =
        Client { allowed: BTreeMap::from([(API, scope("read")), (OTHER_API, scope("only-b"))]), ..caller() };
    let check = |default_api, expected| {
        check_as(&Client { default_api, ..registered.clone() }, &realm(), Some("read"), &[], expected);
    };
    check(Some(API), Ok((A, "read")));
    check(Some(OTHER_API), Err(Refusal::ScopeNotAllowed));
    check(None, Err(Refusal::ScopeAmbiguous));
    check_as(&registered, &realm(), Some("read only-b"), &[], Ok((B, "only-b")));
}

#[test]
fn an_api_that_is_disabled_or_not_open_to_the_client_confuses_nobody() {
    let mut disabled = realm();
    disabled.0[1].enabled = false;
    check_as(&with_default(None), &disabled, Some("read"), &[], Ok((A, "read")));
    check_as(&with_default(None), &disabled, Some("only-b"), &[], Err(Refusal::ScopeNotAllowed));
    check_as(&with_default(None), &disabled, Some("only-a only-b"), &[], Ok((A, "only-a")));
    let at_a_alone = Client { allowed: BTreeMap::from([(API, scope("read"))]), ..with_default(None) };
    check_as(&at_a_alone, &realm(), Some("read"), &[], Ok((A, "read")));
}

// What may be had.

#[test]
fn oau_12_scopes_that_the_client_may_not_have_are_dropped_and_nothing_left_is_refused() {
    check(Some("read write"), &[A], Ok((A, "read")));
    check(Some("write"), &[A], Err(Refusal::ScopeNotAllowed));
    check(Some("only-b"), &[A], Err(Refusal::ScopeNotAllowed));
    check(Some("write"), &[], Err(Refusal::ScopeNotAllowed));
    check(Some("only-c"), &[], Err(Refusal::ScopeNotAllowed));
    check(Some("only-b nonsense"), &[], Ok((B, "only-b")));
    check(Some("only-b write only-c"), &[], Ok((B, "only-b")));
    check(Some("only-a READ"), &[], Ok((A, "only-a")));
    // What is dropped is dropped before the APIs are compared: it makes nothing ambiguous.
    let without_only_a = Client {
        allowed: BTreeMap::from([(API, scope("read")), (OTHER_API, scope("read only-b"))]),
        ..caller()
    };
    check_as(&without_only_a, &realm(), Some("only-a only-b"), &[], Ok((B, "only-b")));
}

/// What a person granted: these scopes at this API.
fn granted(api: Option<ApiId>, scopes: &str) -> Grant {
    Grant { api, scope: scope(scopes), ..grant() }
}

#[track_caller]
fn check_grant(grant: &Grant, scopes: Option<&str>, resources: &[&str], expected: Answer<'_>) {
    let request = Request { scope: scopes.map(scope), resources: resources.to_vec() };
    let realm = realm();
    let chosen = of_grant(&caller(), grant, &request, &realm, ISSUER);
    let chosen =
        chosen.map(|chosen| (chosen.api.map(|api| api.audience.clone()), chosen.scope.as_str().to_owned()));
    let expected = expected
        .map(|(audience, scope)| ((audience != ISSUER).then(|| audience.to_owned()), scope.to_owned()));
    assert_eq!(chosen, expected, "{scopes:?} {resources:?}");
}

#[test]
fn a_token_under_a_grant_has_what_was_granted_as_far_as_the_client_may_still_have_it() {
    // `write` was granted when the client might still have it.
    let at_a = granted(Some(API), "openid read write");
    check_grant(&at_a, None, &[], Ok((A, "openid read")));
    check_grant(&at_a, Some("read write"), &[], Ok((A, "read")));
    check_grant(&at_a, Some("openid"), &[A], Ok((A, "openid")));
    check_grant(&at_a, Some("write"), &[], Err(Refusal::ScopeNotAllowed));
    check_grant(&at_a, Some("read only-a"), &[], Err(Refusal::ScopeBeyondGrant));
    check_grant(&at_a, None, &[B], Err(Refusal::ResourceUnknown));
    check_grant(&at_a, None, &[ISSUER], Err(Refusal::ResourceUnknown));
    check_grant(&granted(Some(ApiId::from_number(99)), "read"), None, &[], Err(Refusal::ResourceUnknown));
    let at_issuer = granted(None, "openid profile");
    check_grant(&at_issuer, None, &[ISSUER], Ok((ISSUER, "openid")));
    check_grant(&at_issuer, None, &[A], Err(Refusal::ResourceUnknown));
}

#[test]
fn a_request_for_no_scope_at_all_gets_none() {
    check(Some(""), &[A], Err(Refusal::ScopeNotAllowed));
    check(Some(""), &[], Err(Refusal::ScopeNotAllowed));
}

#[test]
fn a_scope_that_the_api_no_longer_defines_is_not_given() {
    let mut narrowed = realm();
    narrowed.0[0].scopes = scope("read");
    check_as(&caller(), &narrowed, None, &[A], Ok((A, "read")));
    check_as(&caller(), &narrowed, Some("only-a"), &[A], Err(Refusal::ScopeNotAllowed));
    check_as(&caller(), &narrowed, Some("only-a"), &[], Err(Refusal::ScopeNotAllowed));
}

#[test]
fn identity_scopes_are_no_business_of_a_client_on_its_own() {
    check(Some("openid"), &[], Err(Refusal::ScopeNotAllowed));
    check(Some("openid profile email"), &[], Err(Refusal::ScopeNotAllowed));
    check(Some("openid read"), &[A], Ok((A, "read")));
    check(Some("openid only-b"), &[], Ok((B, "only-b")));
    check(Some("openid introspect"), &[], Ok(("issuer", "introspect")));
}

#[test]
fn identity_scopes_decide_nothing_even_where_an_api_defines_them() {
    let mut greedy = realm();
    greedy.0[0].scopes = scope("email openid read only-a");
    let registered = Client {
        allowed: BTreeMap::from([(API, scope("email openid read")), (OTHER_API, scope("read only-b"))]),
        ..caller()
    };
    check_as(&registered, &greedy, Some("openid"), &[], Err(Refusal::ScopeNotAllowed));
    check_as(&registered, &greedy, Some("email openid"), &[], Err(Refusal::ScopeNotAllowed));
    check_as(&registered, &greedy, Some("openid only-b"), &[], Ok((B, "only-b")));
    let without_default = Client { default_api: None, ..registered };
    check_as(&without_default, &greedy, Some("openid read"), &[], Err(Refusal::ScopeAmbiguous));
}

#[test]
fn a_scope_that_an_api_and_the_issuer_define_is_the_defaults_and_else_nobodys() {
    let mut greedy = realm();
    greedy.0[0].scopes = scope("introspect read");
    let registered =
        Client { allowed: BTreeMap::from([(API, scope("introspect read"))]), ..with_default(Some(API)) };
    check_as(&registered, &greedy, Some("introspect"), &[], Ok((A, "introspect")));
    let without_default = Client { default_api: None, ..registered };
    check_as(&without_default, &greedy, Some("introspect"), &[], Err(Refusal::ScopeAmbiguous));
    check_as(&without_default, &greedy, Some("introspect"), &[ISSUER], Ok(("issuer", "introspect")));
    check_as(&without_default, &greedy, Some("introspect"), &[A], Ok((A, "introspect")));
}

#[test]
fn what_was_chosen_names_the_audience_of_the_token() {
    let realm = realm();
    let chosen = |resource| {
        let request = Request { scope: None, resources: vec![resource] };
        choose(Owner::Client, &caller(), &request, &realm, ISSUER).unwrap().audience()
    };
    assert_eq!([chosen(A), chosen(B)], [Audience::Api(API), Audience::Api(OTHER_API)]);
    assert_eq!(chosen(ISSUER), Audience::Issuer);
}

const SCOPES: [&str; 7] = ["introspect", "only-a", "only-b", "only-c", "openid", "read", "write"];
const IDS: [ApiId; 3] = [API, OTHER_API, THIRD];

fn some_scopes() -> impl Strategy<Value = ScopeSet> {
    proptest::sample::subsequence(SCOPES.to_vec(), 0..=SCOPES.len())
        .prop_map(|scopes| scopes.into_iter().collect())
}

fn some_realm() -> impl Strategy<Value = Realm> {
    proptest::collection::vec((some_scopes(), prop::bool::weighted(0.8)), 3).prop_map(|apis| {
        let described = IDS.into_iter().zip([A, B, C]).zip(apis);
        Realm(
            described
                .map(|((id, audience), (scopes, enabled))| Api { scopes, enabled, ..api(id, audience, "") })
                .collect(),
        )
    })
}

fn some_client() -> impl Strategy<Value = Client> {
    let allowed =
        proptest::collection::btree_map(proptest::sample::select(IDS.to_vec()), some_scopes(), 0..4);
    let default_api = proptest::option::of(proptest::sample::select(IDS.to_vec()));
    (allowed, default_api, some_scopes()).prop_map(|(allowed, default_api, issuer_scopes)| Client {
        allowed,
        default_api,
        issuer_scopes,
        ..client(1)
    })
}

proptest! {
    #[test]
    fn atp_07_nobody_gets_more_than_was_asked_registered_and_defined(
        client in some_client(),
        realm in some_realm(),
        requested in proptest::option::of(some_scopes()),
        resource in proptest::option::of(proptest::sample::select(vec![A, B, C, ISSUER])),
    ) {
        let request = Request { scope: requested.clone(), resources: resource.into_iter().collect() };
        match choose(Owner::Client, &client, &request, &realm, ISSUER) {
            Ok(chosen) => {
                prop_assert!(!chosen.scope.is_empty());
                prop_assert!(requested.is_none_or(|requested| chosen.scope.is_subset(&requested)));
                if let Some(api) = chosen.api {
                    prop_assert!(api.enabled);
                    prop_assert!(chosen.scope.is_subset(&api.scopes));
                    prop_assert!(client.allowed.get(&api.id).is_some_and(|own| chosen.scope.is_subset(own)));
                } else {
                    prop_assert!(chosen.scope.is_subset(&client.issuer_scopes));
                    prop_assert!(!chosen.scope.contains("openid"));
                }
                let audience = chosen.api.map_or(ISSUER, |api| &api.audience);
                prop_assert!(resource.is_none_or(|resource| resource == audience));
            }
            Err(refusal) if resource.is_some() => {
                prop_assert!(matches!(refusal, Refusal::ResourceUnknown | Refusal::ScopeNotAllowed));
            }
            Err(refusal) => {
                prop_assert!(matches!(refusal, Refusal::ScopeAmbiguous | Refusal::ScopeNotAllowed));
            }
        }
    }
}
