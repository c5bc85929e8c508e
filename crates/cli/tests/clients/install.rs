//! Installing what tests take from registries: once for each lock file, and anew after one that did not come to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What was installed stands in this file, when all of it was.
const STAMP: &str = "installed";

/// A script with its library in one language, or a library alone.
struct Package {
    name: &'static str,
    /// The files: the script, what it needs, and the lock.
    files: &'static [(&'static str, &'static str)],
    /// The commands that install, run one after the other.
    commands: &'static [&'static [&'static str]],
}

const NODE: Package = Package {
    name: "node",
    files: &[
        ("journey.mjs", include_str!("node/journey.mjs")),
        ("package.json", include_str!("node/package.json")),
        ("package-lock.json", include_str!("node/package-lock.json")),
    ],
    commands: &[&["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]],
};

const PYTHON: Package = Package {
    name: "python",
    files: &[
        ("journey.py", include_str!("python/journey.py")),
        ("requirements.txt", include_str!("python/requirements.txt")),
    ],
    commands: &[
        &["python3", "-m", "venv", "environment"],
        &[
            "environment/bin/python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--requirement",
            "requirements.txt",
        ],
    ],
};

const AXE: Package = Package {
    name: "axe",
    files: &[
        ("package.json", include_str!("../chromium/axe/package.json")),
        ("package-lock.json", include_str!("../chromium/axe/package-lock.json")),
    ],
    commands: NODE.commands,
};

/// The script of axe-core of npm, which checks the accessibility of a page.
#[track_caller]
pub(crate) fn axe() -> PathBuf {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| AXE.install()).join("node_modules/axe-core/axe.min.js")
}

/// The script with openid-client of npm.
#[track_caller]
pub(crate) fn openid_client() -> Command {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let directory = INSTALLED.get_or_init(|| NODE.install());
    let mut command = Command::new("node");
    command.arg("journey.mjs").current_dir(directory);
    command
}

/// The script with Authlib of PyPI.
#[track_caller]
pub(crate) fn authlib() -> Command {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let directory = INSTALLED.get_or_init(|| PYTHON.install());
    let mut command = Command::new(directory.join("environment/bin/python"));
    command.arg("journey.py").current_dir(directory);
    command
}

impl Package {
    /// The directory in which everything is.
    fn install(&self) -> PathBuf {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(self.name);
        let content: String =
            self.files.iter().map(|(name, content)| format!("{name}\n{content}\n")).collect();
        if fs::read_to_string(directory.join(STAMP)).is_ok_and(|stamp| stamp == content) {
            return directory;
        }
        // What is left of another version is in the way of none.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        for (name, content) in self.files {
            fs::write(directory.join(name), content).unwrap();
        }
        for command in self.commands {
            run(command, &directory);
        }
        fs::write(directory.join(STAMP), content).unwrap();
        directory
    }
}

fn run(words: &[&str], directory: &Path) {
    let shown = words.join(" ");
    let program = if words[0].contains('/') { directory.join(words[0]) } else { PathBuf::from(words[0]) };
    let output = Command::new(program).args(&words[1..]).current_dir(directory).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("these tests need `{}` on this machine: {error}", words[0]);
    });
    assert!(
        output.status.success(),
        "a library cannot be installed, which needs its registry: `{shown}` failed in {}:\n{}{}",
        directory.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
