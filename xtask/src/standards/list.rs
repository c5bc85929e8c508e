//! The list of items, as it stands in `docs/standards.toml`.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde::Deserialize;

/// All items, in families.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(rename = "family")]
    pub(super) families: Vec<Family>,
}

/// Items whose ids begin alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Family {
    /// What the ids begin with: `INT` of INT-07, `W` of W17.
    pub(super) prefix: String,
    /// What the items are about.
    pub(super) title: String,
    #[serde(rename = "item")]
    pub(super) items: Vec<Item>,
}

/// One promise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) id: String,
    /// Where it comes from.
    pub(super) clause: String,
    /// What we promise, in a line.
    pub(super) rule: String,
    /// Why it has no test yet, or for what part it has none.
    pub(super) not_yet: Option<String>,
    /// What `not_yet` says concerns a part only; the rest has tests.
    #[serde(default)]
    pub(super) partly: bool,
}

impl List {
    /// # Errors
    ///
    /// A text that is no such list, or a list that contradicts itself.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let list: Self = toml::from_str(text)?;
        let mut ids = BTreeSet::new();
        for family in &list.families {
            for item in &family.items {
                ensure!(ids.insert(item.id.as_str()), "{} is listed twice", item.id);
                ensure!(family.may_hold(&item.id), "{} is no id of the family {}", item.id, family.prefix);
                ensure!(
                    !item.partly || item.not_yet.is_some(),
                    "{} is done in part: say what is missing",
                    item.id
                );
            }
        }
        Ok(list)
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.families.iter().flat_map(|family| &family.items)
    }
}

impl Family {
    fn may_hold(&self, id: &str) -> bool {
        let Some(number) = id.strip_prefix(self.prefix.as_str()) else {
            return false;
        };
        let number = number.strip_prefix('-').unwrap_or(number);
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(items: &str) -> Result<List> {
        List::parse(&format!("[[family]]\nprefix = \"INT\"\ntitle = \"t\"\n{items}"))
    }

    fn item(id: &str, more: &str) -> String {
        format!("[[family.item]]\nid = \"{id}\"\nclause = \"c\"\nrule = \"r\"\n{more}\n")
    }

    #[test]
    fn a_list_does_not_contradict_itself() {
        assert_eq!(parse(&item("INT-01", "")).unwrap().items().count(), 1);
        let error = |items: &str| parse(items).unwrap_err().to_string();
        assert_eq!(error(&item("INT-01", "").repeat(2)), "INT-01 is listed twice");
        assert_eq!(error(&item("REV-01", "")), "REV-01 is no id of the family INT");
        assert_eq!(error(&item("INT-01", "partly = true")), "INT-01 is done in part: say what is missing");
        assert!(error(&item("INT-01", "not_jet = \"typo\"")).contains("unknown field"));
    }
}
