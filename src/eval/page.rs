//! Pages to look at: one HTML file each, with nothing from elsewhere.

use std::fmt::{Result, Write};

use crate::eval::text::{self, cells, error, rate, share, spread};
use crate::eval::{Group, Reached, Report, charts};
use crate::plot::{Drawing, escape};

const STYLE: &str = "\
:root{color-scheme:light;--ink:#1c242c;--grey:#6a7580;--line:#e3e7eb;--blue:#0072b2}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1500px;padding:28px 32px 60px;color:var(--ink);background:#f5f7f9;
font:15px/1.45 system-ui,'Segoe UI','DejaVu Sans',Arial,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:36px 0 12px}h3{font-size:14px;margin:0 0 6px;font-weight:600}
p{margin:4px 0}.grey{color:var(--grey)}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:14px;margin-top:22px}
.tile,.card{background:#fff;border:1px solid var(--line);border-radius:8px;padding:14px 16px}
.tile b{display:block;font-size:26px;line-height:1.2;font-weight:650}.tile small{color:var(--grey)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:14px;align-items:start}
svg{display:block;max-width:100%;height:auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
th{font-weight:600;text-align:right;color:var(--grey);padding:5px 10px;border-bottom:1px solid var(--line);vertical-align:bottom}
td{text-align:right;padding:4px 10px;border-bottom:1px solid #f0f2f4;white-space:nowrap}
th:first-child,td:first-child,.left{text-align:left}td.text{text-align:left;white-space:normal;min-width:260px}
.matrix td.cell{text-align:center;min-width:62px}.right{outline:2px solid var(--blue);outline-offset:-2px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:0;font-size:14px}dt{color:var(--grey)}dd{margin:0}
@media (max-width:900px){.tiles{grid-template-columns:repeat(2,1fr)}.cards{grid-template-columns:1fr}}
@media print{body{background:#fff}}
";

/// The report as a page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut html = String::new();
    write(&mut html, report).expect("a String takes whatever is written");
    html
}

/// The picture of one recording as a page: its title, the drawing, and what was told in words, name and value.
#[must_use]
pub fn picture_page(title: &str, drawing: &Drawing, told: &[(&str, String)]) -> String {
    let mut html = String::new();
    head(&mut html, title)
        .and_then(|()| {
            write!(html, "<h1>{}</h1>\n<div class=\"card scroll\" style=\"margin-top:18px\">", escape(title))?;
            html.write_str(&drawing.to_svg())?;
            html.write_str("</div>\n<h2>Told</h2>\n<div class=\"card\"><dl>\n")?;
            for (name, value) in told {
                writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value))?;
            }
            html.write_str("</dl></div>\n</body>\n</html>\n")
        })
        .expect("a String takes whatever is written");
    html
}

fn head(html: &mut String, title: &str) -> Result {
    write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(title)
    )
}

fn write(html: &mut String, report: &Report) -> Result {
    let settings = &report.settings;
    head(html, &format!("answerd eval: {}", settings.truth))?;
    let all = &report.all;
    writeln!(html, "<h1>Who answered: {} calls</h1>", all.right.of)?;
    let mut with = vec![settings.truth.clone(), settings.grammar.clone(), settings.backend.clone()];
    with.extend(text::settings(settings).into_iter().map(|(name, value)| format!("{name}: {value}")));
    with.extend(settings.stress.iter().cloned());
    with.push(format!("answerd {}", settings.version));
    writeln!(html, "<p class=\"grey\">{}</p>", escape(&with.join(" \u{b7} ")))?;
    tiles(html, report)?;

    html.write_str("<h2>Against the aims</h2>\n<div class=\"card scroll\">\n")?;
    aims(html, report)?;
    html.write_str("</div>\n")?;
    if !report.comparison.is_empty() {
        html.write_str("<h2>Compared on the same calls</h2>\n<div class=\"card scroll\">\n")?;
        comparison(html, report)?;
        html.write_str("</div>\n")?;
    }
    html.write_str("<h2>Told of each kind</h2>\n<div class=\"card scroll\">\n")?;
    matrix(html, report)?;
    html.write_str("</div>\n<h2>People against automated answers</h2>\n<div class=\"cards\">\n")?;
    card(html, "ROC: the confidence that it is a person", &[charts::roc(report)])?;
    card(html, "Reliability of confidences, people and automated", &[charts::reliability(&report.calibration_speech)])?;
    card(html, "When it was decided", &charts::times(report))?;
    html.write_str("</div>\n<h2>Beeps</h2>\n<div class=\"cards\">\n")?;
    let [onset, hertz, late] = charts::beeps(report);
    card(html, "Where it begins", &[onset])?;
    card(html, "Its frequency", &[hertz])?;
    card(html, "When it is told", &[late])?;
    html.write_str("</div>\n")?;
    if let Some(early) = &report.early {
        list(html, "Told before the decision, and corrected after it", &text::early(early))?;
    }
    if text::listens_to_the_end(settings) {
        list(html, "Moments to speak", &text::speak_at(&report.speak_at))?;
    }
    html.write_str("<h2>Figures</h2>\n<div class=\"card\"><dl>\n")?;
    figures(html, report)?;
    html.write_str("</dl></div>\n")?;
    for (name, groups) in [
        ("kind", &report.by_kind),
        ("fold", &report.by_fold),
        ("codec", &report.by_codec),
        ("source", &report.by_source),
    ] {
        if groups.is_empty() {
            continue;
        }
        writeln!(html, "<h2>By {name}</h2>\n<div class=\"card scroll\">")?;
        table(html, name, groups)?;
        for worst in report.worst_folds.iter().filter(|_| name == "fold") {
            let fold = escape(text::name(&worst.fold));
            writeln!(html, "<p>worst fold, {}: {fold}, {}</p>", worst.of, share(&worst.share))?;
        }
        html.write_str("</div>\n")?;
    }
    wrong(html, report)?;
    html.write_str("</body>\n</html>\n")
}

fn aims(html: &mut String, report: &Report) -> Result {
    html.write_str(
        "<table><tr><th></th><th class=\"left\">measured</th><th>floor</th><th>goal</th><th class=\"left\">reached</th></tr>\n",
    )?;
    for aim in &report.aims {
        let [measured, floor, goal, reached] = text::aim(aim);
        let ink = match aim.reached {
            Reached::Goal => "#007a5a",
            Reached::Floor => "#0072b2",
            Reached::Nothing => "#b84a00",
            Reached::NotMeasured => "#6a7580",
        };
        writeln!(
            html,
            "<tr><td>{}</td><td class=\"left\">{measured}</td><td>{floor}</td><td>{goal}</td>\
             <td class=\"left\" style=\"color:{ink}\">{reached}</td></tr>",
            escape(&aim.name)
        )?;
    }
    html.write_str("</table>\n")
}

fn comparison(html: &mut String, report: &Report) -> Result {
    html.write_str("<table><tr><th></th>")?;
    for column in text::CONTENDER_COLUMNS {
        write!(html, "<th>{column}</th>")?;
    }
    html.write_str("</tr>\n")?;
    for contender in &report.comparison {
        write!(html, "<tr><td>{}</td>", escape(&contender.name))?;
        for cell in text::contender(contender) {
            write!(html, "<td>{cell}</td>")?;
        }
        html.write_str("</tr>\n")?;
    }
    html.write_str("</table>\n")?;
    for contender in report.comparison.iter().filter(|contender| !contender.false_in.is_empty()) {
        let kinds = escape(&text::false_in(contender));
        writeln!(html, "<p class=\"grey\">false beeps of {}: {kinds}</p>", escape(&contender.name))?;
    }
    Ok(())
}

fn list(html: &mut String, title: &str, lines: &[(&str, String)]) -> Result {
    writeln!(html, "<h2>{title}</h2>\n<div class=\"card\"><dl>")?;
    for (name, value) in lines {
        writeln!(html, "<dt>{}</dt><dd>{}</dd>", name.trim_start(), escape(value))?;
    }
    html.write_str("</dl></div>\n")
}

fn tiles(html: &mut String, report: &Report) -> Result {
    let all = &report.all;
    let percent = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{:.1} %", 100.0 * value));
    let between = |(low, high): (f64, f64)| format!("95 %: {:.1} to {:.1} %", 100.0 * low, 100.0 * high);
    let tile = |share: &crate::eval::Share| (percent(share.value()), between(share.interval()));
    let auc = all.auc.map_or_else(
        || ("-".to_owned(), String::new()),
        |auc| (format!("{:.3}", auc.area), format!("95 %: {:.3} to {:.3}", auc.low, auc.high)),
    );
    let beeps = &all.beeps.false_beeps;
    let false_beeps = (
        beeps.per_hour.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1} / h")),
        format!("{} in {:.1} minutes heard", beeps.count, beeps.hours * 60.0),
    );
    let calibration = &report.calibration_speech;
    let ece = (percent(calibration.error), format!("people and automated: {} calls", calibration.count));
    html.write_str("<div class=\"tiles\">\n")?;
    for (name, (value, below)) in [
        ("people told human", tile(&all.people_told_human)),
        ("people told automated, tone or music", tile(&all.people_told_automated)),
        ("automated told automated", tile(&all.automated_told_automated)),
        ("automated told human", tile(&all.automated_told_human)),
        ("area under the ROC", auc),
        ("calibration error", ece),
        ("beeps found", tile(&all.beeps.recall)),
        ("false beeps", false_beeps),
    ] {
        let is_asked = text::listens_to_the_end(&report.settings) || !name.contains("beeps");
        let (value, below) = if is_asked { (value, below) } else { ("-".to_owned(), "not listened for".to_owned()) };
        writeln!(html, "<div class=\"tile\">{name}<b>{value}</b><small>{below}</small></div>")?;
    }
    html.write_str("</div>\n")
}

fn card(html: &mut String, title: &str, drawings: &[Drawing]) -> Result {
    writeln!(html, "<div class=\"card\"><h3>{title}</h3>")?;
    for drawing in drawings {
        html.write_str(&drawing.to_svg())?;
    }
    html.write_str("</div>\n")
}

fn matrix(html: &mut String, report: &Report) -> Result {
    let told = report.told();
    html.write_str("<table class=\"matrix\"><tr><th>it is</th><th>calls</th>")?;
    for label in &told {
        write!(html, "<th style=\"text-align:center\">{label}</th>")?;
    }
    html.write_str("<th>right</th></tr>\n")?;
    for row in &report.confusion {
        let kind = format!("{} {}", row.label, row.detail);
        write!(html, "<tr><td>{}</td><td>{}</td>", escape(kind.trim_end()), row.right.of)?;
        for label in &told {
            let count = row.told.get(label).copied().unwrap_or(0);
            let right = *label == row.label || (row.label == "machine" && *label == "beep");
            let depth = (count as f64 / row.right.of.max(1) as f64).sqrt();
            let hue = if right { "0,114,178" } else { "213,94,0" };
            let class = if *label == row.label { "cell right" } else { "cell" };
            let style = if count == 0 {
                String::new()
            } else {
                let ink = if depth > 0.75 { ";color:#fff" } else { "" };
                format!(" style=\"background:rgba({hue},{:.2}){ink}\"", 0.12 + 0.78 * depth)
            };
            let count = if count == 0 { String::new() } else { count.to_string() };
            write!(html, "<td class=\"{class}\"{style}>{count}</td>")?;
        }
        writeln!(html, "<td>{}</td></tr>", share(&row.right))?;
    }
    html.write_str("</table>\n")
}

fn figures(html: &mut String, report: &Report) -> Result {
    let all = &report.all;
    let beeps = &all.beeps;
    let mut lines = vec![
        ("right, all kinds", share(&all.right)),
        ("people told human", share(&all.people_told_human)),
        ("people told automated, or as a tone or music", share(&all.people_told_automated)),
        ("automated told automated", share(&all.automated_told_automated)),
        ("automated told human", share(&all.automated_told_human)),
        ("people decided, after the greeting's end", spread(all.human_after_greeting_s.as_ref(), "s")),
        ("automated decided, after the speech's onset", spread(all.automated_after_onset_s.as_ref(), "s")),
        ("speech onset error", spread(report.speech_onset_error_s.as_ref(), "s")),
        ("speech onset early by over 0.3 s", share(&report.speech_onset_early)),
        ("beep recall", share(&beeps.recall)),
        ("beep recall, 10 dB and more over the noise", share(&beeps.recall_clear)),
        ("beep onset error", spread(beeps.onset_error_s.as_ref(), "s")),
        ("beep offset error", spread(beeps.offset_error_s.as_ref(), "s")),
        ("beep frequency error", spread(beeps.frequency_error_hz.as_ref(), "Hz")),
        ("beep told after its end", spread(beeps.told_after_end_s.as_ref(), "s")),
        ("false beeps", rate(&beeps.false_beeps)),
        ("expected calibration error, all kinds", error(&report.calibration)),
        ("expected calibration error, people and automated", error(&report.calibration_speech)),
    ];
    for (label, times) in &report.decided_s {
        lines.push((label, format!("decided after the answer: {}", spread(Some(times), "s"))));
    }
    for (name, value) in lines {
        writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(&value))?;
    }
    Ok(())
}

fn table(html: &mut String, name: &str, groups: &[Group]) -> Result {
    write!(html, "<table><tr><th>{name}</th><th>calls</th>")?;
    for column in [
        "right",
        "people<br>told human",
        "people<br>told automated",
        "automated<br>told automated",
        "automated<br>told human",
        "ROC area",
        "people decided<br>after greeting",
        "automated decided<br>after onset",
        "beeps found",
        "false beeps",
    ] {
        write!(html, "<th>{column}</th>")?;
    }
    html.write_str("</tr>\n")?;
    for Group { name, figures } in groups {
        write!(html, "<tr><td>{}</td><td>{}</td>", escape(text::name(name)), figures.right.of)?;
        for cell in cells(figures) {
            write!(html, "<td>{cell}</td>")?;
        }
        html.write_str("</tr>\n")?;
    }
    html.write_str("</table>\n")
}

fn wrong(html: &mut String, report: &Report) -> Result {
    writeln!(html, "<h2>Wrong ones: {}</h2>", report.wrong().count())?;
    html.write_str(
        "<div class=\"card scroll\"><table><tr><th>file</th><th class=\"left\">it is</th><th class=\"left\">told</th>",
    )?;
    html.write_str("<th>confidence</th><th>human</th><th>decided</th><th>greeting</th><th class=\"left\">why</th><th class=\"left\">source</th></tr>\n")?;
    for call in report.wrong() {
        let kind = format!("{} {}", call.truth, call.detail);
        let seconds = |at: Option<f64>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.2}"));
        writeln!(
            html,
            "<tr><td>{}</td><td class=\"left\">{}</td><td class=\"left\">{}</td><td>{:.2}</td><td>{:.2}</td>\
             <td>{:.2} s</td><td>{} to {} s</td><td class=\"text\">{}</td><td class=\"left\">{}</td></tr>",
            escape(&call.file),
            escape(kind.trim_end()),
            call.label,
            call.confidence,
            call.human,
            call.decided_at_s,
            seconds(call.true_speech_on_s),
            seconds(call.true_greeting_end_s),
            escape(&call.reason),
            escape(&call.source)
        )?;
    }
    html.write_str("</table></div>\n")?;
    if !report.failed.is_empty() {
        writeln!(html, "<h2>Not measured: {}</h2>\n<div class=\"card\"><dl>", report.failed.len())?;
        for failed in &report.failed {
            let error = escape(&failed.error);
            writeln!(html, "<dt>line {}, {}</dt><dd>{error}</dd>", failed.line, escape(&failed.file))?;
        }
        html.write_str("</dl></div>\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::{Failed, Settings};

    #[test]
    fn a_page_needs_nothing_from_elsewhere_and_shows_no_name_as_markup() {
        let failed = Failed { file: "<b>.wav".to_owned(), line: 3, error: "cannot read".to_owned() };
        let settings = Settings { truth: "<i>.csv".to_owned(), ..Settings::default() };
        let html = page(&Report::new(settings, &[], vec![failed]));
        assert!(html.contains("&lt;b&gt;.wav") && html.contains("&lt;i&gt;.csv"));
        assert!(!html.contains("<b>.wav") && !html.contains("<i>.csv"));
        for from_elsewhere in ["<script", "<link", "@import", "url(", " src="] {
            assert!(!html.contains(from_elsewhere), "{from_elsewhere}");
        }
        // The name of the SVG namespace is no address that is fetched.
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("http"));
    }
}
