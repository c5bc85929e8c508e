//! The texts in German.

use super::{ErrorText, Gap, MailText, Messages, NoticeText};
use crate::mail::MailKind;
use crate::views::{AccountNotice, ErrorCause, Notice};

pub(super) static MESSAGES: Messages = Messages {
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    error_of,
    notice_of,
    account_notice_of,
    mail_of,

    provided_by: "Anmeldung mit",
    signed_in_as: Gap::new("Angemeldet als {}"),
    signing_in_as: Gap::new("Anmeldung als {}"),
    not_you: "Das sind nicht Sie?",
    go_on: "Weiter",
    cancel: "Abbrechen",
    back_to: Gap::new("Zurück zu {}"),
    privacy_policy: "Datenschutzerklärung",
    terms: "Nutzungsbedingungen",
    or: "oder",
    wait_seconds: Gap::new("Bitte versuchen Sie es in {} Sekunden noch einmal."),
    wait_minutes: Gap::new("Bitte versuchen Sie es in {} Minuten noch einmal."),

    sign_in: "Anmelden",
    sign_in_for: Gap::new("um mit {} fortzufahren"),
    username: "Benutzername",
    password: "Passwort",
    forgot_password: "Passwort vergessen?",
    use_passkey: "Passkey verwenden",
    passkey_failed: "Das hat mit dem Passkey nicht geklappt. Versuchen Sie es noch einmal, oder melden Sie sich anders an.",
    wrong_credentials: "Der Benutzername oder das Passwort ist falsch.",
    too_many_attempts: "Das waren zu viele Versuche.",
    session_expired: "Ihre Sitzung ist abgelaufen. Bitte melden Sie sich neu an.",

    second_factor_title: "Bestätigen Sie, dass Sie es sind",
    code_from_app: "Code",
    code_from_app_hint: "Öffnen Sie Ihre Authenticator-App, und geben Sie die sechs Ziffern ein, die sie zeigt.",
    check_code: "Bestätigen",
    use_recovery_code: "Ersatzcode verwenden",
    recovery_code: "Ersatzcode",
    recovery_code_hint: "Einer der Codes, die Sie aufbewahrt haben. Jeder gilt einmal.",
    wrong_code: "Dieser Code ist falsch. Bitte geben Sie den aktuellen ein.",
    used_code: "Dieser Code wurde schon benutzt. Bitte warten Sie auf den nächsten.",

    authenticator_title: "Authenticator-App hinzufügen",
    authenticator_why_required: "Ihr Konto braucht einen zweiten Schritt bei der Anmeldung. Richten Sie ihn jetzt ein; es dauert eine Minute.",
    authenticator_step_scan: "Lesen Sie diesen Code mit Ihrer Authenticator-App ein.",
    authenticator_qr: "QR-Code für Ihre Authenticator-App",
    authenticator_by_hand: "Sie können ihn nicht einlesen? Dann geben Sie diesen Schlüssel in die App ein.",
    authenticator_secret: "Schlüssel",
    authenticator_step_code: "Geben Sie die sechs Ziffern ein, die die App jetzt zeigt.",
    authenticator_confirm: "App hinzufügen",
    passkey_instead: "Lieber einen Passkey verwenden",
    authenticator_instead: "Lieber eine Authenticator-App verwenden",
    recovery_codes_title: "Bewahren Sie Ihre Ersatzcodes auf",
    recovery_codes_intro: "Wenn Sie Ihr Telefon oder Ihren Passkey verlieren, kommen Sie mit einem dieser Codes hinein. Jeder gilt einmal. Drucken Sie sie aus, oder legen Sie sie in einen Passwortmanager: Sie werden nur jetzt gezeigt.",
    recovery_codes_kept: "Ich habe sie aufbewahrt",
    passkey_title: "Passkey hinzufügen",
    passkey_intro: "Mit einem Passkey melden Sie sich mit Fingerabdruck, Gesicht oder der PIN dieses Geräts an. Er lässt sich nicht erraten und von keiner falschen Seite stehlen.",
    passkey_name: "Name dieses Passkeys",
    passkey_name_hint: "Damit Sie ihn später erkennen, zum Beispiel \u{201e}Mein Telefon\u{201c}.",
    passkey_create: "Passkey anlegen",
    passkey_needs_script: "Dieser Browser kann keine Passkeys anlegen, oder Skripte sind ausgeschaltet.",
    passkey_not_created: "Der Passkey wurde nicht angelegt. Bitte versuchen Sie es noch einmal.",
    passkey_use_needs_script: "Ein Passkey braucht Skripte, und in diesem Browser sind sie ausgeschaltet. Erlauben Sie sie für diese Seite, oder nehmen Sie einen anderen Weg.",
    confirmation_intro: "Sie ändern gleich, womit Sie sich anmelden. Zeigen Sie noch einmal, dass Sie es sind.",
    confirmation_code_hint: "Ein Code Ihrer Authenticator-App oder einer Ihrer Ersatzcodes.",

    consent_title: Gap::new("{} zulassen?"),
    consent_intro: Gap::new("{} möchte:"),
    consent_on: Gap::new("Bei {}"),
    consent_nothing_special: "in Ihrem Namen darauf zugreifen",
    consent_remove_later: "Sie können das jederzeit in Ihrem Konto zurücknehmen.",
    allow: "Zulassen",
    deny: "Ablehnen",
    about_application: Gap::new("Über {}"),

    device_title: "Gerät verbinden",
    device_intro: "Geben Sie den Code ein, den Ihr Gerät zeigt.",
    device_code: "Code",
    device_code_wrong: "Dieser Code ist falsch oder abgelaufen. Bitte sehen Sie noch einmal auf Ihr Gerät.",
    device_confirm_title: Gap::new("{} verbinden?"),
    device_confirm_compare: "Ist das der Code, den Ihr Gerät zeigt?",
    device_confirm_warning: "Machen Sie nur weiter, wenn Sie das selbst begonnen haben und das Gerät vor Ihnen steht. Hat Ihnen jemand den Code geschickt? Dann lehnen Sie ab.",

    forgotten_title: "Passwort vergessen?",
    forgotten_intro: "Nennen Sie uns Ihre E-Mail-Adresse. Wenn sie zu einem Konto gehört, schicken wir Ihnen einen Link, mit dem Sie ein neues Passwort wählen.",
    address: "E-Mail-Adresse",
    address_invalid: "Das ist keine E-Mail-Adresse.",
    forgotten_send: "Link schicken",
    back_to_sign_in: "Zurück zur Anmeldung",
    reset_title: "Neues Passwort wählen",
    reset_for: Gap::new("für {}"),
    change_required_title: "Neues Passwort wählen",
    change_required_intro: "Bevor es weitergeht, muss Ihr Passwort geändert werden.",
    current_password: "Jetziges Passwort",
    new_password: "Neues Passwort",
    new_password_hint: Gap::new("Mindestens {} Zeichen. Ein paar Wörter hintereinander merken sich leicht."),
    repeat_password: "Neues Passwort noch einmal",
    save_password: "Passwort speichern",
    password_common: "Dieses Passwort kennen Angreifer. Bitte wählen Sie ein anderes.",
    password_current_wrong: "Das jetzige Passwort ist falsch.",
    password_guessable: "Dieses Passwort ist ein Name, den andere von Ihnen oder von diesem Dienst kennen. Bitte wählen Sie ein anderes.",
    password_differs: "Die beiden neuen Passwörter sind verschieden.",
    password_same: "Das neue Passwort ist das alte. Bitte wählen Sie ein anderes.",
    password_too_long: "Dieses Passwort ist zu lang.",
    password_too_short: "Dieses Passwort ist zu kurz.",

    confirm_address_title: "E-Mail-Adresse bestätigen",
    confirm_address_question: Gap::new("Ist {} Ihre Adresse?"),
    confirm_address: "Ja, das ist meine",
    mail_greeting: Gap::new("Guten Tag, {},"),
    mail_greeting_to_nobody: "Guten Tag,",
    mail_foot: "Diese Nachricht hat eine Maschine verschickt. Antworten darauf liest niemand.",

    log_out_title: "Abmelden?",
    log_out_question: Gap::new("Sie sind als {} angemeldet."),
    log_out_asked_by: Gap::new("{} möchte Sie abmelden."),
    log_out: "Abmelden",
    stay: "Angemeldet bleiben",

    form_post_title: "Einen Moment",
    form_post_intro: "Es geht zurück zur Anwendung. Wenn nichts geschieht, drücken Sie den Knopf.",

    error_title: "Das hat nicht geklappt",
    error_reference: "Kennung",
    error_code: "Fehler",
    error_details: "Für alle, die die Anwendung betreuen",

    account_title: "Ihr Konto",
    account_parts: "Teile Ihres Kontos",
    sessions: "Wo Sie angemeldet sind",
    sessions_intro: "Beenden Sie jede Sitzung, die Sie nicht erkennen, und ändern Sie dann Ihr Passwort.",
    session_this: "Diese hier",
    session_since: "Seit",
    session_last_used: "Zuletzt benutzt",
    session_end: "Beenden",
    applications: "Anwendungen",
    applications_intro: "Diese Anwendungen dürfen in Ihrem Namen handeln.",
    applications_none: "Keine Anwendung darf in Ihrem Namen handeln.",
    application_since: "Seit",
    application_remove: "Entfernen",
    factors: "Zweiter Schritt",
    factors_intro: "Was Sie bei der Anmeldung außer Ihrem Passwort zeigen.",
    factors_none: "Es gibt noch keinen. Mit ihm nützt ein gestohlenes Passwort allein nichts.",
    factor_authenticator: "Authenticator-App",
    factor_passkey: "Passkey",
    factor_recovery_codes: "Ersatzcodes",
    factor_recovery_codes_left: Gap::new("noch {} übrig"),
    factor_since: "Seit",
    factor_remove: "Entfernen",
    factor_add_authenticator: "Authenticator-App hinzufügen",
    factor_add_passkey: "Passkey hinzufügen",
    factor_new_recovery_codes: "Neue Ersatzcodes anlegen",
    address_confirmed: "Bestätigt",
    address_unconfirmed: "Noch nicht bestätigt",
    address_send_link: "Link zum Bestätigen schicken",
    change_password: "Passwort ändern",
};

fn error_of(cause: ErrorCause) -> ErrorText {
    const TELL_THE_APPLICATION: &str = "Gehen Sie zurück zur Anwendung, und versuchen Sie es noch einmal. Wenn es wieder geschieht, sagen Sie es denen, die die Anwendung betreuen.";
    const START_AGAIN: &str = "Gehen Sie zurück zur Anwendung, und beginnen Sie von vorn.";
    let (phrase, next) = match cause {
        ErrorCause::AccountDisabled => {
            ("Dieses Konto ist gesperrt.", "Bitte fragen Sie die, die Ihr Konto betreuen.")
        }
        ErrorCause::ClientDisabled => {
            ("Diese Anwendung ist gesperrt.", "Bitte fragen Sie die, die die Anwendung betreuen.")
        }
        ErrorCause::ClientUnknown => ("Diese Anwendung ist hier nicht bekannt.", TELL_THE_APPLICATION),
        ErrorCause::CookieMissing => (
            "Ihr Browser hat den Cookie dieser Seite nicht geschickt.",
            "Lassen Sie Cookies für diese Seite zu, gehen Sie zurück zur Anwendung, und beginnen Sie von vorn.",
        ),
        ErrorCause::FormNotOurs => {
            ("Dieses Formular ist zu alt oder wurde nicht für Sie gemacht.", START_AGAIN)
        }
        ErrorCause::InternalError => (
            "Bei uns ist etwas schiefgegangen.",
            "Bitte versuchen Sie es noch einmal. Wenn es wieder geschieht, sagen Sie es denen, die diesen Dienst betreuen, mit der Kennung unten.",
        ),
        ErrorCause::LinkUsed => (
            "Dieser Link ist abgelaufen oder wurde schon benutzt.",
            "Lassen Sie sich einen neuen schicken. Nur der neueste gilt.",
        ),
        ErrorCause::LogoutRequestInvalid => (
            "Die Anwendung wollte Sie auf eine Weise abmelden, die nicht gültig ist.",
            "Sie sind noch angemeldet. In Ihrem Konto können Sie sich abmelden.",
        ),
        ErrorCause::NotFound => (
            "Diese Seite gibt es nicht.",
            "Prüfen Sie die Adresse, oder gehen Sie zurück zur Anwendung und beginnen Sie von vorn.",
        ),
        ErrorCause::PushedRequestRequired => {
            ("Die Anwendung muss uns ihre Anfrage vorab schicken.", TELL_THE_APPLICATION)
        }
        ErrorCause::RedirectUriMissing => {
            ("Die Anwendung hat nicht gesagt, wohin es zurückgehen soll.", TELL_THE_APPLICATION)
        }
        ErrorCause::RedirectUriUnregistered => {
            ("Die Adresse für den Rückweg ist für diese Anwendung nicht eingetragen.", TELL_THE_APPLICATION)
        }
        ErrorCause::RequestExpired => ("Diese Anfrage ist abgelaufen.", START_AGAIN),
        ErrorCause::RequestInvalid => ("Die Anfrage der Anwendung ist nicht gültig.", TELL_THE_APPLICATION),
        ErrorCause::RequestObjectInvalid => {
            ("Die signierte Anfrage der Anwendung ist nicht gültig.", TELL_THE_APPLICATION)
        }
        ErrorCause::ResponseModeUnsupported => {
            ("Die Anwendung möchte die Antwort auf einem Weg, den es hier nicht gibt.", TELL_THE_APPLICATION)
        }
        ErrorCause::ResponseTypeMissing => {
            ("Die Anwendung hat nicht gesagt, welche Art von Antwort sie möchte.", TELL_THE_APPLICATION)
        }
        ErrorCause::ResponseTypeUnsupported => {
            ("Die Anwendung möchte eine Art von Antwort, die es hier nicht gibt.", TELL_THE_APPLICATION)
        }
        ErrorCause::SecondFactorMissing => (
            "Dafür braucht es einen zweiten Schritt bei der Anmeldung.",
            "Fügen Sie auf Ihrer Kontoseite einen hinzu, oder melden Sie sich neu an und benutzen Sie ihn. Dann beginnen Sie von vorn.",
        ),
        ErrorCause::SignInRefused => (
            "Ihr Konto darf diese Anwendung nicht benutzen.",
            "Bitte fragen Sie die, die die Anwendung betreuen.",
        ),
        ErrorCause::TooManyRequests => (
            "Das waren zu viele Anfragen.",
            "Bitte warten Sie ein wenig, und versuchen Sie es dann noch einmal.",
        ),
        ErrorCause::Unavailable => (
            "Der Server kann gerade nicht antworten.",
            "Es ist nichts verloren. Bitte versuchen Sie es gleich noch einmal.",
        ),
    };
    ErrorText { phrase, next }
}

fn notice_of(notice: Notice) -> NoticeText {
    let (phrase, more) = match notice {
        Notice::AddressVerified => {
            ("Ihre E-Mail-Adresse ist bestätigt.", "Sie können diese Seite schließen.")
        }
        Notice::DeviceConnected => {
            ("Ihr Gerät ist verbunden.", "An Ihrem Gerät geht es weiter. Sie können diese Seite schließen.")
        }
        Notice::DeviceDenied => {
            ("Das Gerät wurde nicht verbunden.", "Nichts wurde zugelassen. Sie können diese Seite schließen.")
        }
        Notice::LoggedOut => ("Sie sind abgemeldet.", "Sie können diese Seite schließen."),
        Notice::PasswordChanged => {
            ("Ihr Passwort ist geändert.", "Melden Sie sich von nun an mit dem neuen an.")
        }
        Notice::ResetByAdministrator => (
            "Bitte wenden Sie sich an jene, die Ihr Konto betreuen.",
            "Von hier aus wird keine Post verschickt. Sie bekommen dort ein neues Passwort, oder einen Link, mit dem Sie eines wählen.",
        ),
        Notice::ResetLinkSent => (
            "Sehen Sie in Ihr Postfach.",
            "Wenn die Adresse zu einem Konto gehört, ist ein Link unterwegs. Das kann ein paar Minuten dauern; sehen Sie auch unter der unerwünschten Post nach.",
        ),
        Notice::StillSignedIn => {
            ("Sie sind weiter angemeldet.", "Nichts wurde geändert. Sie können diese Seite schließen.")
        }
    };
    NoticeText { phrase, more }
}

fn account_notice_of(notice: AccountNotice) -> &'static str {
    match notice {
        AccountNotice::AddressLinkSent => {
            "Ein Link an Ihre Adresse ist unterwegs. Das kann ein paar Minuten dauern."
        }
        AccountNotice::ApplicationRemoved => "Die Anwendung darf nicht mehr in Ihrem Namen handeln.",
        AccountNotice::FactorAdded => "Der zweite Schritt wurde hinzugefügt.",
        AccountNotice::FactorRemoved => "Der zweite Schritt wurde entfernt.",
        AccountNotice::PasswordChanged => "Ihr Passwort ist geändert.",
        AccountNotice::SessionEnded => "Die Sitzung ist beendet.",
    }
}

fn mail_of(kind: MailKind<'_>) -> MailText {
    match kind {
        MailKind::ConfirmAddress { .. } => MailText {
            subject: Gap::new("Ihre E-Mail-Adresse bei {} bestätigen"),
            intro: Gap::new(
                "Diese Adresse steht in Ihrem Konto bei {}. Bitte bestätigen Sie, dass es Ihre ist.",
            ),
            action: Some("Adresse bestätigen"),
            validity: Some(Gap::new("Der Link gilt {} Stunden.")),
            otherwise: "Wenn Sie nicht wissen, worum es geht, tun Sie nichts.",
        },
        MailKind::PasswordChanged => MailText {
            subject: Gap::new("Ihr Passwort bei {} wurde geändert"),
            intro: Gap::new(
                "Das Passwort Ihres Kontos bei {} wurde geändert. Jeder Browser, der vorher angemeldet war, muss sich neu anmelden.",
            ),
            action: None,
            validity: None,
            otherwise: "Wenn Sie das nicht waren, wählen Sie sofort ein neues, und sagen Sie es jenen, die Ihr Konto betreuen.",
        },
        MailKind::ResetPassword { .. } => MailText {
            subject: Gap::new("Ein neues Passwort für {} wählen"),
            intro: Gap::new(
                "Jemand, wahrscheinlich Sie, hat um ein neues Passwort für Ihr Konto bei {} gebeten.",
            ),
            action: Some("Neues Passwort wählen"),
            validity: Some(Gap::new("Der Link gilt einmal, für {} Minuten.")),
            otherwise: "Wenn Sie das nicht waren, tun Sie nichts: Ihr Passwort bleibt, wie es ist.",
        },
        MailKind::Test => MailText {
            subject: Gap::new("Ein Versuch mit der Post von {}"),
            intro: Gap::new("Post von {} kommt hier an."),
            action: None,
            validity: None,
            otherwise: "Wer den Server verwaltet, hat sie zum Versuch verschickt. Es ist nichts zu tun.",
        },
    }
}
