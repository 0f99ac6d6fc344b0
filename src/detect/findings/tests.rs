//! Decisions made live, kept, and made anew.

use std::sync::Arc;

use proptest::prelude::*;

use crate::audio::{Frame, SampleTime};
use crate::detect::features::FEATURES;
use crate::detect::findings::coding::{In, Out};
use crate::detect::findings::{Findings, FindingsError, Keep, Keeper, MOST_BYTES, Word, coding};
use crate::detect::tests::gallery;
use crate::detect::{Config, Detector, Event, Listen, Method, Model, Outcome, advance};

fn config(keep: Keep) -> Config {
    Config { keep, ..Config::default() }
}

/// What a listening to the sound in pieces of 20 ms tells, of which some are lost; nothing more arrives after it.
fn heard(keep: Keep, listen: &Listen, sound: &[i16], model: &mut Model) -> Option<Outcome> {
    let mut detector = Detector::new(Arc::new(config(keep)));
    // The stream has begun before.
    detector.push(Frame::Sound(&[0; 1_000]));
    detector.listen(Listen { start_input_timers: false, ..listen.clone() });
    for (n, piece) in sound.chunks(160).enumerate() {
        match n {
            5 => detector.start_input_timers(),
            9 => detector.key('5'),
            _ => {}
        }
        detector.push(if n % 50 == 49 { Frame::Missing { samples: piece.len() } } else { Frame::Sound(piece) });
        advance(model, &mut [&mut detector]);
    }
    for _ in 0..150 {
        let told = std::iter::from_fn(|| detector.poll_event()).find_map(|event| match event {
            Event::Concluded(outcome) => Some(*outcome),
            _ => None,
        });
        if let Some(outcome) = told {
            return Some(outcome);
        }
        detector.push(Frame::Missing { samples: 8_000 });
        advance(model, &mut [&mut detector]);
    }
    // In hotword mode there may be none.
    None
}

/// Its findings, through their bytes, and the outcome alone.
fn kept(mut outcome: Outcome) -> (Findings, Outcome) {
    let findings = outcome.findings.take().expect("findings");
    let read = Findings::from_bytes(&findings.to_bytes()).unwrap();
    // What is listened for beside the decision is not kept.
    assert_eq!(Findings { listen: findings.listen.clone(), ..read.clone() }, *findings);
    (read, outcome)
}

#[test]
fn a_decision_made_anew_is_the_same() {
    let mut model = Model::load(&Config::default()).unwrap();
    let mut seconds = 0.0;
    let mut bytes = 0;
    for (name, listen, sound) in gallery() {
        for (keep, model) in [(Keep::Features, &mut model), (Keep::Decision, &mut Model::rules())] {
            let Some(outcome) = heard(keep, &listen, &sound.samples(), model) else { continue };
            let (findings, outcome) = kept(outcome);
            let again = findings.again(&Config::default(), Word::OfThen).unwrap();
            assert_eq!(again.outcome.as_ref(), Some(&outcome), "{name}");
            assert!(!again.beyond, "{name}");
            if keep == Keep::Features {
                // Asked again, the model says the same but for the features' steps.
                let asked = findings.again(&Config::default(), Word::Of(model)).unwrap().outcome.unwrap();
                assert_eq!((asked.label, asked.end), (outcome.label, outcome.end), "{name}");
                assert!((asked.confidence - outcome.confidence).abs() < 0.02, "{name}");
                seconds += outcome.timeline.decided_at.ms_since(outcome.timeline.started) as f64 / 1_000.0;
                bytes += findings.to_bytes().len();
            } else {
                assert_eq!(findings.again(&Config::default(), Word::OfRules).unwrap(), again, "{name}");
                let error = findings.again(&Config::default(), Word::Of(model)).unwrap_err();
                assert_eq!(error, FindingsError::NoFeatures);
            }
        }
    }
    let a_second = bytes as f64 / seconds;
    assert!(a_second < 4_000.0, "{a_second} bytes a second");
}

#[test]
fn another_policy_decides_otherwise() {
    let listening = |named: &str| {
        let (_, listen, sound) = gallery().into_iter().find(|(name, ..)| *name == named).unwrap();
        (listen, sound.samples())
    };
    // Listening for a beep alone, a greeting without one is told by the silence after it.
    let ((listen, _), (_, sound)) = (listening("beep alone"), listening("greeting without beep"));
    let (findings, outcome) = kept(heard(Keep::Decision, &listen, &sound, &mut Model::rules()).unwrap());
    let decided_at = |config: Config| {
        let now = findings.again(&config, Word::OfThen).unwrap();
        (now.outcome.unwrap().timeline.decided_at, now.beyond)
    };
    let sooner = Config { greeting_silence_ms: 1_000, ..Config::default() };
    let (at, beyond) = decided_at(sooner);
    assert!(!beyond && at < outcome.timeline.decided_at, "{at:?}, then {outcome:?}");
    // What would wait longer hears nothing more, and says so.
    let later = Config { greeting_silence_ms: 30_000, missing_ms: 1_000, ..Config::default() };
    let (at, beyond) = decided_at(later);
    assert!(beyond && at > outcome.timeline.decided_at, "{at:?}, then {outcome:?}");
    // The rules in the place of the model.
    let mut model = Model::load(&Config::default()).unwrap();
    let (listen, sound) = listening("person");
    let (findings, outcome) = kept(heard(Keep::Features, &listen, &sound, &mut model).unwrap());
    assert_eq!(outcome.method, Method::Model);
    let now = findings.again(&Config::default(), Word::OfRules).unwrap().outcome.unwrap();
    assert_eq!(now.method, Method::Rules);
}

#[test]
fn speech_under_way_is_kept_too() {
    let (_, _, sound) = gallery().into_iter().find(|(name, ..)| *name == "long greeting").unwrap();
    let mut detector = Detector::new(Arc::new(config(Keep::Decision)));
    detector.push(Frame::Sound(&sound.samples()[..16_000]));
    advance(&mut Model::rules(), &mut [&mut detector]);
    detector.listen(Listen { too_early: true, ..Listen::default() });
    advance(&mut Model::rules(), &mut [&mut detector]);
    let Some(Event::Concluded(outcome)) = detector.poll_event() else { panic!("not ended") };
    let (findings, outcome) = kept(*outcome);
    assert_eq!(findings.again(&Config::default(), Word::OfRules).unwrap().outcome, Some(outcome));
}

#[test]
fn what_is_too_long_is_not_kept_and_nothing_is_unless_asked() {
    assert!(Keeper::new(Keep::Nothing, &Listen::default(), SampleTime(0), None).is_none());
    let kept = |steps: u64| {
        let mut keeper = Keeper::new(Keep::Features, &Listen::default(), SampleTime(0), None).unwrap();
        let (mut evidence, cadence) = coding::Row::default().hop().unwrap();
        evidence.step = true;
        let mut state = 1_u32;
        for step in 1..=steps {
            evidence.end = SampleTime(step * 800);
            let features = [(); FEATURES].map(|()| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 20) as f32 / 1_024.0
            });
            keeper.hop(&evidence, &cadence, None, &features);
        }
        keeper.finish()
    };
    assert!(kept(100).is_some_and(|findings| findings.bytes.len() < MOST_BYTES));
    assert_eq!(kept(10_000), None);
}

#[test]
fn other_formats_and_damage_are_told() {
    let listen = Listen { no_input_timeout_ms: Some(500), ..Listen::default() };
    let outcome = heard(Keep::Decision, &listen, &[0; 8_000], &mut Model::rules()).unwrap();
    let bytes = outcome.findings.unwrap().to_bytes();
    let mut other = bytes.clone();
    other[0] = 9;
    assert_eq!(Findings::from_bytes(&other), Err(FindingsError::Format(9)));
    assert_eq!(Findings::from_bytes(&[]), Err(FindingsError::Malformed));
    // A step before any hop; more hops than there is time.
    for wrong in [&[2, 0][..], &[0, 0xff, 0xff, 0xff, 0xff, 0x0f], &[77]] {
        let header = Findings { bytes: wrong.to_vec(), ..Findings::from_bytes(&bytes).unwrap() };
        let read = Findings::from_bytes(&header.to_bytes()).unwrap();
        assert_eq!(read.again(&Config::default(), Word::OfThen), Err(FindingsError::Malformed));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_findings_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<u8>()) {
        if let Ok(findings) = Findings::from_bytes(&bytes) {
            prop_assert!(findings.items().is_ok() || findings.items() == Err(FindingsError::Malformed));
        }
        let listen = Listen { no_input_timeout_ms: Some(100), ..Listen::default() };
        let whole = heard(Keep::Features, &listen, &[0; 1_600], &mut Model::rules()).unwrap().findings.unwrap().to_bytes();
        let cut = usize::from(cut) * whole.len() / 255;
        if let Ok(findings) = Findings::from_bytes(&whole[..cut]) {
            prop_assert!(findings.items().is_ok() || findings.items() == Err(FindingsError::Malformed));
        }
    }

    #[test]
    fn numbers_are_read_as_they_were_written(numbers in proptest::collection::vec(any::<i64>(), 0..20)) {
        let mut out = Out::default();
        for number in &numbers {
            out.signed(*number);
            out.number(*number as u64);
        }
        let mut input = In(&out.0);
        for number in numbers {
            prop_assert_eq!(input.signed().unwrap(), number);
            prop_assert_eq!(input.number().unwrap(), number as u64);
        }
        prop_assert!(input.is_empty());
    }
}
