//! Evidence to one decision: what a listening asks for, and every threshold that decides it.
//!
//! Tones decide alone. Speech decides by how likely a person is (see [`Belief`]), by the pause after it and by
//! the row of the table of operating points that serves (see [`Point`]).

mod beep;
mod provisional;
mod sound;
pub(super) mod speech;
pub(super) mod telling;
mod time;
mod tones;
mod unheard;

use std::sync::Arc;

use crate::audio::SampleTime;
use crate::detect::activity::Cadence;
use crate::detect::belief::{Belief, Posteriors};
use crate::detect::call_progress::Progress;
use crate::detect::evidence::Evidence;
use crate::detect::points::Point;
use crate::detect::policy::beep::Pips;
use crate::detect::policy::provisional::Early;
use crate::detect::policy::sound::Sound;
use crate::detect::policy::speech::situation;
use crate::detect::policy::telling::{Situation, Teller};
use crate::detect::view::View;
use crate::detect::{Beep, Config, End, Event, InputType, Label, Listen, Method, Outcome, STEP_HOPS};

/// Level that sound must reach to be input, in dB: at Sensitivity-Level 0.0, and how much lower at 1.0.
const INPUT_DB: f32 = -30.0;
const INPUT_RANGE_DB: f32 = 30.0;
/// Speech from which something was said before a tone, in ms; and how much fainter than the tone it may have been, in dB:
/// noise that was taken for speech is fainter.
pub(super) const SAID_MS: u64 = 400;
pub(super) const SAID_BELOW_DB: f32 = 25.0;
/// Speech that begins and ends with a tone, give or take so many ms, is that tone.
const TONED_MS: u64 = 120;
/// Confidence at least of what speech is told as: a label that is less sure is told only where nothing else is likelier.
const TOLD_LEAST: f32 = 0.5;
/// A pause this long dates the greeting's end.
pub(super) const GREETING_END_MS: u64 = 400;
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
    /// A key was pressed.
    pressed: bool,
    /// When the Recognition timer began.
    recognition: Option<SampleTime>,
    /// When input was last heard.
    last_input: SampleTime,
    belief: Option<Posteriors>,
    /// Steps that the model, which there is, said nothing of.
    left_out: u32,
    /// What tells the belief: the model, or the rules.
    method: Method,
    /// The rows of the table that serve: with the model, and by the rules.
    points: [Arc<Point>; 2],
    teller: Teller,
    /// What the model is sure of, if that is no speech.
    sound: Option<Sound>,
    /// Since when the model hears a voice of which no word was made out.
    unheard: Option<SampleTime>,
    /// A machine is known; the moment to speak is awaited (voicemail).
    awaiting: Option<(Label, f32)>,
    /// A beep that may be followed by another pip, or by its rest.
    pip: Option<Pips>,
    /// A tone that is a beep unless it is the network's, its score, and how long to wait for that in ms.
    held: Option<(Beep, f32, u64)>,
    /// A ring that no other one has followed.
    rung: Option<Progress>,
    /// A beat like a busy tone's, noticed after speech.
    beat: Option<Progress>,
    /// When a tone last sounded that may be a beep.
    toned: Option<SampleTime>,
    /// A tone that may be a beep sounds, or has ended and is thought over.
    urgent: bool,
    /// When sound last arrived.
    arrived: SampleTime,
    /// What was told before the end.
    early: Early,
    /// All is told.
    over: bool,
    /// Speech is not decided on but noted down, for a search of operating points.
    observed: Option<Vec<Observed>>,
}

/// One hop's speech.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    /// The hop's end.
    pub(super) at: SampleTime,
    pub(super) now: Situation,
    pub(super) belief: Belief,
    /// It completes a step.
    pub(super) step: bool,
    /// A tone sounds that may be a beep: nothing is told.
    pub(super) waits: bool,
}

/// What the policy has to say after a hop.
pub(super) type Said = Vec<Event>;

impl Policy {
    pub(super) fn new(listen: Listen, settings: &Config, now: SampleTime) -> Self {
        Self {
            timers: listen.start_input_timers.then_some(now),
            settings: settings.clone(),
            started: now,
            input: None,
            pressed: false,
            recognition: None,
            last_input: now,
            belief: None,
            left_out: 0,
            method: Method::Rules,
            points: [Method::Model, Method::Rules].map(|method| {
                let dial = listen.speed_vs_accuracy;
                Arc::new(settings.table.choose(method, settings.max_human_loss, dial).clone())
            }),
            teller: Teller::default(),
            sound: None,
            unheard: None,
            awaiting: None,
            pip: None,
            held: None,
            rung: None,
            beat: None,
            toned: None,
            urgent: false,
            arrived: now,
            early: Early::default(),
            over: false,
            observed: None,
            listen,
        }
    }

    /// One that notes speech down and does not decide on it.
    pub(super) fn observing(listen: Listen, settings: &Config, now: SampleTime) -> Self {
        Self { observed: Some(Vec::new()), ..Self::new(listen, settings, now) }
    }

    /// What was noted down.
    pub(super) fn into_observed(self) -> Vec<Observed> {
        self.observed.unwrap_or_default()
    }

    /// START-INPUT-TIMERS: the No-Input timer runs from `now`, if it does not run yet.
    pub(super) fn start_input_timers(&mut self, now: SampleTime) {
        self.timers.get_or_insert(now);
    }

    /// The model, which there is, was not asked about the step that is about to come, or failed.
    pub(super) const fn leave_model_out(&mut self) {
        self.left_out += 1;
    }

    /// Whether all is told.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether a beep may be told in a moment: the sound that comes next is to be heard at once.
    pub(super) const fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// A key was pressed at `at`, and is known `now`: input, though no label.
    pub(super) fn key(&mut self, at: SampleTime, now: SampleTime) -> Option<Event> {
        self.pressed = true;
        self.begin_input(at.max(self.started), InputType::Dtmf, now)
    }

    /// Takes one hop's evidence, the cadence since the listening began, and the model's word if the hop completes a step.
    pub(super) fn push(&mut self, evidence: &Evidence, cadence: &Cadence, posteriors: Option<Posteriors>) -> Said {
        let mut said = Said::new();
        if !evidence.missing {
            self.arrived = evidence.end;
        }
        let gate = INPUT_DB - INPUT_RANGE_DB * self.listen.sensitivity;
        let speech = Some(cadence)
            .filter(|cadence| cadence.speech_on.is_some() && cadence.peak_db >= gate)
            .filter(|cadence| !only_toned(cadence, evidence.progress_span));
        let belief = self.believe(speech, posteriors, evidence.step);
        if !self.listen.speech {
            let view = self.view(evidence.end, None, Belief::rules(None));
            let outcome = self.by_time(&view);
            self.over = outcome.is_some();
            return outcome.map(|outcome| Event::Concluded(Box::new(outcome))).into_iter().collect();
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
        self.follow_sound(&view);
        let (made_out, loud) = (cadence.speech_on.is_some(), evidence.loudest_db >= gate);
        self.follow_unheard(&view, made_out, loud);
        if self.sounds() || self.is_unheard() {
            said.extend(self.begin_input(evidence.end, InputType::Speech, evidence.end));
            self.last_input = evidence.end;
        }
        let may_come = self.beep_may_come(evidence);
        self.urgent = may_come;
        if self.early.revises() {
            said.extend(self.correction(evidence, &view, gate));
            self.over = !self.early.revises();
            return said;
        }
        if let (Some(observed), Some(speech)) = (&mut self.observed, speech) {
            let (now, step) = (situation(speech, &belief), evidence.step);
            observed.push(Observed { at: evidence.end, now, belief, step, waits: may_come });
        }
        let outcome = self
            .by_tones(evidence, &view, gate)
            .or_else(|| self.by_beep(evidence, &view, gate))
            .or_else(|| if may_come { None } else { self.by_speech(&view) })
            .filter(|outcome| self.may_end(outcome))
            .or_else(|| if may_come { None } else { self.by_incomplete(&view) })
            .or_else(|| self.by_time(&view));
        match &outcome {
            Some(outcome) => self.over = !self.may_be_corrected(outcome),
            None if self.listen.provisional && evidence.step => said.extend(self.early(&view)),
            None => {}
        }
        said.extend(outcome.map(|outcome| Event::Concluded(Box::new(self.with_what_lacked(outcome)))));
        said
    }

    /// Says in the reason for how long the model was left out, where it would have had a say.
    fn with_what_lacked(&self, mut outcome: Outcome) -> Outcome {
        let told_by_sound =
            matches!(outcome.label, Label::Fax | Label::Sit | Label::Busy | Label::Ringback | Label::Beep);
        if self.left_out > 0 && !told_by_sound {
            let seconds = (self.left_out as usize * STEP_HOPS) as f32 / 100.0;
            outcome.reason += &format!("; without the model for {seconds:.1} s");
        }
        outcome
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
        let threshold = self.listen.confidence_threshold;
        View { now, speech, belief, started: self.started, threshold }
    }

    /// The confidence of what was told by speech with this score.
    fn sure(&self, label: Label, score: f32) -> f32 {
        match label {
            Label::Human | Label::Machine | Label::Screening | Label::Ivr => {
                self.point().confidence.of(label, score).max(TOLD_LEAST)
            }
            _ => score,
        }
    }

    /// The row of the table that serves.
    fn point(&self) -> &Arc<Point> {
        let [model, rules] = &self.points;
        match self.method {
            Method::Model => model,
            Method::Rules => rules,
        }
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

    /// Whether a decision for this label may end this listening: in hotword mode only a match does.
    fn may_match(&self, label: Label) -> bool {
        self.listen.hotword.is_none() || self.listen.accepts.contains(label)
    }

    /// Whether an outcome ends this listening: in hotword mode only a match of the right length does.
    fn may_end(&self, outcome: &Outcome) -> bool {
        let Some(hotword) = self.listen.hotword else { return true };
        if outcome.end != End::Decided || !self.may_match(outcome.label) {
            return false;
        }
        match outcome.timeline.beep {
            Some(beep) => (hotword.min_ms..=hotword.max_ms).contains(&beep.off.ms_since(beep.on)),
            None => true,
        }
    }
}

/// Whether all that was taken for speech lies where the network's tones sounded; it is short, unless they have the form of a ring.
fn only_toned(cadence: &Cadence, span: Option<(SampleTime, SampleTime, bool)>) -> bool {
    span.zip(cadence.speech_on.zip(cadence.speech_off)).is_some_and(|((on, off, ring), (speech_on, speech_off))| {
        (ring || u64::from(cadence.speech) * 10 < SAID_MS)
            && speech_on.plus_ms(TONED_MS) >= on
            && speech_off <= off.plus_ms(TONED_MS)
    })
}
