//! Dates in words, in UTC: the server does not know where a person is.

use lydian_primitives::Timestamp;

use crate::language::Language;

const SECONDS_PER_DAY: u64 = 86_400;

/// A date and time in words: `23 November 2026, 09:05 UTC`.
pub fn in_words(at: Timestamp, language: Language) -> String {
    let Civil { year, month, day, hour, minute, .. } = civil(at);
    // `civil` counts months from 1 to 12.
    let month = language.messages().months[month as usize - 1];
    match language {
        Language::English => format!("{day} {month} {year}, {hour:02}:{minute:02} UTC"),
        Language::German => format!("{day}. {month} {year}, {hour:02}:{minute:02} Uhr (UTC)"),
    }
}

/// A date and time for machines (RFC 3339), as the `datetime` attribute wants it.
pub fn for_machines(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second } = civil(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

/// Days to a date of the Gregorian calendar, counted in eras of 400 years that begin in March, so that the leap day is the last of its year.
fn civil(at: Timestamp) -> Civil {
    let seconds = at.as_unix_seconds();
    let in_day = seconds % SECONDS_PER_DAY;
    let days = seconds / SECONDS_PER_DAY + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    Civil { year, month, day, hour: in_day / 3_600, minute: in_day / 60 % 60, second: in_day % 60 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: u64, expected: &str) {
        assert_eq!(for_machines(Timestamp::from_unix_seconds(seconds)), expected);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check(0, "1970-01-01T00:00:00Z");
        check(68_169_599, "1972-02-28T23:59:59Z");
        check(68_169_600, "1972-02-29T00:00:00Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(4_107_542_399, "2100-02-28T23:59:59Z");
        check(4_107_542_400, "2100-03-01T00:00:00Z");
        check(1_795_478_103, "2026-11-23T23:55:03Z");
    }

    #[test]
    fn every_instant_has_a_date() {
        for language in Language::ALL {
            assert!(!in_words(Timestamp::MAX, language).is_empty());
        }
    }

    #[test]
    fn dates_are_in_the_words_of_the_language() {
        let at = Timestamp::from_unix_seconds(1_795_478_103);
        assert_eq!(in_words(at, Language::English), "23 November 2026, 23:55 UTC");
        assert_eq!(in_words(at, Language::German), "23. November 2026, 23:55 Uhr (UTC)");
    }
}
