//! Says which call of the server on its files is to fail next, while it runs.
//!
//! The words lie in a file that the preloaded library has mapped: `struct control` in `power/preload.c` is their order.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;

/// The length of the file.
const BYTES: usize = 64;

/// What is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Any of those below.
    Any,
    /// A sync of the database file itself, which a checkpoint makes.
    CheckpointSync,
    /// A write to the database file itself, which a checkpoint makes.
    CheckpointWrite,
    /// An open for writing.
    Open,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
}

impl Call {
    /// Those that one operation can reach by itself.
    pub(super) const EACH: [Self; 6] =
        [Self::Open, Self::Rename, Self::Sync, Self::Truncate, Self::Unlink, Self::Write];

    /// Its word in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::CheckpointSync => "sync of a checkpoint",
            Self::CheckpointWrite => "write of a checkpoint",
            Self::Open => "open",
            Self::Rename => "rename",
            Self::Sync => "sync",
            Self::Truncate => "truncate",
            Self::Unlink => "unlink",
            Self::Write => "write",
        }
    }

    /// One bit for each kind of the library's `enum operation`.
    const fn kinds(self) -> i64 {
        match self {
            Self::Any => 0b111_1110,
            Self::Open => 1 << 1,
            Self::CheckpointWrite | Self::Write => 1 << 2,
            Self::CheckpointSync | Self::Sync => 1 << 3,
            Self::Rename => 1 << 4,
            Self::Truncate => 1 << 5,
            Self::Unlink => 1 << 6,
        }
    }
}

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Interrupted,
    Io,
    NoSpace,
    /// A write takes half of what it was given.
    Short,
}

impl Failure {
    /// Its word in the table.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interrupted => "EINTR",
            Self::Io => "EIO",
            Self::NoSpace => "ENOSPC",
            Self::Short => "short write",
        }
    }

    /// Whether repeating the call does not help.
    pub(super) const fn is_certain(self) -> bool {
        matches!(self, Self::Io | Self::NoSpace)
    }

    fn number(self) -> i64 {
        match self {
            Self::Interrupted => i64::from(Errno::INTR.raw_os_error()),
            Self::Io => i64::from(Errno::IO.raw_os_error()),
            Self::NoSpace => i64::from(Errno::NOSPC.raw_os_error()),
            Self::Short => -1,
        }
    }
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: Call,
    pub(super) failure: Failure,
    /// The first call that fails, from 1.
    pub(super) number: u64,
    /// Whether all such calls after it fail too, until the fault is cleared.
    pub(super) goes_on: bool,
}

/// The words that the library reads.
pub(super) struct Control(File);

impl Control {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(path);
        let control = Self(file.context("make the control file")?);
        control.0.write_all_at(&[0; BYTES], 0).context("write the control file")?;
        Ok(control)
    }

    /// From now on calls fail.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn arm(&self, fault: Fault) -> Result<()> {
        let number = i64::try_from(fault.number)?;
        let checkpoint = matches!(fault.call, Call::CheckpointSync | Call::CheckpointWrite);
        let words = [fault.call.kinds(), number, i64::from(fault.goes_on), i64::from(checkpoint), 0, 0, 0];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.0.write_all_at(&bytes, 8).context("write the control file")?;
        self.0.write_all_at(&fault.failure.number().to_le_bytes(), 0).context("write the control file")
    }

    /// From now on nothing fails.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn clear(&self) -> Result<()> {
        self.0.write_all_at(&[0; 8], 0).context("write the control file")
    }

    /// How many calls have failed since it was armed.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(super) fn failed(&self) -> Result<u64> {
        let mut word = [0; 8];
        self.0.read_exact_at(&mut word, 48).context("read the control file")?;
        Ok(u64::from_le_bytes(word))
    }
}
