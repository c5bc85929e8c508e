//! Every page in its variants, with every field filled: what the tests walk and the gallery writes.

use lydian_pages::views::*;
use lydian_pages::{Brand, Colour, Frame, Hidden, Language, Page, WebLink};
use lydian_primitives::Timestamp;

/// What becomes of each text before it fills a field. No struct below is filled with `..`, so no field is left out.
pub(crate) type Filled<'t> = &'t mut dyn FnMut(&str) -> String;

/// A page and what to call it.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) page: Box<dyn Page>,
    /// The hidden inputs that each of its forms must carry.
    pub(crate) hidden: &'static [Hidden<'static>],
}

struct Maker<'t> {
    filled: Filled<'t>,
    language: Language,
    accent: Colour,
    assets_path: &'static str,
    samples: Vec<Sample>,
}

/// All samples in this language, their texts passed through `filled`.
pub(crate) fn every_page(
    language: Language,
    accent: Colour,
    assets_path: &'static str,
    filled: Filled<'_>,
) -> Vec<Sample> {
    let mut maker = Maker { filled, language, accent, assets_path, samples: Vec::new() };
    maker.signing_in();
    maker.second_factors();
    maker.consent_and_devices();
    maker.passwords();
    maker.addresses();
    maker.account();
    maker.telling();
    maker.samples
}

fn leak<T>(value: Vec<T>) -> &'static [T] {
    Box::leak(value.into_boxed_slice())
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_795_478_103 - seconds)
}

impl Maker<'_> {
    /// One text of a field.
    fn text(&mut self, text: &str) -> &'static str {
        Box::leak((self.filled)(text).into_boxed_str())
    }

    fn texts(&mut self, texts: &[&str]) -> &'static [&'static str] {
        leak(texts.iter().map(|text| self.text(text)).collect())
    }

    fn frame(&mut self) -> Frame<'static> {
        let name = self.text("Harbour Town");
        let brand = Brand { name, logo: None, accent: self.accent };
        Frame::new(self.language, brand, self.assets_path)
    }

    fn hidden(&mut self) -> &'static [Hidden<'static>] {
        let csrf = (self.text("csrf"), self.text("6XqAGK7HzY5o9bLr"));
        let flow = (self.text("flow"), self.text("b1946ac92492d234"));
        leak(vec![csrf, flow])
    }

    fn application(&mut self) -> Application<'static> {
        Application {
            name: self.text("Ferry Planner"),
            logo: None,
            home: WebLink::parse("https://ferry.example/"),
            policy: WebLink::parse("https://ferry.example/privacy"),
            terms: WebLink::parse("https://ferry.example/terms"),
        }
    }

    fn apis(&mut self) -> &'static [Api<'static>] {
        let tickets = Api {
            name: self.text("Tickets"),
            scopes: self
                .texts(&["see your tickets and your seat", "book and cancel trips, and charge your card"]),
        };
        let weather = Api { name: self.text("Weather"), scopes: &[] };
        leak(vec![tickets, weather])
    }

    fn passkey(&mut self) -> PasskeyForm<'static> {
        PasskeyForm {
            action: self.text("/oauth2/sign-in/passkey"),
            hidden: self.hidden(),
            options: self
                .text(r#"{"challenge":"q83vEjRWeJA","rpId":"localhost","userVerification":"required"}"#),
        }
    }

    fn push(&mut self, name: &str, hidden: &'static [Hidden<'static>], page: impl Page + 'static) {
        self.samples.push(Sample { name: name.to_owned(), page: Box::new(page), hidden });
    }

    fn signing_in(&mut self) {
        let problems = [
            ("sign-in", None),
            ("sign-in-wrong", Some(SignInProblem::WrongCredentials)),
            ("sign-in-wait", Some(SignInProblem::TooManyAttempts { wait_seconds: 30 })),
            ("sign-in-wait-long", Some(SignInProblem::TooManyAttempts { wait_seconds: 601 })),
            ("sign-in-expired", Some(SignInProblem::SessionExpired)),
            ("sign-in-passkey-refused", Some(SignInProblem::PasskeyRefused)),
        ];
        for (name, problem) in problems {
            let hidden = self.hidden();
            let page = SignIn {
                frame: self.frame(),
                action: self.text("/oauth2/sign-in"),
                hidden,
                application: Some(self.application()),
                username: if problem.is_some() { self.text("marit@harbour.example") } else { "" },
                problem,
                forgotten_password: Some(self.text("/oauth2/password/forgotten")),
                passkey: Some(self.passkey()),
            };
            self.push(name, hidden, page);
        }
        let hidden = self.hidden();
        let page = SignIn {
            frame: self.frame(),
            action: self.text("/oauth2/sign-in"),
            hidden,
            application: None,
            username: "",
            problem: None,
            forgotten_password: None,
            passkey: None,
        };
        self.push("sign-in-plain", hidden, page);
    }

    fn second_factors(&mut self) {
        let variants = [
            ("second-factor", true, true, true, None),
            ("second-factor-wrong", true, true, false, Some(CodeProblem::WrongCode)),
            ("second-factor-used", true, false, false, Some(CodeProblem::UsedCode)),
            (
                "second-factor-wait",
                true,
                false,
                false,
                Some(CodeProblem::TooManyAttempts { wait_seconds: 1 }),
            ),
            ("second-factor-passkey", false, false, true, Some(CodeProblem::PasskeyRefused)),
            ("second-factor-recovery", false, true, false, None),
        ];
        for (name, authenticator, recovery, with_passkey, problem) in variants {
            let passkey = with_passkey.then(|| self.passkey());
            // The forms of codes are the only ones that carry these.
            let takes_codes = authenticator || recovery;
            let hidden = if takes_codes { self.hidden() } else { &[] };
            let page = SecondFactor {
                frame: self.frame(),
                action: if takes_codes { self.text("/oauth2/second-factor") } else { "" },
                hidden,
                username: self.text("marit@harbour.example"),
                authenticator,
                recovery,
                passkey,
                problem,
                not_you: Some(self.text("/oauth2/sign-in?again=1")),
            };
            self.push(name, hidden, page);
        }
        for (name, required, problem) in
            [("authenticator", true, None), ("authenticator-wrong", false, Some(CodeProblem::WrongCode))]
        {
            let hidden = self.hidden();
            let page = AuthenticatorEnrolment {
                frame: self.frame(),
                action: self.text("/oauth2/account/authenticator"),
                hidden,
                otpauth: "otpauth://totp/Harbour%20Town:marit%40harbour.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Harbour%20Town",
                secret: self.text("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
                required,
                problem,
                passkey_instead: Some(self.text("/oauth2/account/passkey")),
                cancel: Some(self.text("/oauth2/account")),
            };
            self.push(name, hidden, page);
        }
        let hidden = self.hidden();
        let page = RecoveryCodes {
            frame: self.frame(),
            action: self.text("/oauth2/account"),
            hidden,
            codes: self.texts(&[
                "hmkq-7d2r",
                "w3tz-pn84",
                "c9vf-x6ya",
                "j5gb-3rsk",
                "z8ne-q4dh",
                "t2lm-w7up",
                "f6ya-9kcv",
                "r4sx-b5jd",
            ]),
        };
        self.push("recovery-codes", hidden, page);
        let problems = [
            ("confirmation", true, true, None),
            ("confirmation-password", true, false, Some(ConfirmationProblem::Password)),
            ("confirmation-code", false, true, Some(ConfirmationProblem::Code(CodeProblem::UsedCode))),
        ];
        for (name, password, code, problem) in problems {
            let hidden = self.hidden();
            let page = Confirmation {
                frame: self.frame(),
                action: self.text("/oauth2/account?do=remove-factor"),
                hidden,
                // Where no password is asked for, its name is not either.
                username: if password { self.text("marit@harbour.example") } else { "" },
                password,
                code,
                problem,
                cancel: self.text("/oauth2/account"),
            };
            self.push(name, hidden, page);
        }
        for (name, refused) in [("passkey", false), ("passkey-refused", true)] {
            let form = self.passkey();
            let page = PasskeyEnrolment {
                frame: self.frame(),
                form,
                refused,
                authenticator_instead: Some(self.text("/oauth2/account/authenticator")),
                cancel: Some(self.text("/oauth2/account")),
            };
            self.push(name, form.hidden, page);
        }
    }

    fn consent_and_devices(&mut self) {
        let hidden = self.hidden();
        let page = Consent {
            frame: self.frame(),
            action: self.text("/oauth2/consent"),
            hidden,
            application: self.application(),
            apis: self.apis(),
            username: self.text("marit@harbour.example"),
            not_you: Some(self.text("/oauth2/sign-in?again=1")),
        };
        self.push("consent", hidden, page);
        let problems = [
            ("device", None),
            ("device-wrong", Some(DeviceCodeProblem::Wrong)),
            ("device-wait", Some(DeviceCodeProblem::TooManyAttempts { wait_seconds: 45 })),
        ];
        for (name, problem) in problems {
            let hidden = self.hidden();
            let page = DeviceCode {
                frame: self.frame(),
                action: self.text("/oauth2/device"),
                hidden,
                user_code: self.text("WDJB-MJHT"),
                problem,
            };
            self.push(name, hidden, page);
        }
        let hidden = self.hidden();
        let page = DeviceConfirmation {
            frame: self.frame(),
            action: self.text("/oauth2/device/confirm"),
            hidden,
            user_code: self.text("WDJB-MJHT"),
            application: self.application(),
            apis: self.apis(),
            username: self.text("marit@harbour.example"),
            not_you: Some(self.text("/oauth2/sign-in?again=1")),
        };
        self.push("device-confirmation", hidden, page);
    }

    fn passwords(&mut self) {
        for (name, invalid) in [("forgotten-password", false), ("forgotten-password-invalid", true)] {
            let hidden = self.hidden();
            let page = ForgottenPassword {
                frame: self.frame(),
                action: self.text("/oauth2/password/forgotten"),
                hidden,
                email: self.text("marit@harbour.example"),
                invalid,
                sign_in: Some(self.text("/oauth2/sign-in")),
            };
            self.push(name, hidden, page);
        }
        let variants = [
            ("new-password", NewPasswordReason::Reset, None),
            ("new-password-required", NewPasswordReason::ChangeRequired, Some(PasswordProblem::Common)),
            ("new-password-differs", NewPasswordReason::Reset, Some(PasswordProblem::Differs)),
            ("new-password-guessable", NewPasswordReason::Reset, Some(PasswordProblem::Guessable)),
            ("new-password-same", NewPasswordReason::Reset, Some(PasswordProblem::Same)),
            ("new-password-long", NewPasswordReason::Reset, Some(PasswordProblem::TooLong)),
            ("new-password-short", NewPasswordReason::Reset, Some(PasswordProblem::TooShort)),
        ];
        for (name, reason, problem) in variants {
            let hidden = self.hidden();
            let page = NewPassword {
                frame: self.frame(),
                action: self.text("/oauth2/password/reset"),
                hidden,
                reason,
                username: self.text("marit@harbour.example"),
                characters_min: 12,
                problem,
            };
            self.push(name, hidden, page);
        }
    }

    fn addresses(&mut self) {
        let hidden = self.hidden();
        let page = ConfirmAddress {
            frame: self.frame(),
            action: self.text("/oauth2/confirm-address"),
            hidden,
            address: self.text("marit@mail.example"),
        };
        self.push("confirm-address", hidden, page);
    }

    fn account(&mut self) {
        let hidden = self.hidden();
        let actions = AccountActions {
            end_session: self.text("/oauth2/account/end-session"),
            remove_application: self.text("/oauth2/account/remove-application"),
            remove_factor: self.text("/oauth2/account/remove-factor"),
            add_authenticator: Some(self.text("/oauth2/account/authenticator")),
            add_passkey: Some(self.text("/oauth2/account/passkey")),
            new_recovery_codes: Some(self.text("/oauth2/account/recovery-codes")),
            change_password: Some(self.text("/oauth2/account/password")),
            confirm_address: Some(self.text("/oauth2/account/address")),
            log_out: Some(self.text("/oauth2/log-out")),
        };
        let this = SessionRow {
            id: self.text("s1"),
            browser: self.text("Firefox on Linux"),
            place: Some(self.text("192.0.2.17")),
            since: at(7_200),
            last_used: at(0),
            is_this: true,
        };
        let other = SessionRow {
            id: self.text("s2"),
            browser: self.text("Safari on iPhone"),
            place: None,
            since: at(1_900_000),
            last_used: at(90_000),
            is_this: false,
        };
        let ferry = ApplicationRow {
            id: self.text("a1"),
            name: self.text("Ferry Planner"),
            scopes: self
                .texts(&["see your tickets and your seat", "book and cancel trips, and charge your card"]),
            since: at(1_800_000),
        };
        let library = ApplicationRow {
            id: self.text("a2"),
            name: self.text("Town Library"),
            scopes: &[],
            since: at(800_000),
        };
        let authenticator = FactorRow {
            id: self.text("f1"),
            kind: FactorKind::Authenticator,
            name: None,
            since: at(700_000),
            last_used: Some(at(9_000)),
        };
        let passkey = FactorRow {
            id: self.text("f2"),
            kind: FactorKind::Passkey,
            name: Some(self.text("My phone")),
            since: at(600_000),
            last_used: None,
        };
        let address = AddressRow { address: self.text("marit@mail.example"), is_confirmed: false };
        let page = Account {
            frame: self.frame(),
            username: self.text("marit@harbour.example"),
            hidden,
            actions,
            notice: None,
            sessions: leak(vec![this, other]),
            applications: leak(vec![ferry, library]),
            factors: leak(vec![authenticator, passkey]),
            address: Some(address),
            recovery_codes_left: Some(7),
            password_characters_min: 12,
            password_problem: None,
        };
        self.push("account", hidden, page);
        let notices = [
            AccountNotice::AddressLinkSent,
            AccountNotice::ApplicationRemoved,
            AccountNotice::FactorAdded,
            AccountNotice::FactorRemoved,
            AccountNotice::PasswordChanged,
            AccountNotice::SessionEnded,
        ];
        for notice in notices {
            let page = Account {
                frame: self.frame(),
                username: self.text("marit@harbour.example"),
                hidden,
                actions: AccountActions { add_authenticator: None, add_passkey: None, ..actions },
                notice: Some(notice),
                sessions: leak(vec![this]),
                applications: &[],
                factors: &[],
                address: (notice == AccountNotice::AddressLinkSent)
                    .then_some(AddressRow { is_confirmed: true, ..address }),
                recovery_codes_left: None,
                password_characters_min: 12,
                password_problem: Some(PasswordProblem::CurrentWrong),
            };
            self.push(&format!("account-{notice:?}"), hidden, page);
        }
    }

    fn telling(&mut self) {
        for application in [true, false] {
            let hidden = self.hidden();
            let page = LogOut {
                frame: self.frame(),
                action: self.text("/oauth2/log-out"),
                hidden,
                application: application.then(|| self.text("Ferry Planner")),
                username: self.text("marit@harbour.example"),
            };
            self.push(if application { "log-out" } else { "log-out-plain" }, hidden, page);
        }
        for notice in Notice::ALL {
            let page = NoticePage {
                frame: self.frame(),
                notice,
                go_on: Some(self.text("/oauth2/sign-in")),
                back_to: WebLink::parse("https://ferry.example/")
                    .map(|link| (self.text("Ferry Planner"), link)),
            };
            self.push(&format!("notice-{notice:?}"), &[], page);
        }
        let frame = self.frame();
        let logged_out = NoticePage { frame, notice: Notice::LoggedOut, go_on: None, back_to: None };
        self.push("logged-out", &[], logged_out);
        let parameters = leak(vec![
            (self.text("code"), self.text("SplxlOBeZQQYbYS6WxSbIA")),
            (self.text("state"), self.text("af0ifjsldkj")),
            (self.text("iss"), self.text("https://id.harbour.example")),
        ]);
        let action = WebLink::parse("https://ferry.example/callback").expect("this is a web address");
        let page = FormPost { frame: self.frame(), action, parameters };
        self.push("form-post", parameters, page);
        for cause in ErrorCause::ALL {
            let page = ErrorPage {
                frame: self.frame(),
                cause,
                code: Some(self.text("invalid_request")),
                reference: Some(self.text("01JD7K2M9X4V")),
                wait_seconds: (cause == ErrorCause::TooManyRequests).then_some(20),
                back_to: WebLink::parse("https://ferry.example/")
                    .map(|link| (self.text("Ferry Planner"), link)),
            };
            self.push(&format!("error-{cause:?}"), &[], page);
        }
        let plain = ErrorPage::new(self.frame(), ErrorCause::Unavailable);
        self.push("error-plain", &[], plain);
    }
}
