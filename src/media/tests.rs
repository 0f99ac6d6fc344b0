//! What senders and networks do, and what is heard of it, in virtual time.
//!
//! A script names arrivals: `TIME:SEQUENCE` is a packet of 20 ms at that many milliseconds, its timestamp 20 ms times
//! its sequence number, or `@MS` after it; `!` sets the marker; `kKEY` makes it a telephone-event, `n` comfort noise;
//! `TIME:start` starts the clock. What is heard is written as the packets' numbers, `mMS` for missing sound, `kKEY`.

#![allow(clippy::disallowed_methods, reason = "virtual time begins at any instant")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::audio::Frame;
use crate::audio::codec::Codec;
use crate::media::{Config, Formats, Heard, PeerPolicy, Receiver, Stats};
use crate::wire::rtp::{Sender, TelephoneEvent};

const L16: u8 = 96;
const EVENTS: u8 = 101;
const NOISE: u8 = 13;

fn peer() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn formats() -> Formats {
    Formats {
        remote: Some(peer()),
        sound: vec![(0, Codec::Pcmu), (8, Codec::Pcma), (L16, Codec::L16Narrow), (97, Codec::L16Wide)],
        telephone_event: Some(EVENTS),
        srtp: None,
    }
}

/// A receiver, the time, and all it has told: for each sample its value, `None` if it is missing.
struct Sim {
    receiver: Receiver,
    start: Instant,
    heard: Vec<Option<i16>>,
    page: String,
    missing: usize,
    ssrc: u32,
    /// Something came since the last poll; and when that said there may be more to tell.
    touched: bool,
    wake: Option<Instant>,
}

impl Sim {
    fn new(config: Config) -> Self {
        Self {
            receiver: Receiver::new(config, formats()),
            start: Instant::now(),
            heard: Vec::new(),
            page: String::new(),
            missing: 0,
            ssrc: 7,
            touched: true,
            wake: None,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn datagram(&mut self, ms: u64, from: SocketAddr, datagram: &[u8]) {
        let now = self.at(ms);
        self.touched = true;
        self.receiver.handle_datagram(now, from, datagram);
    }

    fn rtp(&mut self, ms: u64, payload_type: u8, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) {
        let mut datagram = Vec::new();
        Sender::new(self.ssrc, sequence, 0).write_at(payload_type, marker, timestamp, payload, &mut datagram);
        self.datagram(ms, peer(), &datagram);
    }

    /// A packet of 20 ms whose samples are all its number.
    fn sound(&mut self, ms: u64, number: u16) {
        self.rtp(ms, L16, number, u32::from(number) * 160, false, &number.to_be_bytes().repeat(160));
    }

    fn poll(&mut self, ms: u64) {
        let now = self.at(ms);
        let told = self.receiver.now();
        let passed_over = !std::mem::take(&mut self.touched) && self.wake.is_none_or(|at| at > now);
        let Self { receiver, heard, page, missing, .. } = self;
        receiver.poll(now, &mut |what| match what {
            Heard::Frame(Frame::Sound(samples)) => {
                flush(page, missing);
                heard.extend(samples.iter().copied().map(Some));
                let number = samples[0];
                assert!(samples.iter().all(|sample| *sample == number), "one packet in one frame");
                if samples.len() == 160 {
                    write!(page, "{number} ").unwrap();
                } else {
                    write!(page, "{number}({}) ", samples.len() as f64 / 8.0).unwrap();
                }
            }
            Heard::Frame(Frame::Missing { samples }) => {
                heard.extend(std::iter::repeat_n(None, samples));
                *missing += samples;
            }
            Heard::Key(key) => {
                flush(page, missing);
                write!(page, "k{key} ").unwrap();
            }
        });
        assert!(!passed_over || self.receiver.now() == told, "a worker would have passed it over at {ms} ms");
        self.wake = self.receiver.poll_at(now);
        assert_eq!(self.receiver.now().0, self.heard.len() as u64);
        let stats = self.receiver.stats();
        assert_eq!(stats.sound + stats.missing, self.heard.len() as u64);
    }

    /// Runs a script, polled every 5 ms, to `end`.
    fn run(&mut self, script: &str, end: u64) {
        let mut steps: Vec<(u64, &str)> = script
            .split_whitespace()
            .map(|step| {
                let (time, what) = step.split_once(':').unwrap();
                (time.parse().unwrap(), what)
            })
            .collect();
        steps.sort_by_key(|(time, _)| *time);
        let mut steps = steps.into_iter().peekable();
        for tick in (0..=end).step_by(5) {
            while let Some((time, what)) = steps.next_if(|(time, _)| *time <= tick) {
                self.step(time, what);
            }
            self.poll(tick);
        }
        flush(&mut self.page, &mut self.missing);
    }

    fn step(&mut self, time: u64, what: &str) {
        if what == "start" {
            self.touched = true;
            let now = self.at(time);
            self.receiver.start_clock(now);
            return;
        }
        let digits = what.len() - what.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = what.split_at(digits);
        let number: u16 = number.parse().unwrap();
        let (kind, timestamp) = match rest.split_once('@') {
            Some((kind, ms)) => (kind, ms.parse::<u32>().unwrap() * 8),
            None => (rest, u32::from(number) * 160),
        };
        let marker = kind.contains('!');
        match kind.trim_matches('!').strip_prefix('k') {
            Some(key) => {
                let event = TelephoneEvent::event_of(key.chars().next().unwrap()).unwrap();
                let end = key.ends_with('.');
                let event = TelephoneEvent { event, end, volume: 10, duration: 160 };
                self.rtp(time, EVENTS, number, timestamp, marker, &event.write());
            }
            None if kind.contains('n') => self.rtp(time, NOISE, number, timestamp, marker, &[40]),
            None => {
                let payload = number.to_be_bytes().repeat(160);
                self.rtp(time, L16, number, timestamp, marker, &payload);
            }
        }
    }
}

fn flush(page: &mut String, missing: &mut usize) {
    if *missing > 0 {
        write!(page, "m{} ", *missing as f64 / 8.0).unwrap();
        *missing = 0;
    }
}

#[track_caller]
fn check(script: &str, end: u64, wanted: &str) -> Stats {
    let mut sim = Sim::new(Config::default());
    sim.run(script, end);
    assert_eq!(sim.page.trim_end(), wanted);
    sim.receiver.stats()
}

/// Packets `first..=last`, 20 ms apart, the first at `from` ms.
fn steady(from: u64, first: u64, last: u64) -> String {
    (first..=last).map(|n| format!("{}:{n} ", from + 20 * (n - first))).collect()
}

fn numbers(first: u64, last: u64) -> String {
    (first..=last).map(|n| format!("{n} ")).collect::<String>().trim_end().to_owned()
}

#[test]
fn what_is_sent_in_order_is_heard_and_nothing_else() {
    let stats = check(&steady(0, 1, 10), 200, &numbers(1, 10));
    assert_eq!((stats.received, stats.lost, stats.missing, stats.sound), (10, 0, 0, 1600));
}

#[test]
fn before_the_first_packet_nothing_is_told() {
    check(&steady(5000, 1, 3), 5100, "1 2 3");
}

#[test]
fn a_listener_without_packets_has_time_that_runs() {
    check("0:start", 5000, "m4800");
}

#[test]
fn the_first_packets_may_take_a_while_after_the_clock_has_started() {
    check(&format!("0:start {}", steady(150, 1, 5)), 300, "1 2 3 4 5");
    check(&format!("0:start {}", steady(1000, 1, 3)), 1100, "m790 1 2 3");
}

#[test]
fn jitter_within_the_grace_changes_nothing() {
    check("0:1 35:2 130:3 131:4 132:5 133:6 134:7 135:8 140:9 270:10 330:11 331:12 332:13", 400, &numbers(1, 13));
}

#[test]
fn packets_in_bursts_are_one_stream() {
    let script: String =
        (0..5u64).flat_map(|b| (1..=10u64).map(move |n| format!("{}:{} ", b * 200, b * 10 + n))).collect();
    check(&script, 900, &numbers(1, 50));
}

#[test]
fn a_lost_packet_is_missing_in_its_place() {
    let stats = check("0:1 20:2 60:4 80:5", 200, "1 2 m20 4 5");
    assert_eq!((stats.lost, stats.missing), (1, 160));
}

#[test]
fn what_overtakes_waits_for_what_it_overtook() {
    let stats = check("0:1 20:3 45:2 60:4", 150, "1 2 3 4");
    assert_eq!((stats.reordered, stats.lost, stats.late), (1, 0, 0));
}

#[test]
fn what_comes_after_it_was_given_up_is_late_and_what_comes_twice_is_duplicate() {
    let stats = check("0:1 20:3 95:2 100:3 101:4 102:4", 150, "1 m20 3 4");
    assert_eq!((stats.lost, stats.late, stats.duplicate, stats.received), (1, 1, 2, 3));
}

#[test]
fn a_pause_of_the_sender_is_missing_sound_of_its_length() {
    // Suppressed silence: the numbers go on, the timestamps jump.
    let stats = check("0:1 20:2 140:3!@160", 300, "1 2 m100 3");
    assert_eq!(stats.lost, 0);
    // Longer than the grace, time has gone on meanwhile; the place is still exact.
    check("0:1 20:2 1040:3!@1060", 1100, "1 2 m1000 3");
    // The same with comfort noise told.
    check("0:1 20:2 40:3n@60 1040:4!@1060 1060:5@1080", 1100, "1 2 m1000 4 5");
}

#[test]
fn after_the_last_packet_time_goes_on_behind_by_the_grace() {
    check(&steady(0, 1, 5), 1080, "1 2 3 4 5 m800");
}

#[test]
fn a_pause_whose_timestamps_stand_still_is_as_long_as_it_was() {
    // Two seconds without packets, then on as if nothing had been: all of it is heard, and time is right.
    let script = format!("{}{}", steady(0, 1, 5), steady(2100, 6, 20));
    let mut sim = Sim::new(Config::default());
    sim.run(&script, 2500);
    let mut heard = sim.page.split_whitespace().filter(|word| word.starts_with('m'));
    let missing: f64 = heard.next().unwrap()[1..].parse().unwrap();
    assert_eq!(heard.next(), None, "{}", sim.page);
    assert!((1800.0..=2000.0).contains(&missing), "{}", sim.page);
    assert!(sim.page.ends_with(&format!("{} ", numbers(6, 20))), "{}", sim.page);
}

#[test]
fn packets_that_were_only_delayed_do_not_lengthen_time() {
    // Half a second of packets is held up and comes at once: of it, what was told as missing is left out.
    let burst: String = (6..=30u64).map(|n| format!("600:{n} ")).collect();
    let script = format!("{}{burst}{}", steady(0, 1, 5), steady(620, 31, 40));
    let mut sim = Sim::new(Config::default());
    sim.run(&script, 810);
    assert_eq!(sim.page.trim_end(), format!("{} m310 21(10) {}", numbers(1, 5), numbers(22, 40)));
    assert_eq!(sim.receiver.stats().late, 15);
    assert_eq!(sim.heard.len(), 40 * 160);
}

#[test]
fn a_network_that_becomes_slower_is_followed() {
    // From 100 ms on everything comes 400 ms later: nothing but the wait is missing.
    let script = format!("{}{}", steady(0, 1, 5), steady(500, 6, 60));
    let mut sim = Sim::new(Config::default());
    sim.run(&script, 1600);
    assert!(sim.page.ends_with(&format!("{} ", numbers(6, 60))), "{}", sim.page);
    assert_eq!(sim.page.matches('m').count(), 1, "{}", sim.page);
}

#[test]
fn recognitions_of_one_call_begin_with_their_first_packet() {
    // As mod_unimrcp does it: packets from 25 ms after RECOGNIZE, timestamps by the wall clock, none between.
    let second: String = (6..=15u64)
        .map(|n| format!("{}:{n}{}@{} ", 3025 + 20 * (n - 6), if n == 6 { "!" } else { "" }, 3020 + 20 * (n - 6)))
        .collect();
    let script = format!("0:start {} 3000:start {second}", steady(25, 1, 5));
    let mut sim = Sim::new(Config::default());
    sim.run(&script, 3210);
    let (before, after) = sim.page.split_once('m').unwrap();
    assert_eq!(before.trim_end(), numbers(1, 5));
    let (missing, after) = after.split_once(' ').unwrap();
    assert_eq!(after.trim_end(), numbers(6, 15));
    // Between them the clock ran to 3.000 s but for the grace.
    let missing: f64 = missing.parse().unwrap();
    assert!((2650.0..2900.0).contains(&missing), "{missing}");
}

#[test]
fn a_listening_that_begins_while_packets_come_changes_nothing() {
    check(&format!("{} 50:start", steady(0, 1, 10)), 200, &numbers(1, 10));
}

#[test]
fn the_drift_of_clocks_neither_makes_nor_takes_sound() {
    for ppm in [-1000i64, 1000] {
        let mut sim = Sim::new(Config::default());
        let mut polled = 0;
        for n in 0..60_000u64 {
            let ms = (n as i64 * 20 + n as i64 * 20 * ppm / 1_000_000).unsigned_abs();
            while polled < ms {
                sim.poll(polled);
                polled += 10;
            }
            let number = n as u16;
            let timestamp = (n * 160) as u32;
            sim.rtp(ms, L16, number, timestamp, false, &[0; 320]);
        }
        sim.poll(polled);
        assert_eq!(sim.receiver.stats().missing, 0, "{ppm} ppm");
        assert_eq!(sim.heard.len(), 60_000 * 160);
    }
}

#[test]
fn timestamps_that_run_too_fast_do_not_double_time() {
    let script: String = (0..200u64).map(|n| format!("{}:{n}@{} ", 20 * n, 40 * n)).collect();
    let mut sim = Sim::new(Config::default());
    sim.run(&script, 4000);
    assert!((32_000..=32_000 + 4400).contains(&sim.heard.len()), "{} samples in 4 s", sim.heard.len());
    assert_eq!(sim.receiver.stats().sound, 32_000);
}

#[test]
fn a_sender_that_begins_again_is_heard_at_once() {
    // The same source with other numbers: both packets that show it are heard.
    check("0:1 20:2 40:3 60:40000@9000 80:40001@9020 100:40002@9040", 200, "1 2 3 -25536 -25535 -25534");
    // Timestamps alone begin anew.
    check("0:1 20:2 40:3@900000 60:4@900020", 200, "1 2 3 4");
    check("0:1 20:2@9000 40:3@40 60:4@60", 200, "1 2 3 4");
}

#[test]
fn another_source_takes_over_when_it_shows_itself_twice() {
    let mut sim = Sim::new(Config::default());
    sim.sound(0, 1);
    sim.sound(20, 2);
    sim.ssrc = 8;
    sim.sound(40, 900);
    sim.poll(45);
    assert_eq!(sim.heard.len(), 320);
    sim.sound(60, 901);
    sim.sound(80, 902);
    sim.poll(80);
    assert_eq!(sim.page.trim_end(), "1 2 900 901 902");
    // A stray packet of the old one is not heard.
    sim.ssrc = 7;
    sim.sound(85, 3);
    sim.ssrc = 8;
    sim.sound(100, 903);
    sim.poll(100);
    assert_eq!(sim.page.trim_end(), "1 2 900 901 902 903");
    assert_eq!(sim.receiver.stats().rejected, 1);
}

#[test]
fn on_probation_no_sound_is_lost() {
    let mut sim = Sim::new(Config { probation: 2, ..Config::default() });
    sim.run(&steady(0, 1, 4), 100);
    assert_eq!(sim.page.trim_end(), "1 2 3 4");
}

#[test]
fn sequence_numbers_and_timestamps_wrap() {
    let mut sim = Sim::new(Config::default());
    for n in 0..6u16 {
        let timestamp = (u32::MAX - 399).wrapping_add(u32::from(n) * 160);
        sim.rtp(u64::from(n) * 20, L16, 65_533u16.wrapping_add(n), timestamp, false, &n.to_be_bytes().repeat(160));
        sim.poll(u64::from(n) * 20);
    }
    assert_eq!(sim.page.trim_end(), "0 1 2 3 4 5");
}

#[test]
fn packets_of_any_length_fit_together() {
    for ms in [10u32, 20, 30, 40, 60] {
        let mut sim = Sim::new(Config::default());
        for n in 0..20u32 {
            let at = u64::from(n * ms);
            sim.rtp(at, 0, n as u16, n * ms * 8, false, &vec![0xFF; ms as usize * 8]);
            sim.poll(at);
        }
        assert_eq!((sim.heard.len(), sim.receiver.stats().missing), (20 * ms as usize * 8, 0));
    }
}

#[test]
fn a_stream_may_change_its_codec() {
    let mut sim = Sim::new(Config::default());
    for n in 0..30u32 {
        let at = u64::from(n * 20);
        match n {
            0..10 => sim.rtp(at, 0, n as u16, n * 160, false, &[0xFF; 160]),
            10..20 => sim.rtp(at, 8, n as u16, n * 160, false, &[0xD5; 160]),
            _ => sim.rtp(at, 97, n as u16, n * 320, false, &[0; 640]),
        }
        let now = sim.at(at);
        let mut samples = 0;
        sim.receiver.poll(now, &mut |heard| match heard {
            Heard::Frame(Frame::Sound(sound)) => samples += sound.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(samples, 160, "packet {n}");
    }
}

#[test]
fn wideband_loss_is_counted_in_samples_of_8_khz() {
    let mut sim = Sim::new(Config::default());
    for n in [0u32, 1, 3] {
        sim.rtp(u64::from(n * 20), 97, n as u16, n * 320, false, &[0; 640]);
    }
    sim.poll(150);
    assert_eq!(sim.page.trim_end(), "0 0 m20 0");
}

#[cfg(feature = "opus")]
#[test]
fn opus_loss_is_missing_and_not_guessed() {
    use audiopus::coder::Encoder;
    use audiopus::{Application, Channels, SampleRate};

    let encoder = Encoder::new(SampleRate::Hz48000, Channels::Mono, Application::Voip).unwrap();
    let mut receiver = Receiver::new(Config::default(), Formats { sound: vec![(111, Codec::Opus)], ..formats() });
    let start = Instant::now();
    let mut sender = Sender::new(7, 1, 0);
    let (mut sound, mut missing) = (0, Vec::new());
    for n in 0..50u64 {
        let tone: Vec<i16> = (0..960).map(|t| (8000.0 * (f64::from(t) * 0.13).sin()) as i16).collect();
        let mut payload = [0; 1500];
        let length = encoder.encode(&tone, &mut payload).unwrap();
        let mut datagram = Vec::new();
        sender.write(111, false, &payload[..length], 960, &mut datagram);
        let now = start + Duration::from_millis(20 * n);
        if n % 10 != 5 {
            receiver.handle_datagram(now, peer(), &datagram);
        }
        receiver.poll(now, &mut |heard| match heard {
            Heard::Frame(Frame::Sound(samples)) => sound += samples.len(),
            Heard::Frame(Frame::Missing { samples }) => missing.push(samples),
            Heard::Key(key) => panic!("{key}"),
        });
    }
    assert_eq!((sound, missing), (45 * 160, vec![160; 5]));
}

#[test]
fn a_key_is_told_once_and_sound_beside_it_goes_on() {
    // As mod_unimrcp sends it: packets every 10 ms, three at the end, sound between them.
    let stats = check(
        "0:1@0 20:2@20 30:3k5!@40 40:4@40 45:5k5@40 50:6k5@40 60:7@60 70:8k5.@40 71:9k5.@40 72:10k5.@40 80:11@80",
        150,
        "1 2 k5 4 7 11",
    );
    assert_eq!((stats.missing, stats.lost), (0, 0));
}

#[test]
fn keys_that_stand_instead_of_sound_leave_it_missing() {
    check("0:1@0 20:2k#!@20 40:3k#@20 60:4k#@20 80:5k#.@20 100:6@100", 150, "1 k# m80 6");
}

#[test]
fn a_key_is_told_whichever_of_its_packets_comes() {
    // The first and the last ones are lost; the same key again is another event.
    check("0:1@0 40:3k7@20 100:6@100 130:7k7.@120 150:9@140", 300, "1 k7 m80 6 k7 m20 9");
    // An event in two segments is one key.
    let mut sim = Sim::new(Config::default());
    let event = TelephoneEvent { event: 1, end: false, volume: 0, duration: u16::MAX };
    sim.rtp(0, EVENTS, 1, 1000, true, &event.write());
    sim.rtp(50, EVENTS, 2, 1000 + 65_535, false, &TelephoneEvent { duration: 80, ..event }.write());
    sim.rtp(90, EVENTS, 3, 1000 + 70_000, true, &TelephoneEvent { duration: 80, ..event }.write());
    sim.poll(100);
    assert_eq!(sim.page.trim_end(), "k1 k1");
}

#[test]
fn what_is_not_of_the_stream_is_counted() {
    let mut sim = Sim::new(Config::default());
    sim.datagram(0, peer(), b"OPTIONS sip:x SIP/2.0");
    sim.datagram(0, peer(), &[]);
    // A payload type that was not negotiated does not make a sender heard; later its number is not lost.
    sim.rtp(0, 18, 500, 0, false, &[0; 20]);
    sim.sound(0, 1);
    sim.rtp(20, 18, 2, 320, false, &[0; 20]);
    sim.sound(40, 3);
    // An odd L16 payload.
    sim.rtp(60, L16, 4, 640, false, &[1, 2, 3]);
    sim.sound(80, 5);
    // A compound RTCP packet.
    sim.datagram(80, peer(), &[0x80, 201, 0, 1, 0, 0, 0, 7]);
    sim.poll(80);
    assert_eq!(sim.page.trim_end(), "1 m20 3 m20 5");
    let stats = sim.receiver.stats();
    assert_eq!((stats.foreign, stats.undecodable, stats.lost, stats.rejected), (4, 1, 0, 0));
}

fn from_two(config: Config, described: Option<&str>, packets: &[(u64, &str)]) -> (usize, u64) {
    let mut receiver =
        Receiver::new(config, Formats { remote: described.map(|address| address.parse().unwrap()), ..formats() });
    let start = Instant::now();
    let mut sender = Sender::new(7, 1, 0);
    let mut heard = 0;
    for (ms, from) in packets {
        let mut datagram = Vec::new();
        sender.write(0, false, &[0xFF; 160], 160, &mut datagram);
        let now = start + Duration::from_millis(*ms);
        receiver.handle_datagram(now, from.parse().unwrap(), &datagram);
        receiver.poll(now, &mut |what| heard += usize::from(matches!(what, Heard::Frame(Frame::Sound(_)))));
    }
    receiver.poll(start + Duration::from_secs(9), &mut |what| {
        heard += usize::from(matches!(what, Heard::Frame(Frame::Sound(_))));
    });
    (heard, receiver.stats().rejected)
}

#[test]
fn addresses_are_taken_by_policy() {
    const A: &str = "192.0.2.1:4000";
    const A2: &str = "192.0.2.1:4444";
    const B: &str = "198.51.100.9:7000";
    let first = Config::default;
    let of = |peer| Config { peer, ..Config::default() };
    // Whoever sends first is heard, another is not.
    assert_eq!(from_two(first(), None, &[(0, A), (20, B), (40, A)]), (2, 1));
    assert_eq!(from_two(first(), Some(A), &[(0, B), (20, A2), (40, B)]), (2, 1));
    // The described address comes through, and then nobody else does.
    assert_eq!(from_two(first(), Some(A), &[(0, B), (20, A), (40, B), (60, A)]), (3, 1));
    // A translation changes the port after a silence.
    assert_eq!(from_two(first(), None, &[(0, A), (20, A), (1500, A2)]), (3, 0));
    assert_eq!(from_two(of(PeerPolicy::Host), Some(A), &[(0, A2), (20, B), (40, A2)]), (2, 1));
    assert_eq!(from_two(of(PeerPolicy::Exact), Some(A), &[(0, A2), (20, A), (40, B)]), (1, 2));
    assert_eq!(from_two(of(PeerPolicy::Exact), None, &[(0, A2), (20, B)]), (1, 1));
}

#[test]
fn a_later_description_moves_the_sender() {
    let mut sim = Sim::new(Config { peer: PeerPolicy::Exact, ..Config::default() });
    sim.sound(0, 1);
    sim.receiver.configure(Formats { remote: Some("192.0.2.1:5000".parse().unwrap()), ..formats() });
    sim.sound(20, 2);
    sim.poll(30);
    assert_eq!(sim.page.trim_end(), "1");
    assert_eq!(sim.receiver.stats().rejected, 1);
}

#[test]
fn jitter_is_smoothed_as_the_rfc_has_it() {
    let mut sim = Sim::new(Config::default());
    for n in 0..200u16 {
        // Every other packet comes 10 ms late: differences of 10 ms each.
        sim.sound(u64::from(n) * 20 + u64::from(n % 2) * 10, n);
    }
    let jitter = sim.receiver.stats().jitter_ms;
    assert!((9.9..10.1).contains(&jitter), "{jitter}");
}

proptest! {
    /// Loss, duplication and reordering: time is conserved, sound keeps its place.
    #[test]
    fn every_sample_has_its_place(fates in proptest::collection::vec((0u8..10, 0u64..50), 3..150)) {
        let mut arrivals = Vec::new();
        for (n, (fate, delay)) in fates.iter().enumerate() {
            let (n, sent) = (n as u64, n as u64 * 20);
            match fate {
                // The first packet gives the place of all others.
                _ if n == 0 => arrivals.push((0, n)),
                0 => {}
                1 => arrivals.extend([(sent + delay, n), (sent + delay + 7, n)]),
                _ => arrivals.push((sent + delay, n)),
            }
        }
        arrivals.sort();
        let script: String = arrivals.iter().map(|(ms, n)| format!("{ms}:{n} ")).collect();
        let mut sim = Sim::new(Config { reorder_ms: 100, ..Config::default() });
        sim.run(&script, fates.len() as u64 * 20 + 200);
        for (place, sample) in sim.heard.iter().enumerate() {
            if let Some(number) = sample {
                prop_assert_eq!(usize::try_from(*number).unwrap(), place / 160, "{}", sim.page);
            }
        }
        let stats = sim.receiver.stats();
        let distinct: std::collections::BTreeSet<u64> = arrivals.iter().map(|(_, n)| *n).collect();
        prop_assert_eq!(stats.received + stats.late, distinct.len() as u64);
        prop_assert_eq!(stats.sound, stats.received * 160);
    }

    /// Whatever comes and whenever: no panic, and time runs neither backwards nor far ahead of the wall clock.
    #[test]
    fn nothing_makes_time_run_away(
        packets in proptest::collection::vec(
            (0u64..400, any::<u16>(), any::<u32>(), any::<bool>(), 0u8..6, 0usize..400),
            1..80,
        ),
        plausible: bool,
    ) {
        let mut sim = Sim::new(Config::default());
        let start = sim.at(0);
        sim.receiver.start_clock(start);
        let (mut ms, mut sound) = (0, 0u64);
        for (n, (apart, sequence, timestamp, marker, kind, length)) in packets.iter().enumerate() {
            ms += apart;
            let sequence = if plausible { n as u16 } else { *sequence };
            let (payload_type, samples) = match kind {
                0 => (EVENTS, 0),
                1 => (NOISE, 0),
                2 => (97, *length as u64),
                3 => (55, 0),
                _ => (0, *length as u64),
            };
            sound += samples;
            sim.rtp(ms, payload_type, sequence, *timestamp, *marker, &vec![0; *length]);
            let now = sim.at(ms);
            sim.receiver.poll(now, &mut |_| {});
        }
        let now = sim.at(ms + 1000);
        sim.receiver.poll(now, &mut |_| {});
        // Sound comes on top of the wall clock at most, and timestamps may lead by half a second.
        // Each of them may forgive that time was behind: by the grace, or by what was not polled.
        let told = sim.receiver.now().0;
        let wall = (ms + 1000) * 8;
        prop_assert!(told + (packets.len() as u64 + 1) * 3300 >= wall, "{told} samples in {ms} ms");
        prop_assert!(told <= wall + sound + 4000, "{told} samples in {ms} ms");
    }
}

#[test]
fn sound_under_srtp_is_heard_and_forgeries_are_counted() {
    use crate::wire::rtp::srtp::{Bare, Cryptor, MasterKey, Parameters, Suite};

    let suite = Suite::AesCm128HmacSha1_80;
    let key = MasterKey::new((0..30).collect());
    let keys = vec![(key.clone(), Vec::new())];
    let srtp = Some(Parameters { suite, keys, bare: Bare::default() });
    let mut receiver = Receiver::new(Config::default(), Formats { srtp, ..formats() });
    let cryptor = Cryptor::new(suite, Bare::default(), &key, Vec::new()).unwrap();
    let mut sender = Sender::new(7, 65_534, 0);
    let (now, mut heard) = (Instant::now(), 0);
    let elsewhere = "192.0.2.66:6000".parse().unwrap();
    for n in 0..4 {
        let mut packet = Vec::new();
        let roc = u32::from(sender.sequence_number < 60_000);
        sender.write(0, false, &[0x55; 160], 160, &mut packet);
        // Plain packets of a stranger come first: they latch no address.
        receiver.handle_datagram(now, elsewhere, &packet);
        cryptor.protect(roc, &mut packet).unwrap();
        receiver.handle_datagram(now, peer(), &packet);
        receiver.handle_datagram(now, elsewhere, &packet);
        receiver.poll(now, &mut |frame| heard += usize::from(matches!(frame, Heard::Frame(Frame::Sound(_)))));
        assert_eq!(heard, n + 1);
    }
    let stats = receiver.stats();
    assert_eq!((stats.received, stats.unauthentic, stats.replayed, stats.rejected), (4, 4, 4, 0));
    let mut bye = vec![0x81, 203, 0, 1, 0, 0, 0, 7];
    receiver.handle_datagram(now, peer(), &bye);
    assert_eq!(receiver.stats().unauthentic, 5);
    cryptor.protect_control(1, &mut bye).unwrap();
    receiver.handle_datagram(now, peer(), &bye);
    assert_eq!(receiver.stats().unauthentic, 5);
}
