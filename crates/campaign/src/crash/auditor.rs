//! What must hold after any crash, worked out from the journal alone.
//!
//! Each line is used once, in order; what follows from it is kept for as long as it can matter. What was sent and not answered may
//! have happened or not, until an answer about a token shows which: from then on it is fixed. A kill ends all that was under way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;

use super::journal::Line;

/// Tokens of so many lives of the server are kept whole.
pub(super) const LIVES_KEPT_WHOLE: u64 = 2;

/// So many older tokens that must be active are kept, chosen at random.
const ACTIVE_KEPT: usize = 10_000;

/// So many tokens are kept whose death was seen twice, chosen at random.
const DEAD_KEPT: usize = 2_000;

/// A death that was seen so often after it was certain is believed.
const CONFIRMATIONS: u32 = 2;

/// What must be true of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It must be active.
    Active,
    /// It must not be.
    Dead,
    /// What kills it was sent and not acknowledged: either, until it has been seen.
    Either,
}

/// A token that was issued and acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The client that owns it.
    pub(crate) client: String,
    /// Its string.
    pub(crate) text: String,
    /// The life of the server in which it was issued, from 0.
    pub(crate) life: u64,
    /// From which line on it is dead for certain.
    dead_from: Option<u64>,
    /// What may have killed it.
    causes: Vec<Cause>,
    /// How often it was seen dead by somebody who asked after that line.
    confirmations: u32,
    /// Whether its `jti` is among those that were seen.
    has_jti: bool,
}

impl Token {
    /// What must be true of it.
    pub(crate) fn expected(&self) -> Expected {
        match (self.dead_from, self.causes.is_empty()) {
            (Some(_), _) => Expected::Dead,
            (None, false) => Expected::Either,
            (None, true) => Expected::Active,
        }
    }

    /// Whether answers about it are still owed: its fate is open, or was not seen often enough.
    pub(crate) fn is_unsettled(&self) -> bool {
        match self.expected() {
            Expected::Active => false,
            Expected::Dead => self.confirmations < CONFIRMATIONS,
            Expected::Either => true,
        }
    }

    fn concern(&mut self, kill: u64) {
        if self.dead_from.is_none() {
            self.causes.push(Cause { kill, came_later: true });
        }
    }

    fn die(&mut self, from: u64) {
        self.dead_from = Some(from);
        self.causes.clear();
    }
}

/// Something that may have killed a token.
#[derive(Clone, Copy, Debug)]
struct Cause {
    /// The intent.
    kill: u64,
    /// Whether it was sent after the token was issued: if it happened at all, the token is dead.
    came_later: bool,
}

/// A revocation, or a cut of all that a client has.
#[derive(Debug)]
struct Kill {
    /// The line after which it does nothing more: its acknowledgement, or the end of the server.
    over: Option<u64>,
    target: Target,
}

/// What is to die.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// All that the client has.
    Client(String),
    /// The token that this intent issued.
    Token(u64),
}

/// A token that was asked for.
#[derive(Debug)]
struct Pending {
    client: String,
    /// Cuts of the client that were under way at some time since.
    causes: Vec<Cause>,
}

/// What follows from the journal.
#[derive(Debug, Default)]
pub(crate) struct Auditor {
    /// The number of the next line.
    at: u64,
    life: u64,
    tokens: BTreeMap<u64, Token>,
    pending: HashMap<u64, Pending>,
    kills: HashMap<u64, Kill>,
    /// Strings and identifiers of tokens were seen once, if the digest is here. This is all that grows.
    digests: HashSet<u64>,
    hasher: RandomState,
    violations: Vec<String>,
    /// Acknowledged tokens that were seen dead, and nothing was to kill them.
    pub(crate) lost: u64,
    /// Tokens that were seen active after their death was certain.
    pub(crate) revived: u64,
    /// Acknowledged revocations and cuts.
    pub(crate) kills_acknowledged: u64,
    /// Intents without an answer.
    pub(crate) unknown: u64,
    /// Unanswered cuts that turned out never to have happened.
    pub(crate) cuts_without_effect: u64,
}

impl Auditor {
    /// The tokens that it keeps, by the intent that issued them.
    pub(crate) fn tokens(&self) -> &BTreeMap<u64, Token> {
        &self.tokens
    }

    /// How often the server was killed.
    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    /// Promises that were broken since the last time.
    pub(crate) fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// Goes on with these lines of the journal.
    pub(crate) fn read(&mut self, lines: &[Line]) {
        for line in lines {
            self.line(line);
            self.at += 1;
        }
    }

    fn line(&mut self, line: &Line) {
        let at = self.at;
        match line {
            Line::Issue { intent, client } => {
                let under_way =
                    |kill: &Kill| kill.over.is_none() && kill.target == Target::Client(client.clone());
                let kills = self.kills.iter().filter(|(_, kill)| under_way(kill));
                let causes = kills.map(|(kill, _)| Cause { kill: *kill, came_later: false }).collect();
                self.pending.insert(*intent, Pending { client: client.clone(), causes });
            }
            Line::Issued { intent, token } => self.issued(*intent, token),
            Line::Revoke { intent, token } => {
                self.kills.insert(*intent, Kill { over: None, target: Target::Token(*token) });
                self.tokens.get_mut(token).into_iter().for_each(|token| token.concern(*intent));
            }
            Line::Cut { intent, client } => {
                self.kills.insert(*intent, Kill { over: None, target: Target::Client(client.clone()) });
                let tokens = self.tokens.values_mut().filter(|token| token.client == *client);
                tokens.for_each(|token| token.concern(*intent));
                let pending = self.pending.values_mut().filter(|pending| pending.client == *client);
                pending.for_each(|pending| pending.causes.push(Cause { kill: *intent, came_later: false }));
            }
            Line::Acknowledged { intent } => {
                if let Some(kill) = self.kills.get_mut(intent) {
                    kill.over = Some(at);
                    self.kills_acknowledged += 1;
                    self.happened(*intent, at);
                }
            }
            Line::Seen { token, asked_at, active, jti } => {
                self.seen(*token, *asked_at, *active);
                if let Some(jti) = jti {
                    self.identified(*token, jti);
                }
            }
            Line::Killed => {
                self.life += 1;
                self.unknown += self.pending.len() as u64;
                self.pending.clear();
                for kill in self.kills.values_mut().filter(|kill| kill.over.is_none()) {
                    kill.over = Some(at);
                    self.unknown += 1;
                }
            }
        }
    }

    fn issued(&mut self, intent: u64, text: &str) {
        let Some(Pending { client, causes }) = self.pending.remove(&intent) else { return };
        if !self.digests.insert(self.hasher.hash_one(("token", text))) {
            self.violations.push(format!("the token of intent {intent} was issued twice"));
        }
        let token = Token {
            client,
            text: text.to_owned(),
            life: self.life,
            dead_from: None,
            causes,
            confirmations: 0,
            has_jti: false,
        };
        self.tokens.insert(intent, token);
    }

    fn identified(&mut self, intent: u64, jti: &str) {
        let Some(token) = self.tokens.get_mut(&intent).filter(|token| !token.has_jti) else { return };
        token.has_jti = true;
        if !self.digests.insert(self.hasher.hash_one(("jti", jti))) {
            self.violations.push(format!("the token of intent {intent} shares its jti with another"));
        }
    }

    /// A command took effect before this line: what was issued before it was sent is dead. What was issued beside it may have come
    /// before it or after it.
    fn happened(&mut self, kill: u64, before: u64) {
        let die = |token: &mut Token| {
            if token.causes.iter().any(|cause| cause.kill == kill && cause.came_later) {
                token.die(before);
            }
        };
        match &self.kills[&kill].target {
            Target::Client(_) => self.tokens.values_mut().for_each(die),
            Target::Token(token) => self.tokens.get_mut(token).into_iter().for_each(die),
        }
    }

    fn seen(&mut self, intent: u64, asked_at: u64, active: bool) {
        let Some(token) = self.tokens.get_mut(&intent) else { return };
        match (token.dead_from, active) {
            (Some(dead), true) if asked_at > dead => {
                self.revived += 1;
                self.violations.push(format!(
                    "token {intent} of life {} came back: active in an answer to line {asked_at}, and dead since line {dead}",
                    token.life
                ));
                self.tokens.remove(&intent);
            }
            (Some(dead), false) if asked_at > dead => token.confirmations += 1,
            (Some(_), _) => {}
            (None, true) => self.seen_active(intent, asked_at),
            (None, false) if token.causes.is_empty() => {
                self.lost += 1;
                self.violations.push(format!(
                    "token {intent} of life {} was lost: dead in an answer to line {asked_at}, and nothing was to kill it",
                    token.life
                ));
                self.tokens.remove(&intent);
            }
            (None, false) => self.seen_dead(intent),
        }
    }

    /// What was over when this was asked did not kill the token. If it would have had to, it never happened.
    fn seen_active(&mut self, intent: u64, asked_at: u64) {
        let Some(token) = self.tokens.get_mut(&intent) else { return };
        let over = |cause: &Cause| self.kills[&cause.kill].over.is_some_and(|over| over < asked_at);
        let (over, open): (Vec<Cause>, Vec<Cause>) = token.causes.iter().partition(|cause| over(cause));
        token.causes = open;
        for cause in over {
            if cause.came_later && matches!(self.kills[&cause.kill].target, Target::Client(_)) {
                self.cuts_without_effect += 1;
                self.tokens
                    .values_mut()
                    .for_each(|token| token.causes.retain(|other| other.kill != cause.kill));
            }
        }
    }

    /// Something killed the token, at the latest when the last of what may have was over. If only one thing may have, it happened.
    fn seen_dead(&mut self, intent: u64) {
        let Some(token) = self.tokens.get_mut(&intent) else { return };
        let causes = std::mem::take(&mut token.causes);
        let over = causes.iter().map(|cause| self.kills[&cause.kill].over.unwrap_or(u64::MAX)).max();
        let from = over.unwrap_or(u64::MAX).min(self.at);
        token.die(from);
        if let [cause] = causes[..] {
            self.happened(cause.kill, from);
        }
    }

    /// Forgets what can matter no more: older tokens but for a random part, and kills that concern no token.
    pub(crate) fn forget(&mut self, rng: &mut Rng) {
        let first_kept = self.life.saturating_sub(LIVES_KEPT_WHOLE);
        let (mut active, mut dead) = (Vec::new(), Vec::new());
        for (intent, token) in &self.tokens {
            match token.expected() {
                _ if token.life >= first_kept || token.is_unsettled() => {}
                Expected::Active => active.push(*intent),
                _ => dead.push(*intent),
            }
        }
        for (mut older, kept) in [(active, ACTIVE_KEPT), (dead, DEAD_KEPT)] {
            while older.len() > kept {
                let intent = older.swap_remove(rng.usize(..older.len()));
                self.tokens.remove(&intent);
            }
        }
        let causes = self.tokens.values().flat_map(|token| &token.causes);
        let causes = causes.chain(self.pending.values().flat_map(|pending| &pending.causes));
        let named: HashSet<u64> = causes.map(|cause| cause.kill).collect();
        self.kills.retain(|kill, state| state.over.is_none() || named.contains(kill));
    }
}

#[cfg(test)]
mod tests;
