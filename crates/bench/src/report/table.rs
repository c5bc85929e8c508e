//! The report as a table for a terminal.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::{Report, Row, Target, Verdict, number};
use crate::statistics::Spread;

/// The whole report as text of at most `width` columns: machine, table, notes.
pub fn draw(report: &Report, width: u16) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(width);
    table.set_header(["id", "what", "target", "figure", "floor", "ratio", "spread", "verdict"]);
    for row in &report.rows {
        table.add_row(cells(row));
    }
    let mut text = format!("{}\n{table}\n", report.machine_line());
    for row in report.rows.iter().filter(|row| !row.notes.is_empty()) {
        text.push_str(&format!("\n{} {}\n", row.id, row.what));
        for note in &row.notes {
            text.push_str(&format!("  - {note}\n"));
        }
    }
    text
}

fn cells(row: &Row) -> Vec<Cell> {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let value = |spread: Option<Spread>| match spread {
        Some(spread) => format!("{} {}", number(spread.median), row.unit).trim_end().to_owned(),
        None => String::new(),
    };
    let floor = match &row.floor_name {
        Some(name) => format!("{}\n{name}", value(row.floor)),
        None => String::new(),
    };
    vec![
        Cell::new(&row.id),
        Cell::new(&row.what),
        right(target(row)),
        right(value(row.figure)),
        right(floor),
        right(row.ratio.map(|ratio| ratio_text(ratio.median)).unwrap_or_default()),
        right(row.judged().map(spread).unwrap_or_default()),
        Cell::new(verdict(row)),
    ]
}

/// A ratio with one digit more than its target has, so that a miss by a hair does not look like a hit.
fn ratio_text(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.3}") } else { number(ratio) }
}

fn target(row: &Row) -> String {
    let unit = if row.floor_name.is_some() { "" } else { &row.unit };
    let text = match row.target {
        None => return String::new(),
        Some(Target::AtLeast(mark)) => format!("\u{2265} {} {unit}", number(mark)),
        Some(Target::AtMost(mark)) => format!("\u{2264} {} {unit}", number(mark)),
    };
    text.trim_end().to_owned()
}

fn spread(value: Spread) -> String {
    format!("{} to {}", number(value.minimum), number(value.maximum))
}

fn verdict(row: &Row) -> String {
    let word = match &row.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::ForScale => "for scale",
        Verdict::NotMeasured(reason) => return format!("NOT MEASURED: {reason}"),
    };
    if row.disturbed { format!("{word}, but DISTURBED") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn the_table_shows_target_figure_floor_ratio_spread_and_verdict() {
        let text = draw(&report(), 160);
        let line = text.lines().find(|line| line.contains("P1") && line.contains("throughput")).unwrap();
        for part in ["\u{2265} 0.90", "91,000 1/s", "100,000 1/s", "0.910", "0.90 to 0.92", "met"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        assert!(text.contains("MISSED"), "{text}");
        assert!(text.contains("NOT MEASURED: no JWT API"), "{text}");
        assert!(text.contains("\u{2264} 25.0 MB"), "{text}");
        assert!(text.starts_with("Some Processor, 2 cores"));
        assert!(text.contains("  - server 100 % of its core, generator 71 %"));
    }

    #[test]
    fn a_disturbed_row_does_not_pass_for_a_sound_one() {
        let mut report = report();
        report.rows[0].disturbed = true;
        assert!(draw(&report, 160).contains("met, but DISTURBED"));
        assert!(super::super::plot::draw(&report).contains("0.91 met, disturbed"));
    }

    #[test]
    fn a_narrow_terminal_gets_a_table_that_fits() {
        for width in [80, 100, 200] {
            let text = draw(&report(), width);
            let table = text.lines().filter(|line| line.starts_with(['│', '┌', '╞', '└']));
            let widest = table.map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width), "{widest} in {width}:\n{text}");
        }
    }
}
