//! The grammar of JSON (RFC 8259 §2), read once from left to right.

use lydian_primitives::limits::{JSON_DEPTH_MAX, JSON_MEMBERS_MAX};

use super::{JsonError, Kind, Node};

/// Objects with more members are searched for repeated names by sorting instead of by comparing all pairs.
const PAIRWISE_MEMBERS_MAX: usize = 16;

/// Reads the one value of `text`: its nodes, and the contents of the strings that were written with escapes.
pub(super) fn read(text: &str) -> Result<(Vec<Node>, String), JsonError> {
    let mut reader = Reader {
        text,
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
    Ok((reader.nodes, reader.unescaped))
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
        // Length, first and last byte tell most names apart without a look at the rest.
        let mut names = [(0, ""); PAIRWISE_MEMBERS_MAX];
        let mut index = first;
        for position in 0..count {
            let name = self.name_at(index);
            let ends = [name.as_bytes().first(), name.as_bytes().last()].map(|end| end.copied().unwrap_or(0));
            let name = (name.len() << 16 | usize::from(u16::from_le_bytes(ends)), name);
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
        self.skip_plain();
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

    /// Passes over bytes that stand for themselves in a string, eight at a time, up to the last few of the document.
    fn skip_plain(&mut self) {
        let (chunks, _) = self.bytes.get(self.at..).unwrap_or_default().as_chunks::<8>();
        for chunk in chunks {
            let special = special_bytes(u64::from_le_bytes(*chunk));
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
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

/// Marks with its top bit the first of eight bytes that is a quote, a backslash or a control character; zero when none is.
///
/// A subtraction borrows from the byte above only where a byte below was marked, so that the lowest mark is always right.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & TOPS;
    below(word, 0x20) | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1)
}

/// Positions fit because the length of a document is limited.
fn narrow(number: usize) -> Result<u32, JsonError> {
    u32::try_from(number).map_err(|_| JsonError::TooLong)
}
