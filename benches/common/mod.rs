//! What several benchmarks need: a call to play, and a listening that it does not end.
#![allow(dead_code, reason = "each benchmark takes a part of it")]

use answerd::audio::codec::Codec;
use answerd::audio::wav::Channels;
use answerd::audio::{g711, recording};
use answerd::detect::{Hotword, LabelSet, Listen};
use answerd::engine::RtpConfig;
use answerd::media::Formats;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/audio/");
/// Samples of a packet: 20 ms.
pub const PACKET: usize = 160;

/// One of the repository's calls, at 8 kHz.
pub fn read(name: &str) -> Vec<i16> {
    let bytes = std::fs::read(format!("{RECORDINGS}{name}")).expect("the repository has its test calls");
    recording::read(&bytes, Channels::Mix).expect("the test calls are WAV files").samples
}

/// The same as mu-law.
pub fn coded(call: &[i16]) -> Vec<u8> {
    call.iter().map(|sample| g711::encode_mulaw(*sample)).collect()
}

/// Streams of mu-law.
pub fn formats() -> Formats {
    Formats { sound: vec![(0, Codec::Pcmu)], ..Formats::default() }
}

/// Any free ports of this machine.
pub fn loopback() -> RtpConfig {
    RtpConfig {
        address: "127.0.0.1".parse().expect("it is an address"),
        port_min: 0,
        port_max: 0,
        ..RtpConfig::default()
    }
}

/// A listening that nothing of the sound ends.
pub fn patient() -> Listen {
    Listen {
        accepts: LabelSet::EMPTY,
        hotword: Some(Hotword { min_ms: 60_000, max_ms: 60_001 }),
        no_input_timeout_ms: None,
        recognition_timeout_ms: None,
        ..Listen::default()
    }
}
