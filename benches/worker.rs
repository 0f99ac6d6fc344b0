//! What one step of a worker costs: a packet of 20 ms for each of its streams, from the socket to what is told.
//!
//! The throughput is in streams; a stream has fifty packets in a second. As in the server, sound is gathered: each second step takes
//! two packets of a stream, and the mean is told.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

mod common;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use answerd::engine::{Config, Trial};
use answerd::wire::rtp::Sender;
use common::PACKET;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn step(criterion: &mut Criterion) {
    let coded = common::coded(&common::read("voicemail.wav"));
    let config = Config { rtp: common::loopback(), ..Config::default() };
    let formats = common::formats();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut group = criterion.benchmark_group("a step of a worker");
    for streams in [1, 16, 128, 512] {
        let mut trial = Trial::new(&config, streams, &formats, &common::patient()).expect("ports");
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

criterion_group!(benches, step);
criterion_main!(benches);
