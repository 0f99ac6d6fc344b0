//! What the engine is told: RTP ports, threads and capacity.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::engine::system;
use crate::media::{self, KeyPolicy, PeerPolicy};

/// `[rtp]`: where sound arrives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RtpConfig {
    /// Address that the RTP sockets are bound to.
    pub address: IpAddr,
    /// First port; odd ones are left to RTCP. With `port_max` both 0: the system chooses free ports.
    pub port_min: u16,
    /// Last port.
    pub port_max: u16,
    /// Receive buffer asked for each socket, in bytes.
    pub receive_buffer_bytes: usize,
    /// Whether sound is encrypted (SRTP, with keys from the session description: RFC 4568).
    pub srtp: Srtp,
    /// Take such keys from SIP over TLS only; else they are taken anyhow, and the log warns.
    pub srtp_needs_tls: bool,
    /// Who may send to a stream.
    pub peer: Peer,
    /// How long the address that is heard must be silent before another may take its place, in milliseconds.
    pub relatch_ms: u64,
    /// How many packets in sequence make a sender believed; with 1 no sound is held back.
    pub probation: u16,
    /// How long a packet waits for those it has overtaken, in milliseconds.
    pub reorder_ms: u64,
    /// How long nothing may come before time goes on without packets, in milliseconds.
    pub grace_ms: u64,
    /// How keys come.
    pub keys: Keys,
}

/// How keys come: [`KeyPolicy`], as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keys {
    /// As telephone-events, and until the first one comes as tones in the sound.
    Any,
    /// As telephone-events alone.
    Events,
}

/// Whether sound is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// Never.
    Off,
    /// As the client likes.
    Optional,
    /// Always.
    Required,
}

/// Who may send to a stream: [`PeerPolicy`], as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Peer {
    /// The first address that sends, and that of the session description as soon as it does.
    First,
    /// Any port of the session description's address.
    Host,
    /// The session description's address and port alone.
    Exact,
}

impl Default for RtpConfig {
    fn default() -> Self {
        let media = media::Config::default();
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            // Apart from FreeSWITCH's 16384-32768, which is often on the same host.
            port_min: 40_000,
            port_max: 49_999,
            // More than a second of 20 ms packets of L16 at 16 kHz.
            receive_buffer_bytes: 65_536,
            srtp: Srtp::Optional,
            srtp_needs_tls: false,
            peer: match media.peer {
                PeerPolicy::First => Peer::First,
                PeerPolicy::Host => Peer::Host,
                PeerPolicy::Exact => Peer::Exact,
            },
            relatch_ms: media.relatch_ms,
            probation: media.probation,
            reorder_ms: media.reorder_ms,
            grace_ms: media.grace_ms,
            keys: match media.keys {
                KeyPolicy::Any => Keys::Any,
                KeyPolicy::Events => Keys::Events,
            },
        }
    }
}

impl RtpConfig {
    /// First and last even port, `None` if the system chooses.
    pub(super) fn range(&self) -> Option<(u16, u16)> {
        let first = self.port_min.next_multiple_of(2);
        (self.port_max != 0).then_some((first, self.port_max & !1))
    }

    /// What the streams' receivers are told.
    pub(super) fn media(&self) -> media::Config {
        media::Config {
            reorder_ms: self.reorder_ms,
            grace_ms: self.grace_ms,
            probation: self.probation,
            peer: match self.peer {
                Peer::First => PeerPolicy::First,
                Peer::Host => PeerPolicy::Host,
                Peer::Exact => PeerPolicy::Exact,
            },
            relatch_ms: self.relatch_ms,
            keys: match self.keys {
                Keys::Any => KeyPolicy::Any,
                Keys::Events => KeyPolicy::Events,
            },
        }
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.receive_buffer_bytes < 4_096 {
            return Err(("receive_buffer_bytes", "at least 4096 are needed".to_owned()));
        }
        for (key, value, least, most) in [
            ("relatch_ms", self.relatch_ms, 0, 3_600_000),
            ("probation", self.probation.into(), 1, 100),
            ("reorder_ms", self.reorder_ms, 0, 1_000),
            ("grace_ms", self.grace_ms, 20, 10_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err((key, format!("{value} is not from {least} to {most}")));
            }
        }
        if self.port_min == 0 && self.port_max == 0 {
            return Ok(());
        }
        if self.port_min < 1_024 {
            return Err((
                "port_min",
                format!("{} is below 1024; with port_max both 0 choose free ports", self.port_min),
            ));
        }
        if self.port_max <= self.port_min {
            return Err(("port_max", format!("{} is not above port_min {}", self.port_max, self.port_min)));
        }
        Ok(())
    }
}

/// `[engine]`: the threads that listen, and how many calls they take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Threads that receive and listen; 0: one for each processor.
    pub workers: usize,
    /// Processors that the threads are pinned to, one after the other and from the front again, as `0-3,6`; empty: the system
    /// chooses, and chooses anew as it likes.
    pub pin: String,
    /// Calls at once; further ones are answered 503.
    pub max_calls: usize,
    /// Share of the processors, 0.0 to 1.0, at which new calls are answered 503: what the threads are measured to be busy, with
    /// what the calls of the last second will add; or what the whole process uses, if that is more.
    pub max_load: f64,
    /// How late the threads may come to their sockets before new calls are answered 503, in milliseconds: mean of a second.
    pub max_lag_ms: u64,
    /// How late a thread may come to its sockets, several times in a row, before it leaves the model out for a while, in
    /// milliseconds: the rules alone decide then, and results say so.
    pub model_lag_ms: u64,
    /// How often each thread looks at its sockets, in milliseconds.
    pub tick_ms: u64,
    /// How long sound of a stream is gathered, in milliseconds, while nothing is near that has to be told at once, as the end
    /// of a tone; 0: it is taken in each tick.
    pub gather_ms: u64,
    /// Longest recording that Save-Waveform makes, in milliseconds; what is listened to after that is not kept. Each
    /// second takes 16 kB of memory while it is listened to.
    pub max_recording_ms: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            pin: String::new(),
            max_calls: 500,
            // What is left is for bursts: sound that came late, many calls that end at once.
            max_load: 0.85,
            // Well under the 60 ms that a beep's end may take to be told.
            max_lag_ms: 40,
            model_lag_ms: 100,
            tick_ms: 10,
            // Two packets of 20 ms at a time take a fifth less of the processor than one.
            gather_ms: 40,
            max_recording_ms: 60_000,
        }
    }
}

impl EngineConfig {
    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let range = |key, value: usize, least: usize, most: usize| {
            let within = (least..=most).contains(&value);
            within.then_some(()).ok_or((key, format!("{value} is not from {least} to {most}")))
        };
        range("workers", self.workers, 0, 1_024)?;
        range("max_calls", self.max_calls, 1, 100_000)?;
        let ms = |ms| usize::try_from(ms).unwrap_or(usize::MAX);
        range("tick_ms", ms(self.tick_ms), 1, 100)?;
        range("gather_ms", ms(self.gather_ms), 0, 100)?;
        range("max_lag_ms", ms(self.max_lag_ms), 5, 10_000)?;
        range("model_lag_ms", ms(self.model_lag_ms), 10, 10_000)?;
        if !(0.1..=1.0).contains(&self.max_load) {
            return Err(("max_load", format!("{} is not from 0.1 to 1", self.max_load)));
        }
        let cpus = system::parse_cpus(&self.pin).map_err(|reason| ("pin", reason))?;
        if let Some(cpu) = cpus.iter().find(|cpu| !system::has_cpu(**cpu)) {
            return Err(("pin", format!("there is no processor {cpu} that this process may use")));
        }
        range("max_recording_ms", ms(self.max_recording_ms), 0, 3_600_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        let with = |port_min, port_max| RtpConfig { port_min, port_max, ..RtpConfig::default() }.validate();
        assert!(with(0, 0).is_ok());
        assert!(with(1_024, 1_025).is_ok());
        assert_eq!(with(0, 2_000).unwrap_err().0, "port_min");
        assert_eq!(with(2_000, 2_000).unwrap_err().0, "port_max");
        assert_eq!(with(2_000, 0).unwrap_err().0, "port_max");
        for wrong in [
            EngineConfig { workers: 2_000, ..EngineConfig::default() },
            EngineConfig { max_calls: 0, ..EngineConfig::default() },
            EngineConfig { tick_ms: 0, ..EngineConfig::default() },
            EngineConfig { gather_ms: 101, ..EngineConfig::default() },
            EngineConfig { max_recording_ms: 3_600_001, ..EngineConfig::default() },
            EngineConfig { max_load: 0.0, ..EngineConfig::default() },
            EngineConfig { max_load: f64::NAN, ..EngineConfig::default() },
            EngineConfig { max_lag_ms: 0, ..EngineConfig::default() },
            EngineConfig { model_lag_ms: 0, ..EngineConfig::default() },
            EngineConfig { pin: "first".to_owned(), ..EngineConfig::default() },
            EngineConfig { pin: "1023".to_owned(), ..EngineConfig::default() },
        ] {
            assert!(wrong.validate().is_err());
        }
    }
}
