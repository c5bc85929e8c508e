//! Why a caller is refused: the closed list, with the code and the fixed text of each.

use lydian_oauth_types::ErrorCode;

/// Why a request was refused. The variant is for logs and metrics; the caller gets its code and its fixed text.
///
/// Two secrets that are wrong in different ways get one answer, so several variants share their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The person refused (RFC 6749 §4.1.2.1).
    AccessDenied,
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
    /// The body is not typed as JSON.
    BodyNotJson,
    /// The parameter `claims` is no JSON object of the right form (OpenID Connect Core §5.5).
    ClaimsMalformed,
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
    /// The code challenge is no S256 challenge (RFC 7636 §4.2).
    CodeChallengeMalformed,
    /// The method of the code challenge is not S256 (RFC 7636 §4.3, RFC 9700 §2.1.1).
    CodeChallengeMethodUnsupported,
    /// The request has no code challenge (RFC 7636 §4.4.1).
    CodeChallengeMissing,
    /// The authorization code has expired (RFC 6749 §4.1.2).
    CodeExpired,
    /// The parameter `code` is missing.
    CodeMissing,
    /// The authorization code was issued to another client (RFC 6749 §5.2).
    CodeOfAnotherClient,
    /// The authorization code was used before; its grant is revoked (RFC 6749 §4.1.2).
    CodeReplayed,
    /// What the authorization code depends on was revoked or disabled meanwhile.
    CodeRevoked,
    /// No authorization code of ours has this string.
    CodeUnknown,
    /// The code verifier is missing (RFC 7636 §4.6).
    CodeVerifierMissing,
    /// The code verifier does not fit the challenge (RFC 7636 §4.6).
    CodeVerifierWrong,
    /// Consent is needed, and the client forbade to ask (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// The device code has expired (RFC 8628 §3.5).
    DeviceCodeExpired,
    /// The device code is unknown, of another client, was used, or what it depends on is dead (RFC 8628 §3.5).
    DeviceCodeInvalid,
    /// The parameter `device_code` is missing.
    DeviceCodeMissing,
    /// The person has not decided over the device yet (RFC 8628 §3.5).
    DevicePending,
    /// The device asks more often than it may (RFC 8628 §3.5).
    DeviceTooFast,
    /// The factor cannot be added: it is there already, or belongs to somebody else.
    FactorNotAdded,
    /// The credentials are not those of an API that is enabled.
    FeedForApisOnly,
    /// A position in the revocation feed is no position, or none of this log.
    FeedPositionMalformed,
    /// A page was left open for too long.
    FlowExpired,
    /// What a page sent back was made for another browser, or altered.
    FlowInvalid,
    /// The form is malformed.
    FormMalformed,
    /// The parameter `grant_type` is missing.
    GrantTypeMissing,
    /// The client may not use this grant type (RFC 6749 §5.2).
    GrantTypeNotAllowed,
    /// The grant type is not offered (RFC 6749 §5.2).
    GrantTypeUnsupported,
    /// The request for a lease is no JSON object of the right form.
    LeaseRequestMalformed,
    /// The link of a mail was used, has expired, or is none of ours.
    LinkUsed,
    /// A sign-in is needed, and the client forbade to ask (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// The parameter `max_age` is no number of seconds (OpenID Connect Core §3.1.2.1).
    MaxAgeMalformed,
    /// The parameter `nonce` is longer than what is kept.
    NonceTooLong,
    /// A parameter that belongs into the body stands in the query.
    ParameterInQuery,
    /// A parameter stands more than once (RFC 6749 §3.2).
    ParameterRepeated,
    /// The parameter `prompt` has an unknown value, or `none` among others (OpenID Connect Core §3.1.2.1).
    PromptMalformed,
    /// The pushed request is not ours, of another client, expired, or was used (RFC 9126 §4).
    PushedRequestInvalid,
    /// A pushed request names another one (RFC 9126 §2.1).
    PushedRequestNested,
    /// The client must push its requests (RFC 9126 §6).
    PushedRequestRequired,
    /// The redirect address of the token request is not that of the authorization request (RFC 6749 §4.1.3).
    RedirectUriMismatch,
    /// The request names no redirect address.
    RedirectUriMissing,
    /// The client did not register this redirect address (RFC 9700 §2.1).
    RedirectUriUnregistered,
    /// The refresh token is unknown, expired, revoked, or of another client (RFC 6749 §5.2).
    RefreshTokenInvalid,
    /// The parameter `refresh_token` is missing.
    RefreshTokenMissing,
    /// The refresh token was replaced long ago; its grant is revoked (RFC 9700 §4.14.2).
    RefreshTokenReused,
    /// Request objects are not offered (OpenID Connect Core §6.1).
    RequestObjectUnsupported,
    /// The request is longer than what a browser carries from page to page.
    RequestTooLong,
    /// References to requests are not offered (OpenID Connect Core §6.2).
    RequestUriUnsupported,
    /// Two different resources for one token (RFC 8707 §2).
    ResourceAmbiguous,
    /// The resource is relative or has a fragment (RFC 8707 §2).
    ResourceMalformed,
    /// No API that the client may ask for has this identifier (RFC 8707 §2).
    ResourceUnknown,
    /// The response mode is not offered.
    ResponseModeUnsupported,
    /// The parameter `response_type` is missing (RFC 6749 §4.1.1).
    ResponseTypeMissing,
    /// The response type is not `code` (RFC 9700 §2.1.2).
    ResponseTypeUnsupported,
    /// No single API defines the requested scopes together (RFC 9068 §3).
    ScopeAmbiguous,
    /// A refresh asks for more than was granted (RFC 6749 §6).
    ScopeBeyondGrant,
    /// A scope is malformed (RFC 6749 §3.3).
    ScopeMalformed,
    /// Nothing that the client may have is left (RFC 6749 §3.3).
    ScopeNotAllowed,
    /// The person may grant none of the requested scopes.
    ScopeNotPermitted,
    /// The parameter `state` is longer than what is given back.
    StateTooLong,
    /// The parameter `token` is missing or empty (RFC 7662 §2.1, RFC 7009 §2.1).
    TokenMissing,
    /// The token was issued to another client (RFC 7009 §2.1).
    TokenOfAnotherClient,
    /// The token would be larger than gateways accept.
    TokenTooLarge,
    /// The person has as many second factors as there may be.
    TooManyFactors,
    /// More parameters than a request may have.
    TooManyParameters,
    /// The person cannot prove who it is in a way that the request insists on (OpenID Connect Core Unmet Authentication Requirements 1.0).
    UnmetAuthenticationRequirements,
    /// The access token of a UserInfo request lacks the scope `openid` (OpenID Connect Core §5.3).
    UserInfoScopeMissing,
}

impl Refusal {
    /// Every variant.
    pub const ALL: [Self; 84] = [
        Self::AccessDenied,
        Self::AuthenticationMethodsMixed,
        Self::AuthenticationSchemeUnknown,
        Self::BasicMalformed,
        Self::BearerInactive,
        Self::BearerMalformed,
        Self::BearerScopeMissing,
        Self::BodyNotForm,
        Self::BodyNotJson,
        Self::ClaimsMalformed,
        Self::ClientAssertionInvalid,
        Self::ClientAssertionReplayed,
        Self::ClientAssertionTypeUnknown,
        Self::ClientCredentialsWrong,
        Self::ClientDisabled,
        Self::ClientMethodNotRegistered,
        Self::ClientMissing,
        Self::ClientPublic,
        Self::ClientUnknown,
        Self::CodeChallengeMalformed,
        Self::CodeChallengeMethodUnsupported,
        Self::CodeChallengeMissing,
        Self::CodeExpired,
        Self::CodeMissing,
        Self::CodeOfAnotherClient,
        Self::CodeReplayed,
        Self::CodeRevoked,
        Self::CodeUnknown,
        Self::CodeVerifierMissing,
        Self::CodeVerifierWrong,
        Self::ConsentRequired,
        Self::DeviceCodeExpired,
        Self::DeviceCodeInvalid,
        Self::DeviceCodeMissing,
        Self::DevicePending,
        Self::DeviceTooFast,
        Self::FactorNotAdded,
        Self::FeedForApisOnly,
        Self::FeedPositionMalformed,
        Self::FlowExpired,
        Self::FlowInvalid,
        Self::FormMalformed,
        Self::GrantTypeMissing,
        Self::GrantTypeNotAllowed,
        Self::GrantTypeUnsupported,
        Self::LeaseRequestMalformed,
        Self::LinkUsed,
        Self::LoginRequired,
        Self::MaxAgeMalformed,
        Self::NonceTooLong,
        Self::ParameterInQuery,
        Self::ParameterRepeated,
        Self::PromptMalformed,
        Self::PushedRequestInvalid,
        Self::PushedRequestNested,
        Self::PushedRequestRequired,
        Self::RedirectUriMismatch,
        Self::RedirectUriMissing,
        Self::RedirectUriUnregistered,
        Self::RefreshTokenInvalid,
        Self::RefreshTokenMissing,
        Self::RefreshTokenReused,
        Self::RequestObjectUnsupported,
        Self::RequestTooLong,
        Self::RequestUriUnsupported,
        Self::ResourceAmbiguous,
        Self::ResourceMalformed,
        Self::ResourceUnknown,
        Self::ResponseModeUnsupported,
        Self::ResponseTypeMissing,
        Self::ResponseTypeUnsupported,
        Self::ScopeAmbiguous,
        Self::ScopeBeyondGrant,
        Self::ScopeMalformed,
        Self::ScopeNotAllowed,
        Self::ScopeNotPermitted,
        Self::StateTooLong,
        Self::TokenMissing,
        Self::TokenOfAnotherClient,
        Self::TokenTooLarge,
        Self::TooManyFactors,
        Self::TooManyParameters,
        Self::UnmetAuthenticationRequirements,
        Self::UserInfoScopeMissing,
    ];

    /// The registered code for the caller.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::AccessDenied | Self::ScopeNotPermitted => ErrorCode::AccessDenied,
            Self::DevicePending => ErrorCode::AuthorizationPending,
            Self::ConsentRequired => ErrorCode::ConsentRequired,
            Self::DeviceCodeExpired => ErrorCode::ExpiredToken,
            Self::BearerScopeMissing | Self::UserInfoScopeMissing => ErrorCode::InsufficientScope,
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
            Self::CodeExpired
            | Self::CodeOfAnotherClient
            | Self::CodeReplayed
            | Self::CodeRevoked
            | Self::CodeUnknown
            | Self::CodeVerifierMissing
            | Self::CodeVerifierWrong
            | Self::DeviceCodeInvalid
            | Self::RedirectUriMismatch
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenReused
            | Self::TokenOfAnotherClient => ErrorCode::InvalidGrant,
            Self::AuthenticationMethodsMixed
            | Self::BodyNotForm
            | Self::BodyNotJson
            | Self::ClaimsMalformed
            | Self::CodeChallengeMalformed
            | Self::CodeChallengeMethodUnsupported
            | Self::CodeChallengeMissing
            | Self::CodeMissing
            | Self::DeviceCodeMissing
            | Self::FactorNotAdded
            | Self::FeedPositionMalformed
            | Self::FlowExpired
            | Self::FlowInvalid
            | Self::FormMalformed
            | Self::GrantTypeMissing
            | Self::LeaseRequestMalformed
            | Self::LinkUsed
            | Self::MaxAgeMalformed
            | Self::NonceTooLong
            | Self::ParameterInQuery
            | Self::ParameterRepeated
            | Self::PromptMalformed
            | Self::PushedRequestInvalid
            | Self::PushedRequestNested
            | Self::PushedRequestRequired
            | Self::RedirectUriMissing
            | Self::RedirectUriUnregistered
            | Self::RefreshTokenMissing
            | Self::RequestTooLong
            | Self::ResponseModeUnsupported
            | Self::ResponseTypeMissing
            | Self::StateTooLong
            | Self::TokenMissing
            | Self::TokenTooLarge
            | Self::TooManyFactors
            | Self::TooManyParameters => ErrorCode::InvalidRequest,
            Self::ScopeAmbiguous | Self::ScopeBeyondGrant | Self::ScopeMalformed | Self::ScopeNotAllowed => {
                ErrorCode::InvalidScope
            }
            Self::ResourceAmbiguous | Self::ResourceMalformed | Self::ResourceUnknown => {
                ErrorCode::InvalidTarget
            }
            Self::BearerInactive | Self::BearerMalformed => ErrorCode::InvalidToken,
            Self::LoginRequired => ErrorCode::LoginRequired,
            Self::RequestObjectUnsupported => ErrorCode::RequestNotSupported,
            Self::RequestUriUnsupported => ErrorCode::RequestUriNotSupported,
            Self::DeviceTooFast => ErrorCode::SlowDown,
            Self::UnmetAuthenticationRequirements => ErrorCode::UnmetAuthenticationRequirements,
            Self::FeedForApisOnly | Self::GrantTypeNotAllowed => ErrorCode::UnauthorizedClient,
            Self::GrantTypeUnsupported => ErrorCode::UnsupportedGrantType,
            Self::ResponseTypeUnsupported => ErrorCode::UnsupportedResponseType,
        }
    }

    /// The fixed text for the caller: it never echoes input, and it never tells unknown from wrong.
    pub const fn description(self) -> &'static str {
        match self {
            Self::AccessDenied => "the person refused",
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
            Self::BodyNotJson => "the body must have the type application/json",
            Self::ClaimsMalformed => "the parameter claims is malformed",
            Self::CodeChallengeMalformed => "the code_challenge must be 43 characters of base64url",
            Self::CodeChallengeMethodUnsupported => "the code_challenge_method must be S256",
            Self::CodeChallengeMissing => "the parameter code_challenge is missing",
            Self::CodeExpired
            | Self::CodeOfAnotherClient
            | Self::CodeReplayed
            | Self::CodeRevoked
            | Self::CodeUnknown
            | Self::CodeVerifierMissing
            | Self::CodeVerifierWrong
            | Self::RedirectUriMismatch => "the authorization code is not valid here",
            Self::CodeMissing => "the parameter code is missing",
            Self::ConsentRequired => "the person has to agree first",
            Self::DeviceCodeExpired => "the device code has expired: begin again",
            Self::DeviceCodeInvalid => "the device code is not valid here",
            Self::DeviceCodeMissing => "the parameter device_code is missing",
            Self::DevicePending => "the person has not decided yet",
            Self::DeviceTooFast => "the device asks too often: wait longer",
            Self::FactorNotAdded => "this second factor cannot be added",
            Self::FeedForApisOnly => "these are not the credentials of an API that is enabled",
            Self::FeedPositionMalformed => "the position in the feed must be a known number or epoch:number",
            Self::FlowExpired => "the request is too old: begin again",
            Self::FlowInvalid => "the request does not belong to this browser: begin again",
            Self::FormMalformed => "the body is not valid form encoding of UTF-8",
            Self::GrantTypeMissing => "the parameter grant_type is missing",
            Self::GrantTypeNotAllowed => "the client may not use this grant type",
            Self::GrantTypeUnsupported => "the grant type is not offered",
            Self::LeaseRequestMalformed => "the lease request is malformed",
            Self::LinkUsed => "the link was used or has expired",
            Self::LoginRequired => "the person has to sign in first",
            Self::MaxAgeMalformed => "the parameter max_age is a number of seconds",
            Self::NonceTooLong => "the parameter nonce is too long",
            Self::ParameterInQuery => "send parameters in the body, not in the address",
            Self::ParameterRepeated => "a parameter is sent more than once",
            Self::PromptMalformed => "the parameter prompt is malformed",
            Self::PushedRequestInvalid => "the request_uri is not valid here",
            Self::PushedRequestNested => "a pushed request cannot name another one",
            Self::PushedRequestRequired => "the client must push its requests",
            Self::RedirectUriMissing => "the parameter redirect_uri is missing",
            Self::RedirectUriUnregistered => "the redirect_uri is not registered",
            Self::RefreshTokenInvalid | Self::RefreshTokenReused => "the refresh token is not valid here",
            Self::RefreshTokenMissing => "the parameter refresh_token is missing",
            Self::RequestObjectUnsupported => "request objects are not offered",
            Self::RequestTooLong => "the request is too long",
            Self::RequestUriUnsupported => "references to requests are not offered",
            Self::ResourceAmbiguous => "a token is for one resource",
            Self::ResourceMalformed => "the resource must be an absolute URI without a fragment",
            Self::ResourceUnknown => "the resource is unknown, or the client may not ask for it",
            Self::ResponseModeUnsupported => "the response_mode is query or form_post",
            Self::ResponseTypeMissing => "the parameter response_type is missing",
            Self::ResponseTypeUnsupported => "the response_type must be code",
            Self::ScopeAmbiguous => "no single resource defines these scopes together",
            Self::ScopeBeyondGrant => "the scope exceeds what was granted",
            Self::ScopeMalformed => "the scope is malformed",
            Self::ScopeNotAllowed => "the client may have none of the requested scopes",
            Self::ScopeNotPermitted => "the person may grant none of the requested scopes",
            Self::StateTooLong => "the parameter state is too long",
            Self::TokenMissing => "the parameter token is missing",
            Self::TokenOfAnotherClient => "the token was issued to another client",
            Self::TokenTooLarge => "the token would be too large",
            Self::TooManyFactors => "there are as many second factors as there may be: remove one first",
            Self::TooManyParameters => "the request has too many parameters",
            Self::UnmetAuthenticationRequirements => {
                "the person cannot prove who it is in the way that is asked for"
            }
            Self::UserInfoScopeMissing => "the access token lacks the scope openid",
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
