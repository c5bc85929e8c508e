//! A strict reader of JSON (RFC 8259) for everything that decides about trust.
//!
//! It refuses what lenient readers let pass: members that occur twice, text after the value, a byte order mark,
//! lone surrogates, deep nesting. Numbers stay decimal text, so that nothing passes through floating point.
//! A document is one flat list of nodes over its text; [`Value`] is a handle into it.

mod reader;

use std::fmt;

use lydian_primitives::limits::JWKS_BYTES_MAX;

/// The longest document that is read, in bytes: the largest JSON that anything outside may send.
const TEXT_BYTES_MAX: usize = JWKS_BYTES_MAX;

/// A JSON document that was read completely and without a fault.
#[derive(Clone)]
pub struct Json {
    text: String,
    /// The contents of those strings that were written with escapes.
    unescaped: String,
    nodes: Vec<Node>,
}

impl Json {
    /// Reads a copy of `text` as one JSON value.
    ///
    /// # Errors
    ///
    /// The first fault in the text, as [`JsonError`] says.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        Self::from_vec(text.to_vec())
    }

    /// Reads `text` as one JSON value, without a copy.
    ///
    /// # Errors
    ///
    /// The first fault in the text, as [`JsonError`] says.
    pub fn from_vec(text: Vec<u8>) -> Result<Self, JsonError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(JsonError::TooLong);
        }
        if text.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonError::ByteOrderMark);
        }
        let text = String::from_utf8(text).map_err(|_| JsonError::NotUtf8)?;
        let (nodes, unescaped) = reader::read(&text)?;
        Ok(Self { text, unescaped, nodes })
    }

    /// The one value of the document.
    pub fn root(&self) -> Value<'_> {
        Value { json: self, index: 0 }
    }

    /// The value at a position of this very document; a null for a position of a larger one.
    pub fn at(&self, position: Position) -> Value<'_> {
        Value { json: self, index: position.0 as usize }
    }

    fn str_of(&self, node: Node) -> &str {
        let source = if node.escaped { &self.unescaped } else { &self.text };
        source.get(node.start as usize..node.end as usize).unwrap_or_default()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordered list.
    Array,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
    /// A decimal number.
    Number,
    /// Members with unique names.
    Object,
    /// Text.
    String,
}

/// A value within a [`Json`] document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    json: &'a Json,
    index: usize,
}

impl<'a> Value<'a> {
    /// Its type.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The text of a string.
    pub fn as_str(self) -> Option<&'a str> {
        let node = self.node();
        (node.kind == Kind::String).then(|| self.json.str_of(node))
    }

    /// A boolean.
    pub fn as_bool(self) -> Option<bool> {
        let node = self.node();
        (node.kind == Kind::Bool).then_some(node.start == 1)
    }

    /// The digits of a number as they were written; they follow the grammar of RFC 8259 §6.
    pub fn as_number_text(self) -> Option<&'a str> {
        let node = self.node();
        (node.kind == Kind::Number).then(|| self.json.str_of(node))
    }

    /// A number that is written as digits alone and fits.
    pub fn as_u64(self) -> Option<u64> {
        // `parse` also takes a plus sign, which the grammar of JSON excludes.
        self.as_number_text()?.parse().ok()
    }

    /// The members of an object, in the order of the text.
    pub fn as_object(self) -> Option<Members<'a>> {
        let node = self.node();
        (node.kind == Kind::Object).then(|| Members {
            json: self.json,
            next: self.index + 1,
            remaining: node.start as usize,
        })
    }

    /// The elements of an array.
    pub fn as_array(self) -> Option<Elements<'a>> {
        let node = self.node();
        (node.kind == Kind::Array).then(|| Elements {
            json: self.json,
            next: self.index + 1,
            remaining: node.start as usize,
        })
    }

    /// The member of an object with this name; `None` also for what is not an object.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.as_object()?.find(|(member, _)| *member == name).map(|(_, value)| value)
    }

    /// Where it stands, for [`Json::at`].
    pub fn position(self) -> Position {
        // Documents are limited in length, and so is the number of their values.
        Position(u32::try_from(self.index).unwrap_or(u32::MAX))
    }

    fn node(self) -> Node {
        self.json.nodes.get(self.index).copied().unwrap_or(Node::NULL)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", self.kind())
    }
}

/// Where a value stands in its document, to find it again without a search. It means nothing in another document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u32);

/// Iterates over the members of an object.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    json: &'a Json,
    next: usize,
    remaining: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let name = Value { json: self.json, index: self.next };
        let value = Value { json: self.json, index: self.next + 1 };
        self.next = value.node().after as usize;
        Some((name.as_str()?, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Members<'_> {}

/// Iterates over the elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    json: &'a Json,
    next: usize,
    remaining: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let value = Value { json: self.json, index: self.next };
        self.next = value.node().after as usize;
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// Appends `text` as a JSON string with its quotes to `document`.
pub fn write_string(text: &str, document: &mut String) {
    document.push('"');
    for character in text.chars() {
        match character {
            '"' => document.push_str("\\\""),
            '\\' => document.push_str("\\\\"),
            control if u32::from(control) < 0x20 => {
                document.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => document.push(other),
        }
    }
    document.push('"');
}

/// Why a text is not JSON that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// It starts with a byte order mark (RFC 8259 §8.1).
    ByteOrderMark,
    /// A string holds a control character that is not escaped (RFC 8259 §7).
    ControlCharacter,
    /// A string holds an escape that does not exist (RFC 8259 §7).
    EscapeUnknown,
    /// A string holds half of a surrogate pair (RFC 8259 §8.2).
    LoneSurrogate,
    /// An object names a member twice (RFC 8259 §4).
    MemberRepeated,
    /// It is not UTF-8 (RFC 8259 §8.1).
    NotUtf8,
    /// A number does not follow the grammar (RFC 8259 §6).
    NumberMalformed,
    /// It nests deeper than `limits::JSON_DEPTH_MAX`.
    TooDeep,
    /// It is longer than any document from outside may be.
    TooLong,
    /// An object has more members than `limits::JSON_MEMBERS_MAX`.
    TooManyMembers,
    /// Something follows the value.
    TrailingText,
    /// A byte stands where the grammar has no place for it.
    UnexpectedByte,
    /// It ends within a value.
    UnexpectedEnd,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "JSON starts with a byte order mark",
            Self::ControlCharacter => "JSON string holds a bare control character",
            Self::EscapeUnknown => "JSON string holds an unknown escape",
            Self::LoneSurrogate => "JSON string holds a lone surrogate",
            Self::MemberRepeated => "JSON object names a member twice",
            Self::NotUtf8 => "JSON is not UTF-8",
            Self::NumberMalformed => "JSON number is malformed",
            Self::TooDeep => "JSON nests too deeply",
            Self::TooLong => "JSON is too long",
            Self::TooManyMembers => "JSON object has too many members",
            Self::TrailingText => "JSON is followed by other text",
            Self::UnexpectedByte => "JSON holds an unexpected byte",
            Self::UnexpectedEnd => "JSON ends too early",
        })
    }
}

impl std::error::Error for JsonError {}

#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    /// Whether the span lies in the unescaped text.
    escaped: bool,
    /// Strings and numbers: where the text starts. Containers: how many children. Booleans: 1 for true.
    start: u32,
    /// Strings and numbers: where the text ends.
    end: u32,
    /// The node after this one and all that it contains.
    after: u32,
}

impl Node {
    const NULL: Self = Self { kind: Kind::Null, escaped: false, start: 0, end: 0, after: 0 };
}
