//! What a refused caller is told: the status, and the WWW-Authenticate fields of RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3 and
//! RFC 9728 §5.1. One builder makes all of them; nothing that the caller sent is ever in them.

use std::fmt;

use lydian_jose::Algorithm;

use crate::decision::Requirements;
use crate::rejection::{Outcome, Rejection};
use crate::request::Scheme;

/// The challenges of one resource server.
#[derive(Clone, Debug)]
pub struct Challenges {
    schemes: Schemes,
    realm: Option<Box<str>>,
    resource_metadata: Option<Box<str>>,
    names_scopes_early: bool,
}

/// Which schemes a resource server takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schemes {
    /// Bearer tokens alone.
    Bearer,
    /// Both; proofs with these algorithms.
    Both(Vec<Algorithm>),
    /// Bound tokens alone; proofs with these algorithms.
    Dpop(Vec<Algorithm>),
}

/// A text holds a character that cannot stand in a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotQuotable;

impl fmt::Display for NotQuotable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text holds a character that cannot stand in a challenge")
    }
}

impl std::error::Error for NotQuotable {}

impl Challenges {
    /// The challenges of a resource server that takes these schemes.
    pub fn new(schemes: Schemes) -> Self {
        Self { schemes, realm: None, resource_metadata: None, names_scopes_early: false }
    }

    /// With a realm (RFC 9110 §11.5).
    ///
    /// # Errors
    ///
    /// [`NotQuotable`] when it holds anything but printable ASCII.
    pub fn realm(mut self, realm: &str) -> Result<Self, NotQuotable> {
        self.realm = Some(quotable(realm)?.into());
        Ok(self)
    }

    /// With the address of the resource's metadata (RFC 9728 §5.1).
    ///
    /// # Errors
    ///
    /// [`NotQuotable`] when it holds anything but printable ASCII.
    pub fn resource_metadata(mut self, address: &str) -> Result<Self, NotQuotable> {
        self.resource_metadata = Some(quotable(address)?.into());
        Ok(self)
    }

    /// Names the scopes of the route in each 401 already, as clients of the Model Context Protocol want it.
    #[must_use]
    pub fn name_scopes_early(mut self) -> Self {
        self.names_scopes_early = true;
        self
    }

    /// The values of the WWW-Authenticate fields for a refusal, one field each; none for a 503.
    ///
    /// `presented` is the scheme that the request used, if it used one. The error stands in the challenge of that scheme; a token
    /// that is bound to a key is asked for with the scheme that it belongs to.
    pub fn for_rejection(
        &self,
        rejection: Rejection,
        presented: Option<Scheme>,
        requirements: &Requirements,
    ) -> Vec<String> {
        let outcome = rejection.outcome();
        if outcome == Outcome::Unavailable {
            return Vec::new();
        }
        let at_fault = match rejection {
            Rejection::BoundTokenAsBearer | Rejection::Proof(_) | Rejection::ProofKeyOther => {
                Some(Scheme::Dpop)
            }
            Rejection::UnboundTokenAsDpop => Some(Scheme::Bearer),
            _ => presented,
        };
        let offered = self.offered();
        // An error that belongs to no offered scheme stands in the first challenge: it must not get lost.
        let at_fault = at_fault.filter(|scheme| offered.contains(scheme)).or(offered.first().copied());
        offered
            .iter()
            .map(|scheme| {
                let error = (Some(*scheme) == at_fault)
                    .then_some(outcome)
                    .filter(|outcome| outcome.error().is_some());
                self.challenge(*scheme, error, requirements)
            })
            .collect()
    }

    fn offered(&self) -> &'static [Scheme] {
        match self.schemes {
            Schemes::Bearer => &[Scheme::Bearer],
            Schemes::Both(_) => &[Scheme::Bearer, Scheme::Dpop],
            Schemes::Dpop(_) => &[Scheme::Dpop],
        }
    }

    fn challenge(&self, scheme: Scheme, error: Option<Outcome>, requirements: &Requirements) -> String {
        let mut challenge = Challenge::new(scheme);
        if let Some(realm) = &self.realm {
            challenge.push("realm", realm);
        }
        if let Some(outcome) = error {
            challenge.push("error", outcome.error().unwrap_or_default());
            challenge.push("error_description", outcome.description().unwrap_or_default());
        }
        let wants_scopes = error == Some(Outcome::InsufficientScope)
            || self.names_scopes_early && error != Some(Outcome::InvalidRequest);
        if wants_scopes {
            challenge.push_list("scope", requirements.scopes_to_ask_for());
        }
        if error == Some(Outcome::InsufficientUserAuthentication) {
            challenge.push_list("acr_values", requirements.acr_values.iter().map(AsRef::as_ref));
            if let Some(seconds) = requirements.max_age_seconds {
                challenge.push("max_age", &seconds.to_string());
            }
        }
        if let Some(address) = &self.resource_metadata {
            challenge.push("resource_metadata", address);
        }
        if scheme == Scheme::Dpop
            && let Schemes::Both(algorithms) | Schemes::Dpop(algorithms) = &self.schemes
        {
            challenge.push_list("algs", algorithms.iter().map(|algorithm| algorithm.name()));
        }
        challenge.text
    }
}

/// One challenge under construction: each parameter at most once, each value quoted.
struct Challenge {
    text: String,
    has_parameters: bool,
}

impl Challenge {
    fn new(scheme: Scheme) -> Self {
        Self { text: scheme.name().to_owned(), has_parameters: false }
    }

    /// Names come from the texts and values from configuration or constants: nothing here is of the request.
    fn push(&mut self, name: &'static str, value: &str) {
        self.begin(name);
        self.push_quoted(value);
        self.text.push('"');
    }

    /// A list with single spaces between; none at all when it is empty.
    fn push_list<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a str>) {
        let mut is_first = true;
        for value in values {
            if is_first {
                self.begin(name);
            } else {
                self.text.push(' ');
            }
            is_first = false;
            self.push_quoted(value);
        }
        if !is_first {
            self.text.push('"');
        }
    }

    fn begin(&mut self, name: &'static str) {
        self.text.push_str(if self.has_parameters { ", " } else { " " });
        self.has_parameters = true;
        self.text.push_str(name);
        self.text.push_str("=\"");
    }

    /// `quoted-string` (RFC 9110 §5.6.4). What cannot be quoted is left out: a field is never split.
    fn push_quoted(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '"' | '\\' => {
                    self.text.push('\\');
                    self.text.push(character);
                }
                ' '..='~' => self.text.push(character),
                _ => {}
            }
        }
    }
}

fn quotable(text: &str) -> Result<&str, NotQuotable> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) { Ok(text) } else { Err(NotQuotable) }
}
