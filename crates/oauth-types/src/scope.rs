//! Scopes and sets of them (RFC 6749 §3.3).

use std::fmt;
use std::sync::Arc;

use lydian_primitives::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a scope parameter is malformed (`invalid_scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeError {
    /// A character outside of %x21, %x23-5B, %x5D-7E.
    Character,
    /// A single scope longer than [`limits::SCOPE_BYTES_MAX`].
    TooLong,
    /// More scopes than [`limits::SCOPES_MAX`].
    TooMany,
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "a scope holds a character that scopes cannot have",
            Self::TooLong => "a scope is too long",
            Self::TooMany => "there are too many scopes",
        })
    }
}

impl std::error::Error for ScopeError {}

/// One scope, known to follow the grammar.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Reads a single scope.
    ///
    /// # Errors
    ///
    /// [`ScopeError`] when it is empty, too long, or holds a character that scopes cannot have.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        check_one(text)?;
        Ok(Self(text.into()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A set of scopes, held as the text that goes on the wire: sorted, each once, joined by single spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScopeSet(Arc<str>);

impl ScopeSet {
    /// The set without any scope.
    pub fn empty() -> Self {
        Self("".into())
    }

    /// Reads a space-separated list; order and repetition do not matter, extra spaces are tolerated.
    ///
    /// # Errors
    ///
    /// [`ScopeError`] when the list or a scope in it is malformed.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut scopes = Vec::new();
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            check_one(scope)?;
            if scopes.len() == limits::SCOPES_MAX {
                return Err(ScopeError::TooMany);
            }
            scopes.push(scope);
        }
        Ok(scopes.into_iter().collect())
    }

    /// Whether a text is a list of scopes with single spaces between, without making a set of it (RFC 6749 §3.3).
    ///
    /// # Errors
    ///
    /// As [`Self::parse`]; an empty scope, as two spaces make it, is [`ScopeError::Character`].
    pub fn check_list(text: &str) -> Result<(), ScopeError> {
        for (count, scope) in text.split(' ').enumerate() {
            if count == limits::SCOPES_MAX {
                return Err(ScopeError::TooMany);
            }
            check_one(scope)?;
        }
        Ok(())
    }

    /// Reads back what [`Self::as_str`] gave to a store.
    pub fn from_stored(text: &str) -> Self {
        text.split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether it holds no scope.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds exactly this scope: set membership, never a search in the text.
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|mine| mine == scope)
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|scope| other.contains(scope)).collect()
    }

    /// The scopes that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The scopes of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|scope| !other.contains(scope)).collect()
    }

    /// Whether every scope of this set is in the other.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|scope| other.contains(scope))
    }
}

impl<'a> FromIterator<&'a str> for ScopeSet {
    /// The callers give scopes that were checked before.
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut scopes: Vec<&str> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.join(" ").into())
    }
}

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn check_one(scope: &str) -> Result<(), ScopeError> {
    if scope.len() > limits::SCOPE_BYTES_MAX {
        return Err(ScopeError::TooLong);
    }
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if scope.is_empty() || !scope.bytes().all(allowed) {
        return Err(ScopeError::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w44_scopes_are_sorted_and_each_stands_once() {
        let scopes = ScopeSet::parse("write read  write ").unwrap();
        assert_eq!(scopes.as_str(), "read write");
    }

    #[test]
    fn oau_12_a_character_outside_of_the_grammar_is_refused() {
        for text in ["a\tb", "a\"b", "a\\b", "a\u{7f}", "\u{e9}", "a\nb", "\u{0}"] {
            assert_eq!(ScopeSet::parse(text), Err(ScopeError::Character), "{text:?}");
        }
        assert_eq!(ScopeSet::parse("!#[]~ a:b/c").unwrap().as_str(), "!#[]~ a:b/c");
    }

    #[test]
    fn oau_12_case_is_kept_and_matters() {
        let scopes = ScopeSet::parse("Read").unwrap();
        assert!(scopes.contains("Read"));
        assert!(!scopes.contains("read"));
    }

    #[test]
    fn membership_is_whole_and_not_a_prefix_or_a_substring() {
        let scopes = ScopeSet::parse("read:all write").unwrap();
        for scope in ["read", "all", "", " ", "read:all write", "writ"] {
            assert!(!scopes.contains(scope), "{scope:?}");
        }
        assert!(scopes.contains("write"));
    }

    #[test]
    fn too_many_and_too_long_are_refused() {
        let many: Vec<String> = (0..=limits::SCOPES_MAX).map(|number| format!("s{number}")).collect();
        assert_eq!(ScopeSet::parse(&many.join(" ")), Err(ScopeError::TooMany));
        assert!(ScopeSet::parse(&many[1..].join(" ")).is_ok());
        assert_eq!(ScopeSet::parse(&"a".repeat(limits::SCOPE_BYTES_MAX + 1)), Err(ScopeError::TooLong));
    }

    #[test]
    fn set_arithmetic() {
        let (ab, bc) = (ScopeSet::parse("a b").unwrap(), ScopeSet::parse("b c").unwrap());
        assert_eq!(ab.intersection(&bc).as_str(), "b");
        assert_eq!(ab.union(&bc).as_str(), "a b c");
        assert_eq!(ab.difference(&bc).as_str(), "a");
        assert!(ScopeSet::empty().is_subset(&ab));
        assert!(!ab.is_subset(&bc));
        assert!(ScopeSet::empty().is_empty());
    }
}
