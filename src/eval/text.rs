//! A report as plain text.

use std::fmt::{Result, Write};

use crate::eval::statistics::{Calibration, Rate, Share, Spread};
use crate::eval::{Aim, Contender, Early, Figures, Group, Report, Settings, SpeakAt};

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
    for (name, value) in self::settings(settings) {
        writeln!(out, "{name}: {value}")?;
    }
    for stress in &settings.stress {
        writeln!(out, "stress: {stress}")?;
    }
    writeln!(out, "\nAgainst the aims")?;
    for aim in &report.aims {
        let [measured, floor, goal, reached] = self::aim(aim);
        writeln!(out, "{:42} {measured:32} floor {floor:9} goal {goal:9} {reached}", aim.name)?;
    }
    if !report.comparison.is_empty() {
        writeln!(out)?;
        comparison(out, report)?;
    }
    writeln!(out, "\nTold of each kind (95 % intervals are Wilson's)")?;
    confusion(out, report)?;
    writeln!(out, "\nTold rightly of each label")?;
    for label in &report.by_label {
        writeln!(out, "{:10} {}", label.label, share(&label.right))?;
    }

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
    for bin in &report.calibration.bins {
        let right = share(&bin.right);
        writeln!(out, "  {:.1} to {:.1}: mean confidence {:.3}, right {right}", bin.from, bin.to, bin.confidence)?;
    }

    writeln!(out, "\nDecided")?;
    writeln!(out, "people, after the greeting's end: {}", spread(all.human_after_greeting_s.as_ref(), "s"))?;
    writeln!(out, "automated, after the speech's onset: {}", spread(all.automated_after_onset_s.as_ref(), "s"))?;
    let machines = report.machine_after_onset_s.as_ref();
    writeln!(out, "machines alone, after the speech's onset: {}", spread(machines, "s"))?;
    for within in &report.told_within {
        let (people, automated) = (share(&within.people), share(&within.automated));
        writeln!(out, "  within {:5.2} s: people {people:32} automated {automated}", within.seconds)?;
    }
    for (label, times) in &report.decided_s {
        writeln!(out, "{label}, after the answer: {}", spread(Some(times), "s"))?;
    }
    writeln!(out, "speech onset error: {}", spread(report.speech_onset_error_s.as_ref(), "s"))?;
    writeln!(out, "speech onset early by over 0.3 s: {}", share(&report.speech_onset_early))?;

    writeln!(out, "\nBeeps")?;
    let beeps = &all.beeps;
    writeln!(out, "recall: {}", share(&beeps.recall))?;
    if beeps.recall_clear.of > 0 {
        writeln!(out, "recall of those 10 dB and more over the noise: {}", share(&beeps.recall_clear))?;
    }
    writeln!(out, "onset error: {}", spread(beeps.onset_error_s.as_ref(), "s"))?;
    writeln!(out, "offset error: {}", spread(beeps.offset_error_s.as_ref(), "s"))?;
    writeln!(out, "frequency error: {}", spread(beeps.frequency_error_hz.as_ref(), "Hz"))?;
    writeln!(out, "told after its end: {}", spread(beeps.told_after_end_s.as_ref(), "s"))?;
    writeln!(out, "false: {}", rate(&beeps.false_beeps))?;
    for (kind, count) in &beeps.false_in {
        writeln!(out, "  in {kind}: {count}")?;
    }

    if let Some(early) = &report.early {
        writeln!(out, "\nTold before the decision, and corrected after it")?;
        for (name, value) in self::early(early) {
            writeln!(out, "{name}: {value}")?;
        }
    }

    if listens_to_the_end(settings) {
        writeln!(out, "\nMoments to speak")?;
        for (name, value) in speak_at(&report.speak_at) {
            writeln!(out, "{name}: {value}")?;
        }
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

/// What it was measured with beside the grammar, in words: names and values.
pub(super) fn settings(settings: &Settings) -> Vec<(&'static str, String)> {
    let point = &settings.operating_point;
    let loss = point.human_loss.map(|loss| format!(", measured to lose {:.2} % of the people", 100.0 * loss));
    let row = format!(
        "row {} of {} for the {}{} (Speed-Vs-Accuracy {}, max_human_loss {})",
        point.row,
        point.rows,
        point.of,
        loss.unwrap_or_default(),
        point.speed_vs_accuracy,
        point.max_human_loss,
    );
    let models = (!settings.models.is_empty()).then(|| settings.models.join(", "));
    [
        ("model", settings.model.clone()),
        ("models, each for its calls", models),
        ("operating points", settings.points.clone()),
        ("operating point", Some(row)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// What was told before the decision, and corrected after it, in words: names and values.
pub(super) fn early(early: &Early) -> [(&'static str, String); 6] {
    [
        ("people and automated answers with an early word", share(&early.told)),
        ("  a person or automated, rightly", share(&early.first_right)),
        ("  the same as decided", share(&early.first_kept)),
        ("  before the decision", spread(early.before_decision_s.as_ref(), "s")),
        ("corrected", share(&early.corrected)),
        ("  rightly", share(&early.corrected_right)),
    ]
}

/// Whether moments to speak and beeps are what was listened for.
pub(super) fn listens_to_the_end(settings: &Settings) -> bool {
    settings.goal != "answer"
}

/// The moments to speak in words: names and values.
pub(super) fn speak_at(told: &SpeakAt) -> [(&'static str, String); 7] {
    [
        ("told of greetings without a beep", share(&told.without_beep)),
        ("  while the greeting goes on", share(&told.over_greeting)),
        ("  else after its end", spread(told.after_greeting_s.as_ref(), "s")),
        ("told of greetings with a beep", share(&told.with_beep)),
        ("  before the beep's end", share(&told.before_beep)),
        ("  else after it", spread(told.after_beep_s.as_ref(), "s")),
        ("told of people", share(&told.people)),
    ]
}

/// What was measured for an aim, its floor, its goal, and what is reached.
pub(super) fn aim(aim: &Aim) -> [String; 4] {
    let Aim { unit, measured, interval, of, .. } = aim;
    let number = |value: f64| if *unit == "%" { format!("{value:.1}") } else { format!("{value:.2}") };
    let measured = measured.map_or_else(
        || "-".to_owned(),
        |value| {
            let interval = interval.map(|(low, high)| format!(" [{}-{}]", number(low), number(high)));
            format!("{} {unit}{} ({of})", number(value), interval.unwrap_or_default()).replace("  ", " ")
        },
    );
    let sign = if aim.more_is_better { "\u{2265}" } else { "\u{2264}" };
    let bound = |value: f64| format!("{sign} {value} {unit}").trim_end().to_owned();
    [measured, bound(aim.floor), bound(aim.goal), aim.reached.as_str().to_owned()]
}

/// The columns of a comparison: of people and of automated answers those told human or automated; median and 95 % of the
/// times of decision, people's after the greeting's end, the others' after the onset; beeps found, the median of when they
/// are told after their beginning, false ones in an hour.
pub(super) const CONTENDER_COLUMNS: [&str; 9] = [
    "people told human",
    "people told auto",
    "auto told auto",
    "auto told human",
    "people after",
    "auto after",
    "beeps found",
    "told after onset",
    "false an hour",
];

/// A contender's figures, in the order of [`CONTENDER_COLUMNS`].
pub(super) fn contender(contender: &Contender) -> [String; 9] {
    let percent = |share: &Share| {
        let (low, high) = share.interval();
        let [low, high] = [low, high].map(|share| 100.0 * share);
        share.value().map_or_else(|| "-".to_owned(), |value| format!("{:.1} [{low:.0}-{high:.0}] %", 100.0 * value))
    };
    let rate = contender.false_beeps.and_then(|rate| Some((rate.per_hour?, rate.interval?)));
    [
        percent(&contender.people_told_human),
        percent(&contender.people_told_automated),
        percent(&contender.automated_told_automated),
        percent(&contender.automated_told_human),
        times(contender.human_after_greeting_s),
        times(contender.automated_after_onset_s),
        percent(&contender.beep_recall),
        contender.beep_after_onset_s.map_or_else(|| "-".to_owned(), |spread| format!("{:.2} s", spread.median)),
        rate.map_or_else(|| "-".to_owned(), |(rate, (low, high))| format!("{rate:.1} [{low:.1}-{high:.1}]")),
    ]
}

/// Where a contender told beeps that are none.
pub(super) fn false_in(contender: &Contender) -> String {
    let kinds = contender.false_in.iter().map(|(kind, share)| format!("{kind} {} of {}", share.hits, share.of));
    kinds.collect::<Vec<_>>().join(", ")
}

fn comparison(out: &mut String, report: &Report) -> Result {
    let width = report.comparison.iter().map(|each| each.name.chars().count()).max().unwrap_or(0);
    write!(out, "{:width$}", "Compared")?;
    for column in CONTENDER_COLUMNS {
        write!(out, " {column:>18}")?;
    }
    writeln!(out)?;
    for each in &report.comparison {
        write!(out, "{:width$}", each.name)?;
        for cell in contender(each) {
            write!(out, " {cell:>18}")?;
        }
        writeln!(out)?;
    }
    for each in report.comparison.iter().filter(|each| !each.false_in.is_empty()) {
        writeln!(out, "false beeps of {}: {}", each.name, false_in(each))?;
    }
    Ok(())
}

/// Median and 95 % of times.
fn times(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.2}/{:.2} s", spread.median, spread.p95))
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
        write!(out, " {column:>13}")?;
    }
    writeln!(out)?;
    for group in groups {
        let figures = &group.figures;
        write!(out, "{:width$} {:>6}", name(&group.name), figures.right.of)?;
        for cell in cells(figures) {
            write!(out, " {cell:>13}")?;
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
/// ROC curve; median and 95 % of the times of decision, people's after the greeting's end, the others' after the onset.
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
    [
        of(&figures.right),
        of(&figures.people_told_human),
        of(&figures.people_told_automated),
        of(&figures.automated_told_automated),
        of(&figures.automated_told_human),
        figures.auc.map_or_else(|| "-".to_owned(), |auc| format!("{:.3}", auc.area)),
        times(figures.human_after_greeting_s),
        times(figures.automated_after_onset_s),
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
