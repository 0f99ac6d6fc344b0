//! Evidence to one decision: what a listening asks for, and every threshold that decides it.
//!
//! Tones decide alone. Speech decides by how likely a person is (see [`Belief`]) and by the pause after it. The dial,
//! Speed-Vs-Accuracy, moves the thresholds between its ends.

use crate::audio::SampleTime;
use crate::detect::activity::Cadence;
use crate::detect::beep::Candidate;
use crate::detect::belief::{Belief, Posteriors};
use crate::detect::evidence::Evidence;
use crate::detect::fax::Fax;
use crate::detect::view::{View, describe, pause, spoken};
use crate::detect::{Beep, Config, End, Event, Goal, InputType, Label, Listen, Method, Outcome};

/// Level that sound must reach to be input, in dB: at Sensitivity-Level 0.0, and how much lower at 1.0.
const INPUT_DB: f32 = -30.0;
const INPUT_RANGE_DB: f32 = 30.0;

/// Probability that anybody speaks below which nobody is told: noise that was taken for speech.
const SPEECH_LEAST: f32 = 0.3;
/// Pause after which a person is told, in ms: at the dial's 0.0 and 1.0.
const HUMAN_PAUSE_MS: (f32, f32) = (500.0, 1_100.0);
/// Probability of a person, among all that speaks, from which one is told after that pause.
const HUMAN_SURE: (f32, f32) = (0.60, 0.90);
/// The same when the pause has lasted twice as long.
const HUMAN_LIKELY: (f32, f32) = (0.45, 0.65);
/// Voicemail: a person is told only if this sure, or after [`BEEP_WAIT_MS`]; a short greeting's beep may come.
const HUMAN_NO_BEEP: f32 = 0.93;
const BEEP_WAIT_MS: u64 = 2_500;
/// Probability of a person below which an automated answer is told, and the speech it takes, in ms.
const MACHINE_SURE: (f32, f32) = (0.17, 0.03);
const MACHINE_SPEECH_MS: (f32, f32) = (1_000.0, 2_000.0);
/// Rules alone take longer: the cadence says nothing early.
const MACHINE_RULES: f32 = 0.20;
/// Steps in a row that an automated answer must be likely.
const MACHINE_STEPS: u32 = 2;
/// A pause this long ends a greeting for good: what is likelier then is told. Speech-Complete-Timeout overrides it.
const GREETING_PAUSE_MS: (f32, f32) = (1_500.0, 2_500.0);
/// Probability from which a person is told then: losing a person costs more than reaching a machine.
const PERSON_AFTER_ALL: f32 = 0.40;

/// Probability of music, and how long it has to be heard, in ms.
const MUSIC_SURE: f32 = 0.8;
const MUSIC_MS: u64 = 3_000;
/// Probability of music from which it is told when time is over.
const MUSIC_AFTER_ALL: f32 = 0.5;

/// Probability that a tone is a beep, at the dial's 0.0 and 1.0.
const BEEP_SURE: (f32, f32) = (0.50, 0.80);
/// Beeps may be this much fainter than what counts as input, in dB: they are told by their shape.
const BEEP_BELOW_DB: f32 = 12.0;
/// Beeps fainter than the speech by more than this are somebody's background, in dB.
const BEEP_BELOW_SPEECH_DB: f32 = 23.0;
/// A beep's length is measured to within this, in ms.
const EDGES_MS: u64 = 8;
/// Beeps up to this length may be pips of one beep: they wait for another one.
const PIP_MS: u64 = 180;
const PIP_WAIT_MS: u64 = 95;
/// A pip that has begun by then is waited for until this long after the last one's end.
const PIP_END_MS: u64 = 400;
/// A tone's end is noticed within this, in ms.
const BEEP_NOTICE_MS: u64 = 100;
/// Pips of one beep lie no further apart, in ms, and differ no more in frequency.
const PIP_GAP_MS: u64 = 90;
const PIP_HZ: f32 = 15.0;
/// Without any speech before, tones in this band may be ringback or busy: they are a beep only if no cadence has come of
/// them after so many ms.
const PROGRESS_HZ: std::ops::Range<f32> = 340.0..650.0;
const PROGRESS_WAIT_MS: u64 = 1_050;
/// Tones as long as a ring wait for a ring's silence.
const RING_MS: u64 = 700;
const RING_WAIT_MS: u64 = 2_250;
/// The like for the first tone of SIT, with the tones that follow it, and for a fax's answer tone, which changes its phase.
const SIT_HZ: std::ops::Range<f32> = 880.0..1_020.0;
const SIT_NEXT_HZ: [std::ops::Range<f32>; 2] = [1_320.0..1_480.0, 1_700.0..1_880.0];
const SIT_WAIT_MS: u64 = 200;
const FAX_HZ: std::ops::Range<f32> = 2_075.0..2_250.0;
const FAX_WAIT_MS: u64 = 1_000;
/// The same tone again differs by less, in hertz.
const PROGRESS_NEAR_HZ: f32 = 40.0;
/// A beep with nothing said before it is at least this long, in ms, and this sure.
const BARE_BEEP_MS: u64 = 200;
const BARE_BEEP_SURE: f32 = 0.85;
/// Speech from which something was said before a tone, in ms; and how much fainter than the tone it may have been, in dB:
/// noise that was taken for speech is fainter.
pub(super) const SAID_MS: u64 = 400;
pub(super) const SAID_BELOW_DB: f32 = 25.0;

/// A pause this long dates the greeting's end.
pub(super) const GREETING_END_MS: u64 = 400;

/// How sure tones are.
const SIT_SURE: f32 = 0.98;
const FAX_SURE: f32 = 0.97;
const FAX_ONCE_SURE: f32 = 0.8;
const BUSY_SURE: f32 = 0.96;
const RINGBACK_SURE: f32 = 0.95;
const RING_ONCE_SURE: f32 = 0.85;
const BEEP_AFTER_GREETING: f32 = 0.97;
const BEEP_ALONE: f32 = 0.8;
const SILENCE_SURE: f32 = 0.95;
/// Confidence of "the greeting ended, no beep came".
const NO_BEEP_SURE: f32 = 0.7;

/// Confidence at least of a person told: the probability is of the sound, and what follows a pause speaks for a person.
const TOLD_LEAST: f32 = 0.5;

/// Labels of what speaks without being a person.
const AUTOMATED: [Label; 3] = [Label::Machine, Label::Screening, Label::Ivr];

/// One listening's state.
#[derive(Debug)]
pub(super) struct Policy {
    listen: Listen,
    settings: Config,
    started: SampleTime,
    /// When the No-Input timer began.
    timers: Option<SampleTime>,
    /// When the first input began; in hotword mode the last stretch of input.
    input: Option<SampleTime>,
    /// When the Recognition timer began.
    recognition: Option<SampleTime>,
    /// In hotword mode: the last input.
    last_input: SampleTime,
    belief: Option<Posteriors>,
    machine_steps: u32,
    music_since: Option<SampleTime>,
    /// A machine is known; the moment to speak is awaited (voicemail).
    awaiting: Option<(Label, f32)>,
    /// A pip that may be followed by another one.
    pip: Option<(Beep, f32)>,
    /// A tone that is a beep unless it is the network's, its score, and how long to wait for that in ms.
    held: Option<(Beep, f32, u64)>,
    /// When a tone last sounded that may be a beep.
    toned: Option<SampleTime>,
    /// When sound last arrived.
    arrived: SampleTime,
}

/// What the policy has to say after a hop.
pub(super) type Said = Vec<Event>;

impl Policy {
    pub(super) fn new(listen: Listen, settings: &Config, now: SampleTime) -> Self {
        Self {
            timers: listen.start_input_timers.then_some(now),
            listen,
            settings: settings.clone(),
            started: now,
            input: None,
            recognition: None,
            last_input: now,
            belief: None,
            machine_steps: 0,
            music_since: None,
            awaiting: None,
            pip: None,
            held: None,
            toned: None,
            arrived: now,
        }
    }

    /// START-INPUT-TIMERS: the No-Input timer runs from `now`, if it does not run yet.
    pub(super) fn start_input_timers(&mut self, now: SampleTime) {
        self.timers.get_or_insert(now);
    }

    /// A key was pressed at `at`, and is known `now`: input, though no label.
    pub(super) fn key(&mut self, at: SampleTime, now: SampleTime) -> Option<Event> {
        self.begin_input(at.max(self.started), InputType::Dtmf, now)
    }

    /// Takes one hop's evidence, the cadence since the listening began, and the model's word if the hop completes a step.
    pub(super) fn push(&mut self, evidence: &Evidence, cadence: &Cadence, posteriors: Option<Posteriors>) -> Said {
        let mut said = Said::new();
        if !evidence.missing {
            self.arrived = evidence.end;
        }
        let gate = INPUT_DB - INPUT_RANGE_DB * self.listen.sensitivity;
        let speech = Some(cadence).filter(|cadence| cadence.speech_on.is_some() && cadence.peak_db >= gate);
        let belief = self.believe(speech, posteriors, evidence.features.is_some());
        if !self.listen.speech {
            let view = self.view(evidence.end, None, Belief::rules(None));
            return self.by_time(&view).map(|outcome| Event::Concluded(Box::new(outcome))).into_iter().collect();
        }
        let tone = evidence.tone.filter(|(_, level_db)| *level_db >= gate).map(|(on, _)| on);
        let sound = match (speech.and_then(|speech| speech.speech_on), tone) {
            (Some(speech), Some(tone)) => Some(speech.min(tone)),
            (speech, tone) => speech.or(tone),
        };
        if let Some(on) = sound {
            said.extend(self.begin_input(on.max(self.started), InputType::Speech, evidence.end));
            if tone.is_some() || speech.is_some_and(|speech| speech.speaking) {
                self.last_input = evidence.end;
            }
        }
        let view = self.view(evidence.end, speech, belief);
        let may_come = self.beep_may_come(evidence);
        let outcome = self
            .by_tones(evidence, &view, gate)
            .or_else(|| self.by_beep(evidence, &view, gate))
            .or_else(|| if may_come { None } else { self.by_speech(&view) })
            .filter(|outcome| self.may_end(outcome))
            .or_else(|| if may_come { None } else { self.by_incomplete(&view) })
            .or_else(|| self.by_time(&view));
        said.extend(outcome.map(|outcome| Event::Concluded(Box::new(outcome))));
        said
    }

    /// Speech that is under way when the listening begins ends it at once, if it was asked to: `spoken` tells since when
    /// and how loud.
    pub(super) fn too_early(&self, spoken: Option<(SampleTime, f32)>) -> Option<Outcome> {
        let gate = INPUT_DB - INPUT_RANGE_DB * self.listen.sensitivity;
        let (on, _) =
            spoken.filter(|(_, level_db)| self.listen.too_early && self.listen.speech && *level_db >= gate)?;
        let view = self.view(self.started, None, Belief::rules(None));
        let ms = self.started.ms_since(on);
        let reason = format!("speech under way for {:.2} s when listening began", ms as f32 / 1000.0);
        let outcome = view.conclude(Label::Unknown, 0.0, Method::Rules, reason);
        Some(Outcome { end: End::TooEarly, ..outcome })
    }

    fn view<'a>(&self, now: SampleTime, speech: Option<&'a Cadence>, belief: Belief) -> View<'a> {
        View { now, speech, belief, started: self.started, threshold: self.listen.confidence_threshold }
    }

    /// The value at the dial between two ends.
    fn dial(&self, (fast, sure): (f32, f32)) -> f32 {
        fast + (sure - fast) * self.listen.speed_vs_accuracy.clamp(0.0, 1.0)
    }

    fn begin_input(&mut self, at: SampleTime, input: InputType, now: SampleTime) -> Option<Event> {
        if self.recognition.is_none() {
            self.recognition = Some(now);
        }
        if self.input.is_some() {
            return None;
        }
        self.input = Some(at);
        // RFC 6787 section 9.9: no START-OF-INPUT in hotword mode.
        self.listen.hotword.is_none().then_some(Event::InputStarted { at, input })
    }

    fn believe(&mut self, speech: Option<&Cadence>, posteriors: Option<Posteriors>, step: bool) -> Belief {
        if posteriors.is_some() {
            self.belief = posteriors;
        }
        let belief = self.belief.map_or_else(|| Belief::rules(speech), Belief::model);
        if step && speech.is_some() {
            let least = match belief.method {
                Method::Model => self.dial(MACHINE_SURE),
                Method::Rules => MACHINE_RULES,
            };
            self.machine_steps = if belief.person() < least { self.machine_steps + 1 } else { 0 };
        }
        belief
    }

    /// Whether an outcome ends this listening: in hotword mode only a match of the right length does.
    fn may_end(&self, outcome: &Outcome) -> bool {
        let Some(hotword) = self.listen.hotword else { return true };
        if outcome.end != End::Decided || !self.listen.accepts.contains(outcome.label) {
            return false;
        }
        match outcome.timeline.beep {
            Some(beep) => (hotword.min_ms..=hotword.max_ms).contains(&beep.off.ms_since(beep.on)),
            None => true,
        }
    }

    fn by_tones(&mut self, evidence: &Evidence, view: &View<'_>, gate: f32) -> Option<Outcome> {
        if let Some(sit) = evidence.sit {
            let [first, second, third] = sit.hz;
            let reason = format!("SIT {}: {first:.0}, {second:.0}, {third:.0} Hz", sit.kind);
            let outcome = view.conclude(Label::Sit, SIT_SURE, Method::Rules, reason);
            return Some(Outcome { sit: Some(sit.kind), ..outcome });
        }
        match evidence.fax {
            Some(Fax::Answer { on, hz }) => {
                let ms = view.now.ms_since(on);
                let reason = format!("answer tone {hz:.0} Hz for {:.2} s", ms as f32 / 1000.0);
                return Some(view.conclude(Label::Fax, FAX_SURE, Method::Rules, reason));
            }
            Some(Fax::Flags { .. }) => {
                let reason = "V.21 flags".to_owned();
                return Some(view.conclude(Label::Fax, FAX_SURE, Method::Rules, reason));
            }
            Some(Fax::Calling { .. }) => {
                let reason = "calling tone 1100 Hz, repeated".to_owned();
                return Some(view.conclude(Label::Fax, FAX_SURE, Method::Rules, reason));
            }
            Some(Fax::CallingOnce { level_db, .. }) if !view.said(level_db) => {
                let reason = "calling tone 1100 Hz, 0.5 s, nothing said before".to_owned();
                return Some(view.conclude(Label::Fax, FAX_ONCE_SURE, Method::Rules, reason));
            }
            _ => {}
        }
        let progress = evidence.progress.filter(|progress| progress.level_db >= gate)?;
        // After a greeting one ring is not enough: a beep and a silence look alike.
        if view.said(progress.level_db) && progress.cycles < 2 {
            return None;
        }
        let (label, sure, word) = match (progress.ringing, progress.cycles) {
            (true, 1) => (Label::Ringback, RING_ONCE_SURE, "ringback"),
            (true, _) => (Label::Ringback, RINGBACK_SURE, "ringback"),
            (false, _) => (Label::Busy, BUSY_SURE, "busy"),
        };
        let seconds = |ms: u64| ms as f32 / 1000.0;
        let (on, off) = (seconds(progress.on_ms), seconds(progress.off_ms));
        let reason = format!("{word} tone near {:.0} Hz, {on:.2} s on, {off:.2} s off", progress.hz);
        Some(view.conclude(label, sure, Method::Rules, reason))
    }

    fn by_beep(&mut self, evidence: &Evidence, view: &View<'_>, gate: f32) -> Option<Outcome> {
        for candidate in &evidence.beeps {
            if candidate.repeats > 0 {
                self.held = None;
            }
            if !self.is_beep(candidate, view, gate) {
                continue;
            }
            let beep = candidate.beep;
            let wait = if view.said(beep.level_db) { None } else { doubt_ms(&beep, evidence.progress_suspected) };
            if let Some(wait) = wait {
                self.held = Some((beep, candidate.score, wait));
                continue;
            }
            self.pip = Some(match self.pip.take() {
                Some((first, score)) if is_next_pip(&first, &beep) => {
                    (Beep { on: first.on, ..beep }, score.max(candidate.score))
                }
                _ => (beep, candidate.score),
            });
        }
        self.release_held(evidence, view);
        let (beep, score) = self.pip?;
        let since = view.now.ms_since(beep.off);
        let next = since < PIP_END_MS && evidence.sounding.iter().any(|hz| (hz - beep.hz).abs() < PIP_HZ);
        if beep.off.ms_since(beep.on) <= PIP_MS && (since < PIP_WAIT_MS || next) {
            return None;
        }
        self.pip = None;
        let length = beep.off.ms_since(beep.on);
        let (shortest, longest) = (self.settings.beep_min_ms, self.settings.beep_max_ms);
        if length + EDGES_MS < shortest || length > longest + EDGES_MS {
            return None;
        }
        let on = view.speech.and_then(|speech| speech.speech_on);
        let said = view.said(beep.level_db) && on.is_some_and(|on| beep.on.ms_since(on) >= SAID_MS);
        let tone = format!("beep {:.0} Hz, {:.2} s", beep.hz, length as f32 / 1000.0);
        let (label, sure, reason) = match (self.listen.goal, said) {
            (Goal::Beep, _) => (Label::Beep, score, tone),
            (_, true) => {
                // An assistant's prompt may end with a tone, too.
                let (likeliest, _) = view.belief.best_of(&AUTOMATED);
                let label = if likeliest == Label::Screening { likeliest } else { Label::Machine };
                (label, BEEP_AFTER_GREETING, format!("{tone}, after a greeting"))
            }
            (_, false) => (Label::Machine, BEEP_ALONE, format!("{tone}, nothing said before")),
        };
        let mut outcome = view.conclude(label, sure, Method::Rules, reason);
        outcome.timeline.beep = Some(beep);
        outcome.timeline.speak_at = Some(beep.off);
        // The tone itself is no speech.
        let end = outcome.timeline.greeting_end.or(view.speech.and_then(|speech| speech.speech_off));
        outcome.timeline.greeting_end = end.filter(|_| said).map(|end| end.min(beep.on));
        Some(outcome)
    }

    /// Whether a tone sounds that may turn out to be a beep: no silence is over before that is known.
    fn beep_may_come(&mut self, evidence: &Evidence) -> bool {
        if let Some((on, _)) = evidence.tone
            && evidence.end.ms_since(on) <= self.settings.beep_max_ms + BEEP_NOTICE_MS
        {
            self.toned = Some(evidence.end);
        }
        self.toned.is_some_and(|last| evidence.end.ms_since(last) <= BEEP_NOTICE_MS)
            || self.pip.is_some()
            || self.held.is_some()
    }

    /// A held tone becomes a beep when no cadence comes of it, and nothing when it sounds again or somebody speaks after it.
    fn release_held(&mut self, evidence: &Evidence, view: &View<'_>) {
        let Some((held, score, wait)) = self.held else { return };
        let since = view.now.ms_since(held.off);
        let again =
            |hz: f32| (hz - held.hz).abs() < PROGRESS_NEAR_HZ || SIT_NEXT_HZ.iter().any(|next| next.contains(&hz));
        let answered = view.speech.is_some_and(|speech| speech.speech_off.is_some_and(|off| off > held.off));
        if since > BEEP_NOTICE_MS && (answered || evidence.sounding.into_iter().any(again)) {
            self.held = None;
        } else if since >= wait {
            self.pip = Some((held, score));
            self.held = None;
        }
    }

    fn is_beep(&self, candidate: &Candidate, view: &View<'_>, gate: f32) -> bool {
        let beep = &candidate.beep;
        let pip = self.pip.is_some_and(|(first, _)| is_next_pip(&first, beep));
        let said = view.said(beep.level_db);
        let bare = self.listen.goal != Goal::Beep
            && !said
            && (beep.off.ms_since(beep.on) < BARE_BEEP_MS || candidate.score < BARE_BEEP_SURE);
        candidate.score >= self.dial(BEEP_SURE)
            && !bare
            && beep.on >= self.started
            && beep.level_db >= gate - BEEP_BELOW_DB
            && view.speech.is_none_or(|speech| beep.level_db >= speech.peak_db - BEEP_BELOW_SPEECH_DB)
            && (candidate.repeats == 0 || pip)
    }

    /// What is spoken, once it can be told. What the grammars can't match waits for the speech's end, unless asked not to:
    /// something that they can may come of it.
    fn by_speech(&mut self, view: &View<'_>) -> Option<Outcome> {
        let outcome = self.by_speech_so_far(view)?;
        let pause_ms = view.speech.map_or(0, |speech| u64::from(speech.pause) * 10);
        let matches = self.listen.accepts.contains(outcome.label);
        (matches || self.listen.early_no_match || outcome.label == Label::Music || pause_ms >= self.complete_ms())
            .then_some(outcome)
    }

    fn by_speech_so_far(&mut self, view: &View<'_>) -> Option<Outcome> {
        let speech = view.speech?;
        let belief = &view.belief;
        let pause_ms = u64::from(speech.pause) * 10;
        let silence_ms = self.listen.speech_complete_timeout_ms.unwrap_or(self.settings.greeting_silence_ms);
        if let Some(outcome) = self.by_music(view) {
            return Some(outcome);
        }
        if self.listen.goal == Goal::Beep {
            return (pause_ms >= silence_ms).then(|| self.without_beep(view, Label::Machine, NO_BEEP_SURE));
        }
        if self.awaiting.is_none() {
            let (label, sure) = self.who(view, speech, pause_ms)?;
            let waits = self.listen.goal == Goal::Voicemail && label != Label::Human && label != Label::Music;
            if !waits {
                let reason = describe(speech, belief);
                return Some(view.conclude(label, sure, belief.method, reason));
            }
            self.awaiting = Some((label, sure));
        }
        let (first, sure) = self.awaiting?;
        // Better known by now, perhaps: which kind of machine.
        let (label, _) = belief.best_of(&AUTOMATED);
        let label = if label == Label::Unknown { first } else { label };
        (pause_ms >= silence_ms).then(|| self.without_beep(view, label, sure))
    }

    /// The pause that ends speech for good.
    fn complete_ms(&self) -> u64 {
        self.listen.speech_complete_timeout_ms.unwrap_or(self.dial(GREETING_PAUSE_MS) as u64)
    }

    /// Speech-Incomplete-Timeout: speech of which it can't be told what it is, and the pause after it.
    fn by_incomplete(&self, view: &View<'_>) -> Option<Outcome> {
        let limit = self.listen.speech_incomplete_timeout_ms?;
        let pause_ms = u64::from(view.speech?.pause) * 10;
        let waits = self.listen.goal == Goal::Beep || self.awaiting.is_some() || self.listen.hotword.is_some();
        (!waits && pause_ms >= limit).then(|| self.best_so_far(view, "not told by its end"))
    }

    /// Who speaks, once it can be told.
    fn who(&self, view: &View<'_>, speech: &Cadence, pause_ms: u64) -> Option<(Label, f32)> {
        let belief = &view.belief;
        if belief.speech() < SPEECH_LEAST {
            return None;
        }
        let person = belief.person();
        let pause = self.dial(HUMAN_PAUSE_MS) as u64;
        let complete = self.complete_ms();
        let early = pause_ms >= pause && person >= self.dial(HUMAN_SURE)
            || pause_ms >= 2 * pause && person >= self.dial(HUMAN_LIKELY);
        let waits = self.listen.goal == Goal::Voicemail && person < HUMAN_NO_BEEP && pause_ms < BEEP_WAIT_MS;
        if early && !waits {
            return Some((Label::Human, person.max(TOLD_LEAST)));
        }
        let spoken_ms = u64::from(speech.since_on - speech.pause.min(speech.since_on)) * 10;
        let automated = belief.best_of(&AUTOMATED).0;
        if self.machine_steps >= MACHINE_STEPS && spoken_ms >= self.dial(MACHINE_SPEECH_MS) as u64 {
            return Some((automated, 1.0 - person));
        }
        if pause_ms >= complete && !waits {
            return Some(after_all(belief));
        }
        None
    }

    fn by_music(&mut self, view: &View<'_>) -> Option<Outcome> {
        let probability = view.belief.of(Label::Music);
        if probability < MUSIC_SURE {
            self.music_since = None;
            return None;
        }
        let since = *self.music_since.get_or_insert(view.now);
        let reason = format!("music for {:.1} s", view.now.ms_since(since) as f32 / 1000.0);
        (view.now.ms_since(since) >= MUSIC_MS)
            .then(|| view.conclude(Label::Music, probability, view.belief.method, reason))
    }

    /// The greeting ended and no beep came: the message can be left now.
    fn without_beep(&self, view: &View<'_>, label: Label, sure: f32) -> Outcome {
        let reason = match view.speech {
            Some(speech) => {
                format!("greeting {:.2} s, no beep in {:.2} s of silence", spoken(speech), pause(speech))
            }
            None => "no beep".to_owned(),
        };
        let mut outcome = view.conclude(label, sure, view.belief.method, reason);
        outcome.timeline.speak_at = Some(view.now);
        outcome
    }

    /// The timers, in sample time.
    fn by_time(&mut self, view: &View<'_>) -> Option<Outcome> {
        let over = |since: Option<SampleTime>, limit: Option<u64>| {
            since.zip(limit).is_some_and(|(since, limit)| view.now.ms_since(since) >= limit)
        };
        if self.input.is_none() && over(self.timers, self.listen.no_input_timeout_ms) {
            let ms = view.now.ms_since(self.timers.unwrap_or(self.started));
            // What sounded meanwhile was not listened to, if only keys are.
            let (label, sure, what) = if self.listen.speech {
                (Label::Silence, SILENCE_SURE, "nothing heard")
            } else {
                (Label::Unknown, 0.0, "no key")
            };
            let reason = format!("{what} for {:.2} s", ms as f32 / 1000.0);
            let mut outcome = view.conclude(label, sure, Method::Rules, reason);
            outcome.end = End::NoInput;
            return Some(outcome);
        }
        if over(self.recognition, self.listen.recognition_timeout_ms) {
            let mut outcome = self.best_so_far(view, "time is over");
            outcome.end = End::MaxTime;
            return Some(outcome);
        }
        if self.listen.hotword.is_some() {
            // Section 9.9: input that made no match stops the timer until there is input again.
            if view.now.ms_since(self.last_input) > HOTWORD_REST_MS {
                (self.recognition, self.input) = (None, None);
            }
            return None;
        }
        // Nothing arrives any more: waiting would tell nothing.
        let gone =
            self.listen.speech && self.input.is_some() && view.now.ms_since(self.arrived) >= self.settings.missing_ms;
        gone.then(|| self.best_so_far(view, "no more sound arrives"))
    }

    fn best_so_far(&self, view: &View<'_>, why: &str) -> Outcome {
        let Some(speech) = view.speech else {
            return view.conclude(Label::Unknown, 0.0, view.belief.method, format!("{why}: no speech, no known tone"));
        };
        let reason = format!("{why}: {}", describe(speech, &view.belief));
        let (label, sure) = self.awaiting.unwrap_or_else(|| after_all(&view.belief));
        if self.listen.goal == Goal::Beep {
            return view.conclude(Label::Unknown, 0.0, view.belief.method, reason);
        }
        view.conclude(label, sure, view.belief.method, reason)
    }
}

/// Silence after which input in hotword mode has ended without a match, in ms.
const HOTWORD_REST_MS: u64 = 1_000;

/// How long a tone with nothing said before it is doubted, in ms: `None` if it can be nothing but a beep.
fn doubt_ms(beep: &Beep, progress_suspected: bool) -> Option<u64> {
    let length = beep.off.ms_since(beep.on);
    if PROGRESS_HZ.contains(&beep.hz) && progress_suspected {
        Some(if length >= RING_MS { RING_WAIT_MS } else { PROGRESS_WAIT_MS })
    } else if SIT_HZ.contains(&beep.hz) {
        Some(SIT_WAIT_MS)
    } else if FAX_HZ.contains(&beep.hz) {
        Some(FAX_WAIT_MS)
    } else {
        None
    }
}

fn is_next_pip(first: &Beep, next: &Beep) -> bool {
    next.on.ms_since(first.off) <= PIP_GAP_MS && (first.hz - next.hz).abs() < PIP_HZ
}

/// What is told when there is nothing more to wait for.
fn after_all(belief: &Belief) -> (Label, f32) {
    let (likeliest, probability) = belief.ranked()[0];
    let person = belief.person();
    if likeliest == Label::Music && probability >= MUSIC_AFTER_ALL {
        (Label::Music, probability)
    } else if likeliest == Label::Silence && belief.speech() < SPEECH_LEAST {
        (Label::Silence, probability)
    } else if person >= PERSON_AFTER_ALL {
        (Label::Human, person.max(TOLD_LEAST))
    } else {
        (belief.best_of(&AUTOMATED).0, 1.0 - person)
    }
}
