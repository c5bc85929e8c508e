//! The copy of the repository in which mutations are tried.
//!
//! It stays between runs with what was built in it. Files are written only where they differ, so that cargo builds again
//! only what changed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cargo;
use super::list::{Mutation, TestTarget};
use super::verdict::{TestRun, Verdict};

/// A test that has not ended by then is caught in a loop.
const TEST_LIMIT: Duration = Duration::from_secs(180);

/// A product that breaks its promises is found within so many rounds of a campaign.
const CAMPAIGN_ROUNDS: &str = "10";

/// The first build takes all dependencies.
const BUILD_LIMIT: Duration = Duration::from_secs(3_600);

/// A copy of the repository with a target directory of its own.
pub(super) struct Copy {
    tree: PathBuf,
    target: PathBuf,
    /// Held while the copy is used: two runs would undo each other's mutations.
    _lock: File,
}

impl Copy {
    /// Makes the copy at this place, or brings an earlier one up to date.
    pub(super) fn of(root: &Path, place: &Path) -> Result<Self> {
        let (tree, target) = (place.join("tree"), place.join("target"));
        fs::create_dir_all(&tree).with_context(|| format!("make {}", tree.display()))?;
        let lock = File::create(place.join("lock")).context("make the lock of the copy")?;
        lock.try_lock().context("another run uses the copy")?;
        let files: BTreeSet<PathBuf> =
            cargo::files_of_repository(root)?.into_iter().map(PathBuf::from).collect();
        remove_others(&tree, &tree, &files)?;
        for file in &files {
            // What git knows and nobody has on disk was removed, and is not yet committed.
            if root.join(file).exists() {
                bring(&root.join(file), &tree.join(file))?;
            }
        }
        // Some tests read what lies beside the repository.
        let (beside, there) = (root.join("../shared"), place.join("shared"));
        if beside.exists() && !there.exists() {
            symlink(beside.canonicalize().context("find ../shared")?, there).context("link ../shared")?;
        }
        Ok(Self { tree, target, _lock: lock })
    }

    /// Applies a mutation, runs its test, and takes it back.
    pub(super) fn judge(&self, mutation: &Mutation) -> Result<Verdict> {
        let file = self.tree.join(&mutation.file);
        let original = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        fs::write(&file, mutation.apply_to(&original)?).context("apply it")?;
        let verdict = self.verdict(mutation);
        fs::write(&file, original).context("take it back")?;
        verdict
    }

    fn verdict(&self, mutation: &Mutation) -> Result<Verdict> {
        let target = &mutation.test.target;
        if let Err(output) = self.build(target)? {
            return Ok(Verdict::Broken(format!("it does not build\n{output}")));
        }
        Ok(self.test(target, &[&mutation.test.filter])?.verdict())
    }

    /// Builds a test target; the inner error is what the compiler says.
    pub(super) fn build(&self, target: &TestTarget) -> Result<Result<(), String>> {
        let mut command = if target.is_campaign() {
            let mut command = cargo::command(&self.tree, &self.target);
            command.args(["build", "--package", "lydian-cli", "--package", "lydian-campaign"]);
            command
        } else {
            let mut command = self.cargo_test(target);
            command.arg("--no-run");
            command
        };
        let run = cargo::run(&mut command, BUILD_LIMIT)?;
        Ok(if run.success == Some(true) { Ok(()) } else { Err(run.output) })
    }

    /// Runs the tests of a built target whose names contain one of these texts, or the campaigns of these names until one fails.
    pub(super) fn test(&self, target: &TestTarget, filters: &[&str]) -> Result<TestRun> {
        if !target.is_campaign() {
            return cargo::run(self.cargo_test(target).arg("--").args(filters), TEST_LIMIT);
        }
        let mut output = String::new();
        for campaign in filters {
            let mut command = Command::new(self.target.join("debug/lydian-campaign"));
            command.args([campaign, "--gate", "--rounds", CAMPAIGN_ROUNDS, "--seed", "1"]);
            let run = cargo::run(&mut command, TEST_LIMIT)?;
            output.push_str(&run.output);
            if run.success != Some(true) {
                return Ok(TestRun { output, ..run });
            }
        }
        Ok(TestRun { output, success: Some(true) })
    }

    fn cargo_test(&self, target: &TestTarget) -> Command {
        let mut command = cargo::command(&self.tree, &self.target);
        command.args(["test", "--package", target.package.as_str()]);
        match target.target.as_str() {
            "lib" => command.arg("--lib"),
            name => command.args(["--test", name]),
        };
        command
    }
}

/// Removes what an earlier copy had and the repository has no more.
fn remove_others(folder: &Path, tree: &Path, files: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry.context("read the copy")?.path();
        if path.is_dir() {
            remove_others(&path, tree, files)?;
        } else if !path.strip_prefix(tree).is_ok_and(|name| files.contains(name)) {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Copies a file unless it is there with the same content.
fn bring(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    match fs::read(to) {
        Ok(there) if there == content => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = to.parent().context("a file lies in a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        Err(error) => return Err(error).with_context(|| format!("read {}", to.display())),
    }
    fs::write(to, content).with_context(|| format!("write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_the_same_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("deep/to"));
        fs::write(&from, "one").unwrap();
        bring(&from, &to).unwrap();
        let first = fs::metadata(&to).unwrap().modified().unwrap();
        bring(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), first);
        fs::write(&from, "two").unwrap();
        bring(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
    }

    #[test]
    fn what_the_repository_has_no_more_leaves_the_copy() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("tests")).unwrap();
        for name in ["kept.rs", "tests/gone.rs"] {
            fs::write(tree.path().join(name), "").unwrap();
        }
        remove_others(tree.path(), tree.path(), &BTreeSet::from([PathBuf::from("kept.rs")])).unwrap();
        assert!(tree.path().join("kept.rs").exists());
        assert!(!tree.path().join("tests/gone.rs").exists());
    }
}
