//! The journal: what was intended, what was acknowledged, what was seen, in one order. The auditor knows nothing else.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use serde_json::Value;

/// One line of the journal. Numbers name intents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A token is asked for, for this client.
    Issue { intent: u64, client: String },
    /// It was issued: the intent's answer.
    Issued { intent: u64, token: String },
    /// A token, named by the intent that issued it, is to die.
    Revoke { intent: u64, token: u64 },
    /// Everything of this client is to die.
    Cut { intent: u64, client: String },
    /// A revocation or cut was acknowledged.
    Acknowledged { intent: u64 },
    /// Introspection of a token was asked for when the journal had this many lines, and said this.
    Seen { token: u64, asked_at: u64, active: bool, jti: Option<String> },
    /// The server was killed, and nobody waits for an answer of it any more.
    Killed,
}

impl Line {
    /// What introspection said of a token.
    pub(crate) fn seen(token: u64, asked_at: u64, answer: &Value) -> Self {
        let jti = answer["jti"].as_str().map(str::to_owned);
        Self::Seen { token, asked_at, active: answer["active"] == Value::Bool(true), jti }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Issue { intent, client } => format!("issue {intent} {client}"),
            Self::Issued { intent, token } => format!("issued {intent} {token}"),
            Self::Revoke { intent, token } => format!("revoke {intent} {token}"),
            Self::Cut { intent, client } => format!("cut {intent} {client}"),
            Self::Acknowledged { intent } => format!("acknowledged {intent}"),
            Self::Seen { token, asked_at, active, jti } => {
                format!("seen {token} {asked_at} {active} {}", jti.as_deref().unwrap_or("-"))
            }
            Self::Killed => "killed".to_owned(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        Some(match words.as_slice() {
            ["issue", intent, client] => {
                Self::Issue { intent: intent.parse().ok()?, client: (*client).to_owned() }
            }
            ["issued", intent, token] => {
                Self::Issued { intent: intent.parse().ok()?, token: (*token).to_owned() }
            }
            ["revoke", intent, token] => {
                Self::Revoke { intent: intent.parse().ok()?, token: token.parse().ok()? }
            }
            ["cut", intent, client] => {
                Self::Cut { intent: intent.parse().ok()?, client: (*client).to_owned() }
            }
            ["acknowledged", intent] => Self::Acknowledged { intent: intent.parse().ok()? },
            ["seen", token, asked_at, active, jti] => Self::Seen {
                token: token.parse().ok()?,
                asked_at: asked_at.parse().ok()?,
                active: active.parse().ok()?,
                jti: (*jti != "-").then(|| (*jti).to_owned()),
            },
            ["killed"] => Self::Killed,
            _ => return None,
        })
    }
}

/// The journal of a campaign, written by many threads.
pub(crate) struct Journal {
    state: Mutex<State>,
    path: PathBuf,
}

struct State {
    file: File,
    lines: u64,
    intents: u64,
}

impl Journal {
    /// A new journal in this file.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::options().create_new(true).append(true).open(path).context("make the journal")?;
        Ok(Self { state: Mutex::new(State { file, lines: 0, intents: 0 }), path: path.to_owned() })
    }

    /// Writes an intent; `line` gets its number. It is written before anything is sent.
    pub(crate) fn intend(&self, line: impl FnOnce(u64) -> Line) -> u64 {
        let mut state = self.state.lock().expect("no thread panics while it writes");
        let intent = state.intents;
        state.intents += 1;
        state.write(&line(intent));
        intent
    }

    /// Writes a line.
    pub(crate) fn write(&self, line: &Line) {
        self.state.lock().expect("no thread panics while it writes").write(line);
    }

    /// How many lines there are.
    pub(crate) fn lines(&self) -> u64 {
        self.state.lock().expect("no thread panics while it writes").lines
    }

    /// Takes all lines out of the file: each is used once, and the file stays small.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a line is none of ours.
    pub(crate) fn take(&self) -> Result<Vec<Line>> {
        let state = self.state.lock().expect("no thread panics while it writes");
        let text = std::fs::read_to_string(&self.path).context("read the journal")?;
        let parse = |line| Line::parse(line).with_context(|| format!("the journal has the line {line:?}"));
        let lines = text.lines().map(parse).collect::<Result<_>>()?;
        state.file.set_len(0).context("empty the journal")?;
        Ok(lines)
    }
}

impl State {
    fn write(&mut self, line: &Line) {
        let text = format!("{}\n", line.to_text());
        self.file.write_all(text.as_bytes()).expect("the journal's file system has room");
        self.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_reads_back_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let journal = Journal::create(&place.path().join("journal")).unwrap();
        let lines = [
            Line::Issue { intent: 0, client: "app".to_owned() },
            Line::Issued { intent: 0, token: "lya_x.y-z".to_owned() },
            Line::Revoke { intent: 1, token: 0 },
            Line::Cut { intent: 2, client: "v".to_owned() },
            Line::Acknowledged { intent: 2 },
            Line::Seen { token: 0, asked_at: 3, active: true, jti: Some("a.b_c".to_owned()) },
            Line::Seen { token: 0, asked_at: 3, active: false, jti: None },
            Line::Killed,
        ];
        lines.iter().for_each(|line| journal.write(line));
        assert_eq!(journal.take().unwrap(), lines);
        assert_eq!(journal.take().unwrap(), []);
        journal.write(&Line::Killed);
        assert_eq!(journal.take().unwrap(), [Line::Killed]);
        // Lines keep their numbers when the file is emptied.
        assert_eq!(journal.lines(), 9);
    }
}
