//! Second implementations, as plain as they can be: slow, obvious, and written from the standard.

/// The digits of base64url (RFC 4648 §5).
pub(crate) const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The digits of base64 (RFC 4648 §4).
pub(crate) const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes bit by bit; `None` for a foreign character, an impossible length, or bits that are left over and not zero.
pub(crate) fn base64(digits: &[u8; 64], text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text {
        let digit = digits.iter().position(|digit| digit == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0 && count != 6).then_some(bytes)
}

/// The whole seconds of a decimal number and whether anything is left; `None` when it is negative or not below 2^53.
///
/// Works by moving the point through the text, so it takes any exponent that leaves a text of bearable length.
pub(crate) fn whole_seconds(number: &str) -> Option<(u64, bool)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    if number.starts_with('-') || exponent.unsigned_abs() > 1_000 {
        return None;
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = "0".repeat(usize::try_from(exponent.unsigned_abs()).ok()?);
    let (whole, fraction) = if exponent >= 0 {
        let shifted = format!("{fraction}{zeros}");
        let (moved, rest) = shifted.split_at(usize::try_from(exponent).ok()?);
        (format!("{whole}{moved}"), rest.to_owned())
    } else {
        let shifted = format!("{zeros}{whole}");
        let (rest, moved) = shifted.split_at(shifted.len() - zeros.len());
        (rest.to_owned(), format!("{moved}{fraction}"))
    };
    let whole = whole.trim_start_matches('0');
    let seconds: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    (seconds < 1 << 53).then_some((seconds, fraction.bytes().any(|digit| digit != b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_rfc_4648_says() {
        assert_eq!(base64(STANDARD, b"Zm9vYmFy"), Some(b"foobar".to_vec()));
        assert_eq!(base64(URL_SAFE, b"_-8"), Some(vec![0xff, 0xef]));
        for text in [&b"Q"[..], b"QR", b"QQ==", b"Q Q"] {
            assert_eq!(base64(URL_SAFE, text), None, "{text:?}");
        }
    }

    #[test]
    fn the_point_moves_both_ways() {
        for (number, expected) in [
            ("100", Some((100, false))),
            ("100.5", Some((100, true))),
            ("1.005e2", Some((100, true))),
            ("1e2", Some((100, false))),
            ("12345e-2", Some((123, true))),
            ("0e9", Some((0, false))),
            ("9007199254740992", None),
            ("-1", None),
        ] {
            assert_eq!(whole_seconds(number), expected, "{number}");
        }
    }
}
