//! No route is without an expected answer to every ordinary fault.

use lydian_http::routes::{Endpoint, INSERTED_PATHS, PATHS};
use lydian_primitives::limits::BODY_BYTES_MAX;
use lydian_test_kit::{Reply, Request, TestServer};

/// The faults that every route is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NoCredentials,
    OversizedBody,
    RepeatedParameter,
    UnknownContentType,
    WrongClient,
    WrongMethod,
}

const FAULTS: [Fault; 6] = [
    Fault::NoCredentials,
    Fault::OversizedBody,
    Fault::RepeatedParameter,
    Fault::UnknownContentType,
    Fault::WrongClient,
    Fault::WrongMethod,
];

/// Status and error code; `None` where the answer is no error.
type Expected = (u16, Option<&'static str>);

/// In place of an error code: the answer is a page.
const PAGE: &str = "page";

/// The expected answers, by endpoint and fault. A route without a row fails the test.
const EXPECTATIONS: &[(Endpoint, Fault, Expected)] = &[
    (Endpoint::Introspect, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::Introspect, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Introspect, Fault::RepeatedParameter, (400, Some("invalid_request"))),
    (Endpoint::Introspect, Fault::UnknownContentType, (400, Some("invalid_request"))),
    (Endpoint::Introspect, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::Introspect, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::DeviceAuthorize, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::DeviceAuthorize, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::DeviceAuthorize, Fault::RepeatedParameter, (400, Some("invalid_request"))),
    (Endpoint::DeviceAuthorize, Fault::UnknownContentType, (400, Some("invalid_request"))),
    (Endpoint::DeviceAuthorize, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::DeviceAuthorize, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Device, Fault::NoCredentials, (200, None)),
    (Endpoint::Device, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Device, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::Device, Fault::UnknownContentType, (200, None)),
    (Endpoint::Device, Fault::WrongClient, (200, None)),
    (Endpoint::Device, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Par, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::Par, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Par, Fault::RepeatedParameter, (400, Some("invalid_request"))),
    (Endpoint::Par, Fault::UnknownContentType, (400, Some("invalid_request"))),
    (Endpoint::Par, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::Par, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Revoke, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::Revoke, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Revoke, Fault::RepeatedParameter, (400, Some("invalid_request"))),
    (Endpoint::Revoke, Fault::UnknownContentType, (400, Some("invalid_request"))),
    (Endpoint::Revoke, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::Revoke, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Token, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::Token, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Token, Fault::RepeatedParameter, (400, Some("invalid_request"))),
    (Endpoint::Token, Fault::UnknownContentType, (400, Some("invalid_request"))),
    (Endpoint::Token, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::Token, Fault::WrongMethod, (405, Some("invalid_request"))),
    // Pages: what is wrong is told to a person, in words.
    (Endpoint::Account, Fault::NoCredentials, (200, None)),
    (Endpoint::Account, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Account, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::Account, Fault::UnknownContentType, (200, None)),
    (Endpoint::Account, Fault::WrongClient, (200, None)),
    (Endpoint::Account, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Authorize, Fault::NoCredentials, (400, Some(PAGE))),
    (Endpoint::Authorize, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Authorize, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::Authorize, Fault::UnknownContentType, (400, Some(PAGE))),
    (Endpoint::Authorize, Fault::WrongClient, (400, Some(PAGE))),
    (Endpoint::Authorize, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Consent, Fault::NoCredentials, (400, Some(PAGE))),
    (Endpoint::Consent, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::Consent, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::Consent, Fault::UnknownContentType, (400, Some(PAGE))),
    (Endpoint::Consent, Fault::WrongClient, (400, Some(PAGE))),
    (Endpoint::Consent, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Continue, Fault::NoCredentials, (400, Some(PAGE))),
    (Endpoint::Continue, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::Continue, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::Continue, Fault::UnknownContentType, (400, Some(PAGE))),
    (Endpoint::Continue, Fault::WrongClient, (400, Some(PAGE))),
    (Endpoint::Continue, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::SignIn, Fault::NoCredentials, (400, Some(PAGE))),
    (Endpoint::SignIn, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::SignIn, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::SignIn, Fault::UnknownContentType, (400, Some(PAGE))),
    (Endpoint::SignIn, Fault::WrongClient, (400, Some(PAGE))),
    (Endpoint::SignIn, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::ForgottenPassword, Fault::NoCredentials, (200, None)),
    (Endpoint::ForgottenPassword, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::ForgottenPassword, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::ForgottenPassword, Fault::UnknownContentType, (200, None)),
    (Endpoint::ForgottenPassword, Fault::WrongClient, (200, None)),
    (Endpoint::ForgottenPassword, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::ResetPassword, Fault::NoCredentials, (400, Some(PAGE))),
    (Endpoint::ResetPassword, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::ResetPassword, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::ResetPassword, Fault::UnknownContentType, (400, Some(PAGE))),
    (Endpoint::ResetPassword, Fault::WrongClient, (400, Some(PAGE))),
    (Endpoint::ResetPassword, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::ConfirmAddress, Fault::NoCredentials, (400, Some(PAGE))),
    (Endpoint::ConfirmAddress, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::ConfirmAddress, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::ConfirmAddress, Fault::UnknownContentType, (400, Some(PAGE))),
    (Endpoint::ConfirmAddress, Fault::WrongClient, (400, Some(PAGE))),
    (Endpoint::ConfirmAddress, Fault::WrongMethod, (405, Some("invalid_request"))),
    // Who is not signed in is logged out already.
    (Endpoint::LogOut, Fault::NoCredentials, (200, None)),
    (Endpoint::LogOut, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::LogOut, Fault::RepeatedParameter, (400, Some(PAGE))),
    (Endpoint::LogOut, Fault::UnknownContentType, (200, None)),
    (Endpoint::LogOut, Fault::WrongClient, (200, None)),
    (Endpoint::LogOut, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::UserInfo, Fault::NoCredentials, (401, Some("invalid_token"))),
    (Endpoint::UserInfo, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::UserInfo, Fault::RepeatedParameter, (401, Some("invalid_token"))),
    (Endpoint::UserInfo, Fault::UnknownContentType, (401, Some("invalid_token"))),
    (Endpoint::UserInfo, Fault::WrongClient, (401, Some("invalid_token"))),
    (Endpoint::UserInfo, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::FeedPropagation, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::FeedPropagation, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::FeedPropagation, Fault::RepeatedParameter, (401, Some("invalid_client"))),
    (Endpoint::FeedPropagation, Fault::UnknownContentType, (401, Some("invalid_client"))),
    (Endpoint::FeedPropagation, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::FeedPropagation, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::FeedSnapshot, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::FeedSnapshot, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::FeedSnapshot, Fault::RepeatedParameter, (401, Some("invalid_client"))),
    (Endpoint::FeedSnapshot, Fault::UnknownContentType, (401, Some("invalid_client"))),
    (Endpoint::FeedSnapshot, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::FeedSnapshot, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::FeedStream, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::FeedStream, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::FeedStream, Fault::RepeatedParameter, (401, Some("invalid_client"))),
    (Endpoint::FeedStream, Fault::UnknownContentType, (401, Some("invalid_client"))),
    (Endpoint::FeedStream, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::FeedStream, Fault::WrongMethod, (405, Some("invalid_request"))),
    // Who asks is known before what is asked is read.
    (Endpoint::FeedLease, Fault::NoCredentials, (401, Some("invalid_client"))),
    (Endpoint::FeedLease, Fault::OversizedBody, (413, Some("invalid_request"))),
    (Endpoint::FeedLease, Fault::RepeatedParameter, (401, Some("invalid_client"))),
    (Endpoint::FeedLease, Fault::UnknownContentType, (401, Some("invalid_client"))),
    (Endpoint::FeedLease, Fault::WrongClient, (401, Some("invalid_client"))),
    (Endpoint::FeedLease, Fault::WrongMethod, (405, Some("invalid_request"))),
    // Public documents: nobody needs to be anybody, and nothing that is sent along is read.
    (Endpoint::FeedMetadata, Fault::NoCredentials, (200, None)),
    (Endpoint::FeedMetadata, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::FeedMetadata, Fault::RepeatedParameter, (200, None)),
    (Endpoint::FeedMetadata, Fault::UnknownContentType, (200, None)),
    (Endpoint::FeedMetadata, Fault::WrongClient, (200, None)),
    (Endpoint::FeedMetadata, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Jwks, Fault::NoCredentials, (200, None)),
    (Endpoint::Jwks, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::Jwks, Fault::RepeatedParameter, (200, None)),
    (Endpoint::Jwks, Fault::UnknownContentType, (200, None)),
    (Endpoint::Jwks, Fault::WrongClient, (200, None)),
    (Endpoint::Jwks, Fault::WrongMethod, (405, Some("invalid_request"))),
    (Endpoint::Metadata, Fault::NoCredentials, (200, None)),
    (Endpoint::Metadata, Fault::OversizedBody, (405, Some("invalid_request"))),
    (Endpoint::Metadata, Fault::RepeatedParameter, (200, None)),
    (Endpoint::Metadata, Fault::UnknownContentType, (200, None)),
    (Endpoint::Metadata, Fault::WrongClient, (200, None)),
    (Endpoint::Metadata, Fault::WrongMethod, (405, Some("invalid_request"))),
];

fn expected(endpoint: Endpoint, fault: Fault) -> Expected {
    let row = EXPECTATIONS.iter().find(|(one, of, _)| (*one, *of) == (endpoint, fault));
    row.unwrap_or_else(|| panic!("{endpoint:?} has no expected answer to {fault:?}")).2
}

/// Every path there is, in the default realm and in another one.
fn paths() -> Vec<(String, Endpoint)> {
    let in_realms = PATHS
        .into_iter()
        .flat_map(|(path, endpoint)| [(path.to_owned(), endpoint), (format!("/t/acme{path}"), endpoint)]);
    let inserted = INSERTED_PATHS
        .into_iter()
        .flat_map(|(path, endpoint)| [(path.to_owned(), endpoint), (format!("{path}/t/acme"), endpoint)]);
    in_realms.chain(inserted).collect()
}

fn request(path: &str, endpoint: Endpoint, fault: Fault) -> Request {
    if endpoint.allow() == "POST" {
        let form = Request::post(path);
        return match fault {
            Fault::NoCredentials => {
                form.parameter("token", "x").parameter("grant_type", "client_credentials")
            }
            Fault::OversizedBody => form.body(vec![b'a'; BODY_BYTES_MAX + 1]),
            Fault::RepeatedParameter => form.parameter("client_id", "x").parameter("client_id", "x"),
            Fault::UnknownContentType => form.content_type("application/x-unknown").body("token=x"),
            Fault::WrongClient => form.basic("nobody", "nothing").parameter("token", "x"),
            Fault::WrongMethod => Request::of("GET", path),
        };
    }
    match fault {
        Fault::NoCredentials => Request::of("GET", path),
        Fault::OversizedBody => Request::post(path).body(vec![b'a'; BODY_BYTES_MAX + 1]),
        Fault::RepeatedParameter => Request::of("GET", &format!("{path}?x=1&x=1")),
        Fault::UnknownContentType => Request::of("GET", path).content_type("application/x-unknown"),
        Fault::WrongClient => Request::of("GET", path).basic("nobody", "nothing"),
        Fault::WrongMethod => Request::of("DELETE", path),
    }
}

#[track_caller]
fn check(path: &str, endpoint: Endpoint, fault: Fault, reply: &Reply) {
    let error = match reply.status {
        ..400 => None,
        _ if reply.is_page() => Some(PAGE.to_owned()),
        _ => reply.json()["error"].as_str().map(str::to_owned),
    };
    let found = (reply.status, error.as_deref());
    assert_eq!(found, expected(endpoint, fault), "{path}: {fault:?}");
    let challenged = !reply.headers("www-authenticate").is_empty();
    assert_eq!(challenged, reply.status == 401, "{path}: {fault:?}");
    let allow = (reply.status == 405).then(|| endpoint.allow());
    assert_eq!(reply.header("allow"), allow, "{path}: {fault:?}");
}

#[tokio::test]
async fn endpoint_coverage_gen_03_gen_05_gen_06_gen_08_every_route_answers_every_fault_as_expected() {
    let server = TestServer::start().await;
    let mut answers = 0;
    for (path, endpoint) in paths() {
        for fault in FAULTS {
            let reply = server.send(request(&path, endpoint, fault)).await;
            check(&path, endpoint, fault, &reply);
            answers += 1;
        }
    }
    assert_eq!(answers, (PATHS.len() + INSERTED_PATHS.len()) * 2 * FAULTS.len());
}

#[tokio::test]
async fn endpoint_coverage_a_path_that_is_no_route_is_nothing() {
    let server = TestServer::start().await;
    for path in ["/", "/oauth2", "/oauth2/introspect/", "/oauth2/unknown", "/t/acme", "/t/acme/", "/admin"] {
        for request in [Request::of("GET", path), Request::post(path).parameter("token", "x")] {
            server.send(request).await.refused(404, "invalid_request");
        }
    }
}
