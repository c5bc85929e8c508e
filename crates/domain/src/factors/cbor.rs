//! A reader for the CBOR that authenticators write (CTAP2 canonical form, RFC 8949): definite lengths, no tags, no floating point.
//!
//! It allocates nothing and looks at each byte once, so that no answer of a stranger costs more than its length.

use lydian_primitives::limits;

/// Bytes that are not what an authenticator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// One item; what an array or a map holds follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A number.
    Integer(i64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A text.
    Text(&'a str),
    /// So many items follow.
    Array(usize),
    /// So many pairs follow.
    Map(usize),
    /// False, true, null or undefined.
    Simple(u8),
}

/// Reads item by item.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads these bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next item.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn item(&mut self) -> Result<Item<'a>, Malformed> {
        let (&head, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        let argument = self.argument(head & 31)?;
        let length = usize::try_from(argument).map_err(|_| Malformed);
        match head >> 5 {
            0 => Ok(Item::Integer(i64::try_from(argument).map_err(|_| Malformed)?)),
            1 => Ok(Item::Integer(-1 - i64::try_from(argument).map_err(|_| Malformed)?)),
            2 => Ok(Item::Bytes(self.take(length?)?)),
            3 => Ok(Item::Text(std::str::from_utf8(self.take(length?)?).map_err(|_| Malformed)?)),
            // Each item has a byte at least: a length beyond what is there is a lie.
            4 => Ok(Item::Array(length.ok().filter(|items| *items <= self.0.len()).ok_or(Malformed)?)),
            5 => Ok(Item::Map(length.ok().filter(|pairs| *pairs <= self.0.len() / 2).ok_or(Malformed)?)),
            7 if (20..24).contains(&(head & 31)) => Ok(Item::Simple(head & 31)),
            _ => Err(Malformed),
        }
    }

    /// The number of pairs of the map that comes next.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when something else comes.
    pub fn map(&mut self) -> Result<usize, Malformed> {
        match self.item()? {
            Item::Map(pairs) => Ok(pairs),
            _ => Err(Malformed),
        }
    }

    /// The byte string that comes next.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when something else comes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        match self.item()? {
            Item::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// The number that comes next.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when something else comes.
    pub fn integer(&mut self) -> Result<i64, Malformed> {
        match self.item()? {
            Item::Integer(number) => Ok(number),
            _ => Err(Malformed),
        }
    }

    /// Passes over one item with all that it holds.
    ///
    /// # Errors
    ///
    /// [`Malformed`], also when it is nested too deeply.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        self.skip_within(limits::CBOR_DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: usize) -> Result<(), Malformed> {
        let depth = depth.checked_sub(1).ok_or(Malformed)?;
        let items = match self.item()? {
            Item::Array(items) => items,
            Item::Map(pairs) => pairs * 2,
            _ => 0,
        };
        for _ in 0..items {
            self.skip_within(depth)?;
        }
        Ok(())
    }

    fn argument(&mut self, short: u8) -> Result<u64, Malformed> {
        let (bytes, least) = match short {
            0..=23 => return Ok(short.into()),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            _ => return Err(Malformed),
        };
        let argument = self.take(bytes)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        // The shortest form is the only one.
        if argument < least { Err(Malformed) } else { Ok(argument) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<Item<'_>, Malformed>) {
        assert_eq!(Reader::of(bytes).item(), expected, "{bytes:x?}");
    }

    #[test]
    fn items_are_those_of_the_standard() {
        // RFC 8949, appendix A.
        check(&[0x00], Ok(Item::Integer(0)));
        check(&[0x17], Ok(Item::Integer(23)));
        check(&[0x18, 0x64], Ok(Item::Integer(100)));
        check(&[0x19, 0x03, 0xe8], Ok(Item::Integer(1_000)));
        check(&[0x26], Ok(Item::Integer(-7)));
        check(&[0x39, 0x01, 0x00], Ok(Item::Integer(-257)));
        check(&[0x44, 1, 2, 3, 4], Ok(Item::Bytes(&[1, 2, 3, 4])));
        check(&[0x62, 0xc3, 0xbc], Ok(Item::Text("\u{fc}")));
        check(&[0x80], Ok(Item::Array(0)));
        check(&[0xa1, 1, 2], Ok(Item::Map(1)));
        check(&[0xf5], Ok(Item::Simple(21)));
    }

    #[test]
    fn what_no_authenticator_writes_is_refused() {
        for bytes in [
            &[][..],
            &[0x18],
            &[0x18, 0x17],       // not the shortest form
            &[0x19, 0x00, 0xff], // neither
            &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x1f],                   // an indefinite length
            &[0x5f, 0x41, 0x00, 0xff], // neither
            &[0x44, 1, 2, 3],          // too short
            &[0x62, 0xc3, 0x28],       // no UTF-8
            &[0x9b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x82, 0x00],
            &[0xa1, 0x00],
            &[0xc0, 0x60], // a tag
            &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0xff],
        ] {
            assert_eq!(Reader::of(bytes).item(), Err(Malformed), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_and_nothing_else() {
        let nested = |depth: usize| [vec![0x81; depth - 1], vec![0x00]].concat();
        let bytes = nested(limits::CBOR_DEPTH_MAX);
        let mut deepest = Reader::of(&bytes);
        assert_eq!((deepest.skip(), deepest.rest()), (Ok(()), &[][..]));
        assert_eq!(Reader::of(&nested(limits::CBOR_DEPTH_MAX + 1)).skip(), Err(Malformed));
        assert_eq!(Reader::of(&vec![0x81; 60_000]).skip(), Err(Malformed));
    }
}
