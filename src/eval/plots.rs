//! The report's charts as files of their own, for documents.

use crate::eval::{Report, charts};
use crate::plot::color::{GREY, INK, PAPER};
use crate::plot::{Anchor, Area, Drawing};

/// Room around the charts, and between them.
const MARGIN: f64 = 14.0;
/// Height of a title's letters.
const TITLE: f64 = 15.0;
/// Room for title and the line below it.
const HEAD: f64 = 50.0;

/// File names and drawings. The same report gives the same bytes.
#[must_use]
pub fn plots(report: &Report) -> Vec<(&'static str, Drawing)> {
    let calls = report.all.right.of;
    let below = format!("{calls} calls, {}", report.settings.grammar);
    vec![
        ("roc.svg", titled("People against automated answers", &below, [charts::roc(report)])),
        (
            "reliability.svg",
            titled(
                "Reliability of confidences, all kinds of calls",
                &below,
                [charts::reliability(&report.calibration)],
            ),
        ),
        ("decision-times.svg", titled("When it was decided", &below, charts::times(report))),
        ("beep-errors.svg", titled("Beeps, told against true", &below, charts::beeps(report))),
    ]
}

/// Drawings below one another under a title.
fn titled<const N: usize>(title: &str, below: &str, charts: [Drawing; N]) -> Drawing {
    let width = charts.iter().map(|chart| chart.width).fold(0.0, f64::max) + 2.0 * MARGIN;
    let height = HEAD + charts.iter().map(|chart| chart.height + MARGIN).sum::<f64>();
    let mut page = Drawing::new(width, height);
    page.rect(Area { x: 0.0, y: 0.0, width, height }, PAPER);
    page.text((MARGIN, MARGIN + TITLE), title, TITLE, Anchor::Start, INK);
    page.text((MARGIN, MARGIN + 2.0 * TITLE + 2.0), below, 12.0, Anchor::Start, GREY);
    let mut top = HEAD;
    for chart in charts {
        let next = top + chart.height + MARGIN;
        page.place((MARGIN, top), chart);
        top = next;
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Settings;

    #[test]
    fn each_file_has_its_title_and_charts_stand_apart() {
        let report = Report::new(Settings { grammar: "g:x".to_owned(), ..Settings::default() }, &[], Vec::new());
        let files = plots(&report);
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["roc.svg", "reliability.svg", "decision-times.svg", "beep-errors.svg"]);
        for (name, drawing) in &files {
            let svg = drawing.to_svg();
            assert!(svg.contains("0 calls, g:x"), "{name}");
        }
        let (one, two) = (files[0].1.height, files[3].1.height);
        assert!(one > 400.0 && two > 3.0 * 150.0);
        assert_eq!(plots(&report), files);
    }
}
