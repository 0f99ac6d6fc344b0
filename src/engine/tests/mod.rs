//! The engine at work: streams, feeds and what they tell.

mod cost;

use std::collections::HashMap;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::detect::{End, Event, Listen};

fn engine(engine: EngineConfig) -> Engine {
    let address = "127.0.0.1".parse().unwrap();
    let rtp = RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() };
    let detect = Arc::new(detect::Config { rules_only: true, ..detect::Config::default() });
    Engine::start(&Config { rtp, engine, detect }).unwrap()
}

fn one_worker() -> Engine {
    engine(EngineConfig { workers: 1, ..EngineConfig::default() })
}

/// Waits for so many conclusions: by listener, how it ended and when, in samples.
fn concluded(
    events: &mut UnboundedReceiver<(usize, StreamEvent)>,
    count: usize,
) -> HashMap<ListenerId, (End, u64, media::Stats)> {
    let mut found = HashMap::new();
    while found.len() < count {
        match events.blocking_recv().expect("the stream goes on") {
            (7, StreamEvent::Detected { listener, event: Event::Concluded(outcome), received, .. }) => {
                found.insert(listener, (outcome.end, outcome.timeline.decided_at.0, received));
            }
            (7, StreamEvent::Detected { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    found
}

#[test]
fn what_is_pushed_is_heard_by_each_listener() {
    let engine = one_worker();
    let permit = engine.admit().unwrap();
    let (events, mut heard) = unbounded_channel();
    let spec = FeedSpec { name: "test".to_owned(), number: 7 };
    let (mut stream, mut feed) = engine.open_feed(&permit, spec, events).unwrap();
    assert_eq!(stream.rtp_port(), None);
    let timeout = |ms| Listen { no_input_timeout_ms: Some(ms), ..Listen::default() };
    let (first, second) = (stream.add_listener(), stream.add_listener());
    stream.listen(first, 1, timeout(1_000));
    stream.listen(second, 1, timeout(1_500));
    let mut refused = 0;
    for _ in 0..150 {
        // Recorded sound: who pushes it can wait.
        while feed.room() < 160 {
            std::thread::sleep(Duration::from_millis(1));
        }
        refused += u32::from(feed.push(vec![0; 160]).is_err());
    }
    let found = concluded(&mut heard, 2);
    let (end, at, _) = found[&first];
    // In sample time; what was refused for there being too many pieces is missing, and the clock runs before the first.
    assert_eq!(end, End::NoInput);
    assert!((8_000..8_160).contains(&at), "{at}");
    let (end, at, received) = found[&second];
    assert_eq!(end, End::NoInput);
    assert!((12_000..12_160).contains(&at), "{at}");
    assert!(received.sound + received.missing >= at);
    assert!(refused < 150);
    drop(stream);
    // The worker lets go of its end soon.
    while feed.push(vec![0; 1]) != Err(NotPushed::Closed) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn time_goes_on_without_pushed_sound() {
    let engine = one_worker();
    let permit = engine.admit().unwrap();
    let (events, mut heard) = unbounded_channel();
    let spec = FeedSpec { name: "test".to_owned(), number: 7 };
    let (mut stream, feed) = engine.open_feed(&permit, spec, events).unwrap();
    drop(feed);
    let listener = stream.add_listener();
    stream.listen(listener, 1, Listen { no_input_timeout_ms: Some(100), ..Listen::default() });
    let (end, _, received) = concluded(&mut heard, 1)[&listener];
    assert_eq!((end, received.sound), (End::NoInput, 0));
}

#[test]
fn a_worker_that_dies_is_replaced_and_its_calls_are_told() {
    let engine = one_worker();
    let permit = engine.admit().unwrap();
    let (events, mut heard) = unbounded_channel();
    let spec = || FeedSpec { name: "test".to_owned(), number: 7 };
    let (lost, _feed) = engine.open_feed(&permit, spec(), events.clone()).unwrap();
    engine.workers[0].commands.send(Command::Die).unwrap();
    assert!(matches!(heard.blocking_recv(), Some((7, StreamEvent::Failed))));
    drop(lost);
    // The one in its place works.
    let (mut stream, feed) = engine.open_feed(&permit, spec(), events).unwrap();
    drop(feed);
    let listener = stream.add_listener();
    stream.listen(listener, 1, Listen { no_input_timeout_ms: Some(100), ..Listen::default() });
    assert_eq!(concluded(&mut heard, 1)[&listener].0, End::NoInput);
    let load = engine.load();
    assert_eq!((load.workers[0].replaced, load.workers[0].streams, load.calls), (1, 1, 1));
    assert_eq!(load.full, None);
}

#[test]
fn each_call_takes_its_place_and_gives_it_back() {
    let engine = engine(EngineConfig { workers: 1, max_calls: 2, ..EngineConfig::default() });
    let (first, _second) = (engine.admit().unwrap(), engine.admit().unwrap());
    assert!(engine.admit().is_none());
    assert_eq!((engine.full(), engine.load().calls, engine.load().headroom), (Some(Full::Calls), 2, 0));
    drop(first);
    assert!(engine.full().is_none() && engine.admit().is_some());
}
