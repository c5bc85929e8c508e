//! The worlds that are possible after all that was said so far: each observation leaves out those that it contradicts.

use crate::names::Client;
use crate::reference::{Act, Said, Shown, Token, World};

/// More worlds than this mean that nothing was learnt for long: the story should have looked.
const WORLDS_MAX: usize = 256;

/// The worlds that are possible.
#[derive(Clone, Debug)]
pub struct Possible {
    worlds: Vec<World>,
}

/// How the product ended an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It said so.
    Said(Said),
    /// A token was issued.
    Issued(Issued),
    /// It said that it could not do it now.
    Unavailable {
        /// Whether it said that it does not know what became of it.
        unknown: bool,
    },
}

/// What is known of a token that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The scopes that the answer names, in order.
    pub scopes: Vec<String>,
    /// For how long it lives, as the answer says.
    pub lifetime: u64,
    /// The number of the key that signed it.
    pub key: Option<usize>,
}

impl Possible {
    /// One world: nothing is in doubt.
    pub fn only(world: World) -> Self {
        Self { worlds: vec![world] }
    }

    /// How many worlds are possible.
    pub fn count(&self) -> usize {
        self.worlds.len()
    }

    /// The token of this number, as one of the worlds has it: time of expiry and owner are the same in all.
    pub fn token(&self, token: usize) -> Option<&Token> {
        self.worlds.first()?.token(token)
    }

    /// Learns how an act ended.
    ///
    /// # Errors
    ///
    /// What the rules expected, when no world can explain it.
    pub fn learn(&mut self, act: &Act, outcome: &Outcome) -> Result<(), String> {
        let mut next: Vec<World> = Vec::new();
        for world in &self.worlds {
            for (said, after) in world.after(act) {
                next.extend(explain(world, after, act, said, outcome));
            }
        }
        if next.is_empty() {
            let expected = self.worlds.first().map(|world| world.after(act));
            let expected: Vec<Said> = expected.into_iter().flatten().map(|(said, _)| said).collect();
            return Err(format!("{act:?} ended with {outcome:?}; by the rules {expected:?}"));
        }
        self.keep(next)
    }

    /// Learns where the forgetting mark is: it follows from the clocks of the process, which the rules do not predict.
    pub fn learn_mark(&mut self, mark: u64) {
        self.worlds.iter_mut().for_each(|world| world.set_mark(mark));
    }

    /// Learns whether a client is known by a secret.
    ///
    /// # Errors
    ///
    /// When no world can explain it.
    pub fn learn_authentication(&mut self, client: Client, secret: usize, known: bool) -> Result<(), String> {
        self.retain(
            |world| world.authenticates(client, secret) == known,
            || {
                format!(
                    "{client:?} with its secret {secret}: authenticated is {known}, which the rules forbid"
                )
            },
        )
    }

    /// Learns what introspection answered.
    ///
    /// # Errors
    ///
    /// When no world can explain it.
    pub fn learn_answer(
        &mut self,
        caller: Client,
        token: usize,
        answer: Option<&Shown>,
    ) -> Result<(), String> {
        let expected = self.worlds.first().and_then(|world| world.answer(caller, token));
        self.retain(
            |world| world.answer(caller, token).as_ref() == answer,
            || format!("{caller:?} asks for token {token}: answered {answer:?}, by the rules {expected:?}"),
        )
    }

    /// Learns what introspection answered a bearer; `None`: the bearer was refused.
    ///
    /// # Errors
    ///
    /// When no world can explain it.
    pub fn learn_bearer(
        &mut self,
        bearer: usize,
        token: usize,
        answer: Option<Option<&Shown>>,
    ) -> Result<(), String> {
        let expects = |world: &World| world.bearer(bearer).map(|client| world.answer(client, token));
        let expected = self.worlds.first().map(expects);
        self.retain(
            |world| expects(world).as_ref().map(Option::as_ref) == answer,
            || format!("the bearer of token {bearer} asks for token {token}: answered {answer:?}, by the rules {expected:?}"),
        )
    }

    fn retain(
        &mut self,
        explains: impl Fn(&World) -> bool,
        surprise: impl FnOnce() -> String,
    ) -> Result<(), String> {
        if !self.worlds.iter().any(&explains) {
            return Err(surprise());
        }
        self.worlds.retain(explains);
        Ok(())
    }

    fn keep(&mut self, worlds: Vec<World>) -> Result<(), String> {
        self.worlds.clear();
        for world in worlds {
            if !self.worlds.contains(&world) {
                self.worlds.push(world);
            }
        }
        if self.worlds.len() > WORLDS_MAX {
            return Err(format!("{} worlds are possible: the story looks too seldom", self.worlds.len()));
        }
        Ok(())
    }
}

/// The worlds that explain this outcome, when the rules allow `after` with the word `said`.
fn explain(before: &World, mut after: World, act: &Act, said: Said, outcome: &Outcome) -> Vec<World> {
    match outcome {
        Outcome::Said(word) => (*word == said).then_some(after).into_iter().collect(),
        Outcome::Issued(issued) => {
            let fits = said == Said::Done
                && after.newest_token().is_some_and(|token| {
                    token.key = issued.key;
                    token.scopes == issued.scopes && token.expires_at - token.issued_at == issued.lifetime
                });
            fits.then_some(after).into_iter().collect()
        }
        // Nobody holds the token whose issue was answered with an error: whether it exists makes no difference.
        Outcome::Unavailable { .. } if matches!(act, Act::Issue { .. }) => vec![before.clone()],
        Outcome::Unavailable { unknown } => {
            let mut worlds = vec![before.clone()];
            if *unknown || !act.is_one_change() {
                worlds.push(after);
                worlds.extend(before.halfway(act));
            }
            worlds
        }
    }
}
