//! One recording's picture: what was heard, what was believed, what was decided.

use crate::audio::{SAMPLE_RATE, SampleTime};
use crate::detect::{Beep, Label, Method, Moment, Outcome, Provisional, Trace};
use crate::eval::charts::{legend, marks};
use crate::plot::color::{BLUE, BROWN, GREEN, GREY, INK, ORANGE, PAPER, PURPLE, SILVER, SKY, SLATE, VERMILION, YELLOW};
use crate::plot::{Anchor, Area, Axes, Axis, Color, Drawing, Image};

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
/// Upper edge and height of the panels.
const SPECTROGRAM: (f64, f64) = (128.0, 230.0);
const TONES: (f64, f64) = (394.0, 90.0);
const LEVEL: (f64, f64) = (522.0, 120.0);
const BELIEF: (f64, f64) = (680.0, 160.0);
const HEIGHT: f64 = 896.0;
/// Columns of the spectrogram at most.
const COLUMNS: usize = 2_200;
/// The spectrogram's range under its loudest sound, in dB.
const RANGE_DB: f32 = 70.0;
/// The level's axis.
const LEVEL_DB: (f64, f64) = (-80.0, 0.0);
/// A tone that may be a beep is marked from this score on.
const SCORE_LEAST: f32 = 0.2;
const LETTERS: f64 = 12.0;

/// The picture of a recording that was decided so: spectrogram, tones, level and speech, and the labels' probabilities,
/// under one axis of time. `early` is what was told before the decision, and what corrects it.
#[must_use]
pub fn picture(title: &str, trace: &Trace, outcome: &Outcome, early: &[Provisional]) -> Drawing {
    let mut drawing = Drawing::new(WIDTH, HEIGHT);
    drawing.rect(Area { x: 0.0, y: 0.0, width: WIDTH, height: HEIGHT }, PAPER);
    let sure = f64::from(outcome.confidence);
    drawing.text((LEFT, 30.0), title, 17.0, Anchor::Start, INK);
    let told = format!("{} {sure:.2} at {:.2} s", outcome.label, outcome.timeline.decided_at.as_secs());
    drawing.text(
        (LEFT, 52.0),
        format!("{told}: {}", outcome.reason),
        LETTERS + 1.0,
        Anchor::Start,
        color_of(outcome.label),
    );

    let heard = trace.moments.last().map_or(0.0, |moment| moment.end.as_secs());
    let events = events(outcome, early);
    let last = events.last().map_or(0.0, |event| event.0.as_secs());
    let end = heard.max(last);
    let panel = |(y, height): (f64, f64), axis: Axis| Axes {
        area: Area { x: LEFT, y, width: WIDTH - LEFT - RIGHT, height },
        x: Axis::new("seconds after the answer", 0.0, end.max(0.1), 16),
        y: axis,
    };
    let hertz = |name: &str| Axis {
        from: 0.0,
        to: 4000.0,
        name: name.to_owned(),
        ticks: marks(&[(0.0, "0"), (1000.0, "1"), (2000.0, "2"), (3000.0, "3"), (4000.0, "4")]),
    };
    let spectrogram = panel(SPECTROGRAM, hertz("spectrogram, kHz"));
    draw_spectrogram(&mut drawing, &spectrogram, trace, heard);
    let tones = panel(TONES, hertz("tones, kHz"));
    draw_tones(&mut drawing, &tones, trace);
    let level = panel(LEVEL, Axis::new("level, dB", LEVEL_DB.0, LEVEL_DB.1, 4));
    draw_level(&mut drawing, &level, trace);
    let belief = panel(BELIEF, Axis::share("probability by the model"));
    draw_belief(&mut drawing, belief.clone(), trace);
    belief.draw_x(&mut drawing);
    for axes in [&spectrogram, &tones, &level, &belief] {
        draw_events(&mut drawing, axes, outcome.timeline.beep, &events, heard);
    }
    name_events(&mut drawing, &spectrogram, outcome.timeline.beep, &events);
    drawing
}

/// Each label has its colour.
fn color_of(label: Label) -> Color {
    match label {
        Label::Human => BLUE,
        Label::Machine => VERMILION,
        Label::Screening => PURPLE,
        Label::Ivr => ORANGE,
        Label::Fax => BROWN,
        Label::Sit => SLATE,
        Label::Busy => YELLOW,
        Label::Ringback => SKY,
        Label::Music | Label::Beep => GREEN,
        Label::Silence => SILVER,
        Label::Unknown => GREY,
    }
}

fn draw_spectrogram(drawing: &mut Drawing, axes: &Axes, trace: &Trace, heard: f64) {
    axes.draw_y(drawing);
    let Some(first) = trace.moments.first() else { return };
    let rows = first.spectrum_db.len();
    let columns = trace.moments.len().min(COLUMNS);
    // Each column shows the loudest of its moments.
    let mut loudest = vec![f32::MIN; columns * rows];
    let mut missing = vec![true; columns];
    for (n, moment) in trace.moments.iter().enumerate() {
        let column = n * columns / trace.moments.len();
        if moment.missing {
            continue;
        }
        missing[column] = false;
        for (row, db) in moment.spectrum_db.iter().enumerate() {
            let cell = &mut loudest[column * rows + row];
            *cell = cell.max(*db);
        }
    }
    let top = loudest.iter().copied().fold(-60.0, f32::max);
    let mut rgb = Vec::with_capacity(columns * rows * 3);
    for row in (0..rows).rev() {
        for column in 0..columns {
            let share = (loudest[column * rows + row] - top + RANGE_DB) / RANGE_DB;
            rgb.extend(if missing[column] { [0xff, 0xff, 0xff] } else { heat(share) });
        }
    }
    let area = Area { width: axes.at_x(heard) - axes.area.x, ..axes.area };
    drawing.image(area, Image { width: columns as u32, height: rows as u32, rgb });
    axes.frame(drawing);
}

/// From dark over red to bright, for 0.0 to 1.0.
fn heat(share: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 6] = [
        [10.0, 8.0, 30.0],
        [60.0, 15.0, 95.0],
        [140.0, 35.0, 100.0],
        [215.0, 75.0, 60.0],
        [250.0, 155.0, 30.0],
        [252.0, 250.0, 185.0],
    ];
    let along = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let stop = (along as usize).min(STOPS.len() - 2);
    let part = along - stop as f32;
    std::array::from_fn(|n| (STOPS[stop][n] * (1.0 - part) + STOPS[stop + 1][n] * part).round() as u8)
}

fn draw_tones(drawing: &mut Drawing, axes: &Axes, trace: &Trace) {
    axes.draw_y(drawing);
    for moment in &trace.moments {
        let (right, left) = (axes.at_x(moment.end.as_secs()), axes.at_x(moment.end.as_secs() - 0.01));
        for hz in moment.tones.iter().filter(|hz| **hz > 0.0) {
            let y = axes.at_y(f64::from(*hz)) - 1.0;
            drawing.rect(Area { x: left, y, width: (right - left).max(1.0), height: 2.0 }, SLATE);
        }
    }
    for candidate in trace.candidates.iter().filter(|candidate| candidate.score >= SCORE_LEAST) {
        let beep = candidate.beep;
        let (left, right) = (axes.at_x(beep.on.as_secs()), axes.at_x(beep.off.as_secs()));
        let y = axes.at_y(f64::from(beep.hz)) - 4.0;
        let area = Area { x: left, y, width: (right - left).max(2.0), height: 8.0 };
        let hint =
            format!("{:.0} Hz for {} ms: a beep with {:.2}", beep.hz, beep.off.ms_since(beep.on), candidate.score);
        drawing.bar(area, GREEN.faint(0.2 + 0.6 * f64::from(candidate.score)), hint);
    }
    axes.frame(drawing);
    let at = (axes.area.right() - 250.0, axes.area.y - 8.0);
    legend(drawing, at, &[("tone", SLATE), ("may be a beep", GREEN)]);
}

fn draw_level(drawing: &mut Drawing, axes: &Axes, trace: &Trace) {
    for (from, to) in stretches(trace, |moment| moment.speaking) {
        let (left, right) = (axes.at_x(from), axes.at_x(to));
        drawing.rect(Area { x: left, width: right - left, ..axes.area }, BLUE.faint(0.10));
    }
    for (from, to) in stretches(trace, |moment| moment.missing) {
        let (left, right) = (axes.at_x(from), axes.at_x(to));
        drawing.rect(Area { x: left, width: right - left, ..axes.area }, VERMILION.faint(0.15));
    }
    axes.draw_y(drawing);
    axes.frame(drawing);
    let of = |number: fn(&Moment) -> f32| {
        trace.moments.iter().map(|moment| axes.at((moment.end.as_secs(), f64::from(number(moment))))).collect()
    };
    drawing.line(of(|moment| moment.floor_db), ORANGE, 1.2);
    drawing.line(of(|moment| moment.level_db), INK, 1.0);
    let at = (axes.area.right() - 430.0, axes.area.y - 8.0);
    legend(
        drawing,
        at,
        &[
            ("level", INK),
            ("noise floor", ORANGE),
            ("speech", BLUE.faint(0.25)),
            ("did not arrive", VERMILION.faint(0.25)),
        ],
    );
}

/// Times of the recording, in seconds from and to, over which something holds.
fn stretches(trace: &Trace, holds: impl Fn(&Moment) -> bool) -> Vec<(f64, f64)> {
    let mut found: Vec<(f64, f64)> = Vec::new();
    let mut last = false;
    for moment in &trace.moments {
        let (now, end) = (holds(moment), moment.end.as_secs());
        match found.last_mut() {
            Some(stretch) if now && last => stretch.1 = end,
            _ if now => found.push((end - 0.01, end)),
            _ => {}
        }
        last = now;
    }
    found
}

fn draw_belief(drawing: &mut Drawing, mut axes: Axes, trace: &Trace) {
    if trace.steps.iter().all(|step| step.method == Method::Rules) {
        axes.y.name = "probability by rules, %".to_owned();
    }
    axes.draw_y(drawing);
    let labels: Vec<Label> =
        trace.steps.first().map(|step| step.of.map(|(label, _)| label).to_vec()).unwrap_or_default();
    // Each label's share stands on those before it.
    let mut below = vec![0.0; trace.steps.len()];
    for (n, label) in labels.iter().enumerate() {
        let (mut upper, mut lower) = (Vec::new(), Vec::new());
        for (step, below) in trace.steps.iter().zip(&mut below) {
            let (right, left) = (axes.at_x(step.end.as_secs()), axes.at_x(step.end.as_secs() - 0.1));
            lower.extend([(left, axes.at_y(*below)), (right, axes.at_y(*below))]);
            *below += f64::from(step.of[n].1);
            upper.extend([(left, axes.at_y(*below)), (right, axes.at_y(*below))]);
        }
        lower.reverse();
        upper.extend(lower);
        drawing.polygon(upper, color_of(*label).faint(0.85));
    }
    axes.frame(drawing);
    let entries: Vec<(&str, Color)> =
        labels.iter().map(|label| (label.as_str(), color_of(*label).faint(0.85))).collect();
    legend(drawing, (axes.area.right() - 760.0, axes.area.y - 8.0), &entries);
}

/// What happened when, with its colour and name.
type Event = (SampleTime, Color, String);

/// Everything that happened, in order.
fn events(outcome: &Outcome, early: &[Provisional]) -> Vec<Event> {
    let timeline = &outcome.timeline;
    let optional = [
        (timeline.speech_on, BLUE, "speech"),
        (timeline.greeting_end, BLUE, "end of greeting"),
        (timeline.speak_at, GREEN, "speak"),
        (Some(timeline.decided_at), VERMILION, "decided"),
    ];
    let mut events: Vec<Event> =
        optional.into_iter().filter_map(|(at, color, name)| Some((at?, color, name.to_owned()))).collect();
    events.extend(early.iter().map(|early| {
        let what = if early.at <= timeline.decided_at { "likely" } else { "corrected:" };
        (early.at, color_of(early.label), format!("{what} {}", early.label))
    }));
    events.sort_by_key(|event| event.0);
    events
}

fn draw_events(drawing: &mut Drawing, axes: &Axes, beep: Option<Beep>, events: &[Event], heard: f64) {
    let Area { y, .. } = axes.area;
    let bottom = axes.area.bottom();
    if let Some(beep) = beep {
        let (left, right) = (axes.at_x(beep.on.as_secs()), axes.at_x(beep.off.as_secs()));
        drawing.rect(Area { x: left, width: (right - left).max(1.0), ..axes.area }, GREEN.faint(0.22));
        for x in [left, right] {
            drawing.line(vec![(x, y), (x, bottom)], GREEN, 1.5);
        }
    }
    if heard < axes.x.to {
        let x = axes.at_x(heard);
        drawing.line(vec![(x, y), (x, bottom)], GREY, 1.0);
    }
    for (at, color, _) in events {
        let x = axes.at_x(at.as_secs());
        drawing.dashed(vec![(x, y), (x, bottom)], *color, 1.5);
    }
}

/// The events' names above a panel, in rows so that none stands on another.
fn name_events(drawing: &mut Drawing, axes: &Axes, beep: Option<Beep>, events: &[Event]) {
    let mut names: Vec<(f64, Color, String)> = events
        .iter()
        .map(|(at, color, name)| (axes.at_x(at.as_secs()), *color, format!("{name} {:.2}", at.as_secs())))
        .collect();
    if let Some(beep) = beep {
        let ms = (beep.off.0 - beep.on.0) * 1000 / u64::from(SAMPLE_RATE);
        names.push((axes.at_x(beep.on.as_secs()), GREEN, format!("beep {:.0} Hz, {ms} ms", beep.hz)));
    }
    names.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The axis has its name at the left of the lowest row.
    let mut taken = [LEFT + 110.0, LEFT, LEFT, LEFT];
    for (x, color, name) in names {
        let length = 6.6 * name.len() as f64;
        let begin = (x + 3.0).min(WIDTH - RIGHT - length);
        // Where none is free, the one that is free first.
        let freest = (0..taken.len()).min_by(|a, b| taken[*a].total_cmp(&taken[*b])).unwrap_or(0);
        let row = taken.iter().position(|taken| *taken <= begin).unwrap_or(freest);
        let y = SPECTROGRAM.0 - 6.0 - 15.0 * row as f64;
        drawing.text((begin, y), name, LETTERS - 1.0, Anchor::Start, color);
        taken[row] = begin + length + 8.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::Frame;
    use crate::detect::{End, Model, Timeline};

    fn outcome(beep: Option<Beep>) -> Outcome {
        let timeline = Timeline {
            decided_at: SampleTime(12_000),
            speech_on: Some(SampleTime(1_000)),
            beep,
            speak_at: beep.map(|beep| beep.off),
            ..Timeline::default()
        };
        Outcome {
            end: End::Decided,
            label: Label::Machine,
            confidence: 0.9,
            alternatives: Vec::new(),
            reason: "<reason>".to_owned(),
            method: Method::Rules,
            timeline,
            sit: None,
            findings: None,
        }
    }

    #[test]
    fn a_recording_is_drawn_with_what_was_decided() {
        let sound: Vec<i16> = (0..8_000).map(|n| ((n as f32 * 0.8).sin() * 9_000.0) as i16).collect();
        let frames = [Frame::Sound(&sound), Frame::Missing { samples: 400 }];
        let trace = Trace::of(&mut Model::rules(), &frames);
        let beep = Beep { on: SampleTime(4_000), off: SampleTime(8_000), hz: 1_018.0, level_db: -10.0 };
        let early = |label, at, corrects| Provisional {
            label,
            confidence: 0.6,
            started: SampleTime(0),
            at: SampleTime(at),
            method: Method::Rules,
            reason: String::new(),
            corrects,
            beep: None,
        };
        let told = [early(Label::Human, 9_600, None), early(Label::Ivr, 16_000, Some(Label::Machine))];
        let svg = picture("a & b.wav", &trace, &outcome(Some(beep)), &told).to_svg();
        for part in [
            "a &amp; b.wav",
            "&lt;reason&gt;",
            "data:image/png;base64,",
            "decided 1.50",
            "likely human 1.20",
            "corrected: ivr 2.00",
            "beep 1018 Hz, 500 ms",
            "by rules",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(
            svg.matches("stroke-dasharray").count(),
            5 * 4,
            "speech, speak, decided and both others, in each panel"
        );
    }

    #[test]
    fn an_empty_recording_has_a_picture_too() {
        let drawing = picture("", &Trace::default(), &outcome(None), &[]);
        assert!(!drawing.to_svg().contains("NaN"));
        assert!(drawing.to_png().len() > 1_000);
    }
}
