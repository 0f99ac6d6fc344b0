//! What the shell is told: listeners, limits, and how calls are taken and left.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::audio::codec::Codec;
use crate::net::http::HttpConfig;
use crate::net::pages::OpsConfig;
use crate::session::{self, offer_answer};
use crate::wire::mrcp::v1::Scale;

/// A key and the reason why its value can't be obeyed.
type Refused = (&'static str, String);

/// `[sip]`: where SIP is spoken, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SipConfig {
    /// `ADDRESS:PORT` for UDP and TCP, or with `udp:` or `tcp:` before it for one of them, or `tls:` for TLS. Port 0: a
    /// free one is chosen.
    pub listen: Vec<String>,
    /// TCP connections at once, all listeners together; further ones are closed at once.
    pub max_connections: usize,
    /// A TCP connection on which nothing was heard for so long is closed, in milliseconds.
    pub connection_idle_ms: u64,
    /// Text of the Server header.
    pub server_name: String,
    /// T1 of RFC 3261: the round-trip time that is assumed, in milliseconds.
    pub t1_ms: u32,
    /// T2: the longest wait between retransmissions, in milliseconds.
    pub t2_ms: u32,
    /// T4: how long a message stays in the network, in milliseconds.
    pub t4_ms: u32,
    /// Shortest session interval that is accepted, in seconds (RFC 4028).
    pub min_session_expires_s: u32,
    /// Session interval asked of clients that know session timers, in seconds; 0 asks for none.
    pub session_expires_s: u32,
    /// Transactions remembered at once; beyond them new calls get 503.
    pub max_transactions: usize,
}

impl Default for SipConfig {
    fn default() -> Self {
        let endpoint = session::sip::Config::default();
        Self {
            server_name: endpoint.server_name,
            t1_ms: endpoint.t1_ms,
            t2_ms: endpoint.t2_ms,
            t4_ms: endpoint.t4_ms,
            min_session_expires_s: endpoint.min_session_expires_s,
            session_expires_s: endpoint.session_expires_s,
            max_transactions: endpoint.max_transactions,
            listen: vec!["0.0.0.0:8060".to_owned()],
            max_connections: 256,
            // Longer than the refresh interval that session timers agree on, which keeps a dialog's connection alive.
            connection_idle_ms: 3_600_000,
        }
    }
}

/// One SIP listener, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SipListener {
    pub(super) address: SocketAddr,
    pub(super) udp: bool,
    pub(super) tcp: bool,
    pub(super) tls: bool,
}

impl SipListener {
    /// Whether it binds a TCP port.
    const fn has_stream(&self) -> bool {
        self.tcp || self.tls
    }
}

impl SipConfig {
    pub(super) fn listeners(&self) -> Result<Vec<SipListener>, String> {
        self.listen.iter().map(|text| listener(text)).collect()
    }

    /// Whether a listener speaks TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.listeners().is_ok_and(|listeners| listeners.iter().any(|listener| listener.tls))
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), Refused> {
        let listeners = self.listeners().map_err(|reason| ("listen", reason))?;
        if listeners.is_empty() {
            return Err(("listen", "at least one listener is needed".to_owned()));
        }
        for (index, one) in listeners.iter().enumerate() {
            let rest = listeners.iter().skip(index + 1);
            let clash = rest.filter(|other| (one.udp && other.udp) || (one.has_stream() && other.has_stream()));
            if let Some(other) = clash.into_iter().find(|other| overlap(one.address, other.address)) {
                return Err(("listen", format!("{} and {} can't both be bound", one.address, other.address)));
            }
        }
        at_least("max_connections", self.max_connections as u64, 1)?;
        at_least("connection_idle_ms", self.connection_idle_ms, 1_000)?;
        // The endpoint's own check begins its sentence with the key.
        self.endpoint(CallConfig::default().retry_after_s).validate().map_err(|reason| {
            let keys = ["server_name", "t1_ms", "t2_ms", "t4_ms", "min_session_expires_s", "session_expires_s"];
            let key = keys.into_iter().find(|key| reason.starts_with(key)).unwrap_or("max_transactions");
            (key, reason)
        })
    }

    /// What the endpoint is told.
    #[must_use]
    pub fn endpoint(&self, retry_after_s: u32) -> session::sip::Config {
        session::sip::Config {
            server_name: self.server_name.clone(),
            t1_ms: self.t1_ms,
            t2_ms: self.t2_ms,
            t4_ms: self.t4_ms,
            min_session_expires_s: self.min_session_expires_s,
            session_expires_s: self.session_expires_s,
            retry_after_s,
            max_transactions: self.max_transactions,
        }
    }
}

fn listener(text: &str) -> Result<SipListener, String> {
    let (udp, tcp, tls, address) = match text.split_once(':') {
        Some(("udp", address)) => (true, false, false, address),
        Some(("tcp", address)) => (false, true, false, address),
        Some(("tls", address)) => (false, false, true, address),
        _ => (true, true, false, text),
    };
    match address.parse() {
        Ok(address) => Ok(SipListener { address, udp, tcp, tls }),
        Err(_) => Err(format!("{text:?} is not ADDRESS:PORT, or udp:, tcp: or tls: and ADDRESS:PORT")),
    }
}

/// `[mrcp]`: where MRCPv2 is spoken, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MrcpConfig {
    /// Address of the TCP listener.
    pub address: IpAddr,
    /// Port of the TCP listener, told to clients in the SDP answer. 0: a free one is chosen.
    pub port: u16,
    /// Port of the listener over TLS, which shows the certificate of `[tls]`; 0: there is none.
    pub tls_port: u16,
    /// Take control channels over TLS alone: `port` is not bound.
    pub require_tls: bool,
    /// TCP connections at once; further ones are closed at once.
    pub max_connections: usize,
    /// A connection that has served no channel for so long is closed, in milliseconds.
    pub connection_idle_ms: u64,
    /// Longest message taken, in bytes; a longer one closes its connection.
    pub max_message_bytes: usize,
}

impl Default for MrcpConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 1544,
            tls_port: 0,
            require_tls: false,
            max_connections: 1_024,
            connection_idle_ms: 60_000,
            // Inline grammars are a few kilobytes.
            max_message_bytes: 256 << 10,
        }
    }
}

impl MrcpConfig {
    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), Refused> {
        if self.require_tls && self.tls_port == 0 {
            return Err(("require_tls", "no listener speaks TLS: set tls_port".to_owned()));
        }
        if !self.require_tls && self.tls_port != 0 && self.tls_port == self.port {
            return Err(("tls_port", format!("{} is port already; one port can't be both", self.tls_port)));
        }
        at_least("max_connections", self.max_connections as u64, 1)?;
        at_least("connection_idle_ms", self.connection_idle_ms, 100)?;
        at_least("max_message_bytes", self.max_message_bytes as u64, 4_096)
    }
}

/// `[rtsp]`: where MRCPv1 is spoken, and its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RtspConfig {
    /// `ADDRESS:PORT` of each TCP listener; none: MRCPv1 is not served. Port 0: a free one is chosen.
    pub listen: Vec<String>,
    /// TCP connections at once, all listeners together; further ones are closed at once.
    pub max_connections: usize,
    /// Sessions at once on one connection; further ones get 503.
    pub max_sessions: usize,
    /// A connection without a session on which nothing was heard for so long is closed, in milliseconds.
    pub connection_idle_ms: u64,
    /// A session of which nothing was heard for so long, and in which nothing runs, is ended, in milliseconds.
    pub session_idle_ms: u64,
    /// Longest body taken, in bytes; a longer one closes its connection.
    pub max_message_bytes: usize,
    /// The names of the recognizer: the last segment of the path of its URI, in any case.
    pub resources: Vec<String>,
    /// How confidences are written in NLSML results.
    pub confidence: Scale,
}

impl Default for RtspConfig {
    fn default() -> Self {
        let server = session::rtsp::Config::default();
        Self {
            // UniMRCP's port.
            listen: vec!["0.0.0.0:1554".to_owned()],
            // Clients open one for each session.
            max_connections: 1_024,
            max_sessions: server.max_sessions,
            connection_idle_ms: 60_000,
            session_idle_ms: u64::try_from(server.session_idle.as_millis()).unwrap_or(u64::MAX),
            max_message_bytes: 256 << 10,
            resources: server.resources,
            confidence: server.confidence,
        }
    }
}

impl RtspConfig {
    pub(super) fn listeners(&self) -> Result<Vec<SocketAddr>, String> {
        let address = |text: &String| text.parse().map_err(|_| format!("{text:?} is not ADDRESS:PORT"));
        self.listen.iter().map(address).collect()
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), Refused> {
        let listeners = self.listeners().map_err(|reason| ("listen", reason))?;
        for (index, one) in listeners.iter().enumerate() {
            if let Some(other) = listeners.iter().skip(index + 1).find(|other| overlap(*one, **other)) {
                return Err(("listen", format!("{one} and {other} can't both be bound")));
            }
        }
        at_least("max_connections", self.max_connections as u64, 1)?;
        at_least("max_sessions", self.max_sessions as u64, 1)?;
        at_least("connection_idle_ms", self.connection_idle_ms, 1_000)?;
        at_least("session_idle_ms", self.session_idle_ms, 1_000)?;
        at_least("max_message_bytes", self.max_message_bytes as u64, 4_096)?;
        let legal = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != '/');
        match self.resources.iter().find(|name| !legal(name)) {
            Some(name) => Err(("resources", format!("{name:?} is not the name of a resource"))),
            None if self.resources.is_empty() => Err(("resources", "at least one name is needed".to_owned())),
            None => Ok(()),
        }
    }

    /// What connections are told.
    #[must_use]
    pub fn server(&self, retry_after_s: u32) -> session::rtsp::Config {
        session::rtsp::Config {
            resources: self.resources.clone(),
            max_sessions: self.max_sessions,
            session_idle: Duration::from_millis(self.session_idle_ms),
            retry_after_s,
            confidence: self.confidence,
        }
    }
}

/// `[call]`: how calls are taken and left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallConfig {
    /// The address that clients are told, in SDP and in Contact: behind NAT or in a cloud the public one.
    /// Empty: the local address toward each client.
    pub advertised_address: String,
    /// A call is ended when it has had no MRCP connection for so long, in milliseconds.
    pub connection_timeout_ms: u64,
    /// On shutdown: recognitions that run for longer than this get RECOGNITION-COMPLETE 006, in milliseconds.
    pub drain_timeout_ms: u64,
    /// Retry-After of a 503 for want of capacity, in seconds.
    pub retry_after_s: u32,
    /// The codecs that are taken, as `PCMU` or `L16/16000`. Those that this build can't decode are passed over.
    pub codecs: Vec<String>,
    /// Whose order decides which of the common codecs is used.
    pub codec_order: CodecOrder,
    /// Whether a client may carry several calls on one MRCP connection. If not, each answer asks for a new one.
    pub share_connections: bool,
}

/// Whose order of codecs decides: [`offer_answer::CodecOrder`], as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecOrder {
    /// The offer's.
    Offer,
    /// That of `codecs`.
    Own,
}

impl Default for CallConfig {
    fn default() -> Self {
        Self {
            advertised_address: String::new(),
            // A client connects right after the 200; one that doesn't holds ports and capacity for nothing.
            connection_timeout_ms: 60_000,
            drain_timeout_ms: 10_000,
            retry_after_s: 5,
            codecs: Codec::ALL.iter().map(ToString::to_string).collect(),
            codec_order: CodecOrder::Offer,
            share_connections: true,
        }
    }
}

impl CallConfig {
    /// What offers are answered with, as far as these settings say it.
    #[must_use]
    pub fn offer_answer(&self) -> offer_answer::Config {
        offer_answer::Config {
            codecs: self.codecs.iter().filter_map(|name| name.parse().ok()).collect(),
            codec_order: match self.codec_order {
                CodecOrder::Offer => offer_answer::CodecOrder::Offer,
                CodecOrder::Own => offer_answer::CodecOrder::Own,
            },
            share_connections: self.share_connections,
            ..offer_answer::Config::default()
        }
    }

    /// The address to tell clients, where one is configured.
    #[must_use]
    pub fn advertised(&self) -> Option<IpAddr> {
        self.advertised_address.parse().ok()
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), Refused> {
        match self.advertised_address.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => {
                return Err(("advertised_address", format!("{address} is no address to connect to")));
            }
            Ok(_) => {}
            Err(_) if self.advertised_address.is_empty() => {}
            Err(_) => {
                return Err(("advertised_address", format!("{:?} is not an IP address", self.advertised_address)));
            }
        }
        let codec = |name: &String| name.parse::<Codec>().ok();
        let known = || Codec::ALL.map(|codec| codec.to_string()).join(", ");
        if let Some(name) = self.codecs.iter().find(|name| codec(name).is_none()) {
            return Err(("codecs", format!("{name:?} is no codec; there are {}", known())));
        }
        if !self.codecs.iter().filter_map(codec).any(Codec::is_available) {
            return Err(("codecs", "this build can decode none of them".to_owned()));
        }
        at_least("connection_timeout_ms", self.connection_timeout_ms, 100)?;
        at_least("retry_after_s", u64::from(self.retry_after_s), 1)
    }
}

/// Every TCP listener of settings that were validated: section, key, and address. Pages for operators that share a listener
/// with those for clients have none of their own.
#[must_use]
pub fn tcp_listeners(
    sip: &SipConfig,
    mrcp: &MrcpConfig,
    rtsp: &RtspConfig,
    http: &HttpConfig,
    ops: &OpsConfig,
) -> Vec<(&'static str, &'static str, SocketAddr)> {
    let sip = sip.listeners().unwrap_or_default().into_iter().filter(SipListener::has_stream);
    let control = [("port", mrcp.port, !mrcp.require_tls), ("tls_port", mrcp.tls_port, mrcp.tls_port != 0)];
    let control = control.into_iter().filter(|(.., bound)| *bound);
    let ops = ops.address().filter(|_| ops.listen != http.listen);
    sip.map(|listener| ("sip", "listen", listener.address))
        .chain(control.map(|(key, port, _)| ("mrcp", key, SocketAddr::new(mrcp.address, port))))
        .chain(rtsp.listeners().unwrap_or_default().into_iter().map(|address| ("rtsp", "listen", address)))
        .chain(http.address().map(|address| ("http", "listen", address)))
        .chain(ops.map(|address| ("ops", "listen", address)))
        .collect()
}

/// Whether a listener speaks TLS.
#[must_use]
pub fn needs_tls(sip: &SipConfig, mrcp: &MrcpConfig) -> bool {
    mrcp.tls_port != 0 || sip.has_tls()
}

/// Whether two sockets of one transport can't be bound to these addresses together. Port 0 is another one each time.
#[must_use]
pub fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let wide = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || wide)
}

fn at_least(key: &'static str, value: u64, least: u64) -> Result<(), Refused> {
    if value >= least { Ok(()) } else { Err((key, format!("{value} is too small, at least {least} is needed"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read() {
        let both = listener("127.0.0.1:5060").unwrap();
        assert!(both.udp && both.tcp);
        let udp = listener("udp:[::1]:5060").unwrap();
        assert!(udp.udp && !udp.tcp);
        assert_eq!(udp.address, "[::1]:5060".parse().unwrap());
        let tls = listener("tls:127.0.0.1:5061").unwrap();
        assert!(tls.tls && !tls.udp && !tls.tcp);
        for wrong in
            ["", "5060", "localhost:5060", "tls:5061", "sips:127.0.0.1:5061", "udp:127.0.0.1", "127.0.0.1:70000"]
        {
            assert!(listener(wrong).unwrap_err().contains("ADDRESS:PORT"), "{wrong}");
        }
    }

    #[test]
    fn rtsp_has_ports_and_names_of_its_own() {
        let with = |change: &dyn Fn(&mut RtspConfig)| {
            let mut config = RtspConfig::default();
            change(&mut config);
            config
        };
        let refused = |change: &dyn Fn(&mut RtspConfig)| with(change).validate().unwrap_err().0;
        assert_eq!(RtspConfig::default().validate(), Ok(()));
        assert_eq!(RtspConfig::default().server(5), session::rtsp::Config::default());
        assert_eq!(with(&|config| config.listen.clear()).validate(), Ok(()));
        assert_eq!(refused(&|config| config.listen = vec!["localhost:1554".to_owned()]), "listen");
        assert_eq!(refused(&|config| config.listen.push("127.0.0.1:1554".to_owned())), "listen");
        assert_eq!(refused(&|config| config.resources.clear()), "resources");
        assert_eq!(refused(&|config| config.resources.push("media/asr".to_owned())), "resources");
        assert_eq!(refused(&|config| config.max_message_bytes = 100), "max_message_bytes");
    }

    #[test]
    fn codecs_have_names() {
        let with = |codecs: &[&str]| CallConfig {
            codecs: codecs.iter().map(|name| (*name).to_owned()).collect(),
            ..CallConfig::default()
        };
        assert_eq!(CallConfig::default().offer_answer(), offer_answer::Config::default());
        assert_eq!(with(&["PCMA", "L16/8000"]).offer_answer().codecs, [Codec::Pcma, Codec::L16Narrow]);
        assert!(with(&["PCMA"]).validate().is_ok());
        for wrong in [&["G729"][..], &["PCMU", "G722"], &[]] {
            assert_eq!(with(wrong).validate().unwrap_err().0, "codecs", "{wrong:?}");
        }
        assert_eq!(with(&["opus"]).validate().is_ok(), cfg!(feature = "opus"));
    }

    #[test]
    fn an_advertised_address_is_an_address() {
        let with = |address: &str| CallConfig { advertised_address: address.to_owned(), ..CallConfig::default() };
        assert!(with("").validate().is_ok());
        assert!(with("203.0.113.7").validate().is_ok());
        for wrong in ["0.0.0.0", "::", "example.com", "203.0.113.7:80"] {
            assert_eq!(with(wrong).validate().unwrap_err().0, "advertised_address", "{wrong}");
        }
    }
}
