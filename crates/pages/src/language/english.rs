//! The texts in English.

use super::{ErrorText, Gap, MailText, Messages, NoticeText};
use crate::mail::MailKind;
use crate::views::{AccountNotice, ErrorCause, Notice};

pub(super) static MESSAGES: Messages = Messages {
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    error_of,
    notice_of,
    account_notice_of,
    mail_of,

    provided_by: "Sign-in by",
    signed_in_as: Gap::new("Signed in as {}"),
    signing_in_as: Gap::new("Signing in as {}"),
    not_you: "Not you?",
    go_on: "Continue",
    cancel: "Cancel",
    back_to: Gap::new("Back to {}"),
    privacy_policy: "Privacy policy",
    terms: "Terms of service",
    or: "or",
    wait_seconds: Gap::new("Please try again in {} seconds."),
    wait_minutes: Gap::new("Please try again in {} minutes."),

    sign_in: "Sign in",
    sign_in_for: Gap::new("to continue to {}"),
    username: "Username",
    password: "Password",
    forgot_password: "Forgot your password?",
    use_passkey: "Use a passkey",
    passkey_failed: "The passkey did not work. Try again, or sign in another way.",
    wrong_credentials: "The username or the password is wrong.",
    too_many_attempts: "There were too many attempts.",
    session_expired: "Your session has ended. Please sign in again.",

    second_factor_title: "Confirm that it is you",
    code_from_app: "Code",
    code_from_app_hint: "Open your authenticator app and type the six digits that it shows.",
    check_code: "Confirm",
    use_recovery_code: "Use a recovery code",
    recovery_code: "Recovery code",
    recovery_code_hint: "One of the codes that you kept. Each works once.",
    wrong_code: "This code is wrong. Please type the current one.",
    used_code: "This code was used already. Please wait for the next one.",

    authenticator_title: "Add an authenticator app",
    authenticator_why_required: "Your account needs a second step at sign-in. Set it up now; it takes a minute.",
    authenticator_step_scan: "Scan this code with your authenticator app.",
    authenticator_qr: "QR code for your authenticator app",
    authenticator_by_hand: "Cannot scan it? Type this key into the app.",
    authenticator_secret: "Key",
    authenticator_step_code: "Type the six digits that the app shows now.",
    authenticator_confirm: "Add the app",
    passkey_instead: "Use a passkey instead",
    authenticator_instead: "Use an authenticator app instead",
    recovery_codes_title: "Keep your recovery codes",
    recovery_codes_intro: "If you lose your phone or your passkey, one of these codes lets you in. Each works once. Print them or put them into a password manager: they are shown only now.",
    recovery_codes_kept: "I have kept them",
    passkey_title: "Add a passkey",
    passkey_intro: "A passkey lets you sign in with your fingerprint, your face or the PIN of this device. It cannot be guessed or stolen by a false page.",
    passkey_name: "Name of this passkey",
    passkey_name_hint: "So that you recognise it later, for example \u{201c}My phone\u{201d}.",
    passkey_create: "Create the passkey",
    passkey_needs_script: "This browser cannot make passkeys, or scripts are switched off in it.",
    passkey_not_created: "The passkey was not created. Please try again.",
    passkey_use_needs_script: "A passkey needs scripts, and they are switched off in this browser. Allow them for this page, or use another way.",
    confirmation_intro: "You are about to change how you sign in. Show once more that it is you.",
    confirmation_code_hint: "A code of your authenticator app, or one of your recovery codes.",

    consent_title: Gap::new("Allow {}?"),
    consent_intro: Gap::new("{} would like to:"),
    consent_on: Gap::new("On {}"),
    consent_nothing_special: "use it in your name",
    consent_remove_later: "You can take this back at any time in your account.",
    allow: "Allow",
    deny: "Deny",
    about_application: Gap::new("About {}"),

    device_title: "Connect a device",
    device_intro: "Type the code that your device shows.",
    device_code: "Code",
    device_code_wrong: "This code is wrong or has expired. Please look at your device again.",
    device_confirm_title: Gap::new("Connect {}?"),
    device_confirm_compare: "Is this the code that your device shows?",
    device_confirm_warning: "Go on only if you started this yourself and the device is before you. Did somebody send you the code? Then deny.",

    forgotten_title: "Forgot your password?",
    forgotten_intro: "Tell us your email address. If it belongs to an account, we send you a link to choose a new password.",
    address: "Email address",
    address_invalid: "This is not an email address.",
    forgotten_send: "Send the link",
    back_to_sign_in: "Back to sign-in",
    reset_title: "Choose a new password",
    reset_for: Gap::new("for {}"),
    change_required_title: "Choose a new password",
    change_required_intro: "Your password has to be changed before you can go on.",
    current_password: "Current password",
    new_password: "New password",
    new_password_hint: Gap::new("At least {} characters. A few words in a row are easy to keep in mind."),
    repeat_password: "New password once more",
    save_password: "Save the password",
    password_common: "This password is known to attackers. Please choose another.",
    password_current_wrong: "The current password is wrong.",
    password_differs: "The two new passwords differ.",
    password_guessable: "This password is a name that others know of you or of this service. Please choose another.",
    password_same: "The new password is the old one. Please choose another.",
    password_too_long: "This password is too long.",
    password_too_short: "This password is too short.",

    confirm_address_title: "Confirm your email address",
    confirm_address_question: Gap::new("Is {} your address?"),
    confirm_address: "Yes, it is mine",
    mail_greeting: Gap::new("Hello {},"),
    mail_greeting_to_nobody: "Hello,",
    mail_foot: "A machine sent this mail. Nobody reads answers to it.",

    log_out_title: "Log out?",
    log_out_question: Gap::new("You are signed in as {}."),
    log_out_asked_by: Gap::new("{} asks to log you out."),
    log_out: "Log out",
    stay: "Stay signed in",

    form_post_title: "One moment",
    form_post_intro: "You are taken back to the application. If nothing happens, press the button.",

    error_title: "This did not work",
    error_reference: "Reference",
    error_code: "Error",
    error_details: "For those who look after the application",

    account_title: "Your account",
    account_parts: "Parts of your account",
    sessions: "Where you are signed in",
    sessions_intro: "End every session that you do not recognise, and change your password then.",
    session_this: "This one",
    session_since: "Since",
    session_last_used: "Last used",
    session_end: "End",
    applications: "Applications",
    applications_intro: "These applications may act in your name.",
    applications_none: "No application may act in your name.",
    application_since: "Since",
    application_remove: "Remove",
    factors: "Second step",
    factors_intro: "What you show at sign-in besides your password.",
    factors_none: "There is none yet. With one, a stolen password alone is of no use.",
    factor_authenticator: "Authenticator app",
    factor_passkey: "Passkey",
    factor_recovery_codes: "Recovery codes",
    factor_recovery_codes_left: Gap::new("{} left"),
    factor_since: "Since",
    factor_remove: "Remove",
    factor_add_authenticator: "Add an authenticator app",
    factor_add_passkey: "Add a passkey",
    factor_new_recovery_codes: "Make new recovery codes",
    change_password: "Change password",
    address_confirmed: "Confirmed",
    address_unconfirmed: "Not confirmed yet",
    address_send_link: "Send a link to confirm it",
};

fn error_of(cause: ErrorCause) -> ErrorText {
    const TELL_THE_APPLICATION: &str = "Go back to the application and try again. If it happens again, tell those who look after the application.";
    const START_AGAIN: &str = "Go back to the application and start again.";
    let (phrase, next) = match cause {
        ErrorCause::AccountDisabled => {
            ("This account is disabled.", "Please ask those who look after your account.")
        }
        ErrorCause::ClientDisabled => {
            ("This application is disabled.", "Please ask those who look after the application.")
        }
        ErrorCause::ClientUnknown => ("This application is not known here.", TELL_THE_APPLICATION),
        ErrorCause::CookieMissing => (
            "Your browser did not send the cookie of this page.",
            "Allow cookies for this site, go back to the application and start again.",
        ),
        ErrorCause::FormNotOurs => ("This form is too old or was not made for you.", START_AGAIN),
        ErrorCause::InternalError => (
            "Something went wrong on our side.",
            "Please try again. If it happens again, tell those who look after this service, with the reference below.",
        ),
        ErrorCause::LinkUsed => {
            ("This link has expired or was used already.", "Ask for a new one. Only the newest link works.")
        }
        ErrorCause::LogoutRequestInvalid => (
            "The application asked to log you out in a way that is not valid.",
            "You are still signed in. You can log out in your account.",
        ),
        ErrorCause::NotFound => {
            ("There is no such page.", "Check the address, or go back to the application and start again.")
        }
        ErrorCause::PushedRequestRequired => {
            ("The application must send its request to us in advance.", TELL_THE_APPLICATION)
        }
        ErrorCause::RedirectUriMissing => {
            ("The application did not say where to return to.", TELL_THE_APPLICATION)
        }
        ErrorCause::RedirectUriUnregistered => {
            ("The address to return to is not registered for this application.", TELL_THE_APPLICATION)
        }
        ErrorCause::RequestExpired => ("This request has expired.", START_AGAIN),
        ErrorCause::RequestInvalid => ("The request of the application is not valid.", TELL_THE_APPLICATION),
        ErrorCause::RequestObjectInvalid => {
            ("The signed request of the application is not valid.", TELL_THE_APPLICATION)
        }
        ErrorCause::ResponseModeUnsupported => {
            ("The application asked for an answer in a way that is not supported.", TELL_THE_APPLICATION)
        }
        ErrorCause::ResponseTypeMissing => {
            ("The application did not say what kind of answer it wants.", TELL_THE_APPLICATION)
        }
        ErrorCause::ResponseTypeUnsupported => {
            ("The application asked for a kind of answer that is not supported.", TELL_THE_APPLICATION)
        }
        ErrorCause::SecondFactorMissing => (
            "This needs a second step at sign-in.",
            "Add one on the page of your account, or sign in again and use it. Then start again.",
        ),
        ErrorCause::SignInRefused => {
            ("Your account may not use this application.", "Please ask those who look after the application.")
        }
        ErrorCause::TooManyRequests => {
            ("There were too many requests.", "Please wait a little, then try again.")
        }
        ErrorCause::Unavailable => {
            ("The server cannot answer just now.", "Nothing is lost. Please try again in a moment.")
        }
    };
    ErrorText { phrase, next }
}

fn notice_of(notice: Notice) -> NoticeText {
    let (phrase, more) = match notice {
        Notice::AddressVerified => ("Your email address is confirmed.", "You can close this page."),
        Notice::DeviceConnected => {
            ("Your device is connected.", "Go on at your device. You can close this page.")
        }
        Notice::DeviceDenied => {
            ("The device was not connected.", "Nothing was allowed. You can close this page.")
        }
        Notice::LoggedOut => ("You are logged out.", "You can close this page."),
        Notice::PasswordChanged => ("Your password is changed.", "From now on, sign in with the new one."),
        Notice::ResetByAdministrator => (
            "Please ask those who look after your account.",
            "No mail is sent from here. They can give you a new password, or a link with which you choose one.",
        ),
        Notice::ResetLinkSent => (
            "Look into your mailbox.",
            "If the address belongs to an account, a link is on its way. It can take a few minutes; look among the unwanted mail as well.",
        ),
        Notice::StillSignedIn => {
            ("You are still signed in.", "Nothing was changed. You can close this page.")
        }
    };
    NoticeText { phrase, more }
}

fn account_notice_of(notice: AccountNotice) -> &'static str {
    match notice {
        AccountNotice::AddressLinkSent => "A link is on its way to your address. It can take a few minutes.",
        AccountNotice::ApplicationRemoved => "The application may no longer act in your name.",
        AccountNotice::FactorAdded => "The second step was added.",
        AccountNotice::FactorRemoved => "The second step was removed.",
        AccountNotice::PasswordChanged => "Your password is changed.",
        AccountNotice::SessionEnded => "The session has ended.",
    }
}

fn mail_of(kind: MailKind<'_>) -> MailText {
    match kind {
        MailKind::ConfirmAddress { .. } => MailText {
            subject: Gap::new("Confirm your email address for {}"),
            intro: Gap::new("This address stands in your account at {}. Please confirm that it is yours."),
            action: Some("Confirm the address"),
            validity: Some(Gap::new("The link works for {} hours.")),
            otherwise: "If you do not know what this is about, do nothing.",
        },
        MailKind::PasswordChanged => MailText {
            subject: Gap::new("Your password for {} was changed"),
            intro: Gap::new(
                "The password of your account at {} was changed. Every browser that was signed in before has to sign in again.",
            ),
            action: None,
            validity: None,
            otherwise: "If it was not you, choose a new one at once, and tell those who look after your account.",
        },
        MailKind::ResetPassword { .. } => MailText {
            subject: Gap::new("Choose a new password for {}"),
            intro: Gap::new("Somebody, probably you, asked for a new password for your account at {}."),
            action: Some("Choose a new password"),
            validity: Some(Gap::new("The link works once, for {} minutes.")),
            otherwise: "If it was not you, do nothing: your password stays as it is.",
        },
        MailKind::Test => MailText {
            subject: Gap::new("A test of the mail of {}"),
            intro: Gap::new("Mail from {} arrives here."),
            action: None,
            validity: None,
            otherwise: "An administrator sent it to try the settings. There is nothing to do.",
        },
    }
}
