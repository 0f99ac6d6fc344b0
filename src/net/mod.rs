//! The shell: SIP, MRCP, RTSP and HTTP sockets, clocks, one driver task per call.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: clocks, sockets and tasks")]

mod calls;
mod config;
mod connection;
mod driver;
mod fetch;
mod http;
mod local;
mod mrcp;
mod open;
mod outbox;
mod pages;
mod registry;
mod rtsp;
mod sip;
mod tcp;
mod tls;
mod waveforms;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::{Engine, Srtp};
use crate::net::calls::{Calls, MrcpPorts, Outside, Shared};
pub use crate::net::config::{
    CallConfig, CodecOrder, MrcpConfig, RtspConfig, SipConfig, needs_tls, overlap, tcp_listeners,
};
use crate::net::driver::Phase;
pub use crate::net::fetch::FetchConfig;
use crate::net::fetch::Fetcher;
use crate::net::http::Site;
pub use crate::net::http::{HttpConfig, HttpDoor, Limits};
use crate::net::pages::Pages;
pub use crate::net::pages::{About, Model, OpsConfig};
use crate::net::registry::Registry;
use crate::net::sip::{Shell, Sockets};
use crate::net::tls::Tls;
pub use crate::net::tls::{TlsConfig, TlsVersion, check as check_tls};
use crate::net::waveforms::Waveforms;
pub use crate::net::waveforms::WaveformsConfig;
use crate::ops::{Access, Door, FeedbackConfig, Metrics};
use crate::session::offer_answer::{ControlTransports, SrtpPolicy};
use crate::session::{self, offer_answer};

/// What the shell is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where SIP is spoken.
    pub sip: SipConfig,
    /// Where MRCPv2 is spoken.
    pub mrcp: MrcpConfig,
    /// Where MRCPv1 is spoken.
    pub rtsp: RtspConfig,
    /// How calls are taken and left.
    pub call: CallConfig,
    /// What may be fetched, and from where.
    pub fetch: FetchConfig,
    /// Where HTTP is spoken.
    pub http: HttpConfig,
    /// Where recordings are kept.
    pub waveforms: WaveformsConfig,
    /// Where the pages for operators are.
    pub ops: OpsConfig,
    /// How many calls are remembered for them.
    pub feedback: FeedbackConfig,
    /// SIP's timers and limits.
    pub endpoint: session::sip::Config,
    /// The address that media sockets are bound to, all addresses or one.
    pub media_address: IpAddr,
    /// What recognizers do.
    pub session: Arc<session::Config>,
    /// The certificate of TLS listeners.
    pub tls: TlsConfig,
    /// Whether sound is encrypted.
    pub srtp: Srtp,
    /// Whether keys of sound are taken from SIP over TLS only.
    pub srtp_needs_tls: bool,
}

impl Config {
    /// The address to tell clients in SDP: the advertised one, or the one that the sockets are bound to; `None` where
    /// these are bound to all and each client is told the one that it reaches.
    fn told_address(&self) -> Option<IpAddr> {
        let bound = |address: IpAddr| (!address.is_unspecified()).then_some(address);
        self.call.advertised().or(bound(self.mrcp.address)).or(bound(self.media_address))
    }

    /// Whether one listener serves the pages for clients and those for operators.
    fn shares_pages(&self) -> bool {
        !self.ops.listen.is_empty() && self.ops.listen == self.http.listen
    }

    /// What offers are answered with.
    fn offer_answer(&self) -> offer_answer::Config {
        let control = match (self.mrcp.require_tls, self.mrcp.tls_port) {
            (true, _) => ControlTransports::Tls,
            (false, 0) => ControlTransports::Tcp,
            (false, _) => ControlTransports::Both,
        };
        let srtp = match self.srtp {
            Srtp::Off => SrtpPolicy::Off,
            Srtp::Optional => SrtpPolicy::Optional,
            Srtp::Required => SrtpPolicy::Required,
        };
        offer_answer::Config { control, srtp, ..self.call.offer_answer() }
    }
}

/// A bound SIP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipAddress {
    /// Address and port.
    pub address: SocketAddr,
    /// It takes datagrams.
    pub udp: bool,
    /// It takes TCP connections.
    pub tcp: bool,
    /// It takes TLS connections.
    pub tls: bool,
}

impl SipAddress {
    /// Each of its sockets: the transport's name and the address.
    pub fn sockets(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> + use<> {
        let address = self.address;
        [("udp", self.udp), ("tcp", self.tcp), ("tls", self.tls)]
            .into_iter()
            .filter(|(_, bound)| *bound)
            .map(move |(name, _)| (name, address))
    }
}

/// The shell at work. Dropped, it stops at once; [`Running::shutdown`] lets calls finish.
#[derive(Debug)]
pub struct Running {
    sip: Vec<SipAddress>,
    mrcp: Option<SocketAddr>,
    mrcp_tls: Option<SocketAddr>,
    tls: Option<Tls>,
    http: Option<SocketAddr>,
    ops: Option<SocketAddr>,
    rtsp: Vec<SocketAddr>,
    http_doors: Vec<SocketAddr>,
    drain_timeout: Duration,
    phase: watch::Sender<Phase>,
    drain: CancellationToken,
    closing: CancellationToken,
    shell: JoinHandle<()>,
    connections: JoinHandle<()>,
    doors: JoinHandle<()>,
    following: Following,
    _guard: DropGuard,
}

/// What notes and stores decisions, which other layers' doors tell, too. Dropped, it stops.
#[derive(Debug)]
pub struct Following {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    _guard: DropGuard,
}

impl Following {
    /// Stops once all is noted that was told already.
    pub async fn finish(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the task that notes decisions");
        }
    }
}

/// Binds all listeners, then serves; over HTTP the routers of `http_doors`, too.
///
/// # Errors
/// A listener that can't be bound, or a file or directory of the settings that can't be used.
pub async fn start(
    config: Config,
    engine: Arc<Engine>,
    metrics: Metrics,
    about: About,
    http_doors: Vec<HttpDoor>,
) -> io::Result<Running> {
    let model = about.model.as_ref().map(|model| model.sha256.as_str());
    let named = |error: io::Error| io::Error::new(error.kind(), format!("feedback.store: {error}"));
    let store = config.feedback.open_store(about.version, model).map_err(named)?;
    let fetcher =
        Fetcher::new(&config.fetch).map_err(|error| io::Error::new(error.kind(), format!("fetch: {error}")))?;
    let bound = config.sip.listeners().map_err(io::Error::other)?;
    let pages = config.http.speaks_tls() || config.ops.speaks_tls();
    let pages_over_tls = pages || http_doors.iter().any(|door| door.tls);
    let tls = match bound.iter().any(|listener| listener.tls) || config.mrcp.tls_port != 0 || pages_over_tls {
        true => Some(Tls::load(config.tls.clone())?),
        false => None,
    };
    let mut listeners = Vec::new();
    let mut sip = Vec::new();
    for listener in bound {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("sip {}: {error}", listener.address));
        let sockets = Sockets::bind(listener).await.map_err(named)?;
        sip.push(SipAddress { address: sockets.address, udp: listener.udp, tcp: listener.tcp, tls: listener.tls });
        listeners.push(sockets);
    }
    let listen = |port| {
        let wanted = SocketAddr::new(config.mrcp.address, port);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("mrcp {wanted}: {error}"));
        let listener = tcp::listen(wanted).map_err(named)?;
        let address = listener.local_addr()?;
        Ok::<_, io::Error>((listener, address))
    };
    let mut controls = Vec::new();
    let (mut mrcp, mut mrcp_tls) = (None, None);
    if !config.mrcp.require_tls {
        let (listener, address) = listen(config.mrcp.port)?;
        controls.push((listener, None));
        mrcp = Some(address);
    }
    if config.mrcp.tls_port != 0 {
        let (listener, address) = listen(config.mrcp.tls_port)?;
        controls.push((listener, tls.clone()));
        mrcp_tls = Some(address);
    }

    let mut rtsp_listeners = Vec::new();
    let mut rtsp = Vec::new();
    for wanted in config.rtsp.listeners().map_err(io::Error::other)? {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("rtsp {wanted}: {error}"));
        let listener = tcp::listen(wanted).map_err(named)?;
        rtsp.push(listener.local_addr()?);
        rtsp_listeners.push(listener);
    }

    let closing = CancellationToken::new();
    let http = bind_http(&config)?;
    let ops = bind_ops(&config)?;
    let mut bound_doors = Vec::new();
    for door in http_doors {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{} {}: {error}", door.name, door.address));
        bound_doors.push((tcp::listen(door.address).map_err(named)?, door));
    }
    let (mut waveforms, mut pages) = (None, Router::new());
    if let Some((_, site)) = &http {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("waveforms: {error}"));
        let (kept, keeping) = Waveforms::open(&config.waveforms, *site).map_err(named)?;
        tokio::spawn(closing.clone().run_until_cancelled_owned(keeping));
        pages = pages.merge(kept.router());
        waveforms = Some(kept);
    }

    let drain = CancellationToken::new();
    let (phase, phases) = watch::channel(Phase::Serving);
    let for_operators = Pages::new(metrics.clone(), Arc::clone(&engine), phases.clone(), about);
    let access = Access::new(&config.http.token);
    let unfollow = CancellationToken::new();
    let stored = store.is_some();
    let (for_operators, following) = for_operators.serve(config.feedback.clone(), store, access, unfollow.clone());
    let follower = (stored || !config.ops.listen.is_empty()).then(|| tokio::spawn(following));
    let following = Following { _guard: unfollow.clone().drop_guard(), stop: unfollow, task: follower };
    let registry = Registry::default();
    let connections = mrcp::Shared::new(config.mrcp.clone(), registry.clone(), metrics.clone());
    let connections = connections.serve(controls, closing.clone());
    let port = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
    let ports = MrcpPorts { plain: port(mrcp), tls: port(mrcp_tls) };
    let outside = Outside { fetcher, waveforms };
    let shared =
        Shared { engine, outside, metrics: metrics.clone(), phase: phases, next_session: Arc::new(AtomicU64::new(1)) };
    let doors = rtsp::Door::new(&config, shared.clone()).serve(rtsp_listeners, drain.clone(), closing.clone());
    let calls = Calls::new(Door::Mrcpv2, &config, shared, registry, ports, tls.clone());
    if let Some(tls) = &tls {
        tokio::spawn(closing.clone().run_until_cancelled_owned(tls.clone().watch()));
    }
    // Where no address is advertised, each client is told the one that it reaches.
    let advertised = config.call.advertised();
    let addresses = advertised.iter().flat_map(|ip| sip.iter().map(|it| SocketAddr::new(*ip, it.address.port())));
    let mut endpoint = session::sip::Endpoint::new(config.endpoint.clone(), addresses.collect());
    let address = config.told_address().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    endpoint.set_capabilities(offer_answer::capabilities(&config.offer_answer(), address));
    let shell = Shell::new(endpoint, calls, listeners, &config.sip, tls.as_ref(), metrics, &closing);
    let shell = closing.clone().run_until_cancelled_owned(shell.run(drain.clone()));
    let most = config.http.max_connections;
    let ops = match (ops, &http) {
        (Some((listener, address)), _) => {
            let tls = tls.clone().filter(|_| config.ops.tls);
            tokio::spawn(http::serve(listener, Limits::pages(most), tls, for_operators, closing.clone()));
            Some(address)
        }
        (None, Some((_, site))) if config.shares_pages() => {
            pages = pages.merge(for_operators);
            Some(site.address)
        }
        (None, _) => None,
    };
    let http = http.map(|(listener, site)| {
        let tls = tls.clone().filter(|_| config.http.tls);
        tokio::spawn(http::serve(listener, Limits::pages(most), tls, pages, closing.clone()));
        site.address
    });
    let mut http_doors = Vec::new();
    for (listener, door) in bound_doors {
        http_doors.push(listener.local_addr()?);
        let tls = tls.clone().filter(|_| door.tls);
        tokio::spawn(http::serve(listener, door.limits, tls, door.router, closing.clone()));
    }
    Ok(Running {
        sip,
        mrcp,
        mrcp_tls,
        tls,
        http,
        ops,
        rtsp,
        http_doors,
        drain_timeout: Duration::from_millis(config.call.drain_timeout_ms),
        phase,
        drain,
        shell: tokio::spawn(async move {
            shell.await;
        }),
        connections: tokio::spawn(connections),
        doors: tokio::spawn(doors),
        following,
        _guard: closing.clone().drop_guard(),
        closing,
    })
}

/// The HTTP listener, if there is to be one.
fn bind_http(config: &Config) -> io::Result<Option<(TcpListener, Site)>> {
    let Some(wanted) = config.http.address() else { return Ok(None) };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("http {wanted}: {error}"));
    let listener = tcp::listen(wanted).map_err(named)?;
    let address = listener.local_addr()?;
    Ok(Some((listener, Site { address, tls: config.http.tls, advertised: config.call.advertised() })))
}

/// The listener of the pages for operators, if they have one of their own.
fn bind_ops(config: &Config) -> io::Result<Option<(TcpListener, SocketAddr)>> {
    let Some(wanted) = config.ops.address().filter(|_| !config.shares_pages()) else { return Ok(None) };
    let named = |error: io::Error| io::Error::new(error.kind(), format!("ops {wanted}: {error}"));
    let listener = tcp::listen(wanted).map_err(named)?;
    let address = listener.local_addr()?;
    Ok(Some((listener, address)))
}

impl Running {
    /// The bound SIP listeners, in the order of the configuration.
    #[must_use]
    pub fn sip(&self) -> &[SipAddress] {
        &self.sip
    }

    /// The bound MRCPv2 listener, if there is one without TLS.
    #[must_use]
    pub fn mrcp(&self) -> Option<SocketAddr> {
        self.mrcp
    }

    /// The bound HTTP listener, if there is one.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The bound listener of the pages for operators, if there is one.
    #[must_use]
    pub fn ops(&self) -> Option<SocketAddr> {
        self.ops
    }

    /// The bound listeners of other layers' routers, in the order in which they were given.
    #[must_use]
    pub fn http_doors(&self) -> &[SocketAddr] {
        &self.http_doors
    }

    /// The bound MRCPv2 listener over TLS, if there is one.
    #[must_use]
    pub fn mrcp_tls(&self) -> Option<SocketAddr> {
        self.mrcp_tls
    }

    /// Reads certificate and key again; those that can't be used are told in the log and change nothing. Connections
    /// that stand go on.
    pub fn reload(&self) {
        match &self.tls {
            Some(tls) => tls.reload(),
            None => tracing::info!("nothing speaks TLS: there is nothing to read again"),
        }
    }

    /// The bound RTSP listeners, in the order of the configuration.
    #[must_use]
    pub fn rtsp(&self) -> &[SocketAddr] {
        &self.rtsp
    }

    /// Takes no new calls, lets recognitions finish until the configured limit, completes the rest with 006
    /// recognizer-error, ends all calls with BYE, and stops. What notes decisions goes on until all doors are shut.
    pub async fn shutdown(self) -> Following {
        let deadline = Instant::now() + self.drain_timeout;
        self.phase.send_replace(Phase::Draining(deadline));
        self.drain.cancel();
        if let Err(error) = self.shell.await {
            tracing::error!(%error, "the SIP task");
        }
        if let Err(error) = self.doors.await {
            tracing::error!(%error, "the RTSP task");
        }
        // Connections end when what waits in them is written.
        self.closing.cancel();
        if let Err(error) = self.connections.await {
            tracing::error!(%error, "the MRCP task");
        }
        self.following
    }
}
