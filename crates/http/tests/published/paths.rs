//! Where the documents are, and where they are not (RFC 8414 §3.1, Discovery §4).

use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::ISSUER;

use crate::get;

/// Every path of the metadata of the default realm.
const OF_DEFAULT: [&str; 3] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/oauth2/token/.well-known/openid-configuration",
];

/// Every path of the metadata of the realm `acme`.
const OF_ACME: [&str; 4] = [
    "/.well-known/oauth-authorization-server/t/acme",
    "/.well-known/openid-configuration/t/acme",
    "/t/acme/.well-known/openid-configuration",
    "/t/acme/oauth2/token/.well-known/openid-configuration",
];

#[tokio::test]
async fn asm_01_asm_02_r_11_the_documents_of_a_realm_are_one_document_byte_for_byte() {
    let server = TestServer::start().await;
    for (paths, issuer) in [(&OF_DEFAULT[..], ISSUER.to_owned()), (&OF_ACME[..], format!("{ISSUER}/t/acme"))]
    {
        let first = get(&server, paths[0]).await;
        assert_eq!(first.json()["issuer"], issuer);
        for path in paths {
            let reply = get(&server, path).await;
            assert_eq!(
                (reply.status, reply.header("content-type")),
                (200, Some("application/json")),
                "{path}"
            );
            assert_eq!(reply.body, first.body, "{path}");
            assert_eq!(reply.header("etag"), first.header("etag"), "{path}");
        }
    }
}

#[tokio::test]
async fn asm_01_the_appended_form_and_other_spellings_are_not_found() {
    let server = TestServer::start().await;
    for path in [
        "/t/acme/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/t/acme/",
        "/.well-known/oauth-authorization-server/acme",
        "/.well-known/oauth-authorization-server/t/",
        "/.well-known/oauth-authorization-server/t/default",
        "/.well-known/OAuth-Authorization-Server",
        "/.well-known/openid-configuration/",
        "/.well-known",
    ] {
        get(&server, path).await.refused(404, "invalid_request");
    }
}

#[tokio::test]
async fn asm_03_an_unknown_issuer_path_is_not_found() {
    let server = TestServer::start().await;
    for path in [
        "/.well-known/oauth-authorization-server/t/nobody",
        "/.well-known/openid-configuration/t/nobody",
        "/t/nobody/.well-known/openid-configuration",
        "/t/nobody/oauth2/jwks",
    ] {
        get(&server, path).await.refused(404, "invalid_request");
    }
    server.apply("[[realm]]\nname = \"nobody\"\n").await;
    for path in ["/.well-known/oauth-authorization-server/t/nobody", "/t/nobody/oauth2/jwks"] {
        assert_eq!(get(&server, path).await.status, 200, "{path}");
    }
}
