//! Tests of `config`.

use super::*;

fn load_file(text: &str) -> Result<Config, Vec<Fault>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lydian.toml");
    std::fs::write(&path, text).unwrap();
    load(&Flags { config: Some(path), values: Vec::new() }, std::iter::empty())
}

#[track_caller]
fn check_fault(text: &str, expected: &[&str]) {
    let faults = load_file(text).expect_err("the configuration is at fault");
    assert_eq!(faults.len(), expected.len(), "{faults:?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.0.contains(expected), "{fault} does not contain {expected:?}");
    }
}

#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let config =
        load_file("listen = [\"127.0.0.1:1\", \"127.0.0.2:2\"]\nfact_cache_bytes = 5\nlog_format = \"json\"")
            .unwrap();
    let again = load_file(&config.print()).unwrap();
    assert_eq!(config.print(), again.print());
    assert_eq!(again.listen.len(), 2);
}

#[test]
fn a_text_is_printed_as_toml_has_it() {
    for value in [
        "007",
        "+5",
        "5",
        "18446744073709551616",
        "true",
        "a\\u007fb",
        "a\\tb",
        "c:\\\\d",
        "\\\"quoted\\\"",
        "e\u{301}",
    ] {
        let config = load_file(&format!("data_dir = \"{value}\"")).unwrap();
        let again = load_file(&config.print()).unwrap();
        assert_eq!(again.data_dir, config.data_dir, "{value}");
    }
    // Empty is not the default here.
    let config = load_file("log_level = \"\"").unwrap();
    assert_eq!(load_file(&config.print()).unwrap().log_level, "");
}

#[test]
fn s47_unknown_keys_refuse_the_start_and_name_the_nearest_one() {
    check_fault("isuer = \"https://a\"", &["isuer"]);
    check_fault("log_levels = \"info\"", &["did you mean log_level?"]);
}

#[test]
fn all_faults_are_reported_at_once() {
    check_fault(
        "connections_max = 0\nlisten = \"nowhere\"\nx = 1\nissuer = \"ftp://a\"",
        &["connections_max", "issuer", "listen", "x"],
    );
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lydian.toml");
    std::fs::write(&path, "drain_seconds = 1\nworker_threads = 1\nfact_cache_bytes = 1").unwrap();
    let environment = [("LYDIAN_WORKER_THREADS", "2"), ("LYDIAN_FACT_CACHE_BYTES", "2"), ("PATH", "/")];
    let flags = Flags { config: Some(path), values: vec![("fact_cache_bytes", "--x", "3".to_owned())] };
    let config =
        load(&flags, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .unwrap();
    assert_eq!((config.drain_seconds, config.worker_threads, config.fact_cache_bytes), (1, 2, 3));
}

#[test]
fn an_unknown_variable_with_our_prefix_is_a_fault() {
    let environment = [("LYDIAN_LISTEM".to_owned(), "127.0.0.1:1".to_owned())];
    let faults = load(&Flags::default(), environment.into_iter()).unwrap_err();
    assert!(faults[0].0.contains("LYDIAN_LISTEM"), "{faults:?}");
}

#[test]
fn s3_listening_beyond_loopback_wants_a_certificate_and_an_issuer_or_a_named_exception() {
    check_fault("listen = \"0.0.0.0:9443\"", &["self-signed", "issuer names this machine"]);
    check_fault("listen = \"0.0.0.0:9443\"\nissuer = \"https://login.example.com\"", &["self-signed"]);
    check_fault(
        "listen = \"192.0.2.1:9443\"\ninsecure_plain_http = true\nissuer = \"https://login.example.com\"",
        &["read tokens"],
    );
    let named = load_file("listen = \"0.0.0.0:9443\"\ninsecure_beyond_loopback = true").unwrap();
    assert_eq!(named.insecure_options(), ["insecure_beyond_loopback"]);
    let proper =
        "listen = \"0.0.0.0:9443\"\nissuer = \"https://a.example\"\ntls_certificate = \"a\"\ntls_key = \"b\"";
    assert!(load_file(proper).is_ok());
}

#[test]
fn gen_01_an_issuer_is_https_unless_plain_http_is_named() {
    check_fault("issuer = \"http://login.example.com\"", &["https://"]);
    assert!(load_file("issuer = \"http://localhost:1\"\ninsecure_plain_http = true").is_ok());
    for issuer in
        ["https://a/path", "https://a?b", "https://a#b", "https://", "https://u@a", "login.example.com"]
    {
        check_fault(&format!("issuer = {issuer:?}"), &["issuer"]);
    }
}

#[test]
fn a_certificate_needs_its_key() {
    check_fault("tls_certificate = \"a\"", &["give both"]);
}

#[test]
fn insecure_keys_begin_with_insecure() {
    let names: Vec<_> =
        KEYS.iter().map(|key| key.name).filter(|name| name.starts_with("insecure_")).collect();
    assert_eq!(names, ["insecure_beyond_loopback", "insecure_plain_http"]);
    assert!(Config::default().insecure_options().is_empty());
}

#[test]
fn keys_are_sorted_and_each_stands_once() {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    assert!(names.is_sorted());
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_missing_file_that_was_named_is_a_fault() {
    let flags = Flags { config: Some(PathBuf::from("/nonexistent/lydian.toml")), values: Vec::new() };
    assert!(load(&flags, std::iter::empty()).unwrap_err()[0].0.contains("/nonexistent/lydian.toml"));
}

#[test]
fn the_guide_lists_every_key_as_it_is() {
    let guide = include_str!("../../../docs/guide/configuration.md");
    assert!(guide.ends_with(&reference()), "run: cargo xtask generate");
}

#[test]
fn s27_proxies_are_addresses_or_networks() {
    let config = load_file("trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]").unwrap();
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(load_file(&config.print()).unwrap().trusted_proxies, config.trusted_proxies);
    check_fault("trusted_proxies = \"nowhere\"", &["trusted_proxies"]);
}

#[test]
fn a_shell_that_exports_the_demo_still_starts_a_server() {
    let environment = [("LYDIAN_URL".to_owned(), "x".to_owned()), ("LYDIAN_CA".to_owned(), "y".to_owned())];
    assert!(load(&Flags::default(), environment.into_iter()).is_ok());
}

#[test]
fn mail_is_set_by_keys_or_by_a_table_and_what_does_not_go_together_is_a_fault() {
    let table = "[mail]\nhost = \"mail.example.com\"\nfrom = \"Example <no-reply@example.com>\"\ntls = \"starttls\"\n";
    let config = load_file(table).unwrap();
    assert_eq!(config.mail.to_string(), "mail.example.com:587 (starttls) as no-reply@example.com");
    assert_eq!(load_file(&config.print()).unwrap().mail.to_string(), config.mail.to_string());
    let plain = "mail_host = \"127.0.0.1\"\nmail_from = \"a@b.example\"\nmail_tls = \"insecure_plain\"\n";
    assert_eq!(load_file(plain).unwrap().insecure_options(), ["mail_tls"]);
    let ours = "mail_host = \"mail.example.com\"\nmail_from = \"a@b.example\"\n";
    assert!(load_file(ours).unwrap().insecure_options().is_empty());
    for (text, said) in [
        ("mail_from = \"a@b.example\"", "mail_host"),
        ("mail_port = 25", "mail_host"),
        ("mail_host = \"mail.example.com\"", "mail_from"),
        ("mail_host = \"mail.example.com:25\"\nmail_from = \"a@b.example\"\nmail_port = 70000", "mail_port"),
        ("mail_host = \"a/b\"", "mail_host"),
        ("mail_host = \"a\"\nmail_from = \"nobody\"", "mail_from"),
        (&format!("{ours}mail_username = \"x\""), "give both, or neither"),
        (&format!("{ours}mail_password_file = \"x\""), "give both, or neither"),
        (&format!("{ours}mail_tls = \"none\""), "required, starttls or insecure_plain"),
        (
            &format!(
                "{ours}mail_tls = \"insecure_plain\"\nmail_username = \"x\"\nmail_password_file = \"y\""
            ),
            "the password would cross the network readable",
        ),
        (&format!("{plain}mail_ca_file = \"x\""), "no certificate is looked at"),
        ("[mail]\nhots = \"a\"", "mail_hots"),
        ("[nail]\nhost = \"a\"", "nail"),
    ] {
        let faults = load_file(text).expect_err(text);
        assert!(faults.iter().any(|fault| fault.0.contains(said)), "{text}: {faults:?}");
    }
}
