//! A strict reader of JSON (RFC 8259) for everything that decides about trust.
//!
//! It refuses what lenient readers let pass: members that occur twice, text after the value, a byte order mark,
//! lone surrogates, deep nesting. Numbers stay decimal text, so that nothing passes through floating point.
//! A document is one flat list of nodes over its text; [`Value`] is a handle into it.

use std::fmt;

use lydian_primitives::limits::{JSON_DEPTH_MAX, JSON_MEMBERS_MAX, JWKS_BYTES_MAX};

/// The longest document that is read, in bytes: the largest JSON that anything outside may send.
const TEXT_BYTES_MAX: usize = JWKS_BYTES_MAX;

/// Objects with more members are searched for repeated names by sorting instead of by comparing all pairs.
const PAIRWISE_MEMBERS_MAX: usize = 16;

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
        let mut reader = Reader {
            text: &text,
            bytes: text.as_bytes(),
            at: 0,
            unescaped: String::new(),
            nodes: Vec::with_capacity(text.len() / 12 + 4),
        };
        reader.skip_white_space();
        reader.value(0)?;
        reader.skip_white_space();
        if reader.at != reader.bytes.len() {
            return Err(JsonError::TrailingText);
        }
        let Reader { unescaped, nodes, .. } = reader;
        Ok(Self { text, unescaped, nodes })
    }

    /// The one value of the document.
    pub fn root(&self) -> Value<'_> {
        Value { json: self, index: 0 }
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

    fn node(self) -> Node {
        self.json.nodes.get(self.index).copied().unwrap_or(Node::NULL)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", self.kind())
    }
}

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

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    unescaped: String,
    nodes: Vec<Node>,
}

impl Reader<'_> {
    /// Recursion is bounded: `depth` counts the containers around the value.
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b't' => self.literal(b"true", Kind::Bool, 1),
            b'f' => self.literal(b"false", Kind::Bool, 0),
            b'n' => self.literal(b"null", Kind::Null, 0),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(JsonError::UnexpectedByte),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let object = self.open(Kind::Object, depth)?;
        let mut count = 0;
        self.skip_white_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return self.close(object, count);
        }
        loop {
            if self.peek()? != b'"' {
                return Err(JsonError::UnexpectedByte);
            }
            self.string()?;
            self.skip_white_space();
            self.expect(b':')?;
            self.skip_white_space();
            self.value(depth)?;
            count += 1;
            if count > JSON_MEMBERS_MAX {
                return Err(JsonError::TooManyMembers);
            }
            self.skip_white_space();
            match self.take()? {
                b',' => self.skip_white_space(),
                b'}' => break,
                _ => return Err(JsonError::UnexpectedByte),
            }
        }
        self.refuse_repeated_names(object + 1, count)?;
        self.close(object, count)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let array = self.open(Kind::Array, depth)?;
        let mut count = 0;
        self.skip_white_space();
        if self.peek()? == b']' {
            self.at += 1;
            return self.close(array, count);
        }
        loop {
            self.value(depth)?;
            count += 1;
            self.skip_white_space();
            match self.take()? {
                b',' => self.skip_white_space(),
                b']' => return self.close(array, count),
                _ => return Err(JsonError::UnexpectedByte),
            }
        }
    }

    fn open(&mut self, kind: Kind, depth: usize) -> Result<usize, JsonError> {
        if depth > JSON_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        self.nodes.push(Node { kind, ..Node::NULL });
        Ok(self.nodes.len() - 1)
    }

    fn close(&mut self, container: usize, count: usize) -> Result<(), JsonError> {
        let after = narrow(self.nodes.len())?;
        let start = narrow(count)?;
        if let Some(node) = self.nodes.get_mut(container) {
            node.start = start;
            node.after = after;
        }
        Ok(())
    }

    /// Names are compared after their escapes were resolved: `"a"` and `"\u0061"` are one name.
    fn refuse_repeated_names(&self, first: usize, count: usize) -> Result<(), JsonError> {
        if count < 2 {
            return Ok(());
        }
        if count > PAIRWISE_MEMBERS_MAX {
            let mut names = Vec::with_capacity(count);
            let mut index = first;
            for _ in 0..count {
                names.push(self.name_at(index));
                index = self.after_member(index);
            }
            names.sort_unstable();
            let repeated = names.windows(2).any(|pair| pair.first() == pair.last());
            return if repeated { Err(JsonError::MemberRepeated) } else { Ok(()) };
        }
        let mut names = [""; PAIRWISE_MEMBERS_MAX];
        let mut index = first;
        for position in 0..count {
            let name = self.name_at(index);
            let (seen, rest) = names.split_at_mut(position);
            if seen.contains(&name) {
                return Err(JsonError::MemberRepeated);
            }
            if let Some(free) = rest.first_mut() {
                *free = name;
            }
            index = self.after_member(index);
        }
        Ok(())
    }

    fn name_at(&self, index: usize) -> &str {
        let node = self.nodes.get(index).copied().unwrap_or(Node::NULL);
        let source = if node.escaped { &self.unescaped } else { self.text };
        source.get(node.start as usize..node.end as usize).unwrap_or_default()
    }

    fn after_member(&self, name: usize) -> usize {
        self.nodes.get(name + 1).map_or(self.nodes.len(), |value| value.after as usize)
    }

    fn literal(&mut self, word: &[u8], kind: Kind, start: u32) -> Result<(), JsonError> {
        let found = self.bytes.get(self.at..).unwrap_or_default();
        if !found.starts_with(word) {
            let cut = word.starts_with(found);
            return Err(if cut { JsonError::UnexpectedEnd } else { JsonError::UnexpectedByte });
        }
        self.at += word.len();
        self.push_leaf(kind, false, start as usize, 0)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.next_is(b'-') {
            self.at += 1;
        }
        if self.next_is(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.next_is(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if self.next_is(b'e') || self.next_is(b'E') {
            self.at += 1;
            if self.next_is(b'+') || self.next_is(b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        // A digit here follows a leading zero.
        if self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(JsonError::NumberMalformed);
        }
        self.push_leaf(Kind::Number, false, start, self.at)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(JsonError::NumberMalformed) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return self.push_leaf(Kind::String, false, start, end);
                }
                b'\\' => return self.escaped_string(start),
                0x00..=0x1f => return Err(JsonError::ControlCharacter),
                _ => self.at += 1,
            }
        }
    }

    /// Continues a string at its first escape.
    fn escaped_string(&mut self, start: usize) -> Result<(), JsonError> {
        let unescaped_start = self.unescaped.len();
        let mut plain_start = start;
        loop {
            match self.peek()? {
                b'"' => {
                    self.keep_plain(plain_start);
                    self.at += 1;
                    return self.push_leaf(Kind::String, true, unescaped_start, self.unescaped.len());
                }
                b'\\' => {
                    self.keep_plain(plain_start);
                    self.at += 1;
                    let character = self.escape()?;
                    self.unescaped.push(character);
                    plain_start = self.at;
                }
                0x00..=0x1f => return Err(JsonError::ControlCharacter),
                _ => self.at += 1,
            }
        }
    }

    /// Both ends are next to an ASCII character, hence on character boundaries.
    fn keep_plain(&mut self, start: usize) {
        self.unescaped.push_str(self.text.get(start..self.at).unwrap_or_default());
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        Ok(match self.take()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(JsonError::EscapeUnknown),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(JsonError::LoneSurrogate);
        }
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(b"\\u") {
            return Err(JsonError::LoneSurrogate);
        }
        self.at += 2;
        let second = self.hex4()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(JsonError::LoneSurrogate);
        }
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        char::from_u32(code).ok_or(JsonError::LoneSurrogate)
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.take()?).to_digit(16).ok_or(JsonError::EscapeUnknown)?;
            code = code << 4 | digit;
        }
        Ok(code)
    }

    fn push_leaf(&mut self, kind: Kind, escaped: bool, start: usize, end: usize) -> Result<(), JsonError> {
        let after = narrow(self.nodes.len() + 1)?;
        self.nodes.push(Node { kind, escaped, start: narrow(start)?, end: narrow(end)?, after });
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn next_is(&self, byte: u8) -> bool {
        self.bytes.get(self.at) == Some(&byte)
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.bytes.get(self.at).copied().ok_or(JsonError::UnexpectedEnd)
    }

    fn take(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take()? == byte { Ok(()) } else { Err(JsonError::UnexpectedByte) }
    }
}

/// Positions fit because [`TEXT_BYTES_MAX`] does.
fn narrow(number: usize) -> Result<u32, JsonError> {
    u32::try_from(number).map_err(|_| JsonError::TooLong)
}
