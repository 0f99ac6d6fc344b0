//! What detection costs without the network around it: each part of it on a call of ten seconds, a greeting and a beep.
//!
//! Each is told for the whole call, and for a second of it.
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
    features_of,
};
use timing::time;

mod timing;

const CALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio/voicemail.wav");
/// A packet: 20 ms.
const PACKET: usize = 160;

fn main() {
    let bytes = std::fs::read(CALL).expect("the repository has its test calls");
    let call = recording::read(&bytes, Channels::Mix).expect("the test calls are WAV files").samples;
    let plans = Plans::default();
    let seconds = call.len() as f64 / f64::from(SAMPLE_RATE);
    let second = "call-second";

    let coded: Vec<u8> = call.iter().map(|sample| g711::encode_mulaw(*sample)).collect();
    time("mu-law to samples", seconds, second, || {
        coded.iter().map(|byte| i64::from(g711::decode_mulaw(*byte))).sum::<i64>()
    });
    time("spectrum", seconds, second, || hops(&plans, &call, |_| ()));
    let mut heard: Vec<Hop> = Vec::new();
    hops(&plans, &call, |hop| heard.push(hop.clone()));
    time("activity and features, spectrum given", seconds, second, || {
        let (mut activity, mut extractor) = (Activity::default(), Extractor::default());
        for hop in &heard {
            activity.push(hop);
            black_box(extractor.push(hop, &activity));
        }
    });
    let frames = [Frame::Sound(&call)];
    time("spectrum, activity and features", seconds, second, || features_of(&plans, &frames).len());
    time("the like, and tones, beeps, keys, SIT, fax, ringback", seconds, second, || {
        candidates_of(&plans, &frames).len()
    });
    time("detector, rules alone", seconds, second, || detect(&plans, &call, &mut Model::rules()));
    let built_in = Config { builtin_runtime: true, ..Config::default() };
    let mut model = Model::load(&built_in).expect("the built-in model runs");
    time("detector, model in rten, batch of 1", seconds, second, || detect(&plans, &call, &mut model));
}

/// Every hop of a call.
fn hops(plans: &Plans, call: &[i16], mut each: impl FnMut(&Hop)) {
    let mut analyzer = Analyzer::new(plans);
    let mut left = call;
    while !left.is_empty() {
        let taken = analyzer.take(left);
        left = &left[taken..];
        if let Some(hop) = analyzer.hop() {
            each(black_box(hop));
        }
    }
}

/// A call, packet by packet; tells whether it was decided.
fn detect(plans: &Plans, call: &[i16], model: &mut Model) -> bool {
    let mut detector = Detector::with_plans(Arc::new(Config::default()), plans);
    // Nothing ends it before the call does but the beep.
    detector.listen(Listen { goal: Goal::Voicemail, no_input_timeout_ms: None, ..Listen::default() });
    let mut decided = false;
    for packet in call.chunks(PACKET) {
        detector.push(Frame::Sound(packet));
        advance(model, &mut [&mut detector]);
        while let Some(event) = detector.poll_event() {
            decided |= matches!(event, Event::Concluded(_));
        }
    }
    decided
}
