//! The files of the repository, as git knows them, and the packages, as cargo knows them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::process;

/// The repository: its folder, and the files that are tracked or could be.
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// The repository that this command was built from. Files that git ignores are no part of it.
    pub(crate) fn of_this_repository() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")?;
        let listed = process::output(process::command("git", root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ]))
        .context("list the files of the repository")?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).is_file())
            .map(ToOwned::to_owned)
            .collect();
        files.sort();
        Ok(Self { root: root.to_owned(), files })
    }

    /// The folder of the repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// All files, as paths relative to the root, in alphabetical order.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The files whose names end like this.
    pub(crate) fn files_ending(&self, end: &str) -> impl Iterator<Item = &str> {
        self.files().filter(move |path| path.ends_with(end))
    }

    /// The text of a file.
    pub(crate) fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.root.join(path)).with_context(|| format!("read {path}"))
    }

    /// The text of a file, or `None` for a file that is not there.
    pub(crate) fn read_if_there(&self, path: &str) -> Result<Option<String>> {
        if self.root.join(path).exists() { self.read(path).map(Some) } else { Ok(None) }
    }

    /// The text of a file, or `None` for a file that is not text.
    pub(crate) fn read_text(&self, path: &str) -> Result<Option<String>> {
        let bytes = fs::read(self.root.join(path)).with_context(|| format!("read {path}"))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// The packages of the workspace.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let text = process::output(process::cargo(&self.root).args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))
        .context("ask cargo for the packages of the workspace")?;
        let metadata: Metadata = serde_json::from_str(&text).context("read the answer of cargo metadata")?;
        ensure!(!metadata.packages.is_empty(), "cargo names no package");
        Ok(metadata)
    }
}

/// What `cargo metadata` says, as far as we read it.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// A package of the workspace.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A dependency as the manifest states it.
#[derive(Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Absent for a normal dependency.
    pub(crate) kind: Option<String>,
}

/// Something that cargo builds out of a package.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

/// A rule that does not hold, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: String,
    pub(crate) what: String,
}

impl Finding {
    pub(crate) fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }

    pub(crate) fn at_line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format_args!("{path}:{line}"), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}
