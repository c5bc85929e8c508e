//! The files that pages load: one style sheet, two small scripts, and the style sheet of each brand.
//!
//! Their names carry a digest of what is in them, so a browser may keep them for ever. There are no others: the pages work under a
//! content security policy without `unsafe-inline`.

use std::borrow::Cow;

use crate::brand::brand_css;
use crate::colour::Colour;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file that is compiled in.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name without the digest: `style.css`.
    pub name: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    digest: u64,
}

/// The style of all pages.
pub const STYLE: Asset = Asset::new("style.css", CSS, include_bytes!("../assets/style.css"));
/// Sends the form of [`crate::views::FormPost`] at once.
pub const FORM_POST_SCRIPT: Asset =
    Asset::new("form-post.js", SCRIPT, include_bytes!("../assets/form-post.js"));
/// Asks the browser for a passkey, or to make one.
pub const PASSKEY_SCRIPT: Asset = Asset::new("passkey.js", SCRIPT, include_bytes!("../assets/passkey.js"));

/// All of them.
pub const ALL: &[Asset] = &[FORM_POST_SCRIPT, PASSKEY_SCRIPT, STYLE];

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self { name, content_type, bytes, digest: digest(bytes) }
    }

    /// Its name under the path of the assets, with the digest: `style-0123456789abcdef.css`.
    pub fn file_name(&self) -> String {
        // Every name of the table has a suffix.
        let (stem, suffix) = self.name.rsplit_once('.').unwrap_or((self.name, ""));
        format!("{stem}-{:016x}.{suffix}", self.digest)
    }
}

/// A file to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its media type.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: Cow<'static, [u8]>,
}

/// The file of this name, as pages name it. It never changes: the caller may let browsers keep it for a year, as `immutable`.
pub fn find(file_name: &str) -> Option<Found> {
    if let Some(asset) = ALL.iter().find(|asset| asset.file_name() == file_name) {
        return Some(Found { content_type: asset.content_type, bytes: Cow::Borrowed(asset.bytes) });
    }
    let accent = Colour::from_hex(file_name.strip_prefix("brand-")?.strip_suffix(".css")?)?;
    Some(Found { content_type: CSS, bytes: Cow::Owned(brand_css(accent).into_bytes()) })
}

/// The name of the style sheet of a brand in this colour: `brand-2f55c8.css`.
pub(crate) fn brand_file_name(accent: Colour) -> String {
    format!("brand-{}.css", accent.to_string().trim_start_matches('#'))
}

/// FNV-1a. It tells versions of our own files apart and guards nothing, so it need not be a cryptographic one.
const fn digest(bytes: &[u8]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut position = 0;
    while position < bytes.len() {
        digest = (digest ^ bytes[position] as u64).wrapping_mul(0x0100_0000_01b3);
        position += 1;
    }
    digest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_asset_is_found_under_the_name_with_its_digest_only() {
        for asset in ALL {
            let found = find(&asset.file_name()).unwrap();
            assert_eq!(found, Found { content_type: asset.content_type, bytes: Cow::Borrowed(asset.bytes) });
            assert_eq!(find(asset.name), None, "{}", asset.name);
        }
    }

    #[test]
    fn the_style_of_a_brand_is_found_by_its_colour() {
        let found = find(&brand_file_name(Colour::new(0x12, 0x34, 0xab))).unwrap();
        assert_eq!(found.bytes, brand_css(Colour::new(0x12, 0x34, 0xab)).into_bytes());
        for name in [
            "brand-.css",
            "brand-12345.css",
            "brand-12345g.css",
            "brand-123456",
            "brand.css",
            "../style.css",
            "",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
    }

    #[test]
    fn the_digest_is_fnv_1a() {
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    /// The colours of the style sheet by name, in the light scheme or the dark one.
    fn colours(dark: bool) -> BTreeMap<String, Colour> {
        let style = String::from_utf8(STYLE.bytes.to_vec()).unwrap();
        let (light_part, rest) = style.split_once("@media (prefers-color-scheme: dark)").unwrap();
        let (dark_part, _) = rest.split_once("*,").unwrap();
        let lines = light_part.lines().chain(dark_part.lines().filter(|_| dark));
        let named =
            lines.filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": "));
        named.filter_map(|(name, value)| Some((name.to_owned(), Colour::parse(value)?))).collect()
    }

    #[test]
    fn every_text_of_both_schemes_is_readable_and_every_edge_is_seen() {
        let texts = [
            ("ink", "card"),
            ("ink", "ground"),
            ("ink", "field"),
            ("ink", "soft"),
            ("ink-soft", "card"),
            ("ink-soft", "ground"),
            ("ink-soft", "soft"),
            ("accent-text", "card"),
            ("on-accent", "accent"),
            ("bad", "bad-soft"),
            ("good", "good-soft"),
            ("warn", "warn-soft"),
        ];
        for dark in [false, true] {
            let colours = colours(dark);
            let contrast = |one: &str, other: &str| colours[one].contrast(colours[other]);
            for (text, ground) in texts {
                assert!(
                    contrast(text, ground) >= 4.5,
                    "{text} on {ground}, dark {dark}: {}",
                    contrast(text, ground)
                );
            }
            // What marks a field needs 3 (WCAG 2.2 §1.4.11).
            for ground in ["card", "field"] {
                assert!(
                    contrast("field-line", ground) >= 3.0,
                    "on {ground}, dark {dark}: {}",
                    contrast("field-line", ground)
                );
            }
        }
    }

    #[test]
    fn the_cards_of_the_style_sheet_are_those_that_contrast_is_computed_with() {
        let style = String::from_utf8(STYLE.bytes.to_vec()).unwrap();
        for card in [crate::colour::LIGHT_CARD, crate::colour::DARK_CARD] {
            assert!(style.contains(&format!("--card: {card};")), "{card}");
        }
    }
}
