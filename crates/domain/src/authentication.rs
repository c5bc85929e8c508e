//! How a person proved who it is: methods (`amr`, RFC 8176) and the class that they make together (`acr`).

use lydian_primitives::Timestamp;

/// A way in which a person proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AuthenticationMethod {
    /// A password.
    Password = 1,
    /// A one-time code of an authenticator app.
    OneTimePassword = 2,
    /// A key that a device holds (WebAuthn).
    HardwareKey = 4,
    /// The device checked its user.
    UserVerified = 8,
    /// A recovery code.
    RecoveryCode = 16,
    /// A key that may live on several devices (WebAuthn, a passkey that is copied).
    SoftwareKey = 32,
}

impl AuthenticationMethod {
    /// Every method.
    pub const ALL: [Self; 6] = [
        Self::HardwareKey,
        Self::OneTimePassword,
        Self::Password,
        Self::RecoveryCode,
        Self::SoftwareKey,
        Self::UserVerified,
    ];

    /// Its registered value of `amr` (RFC 8176 §2).
    pub const fn amr(self) -> &'static str {
        match self {
            Self::HardwareKey => "hwk",
            Self::OneTimePassword => "otp",
            Self::Password => "pwd",
            // One of a list of one-time passwords.
            Self::RecoveryCode => "otp",
            Self::SoftwareKey => "swk",
            Self::UserVerified => "user",
        }
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthenticationMethods(u8);

impl AuthenticationMethods {
    /// These methods.
    pub fn of(methods: &[AuthenticationMethod]) -> Self {
        Self(methods.iter().fold(0, |bits, method| bits | *method as u8))
    }

    /// These and one more.
    #[must_use]
    pub fn and(self, method: AuthenticationMethod) -> Self {
        Self(self.0 | method as u8)
    }

    /// Whether it is one of them.
    pub fn contains(self, method: AuthenticationMethod) -> bool {
        self.0 & method as u8 != 0
    }

    /// These and those.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The methods behind values of `amr`, as far as they tell: what they make together is the same again.
    pub fn of_amr<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let method = |value: &str| {
            AuthenticationMethod::ALL
                .into_iter()
                .find(|method| *method != AuthenticationMethod::RecoveryCode && method.amr() == value)
        };
        values.into_iter().filter_map(method).fold(Self::default(), Self::and)
    }

    /// The values of `amr`, in alphabetical order, and `mfa` where there is more than one factor.
    pub fn amr(self) -> Vec<&'static str> {
        let mut values: Vec<&'static str> = AuthenticationMethod::ALL
            .into_iter()
            .filter(|method| self.contains(*method))
            .map(AuthenticationMethod::amr)
            .collect();
        if self.acr() >= Acr::SeveralFactors {
            values.push("mfa");
        }
        values.sort_unstable();
        values.dedup();
        values
    }

    /// The class that they make together.
    pub fn acr(self) -> Acr {
        let has = |method| self.contains(method);
        let has_key = has(AuthenticationMethod::HardwareKey) || has(AuthenticationMethod::SoftwareKey);
        let has_code = has(AuthenticationMethod::OneTimePassword) || has(AuthenticationMethod::RecoveryCode);
        // A device that checked its user is something one has and something one knows or is.
        if has_key && (has(AuthenticationMethod::UserVerified) || has(AuthenticationMethod::Password)) {
            Acr::PhishingResistant
        } else if has(AuthenticationMethod::Password) && has_code {
            Acr::SeveralFactors
        } else {
            Acr::OneFactor
        }
    }

    /// As the store keeps it.
    pub const fn as_bits(self) -> u8 {
        self.0
    }

    /// Reads back what [`Self::as_bits`] wrote.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// The class of an authentication (`acr`, OpenID Connect Core §2), weaker ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acr {
    /// One factor.
    OneFactor,
    /// Several factors.
    SeveralFactors,
    /// Several factors, one of them a key that answers our own pages alone.
    PhishingResistant,
}

impl Acr {
    /// Every class, weaker ones first.
    pub const ALL: [Self; 3] = [Self::OneFactor, Self::SeveralFactors, Self::PhishingResistant];

    /// Its value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneFactor => "urn:lydian:acr:one-factor",
            Self::SeveralFactors => "urn:lydian:acr:several-factors",
            Self::PhishingResistant => "urn:lydian:acr:phishing-resistant",
        }
    }

    /// The class of this value.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.as_str() == text)
    }
}

/// One proof of who a person is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Authentication {
    /// When (`auth_time`).
    pub at: Timestamp,
    /// By which methods.
    pub methods: AuthenticationMethods,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_factor_is_not_two_and_a_verified_key_is() {
        use AuthenticationMethod as M;
        let cases: [(&[M], Acr, &[&str]); 8] = [
            (&[M::Password], Acr::OneFactor, &["pwd"]),
            (&[M::Password, M::OneTimePassword], Acr::SeveralFactors, &["mfa", "otp", "pwd"]),
            (&[M::HardwareKey], Acr::OneFactor, &["hwk"]),
            (&[M::HardwareKey, M::UserVerified], Acr::PhishingResistant, &["hwk", "mfa", "user"]),
            (&[M::SoftwareKey, M::UserVerified], Acr::PhishingResistant, &["mfa", "swk", "user"]),
            (&[M::SoftwareKey, M::OneTimePassword], Acr::OneFactor, &["otp", "swk"]),
            (&[M::Password, M::SoftwareKey], Acr::PhishingResistant, &["mfa", "pwd", "swk"]),
            (&[M::Password, M::RecoveryCode], Acr::SeveralFactors, &["mfa", "otp", "pwd"]),
        ];
        for (methods, acr, amr) in cases {
            let set = AuthenticationMethods::of(methods);
            assert_eq!((set.acr(), set.amr().as_slice()), (acr, amr), "{methods:?}");
            assert_eq!(AuthenticationMethods::from_bits(set.as_bits()), set);
            let again = AuthenticationMethods::of_amr(set.amr());
            assert_eq!((again.acr(), again.amr().as_slice()), (acr, amr), "{methods:?}");
        }
    }

    #[test]
    fn classes_are_read_back_and_unknown_ones_are_none() {
        for acr in Acr::ALL {
            assert_eq!(Acr::parse(acr.as_str()), Some(acr));
        }
        assert_eq!(Acr::parse("2"), None);
    }
}
