//! The server: engine and shell put together.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;

use crate::adapter::{self, EslServer, WebhookEndpoint, stream};
use crate::config::Config;
use crate::detect::{Backend, Model};
use crate::engine::Engine;
use crate::net::{self, About, HttpDoor, Limits, SipAddress};
use crate::ops;

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
        let metrics = ops::Metrics::new();
        let about = about(&config, &engine);
        metrics.read({
            let about = about.clone();
            move |page| build_info(page, &about)
        });
        let (servers, webhooks) = (adapter.esl_servers().to_vec(), adapter.webhooks().to_vec());
        metrics.read(move |page| event_sockets(page, &servers));
        metrics.read(move |page| deliveries(page, &webhooks));
        let streams = stream::Doors::open(config.streams(), Arc::clone(&engine), metrics.clone())?;
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
        let net = net::start(config.net(), Arc::clone(&engine), metrics, about, door.into_iter().collect()).await?;
        let running = Running { net, adapter, streams, engine };
        let sip = running.sip().iter().flat_map(SipAddress::sockets).collect::<Vec<_>>();
        let spoken = sip.iter().map(|(transport, address)| format!("sip {transport} {address}, ")).collect::<String>();
        let sip = sip.iter().map(|(transport, address)| format!("{transport}:{address}")).collect::<Vec<_>>().join(",");
        let http = running.http().map(|address| format!(", http {address}")).unwrap_or_default();
        let pages = running.ops().map(|address| format!(", ops {address}")).unwrap_or_default();
        let mrcp = [("tcp", running.net.mrcp()), ("tls", running.net.mrcp_tls())];
        let mrcp = mrcp.into_iter().filter_map(|(transport, address)| Some((transport, address?))).collect::<Vec<_>>();
        let controls = mrcp.iter().map(|(name, address)| format!("mrcp {name} {address}")).collect::<Vec<_>>();
        let mrcp = mrcp.iter().map(|(name, address)| format!("{name}:{address}")).collect::<Vec<_>>().join(",");
        let rtsp = running.rtsp().iter().map(|address| format!(", rtsp {address}")).collect::<String>();
        let scheme = if listens.tls { "wss" } else { "ws" };
        let websocket = running.websocket().map(|address| format!(", {scheme} {address}")).unwrap_or_default();
        let audiosocket = running.audiosocket().map(|address| format!(", audiosocket {address}")).unwrap_or_default();
        let backend = running.engine.backend();
        tracing::info!(
            sip, mrcp, %backend,
            "answerd is ready: {spoken}{}{rtsp}{http}{websocket}{audiosocket}{pages}", controls.join(", ")
        );
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

    /// The bound listener of the pages for operators, if there is one.
    #[must_use]
    pub fn ops(&self) -> Option<SocketAddr> {
        self.net.ops()
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

    /// Whether no thread that listens is stuck or gone: as `/healthz` tells it.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.engine.workers().iter().all(|worker| worker.is_well())
    }

    /// Calls that are taken now.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.engine.calls()
    }

    /// Takes no new calls, lets recognitions finish until the configured limit, ends all calls, and stops.
    pub async fn shutdown(self) {
        let (following, ()) = tokio::join!(self.net.shutdown(), self.streams.shutdown());
        self.adapter.shutdown().await;
        following.finish().await;
    }
}

/// What runs here.
fn about(config: &Config, engine: &Engine) -> About {
    let (backend, runs) = match engine.backend() {
        Backend::BuiltIn => ("built-in", true),
        Backend::OnnxRuntime(_) => ("onnxruntime", true),
        Backend::Rten => ("rten", true),
        Backend::Rules => ("rules", false),
    };
    let detect = config.detect.detect();
    let name = match &detect.model {
        Some(path) => path.display().to_string(),
        None => "built-in".to_owned(),
    };
    let model = runs.then(|| Model::sha256(&detect).ok()).flatten().map(|sha256| net::Model { name, sha256 });
    About { version: env!("CARGO_PKG_VERSION"), commit: option_env!("ANSWERD_COMMIT"), backend, model }
}

fn build_info(page: &mut ops::Exposition<'_>, about: &About) -> std::fmt::Result {
    let model = about.model.as_ref().map_or("", |model| model.sha256.as_str());
    let labels = [
        ("version", about.version),
        ("commit", about.commit.unwrap_or_default()),
        ("backend", about.backend),
        ("model_sha256", model),
    ];
    page.info("answerd_build", "What runs here: the version, and what decides with which model.", &labels)
}

/// What is counted of each of several, by name: a metric's name, its HELP, and how its value is read.
type Column<T> = (&'static str, &'static str, fn(&T) -> f64);

fn table<T>(
    page: &mut ops::Exposition<'_>,
    label: &str,
    rows: &[(&str, T)],
    columns: &[Column<T>],
) -> std::fmt::Result {
    let labels: Vec<[(&str, &str); 1]> = rows.iter().map(|(name, _)| [(label, *name)]).collect();
    for (name, help, read) in columns {
        let values = labels.iter().zip(rows).map(|(labels, (_, row))| (&labels[..], read(row)));
        page.counters(name, help, None, &values.collect::<Vec<_>>())?;
    }
    Ok(())
}

fn event_sockets(page: &mut ops::Exposition<'_>, servers: &[Arc<EslServer>]) -> std::fmt::Result {
    let rows: Vec<_> = servers.iter().map(|server| (server.name.as_str(), server.counts())).collect();
    let up: Vec<_> = rows.iter().map(|(name, row)| ([("server", *name)], f64::from(u8::from(row.connected)))).collect();
    let up: Vec<(&[(&str, &str)], f64)> = up.iter().map(|(labels, value)| (&labels[..], *value)).collect();
    page.gauges("answerd_esl_up", "Whether a FreeSWITCH is connected and logged in to: 1 or 0.", None, &up)?;
    table(
        page,
        "server",
        &rows,
        &[
            ("answerd_esl_connects", "Connections to a FreeSWITCH that were made.", |it| it.connects as f64),
            ("answerd_esl_failures", "Connections to a FreeSWITCH that failed or were lost.", |it| it.failures as f64),
            ("answerd_esl_refusals", "Logins that a FreeSWITCH has refused.", |it| it.refusals as f64),
            ("answerd_esl_commands", "Commands that were sent.", |it| it.commands as f64),
            ("answerd_esl_command_failures", "Commands that were answered with a failure.", |it| {
                it.command_failures as f64
            }),
            ("answerd_esl_events", "Events that came.", |it| it.events as f64),
            ("answerd_esl_events_dropped", "Events that were dropped, as too many waited.", |it| {
                it.dropped_events as f64
            }),
            ("answerd_esl_decisions", "Decisions that were told.", |it| it.decisions as f64),
            ("answerd_esl_decisions_elsewhere", "Decisions about calls that it does not have.", |it| {
                it.elsewhere as f64
            }),
            ("answerd_esl_decisions_dropped", "Decisions that could not be told.", |it| it.dropped as f64),
            ("answerd_esl_actions", "Actions that were carried out.", |it| it.actions as f64),
            ("answerd_esl_action_failures", "Actions that failed.", |it| it.action_failures as f64),
            ("answerd_esl_started", "Detections that its calls began.", |it| it.started as f64),
        ],
    )
}

fn deliveries(page: &mut ops::Exposition<'_>, endpoints: &[Arc<WebhookEndpoint>]) -> std::fmt::Result {
    // URLs may hold secrets: endpoints are told by their places in the settings.
    let places: Vec<String> = (1..=endpoints.len()).map(|place| place.to_string()).collect();
    let rows: Vec<_> = places.iter().zip(endpoints).map(|(place, it)| (place.as_str(), it.counts())).collect();
    let waiting: Vec<_> = rows.iter().map(|(place, row)| ([("endpoint", *place)], row.waiting as f64)).collect();
    let waiting: Vec<(&[(&str, &str)], f64)> = waiting.iter().map(|(labels, value)| (&labels[..], *value)).collect();
    page.gauges("answerd_webhook_waiting", "Decisions that wait for a webhook, or are under way.", None, &waiting)?;
    table(
        page,
        "endpoint",
        &rows,
        &[
            ("answerd_webhook_delivered", "Decisions that a webhook has taken.", |it| it.delivered as f64),
            ("answerd_webhook_retried", "Attempts at a webhook after the first.", |it| it.retried as f64),
            ("answerd_webhook_refused", "Decisions that a webhook has refused for good.", |it| it.refused as f64),
            ("answerd_webhook_given_up", "Decisions that were given up after the last attempt.", |it| {
                it.given_up as f64
            }),
            ("answerd_webhook_dropped", "Decisions that were dropped, as too many waited.", |it| it.dropped as f64),
        ],
    )
}
