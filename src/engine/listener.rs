//! One detector of a stream: its listening, the recording of it, and recorded sound in the stream's place.

use std::sync::Arc;

use crate::audio::{Frame, SAMPLE_RATE};
use crate::detect::{Detector, Event, Listen};
use crate::engine::ListenerId;
use crate::media::Heard;

/// A detector of a stream.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: ListenerId,
    generation: u64,
    detector: Box<Detector>,
    /// Recorded sound that is listened to instead of the stream.
    playback: Option<Playback>,
    recording: Option<Recording>,
    /// A conclusion whose recording was told before it.
    concluded: Option<Event>,
}

/// What a listener tells.
#[derive(Debug)]
pub(super) enum Told {
    Detected(Event),
    Recorded(Vec<i16>),
}

/// Recorded sound on its way through a detector of its own.
#[derive(Debug)]
pub(super) struct Playback {
    detector: Box<Detector>,
    samples: Arc<[i16]>,
    at: usize,
}

/// The sound of a listening, up to a length.
#[derive(Debug)]
struct Recording {
    samples: Vec<i16>,
    most: usize,
}

/// Samples of recorded sound that are listened to in one tick: 500 ms, a thousandth of a tick's work for a whole worker.
const PIECE: usize = SAMPLE_RATE as usize / 2;
/// Samples after the end of recorded sound in which every timer that runs runs out: 300 s. A listening that waits for its
/// timer to be started waits at leisure.
const LONGEST_WAIT: usize = 300 * SAMPLE_RATE as usize;
/// Samples in one tick then: 10 ms.
const LEISURE: usize = SAMPLE_RATE as usize / 100;

impl Listener {
    pub(super) fn new(id: ListenerId, detector: Box<Detector>) -> Self {
        Self { id, generation: 0, detector, playback: None, recording: None, concluded: None }
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Begins a listening; a recording holds `most` samples.
    pub(super) fn listen(&mut self, generation: u64, listen: Listen, most: usize) {
        self.begin(generation, &listen, most);
        self.detector.listen(listen);
    }

    /// Begins a listening on recorded sound.
    pub(super) fn listen_to(&mut self, generation: u64, listen: Listen, mut playback: Playback, most: usize) {
        self.begin(generation, &listen, most);
        self.detector.unlisten();
        playback.detector.listen(listen);
        self.playback = Some(playback);
    }

    fn begin(&mut self, generation: u64, listen: &Listen, most: usize) {
        self.generation = generation;
        self.playback = None;
        self.recording = listen.record.then(|| Recording { samples: Vec::new(), most });
    }

    pub(super) fn start_input_timers(&mut self, generation: u64) {
        if self.generation == generation {
            self.listening().start_input_timers();
        }
    }

    pub(super) fn unlisten(&mut self, generation: u64) {
        if self.generation == generation {
            self.detector.unlisten();
            self.playback = None;
            self.recording = None;
        }
    }

    /// Whether keys are looked for in the stream's sound.
    pub(super) fn find_keys_in_sound(&mut self, find: bool) {
        self.detector.find_keys_in_sound(find);
    }

    /// Takes what came of the stream.
    pub(super) fn hear(&mut self, heard: Heard<'_>) {
        match heard {
            Heard::Frame(frame) => {
                self.detector.push(frame);
                if let (Some(recording), None) = (&mut self.recording, &self.playback) {
                    recording.push(frame);
                }
            }
            Heard::Key(key) => self.detector.key(key),
        }
    }

    /// Whether what comes next is to be heard at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.plays() || self.detector.is_urgent()
    }

    /// Whether recorded sound is listened to, a piece in each tick.
    pub(super) const fn plays(&self) -> bool {
        self.playback.is_some()
    }

    /// Takes the next piece of recorded sound.
    pub(super) fn play(&mut self) {
        if let Some(Playback { detector, samples, at }) = &mut self.playback {
            let frame = next(samples, *at);
            detector.push(frame);
            if let Some(recording) = &mut self.recording {
                recording.push(frame);
            }
            *at += frame.len();
        }
    }

    /// All that is to be advanced.
    pub(super) fn detectors(&mut self) -> impl Iterator<Item = &mut Detector> {
        let playback = self.playback.as_mut().map(|playback| &mut *playback.detector);
        std::iter::once(&mut *self.detector).chain(playback)
    }

    /// What there is to tell next, in order.
    pub(super) fn poll(&mut self) -> Option<Told> {
        if let Some(event) = self.concluded.take() {
            return Some(Told::Detected(event));
        }
        let event = self.detector.poll_event().or_else(|| self.playback.as_mut()?.detector.poll_event())?;
        if let Event::Concluded(outcome) = &event {
            self.playback = None;
            if let Some(recording) = self.recording.take() {
                let heard = outcome.timeline.decided_at.0.saturating_sub(outcome.timeline.started.0);
                self.concluded = Some(event);
                return Some(Told::Recorded(recording.finish(heard)));
            }
        }
        Some(Told::Detected(event))
    }

    /// The detector that listens.
    fn listening(&mut self) -> &mut Detector {
        match &mut self.playback {
            Some(playback) => &mut playback.detector,
            None => &mut self.detector,
        }
    }
}

impl Playback {
    pub(super) const fn new(detector: Box<Detector>, samples: Arc<[i16]>) -> Self {
        Self { detector, samples, at: 0 }
    }
}

/// What is listened to next of recorded sound of which `at` samples were.
fn next(samples: &[i16], at: usize) -> Frame<'_> {
    let left = samples.get(at..).unwrap_or_default();
    if !left.is_empty() {
        Frame::Sound(left.get(..PIECE).unwrap_or(left))
    } else if at < samples.len() + LONGEST_WAIT {
        Frame::Missing { samples: PIECE }
    } else {
        Frame::Missing { samples: LEISURE }
    }
}

impl Recording {
    fn push(&mut self, frame: Frame<'_>) {
        let room = self.most - self.samples.len();
        match frame {
            Frame::Sound(sound) => self.samples.extend_from_slice(sound.get(..room).unwrap_or(sound)),
            Frame::Missing { samples } => self.samples.resize(self.samples.len() + samples.min(room), 0),
        }
    }

    /// The first `heard` samples, if there are so many.
    fn finish(mut self, heard: u64) -> Vec<i16> {
        self.samples.truncate(usize::try_from(heard).unwrap_or(usize::MAX));
        self.samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{self, Model, advance};

    fn detector() -> Box<Detector> {
        Box::new(Detector::new(Arc::default()))
    }

    /// Ticks until something but keys is told, at most so many times: the keys, the recording's length, and what ended.
    fn tick(listener: &mut Listener, ticks: usize, sound: &[i16]) -> (String, Option<usize>, Option<detect::Outcome>) {
        let mut keys = String::new();
        let (mut recorded, mut concluded) = (None, None);
        for _ in 0..ticks {
            listener.hear(Heard::Frame(Frame::Sound(sound)));
            listener.play();
            advance(&mut Model::rules(), &mut listener.detectors().collect::<Vec<_>>());
            while let Some(told) = listener.poll() {
                match told {
                    Told::Recorded(samples) => {
                        assert!(concluded.is_none(), "a recording comes before the conclusion");
                        recorded = Some(samples.len());
                    }
                    Told::Detected(Event::Key { key, .. }) => keys.push(key),
                    Told::Detected(Event::Concluded(outcome)) => concluded = Some(*outcome),
                    Told::Detected(Event::InputStarted { .. } | Event::Provisional(_)) => {}
                }
            }
            if concluded.is_some() {
                break;
            }
        }
        (keys, recorded, concluded)
    }

    const PACKET: [i16; 160] = [0; 160];

    fn record() -> Listen {
        Listen { record: true, no_input_timeout_ms: Some(1_000), ..Listen::default() }
    }

    #[test]
    fn what_is_listened_to_is_recorded() {
        let mut listener = Listener::new(ListenerId(1), detector());
        tick(&mut listener, 10, &PACKET);
        listener.listen(1, record(), 100_000);
        listener.hear(Heard::Frame(Frame::Missing { samples: 800 }));
        let (_, recorded, concluded) = tick(&mut listener, 100, &PACKET);
        assert_eq!(concluded.map(|outcome| outcome.end), Some(detect::End::NoInput));
        assert_eq!(recorded, Some(8_000), "from the beginning to the decision");
        // As much as is kept.
        listener.listen(2, record(), 3_000);
        assert_eq!(tick(&mut listener, 100, &PACKET).1, Some(3_000));
        // Nothing without having been asked, or when it was given up.
        listener.listen(3, Listen { record: false, ..record() }, 3_000);
        assert_eq!(tick(&mut listener, 100, &PACKET).1, None);
        listener.listen(4, record(), 3_000);
        listener.unlisten(3);
        assert!(listener.recording.is_some(), "another listening's end");
        listener.unlisten(4);
        let (_, recorded, concluded) = tick(&mut listener, 100, &PACKET);
        assert!(recorded.is_none() && concluded.is_none());
    }

    #[test]
    fn recorded_sound_is_listened_to_faster_than_it_lasts() {
        let mut listener = Listener::new(ListenerId(1), detector());
        let playback = || Playback::new(detector(), vec![0; 20_000].into());
        listener.listen_to(1, Listen { no_input_timeout_ms: Some(4_000), ..record() }, playback(), 100_000);
        listener.hear(Heard::Key('7'));
        // 4 s in pieces of 0.5 s, of which the last ones are after the end.
        let (keys, recorded, concluded) = tick(&mut listener, 8, &PACKET);
        let outcome = concluded.expect("concluded in 8 ticks");
        assert_eq!((outcome.end, outcome.timeline.decided_at.0), (detect::End::NoInput, 32_000));
        assert_eq!((keys.as_str(), recorded), ("7", Some(32_000)));
        assert!(listener.playback.is_none());
        // Its timer can wait, its end too.
        let wait = Listen { start_input_timers: false, ..record() };
        listener.listen_to(2, wait, playback(), 100_000);
        assert!(tick(&mut listener, 700, &PACKET).2.is_none());
        listener.start_input_timers(2);
        assert!(tick(&mut listener, 101, &PACKET).2.is_some());
        listener.listen_to(3, record(), playback(), 100_000);
        listener.unlisten(3);
        assert!(tick(&mut listener, 20, &PACKET).2.is_none());
        // The stream's own sound counts again.
        listener.listen(4, record(), 100_000);
        assert_eq!(tick(&mut listener, 100, &PACKET).1, Some(8_000));
    }
}
