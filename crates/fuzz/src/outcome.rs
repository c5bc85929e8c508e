//! What a target says of an input: whether it was accepted, and a number for what kind of input it was.
//!
//! Without instrumentation the kind is all that tells the runner of progress: an input of a new kind is kept and mutated further.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    accepted: bool,
    kind: u64,
}

impl Outcome {
    /// The input was accepted; `shape` tells inputs apart that took different ways.
    pub fn accepted(shape: impl Hash) -> Self {
        Self { accepted: true, kind: hash(shape) }
    }

    /// The input was refused for a reason out of a closed list.
    pub fn refused(reason: impl Debug) -> Self {
        Self { accepted: false, kind: hash(format!("{reason:?}")) }
    }

    /// The input was refused with a text that may quote it: only the words outside of quotes count.
    pub fn refused_saying(text: &str) -> Self {
        let mut quoted = false;
        let words: String = text
            .chars()
            .filter(|character| {
                if ['`', '"', '\''].contains(character) {
                    quoted = !quoted;
                }
                !quoted && (character.is_alphabetic() || *character == ' ')
            })
            .take(200)
            .collect();
        Self { accepted: false, kind: hash(words) }
    }

    /// Whether the input was accepted.
    pub fn is_accepted(self) -> bool {
        self.accepted
    }
}

/// How large something is, roughly: lengths that differ by less than half are of one kind.
pub(crate) fn magnitude(length: usize) -> u32 {
    usize::BITS - length.leading_zeros()
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
