//! The journal: what was intended, what was acknowledged, what was seen, in one order. The auditor knows nothing else.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

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
    Seen { token: u64, asked_at: u64, active: bool },
    /// The server was killed.
    Killed,
}

impl Line {
    fn to_text(&self) -> String {
        match self {
            Self::Issue { intent, client } => format!("issue {intent} {client}"),
            Self::Issued { intent, token } => format!("issued {intent} {token}"),
            Self::Revoke { intent, token } => format!("revoke {intent} {token}"),
            Self::Cut { intent, client } => format!("cut {intent} {client}"),
            Self::Acknowledged { intent } => format!("acknowledged {intent}"),
            Self::Seen { token, asked_at, active } => format!("seen {token} {asked_at} {active}"),
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
            ["seen", token, asked_at, active] => Self::Seen {
                token: token.parse().ok()?,
                asked_at: asked_at.parse().ok()?,
                active: active.parse().ok()?,
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

    /// Reads the file from its beginning.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub(crate) fn reader(&self) -> Result<Reader> {
        let file = File::open(&self.path).context("open the journal")?;
        Ok(Reader { file: BufReader::new(file), lines: Vec::new() })
    }
}

/// Reads the journal's file, and remembers what it has read: the file only grows.
pub(crate) struct Reader {
    file: BufReader<File>,
    lines: Vec<Line>,
}

impl Reader {
    /// All lines up to now.
    ///
    /// # Errors
    ///
    /// When a line is none of ours.
    pub(crate) fn all(&mut self) -> Result<&[Line]> {
        let mut text = String::new();
        while self.file.read_line(&mut text).context("read the journal")? > 0 {
            let line = text.trim_end_matches('\n');
            match Line::parse(line) {
                Some(line) => self.lines.push(line),
                None => bail!("the journal has a line that is none: {line:?}"),
            }
            text.clear();
        }
        Ok(&self.lines)
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
            Line::Seen { token: 0, asked_at: 3, active: false },
            Line::Killed,
        ];
        let mut reader = journal.reader().unwrap();
        for (written, line) in lines.iter().enumerate() {
            assert_eq!(reader.all().unwrap(), &lines[..written]);
            journal.write(line);
        }
        assert_eq!(reader.all().unwrap(), lines);
        assert_eq!(journal.lines(), 7);
    }
}
