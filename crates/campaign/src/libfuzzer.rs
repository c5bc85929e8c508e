//! R17 again with coverage: the targets of `lydian-fuzz` under libFuzzer.
//!
//! The program is the package in `fuzz/`, a workspace of its own, because the instrumentation needs a nightly compiler. Where none is
//! installed, the campaign says that it did nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use lydian_fuzz::{Target, targets};

use crate::run::{Options, Report, Size, progress};

const FULL_SECONDS: u64 = 600;

/// What libFuzzer wants of the compiler: a counter on each edge, a table of them, and the operands of comparisons.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=16";

/// The triple is named, so that the flags are not for build scripts too.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Runs all targets, or those that are asked for, one after the other.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    if options.size == Size::Gate && options.rounds.is_none() {
        report.figure("SKIPPED", "the gate runs the targets without instrumentation (fuzz)");
        return Ok(report);
    }
    if !has_nightly() {
        report.figure("SKIPPED", "there is no nightly compiler: rustup toolchain install nightly");
        return Ok(report);
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let program = build(&directory)?;
    let chosen: Vec<&Target> = targets()
        .iter()
        .filter(|target| options.only.as_ref().is_none_or(|only| target.name.contains(only.as_str())))
        .collect();
    let bar = progress("libfuzzer", chosen.len() as u64);
    for target in chosen {
        run_target(&program, &directory, target, options, &mut report)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(report)
}

fn has_nightly() -> bool {
    let version = Command::new("cargo").args(["+nightly", "--version"]).stderr(Stdio::null()).output();
    version.is_ok_and(|output| output.status.success())
}

fn build(directory: &Path) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["+nightly", "build", "--release", "--target", TRIPLE])
        .current_dir(directory)
        .env("RUSTFLAGS", INSTRUMENTATION)
        // The variables of the cargo that started this program would bind the other one to its compiler.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .status()
        .context("start cargo +nightly")?;
    if !status.success() {
        bail!("build the package in {}", directory.display());
    }
    Ok(directory.join("target").join(TRIPLE).join("release/lydian-libfuzzer"))
}

fn run_target(
    program: &Path,
    directory: &Path,
    target: &Target,
    options: &Options,
    report: &mut Report,
) -> Result<()> {
    let grown = directory.join("target/corpus").join(target.name);
    std::fs::create_dir_all(&grown).context("make the folder of the corpus")?;
    for (number, seed) in target.seeds()?.iter().enumerate() {
        std::fs::write(grown.join(format!("seed-{number}")), seed).context("write a seed")?;
    }
    let dictionary = directory.join("target").join(format!("{}.dict", target.name));
    std::fs::write(&dictionary, words(target)).context("write the dictionary")?;
    let seconds = options.rounds(0, FULL_SECONDS);
    let output = Command::new(program)
        .env("LYDIAN_FUZZ_TARGET", target.name)
        .current_dir(directory.join("target"))
        .args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={}", target.bytes_max),
            // libFuzzer takes 0 for "any seed".
            format!("-seed={}", options.seed % u64::from(u32::MAX) + 1),
            format!("-artifact_prefix={}-", target.name),
            "-timeout=2".to_owned(),
            "-rss_limit_mb=1024".to_owned(),
            "-print_final_stats=1".to_owned(),
        ])
        // It does not take a dictionary without words.
        .args((!target.words.is_empty()).then(|| format!("-dict={}", dictionary.display())))
        .arg(&grown)
        .output()
        .context("start the program with the instrumentation")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let figure = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("stat::{name}:")));
        line.map_or("?", str::trim).to_owned()
    };
    let last = said.lines().rev().find(|line| line.contains(" cov: ")).unwrap_or_default();
    let covered = last.split(" cov: ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("?");
    report.figure(
        target.name,
        format!(
            "{} executions, {}/s, {covered} edges, {} new inputs, {} MiB",
            figure("number_of_executed_units"),
            figure("average_exec_per_sec"),
            figure("new_units_added"),
            figure("peak_rss_mb")
        ),
    );
    if !output.status.success() {
        let tail: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        report.violations.push(format!("{}: {}", target.name, tail.join("\n")));
    }
    Ok(())
}

/// The words of a target in the form of libFuzzer's dictionaries.
fn words(target: &Target) -> String {
    let quoted = |word: &&str| -> String {
        let bytes: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{bytes}\"\n")
    };
    target.words.iter().map(quoted).collect()
}
