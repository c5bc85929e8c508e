//! Why a sign-in did not come about, in plain words.

use std::fmt;
use std::io;
use std::path::PathBuf;

use lydian_primitives::limits;

/// Why a sign-in did not come about.
#[derive(Debug)]
pub(crate) enum LoginError {
    /// The address of the server, or one that the server names, cannot be used safely.
    AddressUnusable(String),
    /// What came back through the browser is not understood.
    AnswerMalformed(&'static str),
    /// The file of certificates cannot be used.
    Certificates(PathBuf, Box<dyn std::error::Error + Send + Sync>),
    /// Nobody decided before the device's code expired.
    CodeExpired,
    /// The person or the server said no, in the browser: `error`, and what was said beside it.
    Denied(String, String),
    /// What the address answers is not a server's description of itself.
    Discovery(String),
    /// The ID token is missing or was made for somebody else.
    IdTokenWrong(&'static str),
    /// The answer came from another server than the one that was asked (RFC 9207).
    IssuerWrong,
    /// No port for the browser to come back to.
    Listen(io::Error),
    /// The server has no devices.
    NoDevices,
    /// The server describes itself under another name.
    OtherIssuer { asked: String, named: String },
    /// The browser came back with the answer to a request that was not ours.
    StateWrong,
    /// Nobody came back.
    TimedOut,
    /// The server refused to give tokens for the code.
    TokensRefused(String, String),
    /// The server answers otherwise than a token endpoint does.
    TokensMalformed(String),
    /// The server is not reached.
    Unreachable(String, reqwest::Error),
}

impl LoginError {
    /// A refusal that came through the browser.
    pub(crate) fn refused(error: &str, description: &str) -> Self {
        Self::Denied(printable(error), printable(description))
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressUnusable(address) => write!(
                f,
                "{address} is no address to sign in at: it begins with https://, or with http:// for this machine alone"
            ),
            Self::AnswerMalformed(what) => write!(f, "the browser came back with an answer that is not understood: {what}"),
            Self::Certificates(path, _) => write!(f, "the certificates in {} cannot be used", path.display()),
            Self::CodeExpired => f.write_str("nobody decided before the code expired: try again"),
            Self::Denied(error, _) if error == "access_denied" => {
                f.write_str("access was denied in the browser (access_denied)")
            }
            Self::Denied(error, description) => refused(f, "the server refused the request", error, description),
            Self::Discovery(what) => write!(f, "the address does not describe an authorization server: {what}"),
            Self::IdTokenWrong(what) => write!(f, "the ID token is not for this sign-in: {what}"),
            Self::IssuerWrong => f.write_str(
                "the answer does not come from the server that was asked (iss): nothing of it was used",
            ),
            Self::Listen(_) => f.write_str("no port of this machine can be opened for the browser to come back to"),
            Self::NoDevices => f.write_str("the server does not let devices sign in (RFC 8628): leave out --device"),
            Self::OtherIssuer { asked, named } => {
                write!(f, "the server at {asked} calls itself {named}: use that as --server")
            }
            Self::StateWrong => f.write_str(
                "the browser came back with the answer to another request (state): nothing of it was used; try again",
            ),
            Self::TimedOut => {
                write!(f, "nobody signed in within {} minutes", limits::LOGIN_TIMEOUT.as_secs() / 60)
            }
            Self::TokensMalformed(what) => write!(f, "the token endpoint does not answer as it should: {what}"),
            Self::TokensRefused(error, description) => {
                refused(f, "the server gave no tokens", error, description)?;
                if error == "invalid_client" {
                    f.write_str("; look at --client and --client-secret-file")?;
                }
                Ok(())
            }
            Self::Unreachable(address, _) => {
                write!(f, "{address} is not reached; name its certificate with --ca if it is its own")
            }
        }
    }
}

fn refused(f: &mut fmt::Formatter<'_>, what: &str, error: &str, description: &str) -> fmt::Result {
    if description.is_empty() {
        write!(f, "{what}: {error}")
    } else {
        write!(f, "{what}: {error}: {description}")
    }
}

impl std::error::Error for LoginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificates(_, error) => Some(&**error),
            Self::Listen(error) => Some(error),
            Self::Unreachable(_, error) => Some(error),
            _ => None,
        }
    }
}

/// What somebody else wrote, without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_writes_does_not_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{9b}d"), "a[2Jbcd");
    }
}
