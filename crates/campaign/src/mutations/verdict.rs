//! What became of a mutation, read from what the test harness printed.

use crate::campaigns::COULD_NOT_RUN;

/// How a run of tests ended.
#[derive(Debug)]
pub(super) struct TestRun {
    /// Standard output and standard error.
    pub(super) output: String,
    /// Whether the exit status was zero; `None` when it was ended because it took too long.
    pub(super) success: Option<bool>,
}

impl TestRun {
    /// Whether a test or a campaign of this name ran and passed, and none failed.
    pub(super) fn passed(&self, name: &str) -> bool {
        let mut lines = self.output.lines();
        let test = |line: &str| line.starts_with("test ") && line.contains(name) && line.ends_with("... ok");
        let campaign = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": begins"));
        self.success == Some(true) && lines.any(|line| test(line) || campaign(line))
    }

    /// Whether the harness began to run at least one test, or a campaign found what it did.
    fn began(&self) -> bool {
        let tests = |line: &str| line.starts_with("running ") && !line.starts_with("running 0 ");
        self.output.lines().any(|line| tests(line) || line.starts_with("== "))
            && !self.output.contains(COULD_NOT_RUN)
    }

    /// What it says of a mutation that built.
    pub(super) fn verdict(self) -> Verdict {
        match self.success {
            _ if !self.began() => Verdict::Broken(format!("no test ran\n{}", self.output)),
            None => Verdict::CaughtByTimeout,
            Some(false) => Verdict::Caught,
            Some(true) => Verdict::Survived,
        }
    }
}

/// What became of a mutation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not build, or its test did not run: a fault of the mutation.
    Broken(String),
    /// Its test failed.
    Caught,
    /// Its test did not end.
    CaughtByTimeout,
    /// Its test passed.
    Survived,
}

impl Verdict {
    /// Its word in the table.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Broken(_) => "broken",
            Self::Caught => "caught",
            Self::CaughtByTimeout => "caught by timeout",
            Self::Survived => "SURVIVED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(output: &str, success: Option<bool>) -> TestRun {
        TestRun { output: output.to_owned(), success }
    }

    #[test]
    fn only_a_test_that_ran_catches_a_mutation() {
        let ran = "running 1 test\ntest a::it_holds ... ok\n";
        assert_eq!(run(ran, Some(true)).verdict(), Verdict::Survived);
        assert_eq!(run("running 2 tests\n", Some(false)).verdict(), Verdict::Caught);
        assert_eq!(run("running 1 test\n", None).verdict(), Verdict::CaughtByTimeout);
        assert_eq!(run("running 0 tests\n", Some(true)).verdict().word(), "broken");
        assert_eq!(run("error: no such package\n", Some(false)).verdict().word(), "broken");
        let campaign = "crash: begins, --seed 1\n\n== crash (2.0 s)\n";
        assert_eq!(run(campaign, Some(true)).verdict(), Verdict::Survived);
        assert_eq!(run(&format!("{campaign}VIOLATION: lost\n"), Some(false)).verdict(), Verdict::Caught);
        let could_not = format!("{campaign}COULD NOT RUN: no server\n");
        assert_eq!(run(&could_not, Some(false)).verdict().word(), "broken");
    }

    #[test]
    fn a_test_is_green_when_it_ran_and_none_failed() {
        let output = "running 2 tests\ntest a::it_holds ... ok\ntest a::other ... FAILED\n";
        assert!(run(output, Some(true)).passed("it_holds"));
        assert!(!run(output, Some(false)).passed("it_holds"));
        assert!(!run(output, Some(true)).passed("other"));
        assert!(!run(output, Some(true)).passed("missing"));
        assert!(run("crash: begins, --seed 1\n", Some(true)).passed("crash"));
        assert!(!run("crash: begins, --seed 1\n", Some(true)).passed("power"));
    }
}
