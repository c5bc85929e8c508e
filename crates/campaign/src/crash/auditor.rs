//! What must hold after any crash, worked out from the journal alone.

use std::collections::{HashMap, HashSet};

use super::journal::Line;

/// What must be true of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It must be active.
    Active,
    /// It must not be.
    Dead,
    /// What kills it was sent and not acknowledged: either, until it has been seen dead.
    Either,
}

/// A token that was issued and acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The intent that issued it.
    pub(crate) intent: u64,
    /// The client that owns it.
    pub(crate) client: String,
    /// Its string.
    pub(crate) text: String,
    /// The round in which it was issued.
    pub(crate) round: u64,
    /// What must be true of it.
    pub(crate) expected: Expected,
}

/// What the journal says.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// All acknowledged tokens.
    pub(crate) tokens: Vec<Token>,
    /// Promises that were broken in the run itself.
    pub(crate) violations: Vec<String>,
    /// Acknowledged revocations and cuts.
    pub(crate) kills_acknowledged: u64,
    /// Intents without an answer.
    pub(crate) unknown: u64,
}

/// When something was sent and when its answer was read, as line numbers.
#[derive(Clone, Copy, Debug)]
struct Span {
    sent: u64,
    answered: Option<u64>,
}

/// Works out what must hold.
pub(crate) fn audit(lines: &[Line]) -> Findings {
    let mut issues: HashMap<u64, (&str, Span, &str, u64)> = HashMap::new();
    let mut revocations: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut cuts: HashMap<&str, Vec<u64>> = HashMap::new();
    let mut kills: HashMap<u64, Span> = HashMap::new();
    let mut seen: HashMap<u64, Vec<(u64, u64, bool)>> = HashMap::new();
    let mut round = 0;
    for (at, line) in lines.iter().enumerate() {
        let at = at as u64;
        match line {
            Line::Issue { intent, client } => {
                issues.insert(*intent, (client, Span { sent: at, answered: None }, "", round));
            }
            Line::Issued { intent, token } => {
                if let Some((_, span, text, _)) = issues.get_mut(intent) {
                    span.answered = Some(at);
                    *text = token;
                }
            }
            Line::Revoke { intent, token } => {
                revocations.entry(*token).or_default().push(*intent);
                kills.insert(*intent, Span { sent: at, answered: None });
            }
            Line::Cut { intent, client } => {
                cuts.entry(client).or_default().push(*intent);
                kills.insert(*intent, Span { sent: at, answered: None });
            }
            Line::Acknowledged { intent } => {
                if let Some(span) = kills.get_mut(intent) {
                    span.answered = Some(at);
                }
            }
            Line::Seen { token, asked_at, active } => {
                seen.entry(*token).or_default().push((*asked_at, at, *active))
            }
            Line::Killed => round += 1,
        }
    }
    let mut findings = Findings {
        kills_acknowledged: kills.values().filter(|span| span.answered.is_some()).count() as u64,
        unknown: kills.values().filter(|span| span.answered.is_none()).count() as u64,
        ..Findings::default()
    };
    let mut strings = HashSet::new();
    for (intent, (client, span, text, round)) in &issues {
        let Some(issued_at) = span.answered else {
            findings.unknown += 1;
            continue;
        };
        if !strings.insert(*text) {
            findings.violations.push(format!("the token of intent {intent} was issued twice"));
        }
        // A cut that was sent before the token's answer may or may not have come first.
        let own = revocations.get(intent).into_iter().flatten();
        let of_client = cuts.get(client).into_iter().flatten();
        let deaths: Vec<Span> = own.chain(of_client).map(|kill| kills[kill]).collect();
        let concerns = |death: &&Span| death.answered.is_none_or(|answered| answered > span.sent);
        let relevant: Vec<&Span> = deaths.iter().filter(concerns).collect();
        // From which line on it is dead for certain, if at all.
        let dead_from =
            relevant.iter().filter(|death| death.sent > issued_at).filter_map(|death| death.answered).min();
        let mut expected = match (dead_from, relevant.is_empty()) {
            (Some(_), _) => Expected::Dead,
            (None, false) => Expected::Either,
            (None, true) => Expected::Active,
        };
        let mut looks = seen.remove(intent).unwrap_or_default();
        looks.sort_by_key(|(_, read_at, _)| *read_at);
        let mut seen_dead_at: Option<u64> = None;
        for (asked_at, read_at, active) in looks {
            if active && dead_from.is_some_and(|dead| asked_at > dead) {
                findings.violations.push(format!(
                    "token {intent}: active in an answer to line {asked_at}, and its death was acknowledged before"
                ));
            }
            if active && seen_dead_at.is_some_and(|dead| asked_at > dead) {
                findings.violations.push(format!("token {intent}: active again after it was seen dead"));
            }
            if !active && expected == Expected::Active {
                findings.violations.push(format!("token {intent}: seen dead, and nothing was to kill it"));
            }
            if !active {
                seen_dead_at = Some(seen_dead_at.map_or(read_at, |dead| dead.min(read_at)));
            }
        }
        if expected == Expected::Either && seen_dead_at.is_some() {
            expected = Expected::Dead;
        }
        findings.tokens.push(Token {
            intent: *intent,
            client: (*client).to_owned(),
            text: (*text).to_owned(),
            round: *round,
            expected,
        });
    }
    findings.tokens.sort_by_key(|token| token.intent);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(intent: u64, client: &str) -> [Line; 2] {
        [
            Line::Issue { intent, client: client.to_owned() },
            Line::Issued { intent, token: format!("token-{intent}") },
        ]
    }

    fn cut(intent: u64, client: &str) -> Line {
        Line::Cut { intent, client: client.to_owned() }
    }

    #[track_caller]
    fn check(lines: &[Line], expected: Expected, violations: usize) {
        let findings = audit(lines);
        assert_eq!(findings.tokens[0].expected, expected, "{findings:?}");
        assert_eq!(findings.violations.len(), violations, "{findings:?}");
    }

    #[test]
    fn a_token_is_expected_by_what_was_sent_and_acknowledged() {
        let acknowledged = Line::Acknowledged { intent: 9 };
        let revoke = Line::Revoke { intent: 9, token: 1 };
        check(&issue(1, "a"), Expected::Active, 0);
        check(&[&issue(1, "a")[..], std::slice::from_ref(&revoke)].concat(), Expected::Either, 0);
        check(&[&issue(1, "a")[..], &[revoke, acknowledged.clone()]].concat(), Expected::Dead, 0);
        check(&[&issue(1, "a")[..], &[cut(9, "a"), acknowledged.clone()]].concat(), Expected::Dead, 0);
        check(&[&issue(1, "a")[..], &[cut(9, "b"), acknowledged.clone()]].concat(), Expected::Active, 0);
        // A cut that was over before the token was asked for does not concern it.
        check(&[&[cut(9, "a"), acknowledged.clone()], &issue(1, "a")[..]].concat(), Expected::Active, 0);
        // One that overlaps its issue may have come first or last.
        let [asked, issued] = issue(1, "a");
        check(&[asked, cut(9, "a"), issued, acknowledged], Expected::Either, 0);
    }

    #[test]
    fn answers_that_break_a_promise_are_found() {
        let [asked, issued] = issue(1, "a");
        let revoke = Line::Revoke { intent: 9, token: 1 };
        let acknowledged = Line::Acknowledged { intent: 9 };
        let seen = |asked_at, active| Line::Seen { token: 1, asked_at, active };
        let base = vec![asked, issued, revoke.clone(), acknowledged.clone()];
        // Asked before the acknowledgement, it may say either.
        check(&[base.clone(), vec![seen(3, true)]].concat(), Expected::Dead, 0);
        check(&[base.clone(), vec![seen(4, true)]].concat(), Expected::Dead, 1);
        check(&[base.clone(), vec![seen(4, false)]].concat(), Expected::Dead, 0);
        let only_sent = base[..3].to_vec();
        check(&[only_sent.clone(), vec![seen(3, false), seen(4, true)]].concat(), Expected::Dead, 1);
        check(&[only_sent, vec![seen(3, false), seen(3, true)]].concat(), Expected::Dead, 0);
        check(&[base[..2].to_vec(), vec![seen(2, false)]].concat(), Expected::Active, 1);
        let twice = [
            &issue(1, "a")[..],
            &[
                Line::Issue { intent: 2, client: "a".to_owned() },
                Line::Issued { intent: 2, token: "token-1".to_owned() },
            ],
        ]
        .concat();
        assert_eq!(audit(&twice).violations.len(), 1);
    }
}
