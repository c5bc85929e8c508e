//! What can happen in a story, and how stories are drawn.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::names::{Api, Audience, Client, LONGEST_JWT_SECONDS};

/// Chooses one of what is there at that moment: the remainder counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pick(pub u8);

impl Pick {
    /// The index that it means among `count`; `None` when there is nothing.
    pub fn of(self, count: usize) -> Option<usize> {
        usize::from(self.0).checked_rem(count)
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Which scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scopes {
    /// All that there are; in a request: no parameter.
    All,
    /// `read` alone.
    Read,
    /// `write` alone.
    Write,
}

impl Scopes {
    /// Whether this scope is among them.
    pub fn has(self, scope: &str) -> bool {
        match self {
            Self::All => true,
            Self::Read => scope == "read",
            Self::Write => scope == "write",
        }
    }
}

/// An algorithm for which there are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The keys of [`Api::Jwt`].
    Es256,
    /// The keys of [`Api::Bare`].
    EdDsa,
}

/// What somebody does, or what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the members say what they are")]
pub enum Operation {
    /// A client asks for a token of its own.
    Issue { client: Client, audience: Audience, scopes: Scopes },
    /// The client that owns a token revokes it.
    RevokeByOwner { token: Pick },
    /// Some client revokes a token.
    RevokeBy { client: Client, token: Pick },
    /// An administrator revokes a token.
    RevokeAsAdministrator { token: Pick },
    /// An administrator cuts a client.
    CutClient { client: Client },
    /// An administrator cuts a client's standing grant.
    CutGrant { client: Client, audience: Audience },
    /// An administrator cuts a signing key.
    CutKey { key: Pick },
    /// An administrator cuts a realm.
    CutRealm { acme: bool },
    /// An administrator enables or disables a client.
    EnableClient { client: Client, enabled: bool },
    /// An administrator enables or disables an API.
    EnableApi { api: Api, enabled: bool },
    /// An administrator enables or disables the realm that can be disabled.
    EnableAcme { enabled: bool },
    /// An administrator says which scopes an API defines.
    DefineScopes { api: Api, scopes: Scopes },
    /// An administrator says how long the tokens of an API live.
    DefineLifetime { api: Api, seconds: u64 },
    /// An administrator makes a new secret for a client.
    RotateSecret { client: Client, replace: bool },
    /// An administrator deletes a client.
    DeleteClient { client: Client },
    /// An administrator deletes an API.
    DeleteApi { api: Api },
    /// An administrator rotates keys.
    RotateKeys { algorithm: Algorithm, emergency: bool },
    /// An administrator takes a key out of the key set.
    RetireKey { key: Pick, force: bool },
    /// Time passes.
    Wait { seconds: u64 },
    /// Time passes until a token expires, and so many seconds more or less.
    WaitForExpiry { token: Pick, offset: i64 },
    /// Somebody sets the wall clock ahead or back.
    SetClock { seconds: i64 },
    /// A round of housekeeping.
    Housekeep,
    /// The server stops, and starts again.
    Restart,
    /// The process ends at once, and starts again over what is on the disk.
    Crash,
}

/// What fails while an operation is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The first commit reports an error.
    Commit {
        /// It has happened all the same.
        made: bool,
    },
    /// The first commit reports an error, and the database cannot be opened again for some steps.
    Outage {
        /// It has happened all the same.
        made: bool,
        /// For how many steps after this one.
        steps: u8,
    },
    /// A statement of each change fails.
    Statement {
        /// The number of the statement within its change.
        number: u8,
    },
    /// No read works.
    Reads,
}

/// One step of a story.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub operation: Operation,
    /// What fails meanwhile.
    pub fault: Option<Fault>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On one line, in lists too: a story is read from top to bottom.
        write!(f, "{:?}", self.operation)?;
        match self.fault {
            Some(fault) => write!(f, " while {fault:?}"),
            None => Ok(()),
        }
    }
}

/// Stories of up to so many steps in which nothing fails.
pub fn quiet_stories(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(operation().prop_map(|operation| Step { operation, fault: None }), 1..=steps)
}

/// Stories of up to so many steps in which the store fails now and then.
pub fn faulty_stories(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (operation(), option::weighted(0.25, fault()));
    vec(step.prop_map(|(operation, fault)| Step { operation, fault }), 1..=steps)
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => any::<bool>().prop_map(|made| Fault::Commit { made }),
        2 => (any::<bool>(), 0_u8..4).prop_map(|(made, steps)| Fault::Outage { made, steps }),
        4 => (0_u8..5).prop_map(|number| Fault::Statement { number }),
        2 => Just(Fault::Reads),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        40 => issue(),
        16 => revocation(),
        12 => cut(),
        12 => record(),
        1 => deletion(),
        6 => keys(),
        14 => time(),
        5 => Just(Operation::Housekeep),
        2 => Just(Operation::Restart),
        2 => Just(Operation::Crash),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    (0_u8..24).prop_map(Pick)
}

fn application() -> impl Strategy<Value = Client> {
    prop_oneof![
        6 => Just(Client::App),
        3 => Just(Client::Family),
        1 => Just(Client::AcmeApp),
    ]
}

fn audience() -> impl Strategy<Value = Audience> {
    select(&Audience::ALL[..])
}

fn scopes() -> impl Strategy<Value = Scopes> {
    select(&[Scopes::All, Scopes::Read, Scopes::Write][..])
}

/// Mostly something that the client may have.
fn issue() -> impl Strategy<Value = Operation> {
    let drawn = (application(), any::<u8>(), audience(), scopes(), 0..10_u8);
    drawn.prop_map(|(client, choice, audience, scopes, sense)| {
        let sensible: Vec<Audience> =
            Audience::ALL.into_iter().filter(|audience| !client.may_have(*audience).is_empty()).collect();
        let sensible = Pick(choice).of(sensible.len()).map_or(audience, |index| sensible[index]);
        let scopes = if sense > 3 { Scopes::All } else { scopes };
        Operation::Issue { client, audience: if sense > 0 { sensible } else { audience }, scopes }
    })
}

fn revocation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => pick().prop_map(|token| Operation::RevokeByOwner { token }),
        2 => (select(&Client::ALL[..]), pick())
            .prop_map(|(client, token)| Operation::RevokeBy { client, token }),
        4 => pick().prop_map(|token| Operation::RevokeAsAdministrator { token }),
    ]
}

fn cut() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => application().prop_map(|client| Operation::CutClient { client }),
        5 => (application(), audience())
            .prop_map(|(client, audience)| Operation::CutGrant { client, audience }),
        3 => pick().prop_map(|key| Operation::CutKey { key }),
        1 => any::<bool>().prop_map(|acme| Operation::CutRealm { acme }),
    ]
}

fn record() -> impl Strategy<Value = Operation> {
    // As long as the ledger remembers, and longer.
    const LIFETIMES: [u64; 5] = [60, 3_600, LONGEST_JWT_SECONDS - 1, LONGEST_JWT_SECONDS, 30 * 3_600];
    // What is disabled is enabled again sooner than the next thing is disabled: most of the story happens to what works.
    let enabled = || prop::bool::weighted(0.6);
    let client = || prop_oneof![application(), select(&Client::ALL[..])];
    prop_oneof![
        4 => (client(), enabled()).prop_map(|(client, enabled)| Operation::EnableClient { client, enabled }),
        3 => (select(&Api::ALL[..]), enabled()).prop_map(|(api, enabled)| Operation::EnableApi { api, enabled }),
        1 => enabled().prop_map(|enabled| Operation::EnableAcme { enabled }),
        2 => (select(&Api::ALL[..]), scopes()).prop_map(|(api, scopes)| Operation::DefineScopes { api, scopes }),
        3 => (select(&Api::ALL[..]), select(&LIFETIMES[..]))
            .prop_map(|(api, seconds)| Operation::DefineLifetime { api, seconds }),
        3 => (client(), any::<bool>()).prop_map(|(client, replace)| Operation::RotateSecret { client, replace }),
    ]
}

fn deletion() -> impl Strategy<Value = Operation> {
    prop_oneof![
        select(&Client::ALL[..]).prop_map(|client| Operation::DeleteClient { client }),
        select(&Api::ALL[..]).prop_map(|api| Operation::DeleteApi { api }),
    ]
}

fn keys() -> impl Strategy<Value = Operation> {
    let algorithm = select(&[Algorithm::Es256, Algorithm::EdDsa][..]);
    prop_oneof![
        3 => (algorithm, prop::bool::weighted(0.4))
            .prop_map(|(algorithm, emergency)| Operation::RotateKeys { algorithm, emergency }),
        2 => (pick(), any::<bool>()).prop_map(|(key, force)| Operation::RetireKey { key, force }),
    ]
}

fn time() -> impl Strategy<Value = Operation> {
    const WAITS: [u64; 10] = [1, 12, 60, 300, 400, 900, 3_600, 5_400, 50_000, 90_000];
    const JUMPS: [i64; 10] = [-100_000, -4_000, -900, -13, -12, 1, 12, 900, 4_000, 100_000];
    prop_oneof![
        6 => select(&WAITS[..]).prop_map(|seconds| Operation::Wait { seconds }),
        1 => select(&JUMPS[..]).prop_map(|seconds| Operation::SetClock { seconds }),
        8 => (pick(), -1_i64..=1).prop_map(|(token, offset)| Operation::WaitForExpiry { token, offset }),
    ]
}
