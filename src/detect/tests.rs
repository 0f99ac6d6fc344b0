//! Whole decisions on synthesised sound: exact dates, whatever the frames and the company.

use std::f32::consts::TAU;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use crate::audio::{Frame, SampleTime};
use crate::detect::{
    Backend, Batch, Config, Detector, End, Event, Goal, Hotword, InputType, Label, LabelSet, Listen, Method, Model,
    ModelError, Outcome, Point, Replay, SitKind, advance,
};

/// Sound under construction.
#[derive(Clone, Default)]
pub(in crate::detect) struct Sound(Vec<f32>);

impl Sound {
    fn silence(mut self, ms: usize) -> Self {
        self.0.resize(self.0.len() + ms * 8, 0.0);
        self
    }

    /// Tones of equal level, -20 dB each.
    fn tone(mut self, hz: &[f32], ms: usize) -> Self {
        let sample = |n: usize| hz.iter().map(|hz| 0.1 * (TAU * hz * n as f32 / 8000.0).sin()).sum::<f32>();
        self.0.extend((0..ms * 8).map(sample));
        self
    }

    /// A tone that bends from one frequency to another, -20 dB.
    fn chirp(mut self, from: f32, to: f32, ms: usize) -> Self {
        let mut phase = 0.0;
        self.0.extend((0..ms * 8).map(|n| {
            phase += (from + (to - from) * n as f32 / (ms * 8) as f32) / 8000.0;
            0.1 * (TAU * phase).sin()
        }));
        self
    }

    /// Something voiced: a gliding pitch with formants that move, in syllables, and some breath.
    fn voice(mut self, ms: usize) -> Self {
        let mut phase = 0.0;
        let mut state = 7_u32;
        for n in 0..ms * 8 {
            let t = n as f32 / 8000.0;
            let pitch = 130.0 + 25.0 * (TAU * 0.7 * t).sin() + 6.0 * (TAU * 5.3 * t).sin();
            phase += pitch / 8000.0;
            let formants = [
                520.0 + 220.0 * (TAU * 1.9 * t).sin(),
                1500.0 + 450.0 * (TAU * 2.3 * t).cos(),
                2600.0 + 200.0 * (TAU * 1.1 * t).sin(),
            ];
            let voiced: f32 = (1..22)
                .map(|k| {
                    let hz = pitch * k as f32;
                    let gain: f32 = formants.iter().map(|formant| 1.0 / (1.0 + ((hz - formant) / 90.0).powi(2))).sum();
                    gain * (TAU * phase * k as f32).sin()
                })
                .sum();
            let syllable = (0.5 - 0.5 * (TAU * 4.0 * t).cos()).sqrt();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let breath = (state >> 8) as f32 / 8_388_608.0 - 1.0;
            self.0.push(0.08 * syllable * (voiced + 0.25 * breath));
        }
        self
    }

    /// Noise of this level over everything, from a fixed generator.
    fn noise(mut self, db: f32) -> Self {
        let mut state = 1_u32;
        let gain = 10.0_f32.powf(db / 20.0) * 3.0_f32.sqrt();
        for sample in &mut self.0 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample += gain * ((state >> 8) as f32 / 8_388_608.0 - 1.0);
        }
        self
    }

    pub(in crate::detect) fn samples(&self) -> Vec<i16> {
        self.0.iter().map(|sample| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16).collect()
    }
}

fn sound() -> Sound {
    Sound::default()
}

fn voicemail() -> Listen {
    Listen { goal: Goal::Voicemail, recognition_timeout_ms: Some(120_000), ..Listen::default() }
}

fn beep() -> Listen {
    Listen { goal: Goal::Beep, accepts: LabelSet::EMPTY.with(Label::Beep).with(Label::Machine), ..voicemail() }
}

/// Settings whose row of the rules is a middle one, so that Speed-Vs-Accuracy has room either way.
fn config() -> Config {
    Config { max_human_loss: 0.06, ..Config::default() }
}

/// What a listening from the first sample says to the sound in pieces of 20 ms; then nothing more arrives.
fn events(listen: &Listen, sound: &Sound) -> Vec<Event> {
    let mut detector = Detector::new(Arc::new(config()));
    let mut model = Model::rules();
    detector.listen(listen.clone());
    for piece in sound.samples().chunks(160) {
        detector.push(Frame::Sound(piece));
        advance(&mut model, &mut [&mut detector]);
    }
    detector.push(Frame::Missing { samples: 150 * 8000 });
    advance(&mut model, &mut [&mut detector]);
    std::iter::from_fn(|| detector.poll_event()).collect()
}

fn outcome(listen: &Listen, sound: &Sound) -> Outcome {
    match events(listen, sound).pop() {
        Some(Event::Concluded(outcome)) => *outcome,
        other => panic!("no outcome but {other:?}"),
    }
}

fn seconds(at: Option<SampleTime>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| format!("{:.4}", at.as_secs()))
}

/// The sounds whose decisions `tests/data/detect/decisions.txt` holds.
pub(in crate::detect) fn gallery() -> Vec<(&'static str, Listen, Sound)> {
    let answer = Listen::default;
    let ring = |hz: &[f32]| sound().silence(300).tone(hz, 2000).silence(4000).tone(hz, 2000).silence(2000).noise(-60.0);
    let triplet = |hz: [f32; 3], ms: [usize; 3]| {
        let tones = sound().silence(400).tone(&hz[..1], ms[0]).tone(&hz[1..2], ms[1]).tone(&hz[2..], ms[2]);
        tones.silence(500).voice(2000).noise(-55.0)
    };
    let double_ring = sound().tone(&[400.0, 450.0], 400).silence(200).tone(&[400.0, 450.0], 400).silence(2000);
    let busy =
        |hz: &[f32], ms| (0..6).fold(sound().silence(100), |sound, _| sound.tone(hz, ms).silence(ms)).noise(-55.0);
    let greeting = || sound().silence(500).voice(4500).silence(600);
    vec![
        ("person", answer(), sound().silence(800).voice(600).silence(3000).noise(-55.0)),
        ("long greeting", answer(), sound().silence(500).voice(9000).silence(3000).noise(-55.0)),
        ("greeting, beep", voicemail(), greeting().tone(&[1000.0], 400).silence(3000).noise(-55.0)),
        ("greeting, dual beep", voicemail(), greeting().tone(&[700.0, 1100.0], 250).silence(3000).noise(-50.0)),
        ("greeting, pips", voicemail(), greeting().tone(&[1400.0], 120).silence(60).tone(&[1400.0], 120).silence(3000)),
        ("greeting without beep", voicemail(), greeting().silence(4000).noise(-55.0)),
        (
            "short greeting, beep",
            voicemail(),
            sound().silence(300).voice(900).silence(1500).tone(&[440.0], 800).silence(2000),
        ),
        ("beep alone", beep(), sound().silence(2000).tone(&[2000.0], 100).silence(2000).noise(-55.0)),
        ("US ringback", answer(), ring(&[440.0, 480.0])),
        ("European ringback", answer(), sound().silence(200).tone(&[425.0], 1000).silence(4000).tone(&[425.0], 1000)),
        ("British ringback", answer(), double_ring.noise(-60.0)),
        ("US busy", answer(), busy(&[480.0, 620.0], 500)),
        ("US congestion", answer(), busy(&[480.0, 620.0], 250)),
        ("European busy", answer(), busy(&[425.0], 480)),
        ("SIT intercept", answer(), triplet([913.8, 1370.6, 1776.7], [274, 274, 380])),
        ("SIT vacant code", answer(), triplet([985.2, 1370.6, 1776.7], [380, 274, 380])),
        ("SIT reorder", answer(), triplet([913.8, 1428.5, 1776.7], [274, 380, 380])),
        ("SIT no circuit", answer(), triplet([985.2, 1428.5, 1776.7], [380, 380, 380])),
        ("SIT of ITU-T", answer(), triplet([950.0, 1400.0, 1800.0], [330, 330, 330])),
        ("fax answer tone", answer(), sound().silence(600).tone(&[2100.0], 3000).silence(1000).noise(-55.0)),
        ("fax calling tone", answer(), sound().silence(600).tone(&[1100.0], 500).silence(3000).noise(-55.0)),
        ("nothing", answer(), sound().silence(7000).noise(-62.0)),
        ("nothing arrives", answer(), sound()),
    ]
}

#[test]
fn decisions_are_those_of_the_golden_file() {
    let mut page = String::new();
    for (name, listen, sound) in gallery() {
        let outcome = outcome(&listen, &sound);
        let timeline = &outcome.timeline;
        let beep = timeline.beep.map_or_else(
            || "-".to_owned(),
            |beep| {
                let (on, off) = (beep.on.as_secs(), beep.off.as_secs());
                format!("{on:.4}-{off:.4} {:.1} Hz {:.1} dB", beep.hz, beep.level_db)
            },
        );
        writeln!(
            page,
            "{name}: {} {:.2} {:?} at {}\n  speech {} to {}, beep {beep}, speak at {}\n  {}",
            outcome.label,
            outcome.confidence,
            outcome.end,
            seconds(Some(timeline.decided_at)),
            seconds(timeline.speech_on),
            seconds(timeline.greeting_end),
            seconds(timeline.speak_at),
            outcome.reason,
        )
        .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/detect/decisions.txt");
    #[allow(clippy::disallowed_methods, reason = "a test's golden file")]
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    #[allow(clippy::disallowed_methods, reason = "a test's golden file")]
    let expected = std::fs::read_to_string(path).unwrap();
    assert_eq!(page, expected, "UPDATE_EXPECT=1 accepts what changed");
}

#[test]
fn beeps_are_found_where_they_are() {
    for (hz, ms) in [
        (350.0, 300),
        (440.0, 80),
        (640.0, 1000),
        (852.0, 70),
        (1000.0, 100),
        (1400.0, 500),
        (2600.0, 150),
        (3400.0, 1500),
    ] {
        let at = 500 + 3000 + 700;
        let sound = sound().silence(500).voice(3000).silence(700).tone(&[hz], ms).silence(1500).noise(-50.0);
        let outcome = outcome(&voicemail(), &sound);
        let beep = outcome.timeline.beep.unwrap_or_else(|| panic!("{hz} Hz, {ms} ms: {outcome:?}"));
        let near = |is: SampleTime, ms: usize| is.0.abs_diff(ms as u64 * 8) <= 64;
        assert!(near(beep.on, at) && near(beep.off, at + ms), "{hz} Hz, {ms} ms: {beep:?}");
        assert!((beep.hz - hz).abs() < 1.0, "{hz} Hz, {ms} ms: {beep:?}");
        assert!((beep.level_db + 20.0).abs() < 0.5, "{hz} Hz, {ms} ms: {beep:?}");
        assert_eq!(outcome.timeline.speak_at, Some(beep.off));
        let late = outcome.timeline.decided_at.ms_since(beep.off);
        // A short one may be the first of several pips.
        assert!(late <= if ms <= 200 { 230 } else { 60 }, "{hz} Hz, {ms} ms: told {late} ms late");
    }
}

#[test]
fn what_only_resembles_a_beep_is_none() {
    let keys = [697.0, 770.0, 852.0]
        .iter()
        .fold(sound().silence(500), |sound, row| sound.tone(&[*row, 1336.0], 120).silence(100));
    let melody =
        [523.0, 587.0, 659.0, 698.0, 784.0, 880.0, 988.0].iter().fold(sound(), |sound, hz| sound.tone(&[*hz], 180));
    let note = |sound: Sound, hz: &f32| sound.tone(&[*hz], 80).silence(70);
    let tune = [523.0, 659.0, 784.0, 659.0, 523.0, 494.0, 622.0, 740.0, 622.0, 494.0].iter().fold(sound(), note);
    let pieces = [
        ("keys", keys.silence(2500)),
        ("tune", tune.silence(1000)),
        ("melody", melody.clone().silence(20)),
        ("voice", sound().silence(400).voice(6000)),
        ("triplet", sound().tone(&[950.0], 330).tone(&[1400.0], 330).tone(&[1800.0], 330).silence(1000)),
        ("long tone", sound().silence(300).tone(&[1000.0], 3000).silence(1000)),
    ];
    for (name, sound) in pieces {
        let outcome = outcome(&beep(), &sound.noise(-55.0));
        assert!(outcome.timeline.beep.is_none(), "{name}: {outcome:?}");
    }
}

#[test]
fn a_periodic_tone_is_no_beep_again() {
    // The record tone of a conversation; the listening begins after its first one.
    let recorded = sound().voice(1500).tone(&[1400.0], 500).silence(300).voice(3000).silence(300);
    let recorded = recorded.tone(&[1400.0], 500).silence(5000).noise(-55.0).samples();
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.push(Frame::Sound(&recorded[..2500 * 8]));
    detector.listen(beep());
    detector.push(Frame::Sound(&recorded[2500 * 8..]));
    advance(&mut Model::rules(), &mut [&mut detector]);
    let outcome = std::iter::from_fn(|| detector.poll_event()).find_map(|event| match event {
        Event::Concluded(outcome) => Some(*outcome),
        Event::InputStarted { .. } | Event::Key { .. } | Event::Provisional(_) => None,
    });
    assert_eq!(outcome.and_then(|outcome| outcome.timeline.beep), None);
}

#[test]
fn input_starts_once_and_before_the_outcome() {
    let told = events(&Listen::default(), &sound().silence(800).voice(600).silence(2000).noise(-55.0));
    let [Event::InputStarted { at, input: InputType::Speech }, Event::Concluded(_)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(at.0.abs_diff(800 * 8) < 60 * 8, "{at:?}");
    let keys = events(&Listen::default(), &sound().silence(800).tone(&[770.0, 1336.0], 100).silence(2000));
    let [Event::Key { key: '5', at: pressed }, Event::InputStarted { at, input: InputType::Dtmf }, _] = keys.as_slice()
    else {
        panic!("{keys:?}");
    };
    assert!(pressed == at && at.0.abs_diff(800 * 8) < 40, "{at:?}");
}

#[test]
fn a_key_from_outside_is_input() {
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.listen(Listen::default());
    detector.push(Frame::Sound(&[0; 800]));
    detector.key('5');
    advance(&mut Model::rules(), &mut [&mut detector]);
    let at = SampleTime(800);
    assert_eq!(detector.poll_event(), Some(Event::Key { key: '5', at }));
    assert_eq!(detector.poll_event(), Some(Event::InputStarted { at, input: InputType::Dtmf }));
    assert_eq!(detector.poll_event(), None);
}

/// The keys that a detector has told.
fn keys_of(detector: &mut Detector) -> String {
    advance(&mut Model::rules(), &mut [&mut *detector]);
    std::iter::from_fn(|| detector.poll_event())
        .filter_map(|event| match event {
            Event::Key { key, .. } => Some(key),
            Event::InputStarted { .. } | Event::Provisional(_) | Event::Concluded(_) => None,
        })
        .collect()
}

fn five(ms: usize) -> Vec<i16> {
    sound().tone(&[770.0, 1336.0], ms).silence(200).samples()
}

#[test]
fn keys_are_told_listening_or_not() {
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.key('1');
    detector.listen(Listen::default());
    detector.key('2');
    detector.listen(Listen::default());
    detector.key('3');
    detector.unlisten();
    detector.key('#');
    assert_eq!(keys_of(&mut detector), "123#");
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.push(Frame::Sound(&five(100)));
    detector.listen(Listen::default());
    detector.push(Frame::Sound(&five(100)));
    detector.unlisten();
    detector.push(Frame::Sound(&five(100)));
    assert_eq!(keys_of(&mut detector), "555");
}

#[test]
fn a_press_that_comes_both_ways_is_told_once() {
    // The gateway needs some tone to know the key; it leaves that in the sound, or all of it.
    for (before, after) in [(30, 0), (60, 0), (100, 0), (20, 150), (0, 100), (100, 100)] {
        let mut detector = Detector::new(Arc::new(Config::default()));
        let tone = five(before + after);
        for press in 0..3 {
            detector.push(Frame::Sound(&tone[..before * 8]));
            detector.key('5');
            detector.push(Frame::Sound(&tone[before * 8..]));
            assert_eq!(keys_of(&mut detector), "5", "{before} ms, then {after}, press {press}");
        }
        // An offer without telephone-events, later: the sound counts again.
        detector.push(Frame::Sound(&five(100)));
        assert_eq!(keys_of(&mut detector), "");
        detector.find_keys_in_sound(true);
        detector.push(Frame::Sound(&five(100)));
        assert_eq!(keys_of(&mut detector), "5");
    }
    // Two presses, of which the first came by the sound alone.
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.push(Frame::Sound(&five(100)));
    detector.push(Frame::Sound(&[0; 4_000]));
    detector.key('5');
    assert_eq!(keys_of(&mut detector), "55");
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.find_keys_in_sound(false);
    detector.push(Frame::Sound(&five(100)));
    assert_eq!(keys_of(&mut detector), "");
}

#[test]
fn where_only_keys_are_input_sound_is_not() {
    let keys = Listen { speech: false, too_early: true, ..Listen::default() };
    let busy = (0..6).fold(sound().voice(2000), |sound, _| sound.tone(&[425.0], 480).silence(480));
    let told = events(&keys, &busy);
    let [Event::Concluded(outcome)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((outcome.end, outcome.label), (End::NoInput, Label::Unknown));
    assert_eq!(outcome.timeline.decided_at, SampleTime(5 * 8000));

    let told = events(&keys, &sound().voice(1000).silence(500).tone(&[770.0, 1336.0], 100).silence(2000).voice(40_000));
    let [Event::Key { .. }, Event::InputStarted { at, input: InputType::Dtmf }, Event::Concluded(outcome)] =
        told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!(outcome.end, End::MaxTime);
    assert!(outcome.timeline.decided_at.ms_since(*at).abs_diff(30_000) < 100, "{outcome:?}");
}

#[test]
fn speech_under_way_is_too_early_if_asked() {
    let end = |before: &Sound, listen: Listen| {
        let mut detector = Detector::new(Arc::new(Config::default()));
        detector.push(Frame::Sound(&before.samples()));
        detector.listen(listen);
        detector.push(Frame::Sound(&sound().silence(300).voice(1500).silence(6000).noise(-60.0).samples()));
        detector.push(Frame::Missing { samples: 10 * 8000 });
        advance(&mut Model::rules(), &mut [&mut detector]);
        let told: Vec<_> = std::iter::from_fn(|| detector.poll_event()).collect();
        let Some(Event::Concluded(outcome)) = told.last() else { panic!("{told:?}") };
        assert!(outcome.end != End::TooEarly || told.len() == 1 && outcome.timeline.decided_at == detector_at(before));
        outcome.end
    };
    fn detector_at(before: &Sound) -> SampleTime {
        SampleTime(before.0.len() as u64)
    }
    let early = || Listen { too_early: true, ..Listen::default() };
    let spoken = sound().silence(500).voice(1500);
    assert_eq!(end(&spoken, early()), End::TooEarly);
    assert_eq!(end(&spoken, Listen::default()), End::Decided);
    assert_eq!(end(&spoken.clone().silence(500), early()), End::Decided);
    assert_eq!(end(&sound().silence(500), early()), End::Decided);
    assert_eq!(end(&sound().silence(500).tone(&[440.0, 480.0], 1500), early()), End::Decided);
    let faint = Sound(spoken.0.iter().map(|sample| sample * 0.02).collect());
    assert_eq!(end(&faint, Listen { sensitivity: 0.2, ..early() }), End::Decided, "not loud enough to be input");
}

#[test]
fn what_cannot_match_waits_for_the_end_of_speech() {
    let people = Listen { accepts: LabelSet::EMPTY.with(Label::Human), ..Listen::default() };
    let greeting = sound().silence(300).voice(6000).silence(6000).noise(-55.0);
    let at = |listen: &Listen, sound: &Sound| {
        let outcome = outcome(listen, sound);
        assert_eq!((outcome.end, outcome.label), (End::Decided, Label::Machine), "{outcome:?}");
        outcome.timeline.decided_at.as_secs()
    };
    let early = Listen { early_no_match: true, ..people.clone() };
    assert_eq!(at(&early, &greeting), at(&Listen::default(), &greeting), "at once, as a match");
    let point = rules_row(people.speed_vs_accuracy);
    let over = 6.3 + f64::from(point.long.end_ms) / 1000.0;
    assert!((over..over + 0.2).contains(&at(&people, &greeting)), "{}, not {over}", at(&people, &greeting));
    // As long as it goes on.
    let people_soon = Listen { recognition_timeout_ms: Some(5_500), ..people.clone() };
    assert_eq!(outcome(&people_soon, &greeting).end, End::MaxTime);
    assert_eq!(outcome(&Listen { early_no_match: true, ..people_soon }, &greeting).end, End::Decided);
    // A match is told as ever, and so is what nobody says.
    let person = sound().silence(800).voice(600).silence(3000).noise(-55.0);
    assert_eq!(
        outcome(&people, &person),
        Outcome { alternatives: outcome(&people, &person).alternatives, ..outcome(&Listen::default(), &person) }
    );
    let busy = (0..6).fold(sound().silence(100), |sound, _| sound.tone(&[425.0], 480).silence(480)).noise(-55.0);
    assert_eq!(outcome(&people, &busy).timeline, outcome(&Listen::default(), &busy).timeline);
    assert_eq!(outcome(&people, &busy).label, Label::Busy);
}

/// The operating point that serves where no model does.
fn rules_row(dial: f32) -> Point {
    let config = config();
    config.table.choose(Method::Rules, config.max_human_loss, dial).clone()
}

#[test]
fn silence_after_speech_that_is_not_told_ends_it_when_asked() {
    let people = Listen { accepts: LabelSet::EMPTY.with(Label::Human), ..Listen::default() };
    let greeting = sound().silence(300).voice(6000).silence(6000).noise(-55.0);
    let pause = |listen: &Listen| {
        let outcome = outcome(listen, &greeting);
        assert_eq!((outcome.end, outcome.label), (End::Decided, Label::Machine), "{outcome:?}");
        outcome.timeline.decided_at.ms_since(outcome.timeline.greeting_end.unwrap())
    };
    let incomplete = |ms| Listen { speech_incomplete_timeout_ms: Some(ms), ..people.clone() };
    assert!(pause(&incomplete(700)).abs_diff(700) < 60, "{}", pause(&incomplete(700)));
    let over = u64::from(rules_row(0.5).long.end_ms);
    assert!(pause(&incomplete(9_000)).abs_diff(over) < 60, "the speech is over before that");
    // A greeting whose beep is awaited is told: Speech-Complete-Timeout is for that.
    let wait = Listen { speech_incomplete_timeout_ms: Some(700), ..voicemail() };
    assert_eq!(outcome(&wait, &greeting), outcome(&voicemail(), &greeting));
}

#[test]
fn information_tones_are_told_by_their_kind() {
    let (low, high) = ([913.8, 1370.6], [985.2, 1428.5]);
    let kind = |hz: [f32; 3], ms: [usize; 3]| {
        let tones = sound().silence(400).tone(&hz[..1], ms[0]).tone(&hz[1..2], ms[1]).tone(&hz[2..], ms[2]);
        outcome(&Listen::default(), &tones.silence(500).noise(-55.0)).sit
    };
    for (first, second, kinds) in [
        // By length: short short, short long, long short, long long.
        (low[0], low[1], [SitKind::Intercept, SitKind::Other, SitKind::Other, SitKind::NoCircuitDistant]),
        (low[0], high[1], [SitKind::Other, SitKind::ReorderLocal, SitKind::Other, SitKind::Other]),
        (high[0], low[1], [SitKind::Other, SitKind::ReorderDistant, SitKind::VacantCode, SitKind::Other]),
        (high[0], high[1], [SitKind::Other, SitKind::Other, SitKind::Other, SitKind::NoCircuitLocal]),
    ] {
        for (lengths, expected) in [(274, 274), (274, 380), (380, 274), (380, 380)].into_iter().zip(kinds) {
            let told = kind([first, second, 1776.7], [lengths.0, lengths.1, 380]);
            assert_eq!(told, Some(expected), "{first} Hz {second} Hz {lengths:?}");
        }
    }
    assert_eq!(kind([950.0, 1400.0, 1800.0], [330, 330, 330]), Some(SitKind::Itu));
    assert_eq!(kind([950.0, 1400.0, 1200.0], [330, 330, 330]), None);
}

#[test]
fn no_input_timer_runs_from_the_start_or_from_the_command() {
    let silence = outcome(&Listen::default(), &sound().silence(6000));
    assert_eq!((silence.end, silence.label), (End::NoInput, Label::Silence));
    assert_eq!(silence.timeline.decided_at, SampleTime(5 * 8000));

    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.listen(Listen { start_input_timers: false, ..Listen::default() });
    detector.push(Frame::Sound(&vec![0; 8 * 8000]));
    detector.start_input_timers();
    detector.start_input_timers();
    detector.push(Frame::Sound(&vec![0; 8 * 8000]));
    advance(&mut Model::rules(), &mut [&mut detector]);
    let Some(Event::Concluded(outcome)) = detector.poll_event() else { panic!("nothing told") };
    assert_eq!((outcome.end, outcome.timeline.decided_at), (End::NoInput, SampleTime(13 * 8000)));
}

#[test]
fn recognition_timer_runs_from_the_first_input() {
    let listen = Listen { recognition_timeout_ms: Some(1_500), ..Listen::default() };
    let outcome = outcome(&listen, &sound().silence(2000).voice(6000).noise(-55.0));
    assert_eq!(outcome.end, End::MaxTime);
    let after = outcome.timeline.decided_at.ms_since(outcome.timeline.speech_on.unwrap());
    assert!((1_500..1_700).contains(&after), "{after} ms");
}

#[test]
fn a_label_below_the_threshold_is_unknown_and_still_an_alternative() {
    let listen = Listen { confidence_threshold: 0.99, ..Listen::default() };
    let outcome = outcome(&listen, &sound().silence(800).voice(600).silence(3000).noise(-55.0));
    assert_eq!(outcome.label, Label::Unknown);
    assert_eq!(outcome.alternatives.first().map(|other| other.label), Some(Label::Human));
}

#[test]
fn the_dial_trades_time_for_certainty() {
    let person = sound().silence(500).voice(600).silence(3000).noise(-55.0);
    let at = |dial| outcome(&Listen { speed_vs_accuracy: dial, ..Listen::default() }, &person).timeline.decided_at;
    let told = [0.0, 0.5, 1.0].map(at);
    assert!(told[0] < told[1] && told[1] < told[2], "{told:?}");
}

#[test]
fn faint_sound_is_input_only_to_a_sensitive_listener() {
    let faint = Sound(sound().silence(500).voice(600).silence(5000).0.iter().map(|sample| sample * 0.06).collect());
    let of = |sensitivity| outcome(&Listen { sensitivity, ..Listen::default() }, &faint);
    assert_eq!(of(0.2).end, End::NoInput);
    assert_eq!(of(1.0).label, Label::Human);
}

#[test]
fn speech_complete_timeout_ends_a_greeting() {
    let greeting = sound().silence(300).voice(5000).silence(6000).noise(-55.0);
    let at = |ms| {
        let outcome = outcome(&Listen { speech_complete_timeout_ms: ms, ..voicemail() }, &greeting);
        assert_eq!((outcome.label, outcome.timeline.speak_at), (Label::Machine, Some(outcome.timeline.decided_at)));
        outcome.timeline.decided_at.ms_since(outcome.timeline.greeting_end.unwrap())
    };
    assert!(at(Some(1_000)).abs_diff(1_000) < 60, "{}", at(Some(1_000)));
    assert!(at(None).abs_diff(3_000) < 60, "{}", at(None));
}

#[test]
fn what_does_not_arrive_is_no_silence() {
    // A person would be told 0.8 s into the pause; here the pause is a hole in a greeting.
    let (before, after) =
        (sound().silence(500).voice(700).noise(-55.0).samples(), sound().voice(5000).noise(-55.0).samples());
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.listen(Listen::default());
    detector.push(Frame::Sound(&before));
    detector.push(Frame::Missing { samples: 2 * 8000 });
    detector.push(Frame::Sound(&after));
    advance(&mut Model::rules(), &mut [&mut detector]);
    let told: Vec<_> = std::iter::from_fn(|| detector.poll_event()).collect();
    let Some(Event::Concluded(outcome)) = told.last() else { panic!("{told:?}") };
    assert_eq!(outcome.label, Label::Machine, "{outcome:?}");
}

#[test]
fn hotword_hears_only_its_word_of_its_length() {
    let listen = Listen {
        hotword: Some(Hotword { min_ms: 200, max_ms: 600 }),
        accepts: LabelSet::EMPTY.with(Label::Beep),
        ..beep()
    };
    let sound = sound().silence(500).voice(2000).silence(500).tone(&[900.0], 100).silence(4000).tone(&[1000.0], 400);
    let told = events(&listen, &sound.silence(1000).noise(-55.0));
    let [Event::Concluded(outcome)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(outcome.label, Label::Beep);
    assert!((outcome.timeline.beep.unwrap().hz - 1000.0).abs() < 1.0);
}

#[test]
fn only_sound_after_listening_began_decides() {
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.push(Frame::Sound(&sound().voice(5000).silence(1000).samples()));
    detector.listen(Listen::default());
    detector.push(Frame::Sound(&sound().silence(6000).samples()));
    advance(&mut Model::rules(), &mut [&mut detector]);
    let Some(Event::Concluded(outcome)) = detector.poll_event() else { panic!("nothing told") };
    assert_eq!((outcome.label, outcome.timeline.started), (Label::Silence, SampleTime(6 * 8000)));
    assert_eq!(outcome.timeline.decided_at, SampleTime(11 * 8000));
}

#[test]
fn unlisten_silences() {
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.listen(Listen::default());
    detector.push(Frame::Sound(&sound().silence(500).voice(1000).samples()));
    detector.unlisten();
    detector.push(Frame::Sound(&[0; 80_000]));
    advance(&mut Model::rules(), &mut [&mut detector]);
    assert_eq!(detector.poll_event(), None);
    assert_eq!(detector.now(), SampleTime(1500 * 8 + 80_000));
}

#[test]
fn the_built_in_model_runs_in_batches_as_alone() {
    let config = Config { builtin_runtime: true, ..Config::default() };
    let mut model = Model::load(&config).unwrap();
    assert_eq!(*model.backend(), Backend::BuiltIn);
    let mut rten = Model::in_rten(&config).unwrap();
    assert_eq!(*rten.backend(), Backend::Rten);
    let config = Arc::new(config);
    let sounds: Vec<Vec<i16>> = gallery().into_iter().map(|(_, _, sound)| sound.silence(8000).samples()).collect();
    let new = || {
        let mut detector = Detector::new(Arc::clone(&config));
        detector.listen(Listen::default());
        detector
    };
    let told = |detector: &mut Detector| -> Vec<Event> { std::iter::from_fn(|| detector.poll_event()).collect() };
    let mut together: Vec<Detector> = sounds.iter().map(|_| new()).collect();
    for (detector, sound) in together.iter_mut().zip(&sounds) {
        detector.push(Frame::Sound(sound));
        detector.push(Frame::Missing { samples: 60 * 8000 });
    }
    advance(&mut model, &mut together.iter_mut().collect::<Vec<_>>());
    let mut by_model = 0;
    for (detector, sound) in together.iter_mut().zip(&sounds) {
        let mut alone = new();
        alone.push(Frame::Sound(sound));
        alone.push(Frame::Missing { samples: 60 * 8000 });
        advance(&mut model, &mut [&mut alone]);
        let (alone, batch) = (told(&mut alone), told(detector));
        assert_eq!(alone, batch, "a network of our own does not depend on the batch");
        let mut alone = new();
        alone.push(Frame::Sound(sound));
        alone.push(Frame::Missing { samples: 60 * 8000 });
        advance(&mut rten, &mut [&mut alone]);
        let alone = told(&mut alone);
        let (Some(Event::Concluded(one)), Some(Event::Concluded(other))) = (alone.last(), batch.last()) else {
            panic!("{alone:?} {batch:?}");
        };
        assert_eq!((one.label, one.timeline), (other.label, other.timeline));
        assert!((one.confidence - other.confidence).abs() < 1e-3);
        by_model += usize::from(one.method == Method::Model);
    }
    assert!(by_model > 0);
}

#[test]
fn where_the_model_is_left_out_the_rules_decide_and_say_so() {
    let config = Arc::new(Config { builtin_runtime: true, ..Config::default() });
    let mut model = Model::load(&config).unwrap();
    let sound = sound().silence(300).voice(8_000).noise(-55.0).samples();
    let mut told = |asked: std::ops::Range<usize>| {
        let mut detector = Detector::new(Arc::clone(&config));
        detector.listen(Listen { recognition_timeout_ms: Some(3_000), ..Listen::default() });
        detector.push(Frame::Sound(&sound));
        let mut batch = Batch::default();
        for step in 0.. {
            batch.begin(&model);
            if !detector.advance(&mut batch) {
                break;
            }
            if asked.contains(&step) {
                model.step(&mut batch);
            }
            detector.hear_model(&batch);
        }
        match std::iter::from_fn(|| detector.poll_event()).last() {
            Some(Event::Concluded(outcome)) => {
                let lacked =
                    outcome.reason.split_once("; without the model for ").map(|(_, seconds)| seconds.to_owned());
                (outcome.method, lacked)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(0..usize::MAX), (Method::Model, None));
    assert_eq!(told(0..0).0, Method::Rules);
    // Left out from some step on, what the model said before is out of date; asked again, its word counts.
    assert_eq!(told(0..5).0, Method::Rules);
    let (method, lacked) = told(5..usize::MAX);
    assert_eq!((method, lacked.as_deref()), (Method::Model, Some("0.5 s")));
}

#[test]
fn a_wrong_model_is_refused_with_a_reason() {
    let at = |name: &str| Some(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let load = |model| Model::load(&Config { model, builtin_runtime: true, ..Config::default() });
    assert!(matches!(load(at("models/none.onnx")), Err(ModelError::File(..))));
    assert!(matches!(load(at("Cargo.toml")), Err(ModelError::Runtime(_))));
    let no_library = Config { onnxruntime: at("Cargo.lock"), ..Config::default() };
    assert!(matches!(Model::load(&no_library), Err(ModelError::Runtime(_))));
    let rules = Model::load(&Config { rules_only: true, ..Config::default() }).unwrap();
    assert_eq!(*rules.backend(), Backend::Rules);
}

#[test]
fn settings_are_checked() {
    assert_eq!(Config::default().validate(), Ok(()));
    let wrong = Config { beep_max_ms: 2_001, ..Config::default() };
    assert_eq!(wrong.validate(), Err("beep_max_ms: 2001 is over 2000".to_owned()));
    // What the rules lose counts where they decide.
    let strict = |rules_only| Config { max_human_loss: 0.02, rules_only, ..Config::default() }.validate();
    assert_eq!(strict(false), Ok(()));
    assert!(strict(true).unwrap_err().contains("no row for rules that loses at most 0.02"), "{:?}", strict(true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn frames_of_any_length_decide_alike(which in 0_usize..23, cuts in proptest::collection::vec(1_usize..5000, 1..40)) {
        let (_, listen, sound) = gallery().swap_remove(which);
        let samples = sound.samples();
        let told = |cuts: &[usize], at_once: bool| {
            let mut detector = Detector::new(Arc::new(Config::default()));
            let mut model = Model::rules();
            detector.listen(listen.clone());
            let mut left = samples.as_slice();
            for cut in cuts.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (piece, rest) = left.split_at((*cut).min(left.len()));
                detector.push(Frame::Sound(piece));
                left = rest;
                if !at_once {
                    advance(&mut model, &mut [&mut detector]);
                }
            }
            detector.push(Frame::Missing { samples: 130 * 8000 });
            advance(&mut model, &mut [&mut detector]);
            std::iter::from_fn(|| detector.poll_event()).collect::<Vec<_>>()
        };
        let expected = told(&[160], false);
        prop_assert!(!expected.is_empty());
        prop_assert_eq!(&told(&cuts, false), &expected);
        prop_assert_eq!(&told(&cuts, true), &expected);
    }

    #[test]
    fn no_sound_is_too_strange(pieces in proptest::collection::vec((any::<bool>(), 1_usize..3000, any::<i16>()), 1..30)) {
        let mut detector = Detector::new(Arc::new(Config::default()));
        let mut model = Model::rules();
        detector.listen(voicemail());
        for (arrives, length, seed) in pieces {
            let piece: Vec<i16> = (0..length).map(|n| seed.wrapping_mul(n as i16 | 1)).collect();
            detector.push(if arrives { Frame::Sound(&piece) } else { Frame::Missing { samples: length } });
            advance(&mut model, &mut [&mut detector]);
        }
        prop_assert!(std::iter::from_fn(|| detector.poll_event()).count() <= 2);
    }
}

/// What is told of a person or a machine by the rules, in words.
fn told_early(sound: &Sound) -> (Vec<String>, usize) {
    let events = events(&Listen { provisional: true, ..Listen::default() }, sound);
    let concluded = events.iter().filter(|event| matches!(event, Event::Concluded(_))).count();
    let told = events.iter().filter_map(|event| match event {
        Event::Provisional(early) => {
            let corrects = early.corrects.map_or("-", Label::as_str);
            Some(format!("{} for {corrects}{}", early.label, if early.beep.is_some() { ", beep" } else { "" }))
        }
        Event::Concluded(outcome) => Some(format!("concluded {}", outcome.label)),
        _ => None,
    });
    (told.collect(), concluded)
}

#[test]
fn what_is_likely_is_told_early_and_a_beep_corrects_a_person() {
    let (told, concluded) =
        told_early(&sound().silence(500).voice(900).silence(2200).tone(&[1000.0], 500).silence(5000));
    assert_eq!(told, ["human for -", "concluded human", "machine for human, beep"]);
    assert_eq!(concluded, 1);
    // Too late to correct anything.
    let (told, _) = told_early(&sound().silence(500).voice(900).silence(7000).tone(&[1000.0], 500).silence(2000));
    assert_eq!(told, ["human for -", "concluded human"]);
}

#[test]
fn nothing_is_told_early_unless_asked_for() {
    let sound = sound().silence(500).voice(900).silence(2200).tone(&[1000.0], 500).silence(5000);
    let events = events(&Listen::default(), &sound);
    assert!(!events.iter().any(|event| matches!(event, Event::Provisional(_))));
    assert!(matches!(events.last(), Some(Event::Concluded(_))));
}

#[test]
fn a_replay_tells_what_the_listening_told() {
    let config = config();
    let point = &rules_row(0.5);
    let mut by_speech = 0;
    for (name, listen, sound) in gallery() {
        let answers = Listen { goal: Goal::Answer, ..Listen::default() };
        if listen != answers {
            continue;
        }
        let outcome = outcome(&Listen { confidence_threshold: 0.0, ..answers }, &sound);
        let samples = sound.samples();
        let frames = [Frame::Sound(&samples)];
        let [_, rules] = Replay::both(&mut Model::rules(), &config, &frames).unwrap();
        let told = rules.told(point, false);
        assert_eq!((told.label, told.at), (outcome.label, outcome.timeline.decided_at), "{name}");
        by_speech += usize::from(told.score.is_some());
    }
    assert!(by_speech > 1);
}

#[test]
fn alternatives_leave_room_for_the_label() {
    for (name, listen, sound) in gallery() {
        let outcome = outcome(&listen, &sound);
        let others: f32 = outcome.alternatives.iter().map(|other| other.confidence).sum();
        let own = if outcome.label == Label::Unknown { 0.0 } else { outcome.confidence };
        assert!(own + others <= 1.0 + 1e-4, "{name}: {own} and {others}");
        assert!(!outcome.reason.is_empty(), "{name}");
    }
}

#[test]
fn a_beep_may_bend() {
    for (from, to, ms) in [(1000.0, 1300.0, 250), (900.0, 600.0, 400), (1500.0, 1700.0, 120), (2000.0, 3000.0, 300)] {
        let sound = sound().silence(400).voice(2500).silence(400).chirp(from, to, ms).silence(2500).noise(-65.0);
        let outcome = outcome(&voicemail(), &sound);
        let found = outcome.timeline.beep.unwrap_or_else(|| panic!("{from} to {to} Hz: {}", outcome.reason));
        assert!(found.on.0.abs_diff(3_300 * 8) < 120, "{from} to {to} Hz: {found:?}");
        assert!(found.off.0.abs_diff((3_300 + ms as u64) * 8) < 120, "{from} to {to} Hz: {found:?}");
        assert!((found.hz - f32::midpoint(from, to)).abs() < 12.0, "{from} to {to} Hz: {found:?}");
    }
}

#[test]
fn pips_and_the_longer_tone_after_them_are_one_beep() {
    for gap in [60, 130, 200] {
        let pips = sound().silence(400).voice(2500).silence(400);
        let pips = pips.tone(&[1000.0], 100).silence(gap).tone(&[1000.0], 100).silence(gap).tone(&[1000.0], 500);
        let outcome = outcome(&voicemail(), &pips.silence(2500).noise(-65.0));
        let found = outcome.timeline.beep.unwrap_or_else(|| panic!("{gap} ms: {}", outcome.reason));
        let off = 3_300 + 700 + 2 * gap as u64;
        assert!(found.on.0.abs_diff(3_300 * 8) < 80 && found.off.0.abs_diff(off * 8) < 80, "{gap} ms: {found:?}");
        assert_eq!(outcome.timeline.speak_at, Some(found.off));
    }
}

#[test]
fn a_beep_that_lost_a_packet_is_told_whole_at_its_end() {
    // The network filled it with silence.
    for (piece, hole) in [(400, 20), (400, 30), (400, 40), (150, 30), (700, 30)] {
        let beep = sound().silence(400).voice(2500).silence(400).tone(&[1000.0], piece).silence(hole);
        let outcome = outcome(&voicemail(), &beep.tone(&[1000.0], 500).silence(2500).noise(-65.0));
        let case = format!("{hole} ms after {piece}: {}", outcome.reason);
        let found = outcome.timeline.beep.unwrap_or_else(|| panic!("{case}"));
        let off = (3_300 + piece + hole + 500) as u64 * 8;
        assert!(found.on.0.abs_diff(3_300 * 8) < 80 && found.off.0.abs_diff(off) < 80, "{case}: {found:?}");
        assert!((off..off + 800).contains(&outcome.timeline.decided_at.0), "{case}: {:?}", outcome.timeline);
    }
}

#[test]
fn rings_of_two_tones_that_beat_are_rings() {
    let double: &[usize] = &[400, 200, 400, 2_000];
    let single: &[usize] = &[1_000, 2_000];
    for (hz, cadence) in [
        ([400.0, 416.0], single),
        ([384.0, 416.0], single),
        ([383.0, 417.0], double),
        ([400.0, 450.0], double),
        ([375.0, 425.0], double),
    ] {
        let mut line = sound().silence(300);
        for (n, ms) in cadence.iter().cycle().take(3 * cadence.len()).enumerate() {
            line = if n % 2 == 0 { line.tone(&hz, *ms) } else { line.silence(*ms) };
        }
        let outcome = outcome(&Listen::default(), &line.noise(-60.0));
        assert_eq!(outcome.label, Label::Ringback, "{hz:?}: {}", outcome.reason);
    }
}

#[test]
fn information_tones_played_too_fast_or_too_slowly_keep_their_kind() {
    let played = |speed: f32, hz: [f32; 3], ms: [f32; 3]| {
        let tones =
            (0..3).fold(sound().silence(500), |sound, n| sound.tone(&[hz[n] * speed], (ms[n] / speed) as usize));
        outcome(&Listen::default(), &tones.silence(6000).noise(-60.0))
    };
    for speed in [0.88, 0.94, 1.0, 1.06, 1.13] {
        let outcome = played(speed, [913.8, 1370.6, 1776.7], [274.0, 274.0, 380.0]);
        assert_eq!((outcome.label, outcome.sit), (Label::Sit, Some(SitKind::Intercept)), "{speed}: {}", outcome.reason);
    }
    // A fifth and a fourth of a tune are none.
    assert_ne!(played(1.0, [880.0, 1320.0, 1760.0], [300.0; 3]).label, Label::Sit);
}

#[test]
fn input_that_becomes_nothing_is_silence() {
    let sound = sound().silence(500).tone(&[3_600.0], 200).silence(9_000).noise(-70.0);
    let told = events(&Listen::default(), &sound);
    assert!(matches!(told[0], Event::InputStarted { .. }), "{told:?}");
    let outcome = outcome(&Listen::default(), &sound);
    assert_eq!((outcome.label, outcome.end), (Label::Silence, End::Decided), "{}", outcome.reason);
    let decided_at = outcome.timeline.decided_at.as_secs();
    assert!((5.5..6.0).contains(&decided_at), "{decided_at}");
    // With a key pressed it is not over.
    let mut detector = Detector::new(Arc::new(Config::default()));
    detector.listen(Listen::default());
    detector.push(Frame::Sound(&sound.samples()[..8_000]));
    detector.key('5');
    detector.push(Frame::Sound(&sound.samples()[8_000..]));
    advance(&mut Model::rules(), &mut [&mut detector]);
    assert!(std::iter::from_fn(|| detector.poll_event()).all(|event| !matches!(event, Event::Concluded(_))));
}
