//! What a resource server expects of the tokens of one issuer.
//!
//! A profile cannot be made without an issuer, an audience and a list of algorithms, so that none of the three can be
//! forgotten. Symmetric algorithms and `none` are no values of [`Algorithm`], so that nobody can allow them.

use std::fmt;

use aws_lc_rs::digest;
use lydian_jose::Algorithm;
use lydian_primitives::limits;

use crate::coordinates;

/// The clock difference that is granted where no feed tells of revocations, in seconds.
const LEEWAY_SECONDS_WITHOUT_FEED: u64 = 30;

/// What the tokens of one issuer must be like, for one resource server. [`Profile::builder`] makes it.
///
/// It names its settings by an identity, [`Profile::id`]: facts that were established under other settings are facts of
/// another profile, and count for nothing here.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) settings: Settings,
    pub(crate) realm: u128,
    id: ProfileId,
}

/// The identity of a profile: equal for equal settings, and for no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileId([u8; 16]);

/// Everything that a profile says.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) token_form: TokenForm,
    pub(crate) accepts_legacy_type: bool,
    pub(crate) has_feed: bool,
    pub(crate) leeway_seconds: u64,
    pub(crate) ahead_seconds_max: u64,
    pub(crate) lifetime_seconds_max: u64,
    pub(crate) age_seconds_max: Option<u64>,
    pub(crate) token_bytes_max: usize,
    pub(crate) forgiven: Vec<ForgivenClaim>,
    pub(crate) reads_scp: bool,
    pub(crate) accepts_answers_without_expiry: bool,
    pub(crate) accepts_answers_without_audience: bool,
}

/// In which form the issuer mints its access tokens. It is configured and never guessed: opaque tokens may hold dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenForm {
    /// JWTs alone (RFC 9068).
    Jwt,
    /// Opaque strings alone, which the issuer explains (RFC 7662).
    Opaque,
    /// Opaque strings that begin with one of these prefixes, and JWTs otherwise.
    OpaqueByPrefix(Vec<String>),
}

/// How one token is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Ask the issuer about it (RFC 7662).
    Introspect,
    /// Verify its signature here.
    Verify,
}

/// A claim that RFC 9068 §2.2 requires and that a profile may do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForgivenClaim {
    /// `client_id`.
    ClientId,
    /// `iat`. Without it a cut of the token's subject, session or grant always hits.
    IssuedAt,
    /// `sub`.
    Subject,
    /// `jti`. Without it the token cannot be revoked by itself.
    TokenId,
}

impl Profile {
    /// Begins a profile with what none can do without: who issues, for whom, and how it is signed.
    ///
    /// `audiences` are the identifiers of this resource server; a token for any of them is for it. All are compared as
    /// they are written, without normalisation (RFC 9068 §4).
    pub fn builder<I: AsRef<str>>(
        issuer: &str,
        audiences: impl IntoIterator<Item = I>,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> ProfileBuilder {
        let settings = Settings {
            issuer: issuer.to_owned(),
            audiences: audiences.into_iter().map(|audience| audience.as_ref().to_owned()).collect(),
            algorithms: algorithms.into_iter().collect(),
            token_form: TokenForm::Jwt,
            accepts_legacy_type: false,
            has_feed: false,
            leeway_seconds: LEEWAY_SECONDS_WITHOUT_FEED,
            ahead_seconds_max: LEEWAY_SECONDS_WITHOUT_FEED,
            lifetime_seconds_max: limits::REVOCATION_HORIZON_SECONDS,
            age_seconds_max: None,
            token_bytes_max: limits::TOKEN_BYTES_MAX,
            forgiven: Vec::new(),
            reads_scp: false,
            accepts_answers_without_expiry: false,
            accepts_answers_without_audience: false,
        };
        ProfileBuilder { settings }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// The identifiers of this resource server.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.settings.audiences.iter().map(String::as_str)
    }

    /// The algorithms with which tokens may be signed.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.settings.algorithms
    }

    /// Its identity.
    pub fn id(&self) -> ProfileId {
        self.id
    }

    /// Whether a feed tells of revocations.
    pub fn has_feed(&self) -> bool {
        self.settings.has_feed
    }

    /// The clock difference that is granted at the end of a token, in seconds.
    pub fn leeway_seconds(&self) -> u64 {
        self.settings.leeway_seconds
    }

    /// How this token is to be judged, by the form that the issuer is known to mint.
    pub fn way_for(&self, token: &str) -> Way {
        match &self.settings.token_form {
            TokenForm::Jwt => Way::Verify,
            TokenForm::Opaque => Way::Introspect,
            TokenForm::OpaqueByPrefix(prefixes) => {
                let is_opaque = prefixes.iter().any(|prefix| token.starts_with(prefix.as_str()));
                if is_opaque { Way::Introspect } else { Way::Verify }
            }
        }
    }
}

/// A profile under construction.
#[derive(Clone, Debug)]
#[must_use = "a profile is made by build()"]
pub struct ProfileBuilder {
    settings: Settings,
}

impl ProfileBuilder {
    /// The form in which the issuer mints its tokens; JWTs unless it is said.
    pub fn token_form(mut self, form: TokenForm) -> Self {
        self.settings.token_form = form;
        self
    }

    /// Accepts tokens whose `typ` is `JWT` or absent, as issuers from before RFC 9068 sign them.
    ///
    /// ID tokens look alike then. What is known to be another kind of JWT by its claims is refused all the same, but the audience
    /// must keep the rest apart: never let it be a `client_id`.
    pub fn accept_legacy_type(mut self) -> Self {
        self.settings.accepts_legacy_type = true;
        self
    }

    /// A feed of revocations is followed: no leeway at the end of a token, and none of them outlives the ledger's memory.
    ///
    /// The start of a token keeps some: that a token is used a moment before its `nbf` by this machine's clock harms nobody,
    /// and without it every token is refused in the second in which it is issued when this clock is late.
    pub fn with_feed(mut self) -> Self {
        self.settings.has_feed = true;
        self.settings.leeway_seconds = 0;
        self.settings.ahead_seconds_max = limits::ISSUED_AHEAD_SECONDS_MAX;
        self
    }

    /// The clock difference that is granted to `exp`, `nbf` and `iat`, in seconds: at most a minute.
    pub fn leeway_seconds(mut self, seconds: u64) -> Self {
        self.settings.leeway_seconds = seconds;
        self.settings.ahead_seconds_max = seconds;
        self
    }

    /// The longest lifetime (`exp` less `iat`) of a token, in seconds; a day unless it is said.
    pub fn lifetime_seconds_max(mut self, seconds: u64) -> Self {
        self.settings.lifetime_seconds_max = seconds;
        self
    }

    /// How long ago a token may have been issued, in seconds, whatever its `exp` says.
    pub fn age_seconds_max(mut self, seconds: u64) -> Self {
        self.settings.age_seconds_max = Some(seconds);
        self
    }

    /// The longest token, in bytes.
    pub fn token_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.token_bytes_max = bytes;
        self
    }

    /// Does without a claim that RFC 9068 §2.2 requires. `iss`, `exp` and `aud` are never forgiven.
    pub fn forgive(mut self, claim: ForgivenClaim) -> Self {
        self.settings.forgiven.push(claim);
        self
    }

    /// Reads scopes from the array `scp` when there is no `scope`.
    pub fn read_scp(mut self) -> Self {
        self.settings.reads_scp = true;
        self
    }

    /// Takes an introspection answer without `exp`, which RFC 7662 §2.2 permits: then only the cache bounds its use.
    pub fn accept_answers_without_expiry(mut self) -> Self {
        self.settings.accepts_answers_without_expiry = true;
        self
    }

    /// Takes an introspection answer without `aud`, from issuers that tell only the audience itself of a token.
    pub fn accept_answers_without_audience(mut self) -> Self {
        self.settings.accepts_answers_without_audience = true;
        self
    }

    /// The profile.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] when something that cannot be done without is empty, or a bound lies beyond what is safe.
    pub fn build(mut self) -> Result<Profile, ProfileError> {
        let settings = &mut self.settings;
        settings.forgiven.sort_unstable();
        settings.forgiven.dedup();
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(&settings.issuer) {
            return Err(ProfileError::IssuerMalformed);
        }
        if settings.audiences.is_empty() {
            return Err(ProfileError::AudienceMissing);
        }
        if !settings.audiences.iter().all(|audience| plain(audience)) {
            return Err(ProfileError::AudienceMalformed);
        }
        if settings.algorithms.is_empty() {
            return Err(ProfileError::AlgorithmMissing);
        }
        if settings.leeway_seconds > limits::LEEWAY_SECONDS_MAX {
            return Err(ProfileError::LeewayTooLong);
        }
        if settings.lifetime_seconds_max == 0 || settings.age_seconds_max == Some(0) {
            return Err(ProfileError::LifetimeZero);
        }
        if settings.has_feed && settings.lifetime_seconds_max > limits::REVOCATION_HORIZON_SECONDS {
            return Err(ProfileError::LifetimeBeyondFeed);
        }
        if settings.has_feed && settings.forgiven.contains(&ForgivenClaim::IssuedAt) {
            return Err(ProfileError::IssuedAtNeeded);
        }
        if settings.token_bytes_max == 0 || settings.token_bytes_max > limits::TOKEN_BYTES_MAX {
            return Err(ProfileError::TokenBytes);
        }
        if let TokenForm::OpaqueByPrefix(prefixes) = &settings.token_form {
            // Each JWT begins with the `{"` of its header: such a prefix would send JWTs to the introspection.
            let is_usable = |prefix: &String| {
                plain(prefix) && !prefix.starts_with("ey") && !"ey".starts_with(prefix.as_str())
            };
            if prefixes.is_empty() || !prefixes.iter().all(is_usable) {
                return Err(ProfileError::PrefixMalformed);
            }
        }
        let described = format!("{settings:?}");
        let digest = digest::digest(&digest::SHA256, described.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&digest.as_ref()[..16]);
        let realm = coordinates::of_issuer(&settings.issuer);
        Ok(Profile { settings: self.settings, realm, id: ProfileId(id) })
    }
}

/// Why settings make no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileError {
    /// No algorithm is allowed.
    AlgorithmMissing,
    /// An audience is empty or holds white space.
    AudienceMalformed,
    /// There is no audience.
    AudienceMissing,
    /// `iat` is forgiven, and a feed needs it: without it nobody can say that the token is younger than the ledger's memory.
    IssuedAtNeeded,
    /// The issuer is empty or holds white space.
    IssuerMalformed,
    /// The leeway is longer than `limits::LEEWAY_SECONDS_MAX`.
    LeewayTooLong,
    /// Tokens may live longer than the ledger of a feed remembers cuts.
    LifetimeBeyondFeed,
    /// A lifetime or an age is zero.
    LifetimeZero,
    /// There is no prefix of opaque tokens, or one that JWTs have too.
    PrefixMalformed,
    /// The longest token is zero, or longer than `limits::TOKEN_BYTES_MAX`.
    TokenBytes,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlgorithmMissing => "a profile needs an algorithm",
            Self::AudienceMalformed => "an audience is empty or holds white space",
            Self::AudienceMissing => "a profile needs an audience",
            Self::IssuedAtNeeded => "a feed needs the claim iat",
            Self::IssuerMalformed => "the issuer is empty or holds white space",
            Self::LeewayTooLong => "the leeway is longer than a minute",
            Self::LifetimeBeyondFeed => "tokens live longer than a feed remembers revocations",
            Self::LifetimeZero => "a lifetime or age of zero admits no token",
            Self::PrefixMalformed => "there is no prefix of opaque tokens, or one that JWTs have too",
            Self::TokenBytes => "the longest token is out of range",
        })
    }
}

impl std::error::Error for ProfileError {}
