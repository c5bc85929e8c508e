//! `lydian login --device` (RFC 8628): the terminal shows a code, a person decides in any browser, and the terminal asks until then.

use std::io::IsTerminal;
use std::time::Duration;

use lydian_primitives::{Secret, limits};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::error::{LoginError, printable};
use super::server::{Server, is_safe};
use super::{Arguments, claims};
use crate::output;

/// The grant type (RFC 8628 §3.4).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long to wait between two questions when the server says nothing (RFC 8628 §3.2).
const INTERVAL_SECONDS: u64 = 5;

/// How much longer to wait from now on after `slow_down` (RFC 8628 §3.5).
const SLOW_DOWN_SECONDS: u64 = 5;

/// The longest wait between two questions, whatever the server says.
const INTERVAL_SECONDS_MAX: u64 = 60;

/// What the server answers to the first question (RFC 8628 §3.2).
#[derive(Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_uri: Url,
    verification_uri_complete: Option<Url>,
    expires_in: u64,
    interval: Option<u64>,
}

/// Asks for a code, shows it, and waits until a person has decided.
///
/// # Errors
///
/// A [`LoginError`].
pub(super) async fn log_in(
    arguments: &Arguments,
    secret: Option<&Secret>,
    server: &Server,
) -> Result<Map<String, Value>, LoginError> {
    let endpoint = server.device_authorization_endpoint.as_ref().ok_or(LoginError::NoDevices)?;
    let asked = [("scope", arguments.scope()), ("resource", arguments.resource.as_deref())];
    let form: Vec<(&str, &str)> =
        asked.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let members = server.ask(endpoint, &arguments.client, secret, &form).await?;
    let started: Started = serde_json::from_value(Value::Object(members))
        .map_err(|_| LoginError::TokensMalformed("the device gets no code".to_owned()))?;
    let addresses = [Some(&started.verification_uri), started.verification_uri_complete.as_ref()];
    if let Some(address) = addresses.into_iter().flatten().find(|address| !is_safe(address)) {
        return Err(LoginError::AddressUnusable(address.to_string()));
    }
    let lifetime = Duration::from_secs(started.expires_in).min(limits::DEVICE_WAIT_MAX);
    invite(&started, lifetime);
    let tokens = tokio::time::timeout(lifetime, poll(arguments, secret, server, &started))
        .await
        .map_err(|_| LoginError::CodeExpired)??;
    claims::check(&tokens, &server.issuer, &arguments.client, None)?;
    Ok(tokens)
}

/// Asks for the tokens until the person has decided (RFC 8628 §3.4, §3.5).
async fn poll(
    arguments: &Arguments,
    secret: Option<&Secret>,
    server: &Server,
    started: &Started,
) -> Result<Map<String, Value>, LoginError> {
    let form = [("grant_type", GRANT_TYPE), ("device_code", started.device_code.as_str())];
    let mut interval = started.interval.unwrap_or(INTERVAL_SECONDS);
    loop {
        tokio::time::sleep(Duration::from_secs(interval.clamp(1, INTERVAL_SECONDS_MAX))).await;
        match server.exchange(&arguments.client, secret, &form).await {
            Err(LoginError::TokensRefused(error, description)) => {
                interval = interval_after(interval, &error).ok_or(match error.as_str() {
                    "access_denied" => LoginError::refused(&error, &description),
                    "expired_token" => LoginError::CodeExpired,
                    _ => LoginError::TokensRefused(error, description),
                })?;
            }
            // The network was away for a moment: as RFC 8628 §3.5 asks, the next question waits twice as long.
            Err(LoginError::Unreachable(..)) => interval = interval.saturating_mul(2),
            answered => return answered,
        }
    }
}

/// How long to wait after this answer; `None` when waiting is over.
fn interval_after(interval: u64, error: &str) -> Option<u64> {
    match error {
        "authorization_pending" => Some(interval),
        "slow_down" => Some(interval.saturating_add(SLOW_DOWN_SECONDS)),
        _ => None,
    }
}

/// Shows where to go and what to type there, and the same as a picture where somebody can see it.
fn invite(started: &Started, lifetime: Duration) {
    let code = printable(&started.user_code);
    let mut text = format!(
        "To sign in, open this address in a browser of any device:\n\n  {}\n\nand type this code there:\n\n  {code}\n",
        started.verification_uri
    );
    if let Some(complete) = &started.verification_uri_complete {
        let picture = std::io::stderr().is_terminal().then(|| picture(complete.as_str())).flatten();
        match picture {
            Some(picture) => text.push_str(&format!("\nor scan this:\n\n{picture}\n")),
            None => text.push_str(&format!("\nor open the address with the code in it:\n\n  {complete}\n")),
        }
        text.push_str("\nAllow it only if the page shows this very code.\n");
    }
    let minutes = lifetime.as_secs() / 60;
    output::complain(&format!("{text}\nWaiting for {minutes} minutes; Ctrl-C ends it."));
}

/// A QR code of half blocks, two modules in one character; `None` for a text that is too long for one.
fn picture(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // Terminals are dark more often than not: what is light is drawn, the quiet zone with it. Readers take both.
    let mut picture = code.render::<Dense1x2>();
    Some(picture.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_to_slow_down_waits_longer_from_then_on() {
        assert_eq!(interval_after(5, "authorization_pending"), Some(5));
        assert_eq!(interval_after(5, "slow_down"), Some(10));
        assert_eq!(interval_after(u64::MAX, "slow_down"), Some(u64::MAX));
        for over in ["access_denied", "expired_token", "invalid_grant", ""] {
            assert_eq!(interval_after(5, over), None, "{over}");
        }
    }

    #[test]
    fn the_picture_in_the_terminal_shows_each_module_of_the_code() {
        let text = "https://login.example.com/oauth2/device?user_code=WDJB-MJHT";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let colours = code.to_colors();
        let (width, quiet) = (code.width(), 4);
        let is_light = |x: usize, y: usize| {
            let inside = (quiet..quiet + width).contains(&x) && (quiet..quiet + width).contains(&y);
            !inside || colours[(y - quiet) * width + x - quiet] == qrcode::Color::Light
        };
        let picture = picture(text).unwrap();
        let lines: Vec<Vec<char>> = picture.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), (width + 2 * quiet).div_ceil(2));
        for (row, line) in lines.iter().enumerate() {
            assert_eq!(line.len(), width + 2 * quiet);
            for (x, &drawn) in line.iter().enumerate() {
                let (upper, lower) = (is_light(x, 2 * row), is_light(x, 2 * row + 1));
                let lower = if 2 * row + 1 < width + 2 * quiet { lower } else { false };
                let expected = match (upper, lower) {
                    (true, true) => '\u{2588}',
                    (true, false) => '\u{2580}',
                    (false, true) => '\u{2584}',
                    (false, false) => ' ',
                };
                assert_eq!(drawn, expected, "column {x}, rows {} and {}", 2 * row, 2 * row + 1);
            }
        }
    }

    #[test]
    fn a_text_that_no_code_can_hold_has_no_picture() {
        assert!(picture(&"a".repeat(10_000)).is_none());
    }
}
