//! Ids in the names of tests.

/// The ids that a name carries, as the list writes them, for families with these prefixes.
///
/// Ids of the families `V` and `W` have no dash and no leading zero: `v07_..` carries V7.
///
/// `jwk_04_jws_14_rsa_numbers_..` carries JWK-04 and JWS-14; `w17_..` carries W17. Numbers of three and more digits are no
/// items: `rs_256` and `rfc_7662` carry nothing.
pub(super) fn ids_in(name: &str, prefixes: &[String]) -> Vec<String> {
    let parts: Vec<&str> = name.split('_').collect();
    let mut ids = Vec::new();
    for (position, part) in parts.iter().enumerate() {
        for prefix in prefixes {
            let Some(rest) = strip_prefix_without_case(part, prefix) else {
                continue;
            };
            let next = parts.get(position + 1).copied().unwrap_or_default();
            if is_number(rest) && is_undashed(prefix) {
                ids.push(format!("{prefix}{}", rest.trim_start_matches('0')));
            } else if rest.is_empty() && is_number(next) && is_undashed(prefix) {
                ids.push(format!("{prefix}{}", next.trim_start_matches('0')));
            } else if rest.is_empty() && is_number(next) {
                ids.push(format!("{prefix}-{next}"));
            }
        }
    }
    ids
}

fn is_undashed(prefix: &str) -> bool {
    matches!(prefix, "V" | "W")
}

fn is_number(text: &str) -> bool {
    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn strip_prefix_without_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &[&str]) {
        let prefixes = ["R", "INT", "JWK", "JWS", "V", "W"].map(ToOwned::to_owned);
        assert_eq!(ids_in(name, &prefixes), expected, "{name}");
    }

    #[test]
    fn ids_are_found_wherever_they_stand() {
        check("int_07_dead_tokens_are_inactive", &["INT-07"]);
        check("jwk_04_jws_14_rsa_numbers_are_minimal", &["JWK-04", "JWS-14"]);
        check("an_empty_token_w17", &["W17"]);
        check("w_01_a_live_token", &["W1"]);
        check("v07_v22_an_answer", &["V7", "V22"]);
        check("r_07_jws_18_unsigned", &["R-07", "JWS-18"]);
    }

    #[test]
    fn other_words_and_numbers_carry_nothing() {
        for name in [
            "rs_256_verifies",
            "r35_drains",
            "r_9700",
            "integer_07",
            "s_27_x",
            "the_int",
            "w_is_long",
            "gen_03",
        ] {
            check(name, &[]);
        }
    }

    #[test]
    fn a_number_that_cannot_be_right_is_found_too() {
        check("jws_2_without_its_zero", &["JWS-2"]);
    }
}
