//! Why a caller is refused: the closed list, with the code and the fixed text of each.

use lydian_oauth_types::ErrorCode;

/// Why a request was refused. The variant is for logs and metrics; the caller gets its code and its fixed text.
///
/// Two secrets that are wrong in different ways get one answer, so several variants share their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Two ways of client authentication in one request (RFC 6749 §2.3).
    AuthenticationMethodsMixed,
    /// The scheme of the Authorization header is not offered.
    AuthenticationSchemeUnknown,
    /// The Basic credentials cannot be read (RFC 6749 §2.3.1).
    BasicMalformed,
    /// The Bearer token used as a credential is not active (RFC 6750 §3.1).
    BearerInactive,
    /// The Bearer token used as a credential is malformed (RFC 6750 §3.1).
    BearerMalformed,
    /// The Bearer token used as a credential lacks the scope of this endpoint (RFC 6750 §3.1).
    BearerScopeMissing,
    /// The request body does not have the type of a form.
    BodyNotForm,
    /// The client assertion is malformed, unsigned, expired, for somebody else, or lives too long (RFC 7523 §3).
    ClientAssertionInvalid,
    /// The client assertion was used before (RFC 7523 §3).
    ClientAssertionReplayed,
    /// The type of the client assertion is not the one of RFC 7523.
    ClientAssertionTypeUnknown,
    /// The presented secret does not match (RFC 6749 §5.2).
    ClientCredentialsWrong,
    /// The client is disabled.
    ClientDisabled,
    /// The client may not use this method of authentication.
    ClientMethodNotRegistered,
    /// Neither credentials nor a name were presented.
    ClientMissing,
    /// The client is public and this endpoint wants a confidential one.
    ClientPublic,
    /// No client has this name.
    ClientUnknown,
    /// The form is malformed.
    FormMalformed,
    /// The client may not use this grant type (RFC 6749 §5.2).
    GrantTypeNotAllowed,
    /// The parameter `grant_type` is missing.
    GrantTypeMissing,
    /// The grant type is not offered (RFC 6749 §5.2).
    GrantTypeUnsupported,
    /// A parameter that belongs into the body stands in the query.
    ParameterInQuery,
    /// A parameter stands more than once (RFC 6749 §3.2).
    ParameterRepeated,
    /// Two different resources for one token (RFC 8707 §2).
    ResourceAmbiguous,
    /// The resource is relative or has a fragment (RFC 8707 §2).
    ResourceMalformed,
    /// No API that the client may ask for has this identifier (RFC 8707 §2).
    ResourceUnknown,
    /// No single API defines the requested scopes together (RFC 9068 §3).
    ScopeAmbiguous,
    /// A scope is malformed (RFC 6749 §3.3).
    ScopeMalformed,
    /// Nothing that the client may have is left (RFC 6749 §3.3).
    ScopeNotAllowed,
    /// The parameter `token` is missing or empty (RFC 7662 §2.1, RFC 7009 §2.1).
    TokenMissing,
    /// The token was issued to another client (RFC 7009 §2.1).
    TokenOfAnotherClient,
    /// The token would be larger than gateways accept.
    TokenTooLarge,
    /// More parameters than a request may have.
    TooManyParameters,
}

impl Refusal {
    /// Every variant.
    pub const ALL: [Self; 32] = [
        Self::AuthenticationMethodsMixed,
        Self::AuthenticationSchemeUnknown,
        Self::BasicMalformed,
        Self::BearerInactive,
        Self::BearerMalformed,
        Self::BearerScopeMissing,
        Self::BodyNotForm,
        Self::ClientAssertionInvalid,
        Self::ClientAssertionReplayed,
        Self::ClientAssertionTypeUnknown,
        Self::ClientCredentialsWrong,
        Self::ClientDisabled,
        Self::ClientMethodNotRegistered,
        Self::ClientMissing,
        Self::ClientPublic,
        Self::ClientUnknown,
        Self::FormMalformed,
        Self::GrantTypeNotAllowed,
        Self::GrantTypeMissing,
        Self::GrantTypeUnsupported,
        Self::ParameterInQuery,
        Self::ParameterRepeated,
        Self::ResourceAmbiguous,
        Self::ResourceMalformed,
        Self::ResourceUnknown,
        Self::ScopeAmbiguous,
        Self::ScopeMalformed,
        Self::ScopeNotAllowed,
        Self::TokenMissing,
        Self::TokenOfAnotherClient,
        Self::TokenTooLarge,
        Self::TooManyParameters,
    ];

    /// The registered code for the caller.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::AuthenticationMethodsMixed
            | Self::BodyNotForm
            | Self::FormMalformed
            | Self::GrantTypeMissing
            | Self::ParameterInQuery
            | Self::ParameterRepeated
            | Self::TokenMissing
            | Self::TokenTooLarge
            | Self::TooManyParameters => ErrorCode::InvalidRequest,
            Self::AuthenticationSchemeUnknown
            | Self::BasicMalformed
            | Self::ClientAssertionInvalid
            | Self::ClientAssertionReplayed
            | Self::ClientAssertionTypeUnknown
            | Self::ClientCredentialsWrong
            | Self::ClientDisabled
            | Self::ClientMethodNotRegistered
            | Self::ClientMissing
            | Self::ClientPublic
            | Self::ClientUnknown => ErrorCode::InvalidClient,
            Self::BearerInactive | Self::BearerMalformed => ErrorCode::InvalidToken,
            Self::BearerScopeMissing => ErrorCode::InsufficientScope,
            Self::GrantTypeNotAllowed => ErrorCode::UnauthorizedClient,
            Self::GrantTypeUnsupported => ErrorCode::UnsupportedGrantType,
            Self::ResourceAmbiguous | Self::ResourceMalformed | Self::ResourceUnknown => {
                ErrorCode::InvalidTarget
            }
            Self::ScopeAmbiguous | Self::ScopeMalformed | Self::ScopeNotAllowed => ErrorCode::InvalidScope,
            Self::TokenOfAnotherClient => ErrorCode::InvalidGrant,
        }
    }

    /// The fixed text for the caller: it never echoes input, and it never tells unknown from wrong.
    pub const fn description(self) -> &'static str {
        match self {
            Self::AuthenticationMethodsMixed => "use one method of client authentication in a request",
            Self::AuthenticationSchemeUnknown
            | Self::BasicMalformed
            | Self::ClientAssertionInvalid
            | Self::ClientAssertionReplayed
            | Self::ClientAssertionTypeUnknown
            | Self::ClientCredentialsWrong
            | Self::ClientDisabled
            | Self::ClientMethodNotRegistered
            | Self::ClientMissing
            | Self::ClientPublic
            | Self::ClientUnknown => "client authentication failed",
            Self::BearerInactive | Self::BearerMalformed => "the access token is not valid",
            Self::BearerScopeMissing => "the access token lacks the scope introspect",
            Self::BodyNotForm => "the body must have the type application/x-www-form-urlencoded",
            Self::FormMalformed => "the body is not valid form encoding of UTF-8",
            Self::GrantTypeMissing => "the parameter grant_type is missing",
            Self::GrantTypeNotAllowed => "the client may not use this grant type",
            Self::GrantTypeUnsupported => "the grant type is not offered",
            Self::ParameterInQuery => "send parameters in the body, not in the address",
            Self::ParameterRepeated => "a parameter is sent more than once",
            Self::ResourceAmbiguous => "a token is for one resource",
            Self::ResourceMalformed => "the resource must be an absolute URI without a fragment",
            Self::ResourceUnknown => "the resource is unknown, or the client may not ask for it",
            Self::ScopeAmbiguous => "no single resource defines these scopes together",
            Self::ScopeMalformed => "the scope is malformed",
            Self::ScopeNotAllowed => "the client may have none of the requested scopes",
            Self::TokenMissing => "the parameter token is missing",
            Self::TokenOfAnotherClient => "the token was issued to another client",
            Self::TokenTooLarge => "the token would be too large",
            Self::TooManyParameters => "the request has too many parameters",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gen_09_texts_hold_only_the_characters_that_error_descriptions_may_have() {
        for refusal in Refusal::ALL {
            let text = refusal.description();
            let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(!text.is_empty() && text.bytes().all(allowed), "{refusal:?}");
        }
    }

    #[test]
    fn oau_06_unknown_and_wrong_clients_get_one_answer() {
        let texts: Vec<_> = [
            Refusal::ClientUnknown,
            Refusal::ClientCredentialsWrong,
            Refusal::ClientDisabled,
            Refusal::ClientMethodNotRegistered,
            Refusal::ClientAssertionInvalid,
        ]
        .map(|refusal| (refusal.code(), refusal.description()))
        .into();
        assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
