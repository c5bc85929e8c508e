//! Tests of `audience`.

use std::collections::BTreeMap;

use super::*;
use crate::records::ApiId;
use crate::test_fixtures::{API, OTHER_API, api, client, scope};

const ISSUER: &str = "https://login.example";
const THIRD: ApiId = ApiId::from_number(12);

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
    let chosen = choose(client, &request, realm, ISSUER);
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

#[test]
fn atp_09_a_resource_decides() {
    check(None, &[A], Ok((A, "only-a read")));
    check(None, &[B], Ok((B, "only-b read")));
    check(Some("read"), &[B], Ok((B, "read")));
    check(None, &[ISSUER], Ok(("issuer", "introspect")));
}

#[test]
fn res_05_a_resource_is_found_in_any_spelling_that_means_the_same() {
    check(None, &["HTTPS://A.Example"], Ok((A, "only-a read")));
    check(None, &[A, "https://A.example"], Ok((A, "only-a read")));
}

#[test]
fn res_02_an_unknown_resource_or_one_that_is_not_open_to_the_client_is_refused_alike() {
    check(None, &["https://nowhere.example/"], Err(Refusal::ResourceUnknown));
    check(None, &[C], Err(Refusal::ResourceUnknown));
    let mut disabled = realm();
    disabled.0[0].enabled = false;
    check_as(&caller(), &disabled, None, &[A], Err(Refusal::ResourceUnknown));
}

#[test]
fn res_01_a_malformed_resource_is_refused() {
    for resource in ["rs", "https://a.example/#x", "/a"] {
        check(None, &[resource], Err(Refusal::ResourceMalformed));
    }
}

#[test]
fn atp_12_two_resources_are_one_too_many() {
    check(None, &[A, B], Err(Refusal::ResourceAmbiguous));
    check(Some("read"), &[A, ISSUER], Err(Refusal::ResourceAmbiguous));
}

#[test]
fn atp_10_without_resource_and_scope_the_default_api_decides_and_then_the_issuer() {
    check(None, &[], Ok((A, "only-a read")));
    let without = Client { default_api: None, ..caller() };
    check_as(&without, &realm(), None, &[], Ok(("issuer", "introspect")));
    let bare = Client { default_api: None, issuer_scopes: scope(""), ..caller() };
    check_as(&bare, &realm(), None, &[], Err(Refusal::ScopeNotAllowed));
}

#[test]
fn atp_10_scopes_that_one_api_alone_defines_choose_it() {
    check(Some("only-b"), &[], Ok((B, "only-b")));
    check(Some("read only-b"), &[], Ok((B, "only-b read")));
    check(Some("introspect"), &[], Ok(("issuer", "introspect")));
}

#[test]
fn atp_11_scopes_that_several_define_go_to_the_default_and_else_nowhere() {
    check(Some("read"), &[], Ok((A, "read")));
    let other = Client { default_api: Some(OTHER_API), ..caller() };
    check_as(&other, &realm(), Some("read"), &[], Ok((B, "read")));
    let without = Client { default_api: None, ..caller() };
    check_as(&without, &realm(), Some("read"), &[], Err(Refusal::ScopeAmbiguous));
}

#[test]
fn atp_11_scopes_that_no_single_api_defines_are_refused() {
    check(Some("only-a only-b"), &[], Err(Refusal::ScopeAmbiguous));
    check(Some("only-a introspect"), &[], Err(Refusal::ScopeAmbiguous));
}

#[test]
fn scopes_that_the_client_may_not_have_are_dropped_and_nothing_left_is_refused() {
    check(Some("read write"), &[A], Ok((A, "read")));
    check(Some("write"), &[A], Err(Refusal::ScopeNotAllowed));
    check(Some("only-b"), &[A], Err(Refusal::ScopeNotAllowed));
    check(Some("only-c"), &[], Err(Refusal::ScopeNotAllowed));
    check(Some("only-b nonsense"), &[], Ok((B, "only-b")));
}

#[test]
fn identity_scopes_are_no_business_of_a_client_on_its_own() {
    check(Some("openid"), &[], Err(Refusal::ScopeNotAllowed));
    check(Some("openid read"), &[A], Ok((A, "read")));
}

#[test]
fn a_default_api_that_the_client_may_not_ask_for_is_none() {
    let stale = Client { default_api: Some(THIRD), ..caller() };
    check_as(&stale, &realm(), None, &[], Ok(("issuer", "introspect")));
    check_as(&stale, &realm(), Some("read"), &[], Err(Refusal::ScopeAmbiguous));
}

#[test]
fn a_scope_that_the_api_no_longer_defines_is_not_given() {
    let mut narrowed = realm();
    narrowed.0[0].scopes = scope("read");
    check_as(&caller(), &narrowed, None, &[A], Ok((A, "read")));
}
