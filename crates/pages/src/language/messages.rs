//! Every text of the pages, as fields that each language must fill.

use crate::mail::MailKind;
use crate::views::{AccountNotice, ErrorCause, Notice};

/// A text with one gap, written `{}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
}

impl Gap {
    /// Splits a text at its gap. In a constant, a text without one does not compile.
    pub(crate) const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let mut position = 0;
        while position + 1 < bytes.len() {
            if bytes[position] == b'{' && bytes[position + 1] == b'}' {
                let (before, rest) = text.split_at(position);
                let (_, after) = rest.split_at(2);
                return Self { before, after };
            }
            position += 1;
        }
        panic!("a text with a gap has {{}} in it")
    }

    /// The text with this in its gap.
    pub(crate) fn fill(&self, value: impl std::fmt::Display) -> String {
        format!("{}{value}{}", self.before, self.after)
    }
}

/// What an error page says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorText {
    /// What happened, in one sentence that never changes.
    pub(crate) phrase: &'static str,
    /// What the person can do next.
    pub(crate) next: &'static str,
}

/// What a page says that only tells something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoticeText {
    pub(crate) phrase: &'static str,
    pub(crate) more: &'static str,
}

/// What a mail says beside greeting and foot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MailText {
    pub(crate) subject: Gap,
    pub(crate) intro: Gap,
    /// The text of the link.
    pub(crate) action: Option<&'static str>,
    /// For how long the link works.
    pub(crate) validity: Option<Gap>,
    /// What to do when the mail is not expected.
    pub(crate) otherwise: &'static str,
}

/// All texts of one language.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) months: [&'static str; 12],
    pub(crate) error_of: fn(ErrorCause) -> ErrorText,
    pub(crate) notice_of: fn(Notice) -> NoticeText,
    pub(crate) account_notice_of: fn(AccountNotice) -> &'static str,
    pub(crate) mail_of: fn(MailKind<'_>) -> MailText,

    // Everywhere.
    pub(crate) provided_by: &'static str,
    pub(crate) signed_in_as: Gap,
    pub(crate) signing_in_as: Gap,
    pub(crate) not_you: &'static str,
    pub(crate) go_on: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) back_to: Gap,
    pub(crate) privacy_policy: &'static str,
    pub(crate) terms: &'static str,
    pub(crate) or: &'static str,
    pub(crate) wait_seconds: Gap,
    pub(crate) wait_minutes: Gap,

    // Sign-in.
    pub(crate) sign_in: &'static str,
    pub(crate) sign_in_for: Gap,
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) forgot_password: &'static str,
    pub(crate) use_passkey: &'static str,
    pub(crate) passkey_failed: &'static str,
    pub(crate) wrong_credentials: &'static str,
    pub(crate) too_many_attempts: &'static str,
    pub(crate) session_expired: &'static str,

    // Second factor.
    pub(crate) second_factor_title: &'static str,
    pub(crate) code_from_app: &'static str,
    pub(crate) code_from_app_hint: &'static str,
    pub(crate) check_code: &'static str,
    pub(crate) use_recovery_code: &'static str,
    pub(crate) recovery_code: &'static str,
    pub(crate) recovery_code_hint: &'static str,
    pub(crate) wrong_code: &'static str,
    pub(crate) used_code: &'static str,

    // Adding a second factor.
    pub(crate) authenticator_title: &'static str,
    pub(crate) authenticator_why_required: &'static str,
    pub(crate) authenticator_step_scan: &'static str,
    pub(crate) authenticator_qr: &'static str,
    pub(crate) authenticator_by_hand: &'static str,
    pub(crate) authenticator_secret: &'static str,
    pub(crate) authenticator_step_code: &'static str,
    pub(crate) authenticator_confirm: &'static str,
    pub(crate) passkey_instead: &'static str,
    pub(crate) authenticator_instead: &'static str,
    pub(crate) recovery_codes_title: &'static str,
    pub(crate) recovery_codes_intro: &'static str,
    pub(crate) recovery_codes_kept: &'static str,
    pub(crate) passkey_title: &'static str,
    pub(crate) passkey_intro: &'static str,
    pub(crate) passkey_name: &'static str,
    pub(crate) passkey_name_hint: &'static str,
    pub(crate) passkey_create: &'static str,
    pub(crate) passkey_needs_script: &'static str,
    pub(crate) passkey_not_created: &'static str,
    pub(crate) passkey_use_needs_script: &'static str,
    pub(crate) confirmation_intro: &'static str,
    pub(crate) confirmation_code_hint: &'static str,

    // Consent.
    pub(crate) consent_title: Gap,
    pub(crate) consent_intro: Gap,
    pub(crate) consent_on: Gap,
    pub(crate) consent_nothing_special: &'static str,
    pub(crate) consent_remove_later: &'static str,
    pub(crate) allow: &'static str,
    pub(crate) deny: &'static str,
    pub(crate) about_application: Gap,

    // Devices.
    pub(crate) device_title: &'static str,
    pub(crate) device_intro: &'static str,
    pub(crate) device_code: &'static str,
    pub(crate) device_code_wrong: &'static str,
    pub(crate) device_confirm_title: Gap,
    pub(crate) device_confirm_compare: &'static str,
    pub(crate) device_confirm_warning: &'static str,

    // Passwords.
    pub(crate) forgotten_title: &'static str,
    pub(crate) forgotten_intro: &'static str,
    pub(crate) address: &'static str,
    pub(crate) address_invalid: &'static str,
    pub(crate) forgotten_send: &'static str,
    pub(crate) back_to_sign_in: &'static str,
    pub(crate) reset_title: &'static str,
    pub(crate) reset_for: Gap,
    pub(crate) change_required_title: &'static str,
    pub(crate) change_required_intro: &'static str,
    pub(crate) current_password: &'static str,
    pub(crate) new_password: &'static str,
    pub(crate) new_password_hint: Gap,
    pub(crate) repeat_password: &'static str,
    pub(crate) save_password: &'static str,
    pub(crate) password_common: &'static str,
    pub(crate) password_current_wrong: &'static str,
    pub(crate) password_differs: &'static str,
    pub(crate) password_guessable: &'static str,
    pub(crate) password_same: &'static str,
    pub(crate) password_too_long: &'static str,
    pub(crate) password_too_short: &'static str,

    // Addresses and mail.
    pub(crate) confirm_address_title: &'static str,
    pub(crate) confirm_address_question: Gap,
    pub(crate) confirm_address: &'static str,
    pub(crate) mail_greeting: Gap,
    pub(crate) mail_greeting_to_nobody: &'static str,
    pub(crate) mail_foot: &'static str,

    // Logging out.
    pub(crate) log_out_title: &'static str,
    pub(crate) log_out_question: Gap,
    pub(crate) log_out_asked_by: Gap,
    pub(crate) log_out: &'static str,
    pub(crate) stay: &'static str,

    // Going back to the application.
    pub(crate) form_post_title: &'static str,
    pub(crate) form_post_intro: &'static str,

    // Errors.
    pub(crate) error_title: &'static str,
    pub(crate) error_reference: &'static str,
    pub(crate) error_code: &'static str,
    pub(crate) error_details: &'static str,

    // The account.
    pub(crate) account_title: &'static str,
    pub(crate) account_parts: &'static str,
    pub(crate) sessions: &'static str,
    pub(crate) sessions_intro: &'static str,
    pub(crate) session_this: &'static str,
    pub(crate) session_since: &'static str,
    pub(crate) session_last_used: &'static str,
    pub(crate) session_end: &'static str,
    pub(crate) applications: &'static str,
    pub(crate) applications_intro: &'static str,
    pub(crate) applications_none: &'static str,
    pub(crate) application_since: &'static str,
    pub(crate) application_remove: &'static str,
    pub(crate) factors: &'static str,
    pub(crate) factors_intro: &'static str,
    pub(crate) factors_none: &'static str,
    pub(crate) factor_authenticator: &'static str,
    pub(crate) factor_passkey: &'static str,
    pub(crate) factor_recovery_codes: &'static str,
    pub(crate) factor_recovery_codes_left: Gap,
    pub(crate) factor_since: &'static str,
    pub(crate) factor_remove: &'static str,
    pub(crate) factor_add_authenticator: &'static str,
    pub(crate) factor_add_passkey: &'static str,
    pub(crate) factor_new_recovery_codes: &'static str,
    pub(crate) change_password: &'static str,
    pub(crate) address_confirmed: &'static str,
    pub(crate) address_unconfirmed: &'static str,
    pub(crate) address_send_link: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_its_gap() {
        let gap = Gap::new("Größe {} übrig");
        assert_eq!((gap.before, gap.after), ("Größe ", " übrig"));
        assert_eq!(gap.fill(3), "Größe 3 übrig");
    }

    #[test]
    #[should_panic(expected = "a text with a gap has {} in it")]
    fn a_text_without_a_gap_is_refused() {
        Gap::new("nothing here {");
    }
}
