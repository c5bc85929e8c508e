//! The list of mutations, and whether each still fits the code.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::campaigns;

/// Where the list is, from the root of the repository.
const LIST: &str = "crates/campaign/mutations.toml";

/// A mistake in one place of the code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mutation {
    pub(super) name: String,
    /// What would go wrong for a user, with the clause or the rule.
    pub(super) why: String,
    /// From the root of the repository.
    pub(super) file: String,
    /// Occurs exactly once in the file.
    pub(super) find: String,
    pub(super) replace: String,
    pub(super) test: Test,
}

/// The test that must turn red.
#[derive(Debug, Deserialize)]
pub(super) struct Test {
    #[serde(flatten)]
    pub(super) target: TestTarget,
    /// The name of the test function, perhaps with its modules.
    pub(super) filter: String,
}

/// What cargo builds for a test.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct TestTarget {
    /// The name of the package.
    pub(super) package: String,
    /// `lib`, the name of an integration test, or `campaign`: then the filter is the name of a campaign.
    pub(super) target: String,
}

impl TestTarget {
    /// Whether the test is a campaign against the built product.
    pub(super) fn is_campaign(&self) -> bool {
        self.target == "campaign"
    }
}

impl fmt::Display for TestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.package, self.target)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutation: Vec<Mutation>,
}

/// Reads the list.
pub(super) fn read(root: &Path) -> Result<Vec<Mutation>> {
    let text = fs::read_to_string(root.join(LIST)).with_context(|| format!("read {LIST}"))?;
    let List { mutation: mutations } = toml::from_str(&text).with_context(|| format!("read {LIST}"))?;
    let mut names = BTreeSet::new();
    if let Some(twice) = mutations.iter().find(|mutation| !names.insert(mutation.name.as_str())) {
        bail!("two mutations have the name {}", twice.name);
    }
    Ok(mutations)
}

impl Mutation {
    /// Why it does not fit the code as it is now.
    pub(super) fn misfits(&self, root: &Path) -> impl Iterator<Item = String> {
        [self.misfit_of_text(root), self.test.misfit(root)].into_iter().flatten()
    }

    fn misfit_of_text(&self, root: &Path) -> Option<String> {
        let Ok(text) = fs::read_to_string(root.join(&self.file)) else {
            return Some(format!("{} cannot be read", self.file));
        };
        self.apply_to(&text).err().map(|error| error.to_string())
    }

    /// The text of its file with the mistake in it.
    pub(super) fn apply_to(&self, text: &str) -> Result<String> {
        match text.matches(self.find.as_str()).count() {
            1 if self.find == self.replace => bail!("it changes nothing"),
            1 => Ok(text.replacen(self.find.as_str(), &self.replace, 1)),
            count => bail!("its text to find occurs {count} times in {}, and must once", self.file),
        }
    }
}

impl Test {
    fn misfit(&self, root: &Path) -> Option<String> {
        if self.target.is_campaign() {
            let is_known = self.target.package == "lydian-campaign" && campaigns::exists(&self.filter);
            return (!is_known).then(|| format!("there is no campaign {}", self.filter));
        }
        let TestTarget { package, target } = &self.target;
        let crate_name = package.strip_prefix("lydian-").unwrap_or(package);
        let folder = root.join("crates").join(crate_name);
        let places = if target == "lib" {
            vec![folder.join("src")]
        } else {
            vec![
                folder.join("tests").join(target),
                folder.join("tests").join(format!("{target}.rs")),
                // The suite that every backend passes lies beside the trait, and is expanded in the tests of the backend.
                root.join("crates/storage/src/conformance"),
            ]
        };
        let function = self.filter.rsplit("::").next().unwrap_or(&self.filter);
        let defined = format!("fn {function}(");
        if places.iter().any(|place| some_file_has(place, &defined)) {
            return None;
        }
        Some(format!("{} has no test function {function}", self.target))
    }
}

fn some_file_has(place: &Path, text: &str) -> bool {
    if place.is_dir() {
        let Ok(entries) = fs::read_dir(place) else { return false };
        return entries.flatten().any(|entry| some_file_has(&entry.path(), text));
    }
    place.extension().is_some_and(|extension| extension == "rs")
        && fs::read_to_string(place).is_ok_and(|content| content.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(find: &str, replace: &str) -> Mutation {
        let target = TestTarget { package: "lydian-domain".to_owned(), target: "lib".to_owned() };
        Mutation {
            name: "one".to_owned(),
            why: String::new(),
            file: "a.rs".to_owned(),
            find: find.to_owned(),
            replace: replace.to_owned(),
            test: Test { target, filter: "tests::it_holds".to_owned() },
        }
    }

    #[test]
    fn a_mutation_applies_where_its_text_occurs_once() {
        assert_eq!(mutation("<=", "<").apply_to("a <= b").unwrap(), "a < b");
        assert!(mutation("<=", "<").apply_to("a < b").is_err());
        assert!(mutation("<=", "<").apply_to("a <= b && b <= c").is_err());
        assert!(mutation("<=", "<=").apply_to("a <= b").is_err());
    }

    #[test]
    fn a_test_is_looked_for_in_the_sources_of_its_target() {
        let root = tempfile::tempdir().unwrap();
        let sources = root.path().join("crates/domain/src/deep");
        fs::create_dir_all(&sources).unwrap();
        fs::write(sources.join("tests.rs"), "#[test]\nfn it_holds() {}\n").unwrap();
        let mut test = mutation("a", "b").test;
        assert_eq!(test.misfit(root.path()), None);
        test.filter = "it_holds_not".to_owned();
        assert!(test.misfit(root.path()).is_some());
    }
}
