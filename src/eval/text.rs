//! A report as plain text.

use std::fmt::{Result, Write};

use crate::eval::statistics::{Calibration, Rate, Share, Spread};
use crate::eval::{Figures, Group, Report};

/// The report as tables, to be read in a terminal.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("a String takes whatever is written");
    text
}

/// A share in words: percent, and its 95 % interval.
pub(super) fn share(share: &Share) -> String {
    let (low, high) = share.interval();
    share.value().map_or_else(
        || "-".to_owned(),
        |value| {
            let percent = [value, low, high].map(|share| 100.0 * share);
            format!("{:.1} % [{:.1}-{:.1}] ({} of {})", percent[0], percent[1], percent[2], share.hits, share.of)
        },
    )
}

/// A spread in words.
pub(super) fn spread(spread: Option<&Spread>, unit: &str) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |Spread { count, median, p90, p95, worst }| {
            format!("median {median:.3}, 90 % {p90:.3}, 95 % {p95:.3}, worst {worst:.3} {unit} ({count})")
        },
    )
}

/// A rate in words.
pub(super) fn rate(rate: &Rate) -> String {
    let minutes = rate.hours * 60.0;
    match (rate.per_hour, rate.interval) {
        (Some(per_hour), Some((low, high))) => {
            format!("{per_hour:.2} an hour [{low:.2}-{high:.2}] ({} in {minutes:.1} minutes heard)", rate.count)
        }
        _ => "-".to_owned(),
    }
}

/// A calibration in words.
pub(super) fn error(calibration: &Calibration) -> String {
    let error = calibration.error.map_or_else(|| "-".to_owned(), |error| format!("{:.1} %", 100.0 * error));
    format!("{error} ({})", calibration.count)
}

fn write(out: &mut String, report: &Report) -> Result {
    let settings = &report.settings;
    writeln!(out, "{}: {} calls, {}, {}", settings.truth, report.all.right.of, settings.grammar, settings.backend)?;
    if !settings.models.is_empty() {
        writeln!(out, "models, each for its calls: {}", settings.models.join(", "))?;
    }
    for stress in &settings.stress {
        writeln!(out, "stress: {stress}")?;
    }
    writeln!(out, "\nTold of each kind (95 % intervals are Wilson's)")?;
    confusion(out, report)?;

    let all = &report.all;
    writeln!(out, "\nright: {}", share(&all.right))?;
    writeln!(out, "people told human: {}", share(&all.people_told_human))?;
    writeln!(out, "people told automated, or as a tone or music: {}", share(&all.people_told_automated))?;
    writeln!(out, "automated told automated: {}", share(&all.automated_told_automated))?;
    writeln!(out, "automated told human: {}", share(&all.automated_told_human))?;
    if let Some(auc) = &all.auc {
        writeln!(out, "ROC, people against automated: area {:.4} [{:.4}-{:.4}]", auc.area, auc.low, auc.high)?;
        roc(out, report)?;
    }
    writeln!(out, "expected calibration error: {}", error(&report.calibration))?;
    writeln!(out, "expected calibration error, people and automated: {}", error(&report.calibration_speech))?;

    writeln!(out, "\nDecided")?;
    writeln!(out, "people, after the greeting's end: {}", spread(all.human_after_greeting_s.as_ref(), "s"))?;
    writeln!(out, "automated, after the speech's onset: {}", spread(all.automated_after_onset_s.as_ref(), "s"))?;
    for (label, times) in &report.decided_s {
        writeln!(out, "{label}, after the answer: {}", spread(Some(times), "s"))?;
    }
    writeln!(out, "speech onset error: {}", spread(report.speech_onset_error_s.as_ref(), "s"))?;
    writeln!(out, "speech onset early by over 0.3 s: {}", share(&report.speech_onset_early))?;

    writeln!(out, "\nBeeps")?;
    let beeps = &all.beeps;
    writeln!(out, "recall: {}", share(&beeps.recall))?;
    writeln!(out, "onset error: {}", spread(beeps.onset_error_s.as_ref(), "s"))?;
    writeln!(out, "offset error: {}", spread(beeps.offset_error_s.as_ref(), "s"))?;
    writeln!(out, "frequency error: {}", spread(beeps.frequency_error_hz.as_ref(), "Hz"))?;
    writeln!(out, "told after its end: {}", spread(beeps.told_after_end_s.as_ref(), "s"))?;
    writeln!(out, "false: {}", rate(&beeps.false_beeps))?;
    for (kind, count) in &beeps.false_in {
        writeln!(out, "  in {kind}: {count}")?;
    }

    for (title, groups) in [
        ("kind", &report.by_kind),
        ("fold", &report.by_fold),
        ("codec", &report.by_codec),
        ("source", &report.by_source),
    ] {
        if groups.is_empty() {
            continue;
        }
        writeln!(out)?;
        table(out, title, groups)?;
        for worst in report.worst_folds.iter().filter(|_| title == "fold") {
            writeln!(out, "worst fold, {}: {}, {}", worst.of, name(&worst.fold), share(&worst.share))?;
        }
    }

    if report.wrong().next().is_some() {
        writeln!(out, "\nWrong")?;
    }
    for call in report.wrong() {
        let truth = format!("{} {}", call.truth, call.detail);
        let (label, sure, at) = (call.label, call.confidence, call.decided_at_s);
        writeln!(out, "{}: {} told {label} {sure:.2} at {at:.2} s: {}", call.file, truth.trim_end(), call.reason)?;
    }
    for failed in &report.failed {
        writeln!(out, "not measured: line {}, {}: {}", failed.line, failed.file, failed.error)?;
    }
    Ok(())
}

fn confusion(out: &mut String, report: &Report) -> Result {
    let told = report.told();
    write!(out, "{:22}{:>6} ", "", "calls")?;
    for label in &told {
        write!(out, "{label:>10}")?;
    }
    writeln!(out, "   right")?;
    for row in &report.confusion {
        write!(out, "{:22}{:>6} ", format!("{} {}", row.label, row.detail), row.right.of)?;
        for label in &told {
            let count = row.told.get(label).map_or_else(|| ".".to_owned(), usize::to_string);
            write!(out, "{count:>10}")?;
        }
        writeln!(out, "   {}", share(&row.right))?;
    }
    Ok(())
}

/// The points of the curve at which few people or few automated answers are lost.
fn roc(out: &mut String, report: &Report) -> Result {
    for wanted in [0.9, 0.95, 0.99] {
        let point = report.roc.iter().find(|point| point.people.value().is_some_and(|share| share >= wanted));
        if let Some(point) = point {
            let (threshold, automated) = (point.threshold, share(&point.automated));
            writeln!(out, "  {:.0} % of people reach {threshold:.3}, and of automated {automated}", 100.0 * wanted)?;
        }
    }
    Ok(())
}

fn table(out: &mut String, title: &str, groups: &[Group]) -> Result {
    let width = groups.iter().map(|group| group.name.chars().count()).max().unwrap_or(0).max(14);
    let head = format!("By {title}");
    write!(out, "{head:width$} {:>6}", "calls")?;
    for column in COLUMNS {
        write!(out, " {column:>12}")?;
    }
    writeln!(out)?;
    for group in groups {
        let figures = &group.figures;
        write!(out, "{:width$} {:>6}", name(&group.name), figures.right.of)?;
        for cell in cells(figures) {
            write!(out, " {cell:>12}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A group's name, where it has one.
pub(super) fn name(name: &str) -> &str {
    if name.is_empty() { "-" } else { name }
}

/// What the columns of a group are: of people and of automated answers those told human or automated; the area under the
/// ROC curve; the medians of the times of decision, people's after the greeting's end, the others' after the onset.
const COLUMNS: [&str; 10] = [
    "right",
    "people:human",
    "people:auto",
    "auto:auto",
    "auto:human",
    "ROC area",
    "people after",
    "auto after",
    "beeps found",
    "false beeps",
];

/// A group's figures, in the order of [`COLUMNS`].
pub(super) fn cells(figures: &Figures) -> [String; 10] {
    let of = |share: &Share| {
        if share.of == 0 { "-".to_owned() } else { format!("{} of {}", share.hits, share.of) }
    };
    let median =
        |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.2} s", spread.median));
    [
        of(&figures.right),
        of(&figures.people_told_human),
        of(&figures.people_told_automated),
        of(&figures.automated_told_automated),
        of(&figures.automated_told_human),
        figures.auc.map_or_else(|| "-".to_owned(), |auc| format!("{:.3}", auc.area)),
        median(figures.human_after_greeting_s),
        median(figures.automated_after_onset_s),
        of(&figures.beeps.recall),
        figures.beeps.false_beeps.count.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_words() {
        assert_eq!(share(&Share { hits: 15, of: 148 }), "10.1 % [6.2-16.0] (15 of 148)");
        assert_eq!(share(&Share::default()), "-");
        let spread_of = Spread { count: 3, median: 0.75, p90: 1.0, p95: 1.0, worst: 1.0 };
        assert_eq!(spread(Some(&spread_of), "s"), "median 0.750, 90 % 1.000, 95 % 1.000, worst 1.000 s (3)");
        assert_eq!(rate(&Rate::new(0, 0.5)), "0.00 an hour [0.00-7.38] (0 in 30.0 minutes heard)");
        assert_eq!(rate(&Rate::new(0, 0.0)), "-");
    }
}
