//! Colours that were checked, and the arithmetic that keeps text on them readable (WCAG 2.2 §1.4.3).

use std::fmt;

/// The background of a card in the light scheme, as in `style.css`.
pub const LIGHT_CARD: Colour = Colour::new(0xff, 0xff, 0xff);
/// The background of a card in the dark scheme, as in `style.css`.
pub const DARK_CARD: Colour = Colour::new(0x1b, 0x1e, 0x24);

/// The least contrast between text and what it stands on (WCAG 2.2 §1.4.3, level AA).
const CONTRAST_MIN: f64 = 4.5;

/// A colour of the sRGB space, written `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

impl Colour {
    /// The colour of a realm that chose none.
    pub const DEFAULT_ACCENT: Self = Self::new(0x2f, 0x55, 0xc8);
    const BLACK: Self = Self::new(0, 0, 0);
    const WHITE: Self = Self::new(0xff, 0xff, 0xff);

    /// The colour of these parts.
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }

    /// Reads `#rrggbb`, in letters of either case, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_hex(text.strip_prefix('#')?)
    }

    /// Reads `rrggbb`.
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        // `from_str_radix` would take a sign.
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        Some(Self { red, green, blue })
    }

    /// The contrast between two colours, from 1 (the same) to 21 (black and white), as WCAG 2.2 defines it.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Black or white, whichever reads better on this colour. One of both always reaches 4.5.
    #[must_use]
    pub fn readable_on_top(self) -> Self {
        if self.contrast(Self::WHITE) >= CONTRAST_MIN { Self::WHITE } else { Self::BLACK }
    }

    /// This colour, moved towards black or white only as far as text in it needs to be readable on `background`.
    #[must_use]
    pub fn readable_against(self, background: Self) -> Self {
        let end = background.readable_on_top();
        // The 16th step is the end itself, which is readable.
        (0..=16)
            .map(|step| self.mixed(end, step))
            .find(|mixed| mixed.contrast(background) >= CONTRAST_MIN)
            .unwrap_or(end)
    }

    /// `sixteenths` of the way from this colour to `other`.
    fn mixed(self, other: Self, sixteenths: u16) -> Self {
        let mix = |from: u8, to: u8| {
            let sum = u16::from(from) * (16 - sixteenths) + u16::from(to) * sixteenths;
            // A mean of two bytes is a byte.
            (sum / 16) as u8
        };
        Self::new(mix(self.red, other.red), mix(self.green, other.green), mix(self.blue, other.blue))
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours on a grid over the whole space, its corners among them.
    fn all() -> impl Iterator<Item = Colour> {
        let parts = || (0..=255).step_by(15);
        parts().flat_map(move |red| {
            parts().flat_map(move |green| parts().map(move |blue| Colour::new(red, green, blue)))
        })
    }

    #[test]
    fn only_a_hash_and_six_hexadecimal_digits_are_a_colour() {
        assert_eq!(Colour::parse("#2F55c8"), Some(Colour::new(0x2f, 0x55, 0xc8)));
        for text in [
            "", "#", "2f55c8", "#fff", "#2f55c", "#2f55c80", "#2f55cg", "#+f55c8", "#2f55c8;", " #2f55c8",
            "red", "#2f55ä",
        ] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        assert_eq!(Colour::BLACK.contrast(Colour::WHITE), 21.0);
        assert_eq!(Colour::WHITE.contrast(Colour::WHITE), 1.0);
        // A pair that the standard's own material names.
        assert!((Colour::new(0x77, 0x77, 0x77).contrast(Colour::WHITE) - 4.478).abs() < 0.001);
    }

    #[test]
    fn text_on_every_accent_is_readable() {
        for colour in all() {
            assert!(colour.contrast(colour.readable_on_top()) >= 4.5, "{colour}");
        }
    }

    #[test]
    fn every_accent_becomes_readable_on_both_cards() {
        for colour in all() {
            for card in [LIGHT_CARD, DARK_CARD] {
                assert!(colour.readable_against(card).contrast(card) >= 4.5, "{colour} on {card}");
            }
        }
    }

    #[test]
    fn an_accent_that_is_readable_stays_as_it_is() {
        assert_eq!(Colour::DEFAULT_ACCENT.readable_against(LIGHT_CARD), Colour::DEFAULT_ACCENT);
    }
}
