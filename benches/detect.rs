//! What detection costs without the network around it: each part of it on a call of ten seconds, a greeting and a beep.
//!
//! Each is told for the whole call, and for a second of it. `cargo bench --bench detect -- --once NAME` does one part once, for
//! callgrind to count its instructions; a name that there is none of does nothing but read the call.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

use std::hint::black_box;
use std::sync::Arc;

use answerd::audio::recording;
use answerd::audio::wav::Channels;
use answerd::audio::{Frame, SAMPLE_RATE, g711};
use answerd::detect::{
    Activity, Analyzer, Config, Detector, Event, Extractor, Goal, Hop, Listen, Model, Plans, advance, candidates_of,
};
use timing::time;

mod timing;

const CALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio/voicemail.wav");
/// A packet: 20 ms.
const PACKET: usize = 160;
/// Calls that a worker takes together.
const TOGETHER: usize = 64;

fn main() {
    let bytes = std::fs::read(CALL).expect("the repository has its test calls");
    let call = recording::read(&bytes, Channels::Mix).expect("the test calls are WAV files").samples;
    let plans = Plans::default();
    let seconds = call.len() as f64 / f64::from(SAMPLE_RATE);
    let second = "call-second";

    let coded: Vec<u8> = call.iter().map(|sample| g711::encode_mulaw(*sample)).collect();
    let arguments: Vec<String> = std::env::args().collect();
    let once = arguments.iter().position(|argument| argument == "--once").and_then(|at| arguments.get(at + 1));
    // Each has a name and what it is.
    let part = |name: &str, what: &str, calls: usize, work: &mut dyn FnMut() -> usize| match once {
        Some(one) if one == name => println!("{what}: {}", black_box(work())),
        Some(_) => {}
        None => _ = time(&format!("{name}: {what}"), seconds * calls as f64, second, work),
    };
    part("decode", "mu-law to samples", 1, &mut || {
        let sum: i64 = coded.iter().map(|byte| i64::from(g711::decode_mulaw(*byte))).sum();
        sum.unsigned_abs() as usize
    });
    part("spectrum", "spectrum, peaks and pitch", 1, &mut || hops(&plans, &call, |_| ()));
    let mut heard: Vec<Hop> = Vec::new();
    hops(&plans, &call, |hop| heard.push(hop.clone()));
    part("activity", "voice activity, spectrum given", 1, &mut || {
        let mut activity = Activity::default();
        heard.iter().for_each(|hop| activity.push(hop));
        activity.cadence().bursts as usize
    });
    let mut activity = Activity::default();
    heard.iter().for_each(|hop| activity.push(hop));
    part("features", "the model's features, spectrum and activity given", 1, &mut || {
        let mut extractor = Extractor::default();
        heard.iter().filter_map(|hop| extractor.push(hop, &activity)).count()
    });
    let frames = [Frame::Sound(&call)];
    part("senses", "spectrum, activity, tones, beeps, keys, SIT, fax, ringback", 1, &mut || {
        candidates_of(&plans, &frames).len()
    });
    let mut rules = Model::rules();
    part("rules", "detector, rules alone", 1, &mut || detect(&plans, &call, &mut rules, 1));
    let built_in = Config { builtin_runtime: true, ..Config::default() };
    let mut model = Model::load(&built_in).expect("the built-in model runs");
    part("model", "detector, model in rten, batch of 1", 1, &mut || detect(&plans, &call, &mut model, 1));
    part("rules-64", "64 detectors together, rules alone", TOGETHER, &mut || {
        detect(&plans, &call, &mut rules, TOGETHER)
    });
    part("model-64", "64 detectors together, model in rten", TOGETHER, &mut || {
        detect(&plans, &call, &mut model, TOGETHER)
    });
}

/// Every hop of a call, counted.
fn hops(plans: &Plans, call: &[i16], mut each: impl FnMut(&Hop)) -> usize {
    let mut analyzer = Analyzer::new(plans);
    let mut count = 0;
    let mut left = call;
    while !left.is_empty() {
        let taken = analyzer.take(left);
        left = &left[taken..];
        if let Some(hop) = analyzer.hop() {
            count += 1;
            each(black_box(hop));
        }
    }
    count
}

/// So many calls at once, packet by packet; tells how many were decided.
fn detect(plans: &Plans, call: &[i16], model: &mut Model, calls: usize) -> usize {
    let config = Arc::new(Config::default());
    // Nothing ends it before the call does but the beep.
    let listen = Listen { goal: Goal::Voicemail, no_input_timeout_ms: None, ..Listen::default() };
    let mut detectors: Vec<Detector> = (0..calls).map(|_| Detector::with_plans(Arc::clone(&config), plans)).collect();
    detectors.iter_mut().for_each(|detector| detector.listen(listen.clone()));
    let mut decided = 0;
    for packet in call.chunks(PACKET) {
        detectors.iter_mut().for_each(|detector| detector.push(Frame::Sound(packet)));
        advance(model, &mut detectors.iter_mut().collect::<Vec<_>>());
        for detector in &mut detectors {
            while let Some(event) = detector.poll_event() {
                decided += usize::from(matches!(event, Event::Concluded(_)));
            }
        }
    }
    decided
}
