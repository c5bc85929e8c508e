//! Strings that are no tokens of ours, whatever they look like (RFC 7662 §2.2).

use lydian_domain::TokenId;
use lydian_domain::token_string::{format_opaque, parse_opaque};
use lydian_primitives::{Clock, Hour, Mint, SystemEntropy};
use lydian_test_kit::TestServer;
use lydian_test_kit::fixtures::{API, API_CLIENT, APP, AUDITOR, ISSUER};
use lydian_test_kit::seed::{self, Seed};

use crate::alike::{check_active, check_inactive};

#[tokio::test]
async fn int_07_int_08_w23_w24_text_that_is_no_token_is_inactive() {
    let server = TestServer::start().await;
    let uuid = "94e325b7-77c8-32c2-a6ff-d7be430bf785";
    let jwt_of_others = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let texts = [
        ("one byte", "x".to_owned()),
        ("a UUID", uuid.to_owned()),
        ("16 KiB", "a".repeat(16 * 1024)),
        ("more than 16 KiB", "a".repeat(16 * 1024 + 1)),
        ("nearly a whole body", "a".repeat(60_000)),
        ("NUL", "\0".to_owned()),
        ("NUL within", "lya_\0".to_owned()),
        ("emoji", "\u{1f600}".to_owned()),
        ("a line break", "a\r\nb".to_owned()),
        ("a percent sign", "%00%zz".to_owned()),
        ("SQL", "' OR 1=1 --".to_owned()),
        ("a path", "../../etc/passwd".to_owned()),
        ("JSON", "{\"active\":true}".to_owned()),
        ("the prefix of access tokens", "lya_".to_owned()),
        ("the prefix of refresh tokens", "lyr_0".to_owned()),
        ("dots alone", "..".to_owned()),
        ("many dots", ".".repeat(1_000)),
        ("a JWT of another issuer", jwt_of_others.to_owned()),
        ("a JWT of 16 KiB", format!("eyJhbGciOiJFUzI1NiJ9.{}.AAAA", "A".repeat(16_000))),
        ("our issuer", ISSUER.to_owned()),
    ];
    check_inactive(&server, API_CLIENT, &texts).await;
    check_inactive(&server, AUDITOR, &texts).await;
}

#[tokio::test]
async fn int_07_int_08_gen_16_a_forged_opaque_token_is_inactive_even_beside_the_live_one() {
    let server = TestServer::start().await;
    let granted = Seed::of(APP, Some(API), "read").put(&server).await;
    let realm = server.realm(None);
    let mint = Mint::new(server.clock.now(), &SystemEntropy);
    let parts = parse_opaque("lya", &granted.access_token).unwrap();
    let refresh = parse_opaque("lyr", &granted.refresh_token).unwrap();
    let of = |prefix, handle| format_opaque(prefix, 0, handle, mint.bytes());
    let unused = seed::token_id(&server, server.clock.now().plus_seconds(600)).await;
    let never = TokenId::from_parts(Hour::NEVER, 1, 7);
    let handle_of = |id| realm.secrets.token_handles().of_token(id);
    let mut bit_flipped = parts.handle;
    bit_flipped[0] ^= 1;
    let mut forgeries = vec![
        ("a random handle".to_owned(), of("lya", mint.bytes())),
        ("a handle of zeros".to_owned(), of("lya", [0; 16])),
        ("a handle with one bit flipped".to_owned(), of("lya", bit_flipped)),
        ("the handle of a token that was never issued".to_owned(), of("lya", handle_of(unused))),
        ("the handle of a token that never expires".to_owned(), of("lya", handle_of(never))),
        ("the handle of the live token".to_owned(), of("lya", parts.handle)),
        ("the handle of the live refresh token".to_owned(), of("lyr", refresh.handle)),
        ("an access token's handle as a refresh token".to_owned(), of("lyr", parts.handle)),
        ("a refresh token's handle as an access token".to_owned(), of("lya", refresh.handle)),
        ("another generation".to_owned(), format_opaque("lya", 1, parts.handle, mint.bytes())),
        ("the last generation".to_owned(), format_opaque("lya", 61, parts.handle, mint.bytes())),
        ("another prefix".to_owned(), granted.access_token.replacen("lya_", "lyb_", 1)),
        ("the prefix in upper case".to_owned(), granted.access_token.replacen("lya_", "LYA_", 1)),
        ("a space before it".to_owned(), format!(" {}", granted.access_token)),
        ("a line break behind it".to_owned(), format!("{}\n", granted.access_token)),
        ("twice".to_owned(), granted.access_token.repeat(2)),
    ];
    for token in [&granted.access_token, &granted.refresh_token] {
        for length in [1, 5, 27, 69, 74] {
            forgeries.push((format!("cut at {length}"), token[..length].to_owned()));
        }
        // Each random byte counts: the checksum is made good again, the digest is not.
        let (prefix, whole) = token.split_at(3);
        let body = lydian_primitives::base64url::decode(&whole.as_bytes()[2..66]).unwrap();
        for position in [16, 31, 47] {
            let mut altered = body.clone();
            altered[position] ^= 0x80;
            let (handle, random) = altered.split_first_chunk::<16>().unwrap();
            let forged = format_opaque(prefix, 0, *handle, random.try_into().unwrap());
            forgeries.push((format!("{prefix}, random byte {position} altered"), forged));
        }
        let same = body.split_first_chunk::<16>().unwrap();
        assert_eq!(format_opaque(prefix, 0, *same.0, same.1.try_into().unwrap()), *token);
    }
    let named: Vec<_> = forgeries.iter().map(|(name, token)| (name.as_str(), token.clone())).collect();
    check_inactive(&server, AUDITOR, &named).await;
    let live = [("access", granted.access_token.clone()), ("refresh", granted.refresh_token.clone())];
    check_active(&server, AUDITOR, &live).await;
    // The facts are in memory by now, and change nothing.
    check_inactive(&server, AUDITOR, &named).await;
}
