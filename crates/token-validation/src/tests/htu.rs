use proptest::prelude::*;

use crate::dpop::normalise_htu;

#[track_caller]
fn check(address: &str, expected: Option<&str>) {
    assert_eq!(normalise_htu(address).as_deref(), expected, "{address:?}");
}

#[test]
fn v38_addresses_that_mean_the_same_become_the_same() {
    let same = Some("https://api.example/orders/1");
    for address in [
        "https://api.example/orders/1",
        "HTTPS://API.Example/orders/1",
        "https://api.example:443/orders/1",
        "https://api.example:/orders/1",
        "https://api.example/orders/1?a=b#c",
        "https://api.example/orders/1#c?d",
        "https://api.example/./orders/x/../1",
        "https://api.example/../orders/1",
        "https://api.example/%6Frders/%31",
        "https://api.example/%2E%2e/orders/1",
    ] {
        check(address, same);
    }
    check("http://api.example:80", Some("http://api.example/"));
    check("https://api.example?x", Some("https://api.example/"));
    check("https://api.example/a/.", Some("https://api.example/a/"));
    check("https://api.example/a/b/..", Some("https://api.example/a/"));
    check("https://[2001:DB8::1]:443/a", Some("https://[2001:db8::1]/a"));
    check("https://api.example/%7euser/%c3%a9", Some("https://api.example/~user/%C3%A9"));
}

#[test]
fn v38_addresses_that_differ_stay_apart() {
    let all = [
        "https://api.example/a",
        "http://api.example/a",
        "https://api.example:444/a",
        "https://api.example:80/a",
        "https://api.example./a",
        "https://other.example/a",
        "https://api.example/A",
        "https://api.example/a/",
        "https://api.example//a",
        "https://api.example/a%2Fb",
        "https://api.example/a/b",
        "https://api.example/a;b",
        "https://api.example/a%3Bb",
        "https://api.example/a%25b",
        "https://api.example/",
    ];
    let normal: std::collections::BTreeSet<String> =
        all.iter().map(|address| normalise_htu(address).unwrap()).collect();
    assert_eq!(normal.len(), all.len());
}

#[test]
fn v38_what_is_no_address_of_a_request_is_refused() {
    for address in [
        "",
        "/a",
        "api.example/a",
        "//api.example/a",
        "ftp://api.example/a",
        "https:api.example",
        "https:///a",
        "https://",
        "https://user@api.example/a",
        "https://user:password@api.example/a",
        "https://api.example\\@evil/a",
        "https://api.example/a b",
        "https://api.example/\u{e9}",
        "https://api.example/%",
        "https://api.example/%2",
        "https://api.example/%zz",
        "https://api.example:x/",
        "https://api.example:0443/",
        "https://api.example:123456/",
        "https://api.example:1:2/",
        "https://[::1/a",
        "https://[]/",
        "https://[::1]x/",
        "https://[v1.a]/",
        "https://api%2Eexample/",
        "https://api.example/[a]",
        "https://api.example/\u{0}",
        " https://api.example/",
    ] {
        check(address, None);
    }
    check(&format!("https://api.example/{}", "a".repeat(4_096)), None);
}

proptest! {
    #[test]
    fn v38_normalising_twice_is_normalising_once(address in "(?i)https?://[a-z0-9.]{1,8}(:[0-9]{0,4})?(/[a-z%/.0-9~]{0,20})?(\\?x)?") {
        if let Some(normal) = normalise_htu(&address) {
            let again = normalise_htu(&normal);
            prop_assert_eq!(again.as_deref(), Some(normal.as_str()));
            prop_assert!(!normal.contains(['?', '#']));
            let path = normal.splitn(4, '/').nth(3).unwrap();
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{}", normal);
        }
    }

    #[test]
    fn v38_no_address_makes_the_reader_panic(address: String) {
        let _ = normalise_htu(&address);
        let _ = normalise_htu(&format!("https://{address}"));
    }

    #[test]
    fn v38_query_and_fragment_never_matter(path in "[a-z/.]{0,12}", query in "[a-z?=&/.]{0,12}") {
        let address = format!("https://api.example/{path}");
        prop_assert_eq!(normalise_htu(&address), normalise_htu(&format!("{address}?{query}")));
        prop_assert_eq!(normalise_htu(&address), normalise_htu(&format!("{address}#{query}")));
    }
}
