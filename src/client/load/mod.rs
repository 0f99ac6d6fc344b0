//! A load of many calls from one process: real SIP, MRCPv2 and RTP, for measuring a recognizer.
//!
//! Two threads do all of it: the caller's, for the signalling of all calls, over one SIP socket and a few control
//! connections, and one that sends all sound. A call itself (`call`) has no socket and no clock.

mod call;
mod driver;
mod links;
mod pace;
mod report;
mod signalling;
mod sound;
mod times;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use crate::audio::SAMPLE_RATE;
use crate::audio::codec::Codec;
use crate::client::event::CallError;
use crate::client::load::call::{Plan, Played};
use crate::client::load::driver::{Driver, Sound};
use crate::client::load::sound::{PACKET_BYTES, Recording};
use crate::client::{Transport, mrcp};
use crate::wire::mrcp::{ChannelIdentifier, RequestId};

pub use crate::client::load::call::Failure;
pub use crate::client::load::report::{Progress, Report};
pub use crate::client::load::times::Quantiles;

/// A load.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name or address of the server.
    pub host: String,
    /// Its SIP port.
    pub port: u16,
    /// How SIP travels: [`Transport::Udp`] or [`Transport::Tcp`].
    pub transport: Transport,
    /// The codec: PCMU or PCMA.
    pub codec: Codec,
    /// Most calls at once.
    pub calls: u64,
    /// Calls started in a second.
    pub rate: f64,
    /// How long calls are started.
    pub duration: Duration,
    /// Calls started in all, if the time is not over before.
    pub total: Option<u64>,
    /// What they play, in turn.
    pub sounds: Vec<CallSound>,
    /// A recording that has ended begins again; silence follows it if not.
    pub repeat: bool,
    /// URI of the grammar.
    pub grammar: String,
    /// Headers of RECOGNIZE, as those of [`Recognize`](crate::client::Recognize).
    pub parameters: Vec<(String, String)>,
    /// When calls end.
    pub hold: Hold,
    /// Another recognition follows each one, as long as the call is held.
    pub again: bool,
    /// Control connections that all calls share.
    pub connections: usize,
    /// UDP ports that all calls' sound is sent from; 0: each call has its own.
    pub rtp_ports: usize,
    /// How long an INVITE's answer is waited for.
    pub setup_timeout: Duration,
    /// How long a result is waited for.
    pub result_timeout: Duration,
}

/// What a call plays.
#[derive(Debug, Clone)]
pub struct CallSound {
    /// Linear samples, 8000 a second.
    pub samples: Vec<i16>,
    /// What is true of it.
    pub expected: Option<Expected>,
}

/// What is true of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The label.
    pub label: String,
    /// Where in it the beep ends.
    pub beep_off: Option<Duration>,
}

/// When a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// With its result.
    #[default]
    Result,
    /// When its recording has ended, but not before it has its result.
    Sound,
    /// So long after the answer, but not before it has its result.
    For(Duration),
}

/// Why a load could not be begun.
#[derive(Debug)]
pub enum LoadError {
    /// The server's name has no address.
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nothing can be sent to the server.
    Unreachable {
        /// Its address.
        server: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A socket or a thread could not be had.
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The system allows too few open files.
    TooFewFiles {
        /// How many are needed.
        needed: u64,
        /// How many are allowed.
        allowed: u64,
    },
    /// A number or a word that cannot be obeyed.
    Unusable(String),
    /// A parameter of RECOGNIZE cannot be sent.
    Parameter(CallError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved { host, source } => write!(f, "{host} has no address: {source}"),
            Self::Unreachable { server, source } => write!(f, "{server} can't be reached: {source}"),
            Self::System { doing, source } => write!(f, "{doing}: {source}"),
            Self::TooFewFiles { needed, allowed } => {
                write!(f, "{needed} open files are needed, and {allowed} allowed: raise the limit (ulimit -Hn), ")?;
                f.write_str("ask for fewer calls, or let them share RTP ports")
            }
            Self::Unusable(what) => f.write_str(what),
            Self::Parameter(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {}

/// Open files beside those of calls and connections.
const OWN_FILES: u64 = 64;

/// Puts a load on a server, and waits until it is over. `observer` is told about once a second how far it is.
///
/// `interrupt` ends it early: running calls are left by CANCEL, or STOP and BYE.
///
/// # Errors
/// If it cannot be begun. What goes wrong in calls is in the report.
pub fn run(
    spec: &Spec,
    interrupt: &CancellationToken,
    observer: &mut dyn FnMut(&Progress),
) -> Result<Report, LoadError> {
    check(spec)?;
    let own_ports = if spec.rtp_ports == 0 { spec.calls } else { spec.rtp_ports as u64 };
    raise_file_limit(own_ports + spec.connections as u64 + OWN_FILES)?;
    let server = resolve(&spec.host, spec.port)?;
    let driver = Driver::new(spec, server, plan(spec), sounds(spec)?)?;
    driver.run(interrupt, observer).map_err(|source| LoadError::System { doing: "waiting for sockets", source })
}

fn check(spec: &Spec) -> Result<(), LoadError> {
    let unusable = |what: &str| Err(LoadError::Unusable(what.to_owned()));
    if spec.calls == 0 || !(spec.rate > 0.0 && spec.rate.is_finite()) || spec.connections == 0 {
        return unusable("a load has at least one call at once, a rate above 0 and one control connection");
    }
    if spec.transport == Transport::Tls {
        return unusable("a load goes over UDP or TCP, not over TLS");
    }
    if !matches!(spec.codec, Codec::Pcmu | Codec::Pcma) {
        return unusable("a load has PCMU or PCMA");
    }
    if spec.sounds.is_empty() {
        return unusable("a load has something to play");
    }
    if spec.again && spec.hold == Hold::Result {
        return unusable("recognitions that follow one another need a time that calls are held for");
    }
    let channel = ChannelIdentifier::parse("0@speechrecog").expect("it has both parts");
    mrcp::recognize(&channel, RequestId(1), &spec.grammar, &spec.parameters).map_err(LoadError::Parameter)?;
    Ok(())
}

fn plan(spec: &Spec) -> Plan {
    Plan {
        codec: spec.codec,
        grammar: spec.grammar.clone(),
        parameters: spec.parameters.clone(),
        setup_timeout: spec.setup_timeout,
        result_timeout: spec.result_timeout,
        hold: spec.hold,
        again: spec.again,
    }
}

fn sounds(spec: &Spec) -> Result<Vec<Sound>, LoadError> {
    let coded = |samples: &[i16]| {
        let mut coded = Vec::with_capacity(samples.len());
        let cannot = |error| LoadError::Unusable(format!("{error}"));
        spec.codec.encode(samples, &mut coded).map(|()| coded).map_err(cannot)
    };
    let quiet = coded(&[0; PACKET_BYTES])?;
    let mut silence = [0; PACKET_BYTES];
    silence.copy_from_slice(&quiet);
    let sound = |sound: &CallSound| {
        let mut samples = sound.samples.clone();
        samples.resize(samples.len().next_multiple_of(PACKET_BYTES), 0);
        let duration = Duration::from_secs_f64(sound.samples.len() as f64 / f64::from(SAMPLE_RATE));
        let recording = Recording { coded: coded(&samples)?, silence, repeats: spec.repeat };
        let played = Played { duration, expected: sound.expected.clone() };
        Ok(Sound { recording: Arc::new(recording), played: Arc::new(played) })
    };
    spec.sounds.iter().map(sound).collect()
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, LoadError> {
    let unresolved = |source| LoadError::Unresolved { host: host.to_owned(), source };
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).map_err(unresolved)?;
    // IPv4 first: a server that listens on 0.0.0.0 is not found at the ::1 that "localhost" has as well.
    addresses.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
}

/// Raises the limit of open files to what is needed, if the system lets us.
///
/// # Errors
/// If it does not.
pub fn raise_file_limit(needed: u64) -> Result<(), LoadError> {
    let system = |source: nix::Error| LoadError::System { doing: "limit of open files", source: source.into() };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(system)?;
    if soft >= needed {
        return Ok(());
    }
    if hard < needed {
        return Err(LoadError::TooFewFiles { needed, allowed: hard });
    }
    setrlimit(Resource::RLIMIT_NOFILE, needed, hard).map_err(system)
}
