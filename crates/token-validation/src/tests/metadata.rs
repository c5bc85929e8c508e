use proptest::prelude::*;

use crate::ResourceMetadata;
use crate::resource_metadata::MetadataError;

const RESOURCE: &str = "https://api.example/orders";

fn read(document: &str) -> Result<ResourceMetadata, MetadataError> {
    ResourceMetadata::parse(document.as_bytes(), RESOURCE)
}

fn with(members: &str) -> String {
    format!(r#"{{"resource":"{RESOURCE}"{members}}}"#)
}

#[test]
fn v44_the_resource_is_byte_for_byte_the_one_that_was_asked_for() {
    assert_eq!(read(&with("")).unwrap().resource, RESOURCE);
    for other in
        ["https://api.example/orders/", "https://API.example/orders", "https://evil.example/orders", ""]
    {
        let document = with("").replace(RESOURCE, other);
        assert_eq!(read(&document), Err(MetadataError::ResourceOther), "{other}");
    }
}

#[test]
fn v44_a_document_that_says_what_it_must_not_is_refused_whole() {
    for (members, expected) in [
        (r#","authorization_servers":["https://as.example/t/a"],"unknown":{"a":[1]}"#, None),
        (
            r#","authorization_servers":["http://as.example"]"#,
            Some(MetadataError::AuthorizationServerMalformed),
        ),
        (
            r#","authorization_servers":["https://as.example?x"]"#,
            Some(MetadataError::AuthorizationServerMalformed),
        ),
        (r#","authorization_servers":["https:///x"]"#, Some(MetadataError::AuthorizationServerMalformed)),
        (r#","jwks_uri":"http://api.example/jwks""#, Some(MetadataError::KeysNotHttps)),
        (
            r#","resource_signing_alg_values_supported":["RS256","none"]"#,
            Some(MetadataError::AlgorithmForbidden),
        ),
        (r#","dpop_signing_alg_values_supported":["ES256"]"#, None),
        (r#","dpop_signing_alg_values_supported":["HS256"]"#, Some(MetadataError::AlgorithmForbidden)),
        (r#","scopes_supported":"a b""#, Some(MetadataError::Malformed)),
        (r#","dpop_bound_access_tokens_required":"true""#, Some(MetadataError::Malformed)),
        (r#","jwks_uri":"https://a.example","jwks_uri":"https://b.example""#, Some(MetadataError::Malformed)),
        ("} {", Some(MetadataError::Malformed)),
    ] {
        assert_eq!(read(&with(members)).err(), expected, "{members}");
    }
    let long = with(&format!(r#","resource_name":"{}""#, "x".repeat(600 * 1024)));
    assert_eq!(read(&long), Err(MetadataError::TooLong));
}

#[test]
fn v44_what_we_publish_leaves_out_what_is_empty() {
    let metadata = ResourceMetadata {
        resource: RESOURCE.into(),
        authorization_servers: vec!["https://as.example".into()],
        bearer_methods_supported: vec!["header".into()],
        dpop_bound_access_tokens_required: true,
        ..ResourceMetadata::default()
    };
    assert_eq!(metadata.check(), Ok(()));
    assert_eq!(
        metadata.to_json(),
        concat!(
            r#"{"resource":"https://api.example/orders","authorization_servers":["https://as.example"],"#,
            r#""bearer_methods_supported":["header"],"dpop_bound_access_tokens_required":true}"#
        )
    );
    assert_eq!(read(&metadata.to_json()), Ok(metadata));
}

#[test]
fn v44_the_well_known_part_stands_between_host_and_path() {
    for (resource, address) in [
        ("https://rs.example", "https://rs.example/.well-known/oauth-protected-resource"),
        ("https://rs.example/", "https://rs.example/.well-known/oauth-protected-resource"),
        ("https://rs.example/a/b", "https://rs.example/.well-known/oauth-protected-resource/a/b"),
        ("https://rs.example/a/", "https://rs.example/.well-known/oauth-protected-resource/a/"),
        (
            "https://rs.example:8443/a?b=c",
            "https://rs.example:8443/.well-known/oauth-protected-resource/a?b=c",
        ),
        ("https://rs.example?b=c", "https://rs.example/.well-known/oauth-protected-resource?b=c"),
        ("https://rs.example/?b=c", "https://rs.example/.well-known/oauth-protected-resource?b=c"),
    ] {
        assert_eq!(ResourceMetadata::address_for(resource).as_deref(), Some(address));
    }
    for resource in [
        "http://rs.example",
        "https://rs.example/#a",
        "https:///a",
        "rs.example",
        "",
        "https://",
        "https://a b/",
    ] {
        assert_eq!(ResourceMetadata::address_for(resource), None, "{resource}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_the_reader_panic(document: Vec<u8>, text: String) {
        let _ = ResourceMetadata::parse(&document, RESOURCE);
        let _ = ResourceMetadata::parse(text.as_bytes(), &text);
        let _ = ResourceMetadata::address_for(&text);
    }
}
