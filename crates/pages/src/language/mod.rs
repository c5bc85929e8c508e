//! The languages of the pages, and how a browser's wish becomes one of them.
//!
//! Each language is one value of `Messages`, so a text that is missing does not compile. A new language is a new file beside
//! `english.rs` and a new variant of [`Language`].

mod english;
mod german;
mod messages;

pub(crate) use messages::{ErrorText, Gap, MailText, Messages, NoticeText};

/// A language in which every page exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, also for those who ask for a language that is not here.
    English,
    /// German.
    German,
}

/// Most languages of one list that are looked at.
const WISHES_MAX: usize = 32;

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// The tag of the language (RFC 5646), as in the `lang` attribute and in `ui_locales_supported`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language to use: the first of `ui_locales` that is here (OIDC Core §3.1.2.1), else the best of `Accept-Language`
    /// (RFC 9110 §12.5.4), else English.
    pub fn negotiate(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let asked = ui_locales.and_then(|tags| tags.split(' ').take(WISHES_MAX).find_map(Self::of_tag));
        asked.or_else(|| accept_language.and_then(Self::best_of)).unwrap_or(Self::English)
    }

    /// The language of this tag, whatever its region or script: `de-AT` is German.
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?;
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    fn best_of(accept_language: &str) -> Option<Self> {
        let mut best = None;
        for wish in accept_language.split(',').take(WISHES_MAX) {
            let mut parts = wish.split(';').map(str::trim);
            let language = parts.next().and_then(Self::of_tag);
            // A weight that cannot be read is none.
            let weight = match parts.next() {
                None => 1.0,
                Some(text) => {
                    text.strip_prefix("q=").and_then(|number| number.parse::<f32>().ok()).unwrap_or(0.0)
                }
            };
            if let Some(language) = language
                && weight > best.map_or(0.0, |(_, highest)| highest)
            {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    pub(crate) const fn messages(self) -> &'static Messages {
        match self {
            Self::English => &english::MESSAGES,
            Self::German => &german::MESSAGES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ui_locales: Option<&str>, accept_language: Option<&str>, expected: Language) {
        assert_eq!(Language::negotiate(ui_locales, accept_language), expected);
    }

    #[test]
    fn nobody_asks_and_english_answers() {
        check(None, None, Language::English);
        check(Some(""), Some(""), Language::English);
        check(Some("fr tlh"), Some("fr, *;q=0.5"), Language::English);
    }

    #[test]
    fn the_first_language_of_the_request_that_is_here_decides() {
        check(Some("de"), Some("en"), Language::German);
        check(Some("fr-CA de-AT en"), None, Language::German);
        check(Some("EN-gb de"), Some("de"), Language::English);
        check(Some("fr"), Some("de"), Language::German);
    }

    #[test]
    fn the_heaviest_language_of_the_browser_decides() {
        check(None, Some("de-DE,de;q=0.9,en;q=0.8"), Language::German);
        check(None, Some("en;q=0.3, de ; q=0.7"), Language::German);
        check(None, Some("fr, en;q=0.9, de;q=0.8"), Language::English);
        check(None, Some("de;q=0, en;q=0.1"), Language::English);
        check(None, Some("de;q=0"), Language::English);
        check(None, Some("de;q=NaN, en;q=0.1"), Language::English);
        check(None, Some("de;level=1"), Language::English);
    }

    #[test]
    fn a_language_that_only_begins_alike_is_another() {
        check(Some("den"), Some("deu"), Language::English);
    }

    #[test]
    fn a_list_without_end_is_read_to_a_bound() {
        check(Some(&format!("{}de", "fr ".repeat(WISHES_MAX))), None, Language::English);
        check(None, Some(&format!("{}de", "fr,".repeat(WISHES_MAX))), Language::English);
    }
}
