//! Resource indicators at the token endpoint (RFC 8707 §2).

use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, APP, ISSUER, JWT_API, OTHER_API};
use serde_json::Value;

fn request(resources: &[&str]) -> lydian_test_kit::Request {
    resources
        .iter()
        .fold(TestServer::token_request(APP), |request, resource| request.parameter("resource", resource))
}

/// The introspected members of the token that a request gives.
async fn members(server: &TestServer, request: lydian_test_kit::Request) -> Value {
    let token = server.issued(request).await;
    server.introspect(APP, &token).await.active()
}

async fn check_invalid_target(server: &TestServer, resources: &[&str]) {
    server.send(request(resources)).await.refused(400, "invalid_target");
}

#[tokio::test]
async fn res_01_a_resource_is_an_absolute_uri_without_a_fragment() {
    let server = TestServer::start().await;
    let with_fragment = format!("{API}#x");
    let with_empty_fragment = format!("{API}#");
    for resource in [
        "api.example.com",
        "/api",
        "//api.example.com/",
        "api",
        "https://",
        "https://user@api.example.com/",
        "https://api.example.com/ ",
        with_fragment.as_str(),
        with_empty_fragment.as_str(),
    ] {
        check_invalid_target(&server, &[resource]).await;
    }
    let too_long = format!("https://api.example.com/{}", "a".repeat(4_096));
    check_invalid_target(&server, &[&too_long]).await;
    assert_eq!(members(&server, request(&[API])).await["aud"], API);
}

#[tokio::test]
async fn res_02_an_unknown_or_forbidden_resource_is_an_invalid_target() {
    let server = TestServer::start().await;
    let other = server.send(request(&[OTHER_API])).await.refused(400, "invalid_target");
    let unknown = server.send(request(&["https://nowhere.example/"])).await.refused(400, "invalid_target");
    assert_eq!(other.text(), unknown.text(), "which APIs exist is not told");
    let path = format!("{API}orders");
    check_invalid_target(&server, &[&path]).await;
    // A disabled API is as good as unknown.
    server.apply(&format!("[[api]]\naudience = {JWT_API:?}\nenabled = false\n")).await;
    check_invalid_target(&server, &[JWT_API]).await;
    server.apply(&format!("[[api]]\naudience = {JWT_API:?}\nenabled = true\n")).await;
    assert_eq!(members(&server, request(&[JWT_API])).await["aud"], JWT_API);
}

#[tokio::test]
async fn res_02_the_issuer_is_a_resource_only_for_who_has_scopes_there() {
    let server = TestServer::start().await;
    server.send(request(&[ISSUER])).await.refused(400, "invalid_scope");
    let api = lydian_test_kit::fixtures::API_CLIENT;
    let token = server.issued(TestServer::token_request(api).parameter("resource", ISSUER)).await;
    assert_eq!(server.introspect(api, &token).await.active()["aud"], ISSUER);
}

#[tokio::test]
async fn res_03_atp_12_one_token_is_for_one_resource() {
    let server = TestServer::start().await;
    check_invalid_target(&server, &[API, JWT_API]).await;
    check_invalid_target(&server, &[API, OTHER_API]).await;
    check_invalid_target(&server, &[API, "nonsense"]).await;
    check_invalid_target(&server, &["nonsense", API]).await;
    assert_eq!(members(&server, request(&[API, API, "https://API.example.com"])).await["aud"], API);
}

#[tokio::test]
async fn res_04_the_scope_is_cut_down_to_the_chosen_resource() {
    let server = TestServer::start().await;
    let asked = |resource| request(&[resource]).parameter("scope", "read only-jwt only-opaque");
    assert_eq!(members(&server, asked(API)).await["scope"], "only-opaque read");
    assert_eq!(members(&server, asked(JWT_API)).await["scope"], "only-jwt read");
    let nothing = request(&[API]).parameter("scope", "only-jwt");
    server.send(nothing).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn res_05_case_of_scheme_and_host_and_an_empty_path_are_folded_and_aud_shows_the_registered_form() {
    let server = TestServer::start().await;
    for spelling in [API, "https://api.example.com", "HTTPS://API.Example.COM/", "https://API.example.com"] {
        assert_eq!(members(&server, request(&[spelling])).await["aud"], API, "{spelling}");
    }
    for other in [
        "https://api.example.com:443/",
        "http://api.example.com/",
        "https://api.example.com/.",
        "https://api.example.com//",
    ] {
        check_invalid_target(&server, &[other]).await;
    }
    // What was registered in another spelling is shown as it was registered.
    server
        .apply("[[api]]\naudience = \"https://Odd.Example.COM\"\nscopes = [\"odd\"]\ntoken_format = \"jwt\"\n[[client]]\nclient_id = \"app\"\nallowed = { \"https://Odd.Example.COM\" = [\"odd\"] }\ndefault_api = \"\"\n")
        .await;
    let token = server.issued(request(&["https://odd.example.com/"])).await;
    assert_eq!(lydian_test_kit::forge::claims_of(&token)["aud"], "https://Odd.Example.COM");
    assert_eq!(server.introspect(APP, &token).await.active()["aud"], "https://Odd.Example.COM");
}
