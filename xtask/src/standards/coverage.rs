//! The items beside the tests that name them, and what is wrong between the two.

use std::collections::BTreeMap;

use crate::tree::Finding;

use super::LIST;
use super::list::{Item, List};
use super::names::ids_in;

/// A test.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Test {
    /// The folder of its crate below `crates/`.
    pub(super) krate: String,
    pub(super) name: String,
    /// File and line.
    pub(super) place: String,
}

/// The list, with the tests of each item.
pub(super) struct Coverage {
    pub(super) list: List,
    tests: BTreeMap<String, Vec<Test>>,
    strangers: Vec<Finding>,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Tests name it.
    Tested,
    /// Tests name it, and a part cannot be tested yet.
    Partly,
    /// It cannot be tested yet, for a reason.
    NotYet,
    /// No test, no reason.
    Missing,
    /// A test names it, and it is called not yet there.
    TestedAlthoughNotYet,
    /// It is called done in part, and no test names it.
    PartlyWithoutTest,
}

impl Coverage {
    pub(super) fn new(list: List, tests: &[Test]) -> Self {
        let prefixes: Vec<String> = list.families.iter().map(|family| family.prefix.clone()).collect();
        let mut found: BTreeMap<String, Vec<Test>> =
            list.items().map(|item| (item.id.clone(), Vec::new())).collect();
        let mut strangers = Vec::new();
        for test in tests {
            for id in ids_in(&test.name, &prefixes) {
                match found.get_mut(&id) {
                    Some(tests) => tests.push(test.clone()),
                    None => {
                        let what = format!("{} names {id}, which is not in {LIST}", test.name);
                        strangers.push(Finding::new(&test.place, what));
                    }
                }
            }
        }
        for tests in found.values_mut() {
            tests.sort();
        }
        Self { list, tests: found, strangers }
    }

    /// The tests that name an item.
    pub(super) fn tests_of(&self, item: &Item) -> &[Test] {
        self.tests.get(&item.id).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn standing_of(&self, item: &Item) -> Standing {
        match (self.tests_of(item).is_empty(), item.not_yet.is_some(), item.partly) {
            (false, false, _) => Standing::Tested,
            (false, true, true) => Standing::Partly,
            (false, true, false) => Standing::TestedAlthoughNotYet,
            (true, true, false) => Standing::NotYet,
            (true, _, true) => Standing::PartlyWithoutTest,
            (true, false, false) => Standing::Missing,
        }
    }

    /// Everything that is wrong.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let wrong = |item: &Item| {
            let what = match self.standing_of(item) {
                Standing::Tested | Standing::Partly | Standing::NotYet => return None,
                Standing::Missing => "has neither a test nor a reason",
                Standing::TestedAlthoughNotYet => {
                    "has a test and is called not yet there: remove `not_yet`, or say `partly = true`"
                }
                Standing::PartlyWithoutTest => "is called done in part, and no test names it",
            };
            Some(Finding::new(&item.id, what))
        };
        let items = self.list.items().filter_map(wrong);
        let strangers =
            self.strangers.iter().map(|finding| Finding::new(&finding.place, finding.what.as_str()));
        items.chain(strangers).collect()
    }

    /// How many items stand how, in a line.
    pub(super) fn figures(&self) -> String {
        let count = |standings: &[Standing]| {
            self.list.items().filter(|item| standings.contains(&self.standing_of(item))).count()
        };
        let mut text = format!(
            "{} items: {} tested, {} in part, {} not yet",
            self.list.items().count(),
            count(&[Standing::Tested]),
            count(&[Standing::Partly]),
            count(&[Standing::NotYet]),
        );
        let wrong = count(&[Standing::Missing, Standing::TestedAlthoughNotYet, Standing::PartlyWithoutTest]);
        if wrong > 0 {
            text.push_str(&format!(", {wrong} WRONG"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: &str = r#"
        [[family]]
        prefix = "INT"
        title = "t"
        [[family.item]]
        id = "INT-01"
        clause = "c"
        rule = "r"
        [[family.item]]
        id = "INT-02"
        clause = "c"
        rule = "r"
        not_yet = "later"
        [[family.item]]
        id = "INT-03"
        clause = "c"
        rule = "r"
        not_yet = "in part later"
        partly = true
    "#;

    #[track_caller]
    fn check(names: &[&str], expected: &[&str]) {
        let test = |name: &&str| Test {
            krate: "http".to_owned(),
            name: (*name).to_owned(),
            place: "crates/http/src/x.rs:1".to_owned(),
        };
        let tests: Vec<_> = names.iter().map(test).collect();
        let coverage = Coverage::new(List::parse(ITEMS).unwrap(), &tests);
        let findings = coverage.findings();
        assert_eq!(findings.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_item_has_a_test_or_a_reason() {
        check(&["int_01_x", "int_03_x"], &[]);
        check(&["int_03_x"], &["INT-01: has neither a test nor a reason"]);
    }

    #[test]
    fn an_item_with_both_says_that_it_is_done_in_part() {
        let what = "has a test and is called not yet there: remove `not_yet`, or say `partly = true`";
        check(&["int_01_x", "int_02_x", "int_03_x"], &[&format!("INT-02: {what}")]);
        check(&["int_01_x"], &["INT-03: is called done in part, and no test names it"]);
    }

    #[test]
    fn a_test_names_only_what_is_listed() {
        let what = "crates/http/src/x.rs:1: int_99_x names INT-99, which is not in docs/standards.toml";
        check(&["int_01_x", "int_03_x", "int_99_x"], &[what]);
    }

    #[test]
    fn the_figures_count_each_item_once() {
        let coverage = Coverage::new(List::parse(ITEMS).unwrap(), &[]);
        assert_eq!(coverage.figures(), "3 items: 0 tested, 0 in part, 1 not yet, 2 WRONG");
    }
}
