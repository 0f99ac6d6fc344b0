//! Several ways to tell who answered, and where a beep is, on the same calls.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audio::SAMPLE_RATE;
use crate::detect::{Label, Outcome};
use crate::eval::Truth;
use crate::eval::baseline::{Desa2, EnergyRules, Status};
use crate::eval::statistics::{Rate, Share, Spread};

/// A beep told to begin so much before the true one, or told so long after its end, is the true one, in seconds.
const BEEP_NEAR_S: f64 = 0.2;

/// What one way told of one call. Times are in seconds of the recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Who answered; `None` if this way does not tell it.
    pub who: Option<Label>,
    /// When it was decided, or the recording ended.
    pub at_s: f64,
    /// Whether this way tells beeps.
    pub tells_beeps: bool,
    /// The beep: its beginning as far as it is told, and when it was told.
    pub beep: Option<(f64, f64)>,
}

impl Answer {
    /// What answerd told.
    #[must_use]
    pub fn of_outcome(outcome: &Outcome) -> Self {
        let at_s = outcome.timeline.decided_at.as_secs();
        let beep = outcome.timeline.beep.map(|beep| (beep.on.as_secs(), at_s));
        Self { who: Some(outcome.label), at_s, tells_beeps: true, beep }
    }

    /// What Asterisk's energy rules tell, with its sample configuration.
    #[must_use]
    pub fn of_energy_rules(samples: &[i16]) -> Self {
        let analysis = EnergyRules::default().decide(samples);
        let who = match analysis.status {
            Status::Human => Label::Human,
            Status::Machine => Label::Machine,
            Status::NotSure => Label::Unknown,
        };
        Self { who: Some(who), at_s: analysis.at_ms as f64 / 1000.0, tells_beeps: false, beep: None }
    }

    /// What a DESA-2 detector tells that listens from the answer on.
    #[must_use]
    pub fn of_desa(samples: &[i16]) -> Self {
        let told = Desa2::default().find(samples).map(|told| told.at_s);
        let end = samples.len() as f64 / f64::from(SAMPLE_RATE);
        Self { who: None, at_s: told.unwrap_or(end), tells_beeps: true, beep: told.map(|at| (at, at)) }
    }
}

/// The figures of one way, on all calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contender {
    /// What it is.
    pub name: String,
    /// People told as people; nothing if it does not tell who answered.
    pub people_told_human: Share,
    /// People told as anything else but silence and unknown.
    pub people_told_automated: Share,
    /// Machines, menus and screening assistants told as one of them, or by their beep.
    pub automated_told_automated: Share,
    /// Those told as people.
    pub automated_told_human: Share,
    /// People told as people: when, after the greeting's end, in seconds.
    pub human_after_greeting_s: Option<Spread>,
    /// Automated answers told as such: when, after the speech's beginning, in seconds.
    pub automated_after_onset_s: Option<Spread>,
    /// Beeps told from 0.2 s before they begin to 0.2 s after they end; nothing if it does not tell beeps.
    pub beep_recall: Share,
    /// When those were told, after the beep's beginning, in seconds.
    pub beep_after_onset_s: Option<Spread>,
    /// Beeps told where there is none, in the time that was listened to.
    pub false_beeps: Option<Rate>,
    /// Kinds of calls in which they were told: in how many of how many.
    pub false_in: BTreeMap<String, Share>,
}

impl Contender {
    /// The figures of what one way told of calls.
    #[must_use]
    pub fn new(name: String, told: &[(&Truth, Answer)]) -> Self {
        let automated = |label| matches!(label, Label::Machine | Label::Ivr | Label::Screening | Label::Beep);
        let people = |truth: &Truth| truth.label == Label::Human;
        let machines = |truth: &Truth| automated(truth.label);
        let share = |of: &dyn Fn(&Truth) -> bool, hit: &dyn Fn(Label) -> bool| {
            Share::count(told.iter().filter(|(truth, _)| of(truth)).filter_map(|(_, answer)| answer.who).map(hit))
        };
        let human = |label| label == Label::Human;
        let lost = |label| !matches!(label, Label::Human | Label::Silence | Label::Unknown);
        let times = |of: &dyn Fn(&Truth) -> bool, hit: &dyn Fn(Label) -> bool, from: fn(&Truth) -> Option<f64>| {
            let hits = told.iter().filter(|(truth, answer)| of(truth) && answer.who.is_some_and(hit));
            Spread::of(hits.filter_map(|(truth, answer)| Some(answer.at_s - from(truth)?)).collect())
        };
        let listening = || told.iter().filter(|(_, answer)| answer.tells_beeps);
        let with_beep = listening().filter(|(truth, _)| truth.beep_on_s.is_some());
        let late = listening().filter_map(|(truth, answer)| late(truth, answer)).collect();
        let mut false_in: BTreeMap<String, Share> = BTreeMap::new();
        for (truth, answer) in listening() {
            let kind = false_in.entry(truth.kind()).or_default();
            kind.of += 1;
            kind.hits += usize::from(answer.beep.is_some() && self::late(truth, answer).is_none());
        }
        false_in.retain(|_, share| share.hits > 0);
        let heard: f64 = listening().map(|(truth, answer)| answer.at_s.min(truth.duration_s.unwrap_or(f64::MAX))).sum();
        let false_beeps = false_in.values().map(|share| share.hits).sum();
        Self {
            name,
            people_told_human: share(&people, &human),
            people_told_automated: share(&people, &lost),
            automated_told_automated: share(&machines, &automated),
            automated_told_human: share(&machines, &human),
            human_after_greeting_s: times(&people, &human, |truth| truth.greeting_end_s),
            automated_after_onset_s: times(&machines, &automated, |truth| truth.speech_on_s),
            beep_recall: Share::count(with_beep.map(|(truth, answer)| self::late(truth, answer).is_some())),
            beep_after_onset_s: Spread::of(late),
            false_beeps: listening().next().map(|_| Rate::new(false_beeps, heard / 3600.0)),
            false_in,
        }
    }
}

/// How long after its beginning the true beep was told, if it was.
fn late(truth: &Truth, answer: &Answer) -> Option<f64> {
    let ((begins, told), on) = (answer.beep?, truth.beep_on_s?);
    let off = truth.beep_off_s.unwrap_or(on);
    (on - BEEP_NEAR_S..=off + BEEP_NEAR_S).contains(&begins).then_some(told - on)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truths() -> Vec<Truth> {
        let table = "file,label,detail,speech_on_s,greeting_end_s,beep_on_s,beep_off_s\n\
                     a,human,,1,2,,\nb,human,,1,3,,\nc,machine,beep,1,5,6,6.5\nd,machine,beep,1,5,6,6.5\ne,sit,,,,,\n";
        Truth::read(table.as_bytes()).unwrap()
    }

    #[test]
    fn who_answered_is_counted_for_those_that_tell_it() {
        let truths = truths();
        let who = [Label::Human, Label::Machine, Label::Machine, Label::Unknown, Label::Human];
        let answer = |(truth, who)| (truth, Answer { who: Some(who), at_s: 3.0, tells_beeps: false, beep: None });
        let told: Vec<_> = truths.iter().zip(who).map(answer).collect();
        let figures = Contender::new("x".to_owned(), &told);
        assert_eq!(figures.people_told_human, Share { hits: 1, of: 2 });
        assert_eq!(figures.people_told_automated, Share { hits: 1, of: 2 });
        assert_eq!(figures.automated_told_automated, Share { hits: 1, of: 2 });
        assert_eq!(figures.automated_told_human, Share { hits: 0, of: 2 });
        assert_eq!(figures.human_after_greeting_s.unwrap().median, 1.0);
        assert_eq!(figures.automated_after_onset_s.unwrap().median, 2.0);
        assert_eq!((figures.beep_recall, figures.false_beeps), (Share::default(), None));
    }

    #[test]
    fn beeps_are_counted_for_those_that_tell_them() {
        let truths = truths();
        let beeps = [None, Some(2.5), Some(6.1), Some(4.0), Some(0.5)];
        let answer = |(truth, beep): (_, Option<f64>)| {
            let beep_at = beep.map(|at| (at, at));
            (truth, Answer { who: None, at_s: beep.unwrap_or(9.0), tells_beeps: true, beep: beep_at })
        };
        let told: Vec<_> = truths.iter().zip(beeps).map(answer).collect();
        let figures = Contender::new("x".to_owned(), &told);
        assert_eq!(figures.people_told_human, Share::default());
        assert_eq!(figures.beep_recall, Share { hits: 1, of: 2 });
        assert!((figures.beep_after_onset_s.unwrap().median - 0.1).abs() < 1e-9);
        let false_beeps = figures.false_beeps.unwrap();
        assert_eq!(false_beeps.count, 3);
        assert!((false_beeps.hours - (9.0 + 2.5 + 6.1 + 4.0 + 0.5) / 3600.0).abs() < 1e-5);
        let kinds: Vec<_> =
            figures.false_in.iter().map(|(kind, share)| (kind.as_str(), share.hits, share.of)).collect();
        assert_eq!(kinds, [("human", 1, 1 + 1), ("machine beep", 1, 2), ("sit", 1, 1)]);
    }

    #[test]
    fn sound_makes_answers() {
        let tone = |n: usize| ((n as f64 * 0.785).sin() * 6_000.0) as i16;
        let call: Vec<i16> = (0..24_000).map(|n| if (8_000..12_000).contains(&n) { tone(n) } else { 0 }).collect();
        assert_eq!(Answer::of_energy_rules(&call).who, Some(Label::Human));
        let desa = Answer::of_desa(&call);
        assert!(desa.beep.is_some_and(|(at, _)| (1.0..1.02).contains(&at)) && desa.who.is_none());
        assert_eq!(Answer::of_desa(&[0; 8_000]), Answer { who: None, at_s: 1.0, tells_beeps: true, beep: None });
    }
}
