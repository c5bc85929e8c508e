//! One struct for each page. The names of inputs and buttons are part of what the pages promise: they are written with each struct.

mod account;
mod address;
mod confirmation;
mod consent;
mod device;
mod enrolment;
mod error;
mod form_post;
mod log_out;
mod notice;
mod password;
mod second_factor;
mod sign_in;

pub use account::{
    Account, AccountActions, AccountNotice, AddressRow, ApplicationRow, FactorKind, FactorRow, SessionRow,
};
pub use address::ConfirmAddress;
pub use confirmation::{Confirmation, ConfirmationProblem};
pub use consent::{Api, Application, Consent};
pub use device::{DeviceCode, DeviceCodeProblem, DeviceConfirmation};
pub use enrolment::{AuthenticatorEnrolment, PasskeyEnrolment, RecoveryCodes};
pub use error::{ErrorCause, ErrorPage};
pub use form_post::FormPost;
pub use log_out::LogOut;
pub use notice::{Notice, NoticePage};
pub use password::{ForgottenPassword, NewPassword, NewPasswordReason, PasswordProblem};
pub use second_factor::{CodeProblem, SecondFactor};
pub use sign_in::{PasskeyForm, SignIn, SignInProblem};

/// How long to wait, in words: rounded up, so that it is never too short and never "1 seconds".
fn wait_text(seconds: u64, t: &crate::language::Messages) -> String {
    if seconds <= 120 {
        t.wait_seconds.fill(seconds.max(1).next_multiple_of(5))
    } else {
        t.wait_minutes.fill(seconds.div_ceil(60))
    }
}
