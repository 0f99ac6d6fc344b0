//! The charts of a report.

use crate::eval::statistics::{Calibration, Share, Spread};
use crate::eval::{Report, Told, ToldBeep};
use crate::plot::color::{BLUE, GREEN, GREY, INK, PAPER, PURPLE, VERMILION};
use crate::plot::{Anchor, Area, Axes, Axis, Color, Drawing, Tick};

/// Letters within a chart.
const LETTERS: f64 = 12.0;
/// Bars of a histogram, about.
const BARS: usize = 30;

fn square() -> (Drawing, Area) {
    (Drawing::new(460.0, 430.0), Area { x: 52.0, y: 30.0, width: 388.0, height: 350.0 })
}

fn wide() -> (Drawing, Area) {
    (Drawing::new(460.0, 210.0), Area { x: 52.0, y: 34.0, width: 388.0, height: 126.0 })
}

/// People and automated answers told apart by the confidence: the curve, its interval, and what was decided.
pub(super) fn roc(report: &Report) -> Drawing {
    let (mut drawing, area) = square();
    let axes = Axes { area, x: Axis::share("automated answers told human"), y: Axis::share("people told human") };
    axes.draw(&mut drawing);
    drawing.dashed(vec![axes.at((0.0, 0.0)), axes.at((1.0, 1.0))], GREY, 1.0);
    curve(&mut drawing, &axes, report);
    // What counts is in the corner: larger, where there is room.
    let percent = |at: &[u8]| {
        let ticks = at.iter().map(|at| Tick { at: f64::from(*at) / 100.0, text: at.to_string() });
        ticks.collect::<Vec<_>>()
    };
    let corner = Axes {
        area: Area { x: area.x + 178.0, y: area.y + 112.0, width: 196.0, height: 150.0 },
        x: Axis { from: 0.0, to: 0.2, name: String::new(), ticks: percent(&[0, 5, 10, 15, 20]) },
        y: Axis { from: 0.8, to: 1.0, name: "the corner".to_owned(), ticks: percent(&[80, 85, 90, 95, 100]) },
    };
    let paper = Area { x: area.x + 148.0, y: area.y + 88.0, width: 238.0, height: 200.0 };
    drawing.rect(paper, PAPER);
    corner.draw(&mut drawing);
    curve(&mut drawing, &corner, report);
    // What others decided; answerd's own point is drawn with its curve.
    for contender in report.comparison.iter().filter(|contender| !contender.name.starts_with("answerd")) {
        let (people, automated) = (&contender.people_told_human, &contender.automated_told_human);
        let (Some(y), Some(x)) = (people.value(), automated.value()) else { continue };
        let (x, y) = axes.at((x, y));
        let hint = format!(
            "{}: people {} of {}, automated {} of {}",
            contender.name, people.hits, people.of, automated.hits, automated.of
        );
        drawing.dot((x, y), 4.0, PURPLE, hint);
        drawing.text((x + 8.0, y + 4.0), contender.name.clone(), LETTERS, Anchor::Start, PURPLE);
    }
    let x = axes.at_x(0.98);
    if let Some(auc) = report.all.auc {
        let line = format!("area {:.3} [{:.3}-{:.3}]", auc.area, auc.low, auc.high);
        drawing.text((x, axes.at_y(0.14)), line, LETTERS + 1.0, Anchor::End, BLUE);
    } else {
        drawing.text((x, axes.at_y(0.14)), "needs people and automated answers", LETTERS, Anchor::End, GREY);
    }
    drawing.text((x, axes.at_y(0.085)), "band: Wilson's 95 % interval", LETTERS, Anchor::End, GREY);
    drawing.text((x, axes.at_y(0.03)), "as decided, with both intervals", LETTERS, Anchor::End, VERMILION);
    drawing
}

/// The ROC curve with its band, and the point that was decided by, as far as the axes reach.
fn curve(drawing: &mut Drawing, axes: &Axes, report: &Report) {
    let value = |share: &Share| share.value().unwrap_or(0.0);
    let inside = |(x, y): (f64, f64)| x <= axes.x.to && y >= axes.y.from;
    let points: Vec<_> =
        report.roc.iter().map(|point| (point, (value(&point.automated), value(&point.people)))).collect();
    // The curve begins where nobody is told.
    let mut line: Vec<(f64, f64)> = std::iter::once((0.0, 0.0)).chain(points.iter().map(|(_, at)| *at)).collect();
    line.retain(|at| inside(*at));
    let (mut band, mut lower) = (Vec::new(), Vec::new());
    for (point, at) in points.iter().filter(|(_, at)| inside(*at)) {
        let (low, high) = point.people.interval();
        band.push(axes.at((at.0, high)));
        lower.push(axes.at((at.0, low)));
    }
    lower.reverse();
    band.extend(lower);
    drawing.polygon(band, BLUE.faint(0.15));
    drawing.line(line.into_iter().map(|at| axes.at(at)).collect(), BLUE, 2.0);
    for (point, at) in points.iter().filter(|(_, at)| inside(*at)) {
        let hint = format!(
            "from confidence {:.3}: people {} of {}, automated {} of {}",
            point.threshold, point.people.hits, point.people.of, point.automated.hits, point.automated.of
        );
        drawing.dot(axes.at(*at), 2.5, BLUE, hint);
    }
    let (people, automated) = (&report.all.people_told_human, &report.all.automated_told_human);
    let at = (value(automated), value(people));
    if people.of > 0 && automated.of > 0 && inside(at) {
        let (x, y) = axes.at(at);
        let ((low, high), (left, right)) = (people.interval(), automated.interval());
        drawing.line(vec![(x, axes.at_y(low)), (x, axes.at_y(high))], VERMILION, 1.5);
        drawing.line(vec![(axes.at_x(left), y), (axes.at_x(right), y)], VERMILION, 1.5);
        let hint = format!(
            "as decided: people {} of {}, automated {} of {}",
            people.hits, people.of, automated.hits, automated.of
        );
        drawing.dot((x, y), 4.5, VERMILION, hint);
    }
}

/// Confidences against how often they are right.
pub(super) fn reliability(calibration: &Calibration) -> Drawing {
    let (mut drawing, area) = square();
    let axes = Axes { area, x: Axis::share("confidence"), y: Axis::share("right") };
    axes.draw(&mut drawing);
    let most = calibration.bins.iter().map(|bin| bin.right.of).max().unwrap_or(1) as f64;
    for bin in &calibration.bins {
        // How many there are, as bars at the foot.
        let (left, right) = (axes.at_x(bin.from) + 1.0, axes.at_x(bin.to) - 1.0);
        let height = 60.0 * bin.right.of as f64 / most;
        let bar = Area { x: left, y: area.bottom() - height, width: right - left, height };
        drawing.bar(bar, GREY.faint(0.25), format!("{} calls", bin.right.of));
        let count = bin.right.of.to_string();
        drawing.text((f64::midpoint(left, right), bar.y - 3.0), count, LETTERS - 2.0, Anchor::Middle, GREY);
    }
    drawing.dashed(vec![axes.at((0.0, 0.0)), axes.at((1.0, 1.0))], GREY, 1.0);
    let points: Vec<_> =
        calibration.bins.iter().map(|bin| (bin, (bin.confidence, bin.right.value().unwrap_or(0.0)))).collect();
    drawing.line(points.iter().map(|(_, at)| axes.at(*at)).collect(), BLUE.faint(0.5), 1.5);
    for (bin, at) in points {
        let (low, high) = bin.right.interval();
        let x = axes.at_x(at.0);
        drawing.line(vec![(x, axes.at_y(low)), (x, axes.at_y(high))], BLUE, 1.5);
        let hint = format!("confidence {:.3}: right {} of {}", bin.confidence, bin.right.hits, bin.right.of);
        drawing.dot((x, axes.at_y(at.1)), 4.0, BLUE, hint);
    }
    let text = calibration
        .error
        .map_or_else(|| "no call".to_owned(), |error| format!("expected calibration error {:.1} %", 100.0 * error));
    drawing.text((axes.at_x(0.03), axes.at_y(0.95)), text, LETTERS + 1.0, Anchor::Start, BLUE);
    let below = format!("{} calls; bars: how many", calibration.count);
    drawing.text((axes.at_x(0.03), axes.at_y(0.90)), below, LETTERS, Anchor::Start, GREY);
    drawing
}

/// When people and automated answers were told.
pub(super) fn times(report: &Report) -> [Drawing; 2] {
    let (people, automated) = (report.human_times(), report.automated_times());
    [
        histogram("people: seconds after the greeting's end", "s", &people, report.all.human_after_greeting_s, BLUE),
        histogram(
            "automated: seconds after the speech's onset",
            "s",
            &automated,
            report.all.automated_after_onset_s,
            VERMILION,
        ),
    ]
}

/// How far beeps told are from the true ones, and how late they are told.
pub(super) fn beeps(report: &Report) -> [Drawing; 3] {
    let of = |number: fn(&ToldBeep) -> Option<f64>| -> Vec<f64> {
        report.calls.iter().filter_map(|call: &Told| call.beep.as_ref()).filter_map(number).collect()
    };
    let ms = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1000.0);
    let onset = of(|beep| beep.onset_error_s).into_iter().map(|seconds| 1000.0 * seconds).collect::<Vec<_>>();
    let late = of(|beep| beep.told_after_end_s).into_iter().filter_map(|seconds| ms(Some(seconds))).collect::<Vec<_>>();
    let hertz = of(|beep| beep.frequency_error_hz);
    let spread = |values: &[f64]| Spread::of(values.to_vec());
    [
        histogram("beginning told minus true: milliseconds", "ms", &onset, spread(&onset), GREEN),
        histogram("frequency told minus true: hertz", "Hz", &hertz, spread(&hertz), GREEN),
        histogram("told after its end: milliseconds", "ms", &late, spread(&late), GREEN),
    ]
}

/// How numbers are distributed, with median, 90 % and 95 % marked. What lies far outside is gathered in the end bars.
fn histogram(name: &str, unit: &str, values: &[f64], spread: Option<Spread>, color: Color) -> Drawing {
    let (mut drawing, area) = wide();
    let Some(spread) = spread else {
        let axes = Axes { area, x: Axis::new(name, 0.0, 1.0, 5), y: Axis::new("calls", 0.0, 1.0, 1) };
        axes.draw(&mut drawing);
        let middle = (area.x + area.width / 2.0, area.y + area.height / 2.0);
        drawing.text(middle, "none", LETTERS, Anchor::Middle, GREY);
        return drawing;
    };
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((share * sorted.len() as f64) as usize).min(sorted.len() - 1)];
    // The middle 96 %, and as much again either side at most.
    let (low, high) = (at(0.02), at(0.98));
    let reach = (high - low).max(1e-3);
    let (from, to) = (sorted[0].max(low - reach).min(0.0), at(1.0).min(high + reach).max(from_zero(high)));
    let width = bar_width((to - from) / BARS as f64);
    let first = (from / width).floor();
    let bars = (((to / width).floor() - first) as usize + 1).min(4 * BARS);
    let mut counts = vec![0usize; bars];
    for value in values {
        let bar = ((value / width).floor() - first).clamp(0.0, (bars - 1) as f64);
        counts[bar as usize] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let mut y = Axis::new("calls", 0.0, most as f64 * 1.1, 4);
    y.ticks.retain(|tick| tick.at.fract() == 0.0);
    let axes = Axes { area, x: Axis::new(name, first * width, (first + bars as f64) * width, 8), y };
    axes.draw(&mut drawing);
    for (n, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let begin = (first + n as f64) * width;
        let (left, right, top) = (axes.at_x(begin), axes.at_x(begin + width), axes.at_y(*count as f64));
        let bar = Area { x: left + 0.5, y: top, width: (right - left - 1.0).max(0.5), height: area.bottom() - top };
        let outside = if n == 0 || n + 1 == bars { ", and beyond" } else { "" };
        drawing.bar(bar, color.faint(0.75), format!("{begin:.3} to {:.3} {unit}{outside}: {count}", begin + width));
    }
    let marks = [("median", spread.median), ("90 %", spread.p90), ("95 %", spread.p95)];
    for (_, value) in marks {
        let x = axes.at_x(value);
        drawing.dashed(vec![(x, area.y), (x, area.bottom())], INK, 1.0);
    }
    let places = if unit == "s" { 2 } else { 0 };
    let told = marks.map(|(name, value)| format!("{name} {value:.places$}")).join(", ");
    let told = format!("{told} {unit} ({})", spread.count);
    drawing.text((area.right(), area.y - 8.0), told, LETTERS, Anchor::End, INK);
    drawing
}

/// A histogram shows zero.
fn from_zero(high: f64) -> f64 {
    if high > 0.0 { high } else { 0.0 }
}

/// A round width of at least `least`.
fn bar_width(least: f64) -> f64 {
    let least = least.max(1e-4);
    let power = 10.0_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|width| *width >= least).unwrap_or(power * 10.0)
}

/// A legend's entries in one row: a patch of colour and a name each.
pub(super) fn legend(drawing: &mut Drawing, at: (f64, f64), entries: &[(&str, Color)]) {
    let mut x = at.0;
    for (name, color) in entries {
        drawing.rect(Area { x, y: at.1 - 9.0, width: 10.0, height: 10.0 }, *color);
        drawing.text((x + 14.0, at.1), *name, LETTERS - 1.0, Anchor::Start, INK);
        x += 14.0 + 7.2 * name.len() as f64 + 14.0;
    }
}

/// Marks at given numbers.
pub(super) fn marks(texts: &[(f64, &str)]) -> Vec<Tick> {
    texts.iter().map(|(at, text)| Tick { at: *at, text: (*text).to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Shape;

    fn bars(drawing: &Drawing) -> Vec<&str> {
        let hints = drawing.shapes.iter().filter_map(|shape| match shape {
            Shape::Rect { hint, .. } => hint.as_deref(),
            _ => None,
        });
        hints.collect()
    }

    #[test]
    fn a_histogram_holds_every_number() {
        for values in [vec![0.5], vec![-3.0, 0.0, 0.001], (0..500).map(|n| f64::from(n * n)).collect(), vec![7.0; 9]] {
            let drawing = histogram("x", "s", &values, Spread::of(values.clone()), BLUE);
            let sum: usize =
                bars(&drawing).iter().map(|hint| hint.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
            assert_eq!(sum, values.len());
        }
        assert!(bars(&histogram("x", "s", &[], None, BLUE)).is_empty());
    }

    #[test]
    fn one_far_out_does_not_squeeze_the_others() {
        let mut values: Vec<f64> = (0..100).map(|n| f64::from(n) / 100.0).collect();
        values.push(1e6);
        let drawing = histogram("x", "s", &values, Spread::of(values.clone()), BLUE);
        assert!(bars(&drawing).len() > 10, "{:?}", bars(&drawing));
    }

    #[test]
    fn charts_of_nothing_say_so() {
        let report = Report::new(crate::eval::Settings::default(), &[], Vec::new());
        assert!(roc(&report).to_svg().contains("needs people and automated answers"));
        assert!(reliability(&report.calibration).to_svg().contains("no call"));
        assert!(times(&report)[0].to_svg().contains("none") && beeps(&report)[2].to_svg().contains("none"));
    }
}
