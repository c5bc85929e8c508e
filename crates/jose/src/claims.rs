//! The claims set of a JWT (RFC 7519 §4). A claim of the wrong type is an error and never counts as absent.

use std::cmp::Ordering;
use std::fmt;

use lydian_primitives::Timestamp;

use crate::json::{Json, JsonError, Kind, Members, Position, Value};

/// The claims of a verified token, or of an answer that its sender vouches for.
///
/// [`crate::Verified::claims`] makes them, and [`Claims::vouched_for`].
#[derive(Clone)]
pub struct Claims {
    document: Json,
}

impl Claims {
    /// Reads the members of an answer that came over an authenticated connection, such as one to an introspection (RFC 7662 §2.2).
    ///
    /// Never for a token: what a token says counts after its signature was verified, and then [`crate::Verified`] has it.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::Json`] and [`ClaimsError::NotAnObject`].
    pub fn vouched_for(answer: Vec<u8>) -> Result<Self, ClaimsError> {
        Self::parse(answer)
    }

    pub(crate) fn parse(payload: Vec<u8>) -> Result<Self, ClaimsError> {
        let document = Json::from_vec(payload).map_err(ClaimsError::Json)?;
        if document.root().kind() != Kind::Object {
            return Err(ClaimsError::NotAnObject);
        }
        Ok(Self { document })
    }

    /// The claim with this name, whatever its type.
    pub fn value(&self, name: &str) -> Option<Value<'_>> {
        self.document.root().get(name)
    }

    /// The claim at a position of this very document.
    pub fn at(&self, position: Position) -> Value<'_> {
        self.document.at(position)
    }

    /// All claims, in the order of the text.
    pub fn members(&self) -> Members<'_> {
        self.document.root().as_object().expect("the document was checked to be an object")
    }

    /// A claim that is text.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is present and not a string.
    pub fn string(&self, name: &'static str) -> Result<Option<&str>, ClaimsError> {
        self.typed(name, Value::as_str)
    }

    /// A claim that is text and must be present.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::Missing`], and [`ClaimsError::WrongType`] when it is not a string.
    pub fn required_string(&self, name: &'static str) -> Result<&str, ClaimsError> {
        self.string(name)?.ok_or(ClaimsError::Missing(name))
    }

    /// A claim that is `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is present and not a boolean.
    pub fn boolean(&self, name: &'static str) -> Result<Option<bool>, ClaimsError> {
        self.typed(name, Value::as_bool)
    }

    /// A claim that is a whole number without sign, fraction or exponent.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is not a number, [`ClaimsError::OutOfRange`] when it is another number.
    pub fn unsigned(&self, name: &'static str) -> Result<Option<u64>, ClaimsError> {
        let Some(number) = self.typed(name, Value::as_number_text)? else {
            return Ok(None);
        };
        number.parse().map(Some).map_err(|_| ClaimsError::OutOfRange(name))
    }

    /// A claim that is a point in time (RFC 7519 §2, `NumericDate`).
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is not a number, [`ClaimsError::OutOfRange`] when it is negative or not
    /// below 2^53.
    pub fn numeric_date(&self, name: &'static str) -> Result<Option<NumericDate>, ClaimsError> {
        let Some(number) = self.typed(name, Value::as_number_text)? else {
            return Ok(None);
        };
        NumericDate::from_decimal(number).map(Some).ok_or(ClaimsError::OutOfRange(name))
    }

    /// A point in time that must be present.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::Missing`], otherwise as [`Self::numeric_date`].
    pub fn required_numeric_date(&self, name: &'static str) -> Result<NumericDate, ClaimsError> {
        self.numeric_date(name)?.ok_or(ClaimsError::Missing(name))
    }

    /// The audience: one string counts as a list of one (RFC 7519 §4.1.3).
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is neither a string nor an array of strings.
    pub fn audience(&self) -> Result<Option<Vec<&str>>, ClaimsError> {
        match self.value("aud").and_then(Value::as_str) {
            Some(one) => Ok(Some(vec![one])),
            None => self.strings("aud"),
        }
    }

    /// A claim that is an array of strings.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is anything else.
    pub fn strings(&self, name: &'static str) -> Result<Option<Vec<&str>>, ClaimsError> {
        let Some(elements) = self.typed(name, Value::as_array)? else {
            return Ok(None);
        };
        let strings: Option<Vec<&str>> = elements.map(Value::as_str).collect();
        strings.map(Some).ok_or(ClaimsError::WrongType(name))
    }

    /// A claim that is an object, such as `cnf` (RFC 7800 §3.1).
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is present and not an object.
    pub fn object(&self, name: &'static str) -> Result<Option<Value<'_>>, ClaimsError> {
        self.typed(name, |value| (value.kind() == Kind::Object).then_some(value))
    }

    fn typed<'a, T>(
        &'a self,
        name: &'static str,
        convert: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, ClaimsError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => convert(value).map(Some).ok_or(ClaimsError::WrongType(name)),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(..)")
    }
}

/// Seconds since 1970, perhaps with a fraction (RFC 7519 §2). Below 2^53, and never through floating point.
///
/// It compares with a [`Timestamp`] exactly: 100.5 is later than 100 and earlier than 101. Two of them are not
/// compared with each other, because of the fraction only its presence is kept.
#[derive(Clone, Copy, Debug)]
pub struct NumericDate {
    seconds: u64,
    has_fraction: bool,
}

impl NumericDate {
    /// The first whole second that is too large: from here on, readers with floating point disagree.
    const SECONDS_END: u64 = 1 << 53;

    /// Exponents beyond this are refused unread; they name nothing within range that a date could be.
    const EXPONENT_MAX: u32 = 400;

    /// The date that a value of a document is, if it is one.
    ///
    /// # Errors
    ///
    /// [`ClaimsError::WrongType`] when it is not a number, [`ClaimsError::OutOfRange`] when it is negative or not
    /// below 2^53; with this name.
    pub fn from_value(value: Value<'_>, name: &'static str) -> Result<Self, ClaimsError> {
        let number = value.as_number_text().ok_or(ClaimsError::WrongType(name))?;
        Self::from_decimal(number).ok_or(ClaimsError::OutOfRange(name))
    }

    /// So many digits are always below [`Self::SECONDS_END`].
    const PLAIN_DIGITS_MAX: usize = 15;

    /// Reads a number that follows the grammar of JSON.
    pub(crate) fn from_decimal(text: &str) -> Option<Self> {
        if text.starts_with('-') {
            return None;
        }
        // Nearly every date is a few digits: these fit without a look at each step.
        if text.len() <= Self::PLAIN_DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self { seconds: text.parse().ok()?, has_fraction: false });
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        // The smallest number has no absolute value within its type.
        if exponent.unsigned_abs() > Self::EXPONENT_MAX {
            return None;
        }
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole_digits = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
        let whole_digits = usize::try_from(whole_digits).unwrap_or(0);
        let mut digits = whole.bytes().chain(fraction.bytes());
        let mut seconds: u64 = 0;
        for _ in 0..whole_digits {
            let digit = digits.next().unwrap_or(b'0');
            seconds = seconds * 10 + u64::from(digit - b'0');
            if seconds >= Self::SECONDS_END {
                return None;
            }
        }
        Some(Self { seconds, has_fraction: digits.any(|digit| digit != b'0') })
    }

    /// The whole second in which it lies.
    pub fn as_timestamp(self) -> Timestamp {
        Timestamp::from_unix_seconds(self.seconds)
    }

    /// This date moved `seconds` into the future; saturates.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), ..self }
    }
}

impl From<Timestamp> for NumericDate {
    fn from(timestamp: Timestamp) -> Self {
        Self { seconds: timestamp.as_unix_seconds(), has_fraction: false }
    }
}

impl PartialEq<Timestamp> for NumericDate {
    fn eq(&self, other: &Timestamp) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd<Timestamp> for NumericDate {
    fn partial_cmp(&self, other: &Timestamp) -> Option<Ordering> {
        let whole = self.seconds.cmp(&other.as_unix_seconds());
        let fraction = if self.has_fraction { Ordering::Greater } else { Ordering::Equal };
        Some(whole.then(fraction))
    }
}

/// Why claims could not be read. The name within is the one that the caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The payload is not strict JSON.
    Json(JsonError),
    /// The claim is required and absent.
    Missing(&'static str),
    /// The payload is not a JSON object (RFC 7519 §7.2).
    NotAnObject,
    /// The claim is a number of which we make no use.
    OutOfRange(&'static str),
    /// The claim is present and has another type.
    WrongType(&'static str),
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("read claims"),
            Self::Missing(name) => write!(f, "claim {name} is missing"),
            Self::NotAnObject => f.write_str("claims are not a JSON object"),
            Self::OutOfRange(name) => write!(f, "claim {name} is out of range"),
            Self::WrongType(name) => write!(f, "claim {name} has the wrong type"),
        }
    }
}

impl std::error::Error for ClaimsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}
