//! `client::load` against the server on loopback: whole calls, a full server, one that vanishes, none at all.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use answerd::audio::codec::Codec;
use answerd::audio::recording;
use answerd::audio::wav::Channels;
use answerd::client::Transport;
use answerd::client::load::{self, CallSound, Expected, Hold, LoadError, Report, Spec};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::server::start;

/// Longer than any load here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn sound(name: &str, label: &str, beep_off: Option<u64>) -> CallSound {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/audio").join(name);
    let samples = recording::read(&std::fs::read(file).unwrap(), Channels::Mix).unwrap().samples;
    let expected = Some(Expected { label: label.to_owned(), beep_off: beep_off.map(Duration::from_millis) });
    CallSound { samples, expected }
}

fn spec(server: SocketAddr, total: u64, sounds: Vec<CallSound>) -> Spec {
    Spec {
        host: server.ip().to_string(),
        port: server.port(),
        transport: Transport::Udp,
        codec: Codec::Pcmu,
        calls: 10,
        rate: 50.0,
        duration: Duration::from_secs(60),
        total: Some(total),
        sounds,
        repeat: false,
        grammar: "builtin:speech/answer".to_owned(),
        parameters: Vec::new(),
        hold: Hold::Result,
        again: false,
        connections: 2,
        rtp_ports: 2,
        setup_timeout: Duration::from_secs(20),
        result_timeout: Duration::from_secs(40),
    }
}

/// Runs a load in a thread of its own; `held` is told how many calls are held, about once a second.
async fn run(spec: Spec, held: mpsc::UnboundedSender<u64>) -> Result<Report, LoadError> {
    let work = tokio::task::spawn_blocking(move || {
        load::run(&spec, &CancellationToken::new(), &mut |progress| {
            held.send(progress.held).ok();
        })
    });
    timeout(PATIENCE, work).await.expect("the load does not end").unwrap()
}

async fn report(spec: Spec) -> Report {
    run(spec, mpsc::unbounded_channel().0).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_have_their_results_over_shared_connections_and_ports() {
    let server = start("").await;
    let mut spec = spec(
        server.sip()[0].address,
        12,
        vec![sound("sit.wav", "sit", None), sound("voicemail.wav", "machine", Some(8_400))],
    );
    spec.grammar = "builtin:speech/voicemail".to_owned();
    let report = report(spec).await;
    let counts = report.counts;
    assert!(report.is_good(), "{report:?}");
    assert_eq!((counts.started, counts.set_up, counts.results, counts.held), (12, 12, 12, 0));
    assert_eq!(report.labels, BTreeMap::from([("machine".to_owned(), 6), ("sit".to_owned(), 6)]));
    assert_eq!((report.compared, report.wrong.len()), (12, 0));
    assert!((1..=10).contains(&report.most_held), "{report:?}");
    for (times, count) in [(report.setup, 12), (report.response, 12), (report.result, 12), (report.delivery, 12)] {
        assert_eq!(times.map(|times| times.count), Some(count), "{report:?}");
    }
    assert_eq!(report.since_beep.map(|times| times.count), Some(6));
    // A SIT is told after a second and more, a beep after eight.
    assert!(counts.packets > 6 * (50 + 8 * 50), "{report:?}");
    assert_eq!(report.lateness.map(|times| times.count), Some(counts.packets + counts.unsent));
    assert!(counts.held_for > Duration::from_secs(6 + 6 * 8), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_with_ports_of_their_own_recognitions_follow_one_another() {
    let server = start("").await;
    let mut spec = spec(server.sip()[0].address, 3, vec![sound("sit.wav", "sit", None)]);
    (spec.transport, spec.rtp_ports, spec.connections) = (Transport::Tcp, 0, 1);
    (spec.again, spec.repeat, spec.hold) = (true, true, Hold::For(Duration::from_secs(5)));
    let report = report(spec).await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.counts.set_up, 3);
    assert!(report.counts.results >= 6, "{report:?}");
    assert_eq!(report.compared, 3, "places and labels are those of the first recognition");
    assert!(report.counts.held_for >= Duration::from_secs(14), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_is_no_failure() {
    let server = start("ENGINE_MAX_CALLS=2").await;
    let report = report(spec(server.sip()[0].address, 6, vec![sound("sit.wav", "sit", None)])).await;
    let counts = report.counts;
    assert!(report.is_good(), "{report:?}");
    assert!(counts.no_room >= 1 && counts.set_up >= 2, "{report:?}");
    assert_eq!((counts.no_room + counts.set_up, counts.results), (6, counts.set_up));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_vanishes_is_told() {
    let server = start("").await;
    let mut spec = spec(server.sip()[0].address, 4, vec![sound("person.wav", "human", None)]);
    (spec.grammar, spec.repeat) = ("builtin:speech/beep".to_owned(), true);
    let (held, mut holds) = mpsc::unbounded_channel();
    let load = tokio::spawn(run(spec, held));
    while timeout(PATIENCE, holds.recv()).await.expect("calls come").expect("the load goes on") < 4 {}
    drop(server);
    let report = load.await.unwrap().unwrap();
    assert!(!report.is_good(), "{report:?}");
    assert_eq!((report.counts.missing, report.counts.failed, report.counts.held), (4, 4, 0), "{report:?}");
    assert!(!report.failures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_soon() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = report(spec(address, 2, vec![sound("sit.wav", "sit", None)])).await;
    assert_eq!((report.counts.started, report.counts.failed, report.counts.missing), (2, 2, 0), "{report:?}");
    assert_eq!(report.failures, BTreeMap::from([("nobody listens for SIP".to_owned(), 2)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_obeyed_is_refused_before_the_first_call() {
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let refused = |change: fn(&mut Spec)| {
        let mut spec = spec(nowhere, 1, vec![sound("sit.wav", "sit", None)]);
        change(&mut spec);
        load::run(&spec, &CancellationToken::new(), &mut |_| {}).map(drop).unwrap_err().to_string()
    };
    for (why, told) in [
        (refused(|spec| spec.calls = 0), "at least one call"),
        (refused(|spec| spec.rate = f64::NAN), "a rate above 0"),
        (refused(|spec| spec.codec = Codec::L16Narrow), "PCMU or PCMA"),
        (refused(|spec| spec.sounds.clear()), "something to play"),
        (refused(|spec| spec.again = true), "held"),
        (refused(|spec| spec.parameters.push(("a b".into(), "x".into()))), "parameter a b"),
        (refused(|spec| (spec.calls, spec.rtp_ports) = (u64::MAX / 2, 0)), "open files"),
    ] {
        assert!(why.contains(told), "{why}");
    }
}
