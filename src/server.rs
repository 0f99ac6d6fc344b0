//! The server: engine and shell put together.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use crate::adapter::{self, EslServer, WebhookEndpoint, stream};
use crate::config::Config;
use crate::engine::Engine;
use crate::net::{self, HttpDoor, Limits, SipAddress};

/// The server, not running yet.
#[derive(Debug)]
pub struct Server;

/// The server at work. Dropped, it stops at once; [`Running::shutdown`] lets calls finish.
#[derive(Debug)]
pub struct Running {
    net: net::Running,
    adapter: adapter::Running,
    streams: stream::Doors,
    engine: Arc<Engine>,
}

impl Server {
    /// Loads the model, starts the threads, binds the listeners. Calls are taken when this returns.
    ///
    /// # Errors
    /// A listener that can't be bound or a thread that can't be started.
    pub async fn start(config: Config) -> anyhow::Result<Running> {
        let engine = Arc::new(Engine::start(&config.engine()).context("starting the media workers")?);
        // Before there are calls, so that none is decided unheard.
        let adapter = adapter::start(&config.adapter(), &engine)?;
        let streams = stream::Doors::open(config.streams(), Arc::clone(&engine))?;
        let listens = &config.streams;
        let door = listens.address().map(|address| HttpDoor {
            name: "streams",
            address,
            tls: listens.tls,
            limits: Limits {
                connections: listens.max_connections,
                whole: listens.handshake_timeout(),
                idle: listens.dead_after(),
            },
            router: streams.router(),
        });
        let net = net::start(config.net(), Arc::clone(&engine), door.into_iter().collect()).await?;
        let running = Running { net, adapter, streams, engine };
        let sip = running.sip().iter().flat_map(SipAddress::sockets).collect::<Vec<_>>();
        let spoken = sip.iter().map(|(transport, address)| format!("sip {transport} {address}, ")).collect::<String>();
        let sip = sip.iter().map(|(transport, address)| format!("{transport}:{address}")).collect::<Vec<_>>().join(",");
        let http = running.http().map(|address| format!(", http {address}")).unwrap_or_default();
        let mrcp = [("tcp", running.net.mrcp()), ("tls", running.net.mrcp_tls())];
        let mrcp = mrcp.into_iter().filter_map(|(transport, address)| Some((transport, address?))).collect::<Vec<_>>();
        let controls = mrcp.iter().map(|(name, address)| format!("mrcp {name} {address}")).collect::<Vec<_>>();
        let mrcp = mrcp.iter().map(|(name, address)| format!("{name}:{address}")).collect::<Vec<_>>().join(",");
        let rtsp = running.rtsp().iter().map(|address| format!(", rtsp {address}")).collect::<String>();
        let scheme = if listens.tls { "wss" } else { "ws" };
        let websocket = running.websocket().map(|address| format!(", {scheme} {address}")).unwrap_or_default();
        let audiosocket = running.audiosocket().map(|address| format!(", audiosocket {address}")).unwrap_or_default();
        let backend = running.engine.backend();
        tracing::info!(sip, mrcp, %backend, "answerd is ready: {spoken}{}{rtsp}{http}{websocket}{audiosocket}", controls.join(", "));
        Ok(running)
    }
}

impl Running {
    /// The bound SIP listeners, in the order of the configuration.
    #[must_use]
    pub fn sip(&self) -> &[SipAddress] {
        self.net.sip()
    }

    /// The bound MRCPv2 listener; the one over TLS where there is no other.
    ///
    /// # Panics
    /// Never: one of them is always bound.
    #[must_use]
    pub fn mrcp(&self) -> SocketAddr {
        self.net.mrcp().or(self.net.mrcp_tls()).expect("settings without any MRCP listener are refused")
    }

    /// The bound MRCPv2 listener over TLS, if there is one.
    #[must_use]
    pub fn mrcp_tls(&self) -> Option<SocketAddr> {
        self.net.mrcp_tls()
    }

    /// Reads certificate and key again, as SIGHUP has it done. Connections that stand go on.
    pub fn reload(&self) {
        self.net.reload();
    }

    /// The bound HTTP listener, if there is one.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.net.http()
    }

    /// The bound listener for streams over WebSocket, if there is one.
    #[must_use]
    pub fn websocket(&self) -> Option<SocketAddr> {
        self.net.http_doors().first().copied()
    }

    /// The bound AudioSocket listener, if there is one.
    #[must_use]
    pub fn audiosocket(&self) -> Option<SocketAddr> {
        self.streams.audiosocket()
    }

    /// The bound RTSP listeners, in the order of the configuration.
    #[must_use]
    pub fn rtsp(&self) -> &[SocketAddr] {
        self.net.rtsp()
    }

    /// The FreeSWITCH servers that are told what was decided, in the order of the configuration; last the calls that come by
    /// the dialplan's `socket`.
    #[must_use]
    pub fn esl_servers(&self) -> &[Arc<EslServer>] {
        self.adapter.esl_servers()
    }

    /// Where FreeSWITCH's dialplan application `socket` finds this server, if it may.
    #[must_use]
    pub fn esl_listener(&self) -> Option<SocketAddr> {
        self.adapter.esl_listener()
    }

    /// The endpoints of webhooks, in the order of the configuration.
    #[must_use]
    pub fn webhooks(&self) -> &[Arc<WebhookEndpoint>] {
        self.adapter.webhooks()
    }

    /// Calls that are taken now.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.engine.calls()
    }

    /// Takes no new calls, lets recognitions finish until the configured limit, ends all calls, and stops.
    pub async fn shutdown(self) {
        tokio::join!(self.net.shutdown(), self.streams.shutdown());
        self.adapter.shutdown().await;
    }
}
