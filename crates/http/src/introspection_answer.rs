//! The members of an introspection answer (RFC 7662 §2.2), written straight into the bytes of the response.

use lydian_domain::introspect::Inspected;
use lydian_domain::secrets::SubjectKind;
use lydian_domain::{AccessToken, RefreshToken, issue};
use lydian_primitives::{Timestamp, base64url};
use lydian_revocation::Seq;
use lydian_service::ActiveToken;

/// Writes the answer for a token that is active and visible.
pub fn write(active: &ActiveToken<'_>) -> Vec<u8> {
    let mut answer = Members::open();
    match active.visible.token {
        Inspected::Access(token) => access_token(&mut answer, active, token),
        Inspected::Refresh(token) => refresh_token(&mut answer, active, token),
    }
    answer.close()
}

fn access_token(answer: &mut Members, active: &ActiveToken<'_>, token: &AccessToken) {
    if active.realm.realm.reference_members {
        answer.plain(",\"aut\":", issue::aut(token));
    }
    answer.plain(",\"token_type\":", "Bearer");
    owner_and_scope(answer, active);
    lifetime(answer, token.issued_at, token.expires_at);
    answer.text(",\"sub\":", active.subject.unwrap_or(&active.client.client_id));
    answer.plain(
        ",\"aud\":",
        active.api.map_or(active.realm.issuer.as_str(), |state| state.api.audience.as_str()),
    );
    if let Some(authentication) = active.authentication {
        // RFC 9470 §6.2.
        answer.number(",\"auth_time\":", authentication.at.as_unix_seconds());
        answer.plain(",\"acr\":", authentication.methods.acr().as_str());
        answer.words(",\"amr\":", &authentication.methods.amr());
    }
    origin(answer, active, token.minted_at);
    if let Some(handle) = active.grant_handle {
        answer.handle(",\"lyd_grant\":", handle);
    }
    let handles = active.api.map_or(&active.realm.issuer_handles, |state| &state.handles);
    if let Some(session) = token.session {
        answer.handle(",\"lyd_session\":", handles.of_subject(SubjectKind::Session, session.as_number()));
    }
    if let Some(user) = token.user {
        answer.handle(",\"lyd_subject\":", handles.of_subject(SubjectKind::User, user.as_number()));
    }
}

/// As on the reference page: without `aut`, and of the type `Refresh`.
fn refresh_token(answer: &mut Members, active: &ActiveToken<'_>, token: &RefreshToken) {
    if active.realm.realm.reference_members {
        answer.plain(",\"token_type\":", "Refresh");
    }
    owner_and_scope(answer, active);
    lifetime(answer, token.issued_at, token.expires_at);
    if let Some(subject) = active.subject {
        answer.text(",\"sub\":", subject);
    }
    origin(answer, active, token.minted_at);
}

fn owner_and_scope(answer: &mut Members, active: &ActiveToken<'_>) {
    answer.plain(",\"client_id\":", &active.client.client_id);
    if let Some(username) = active.username {
        answer.text(",\"username\":", username);
    }
    if !active.visible.scope.is_empty() {
        answer.plain(",\"scope\":", active.visible.scope.as_str());
    }
}

fn lifetime(answer: &mut Members, issued_at: Timestamp, expires_at: Timestamp) {
    answer.number(",\"iat\":", issued_at.as_unix_seconds());
    answer.number(",\"nbf\":", issued_at.as_unix_seconds());
    answer.number(",\"exp\":", expires_at.as_unix_seconds());
}

fn origin(answer: &mut Members, active: &ActiveToken<'_>, minted_at: Seq) {
    answer.plain(",\"iss\":", &active.realm.issuer);
    answer.handle(",\"jti\":", active.jti);
    answer.number(",\"minted_at\":", minted_at.as_number());
}

/// A JSON object under construction.
struct Members(Vec<u8>);

impl Members {
    fn open() -> Self {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(b"{\"active\":true");
        Self(bytes)
    }

    fn close(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    /// A text whose grammar has nothing that JSON escapes: words of ours, scopes, names of clients, issuers and audiences.
    ///
    /// Names of members come with their comma, quotes and colon.
    fn plain(&mut self, name: &'static str, text: &str) {
        debug_assert!(text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\'), "{text}");
        self.0.extend_from_slice(name.as_bytes());
        self.quoted(text.as_bytes());
    }

    /// Any text.
    fn text(&mut self, name: &'static str, text: &str) {
        self.0.extend_from_slice(name.as_bytes());
        if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.quoted(text.as_bytes());
        } else {
            let mut escaped = String::with_capacity(text.len() + 16);
            lydian_jose::json::write_string(text, &mut escaped);
            self.0.extend_from_slice(escaped.as_bytes());
        }
    }

    /// A list of words of ours.
    fn words(&mut self, name: &'static str, words: &[&str]) {
        self.0.extend_from_slice(name.as_bytes());
        for (position, word) in words.iter().enumerate() {
            self.0.push(if position == 0 { b'[' } else { b',' });
            self.quoted(word.as_bytes());
        }
        self.0.extend_from_slice(if words.is_empty() { b"[]" } else { b"]" });
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A handle in base64url: 22 characters.
    fn handle(&mut self, name: &'static str, handle: [u8; 16]) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'"');
        base64url::encode_array_into(handle, &mut self.0);
        self.0.push(b'"');
    }

    fn quoted(&mut self, text: &[u8]) {
        self.0.push(b'"');
        self.0.extend_from_slice(text);
        self.0.push(b'"');
    }
}
