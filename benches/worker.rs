//! What one step of a worker costs: a packet of 20 ms for each of its streams, from the socket to what is told.
//!
//! The throughput is in streams; a stream has fifty packets in a second.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use answerd::audio::codec::Codec;
use answerd::audio::wav::Channels;
use answerd::audio::{g711, recording};
use answerd::detect::{Hotword, LabelSet, Listen};
use answerd::engine::{Config, RtpConfig, Trial};
use answerd::media::Formats;
use answerd::wire::rtp::Sender;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const CALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio/voicemail.wav");
/// Samples of a packet: 20 ms.
const PACKET: usize = 160;

fn step(criterion: &mut Criterion) {
    let bytes = std::fs::read(CALL).expect("the repository has its test calls");
    let call = recording::read(&bytes, Channels::Mix).expect("the test calls are WAV files").samples;
    let coded: Vec<u8> = call.iter().map(|sample| g711::encode_mulaw(*sample)).collect();
    let address = "127.0.0.1".parse().expect("it is an address");
    let rtp = RtpConfig { address, port_min: 0, port_max: 0, ..RtpConfig::default() };
    let config = Config { rtp, ..Config::default() };
    let formats = Formats { sound: vec![(0, Codec::Pcmu)], ..Formats::default() };
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut group = criterion.benchmark_group("a step of a worker");
    for streams in [1, 16, 128] {
        let mut trial = Trial::new(&config, streams, &formats, &patient()).expect("ports");
        let mut senders: Vec<Sender> = (0..streams).map(|n| Sender::new(n as u32 + 1, 0, 0)).collect();
        let mut datagrams = vec![Vec::new(); streams];
        let mut now = Instant::now();
        let mut packet = 0;
        let mut once = || {
            for (n, (sender, datagram)) in senders.iter_mut().zip(&mut datagrams).enumerate() {
                let from = (n * 7 + packet) * PACKET % (coded.len() - PACKET);
                datagram.clear();
                sender.write(0, false, &coded[from..from + PACKET], PACKET as u32, datagram);
            }
            trial.send(&socket, datagrams.iter().map(Vec::as_slice)).expect("the streams' sockets are there");
            packet += 1;
            now += Duration::from_millis(20);
            let began = Instant::now();
            trial.step(now);
            began.elapsed()
        };
        group.throughput(Throughput::Elements(streams as u64));
        group.bench_function(BenchmarkId::from_parameter(streams), |bench| {
            bench.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
    }
    group.finish();
}

/// A listening that nothing of the sound ends.
fn patient() -> Listen {
    Listen {
        accepts: LabelSet::EMPTY,
        hotword: Some(Hotword { min_ms: 60_000, max_ms: 60_001 }),
        no_input_timeout_ms: None,
        recognition_timeout_ms: None,
        ..Listen::default()
    }
}

criterion_group!(benches, step);
criterion_main!(benches);
