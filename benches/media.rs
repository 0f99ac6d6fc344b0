//! What the media plane costs: an engine with many streams on loopback, their packets sent in real time.
//!
//! `cargo bench --bench media -- [--calls N,N] [--seconds S] [--tick MS] [--workers N] [--rules] [--deaf]`: `--deaf` opens streams
//! without detectors, so that only packets cost. Told are the worker threads' CPU time, not that of the sender, and the memory
//! that a stream adds to the process.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "a program of its own, at the edge"
)]

mod common;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use answerd::detect;
use answerd::engine::{Config, Engine, EngineConfig, StreamSpec};
use answerd::wire::rtp::Sender;
use common::PACKET;
use tokio::sync::mpsc::unbounded_channel;

/// Packets are spread over so many slots of 1 ms.
const SLOTS: usize = 20;
const WARM_UP: Duration = Duration::from_secs(3);

struct Options {
    calls: Vec<usize>,
    seconds: u64,
    engine: EngineConfig,
    rules_only: bool,
    deaf: bool,
}

fn options() -> Options {
    let mut options = Options {
        calls: vec![100, 500, 1_000],
        seconds: 10,
        // All that is asked for is taken, and the model is asked however late: what that costs is the question.
        engine: EngineConfig {
            max_calls: 100_000,
            max_load: 1.0,
            max_lag_ms: 10_000,
            model_lag_ms: 10_000,
            ..EngineConfig::default()
        },
        rules_only: false,
        deaf: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|value| value.parse().ok()).expect("a number follows");
        match argument.as_str() {
            "--seconds" => options.seconds = number(),
            "--tick" => options.engine.tick_ms = number(),
            "--workers" => options.engine.workers = number() as usize,
            "--rules" => options.rules_only = true,
            "--deaf" => options.deaf = true,
            "--calls" => {
                let numbers = arguments.next().expect("numbers follow");
                options.calls = numbers.split(',').map(|one| one.parse().expect("a number of calls")).collect();
            }
            // What cargo bench gives to each.
            "--bench" => {}
            other => panic!("{other} is no option of this"),
        }
    }
    options
}

fn main() {
    let options = options();
    let coded = common::coded(&common::read("voicemail.wav"));
    println!(
        "{:>6} {:>4} {:>18} {:>12} {:>7} {:>7} {:>9} {:>12}",
        "calls", "tick", "CPU s/call-second", "us a packet", "busy", "model", "lag ms", "bytes a call"
    );
    for calls in options.calls.clone() {
        measure(&options, calls, &coded);
    }
}

fn measure(options: &Options, calls: usize, coded: &[u8]) {
    let rtp = common::loopback();
    let address = rtp.address;
    let detect = Arc::new(detect::Config { rules_only: options.rules_only, ..detect::Config::default() });
    let engine = Engine::start(&Config { rtp, engine: options.engine.clone(), detect }).expect("an engine");
    let before = resident_bytes();
    let (events, _heard) = unbounded_channel();
    let mut streams = Vec::new();
    for number in 0..calls {
        // What it admits is not what is measured here.
        let Some(permit) = engine.admit() else {
            println!("{calls:>6}: refused at {number}: {:?}", engine.load());
            return;
        };
        let spec = StreamSpec { formats: common::formats(), name: number.to_string(), number };
        let mut stream = engine.open(&permit, spec, events.clone()).expect("a port");
        if !options.deaf {
            let listener = stream.add_listener();
            stream.listen(listener, 1, common::patient());
        }
        streams.push((permit, stream));
    }
    let ports: Vec<u16> = streams.iter().filter_map(|(_, stream)| stream.rtp_port()).collect();
    let mut senders: Vec<Sender> = (0..calls).map(|n| Sender::new(n as u32 + 1, 0, 0)).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut datagram = Vec::new();
    let mut at = Instant::now();
    let until = at + WARM_UP + Duration::from_secs(options.seconds);
    let mut slot = 0;
    while at < until {
        for call in (slot % SLOTS..calls).step_by(SLOTS) {
            let from = (call * 7 + slot / SLOTS) * PACKET % (coded.len() - PACKET);
            datagram.clear();
            senders[call].write(0, false, &coded[from..from + PACKET], PACKET as u32, &mut datagram);
            socket.send_to(&datagram, SocketAddr::new(address, ports[call])).ok();
        }
        slot += 1;
        at += Duration::from_millis(1);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
    }
    let load = engine.load();
    let bytes = resident_bytes().saturating_sub(before) / calls;
    let workers = load.workers.len() as f64;
    let of = |each: fn(&answerd::engine::WorkerLoad) -> f64| load.workers.iter().map(each).sum::<f64>();
    let cpu = of(|worker| worker.cpu) / calls as f64;
    println!(
        "{calls:>6} {:>4} {cpu:>18.6} {:>12.2} {:>6.1}% {:>6.1}% {:>9.2} {bytes:>12}",
        options.engine.tick_ms,
        cpu / 50.0 * 1e6,
        of(|worker| worker.busy) / workers * 100.0,
        of(|worker| worker.model) / workers * 100.0,
        load.lag_ms,
    );
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4_096
}
