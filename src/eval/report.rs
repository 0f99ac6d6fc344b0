//! What was told of calls against what is true of them, in figures.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audio::SampleTime;
use crate::detect::{Label, Outcome, Provisional};
use crate::eval::Truth;
use crate::eval::aims::{Aim, aims};
use crate::eval::comparison::Contender;
use crate::eval::moments::{Early, SpeakAt};
use crate::eval::settings::Settings;
use crate::eval::statistics::{Auc, Calibration, Rate, RocPoint, Share, Spread, roc, round};

/// A beep told so near the true one's beginning is the true one, in seconds.
const BEEP_NEAR_S: f64 = 0.2;
/// A beep is clear from here on, in dB over the noise: what the aims are for.
const CLEAR_DB: f64 = 10.0;
/// Speech told so much before it begins is told too early, in seconds.
const EARLY_S: f64 = 0.3;
/// Times by which shares of the calls are counted, in seconds.
const WITHIN_S: [f64; 10] = [0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0];

/// One recording: its truth, what was told of it, its length in seconds.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is true.
    pub truth: Truth,
    /// What was told.
    pub outcome: Outcome,
    /// What was told before the decision, and what corrects it, in order; empty where it was not asked for.
    pub early: Vec<Provisional>,
    /// Length of the recording.
    pub duration_s: f64,
}

/// A recording of which nothing can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// Its path, as the table has it.
    pub file: String,
    /// The table's line.
    pub line: u64,
    /// Why.
    pub error: String,
}

/// Everything that is told of a table of recordings. The fields are those of the JSON form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was measured.
    pub settings: Settings,
    /// All calls together.
    pub all: Figures,
    /// The figures against the project's aims.
    pub aims: Vec<Aim>,
    /// The like figures of other ways to tell, on the same calls, if asked for.
    pub comparison: Vec<Contender>,
    /// Labels told for each kind of call: the confusion matrix.
    pub confusion: Vec<Row>,
    /// Rightly told ones of each label.
    pub by_label: Vec<OfLabel>,
    /// People and automated answers told as a tone, music or silence.
    pub speech_told_otherwise: Share,
    /// When people and automated answers were told: how many by which time.
    pub told_within: Vec<Within>,
    /// Machines told as automated: when, after the speech's beginning, in seconds.
    pub machine_after_onset_s: Option<Spread>,
    /// The moments to speak that were told.
    pub speak_at: SpeakAt,
    /// What was told before the decision, and what corrected it, if it was asked for.
    pub early: Option<Early>,
    /// People against automated answers, by the confidence that it is a person.
    pub roc: Vec<RocPoint>,
    /// How right confidences are, over all calls.
    pub calibration: Calibration,
    /// The like over people and automated answers alone.
    pub calibration_speech: Calibration,
    /// When tones, music and silence were told, of those that were told rightly, in seconds of the recording.
    pub decided_s: BTreeMap<&'static str, Spread>,
    /// How far the onset of speech told is from the true one, in seconds.
    pub speech_onset_error_s: Option<Spread>,
    /// Calls in which it is told more than 0.3 s too early.
    pub speech_onset_early: Share,
    /// The figures by label and detail.
    pub by_kind: Vec<Group>,
    /// The figures by fold, if the table names any.
    pub by_fold: Vec<Group>,
    /// The folds that did worst.
    pub worst_folds: Vec<WorstFold>,
    /// The figures by source of the voice.
    pub by_source: Vec<Group>,
    /// The figures by codec.
    pub by_codec: Vec<Group>,
    /// Every call, in the table's order.
    pub calls: Vec<Told>,
    /// Recordings that could not be read or decided.
    pub failed: Vec<Failed>,
}

/// One row of the confusion matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The true label.
    pub label: &'static str,
    /// Its detail.
    pub detail: String,
    /// How often each label was told.
    pub told: BTreeMap<&'static str, usize>,
    /// Rightly told ones.
    pub right: Share,
}

/// How many calls of one label are told rightly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfLabel {
    /// The true label.
    pub label: &'static str,
    /// Rightly told ones.
    pub right: Share,
}

/// How many are told rightly by a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Within {
    /// The time in seconds.
    pub seconds: f64,
    /// People told as people so long after the greeting's end or sooner.
    pub people: Share,
    /// Automated answers told as such so long after the speech's beginning or sooner.
    pub automated: Share,
}

/// The figures of some calls.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// What they have in common; empty if the table does not say.
    pub name: String,
    /// Their figures.
    pub figures: Figures,
}

/// The fold in which a share that should be small is the largest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstFold {
    /// What is counted.
    pub of: &'static str,
    /// The fold's name.
    pub fold: String,
    /// The share.
    pub share: Share,
}

/// The figures that count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Calls, and those whose label is right. A beep told of a machine is right.
    pub right: Share,
    /// People told as people.
    pub people_told_human: Share,
    /// People told as anything else but silence and unknown: these calls are lost.
    pub people_told_automated: Share,
    /// Machines, menus and screening assistants told as one of them (or by their beep).
    pub automated_told_automated: Share,
    /// Those told as people.
    pub automated_told_human: Share,
    /// How well the confidence tells people from automated answers.
    pub auc: Option<Auc>,
    /// People told as people: when, after the greeting's end, in seconds.
    pub human_after_greeting_s: Option<Spread>,
    /// Automated answers told as such: when, after the speech's beginning, in seconds.
    pub automated_after_onset_s: Option<Spread>,
    /// Beeps.
    pub beeps: Beeps,
}

/// Figures of beeps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beeps {
    /// Beeps that were told, with their beginning within 0.2 s.
    pub recall: Share,
    /// The like, of those only that are known to be 10 dB or more over the noise.
    pub recall_clear: Share,
    /// How far the beginning told is from the true one, in seconds.
    pub onset_error_s: Option<Spread>,
    /// The like for the end.
    pub offset_error_s: Option<Spread>,
    /// The like for the frequency, in hertz.
    pub frequency_error_hz: Option<Spread>,
    /// When the call was decided after the beep's end, in seconds.
    pub told_after_end_s: Option<Spread>,
    /// Beeps told where there is none, in the time that was listened to.
    pub false_beeps: Rate,
    /// In which kinds of calls they were told.
    pub false_in: BTreeMap<String, usize>,
}

/// One call of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The recording's path, as the table has it.
    pub file: String,
    /// The true label.
    pub truth: &'static str,
    /// Its detail.
    pub detail: String,
    /// The source of the voice.
    pub source: String,
    /// The codec.
    pub codec: String,
    /// The fold.
    pub fold: String,
    /// The label told.
    pub label: &'static str,
    /// Its confidence.
    pub confidence: f64,
    /// Whether it is right.
    pub right: bool,
    /// Probability told for a person.
    pub human: f64,
    /// When it was decided, in seconds.
    pub decided_at_s: f64,
    /// The moment to speak that was told, in seconds.
    pub speak_at_s: Option<f64>,
    /// When the greeting truly ended, in seconds.
    pub true_greeting_end_s: Option<f64>,
    /// When speech truly began, in seconds.
    pub true_speech_on_s: Option<f64>,
    /// When the beep truly began, in seconds.
    pub true_beep_on_s: Option<f64>,
    /// The beep told.
    pub beep: Option<ToldBeep>,
    /// The evidence in words.
    pub reason: String,
}

/// A beep that was told, against the true one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToldBeep {
    /// Its beginning, in seconds.
    pub on_s: f64,
    /// Its end, in seconds.
    pub off_s: f64,
    /// Its frequency.
    pub hz: f64,
    /// Whether it is the true one.
    pub right: bool,
    /// Told beginning minus the true one, in seconds, if it is.
    pub onset_error_s: Option<f64>,
    /// The like for the frequency, in hertz.
    pub frequency_error_hz: Option<f64>,
    /// Decision minus true end, in seconds.
    pub told_after_end_s: Option<f64>,
}

impl Call {
    pub(super) fn is_person(&self) -> bool {
        self.truth.label == Label::Human
    }

    fn is_automated(&self) -> bool {
        is_automated(self.truth.label)
    }

    pub(super) fn told(&self) -> Label {
        self.outcome.label
    }

    pub(super) fn decided_at_s(&self) -> f64 {
        self.outcome.timeline.decided_at.as_secs()
    }

    pub(super) fn speak_at_s(&self) -> Option<f64> {
        self.outcome.timeline.speak_at.map(SampleTime::as_secs)
    }

    /// The likeliest label, told or not, and its probability.
    fn likeliest(&self) -> Option<(Label, f64)> {
        let told = (self.outcome.label, f64::from(self.outcome.confidence));
        let other = self.outcome.alternatives.first().map(|other| (other.label, f64::from(other.confidence)));
        if told.0 == Label::Unknown { other } else { Some(told) }
    }

    fn is_right(&self, told: Label) -> bool {
        told == self.truth.label || (self.truth.label == Label::Machine && told == Label::Beep)
    }

    /// The probability told for a person.
    fn human(&self) -> f64 {
        if self.outcome.label == Label::Human {
            return f64::from(self.outcome.confidence);
        }
        let human = self.outcome.alternatives.iter().find(|other| other.label == Label::Human);
        human.map_or(0.0, |other| f64::from(other.confidence))
    }

    fn beep(&self) -> Option<ToldBeep> {
        let beep = self.outcome.timeline.beep?;
        let truth = &self.truth;
        let (on_s, off_s, hz) = (beep.on.as_secs(), beep.off.as_secs(), f64::from(beep.hz));
        let onset = truth.beep_on_s.map(|on| on_s - on).filter(|error| error.abs() < BEEP_NEAR_S);
        let of = |wanted: Option<f64>, found: f64| onset.and(wanted).map(|wanted| round(found - wanted, 4));
        Some(ToldBeep {
            on_s: round(on_s, 4),
            off_s: round(off_s, 4),
            hz: round(hz, 1),
            right: onset.is_some(),
            onset_error_s: onset.map(|error| round(error, 4)),
            frequency_error_hz: of(truth.beep_hz, hz),
            told_after_end_s: of(truth.beep_off_s, self.decided_at_s()),
        })
    }

    /// When a person that is told as one is told, after the greeting's end.
    fn human_after_greeting_s(&self) -> Option<f64> {
        let right = self.is_person() && self.told() == Label::Human;
        right.then(|| Some(self.decided_at_s() - self.truth.greeting_end_s?))?
    }

    /// When an automated answer that is told as one is told, after the speech's beginning.
    fn automated_after_onset_s(&self) -> Option<f64> {
        let right = self.is_automated() && is_automated(self.told());
        right.then(|| Some(self.decided_at_s() - self.truth.speech_on_s?))?
    }
}

impl Told {
    /// What is told of a call.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        let truth = &call.truth;
        Self {
            file: truth.file.clone(),
            truth: truth.label.as_str(),
            detail: truth.detail.clone(),
            source: truth.voice_source().to_owned(),
            codec: truth.codec.clone(),
            fold: truth.fold.clone(),
            label: call.told().as_str(),
            confidence: round(f64::from(call.outcome.confidence), 4),
            right: call.is_right(call.told()),
            human: round(call.human(), 4),
            decided_at_s: round(call.decided_at_s(), 4),
            speak_at_s: call.speak_at_s().map(|at| round(at, 4)),
            true_greeting_end_s: truth.greeting_end_s,
            true_speech_on_s: truth.speech_on_s,
            true_beep_on_s: truth.beep_on_s,
            beep: call.beep(),
            reason: call.outcome.reason.clone(),
        }
    }
}

fn is_automated(label: Label) -> bool {
    matches!(label, Label::Machine | Label::Screening | Label::Ivr)
}

impl Report {
    /// The figures of calls.
    #[must_use]
    pub fn new(settings: Settings, calls: &[Call], failed: Vec<Failed>) -> Self {
        let every: Vec<&Call> = calls.iter().collect();
        let speech: Vec<&Call> = calls.iter().filter(|call| call.is_person() || call.is_automated()).collect();
        let (people, automated) = scores(&every);
        let onset: Vec<f64> = speech.iter().filter_map(|call| onset_error(call)).collect();
        let mut decided: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for call in calls.iter().filter(|call| !call.is_person() && !call.is_automated()) {
            if call.told() == call.truth.label {
                decided.entry(call.told().as_str()).or_default().push(call.decided_at_s());
            }
        }
        let folds = calls.iter().any(|call| !call.truth.fold.is_empty());
        let by_fold = if folds { groups(calls, |truth| (Label::Unknown, truth.fold.clone())) } else { Vec::new() };
        let confusion = confusion(calls);
        let otherwise = |label| {
            use Label::{Busy, Fax, Music, Ringback, Silence, Sit};
            matches!(label, Sit | Fax | Busy | Ringback | Music | Silence)
        };
        let machines: Vec<&Call> = calls.iter().filter(|call| call.truth.label == Label::Machine).collect();
        let early_asked = settings.provisional;
        let mut report = Self {
            settings,
            all: Figures::of(&every),
            aims: Vec::new(),
            comparison: Vec::new(),
            by_label: by_label(&confusion),
            speech_told_otherwise: Share::count(speech.iter().map(|call| otherwise(call.told()))),
            told_within: WITHIN_S.map(|seconds| Within::of(&speech, seconds)).to_vec(),
            machine_after_onset_s: Spread::of(
                machines.iter().filter_map(|call| call.automated_after_onset_s()).collect(),
            ),
            speak_at: SpeakAt::of(&speech),
            early: early_asked.then(|| Early::of(&speech)),
            confusion,
            roc: roc(&people, &automated),
            calibration: calibration(&every),
            calibration_speech: calibration(&speech),
            decided_s: decided.into_iter().filter_map(|(label, times)| Some((label, Spread::of(times)?))).collect(),
            speech_onset_error_s: Spread::of(onset.iter().map(|error| error.abs()).collect()),
            speech_onset_early: Share::count(onset.iter().map(|error| *error < -EARLY_S)),
            // Labels in the order of their declaration, as in the confusion matrix.
            by_kind: groups(calls, |truth| (truth.label, truth.kind())),
            worst_folds: worst_folds(&by_fold),
            by_fold,
            by_source: groups(calls, |truth| (Label::Unknown, truth.voice_source().to_owned())),
            by_codec: groups(calls, |truth| (Label::Unknown, truth.codec.clone())),
            calls: calls.iter().map(Told::of).collect(),
            failed,
        };
        report.aims = aims(&report);
        report
    }

    /// All labels that were told, in the order of their declaration.
    #[must_use]
    pub fn told(&self) -> Vec<&'static str> {
        let told = |label: &&str| self.confusion.iter().any(|row| row.told.contains_key(label));
        Label::ALL.into_iter().map(Label::as_str).filter(told).collect()
    }

    /// The calls whose label is wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Told> {
        self.calls.iter().filter(|call| !call.right)
    }

    /// Decision times of people told as people, after the greeting's end, in seconds.
    #[must_use]
    pub fn human_times(&self) -> Vec<f64> {
        let people = self.calls.iter().filter(|call| call.truth == "human" && call.label == "human");
        people.filter_map(|call| Some(call.decided_at_s - call.true_greeting_end_s?)).collect()
    }

    /// Decision times of automated answers told as such, after the speech's beginning, in seconds.
    #[must_use]
    pub fn automated_times(&self) -> Vec<f64> {
        let automated = |label: &str| label.parse().is_ok_and(is_automated);
        let calls = self.calls.iter().filter(|call| automated(call.truth) && automated(call.label));
        calls.filter_map(|call| Some(call.decided_at_s - call.true_speech_on_s?)).collect()
    }
}

/// Probabilities told for a person: of people, of automated answers.
fn scores(calls: &[&Call]) -> (Vec<f64>, Vec<f64>) {
    let of = |wanted: fn(&Call) -> bool| calls.iter().filter(|call| wanted(call)).map(|call| call.human()).collect();
    (of(Call::is_person), of(Call::is_automated))
}

fn onset_error(call: &Call) -> Option<f64> {
    Some(call.outcome.timeline.speech_on.map(SampleTime::as_secs)? - call.truth.speech_on_s?)
}

fn calibration(calls: &[&Call]) -> Calibration {
    let claims = calls.iter().filter_map(|call| call.likeliest().map(|(label, sure)| (sure, call.is_right(label))));
    Calibration::of(&claims.collect::<Vec<_>>())
}

fn confusion(calls: &[Call]) -> Vec<Row> {
    let mut rows: BTreeMap<(Label, &str), Row> = BTreeMap::new();
    for call in calls {
        let truth = &call.truth;
        let row = rows.entry((truth.label, &truth.detail)).or_insert_with(|| Row {
            label: truth.label.as_str(),
            detail: truth.detail.clone(),
            told: BTreeMap::new(),
            right: Share::default(),
        });
        *row.told.entry(call.told().as_str()).or_default() += 1;
        row.right.of += 1;
        row.right.hits += usize::from(call.is_right(call.told()));
    }
    rows.into_values().collect()
}

fn by_label(confusion: &[Row]) -> Vec<OfLabel> {
    let mut labels: Vec<OfLabel> = Vec::new();
    for row in confusion {
        match labels.last_mut() {
            Some(last) if last.label == row.label => {
                last.right.hits += row.right.hits;
                last.right.of += row.right.of;
            }
            _ => labels.push(OfLabel { label: row.label, right: row.right }),
        }
    }
    labels
}

impl Within {
    /// Of all calls of which the time is known that is counted from.
    fn of(calls: &[&Call], seconds: f64) -> Self {
        let by_then = |after: Option<f64>| after.is_some_and(|after| after <= seconds);
        let people = calls.iter().filter(|call| call.is_person() && call.truth.greeting_end_s.is_some());
        let automated = calls.iter().filter(|call| call.is_automated() && call.truth.speech_on_s.is_some());
        Self {
            seconds,
            people: Share::count(people.map(|call| by_then(call.human_after_greeting_s()))),
            automated: Share::count(automated.map(|call| by_then(call.automated_after_onset_s()))),
        }
    }
}

/// The calls in groups of one name, in order of a label and the name.
fn groups(calls: &[Call], name: impl Fn(&Truth) -> (Label, String)) -> Vec<Group> {
    let mut groups: BTreeMap<(Label, String), Vec<&Call>> = BTreeMap::new();
    for call in calls {
        groups.entry(name(&call.truth)).or_default().push(call);
    }
    groups.into_iter().map(|((_, name), calls)| Group { name, figures: Figures::of(&calls) }).collect()
}

/// The folds in which most people, and most automated answers, are taken for the other.
fn worst_folds(folds: &[Group]) -> Vec<WorstFold> {
    let worst = |of: &'static str, share: fn(&Figures) -> Share| {
        let told = folds.iter().map(|fold| (fold, share(&fold.figures)));
        let told = told.filter_map(|(fold, share)| Some((fold, share, share.value()?)));
        // The first of equals, as there is no reason for another.
        let worst = told.reduce(|worst, next| if next.2 > worst.2 { next } else { worst });
        worst.map(|(fold, share, _)| WorstFold { of, fold: fold.name.clone(), share })
    };
    let people = worst("people told automated", |figures| figures.people_told_automated);
    let automated = worst("automated told human", |figures| figures.automated_told_human);
    people.into_iter().chain(automated).collect()
}

impl Figures {
    fn of(calls: &[&Call]) -> Self {
        let people: Vec<&&Call> = calls.iter().filter(|call| call.is_person()).collect();
        let automated: Vec<&&Call> = calls.iter().filter(|call| call.is_automated()).collect();
        let share = |of: &[&&Call], told: fn(Label) -> bool| Share::count(of.iter().map(|call| told(call.told())));
        let human = |label| label == Label::Human;
        let lost = |label| !matches!(label, Label::Human | Label::Silence | Label::Unknown);
        let (of_people, of_automated) = scores(calls);
        let after_greeting = calls.iter().filter_map(|call| call.human_after_greeting_s());
        let after_onset = calls.iter().filter_map(|call| call.automated_after_onset_s());
        Self {
            right: Share::count(calls.iter().map(|call| call.is_right(call.told()))),
            people_told_human: share(&people, human),
            people_told_automated: share(&people, lost),
            automated_told_automated: share(&automated, |label| is_automated(label) || label == Label::Beep),
            automated_told_human: share(&automated, human),
            auc: Auc::of(&of_people, &of_automated),
            human_after_greeting_s: Spread::of(after_greeting.collect()),
            automated_after_onset_s: Spread::of(after_onset.collect()),
            beeps: Beeps::of(calls),
        }
    }
}

impl Beeps {
    fn of(calls: &[&Call]) -> Self {
        let beeps: Vec<(&Call, Option<ToldBeep>)> = calls.iter().map(|call| (*call, call.beep())).collect();
        let right: Vec<(&Call, &ToldBeep)> = beeps
            .iter()
            .filter_map(|(call, beep)| beep.as_ref().filter(|beep| beep.right).map(|beep| (*call, beep)))
            .collect();
        let mut false_in = BTreeMap::new();
        for (call, _) in beeps.iter().filter(|(_, beep)| beep.as_ref().is_some_and(|beep| !beep.right)) {
            *false_in.entry(call.truth.kind()).or_default() += 1;
        }
        let heard = |call: &&Call| call.decided_at_s().min(call.truth.duration_s.unwrap_or(call.duration_s));
        let spread = |of: fn(&Call, &ToldBeep) -> Option<f64>| {
            Spread::of(right.iter().filter_map(|(call, beep)| of(call, beep)).collect())
        };
        let is_clear = |call: &Call| call.truth.beep_snr_db.is_some_and(|db| db >= CLEAR_DB);
        let there: Vec<&&Call> = calls.iter().filter(|call| call.truth.beep_on_s.is_some()).collect();
        Self {
            recall: Share { hits: right.len(), of: there.len() },
            recall_clear: Share {
                hits: right.iter().filter(|(call, _)| is_clear(call)).count(),
                of: there.iter().filter(|call| is_clear(call)).count(),
            },
            onset_error_s: spread(|_, beep| beep.onset_error_s.map(f64::abs)),
            offset_error_s: spread(|call, beep| Some((beep.off_s - call.truth.beep_off_s?).abs())),
            frequency_error_hz: spread(|_, beep| beep.frequency_error_hz.map(f64::abs)),
            told_after_end_s: spread(|_, beep| beep.told_after_end_s),
            false_beeps: Rate::new(false_in.values().sum(), calls.iter().map(heard).sum::<f64>() / 3600.0),
            false_in,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Alternative, Beep, End, Method, Timeline};

    /// A table's line; and what was told: label, confidence, another label's confidence, decided, beep's beginning.
    fn call(line: &str, told: (Label, f32), other: (Label, f32), decided: f64, beep_on: Option<f64>) -> Call {
        let head = "file,label,detail,speech_on_s,greeting_end_s,beep_on_s,beep_off_s,beep_hz,source,codec,fold\n";
        let truth = Truth::read(format!("{head}{line}\n").as_bytes()).unwrap().remove(0);
        let at = |seconds: f64| SampleTime((seconds * 8000.0).round() as u64);
        let beep = beep_on.map(|on| Beep { on: at(on), off: at(on + 0.5), hz: 1003.0, level_db: -20.0 });
        let timeline = Timeline { decided_at: at(decided), speech_on: Some(at(0.5)), beep, ..Timeline::default() };
        let outcome = Outcome {
            end: End::Decided,
            label: told.0,
            confidence: told.1,
            alternatives: vec![Alternative { label: other.0, confidence: other.1 }],
            reason: "as it is".to_owned(),
            method: Method::Rules,
            timeline,
            sit: None,
            findings: None,
        };
        Call { truth, outcome, early: Vec::new(), duration_s: 36.0 }
    }

    fn calls() -> Vec<Call> {
        use Label::{Beep as Bip, Human, Ivr, Machine, Silence, Sit, Unknown};
        vec![
            call("a,human,short,0.5,1.5,,,,x,ulaw", (Human, 0.9), (Machine, 0.1), 2.25, None),
            call("b,human,short,0.5,1.0,,,,x,alaw", (Unknown, 0.4), (Human, 0.4), 4.0, None),
            call("c,human,talker,1.0,6.0,,,,y,ulaw", (Machine, 0.7), (Human, 0.3), 5.0, None),
            call("d,machine,beep,0.5,6.0,7.0,7.5,1000,z+beep:x,ulaw", (Machine, 0.8), (Human, 0.2), 7.6, Some(7.05)),
            call("e,machine,beep,0.5,6.0,7.0,7.5,1000,z,alaw", (Bip, 0.6), (Human, 0.3), 8.0, Some(2.0)),
            call("f,ivr,,0.5,9.0,,,,z,ulaw", (Human, 0.6), (Ivr, 0.3), 3.0, None),
            call("g,sit,,,,,,,spec,ulaw", (Sit, 0.98), (Silence, 0.02), 1.5, None),
        ]
    }

    #[test]
    fn the_figures_are_what_the_calls_say() {
        let report = Report::new(Settings::default(), &calls(), Vec::new());
        let all = &report.all;
        assert_eq!(all.right, Share { hits: 4, of: 7 });
        assert_eq!(all.people_told_human, Share { hits: 1, of: 3 });
        assert_eq!(all.people_told_automated, Share { hits: 1, of: 3 }, "unknown is not lost");
        assert_eq!(all.automated_told_automated, Share { hits: 2, of: 3 });
        assert_eq!(all.automated_told_human, Share { hits: 1, of: 3 });
        // 0.9, 0.4, 0.3 against 0.2, 0.3, 0.6: 3 + 2 + 1.5 of 9.
        assert!((all.auc.unwrap().area - 6.5 / 9.0).abs() < 1e-4);
        assert_eq!(all.human_after_greeting_s.unwrap().median, 0.75);
        assert_eq!(all.automated_after_onset_s.unwrap().median, 7.1);
        assert_eq!(report.human_times(), [0.75]);
        assert_eq!(report.automated_times().len(), 1);
        assert_eq!(report.decided_s["sit"].median, 1.5);
        assert_eq!(report.wrong().map(|call| call.file.as_str()).collect::<Vec<_>>(), ["b", "c", "f"]);
    }

    #[test]
    fn a_beep_is_the_true_one_or_a_false_one() {
        let report = Report::new(Settings::default(), &calls(), Vec::new());
        let beeps = &report.all.beeps;
        assert_eq!((beeps.recall, beeps.recall_clear), (Share { hits: 1, of: 2 }, Share::default()));
        assert_eq!(beeps.onset_error_s.unwrap().median, 0.05);
        assert_eq!(beeps.frequency_error_hz.unwrap().median, 3.0);
        assert_eq!(beeps.told_after_end_s.unwrap().median, 0.1);
        assert_eq!(beeps.false_in, BTreeMap::from([("machine beep".to_owned(), 1)]));
        let heard = (2.25 + 4.0 + 5.0 + 7.6 + 8.0 + 3.0 + 1.5) / 3600.0;
        assert!((beeps.false_beeps.hours - heard).abs() < 1e-4);
    }

    #[test]
    fn clear_beeps_are_counted_apart() {
        let mut calls = calls();
        (calls[3].truth.beep_snr_db, calls[4].truth.beep_snr_db) = (Some(10.0), Some(9.9));
        let report = Report::new(Settings::default(), &calls, Vec::new());
        assert_eq!(report.all.beeps.recall, Share { hits: 1, of: 2 });
        assert_eq!(report.all.beeps.recall_clear, Share { hits: 1, of: 1 });
    }

    #[test]
    fn groups_split_the_calls() {
        let report = Report::new(Settings::default(), &calls(), Vec::new());
        let names = |groups: &[Group]| groups.iter().map(|group| group.name.clone()).collect::<Vec<_>>().join(", ");
        assert_eq!(names(&report.by_kind), "human short, human talker, machine beep, ivr, sit");
        assert_eq!(names(&report.by_source), "spec, x, y, z");
        assert_eq!(names(&report.by_codec), "alaw, ulaw");
        let sums = |groups: &[Group]| groups.iter().map(|group| group.figures.right.of).sum::<usize>();
        assert_eq!((sums(&report.by_kind), sums(&report.by_source), sums(&report.by_codec)), (7, 7, 7));
        assert_eq!(report.told(), ["human", "machine", "sit", "beep", "unknown"]);
    }

    #[test]
    fn labels_and_times_are_counted() {
        let report = Report::new(Settings::default(), &calls(), Vec::new());
        let labels: Vec<_> = report.by_label.iter().map(|each| (each.label, each.right.hits, each.right.of)).collect();
        assert_eq!(labels, [("human", 1, 3), ("machine", 2, 2), ("ivr", 0, 1), ("sit", 1, 1)]);
        assert_eq!(report.speech_told_otherwise, Share { hits: 0, of: 6 });
        assert_eq!(report.machine_after_onset_s.unwrap().count, 1);
        let by = |seconds: f64| report.told_within.iter().find(|within| within.seconds == seconds).unwrap();
        // One person told 0.75 s after the greeting, one machine told 7.1 s after the onset.
        assert_eq!((by(0.5).people, by(0.75).people), (Share { hits: 0, of: 3 }, Share { hits: 1, of: 3 }));
        assert_eq!((by(5.0).automated, by(7.5).automated), (Share { hits: 0, of: 3 }, Share { hits: 1, of: 3 }));
        let aim = |name: &str| report.aims.iter().find(|aim| aim.name == name).unwrap();
        assert_eq!(aim("machine told as a machine").reached, crate::eval::Reached::Goal);
        assert_eq!(aim("ivr told as ivr").reached, crate::eval::Reached::Nothing);
        assert_eq!(aim("screening told as screening").reached, crate::eval::Reached::NotMeasured);
    }

    #[test]
    fn what_was_told_early_and_corrected_is_counted() {
        let mut calls = calls();
        let early = |label, seconds: f64| Provisional {
            label,
            confidence: 0.6,
            started: SampleTime(0),
            at: SampleTime((seconds * 8000.0) as u64),
            method: Method::Rules,
            reason: String::new(),
            corrects: None,
            beep: None,
        };
        // A person told at once, one told a machine who is a person after all, a machine that was a person first.
        calls[0].early = vec![early(Label::Human, 1.25)];
        calls[2].early = vec![early(Label::Machine, 3.0), early(Label::Human, 5.5)];
        calls[3].early = vec![early(Label::Human, 2.0), early(Label::Machine, 6.0)];
        assert_eq!(Report::new(Settings::default(), &calls, Vec::new()).early, None);
        let settings = Settings { provisional: true, ..Settings::default() };
        let told = Report::new(settings, &calls, Vec::new()).early.unwrap();
        assert_eq!((told.told, told.first_right), (Share { hits: 3, of: 6 }, Share { hits: 1, of: 3 }));
        assert_eq!((told.first_kept, told.before_decision_s.unwrap().median), (Share { hits: 2, of: 3 }, 2.0));
        assert_eq!((told.corrected, told.corrected_right), (Share { hits: 1, of: 6 }, Share { hits: 1, of: 1 }));
    }

    #[test]
    fn moments_to_speak_are_counted() {
        let mut calls = calls();
        // One while the menu speaks, one after it, one at the beep's end and one long before it, one to a person.
        let silent = call("h,machine,nobeep,0.5,4.0,,,,z,ulaw", (Label::Machine, 0.8), (Label::Human, 0.1), 7.1, None);
        calls.push(silent);
        for (place, seconds) in [(5, 8.5), (7, 7.0), (3, 7.55), (4, 2.5), (2, 5.0)] {
            calls[place].outcome.timeline.speak_at = Some(SampleTime((seconds * 8000.0_f64).round() as u64));
        }
        let told = Report::new(Settings::default(), &calls, Vec::new()).speak_at;
        assert_eq!((told.without_beep, told.over_greeting), (Share { hits: 2, of: 2 }, Share { hits: 1, of: 2 }));
        assert_eq!((told.with_beep, told.before_beep), (Share { hits: 2, of: 2 }, Share { hits: 1, of: 2 }));
        assert_eq!(told.people, Share { hits: 1, of: 3 });
        let medians = [told.after_greeting_s, told.after_beep_s].map(|spread| spread.unwrap().median);
        assert_eq!(medians, [3.0, 0.05]);
    }

    #[test]
    fn folds_are_told_apart_where_there_are_any() {
        let none = Report::new(Settings::default(), &calls(), Vec::new());
        assert!(none.by_fold.is_empty() && none.worst_folds.is_empty());
        let mut calls = calls();
        for (call, fold) in calls.iter_mut().zip(["1", "2", "2", "1", "2", "2", ""]) {
            call.truth.fold = fold.to_owned();
        }
        let report = Report::new(Settings::default(), &calls, Vec::new());
        let sizes = report.by_fold.iter().map(|fold| (fold.name.as_str(), fold.figures.right.of));
        assert_eq!(sizes.collect::<Vec<_>>(), [("", 1), ("1", 2), ("2", 4)]);
        let worst = report.worst_folds.iter().map(|worst| (worst.of, worst.fold.as_str(), worst.share));
        let half = Share { hits: 1, of: 2 };
        assert_eq!(
            worst.collect::<Vec<_>>(),
            [("people told automated", "2", half), ("automated told human", "2", half)]
        );
    }

    #[test]
    fn what_was_nearly_told_counts_for_calibration() {
        let report = Report::new(Settings::default(), &calls(), Vec::new());
        assert_eq!(report.calibration.count, 7);
        assert_eq!(report.calibration_speech.count, 6);
        // The unknown one was right with 0.4.
        let bin = report.calibration.bins.iter().find(|bin| bin.from == 0.4).unwrap();
        assert_eq!(bin.right, Share { hits: 1, of: 1 });
    }

    #[test]
    fn nothing_has_no_figures() {
        let report = Report::new(Settings::default(), &[], Vec::new());
        assert_eq!(report.all.auc, None);
        assert_eq!(report.all.beeps.false_beeps.per_hour, None);
        assert!(
            serde_json::to_string(&report)
                .unwrap()
                .contains("\"people_told_human\":{\"hits\":0,\"of\":0,\"share\":null")
        );
    }
}
