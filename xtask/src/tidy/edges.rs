//! Which crate may use which: the table behind `docs/decisions/0001-layers-and-the-table-of-allowed-edges.md`.
//!
//! A crate may use every crate of a lower layer, save those that its row forbids. Within a layer only the listed edges exist.
//! `test-kit` is a dev-dependency of anybody. A row may stand here before its crate does.

use anyhow::Result;

use crate::tree::{Dependency, Finding, Tree};

/// A crate's place.
struct Place {
    name: &'static str,
    layer: u8,
    /// Crates of ours that it must not use, although they are lower.
    not_ours: &'static [&'static str],
    /// Crates of others that it must not use outside of its tests.
    not_external: &'static [&'static str],
}

/// Asynchronous or blocking doors to the outside.
const IO: &[&str] = &[
    "axum",
    "h2",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "mio",
    "postgres",
    "reqwest",
    "rusqlite",
    "rustls",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tokio-rustls",
    "tower",
];

/// The wire, for those who may wait but must not know how a request arrives.
const HTTP: &[&str] =
    &["axum", "h2", "http", "http-body", "http-body-util", "hyper", "hyper-util", "reqwest", "tower"];

/// HTTP and every backend.
const HTTP_AND_SQL: &[&str] = &[
    "axum",
    "h2",
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "postgres",
    "reqwest",
    "rusqlite",
    "sqlx",
    "tokio-postgres",
    "tower",
];

/// Every backend.
const SQL: &[&str] = &["postgres", "rusqlite", "sqlx", "tokio-postgres"];

/// The seam to the store and its backends.
const STORAGE: &[&str] = &["lydian-storage", "lydian-storage-embedded", "lydian-storage-postgres"];

/// What the kit and the guard must not know: they judge tokens without being the server.
const SERVER_SIDE: &[&str] =
    &["lydian-domain", "lydian-storage", "lydian-storage-embedded", "lydian-storage-postgres"];

const PLACES: &[Place] = &[
    Place { name: "lydian-primitives", layer: 0, not_ours: &[], not_external: IO },
    Place { name: "lydian-jose", layer: 0, not_ours: &[], not_external: IO },
    Place { name: "lydian-oauth-types", layer: 0, not_ours: &[], not_external: IO },
    Place { name: "lydian-domain", layer: 1, not_ours: &[], not_external: IO },
    Place { name: "lydian-pages", layer: 1, not_ours: &[], not_external: IO },
    Place { name: "lydian-revocation", layer: 1, not_ours: &[], not_external: IO },
    Place { name: "lydian-token-validation", layer: 1, not_ours: &[], not_external: IO },
    Place { name: "lydian-storage", layer: 2, not_ours: &[], not_external: HTTP_AND_SQL },
    Place { name: "lydian-service", layer: 3, not_ours: &[], not_external: HTTP_AND_SQL },
    Place { name: "lydian-storage-embedded", layer: 3, not_ours: &[], not_external: HTTP },
    Place { name: "lydian-storage-postgres", layer: 3, not_ours: &[], not_external: HTTP },
    Place { name: "lydian-resource-server", layer: 3, not_ours: SERVER_SIDE, not_external: SQL },
    Place { name: "lydian-admin-api", layer: 4, not_ours: STORAGE, not_external: SQL },
    Place { name: "lydian-console", layer: 4, not_ours: STORAGE, not_external: SQL },
    Place { name: "lydian-http", layer: 4, not_ours: STORAGE, not_external: SQL },
    Place { name: "lydian-guard", layer: 5, not_ours: SERVER_SIDE, not_external: SQL },
    Place { name: "lydian-server", layer: 5, not_ours: &[], not_external: SQL },
    Place { name: "lydian-bench", layer: 6, not_ours: &[], not_external: &[] },
    Place { name: "lydian-campaign", layer: 6, not_ours: &[], not_external: &[] },
    Place { name: "lydian-cli", layer: 6, not_ours: &[], not_external: SQL },
    Place { name: "lydian-fuzz", layer: 6, not_ours: &[], not_external: SQL },
    Place { name: "lydian-model", layer: 6, not_ours: &[], not_external: HTTP_AND_SQL },
    Place { name: "lydian-test-kit", layer: 6, not_ours: &[], not_external: SQL },
];

/// Edges within a layer: the left one may use the right one.
const WITHIN_A_LAYER: &[(&str, &str)] = &[
    ("lydian-jose", "lydian-primitives"),
    ("lydian-oauth-types", "lydian-jose"),
    ("lydian-oauth-types", "lydian-primitives"),
    ("lydian-domain", "lydian-revocation"),
    ("lydian-token-validation", "lydian-revocation"),
    ("lydian-campaign", "lydian-fuzz"),
    ("lydian-campaign", "lydian-model"),
];

/// The commands of the project. They judge the crates and use none.
const XTASK: &str = "xtask";

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let packages = tree.metadata()?.packages;
    Ok(packages.iter().flat_map(|package| check_package(&package.name, &package.dependencies)).collect())
}

fn check_package(name: &str, dependencies: &[Dependency]) -> Vec<Finding> {
    if name != XTASK && place(name).is_none() {
        return vec![Finding::new(name, "has no row in the table of layers (xtask/src/tidy/edges.rs)")];
    }
    let refused = |used: &Dependency| {
        let is_dev = used.kind.as_deref() == Some("dev");
        let why = if is_ours(&used.name) {
            refuse_ours(name, &used.name, is_dev)
        } else {
            refuse_external(name, &used.name, is_dev)
        };
        why.map(|why| Finding::new(name, format!("must not use {}: {why}", used.name)))
    };
    dependencies.iter().filter_map(refused).collect()
}

fn refuse_ours(user: &str, used: &str, is_dev: bool) -> Option<String> {
    let Some(user) = place(user) else {
        return Some("the commands of the project use none of its crates".to_owned());
    };
    let Some(used) = place(used) else {
        return Some("it has no row in the table of layers".to_owned());
    };
    if used.name == "lydian-test-kit" {
        return (!is_dev).then(|| "it is for tests: make it a dev-dependency".to_owned());
    }
    if user.not_ours.contains(&used.name) {
        return Some("its row forbids it".to_owned());
    }
    if used.layer > user.layer {
        return Some(format!("layer {} lies above layer {}", used.layer, user.layer));
    }
    if used.layer == user.layer && !WITHIN_A_LAYER.contains(&(user.name, used.name)) {
        return Some(format!("both lie in layer {}, and this edge is not listed", user.layer));
    }
    None
}

fn refuse_external(user: &str, used: &str, is_dev: bool) -> Option<String> {
    let user = place(user)?;
    (!is_dev && user.not_external.contains(&used)).then(|| "its row forbids it".to_owned())
}

fn place(name: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.name == name)
}

fn is_ours(name: &str) -> bool {
    name == XTASK || name.starts_with("lydian-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(user: &str, used: &str, kind: Option<&str>, expected: Option<&str>) {
        let dependency = Dependency { name: used.to_owned(), kind: kind.map(ToOwned::to_owned) };
        let findings = check_package(user, &[dependency]);
        let whats: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
        let expected = expected.map(|why| format!("must not use {used}: {why}"));
        assert_eq!(whats, expected.iter().map(String::as_str).collect::<Vec<_>>(), "{user} -> {used}");
    }

    #[test]
    fn a_lower_layer_may_be_used_and_a_higher_one_may_not() {
        check("lydian-service", "lydian-storage", None, None);
        check("lydian-domain", "lydian-storage", None, Some("layer 2 lies above layer 1"));
        check("lydian-service", "lydian-http", Some("dev"), Some("layer 4 lies above layer 3"));
    }

    #[test]
    fn within_a_layer_only_the_listed_edges_exist() {
        check("lydian-jose", "lydian-primitives", None, None);
        check("lydian-domain", "lydian-revocation", None, None);
        let why = Some("both lie in layer 1, and this edge is not listed");
        check("lydian-revocation", "lydian-domain", None, why);
        let why = Some("both lie in layer 3, and this edge is not listed");
        check("lydian-service", "lydian-storage-embedded", Some("dev"), why);
    }

    #[test]
    fn a_row_may_forbid_what_its_layer_would_allow() {
        check("lydian-http", "lydian-domain", None, None);
        check("lydian-http", "lydian-storage", None, Some("its row forbids it"));
        check("lydian-guard", "lydian-domain", None, Some("its row forbids it"));
    }

    #[test]
    fn crates_of_others_are_forbidden_outside_of_tests() {
        check("lydian-domain", "tokio", None, Some("its row forbids it"));
        check("lydian-domain", "tokio", Some("build"), Some("its row forbids it"));
        check("lydian-domain", "tokio", Some("dev"), None);
        check("lydian-jose", "http", None, Some("its row forbids it"));
        check("lydian-service", "rusqlite", None, Some("its row forbids it"));
        check("lydian-storage-embedded", "rusqlite", None, None);
    }

    #[test]
    fn the_kit_for_tests_is_for_tests() {
        check("lydian-jose", "lydian-test-kit", Some("dev"), None);
        check("lydian-bench", "lydian-test-kit", None, Some("it is for tests: make it a dev-dependency"));
    }

    #[test]
    fn the_commands_of_the_project_use_none_of_its_crates() {
        check("xtask", "clap", None, None);
        check("xtask", "lydian-jose", None, Some("the commands of the project use none of its crates"));
        check("lydian-cli", "xtask", None, Some("it has no row in the table of layers"));
    }

    #[test]
    fn every_crate_has_a_row() {
        let findings = check_package("lydian-extra", &[]);
        assert_eq!(findings.len(), 1);
        check("lydian-cli", "lydian-extra", None, Some("it has no row in the table of layers"));
    }

    #[test]
    fn a_name_has_one_row() {
        for (position, place) in PLACES.iter().enumerate() {
            assert!(PLACES[..position].iter().all(|other| other.name != place.name), "{}", place.name);
        }
    }
}
