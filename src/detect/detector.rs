//! One listener on one stream: frames in, dated events out.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::audio::{Frame, SampleTime};
use crate::detect::belief::Posteriors;
use crate::detect::dtmf::Press;
use crate::detect::evidence::{Room, Senses};
use crate::detect::findings::Keeper;
use crate::detect::model::{Batch, Model};
use crate::detect::policy::Policy;
use crate::detect::{Config, Event, Listen};

/// Follows one stream of sound, and listens when asked.
///
/// Audio and commands are queued in order and worked off by [`advance`]; what comes out depends on neither how the audio
/// was cut into frames nor which other detectors were advanced with it.
#[derive(Debug)]
pub struct Detector {
    config: Arc<Config>,
    senses: Senses,
    policy: Option<Policy>,
    /// Keeps what is found until the decision.
    keeper: Option<Box<Keeper>>,
    /// The model's state in this listening.
    state: Vec<f32>,
    /// The last hop's step waits for the model's word: its number in the batch.
    due: Option<usize>,
    queue: VecDeque<Queued>,
    /// Queued sound, in one piece, and how much of it is taken.
    sound: Vec<i16>,
    taken: usize,
    /// Samples pushed so far.
    pushed: u64,
    events: VecDeque<Event>,
    keys_in_sound: bool,
    /// The last key that was found in the sound.
    last_in_sound: Option<Press>,
}

/// A telephone-event so soon after the like key in the sound is the same press, in ms of sample time. Events come a packet
/// after the press began; what sends them needs 40 ms of tone, and what delays them, a jitter buffer, some more.
const SAME_PRESS_MS: u64 = 400;

#[derive(Debug)]
enum Queued {
    Sound(usize),
    Missing(usize),
    Listen(Box<Listen>),
    Unlisten,
    StartInputTimers,
    Key(char),
    KeysInSound(bool),
}

impl Detector {
    /// A detector at the beginning of its stream.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            senses: Senses::default(),
            policy: None,
            keeper: None,
            state: Vec::new(),
            due: None,
            queue: VecDeque::new(),
            sound: Vec::new(),
            taken: 0,
            pushed: 0,
            events: VecDeque::new(),
            keys_in_sound: true,
            last_in_sound: None,
        }
    }

    /// Queues sound, or its absence.
    pub fn push(&mut self, frame: Frame<'_>) {
        if frame.is_empty() {
            return;
        }
        self.pushed += frame.len() as u64;
        match (frame, self.queue.back_mut()) {
            (Frame::Sound(sound), Some(Queued::Sound(samples))) => {
                self.sound.extend_from_slice(sound);
                *samples += sound.len();
            }
            (Frame::Sound(sound), _) => {
                self.sound.extend_from_slice(sound);
                self.queue.push_back(Queued::Sound(sound.len()));
            }
            (Frame::Missing { samples: more }, Some(Queued::Missing(samples))) => *samples += more,
            (Frame::Missing { samples }, _) => self.queue.push_back(Queued::Missing(samples)),
        }
    }

    /// A key was pressed at this moment of the stream: a telephone-event. From now on keys in the sound are not told, until
    /// [`Detector::find_keys_in_sound`]: gateways leave the tones of the same presses there, or the beginnings of them.
    pub fn key(&mut self, key: char) {
        self.queue.push_back(Queued::Key(key));
    }

    /// Whether keys are looked for in the sound; they are if nothing else was said.
    pub fn find_keys_in_sound(&mut self, find: bool) {
        self.queue.push_back(Queued::KeysInSound(find));
    }

    /// Listens from this moment on, for one outcome. A listening that runs is given up.
    pub fn listen(&mut self, listen: Listen) {
        self.queue.push_back(Queued::Listen(Box::new(listen)));
    }

    /// Gives up listening.
    pub fn unlisten(&mut self) {
        self.queue.push_back(Queued::Unlisten);
    }

    /// Starts the No-Input timer of the listening.
    pub fn start_input_timers(&mut self) {
        self.queue.push_back(Queued::StartInputTimers);
    }

    /// The stream's length so far, with what is queued.
    #[must_use]
    pub fn now(&self) -> SampleTime {
        SampleTime(self.pushed)
    }

    /// Whether something may be told in a moment that has to be told at once: a beep.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.policy.as_ref().is_some_and(Policy::is_urgent)
    }

    /// What listening has told, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Works off the queue until it is empty, or until a step needs the model's word: then the step is put into the batch,
    /// and [`Detector::hear_model`] is to be called when the model was asked. Tells whether that is so.
    pub fn advance(&mut self, batch: &mut Batch) -> bool {
        if self.due.is_none() && !self.run(batch.room()) {
            return false;
        }
        self.due = Some(batch.push(self.senses.features(), &self.state));
        true
    }

    /// Takes what the model said of the step that waits for it, if one does. A model that was not asked says nothing: the
    /// rules decide. [`Detector::advance`] goes on from there.
    pub fn hear_model(&mut self, batch: &Batch) {
        if let Some(step) = self.due.take() {
            let posteriors = batch.told(step, &mut self.state);
            if posteriors.is_none()
                && batch.has_model()
                && let Some(policy) = &mut self.policy
            {
                policy.leave_model_out();
            }
            self.decide(posteriors);
        }
    }

    /// Works off the queue until it is empty, or until a hop needs the model's word; tells whether that is so.
    fn run(&mut self, room: &mut Room) -> bool {
        while let Some(queued) = self.queue.front_mut() {
            let now = self.senses.now();
            let frame = match queued {
                Queued::Sound(samples) => Frame::Sound(&self.sound[self.taken..self.taken + *samples]),
                Queued::Missing(samples) => Frame::Missing { samples: *samples },
                _ => {
                    let command = self.queue.pop_front();
                    self.obey(command, now);
                    continue;
                }
            };
            let (taken, complete) = self.senses.push(frame, self.policy.is_some(), room);
            match queued {
                Queued::Sound(samples) => {
                    *samples -= taken;
                    self.taken += taken;
                }
                Queued::Missing(samples) => *samples -= taken,
                _ => {}
            }
            if matches!(queued, Queued::Sound(0) | Queued::Missing(0)) {
                self.queue.pop_front();
            }
            if !complete {
                continue;
            }
            let (key, end, step) = {
                let evidence = self.senses.evidence();
                (evidence.key, evidence.end, evidence.step)
            };
            if let Some(press) = key.filter(|_| self.keys_in_sound) {
                self.last_in_sound = Some(press);
                self.press(press, end);
            }
            if self.policy.is_some() {
                if step {
                    return true;
                }
                self.decide(None);
            }
        }
        self.sound.clear();
        self.taken = 0;
        false
    }

    fn obey(&mut self, command: Option<Queued>, now: SampleTime) {
        match command {
            Some(Queued::Listen(listen)) => {
                self.unlisten_now();
                let spoken = self.senses.activity().burst().map(|burst| (burst.on, burst.peak_db));
                self.senses.restart();
                self.state.clear();
                self.keeper = Keeper::new(self.config.keep, &listen, now, spoken);
                let policy = Policy::new(*listen, &self.config, now);
                match policy.too_early(spoken) {
                    Some(mut outcome) => {
                        outcome.findings = self.keeper.take().and_then(Keeper::finish);
                        self.events.push_back(Event::Concluded(Box::new(outcome)));
                    }
                    None => self.policy = Some(policy),
                }
            }
            Some(Queued::Unlisten) => self.unlisten_now(),
            Some(Queued::StartInputTimers) => {
                if let Some(policy) = &mut self.policy {
                    policy.start_input_timers(now);
                }
                if let Some(keeper) = &mut self.keeper {
                    keeper.start_input_timers(now);
                }
            }
            Some(Queued::Key(key)) => {
                let told = if self.keys_in_sound { self.last_in_sound.take() } else { None };
                self.keys_in_sound = false;
                // The first press that comes both ways: its tones were heard before its event came.
                if told.is_none_or(|told| told.key != key || now.ms_since(told.at) > SAME_PRESS_MS) {
                    self.press(Press { key, at: now }, now);
                }
            }
            Some(Queued::KeysInSound(find)) => self.keys_in_sound = find,
            Some(Queued::Sound(_) | Queued::Missing(_)) | None => {}
        }
    }

    /// Gives up the listening, and what it has told; keys stay, whatever was listened to when they were pressed.
    fn unlisten_now(&mut self) {
        self.policy = None;
        self.keeper = None;
        self.events.retain(|event| matches!(event, Event::Key { .. }));
    }

    fn press(&mut self, press: Press, now: SampleTime) {
        self.events.push_back(Event::Key { key: press.key, at: press.at });
        if let Some(policy) = &mut self.policy {
            self.events.extend(policy.key(press.at, now));
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.key(press.at, now);
        }
    }

    /// Decides on the last hop.
    fn decide(&mut self, posteriors: Option<Posteriors>) {
        let Some(policy) = &mut self.policy else { return };
        let evidence = self.senses.evidence();
        let cadence = self.senses.activity().cadence();
        let mut said = policy.push(evidence, cadence, posteriors);
        if policy.is_over() {
            self.policy = None;
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.hop(evidence, cadence, posteriors, self.senses.features());
            // What corrects the decision afterwards is not kept.
            if let Some(Event::Concluded(outcome)) = said.last_mut() {
                outcome.findings = self.keeper.take().and_then(Keeper::finish);
            }
        }
        self.events.extend(said);
    }
}

/// Works off everything that is queued in the detectors; the model runs once per step for all that are due together.
pub fn advance(model: &mut Model, detectors: &mut [&mut Detector]) {
    let mut batch = Batch::default();
    loop {
        batch.begin(model);
        for detector in detectors.iter_mut() {
            detector.advance(&mut batch);
        }
        if batch.is_empty() {
            return;
        }
        model.step(&mut batch);
        detectors.iter_mut().for_each(|detector| detector.hear_model(&batch));
    }
}
