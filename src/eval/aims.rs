//! What the project aims at, and what of it a report reaches.
//!
//! The numbers are the project's own: below its floors a version is not worth using, its goals are where it means to be. They
//! hold for calls from sources and voices that the model has not heard.

use serde::Serialize;

use crate::eval::statistics::{Share, Spread};
use crate::eval::{Figures, Report};

/// One aim, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aim {
    /// What is measured.
    pub name: String,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more is better; else less is.
    pub more_is_better: bool,
    /// What must be reached at least.
    pub floor: f64,
    /// What is aimed at.
    pub goal: f64,
    /// What was measured; `None` where nothing was there to be measured, or it was not asked for.
    pub measured: Option<f64>,
    /// Its 95 % interval, of shares and rates.
    pub interval: Option<(f64, f64)>,
    /// Over how many calls; for a rate, events.
    pub of: usize,
    /// What is reached.
    pub reached: Reached,
}

/// What of an aim is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The goal.
    Goal,
    /// The floor.
    Floor,
    /// Neither.
    Nothing,
    /// It was not measured.
    NotMeasured,
}

impl Reached {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goal => "goal",
            Self::Floor => "floor",
            Self::Nothing => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

/// The numbers of an aim: more is better, floor, goal.
type Bounds = (bool, f64, f64);

/// A measured number, its interval, and of how many.
type Measured = (Option<f64>, Option<(f64, f64)>, usize);

impl Aim {
    fn new(name: impl Into<String>, unit: &'static str, bounds: Bounds, measured: Measured) -> Self {
        let ((more_is_better, floor, goal), (value, interval, of)) = (bounds, measured);
        let holds = |value: f64, bound: f64| if more_is_better { value >= bound } else { value <= bound };
        let reached = match value {
            None => Reached::NotMeasured,
            Some(value) if holds(value, goal) => Reached::Goal,
            Some(value) if holds(value, floor) => Reached::Floor,
            Some(_) => Reached::Nothing,
        };
        Self { name: name.into(), unit, more_is_better, floor, goal, measured: value, interval, of, reached }
    }

    fn share(name: impl Into<String>, bounds: Bounds, share: Share) -> Self {
        let percent = |share: f64| 100.0 * share;
        let (low, high) = share.interval();
        let interval = (share.of > 0).then_some((percent(low), percent(high)));
        Self::new(name, "%", bounds, (share.value().map(percent), interval, share.of))
    }

    fn of_spread(
        name: &str,
        unit: &'static str,
        bounds: Bounds,
        spread: Option<Spread>,
        number: fn(Spread) -> f64,
    ) -> Self {
        Self::new(name, unit, bounds, (spread.map(number), None, spread.map_or(0, |spread| spread.count)))
    }
}

/// All aims against a report. Those of the time of an automated answer are for a listening that ends when it is told who
/// answered, those of beeps for one that goes on to the beep, those of who answered for one that is not for beeps alone.
#[must_use]
pub(super) fn aims(report: &Report) -> Vec<Aim> {
    let all = &report.all;
    let label = |wanted: &str| {
        let found = report.by_label.iter().find(|each| each.label == wanted);
        found.map_or(Share::default(), |each| each.right)
    };
    // A listening for beeps alone takes whatever speaks for a machine.
    let answers = report.settings.goal != "beep";
    let who = |share: Share| if answers { share } else { Share::default() };
    let mut aims = vec![
        Aim::share("people told human", (true, 97.0, 99.0), who(all.people_told_human)),
        Aim::share("people told automated, tone or music", (false, 2.0, 0.3), who(all.people_told_automated)),
        Aim::share("automated told automated", (true, 93.0, 98.5), who(all.automated_told_automated)),
        Aim::share("machine told as a machine", (true, 88.0, 97.0), who(label("machine"))),
        Aim::share("ivr told as ivr", (true, 40.0, 85.0), who(label("ivr"))),
        Aim::share("screening told as screening", (true, 60.0, 90.0), who(label("screening"))),
    ];
    for tone in ["sit", "fax", "busy", "ringback", "music", "silence"] {
        aims.push(Aim::share(format!("{tone} told as {tone}"), (true, 95.0, 99.0), label(tone)));
    }
    aims.push(Aim::share("speech told as tone, music or silence", (false, 0.0, 0.0), report.speech_told_otherwise));
    let times = all.human_after_greeting_s.filter(|_| answers);
    let (median, p95) = (|spread: Spread| spread.median, |spread: Spread| spread.p95);
    aims.push(Aim::of_spread("people, after the greeting's end: median", "s", (false, 1.1, 0.7), times, median));
    aims.push(Aim::of_spread("people, after the greeting's end: 95 %", "s", (false, 3.0, 1.5), times, p95));
    let machines = report.machine_after_onset_s.filter(|_| report.settings.goal == "answer");
    aims.push(Aim::of_spread("machine, after the speech's onset: median", "s", (false, 3.3, 2.0), machines, median));
    aims.extend(beeps(all, report.settings.goal != "answer"));
    let error = report.calibration.error.filter(|_| answers).map(|error| 100.0 * error);
    let calls = if answers { report.calibration.count } else { 0 };
    aims.push(Aim::new("expected calibration error", "%", (false, 3.0, 3.0), (error, None, calls)));
    aims
}

fn beeps(all: &Figures, listened_for: bool) -> Vec<Aim> {
    let beeps = &all.beeps;
    let if_asked = |spread: Option<Spread>| spread.filter(|_| listened_for);
    // The aim is for beeps that are clear, where it is known which are.
    let clear = beeps.recall_clear.of > 0;
    let recall = if clear { beeps.recall_clear } else { beeps.recall };
    let recall = if listened_for { recall } else { Share::default() };
    let rate = Some(beeps.false_beeps).filter(|_| listened_for);
    let ms = |spread: Spread| 1000.0 * spread.median;
    vec![
        Aim::share(if clear { "clear beeps found" } else { "beeps found" }, (true, 95.0, 99.5), recall),
        Aim::new(
            "false beeps an hour",
            "",
            (false, 1.0, 0.1),
            (
                rate.and_then(|rate| rate.per_hour),
                rate.and_then(|rate| rate.interval),
                rate.map_or(0, |rate| rate.count),
            ),
        ),
        Aim::of_spread(
            "beep told after its end: median",
            "ms",
            (false, 100.0, 50.0),
            if_asked(beeps.told_after_end_s),
            ms,
        ),
        Aim::of_spread("beep's onset error: median", "ms", (false, 20.0, 10.0), if_asked(beeps.onset_error_s), ms),
        Aim::of_spread(
            "beep's frequency error: median",
            "Hz",
            (false, 5.0, 2.0),
            if_asked(beeps.frequency_error_hz),
            |spread| spread.median,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_reached_as_far_as_its_numbers_say() {
        let reached = |bounds, hits| Aim::share("x", bounds, Share { hits, of: 100 }).reached;
        let more = (true, 95.0, 99.0);
        assert_eq!([99, 98, 95, 94].map(|hits| reached(more, hits)), {
            [Reached::Goal, Reached::Floor, Reached::Floor, Reached::Nothing]
        });
        let less = (false, 2.0, 1.0);
        assert_eq!([0, 1, 2, 3].map(|hits| reached(less, hits)), {
            [Reached::Goal, Reached::Goal, Reached::Floor, Reached::Nothing]
        });
        let nothing = Aim::share("x", more, Share::default());
        assert_eq!((nothing.reached, nothing.measured, nothing.interval), (Reached::NotMeasured, None, None));
    }

    #[test]
    fn what_was_not_listened_for_is_not_judged() {
        for (goal, times, beeps) in [("answer", true, false), ("voicemail", false, true), ("beep", false, true)] {
            let settings = crate::eval::Settings { goal, ..crate::eval::Settings::default() };
            let mut report = Report::new(settings, &[], Vec::new());
            let spread = Spread::of(vec![2.5]);
            report.machine_after_onset_s = spread;
            report.all.beeps.recall = Share { hits: 9, of: 10 };
            report.all.beeps.told_after_end_s = Spread::of(vec![0.06]);
            report.all.people_told_human = Share { hits: 98, of: 100 };
            let aims = aims(&report);
            let reached = |name: &str| aims.iter().find(|aim| aim.name.starts_with(name)).unwrap().reached;
            let judged = |yes, reached| if yes { reached } else { Reached::NotMeasured };
            assert_eq!(reached("people told human"), judged(goal != "beep", Reached::Floor), "{goal}");
            assert_eq!(reached("machine, after"), judged(times, Reached::Floor), "{goal}");
            assert_eq!(reached("beeps found"), judged(beeps, Reached::Nothing), "{goal}");
            assert_eq!(reached("beep told after"), judged(beeps, Reached::Floor), "{goal}");
        }
    }
}
