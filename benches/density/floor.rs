//! What cannot be avoided, each part for itself: to receive the packets, the spectra of the sound, the model.

use std::hint::black_box;
use std::io::{IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::server::usage;
use answerd::audio::SAMPLE_RATE;
use answerd::detect::{Analyzer, Config, HOP, Model, STEP_HOPS, Workspace};
use mio::{Events, Interest, Poll, Token};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

/// A packet of 20 ms of G.711, with its header.
const DATAGRAM: usize = 172;
const PACKETS_PER_SECOND: f64 = 50.0;
/// How long a receiver rests between two looks, as the server's workers do.
const TICK: Duration = Duration::from_millis(10);
/// How long packets are received.
const RECEIVED: Duration = Duration::from_secs(4);
const BATCH: usize = 8;

/// Seconds of a processor for a second of one call.
#[derive(Debug, Clone, Copy)]
pub struct Floor {
    pub receive: f64,
    pub spectra: f64,
    pub model: f64,
}

impl Floor {
    pub const fn sum(&self) -> f64 {
        self.receive + self.spectra + self.model
    }
}

/// Measures the parts, the receiving with so many sockets.
pub fn measure(sound: &[i16], sockets: usize) -> Floor {
    Floor { receive: receive(sockets), spectra: spectra(sound), model: model() }
}

/// Receives paced packets on many sockets, with `epoll` and `recvmmsg`, and does nothing with them.
fn receive(sockets: usize) -> f64 {
    let mut poll = Poll::new().expect("a poll");
    let sockets: Vec<UdpSocket> = (0..sockets).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket")).collect();
    let mut polled = Vec::new();
    for (token, socket) in sockets.iter().enumerate() {
        socket.set_nonblocking(true).expect("a socket can be told not to wait");
        let mut socket = mio::net::UdpSocket::from_std(socket.try_clone().expect("a socket has room for two"));
        poll.registry().register(&mut socket, Token(token), Interest::READABLE).expect("a socket can be polled");
        polled.push(socket);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let addresses: Vec<_> = sockets
            .iter()
            .map(|socket| Some(SockaddrStorage::from(socket.local_addr().expect("it is bound"))))
            .collect();
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || send(&addresses, &stop))
    };
    let mut events = Events::with_capacity(1_024);
    let mut headers: MultiHeaders<SockaddrStorage> = MultiHeaders::preallocate(BATCH, None);
    let mut buffers = [[0u8; 2_048]; BATCH];
    let (mut packets, began, cpu) = (0u64, Instant::now(), thread_cpu());
    while began.elapsed() < RECEIVED {
        std::thread::sleep(TICK);
        poll.poll(&mut events, Some(Duration::ZERO)).expect("a poll");
        for event in &events {
            let socket = &sockets[event.token().0];
            loop {
                let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
                let flags = MsgFlags::MSG_DONTWAIT;
                let Ok(received) = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, flags, None) else { break };
                let count = received.count();
                packets += count as u64;
                if count < BATCH {
                    break;
                }
            }
        }
    }
    let cpu = thread_cpu() - cpu;
    stop.store(true, Ordering::Relaxed);
    sender.join().expect("it does not panic");
    black_box(&buffers);
    cpu / packets.max(1) as f64 * PACKETS_PER_SECOND
}

/// Sends to each address 50 packets a second, a part of them on each tick of 2 ms.
fn send(addresses: &[Option<SockaddrStorage>], stop: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut headers: MultiHeaders<SockaddrStorage> = MultiHeaders::preallocate(addresses.len(), None);
    let datagram = [0u8; DATAGRAM];
    let parts: Vec<_> = addresses.chunks(addresses.len().div_ceil(10)).collect();
    let began = Instant::now();
    for tick in 0u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        std::thread::sleep((began + Duration::from_millis(2) * tick).saturating_duration_since(Instant::now()));
        let Some(part) = parts.get(tick as usize % 10) else { continue };
        let slices: Vec<_> = part.iter().map(|_| [IoSlice::new(&datagram)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        sendmmsg(socket.as_raw_fd(), &mut headers, &slices, part, [], flags).map(drop).ok();
    }
}

/// What this thread has used of a processor, in seconds.
fn thread_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

/// Repeats work until it has taken a second of a processor; gives what one time of it takes, with all threads that help.
fn cost(mut work: impl FnMut()) -> f64 {
    let cpu = || usage("self").map_or(0.0, |usage| usage.cpu.0 + usage.cpu.1);
    work();
    let (began, mut times) = (cpu(), 0u32);
    while cpu() - began < 1.0 {
        // To look at the clock costs something itself.
        for _ in 0..16 {
            work();
        }
        times += 16;
    }
    (cpu() - began) / f64::from(times)
}

fn spectra(sound: &[i16]) -> f64 {
    let mut workspace = Workspace::default();
    let seconds = sound.len() as f64 / f64::from(SAMPLE_RATE);
    cost(|| {
        let mut analyzer = Analyzer::default();
        let mut left = sound;
        while !left.is_empty() {
            let taken = analyzer.take(left);
            left = &left[taken..];
            black_box(analyzer.hop(&mut workspace));
        }
    }) / seconds
}

/// The model in the runtime that the server would find, many calls at once.
fn model() -> f64 {
    const CALLS: usize = 64;
    let steps_per_second = f64::from(SAMPLE_RATE) / (HOP * STEP_HOPS) as f64;
    let mut model = Model::load(&Config::default()).expect("the built-in model runs");
    cost(|| assert_eq!(black_box(model.trial(CALLS)), CALLS)) / CALLS as f64 * steps_per_second
}
