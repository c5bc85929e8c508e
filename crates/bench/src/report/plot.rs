//! The report as a picture: one bar for each row, its length how far the row got towards its target.
//!
//! The picture takes its colours from the reader's preference for light or dark, and has no background of its own.

use super::{Report, Row, Target, Verdict, number};
use crate::statistics::Spread;

const WIDTH: f64 = 1_160.0;
const LABEL_WIDTH: f64 = 560.0;
const BAR_WIDTH: f64 = 400.0;
const TOP: f64 = 74.0;
const ROW_HEIGHT: f64 = 34.0;
const BAR_HEIGHT: f64 = 16.0;
/// The axis ends here: more than half as good again as the target tells nobody anything.
const ATTAINMENT_MAX: f64 = 1.5;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.small{font-size:11px;fill:#57606a}\
.title{font-size:16px;font-weight:600}.met{fill:#1a7f37}.missed{fill:#cf222e}\
.mark{stroke:#24292f;stroke-width:1.5}.grid{stroke:#d0d7de}.spread{stroke:#24292f;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.met{fill:#3fb950}.missed{fill:#f85149}\
.mark,.spread{stroke:#e6edf3}.grid{stroke:#3d444d}}";

/// The picture as an SVG document.
pub fn draw(report: &Report) -> String {
    let rows: Vec<&Row> = report.rows.iter().filter(|row| row.target.is_some()).collect();
    let bottom = TOP + ROW_HEIGHT * rows.len() as f64;
    let height = bottom + 46.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"How far each row got towards its target\">\n\
         <style>{STYLE}</style>\n"
    );
    text(&mut svg, (16.0, 26.0), "title", "start", "Lydian: how far each row got towards its target");
    text(&mut svg, (16.0, 46.0), "small", "start", &report.machine_line());
    for step in 0..=3_u8 {
        let attainment = f64::from(step) * 0.5;
        let x = position(attainment);
        let class = if step == 2 { "mark" } else { "grid" };
        line(&mut svg, (x, TOP - 8.0), (x, bottom), class);
        let label = if step == 2 { "target".to_owned() } else { format!("{attainment:.1}") };
        text(&mut svg, (x, bottom + 16.0), "small", "middle", &label);
    }
    for (index, row) in rows.into_iter().enumerate() {
        draw_row(&mut svg, row, TOP + ROW_HEIGHT * index as f64);
    }
    let caption = "right of the mark is better; the thin line is the spread of the rounds";
    text(&mut svg, (16.0, height - 10.0), "small", "start", caption);
    svg.push_str("</svg>\n");
    svg
}

fn draw_row(svg: &mut String, row: &Row, top: f64) {
    let middle = top + ROW_HEIGHT / 2.0;
    text(svg, (16.0, middle - 2.0), "", "start", &format!("{} {}", row.id, row.what));
    let (Some(value), Some(target)) = (row.judged(), row.target) else {
        let reason = match &row.verdict {
            Verdict::NotMeasured(reason) => format!("not measured: {reason}"),
            _ => "not measured".to_owned(),
        };
        text(svg, (16.0, middle + 12.0), "small", "start", &reason);
        return;
    };
    text(svg, (16.0, middle + 12.0), "small", "start", &explanation(row, value, target));
    let class = if row.verdict == Verdict::Met { "met" } else { "missed" };
    let end = position(target.attainment(value.median));
    let width = end - LABEL_WIDTH;
    svg.push_str(&format!(
        "<rect class=\"{class}\" x=\"{LABEL_WIDTH}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" \
         rx=\"2\"/>\n",
        middle - BAR_HEIGHT / 2.0
    ));
    let extremes = (position(target.attainment(value.minimum)), position(target.attainment(value.maximum)));
    line(svg, (extremes.0, middle), (extremes.1, middle), "spread");
    // A column of its own, so that neither the mark nor another line crosses the text.
    let column = LABEL_WIDTH + BAR_WIDTH + 16.0;
    let disturbed = if row.disturbed { ", disturbed" } else { "" };
    text(svg, (column, middle + 4.0), "", "start", &format!("{} {class}{disturbed}", number(value.median)));
}

fn explanation(row: &Row, value: Spread, target: Target) -> String {
    let figure = row.figure.unwrap_or(value);
    let (sign, mark) = match target {
        Target::AtLeast(mark) => ("at least", mark),
        Target::AtMost(mark) => ("at most", mark),
    };
    let unit = &row.unit;
    match (&row.floor_name, row.floor) {
        (Some(name), Some(floor)) => format!(
            "{} {unit}, {name} {} {unit}; {sign} {}",
            number(figure.median),
            number(floor.median),
            number(mark)
        ),
        _ => format!("{} {unit}; {sign} {} {unit}", number(figure.median), number(mark)),
    }
}

/// Where an attainment lies on the axis.
fn position(attainment: f64) -> f64 {
    LABEL_WIDTH + BAR_WIDTH * attainment.clamp(0.0, ATTAINMENT_MAX) / ATTAINMENT_MAX
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), class: &str) {
    svg.push_str(&format!(
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\n",
        from.0, from.1, to.0, to.1
    ));
}

fn text(svg: &mut String, at: (f64, f64), class: &str, anchor: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    svg.push_str(&format!(
        "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{content}</text>\n",
        at.0, at.1
    ));
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn every_row_with_a_target_has_a_bar_or_says_why_not() {
        let svg = draw(&report());
        assert_eq!(svg.matches("<rect class=\"met\"").count(), 2);
        assert_eq!(svg.matches("<rect class=\"missed\"").count(), 1);
        assert!(svg.contains("not measured: no JWT API"));
        assert!(!svg.contains("oidc-provider"));
    }

    #[test]
    fn the_bar_reaches_the_mark_when_the_target_is_just_met() {
        for (target, value) in [(Target::AtLeast(0.9), 0.9), (Target::AtMost(1.1), 1.1)] {
            assert!((position(target.attainment(value)) - position(1.0)).abs() < 0.001);
        }
        assert!(position(target_missed()) < position(1.0));
        assert!(position(1e9) <= LABEL_WIDTH + BAR_WIDTH);
    }

    fn target_missed() -> f64 {
        Target::AtMost(1.1).attainment(1.2)
    }

    #[test]
    fn the_document_is_well_formed_whatever_a_row_is_called() {
        let svg = draw(&report());
        assert!(svg.contains("CPU &amp; &lt;requests&gt;"));
        for element in ["svg", "text", "style"] {
            let opened = svg.matches(&format!("<{element}")).count();
            assert_eq!(opened, svg.matches(&format!("</{element}>")).count(), "{element}");
        }
        assert!(svg.contains("prefers-color-scheme:dark"));
    }
}
