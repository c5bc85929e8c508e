//! A story: product and reference live through the same steps, and after each step they are compared.

use std::hash::{DefaultHasher, Hash, Hasher};

use lydian_domain::authenticate::AuthenticatedClient;
use lydian_primitives::Timestamp;
use lydian_storage_embedded::CommitFault;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::names::{Client, Realm};
use crate::operation::{Fault, Operation, Step, faulty_stories};
use crate::possible::{Outcome, Possible};
use crate::reference::{Act, Said, World};
use crate::stage::{self, Answer, Stage, Stop};

/// More tokens than this are not issued in one story: each is looked at after each step.
const TOKENS_MAX: usize = 24;

/// What a story that went well leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lived {
    /// One line for each step: what happened, and how it ended.
    pub trace: Vec<String>,
    /// The hash of the trace and of every answer that was given.
    pub digest: u64,
    /// How many answers were compared with the rules.
    pub answers: u64,
    /// How many steps met a failing store.
    pub faults: u64,
}

/// A story in which the product broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which rule.
    pub what: String,
    /// One line for each step until then.
    pub trace: Vec<String>,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  after\n    {}", self.what, self.trace.join("\n    "))
    }
}

/// Tells a story to the product, under randomness of this seed.
///
/// # Errors
///
/// [`Broken`] at the first answer that the rules forbid.
pub fn live(story: &[Step], seed: u64) -> Result<Lived, Broken> {
    let mut trace = Vec::new();
    let ended = stage::fixtures().and_then(|fixtures| {
        let runtime = stage::runtime()?;
        runtime.block_on(async {
            let stage = Stage::new(fixtures, seed).await?;
            let mut teller = Teller::new(stage, &mut trace);
            teller.tell(story).await?;
            Ok((teller.hash.finish(), teller.answers, teller.faults))
        })
    });
    match ended {
        Ok((digest, answers, faults)) => Ok(Lived { trace, digest, answers, faults }),
        Err(what) => Err(Broken { what, trace }),
    }
}

/// The story of this seed, with failures of the store.
pub fn draw(seed: u64, steps: usize) -> Vec<Step> {
    let mut runner = runner(seed);
    let tree = faulty_stories(steps).new_tree(&mut runner).expect("the strategy rejects nothing");
    tree.current()
}

/// The shortest story into which the one of this seed can be shrunk and that still breaks a rule; `None` when it breaks none.
pub fn minimal(seed: u64, steps: usize) -> Option<(Vec<Step>, String)> {
    let mut runner = runner(seed);
    let tree = faulty_stories(steps).new_tree(&mut runner).expect("the strategy rejects nothing");
    let test = |story: Vec<Step>| {
        live(&story, seed).map(drop).map_err(|broken| TestCaseError::fail(broken.to_string()))
    };
    match runner.run_one(tree, test) {
        Ok(_) | Err(TestError::Abort(_)) => None,
        Err(TestError::Fail(what, story)) => Some((story, what.message().to_owned())),
    }
}

fn runner(seed: u64) -> TestRunner {
    TestRunner::new(Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() })
}

struct Teller<'a> {
    stage: Stage,
    possible: Possible,
    trace: &'a mut Vec<String>,
    hash: DefaultHasher,
    answers: u64,
    faults: u64,
    /// For how many more steps the store is down.
    down: Option<u8>,
    position: u64,
    mark: u64,
    /// The latest time that the wall clock has shown.
    latest_wall: u64,
    step: usize,
}

/// How much is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Every token through some eyes.
    Quick,
    /// Every token through all eyes, and every secret.
    Whole,
}

impl<'a> Teller<'a> {
    fn new(stage: Stage, trace: &'a mut Vec<String>) -> Self {
        Self {
            possible: Possible::only(World::at(stage.wall())),
            mark: stage.mark(),
            latest_wall: stage.wall(),
            position: stage.position(),
            stage,
            trace,
            hash: DefaultHasher::new(),
            answers: 0,
            faults: 0,
            down: None,
            step: 0,
        }
    }

    async fn tell(&mut self, story: &[Step]) -> Result<(), String> {
        for (number, step) in story.iter().enumerate() {
            self.step = number;
            self.take(step).await?;
        }
        if self.down.take().is_some() {
            self.stage.recover().await?;
        }
        self.look(Look::Whole, false).await?;
        match self.stage.outlive().await? {
            Some(left) => Err(format!("four days after everything is over there are {left}")),
            None => Ok(()),
        }
    }

    async fn take(&mut self, step: &Step) -> Result<(), String> {
        let Some(act) = self.resolve(step.operation).await else {
            self.note(format!("{step:?}: there is nothing to do it to"));
            return Ok(());
        };
        let was_down = self.down.is_some();
        // One thing fails at a time, and a start is not disturbed.
        let starts = matches!(step.operation, Operation::Restart | Operation::Crash);
        let fault = step.fault.filter(|_| !was_down && !starts);
        if let Some(fault) = fault {
            self.faults += 1;
            self.arm(fault);
        }
        let outcome = self.act(step.operation, &act).await?;
        let words = outcome.as_ref().map_or("nobody could ask".to_owned(), |outcome| format!("{outcome:?}"));
        self.note(format!("{step:?} -> {words}"));
        let is_unknown = outcome == Some(Outcome::Unavailable { unknown: true });
        if let Some(outcome) = outcome {
            let may_fail = fault.is_some() || self.down.is_some();
            if matches!(outcome, Outcome::Unavailable { .. }) && !may_fail {
                return Err("unavailable, although nothing fails".to_owned());
            }
            self.possible.learn(&act, &outcome)?;
        }
        if is_unknown && matches!(fault, Some(Fault::Outage { .. })) {
            self.see_silence().await?;
        }
        self.settle(fault).await?;
        let position = self.stage.position();
        if position < self.position {
            return Err(format!("the log went back from {} to {position}", self.position));
        }
        self.position = position;
        self.check_mark()?;
        (position, self.mark, self.stage.wall()).hash(&mut self.hash);
        if self.down.is_some() { self.see_silence().await } else { self.look(Look::Quick, false).await }
    }

    /// The mark never goes back, and never runs ahead of every clock.
    fn check_mark(&mut self) -> Result<(), String> {
        self.latest_wall = self.latest_wall.max(self.stage.wall());
        let mark = self.stage.mark();
        if mark < self.mark || mark > self.latest_wall {
            return Err(format!("the mark went from {} to {mark}", self.mark));
        }
        self.mark = mark;
        self.possible.learn_mark(mark);
        Ok(())
    }

    fn note(&mut self, line: String) {
        line.hash(&mut self.hash);
        self.trace.push(line);
    }

    fn arm(&self, fault: Fault) {
        let faults = &self.stage.faults;
        let commit = |made| faults.fail_commit(commit_fault(made));
        match fault {
            Fault::Commit { made } => commit(made),
            Fault::Outage { made, .. } => {
                commit(made);
                faults.fail_reopen(usize::MAX);
            }
            Fault::Statement { number } => {
                let now = Timestamp::from_unix_seconds(self.stage.wall().max(self.stage.mark()));
                faults.fail_statement(now, usize::from(number));
            }
            Fault::Reads => faults.fail_reads(),
        }
    }

    /// After a step: what failed works again, or stays broken for as long as the story says.
    async fn settle(&mut self, fault: Option<Fault>) -> Result<(), String> {
        if let Some(left) = &mut self.down {
            if let Some(fewer) = left.checked_sub(1) {
                *left = fewer;
                return Ok(());
            }
            self.down = None;
            return self.stage.recover().await;
        }
        match fault {
            None => Ok(()),
            Some(Fault::Outage { steps, .. }) if !self.stage.holds_lease() => {
                self.down = Some(steps);
                Ok(())
            }
            Some(Fault::Reads) => {
                self.look(Look::Quick, true).await?;
                self.stage.recover().await
            }
            Some(_) => self.stage.recover().await,
        }
    }

    /// Makes every choice of an operation; `None` when there is nothing to choose from.
    async fn resolve(&mut self, operation: Operation) -> Option<Act> {
        let tokens = self.stage.tokens();
        Some(match operation {
            Operation::Issue { .. } if tokens >= TOKENS_MAX => return None,
            Operation::Issue { client, audience, scopes } => Act::Issue { client, audience, scopes },
            Operation::RevokeByOwner { token } => {
                let token = token.of(tokens)?;
                Act::Revoke { client: self.possible.token(token)?.client, token }
            }
            Operation::RevokeBy { client, token } => Act::Revoke { client, token: token.of(tokens)? },
            Operation::RevokeAsAdministrator { token } => {
                Act::RevokeAsAdministrator { token: token.of(tokens)? }
            }
            Operation::CutClient { client } => Act::CutClient { client },
            Operation::CutGrant { client, audience } => Act::CutGrant { client, audience },
            Operation::CutKey { key } => {
                let keys = self.stage.keys().await?;
                Act::CutKey { key: keys[key.of(keys.len())?] }
            }
            Operation::CutRealm { acme } => {
                Act::CutRealm { realm: if acme { Realm::Acme } else { Realm::Default } }
            }
            Operation::EnableClient { client, enabled } => Act::EnableClient { client, enabled },
            Operation::EnableApi { api, enabled } => Act::EnableApi { api, enabled },
            Operation::EnableAcme { enabled } => Act::EnableAcme { enabled },
            Operation::DefineScopes { api, scopes } => Act::DefineScopes { api, scopes },
            Operation::DefineLifetime { api, seconds } => Act::DefineLifetime { api, seconds },
            Operation::RotateSecret { client, replace } => {
                Act::RotateSecret { client, replace, number: self.stage.next_secret(client) }
            }
            Operation::DeleteClient { client } => Act::DeleteClient { client },
            Operation::DeleteApi { api } => Act::DeleteApi { api },
            Operation::RotateKeys { algorithm, emergency } => {
                let active = self.stage.active_key(algorithm).await?;
                Act::RotateKeys { removed: emergency.then_some(active) }
            }
            Operation::RetireKey { key, force } => {
                let keys = self.stage.keys().await?;
                Act::RetireKey { key: keys[key.of(keys.len())?], force }
            }
            Operation::Wait { seconds } => Act::Wait { seconds },
            Operation::WaitForExpiry { token, offset } => {
                let expires_at = self.possible.token(token.of(tokens)?)?.expires_at;
                let until = expires_at.checked_add_signed(offset)?;
                Act::Wait { seconds: until.checked_sub(self.stage.wall())? }
            }
            Operation::SetClock { seconds } => {
                Act::SetClock { wall: self.stage.wall().checked_add_signed(seconds)? }
            }
            Operation::Housekeep | Operation::Restart | Operation::Crash => Act::Nothing,
        })
    }

    /// Has the product do it; `None` when nobody could ask.
    async fn act(&mut self, operation: Operation, act: &Act) -> Result<Option<Outcome>, String> {
        let done = Ok(Some(Outcome::Said(Said::Done)));
        match (operation, *act) {
            (Operation::Housekeep, _) => Ok(Some(self.stage.keep_house().await)),
            (Operation::Restart | Operation::Crash, _) => {
                let stop = if operation == Operation::Crash { Stop::Crash } else { Stop::Clean };
                self.down = None;
                self.stage.start_again(stop).await?;
                done
            }
            (Operation::RotateKeys { algorithm, .. }, Act::RotateKeys { removed }) => {
                self.stage.rotate_keys(algorithm, removed).await.map(Some)
            }
            (_, Act::Wait { seconds }) => {
                self.stage.wait(seconds);
                done
            }
            (_, Act::SetClock { wall }) => {
                self.stage.set_clock(wall);
                done
            }
            (_, Act::Issue { client, audience, scopes }) => match self.authenticate(client)? {
                Authenticated::As(caller) => {
                    self.stage.issue(client, &caller, audience, scopes).await.map(Some)
                }
                Authenticated::Not(outcome) => Ok(outcome),
            },
            (_, Act::Revoke { client, token }) => match self.authenticate(client)? {
                Authenticated::As(caller) => self.stage.revoke(client, &caller, token).await.map(Some),
                Authenticated::Not(outcome) => Ok(outcome),
            },
            _ => self.stage.administer(act).await,
        }
    }

    /// Authenticates a client with the newest secret that works.
    fn authenticate(&mut self, client: Client) -> Result<Authenticated, String> {
        for number in self.stage.known_secrets(client) {
            match self.stage.authenticate(client, number)? {
                Answer::Unavailable => {
                    return Ok(Authenticated::Not(Some(Outcome::Unavailable { unknown: false })));
                }
                Answer::Known(found) => {
                    self.answers += 1;
                    self.possible.learn_authentication(client, number, found.is_some())?;
                    if let Some(caller) = found {
                        return Ok(Authenticated::As(caller));
                    }
                }
            }
        }
        // When the only good secret may be one that nobody was told, nobody can ask.
        let lost = self.stage.has_lost_secret(client);
        Ok(Authenticated::Not((!lost).then_some(Outcome::Said(Said::Refused))))
    }

    /// Compares what introspection answers with the rules.
    async fn look(&mut self, look: Look, may_fail: bool) -> Result<(), String> {
        let tokens = self.stage.tokens();
        for (place, caller) in Client::ALL.into_iter().enumerate() {
            if look == Look::Whole {
                self.check_secrets(caller)?;
            }
            let authenticated = match self.authenticate(caller)? {
                Authenticated::As(authenticated) => authenticated,
                Authenticated::Not(Some(Outcome::Unavailable { .. })) if !may_fail => {
                    return Err("a client cannot authenticate, although nothing fails".to_owned());
                }
                Authenticated::Not(_) => continue,
            };
            for token in 0..tokens {
                let owner = self.possible.token(token).map(|token| token.client);
                let takes_turn = (self.step + token + place).is_multiple_of(Client::ALL.len());
                if look == Look::Whole || owner == Some(caller) || takes_turn {
                    self.ask(caller, &authenticated, token, may_fail).await?;
                }
            }
            // One token in each look is not quite ours.
            if let Some(token) = self.step.checked_rem(tokens) {
                let forged = self.stage.introspect_forged(caller.realm(), &authenticated, token).await?;
                if matches!(forged, Answer::Known(Some(_))) {
                    return Err(format!("token {token} with another character is active for {caller:?}"));
                }
            }
        }
        if let Some(token) = self.step.checked_rem(tokens) {
            for bearer in 0..tokens {
                self.ask_as_bearer(bearer, token, may_fail).await?;
            }
        }
        Ok(())
    }

    async fn ask(
        &mut self,
        caller: Client,
        authenticated: &AuthenticatedClient,
        token: usize,
        may_fail: bool,
    ) -> Result<(), String> {
        match self.stage.introspect(caller.realm(), authenticated, token).await? {
            Answer::Known(shown) => {
                (caller.client_id(), token, shown.is_some()).hash(&mut self.hash);
                self.answers += 1;
                self.possible.learn_answer(caller, token, shown.as_ref())
            }
            Answer::Unavailable if may_fail => Ok(()),
            Answer::Unavailable => Err(format!("token {token} is unavailable, although nothing fails")),
        }
    }

    async fn ask_as_bearer(&mut self, bearer: usize, token: usize, may_fail: bool) -> Result<(), String> {
        let Some(realm) = self.possible.token(bearer).map(|bearer| bearer.client.realm()) else {
            return Ok(());
        };
        match self.stage.introspect_as_bearer(realm, bearer, token).await? {
            Answer::Known(answer) => {
                (bearer, token, answer.is_some()).hash(&mut self.hash);
                self.answers += 1;
                self.possible.learn_bearer(bearer, token, answer.as_ref().map(Option::as_ref))
            }
            Answer::Unavailable if may_fail => Ok(()),
            Answer::Unavailable => Err(format!("token {token} is unavailable, although nothing fails")),
        }
    }

    fn check_secrets(&mut self, client: Client) -> Result<(), String> {
        for number in self.stage.known_secrets(client) {
            if let Answer::Known(found) = self.stage.authenticate(client, number)? {
                self.answers += 1;
                self.possible.learn_authentication(client, number, found.is_some())?;
            }
        }
        Ok(())
    }

    /// While the outcome of a commit is unknown, nothing is answered.
    async fn see_silence(&mut self) -> Result<(), String> {
        if self.stage.holds_lease() {
            return Err("the node answers although it does not know what was committed".to_owned());
        }
        for bearer in 0..self.stage.tokens() {
            let answer = self.stage.introspect_as_bearer(Realm::Default, bearer, bearer).await?;
            if answer != Answer::Unavailable {
                return Err(format!("token {bearer} was answered while nothing is known: {answer:?}"));
            }
        }
        Ok(())
    }
}

enum Authenticated {
    As(AuthenticatedClient),
    Not(Option<Outcome>),
}

fn commit_fault(made: bool) -> CommitFault {
    if made { CommitFault::Made } else { CommitFault::NotMade }
}
