//! What a new password must be: long enough, and nothing that others would try first (NIST SP 800-63B §3.1.1.2).

use lydian_domain::{Realm, User};
use lydian_primitives::{Secret, limits};

use crate::account::PasswordFault;

/// The shortest password that is accepted, in characters (NIST SP 800-63B §3.1.1.2 asks for 8 where it is not the only factor).
pub const PASSWORD_CHARACTERS_MIN: usize = 8;

/// The commonest passwords that are long enough, in lower case, in the order of their bytes; `assets/README.md` says whose list it is.
const COMMON: &str = include_str!("../assets/common-passwords.txt");

/// Names that are shorter are part of too many good passwords.
const NAME_CHARACTERS_MIN: usize = 3;

/// Whether this user of this realm may have a password.
///
/// # Errors
///
/// The first [`PasswordFault`] of it.
pub fn check(realm: &Realm, user: &User, password: &Secret) -> Result<(), PasswordFault> {
    let text = password.expose();
    if text.chars().count() < PASSWORD_CHARACTERS_MIN {
        return Err(PasswordFault::TooShort);
    }
    if text.len() > limits::PASSWORD_BYTES_MAX {
        return Err(PasswordFault::TooLong);
    }
    if is_common(text) {
        return Err(PasswordFault::Common);
    }
    if is_name(text, realm, user) {
        return Err(PasswordFault::Guessable);
    }
    Ok(())
}

/// The same of one that was typed twice.
///
/// # Errors
///
/// The first [`PasswordFault`] of it.
pub fn check_repeated(
    realm: &Realm,
    user: &User,
    password: &Secret,
    repeated: &Secret,
) -> Result<(), PasswordFault> {
    if password.expose() != repeated.expose() {
        return Err(PasswordFault::Differs);
    }
    check(realm, user, password)
}

/// Whether a password is on the list, whatever letters of it are capital.
fn is_common(text: &str) -> bool {
    let folded = text.to_lowercase();
    // Halves the text, not a list of lines: nothing is built for it, at a start or later.
    let (mut low, mut high) = (0, COMMON.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let begin = COMMON[..middle].rfind('\n').map_or(0, |end| end + 1);
        let line = COMMON[begin..].split('\n').next().unwrap_or_default();
        match line.cmp(&folded) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = begin + line.len() + 1,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

/// Whether a password is a name that others know, perhaps with a number or signs around it.
fn is_name(text: &str, realm: &Realm, user: &User) -> bool {
    let password = core(text);
    let before_at = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    let profile = &user.profile;
    let of_person = [
        Some(&user.username),
        profile.name.as_ref(),
        profile.given_name.as_ref(),
        profile.family_name.as_ref(),
        profile.nickname.as_ref(),
        profile.preferred_username.as_ref(),
        profile.email.as_ref(),
    ];
    let of_person = of_person.into_iter().flatten().flat_map(|name| [name.clone(), before_at(name)]);
    let of_house =
        [Some(realm.name.to_string()), realm.sign_in.brand_name.clone(), Some("lydian".to_owned())];
    of_person
        .chain(of_house.into_iter().flatten())
        .map(|name| core(&name))
        .any(|name| name.chars().count() >= NAME_CHARACTERS_MIN && name == password)
}

/// Letters and digits in lower case, without the digits at both ends.
fn core(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|one| one.is_alphanumeric()).collect();
    plain.trim_matches(char::is_numeric).to_owned()
}

#[cfg(test)]
mod tests {
    use lydian_domain::{RealmId, RealmName, UserId, UserProfile};
    use lydian_revocation::Seq;

    use super::*;

    fn fault(password: &str) -> Option<PasswordFault> {
        let mut realm = Realm::with_defaults(RealmId::from_number(1), RealmName::parse("harbour").unwrap());
        realm.sign_in.brand_name = Some("Harbour Town".to_owned());
        let user = User {
            id: UserId::from_number(1),
            realm: realm.id,
            subject: "usr_1".to_owned(),
            username: "marit.olsen@harbour.example".to_owned(),
            enabled: true,
            cut_at: Seq::ZERO,
            version: 1,
            profile: UserProfile {
                name: Some("Marit Olsen".to_owned()),
                family_name: Some("Ol".to_owned()),
                nickname: Some("Seagull".to_owned()),
                ..UserProfile::default()
            },
            password: None,
        };
        check(&realm, &user, &Secret::new(password.to_owned())).err()
    }

    #[test]
    fn what_many_people_use_is_refused_in_any_letters() {
        for password in ["password", "Password1", "ILOVEYOU", "qwertyuiop", "1234567890", "football"] {
            assert_eq!(fault(password), Some(PasswordFault::Common), "{password}");
        }
        for password in ["correct horse", "passwore", "password ", "iloveyou2u2u2", "\u{130}loveyou"] {
            assert_eq!(fault(password), None, "{password}");
        }
    }

    #[test]
    fn every_line_of_the_list_is_found_and_the_list_is_bounded_and_in_order() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 8_000 && COMMON.len() < 100_000, "{} lines", lines.len());
        for pair in lines.windows(2) {
            assert!(pair[0] < pair[1], "{pair:?}");
        }
        for line in lines {
            assert!(is_common(line) && line.len() >= PASSWORD_CHARACTERS_MIN, "{line}");
            assert_eq!(line, line.to_lowercase());
        }
    }

    #[test]
    fn names_of_the_person_and_of_the_house_are_refused_with_numbers_around_them() {
        for password in [
            "marit.olsen@harbour.example",
            "Marit.Olsen",
            "MaritOlsen1984",
            "seagull!2024",
            "Harbour Town",
            "harbourtown99",
            "harbour1",
            "Lydian!!2026",
        ] {
            assert_eq!(fault(password), Some(PasswordFault::Guessable), "{password}");
        }
        for password in
            ["marit goes by boat", "seagull over harbour", "ol123456789", "12345678x9", "!!!!!!!!!!"]
        {
            assert_eq!(fault(password), None, "{password}");
        }
    }

    #[test]
    fn the_length_is_counted_in_characters_and_bounded_in_bytes() {
        assert_eq!(fault("h\u{e4}fen\u{df}\u{df}"), Some(PasswordFault::TooShort));
        assert_eq!(fault("h\u{e4}fen\u{df}\u{df}\u{df}"), None);
        assert_eq!(fault(&"ab".repeat(512)), None);
        assert_eq!(fault(&format!("{}c", "ab".repeat(512))), Some(PasswordFault::TooLong));
    }
}
