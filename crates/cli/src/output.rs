//! What commands say, and how they end.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// The exit status of a command that was refused, or found nothing.
pub(crate) const REFUSED: u8 = 1;

/// Writes a line to standard output at once, for a process that goes on whether it is read or not.
pub(crate) fn say(text: &str) {
    // Nobody is there to be told.
    let _ = write_out(text);
}

/// Writes the result of a command to standard output.
///
/// # Errors
///
/// The exit status, after the reason was said: a result that was not written is no success. A reader that has read enough and
/// gone away is none.
pub(crate) fn print(text: &str) -> Result<(), ExitCode> {
    match write_out(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failed("write its result", &error)),
        _ => Ok(()),
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end_matches('\n'))?;
    out.flush()
}

/// Writes a line to standard error, if anybody reads it.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says why a command failed, with its causes.
pub(crate) fn failed(doing: &str, error: &dyn std::error::Error) -> ExitCode {
    complain(&format!("lydian could not {doing}: {error}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        complain(&format!("  because: {error}"));
        cause = error.source();
    }
    ExitCode::from(REFUSED)
}

/// A runtime with this many threads; as many as processors for zero.
///
/// # Errors
///
/// The exit status, after the reason was said.
pub(crate) fn runtime(worker_threads: usize) -> Result<tokio::runtime::Runtime, ExitCode> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if worker_threads > 0 {
        builder.worker_threads(worker_threads);
    }
    builder.enable_all().build().map_err(|error| failed("start its threads", &error))
}

/// An instant for people (RFC 3339), from seconds since 1970.
pub(crate) fn instant(seconds: u64) -> String {
    /// 9999-12-31T23:59:59Z, the last instant that the form can say.
    const LAST: u64 = 253_402_300_799;
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.min(LAST));
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A table with a head, its columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let lines: Vec<String> =
        [line(&head), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect();
    lines.join("\n")
}
