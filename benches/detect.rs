//! What detection costs without the network around it: each part of it on a call of ten seconds, a greeting and a beep.
//!
//! The throughput is in seconds of a call for a second of a processor: how many calls one keeps up with, if it does nothing
//! else. `cargo bench --bench detect -- --once NAME` does one part once, for callgrind to count its instructions; a name that there
//! is none of does nothing but read the call.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

mod common;

use std::hint::black_box;
use std::sync::Arc;

use answerd::audio::{Frame, SAMPLE_RATE, g711};
use answerd::detect::{
    Activity, Analyzer, Config, Detector, Event, Extractor, Goal, Hop, Listen, Model, Workspace, advance, candidates_of,
};
use common::PACKET;
use criterion::{Criterion, Throughput};

/// Calls that a worker takes together.
const TOGETHER: usize = 64;

/// One part: its name, how many calls it is of, the seconds of one, and the work.
type Part<'a> = (&'static str, usize, f64, Box<dyn FnMut() -> usize + 'a>);

fn main() {
    let call = common::read("voicemail.wav");
    let tones = common::read("sit.wav");
    let coded = common::coded(&call);
    let mut heard: Vec<Hop> = Vec::new();
    hops(&call, |hop| heard.push(hop.clone()));
    let mut spoken = Activity::default();
    heard.iter().for_each(|hop| spoken.push(hop));
    let parts = parts(&call, &tones, &coded, &heard, &spoken);

    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--once") {
        for (name, _, _, mut work) in parts {
            if arguments.get(at + 1).is_some_and(|once| once == name) {
                println!("{name}: {}", black_box(work()));
            }
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("detect");
    for (name, calls, seconds, mut work) in parts {
        // Whole seconds are what it counts in.
        group.throughput(Throughput::Elements((seconds * calls as f64).round() as u64));
        group.bench_function(name, |bench| bench.iter(&mut work));
    }
    group.finish();
    criterion.final_summary();
}

fn parts<'a>(
    call: &'a [i16],
    tones: &'a [i16],
    coded: &'a [u8],
    heard: &'a [Hop],
    spoken: &'a Activity,
) -> Vec<Part<'a>> {
    let seconds = |samples: &[i16]| samples.len() as f64 / f64::from(SAMPLE_RATE);
    let config = Config::default();
    let model = || Model::load(&config).expect("the built-in model runs");
    let rten = || Model::in_rten(&config).expect("the built-in model runs in rten");
    let detector = |call: &'a [i16], mut model: Model, calls| {
        Box::new(move || detect(call, &mut model, calls)) as Box<dyn FnMut() -> usize>
    };
    vec![
        (
            "decode",
            1,
            seconds(call),
            Box::new(|| {
                let sum: i64 = coded.iter().map(|byte| i64::from(g711::decode_mulaw(*byte))).sum();
                sum.unsigned_abs() as usize
            }),
        ),
        ("spectrum", 1, seconds(call), Box::new(|| hops(call, |_| ()))),
        (
            "activity",
            1,
            seconds(call),
            Box::new(|| {
                let mut activity = Activity::default();
                heard.iter().for_each(|hop| activity.push(hop));
                activity.cadence().bursts as usize
            }),
        ),
        (
            "features",
            1,
            seconds(call),
            Box::new(|| {
                let mut extractor = Extractor::default();
                heard.iter().filter_map(|hop| extractor.push(hop, spoken)).count()
            }),
        ),
        // Spectrum, activity, tones, beeps, keys, SIT, fax, ringback; of speech, and of tones.
        ("senses", 1, seconds(call), Box::new(|| candidates_of(&[Frame::Sound(call)], false).len())),
        ("tones", 1, seconds(tones), Box::new(|| candidates_of(&[Frame::Sound(tones)], false).len())),
        ("rules", 1, seconds(call), detector(call, Model::rules(), 1)),
        ("model", 1, seconds(call), detector(call, model(), 1)),
        ("model-rten", 1, seconds(call), detector(call, rten(), 1)),
        ("rules-64", TOGETHER, seconds(call), detector(call, Model::rules(), TOGETHER)),
        ("model-64", TOGETHER, seconds(call), detector(call, model(), TOGETHER)),
        ("model-rten-64", TOGETHER, seconds(call), detector(call, rten(), TOGETHER)),
    ]
}

/// Every hop of a call, counted.
fn hops(call: &[i16], mut each: impl FnMut(&Hop)) -> usize {
    let (mut analyzer, mut workspace) = (Analyzer::default(), Workspace::default());
    let mut count = 0;
    let mut left = call;
    while !left.is_empty() {
        let taken = analyzer.take(left);
        left = &left[taken..];
        if let Some(hop) = analyzer.hop(&mut workspace) {
            count += 1;
            each(black_box(hop));
        }
    }
    count
}

/// So many calls at once, packet by packet; tells how many were decided.
fn detect(call: &[i16], model: &mut Model, calls: usize) -> usize {
    let config = Arc::new(Config::default());
    // Nothing ends it before the call does but the beep.
    let listen = Listen { goal: Goal::Voicemail, no_input_timeout_ms: None, ..Listen::default() };
    let mut detectors: Vec<Detector> = (0..calls).map(|_| Detector::new(Arc::clone(&config))).collect();
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
