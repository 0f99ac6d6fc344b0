//! Calls: an offer becomes streams, channels and a driver, or a refusal; capacity is settled before the answer.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::engine::{Engine, Full, OpenError, Permit, StreamEvent, StreamSpec};
use crate::media;
use crate::net::Config;
use crate::net::driver::{self, Change, Input, Parts, Phase, Stopped};
use crate::net::fetch::Fetcher;
use crate::net::registry::{Channel, Registry};
use crate::net::tls::Tls;
use crate::net::waveforms::{CallWaveforms, Waveforms};
use crate::ops::{Door, Metrics, Refusal};
use crate::session::offer_answer::{self, Agreed, Local, Plan, Sound};
use crate::session::sip::{Load, Peer, Transport};
use crate::session::{self, Session};
use crate::wire::mrcp::{ChannelIdentifier, Resource};
use crate::wire::rtp::srtp::MasterKey;
use crate::wire::sdp::{self, SessionDescription};

/// Why an offer is refused: with a status of SIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) retry_after_s: Option<u32>,
    /// The same for metrics.
    why: Refusal,
}

impl Refused {
    pub(super) fn internal_error() -> Self {
        Self::new(500, "internal error", Refusal::Internal)
    }

    fn new(status: u16, reason: impl Into<String>, why: Refusal) -> Self {
        Self { status, reason: reason.into(), retry_after_s: None, why }
    }
}

/// What the calls of all doors share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) engine: Arc<Engine>,
    pub(super) outside: Outside,
    pub(super) metrics: Metrics,
    pub(super) phase: watch::Receiver<Phase>,
    /// Number of the next session in `o=`.
    pub(super) next_session: Arc<AtomicU64>,
}

/// All calls of one door and the tasks that drive them. `K` is how the door names its calls.
pub(super) struct Calls<K> {
    shared: Shared,
    door: Door,
    registry: Registry,
    offer_answer: offer_answer::Config,
    session: Arc<session::Config>,
    /// The address that all clients are told, if it is one.
    told_address: Option<IpAddr>,
    ports: MrcpPorts,
    tls: Option<Tls>,
    srtp_needs_tls: bool,
    retry_after_s: u32,
    connection_timeout: Duration,
    calls: HashMap<K, Call>,
    drivers: JoinSet<Stopped>,
    by_task: HashMap<Id, K>,
}

/// Where documents come from and recordings go.
#[derive(Debug, Clone)]
pub(super) struct Outside {
    pub(super) fetcher: Fetcher,
    /// `None`: recordings are not kept.
    pub(super) waveforms: Option<Waveforms>,
}

impl Outside {
    /// The recordings of a call whose client reaches the server at `address`.
    pub(super) fn waveforms(&self, address: IpAddr) -> CallWaveforms {
        self.waveforms.as_ref().map_or_else(CallWaveforms::none, |waveforms| waveforms.call(address))
    }
}

/// The ports of the MRCP listeners; 0 where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MrcpPorts {
    pub(super) plain: u16,
    pub(super) tls: u16,
}

/// A call as its door sees it.
struct Call {
    /// Call-ID or the like, for logs.
    call_id: String,
    inputs: mpsc::Sender<Input>,
    /// Where its streams tell what they hear.
    events: mpsc::UnboundedSender<(usize, StreamEvent)>,
    permit: Arc<Permit>,
    ended: CancellationToken,
    agreed: Agreed,
}

/// What was made for an offer, and by section the RTP ports and the channels that are new.
type Made = (Change, Vec<(usize, u16)>, Vec<(usize, ChannelIdentifier)>);

/// Octets of the longest master key and master salt, RFC 6188 section 4.
const LONGEST_KEY: usize = 46;

/// Requests and changes that may wait for one call's driver.
const INPUTS: usize = 32;

impl<K: Copy + Eq + Hash> Calls<K> {
    pub(super) fn new(
        door: Door,
        config: &Config,
        shared: Shared,
        registry: Registry,
        ports: MrcpPorts,
        tls: Option<Tls>,
    ) -> Self {
        Self {
            shared,
            door,
            registry,
            offer_answer: config.offer_answer(),
            session: Arc::clone(&config.session),
            told_address: config.told_address(),
            ports,
            tls,
            srtp_needs_tls: config.srtp_needs_tls,
            retry_after_s: config.call.retry_after_s,
            connection_timeout: Duration::from_millis(config.call.connection_timeout_ms),
            calls: HashMap::new(),
            drivers: JoinSet::new(),
            by_task: HashMap::new(),
        }
    }

    /// Answers an offer: of a new call, or of one that stands. A call that is refused leaves nothing behind.
    pub(super) fn offer(&mut self, id: K, call_id: &str, offer: &[u8], peer: &Peer) -> Result<Vec<u8>, Refused> {
        self.read_offer(id, call_id, offer, peer).inspect_err(|refused| self.refused(refused))
    }

    /// Counts a refusal.
    fn refused(&self, refused: &Refused) {
        self.shared.metrics.refused(self.door, refused.why);
    }

    fn read_offer(&mut self, id: K, call_id: &str, offer: &[u8], peer: &Peer) -> Result<Vec<u8>, Refused> {
        let standing = self.calls.get(&id);
        if offer.is_empty() {
            // A request without an offer asks for one (RFC 3261 section 14.2): of a call that stands, what is agreed.
            return match standing {
                Some(call) => Ok(call.agreed.answer.to_string().into_bytes()),
                None => Err(Refused::new(488, "an offer is needed", Refusal::NotAcceptable)),
            };
        }
        let malformed = |error| Refused::new(400, format!("malformed SDP: {error}"), Refusal::Malformed);
        let offer = sdp::parse(offer).map_err(malformed)?;
        self.agree(id, call_id, &offer, peer).map(|answer| answer.to_string().into_bytes())
    }

    /// Answers an offer that is read: with the answer, or with a refusal.
    pub(super) fn answer(
        &mut self,
        id: K,
        call_id: &str,
        offer: &SessionDescription,
        peer: &Peer,
    ) -> Result<SessionDescription, Refused> {
        self.agree(id, call_id, offer, peer).inspect_err(|refused| self.refused(refused))
    }

    fn agree(
        &mut self,
        id: K,
        call_id: &str,
        offer: &SessionDescription,
        peer: &Peer,
    ) -> Result<SessionDescription, Refused> {
        let secret = peer.transport == Transport::Tls;
        let config = offer_answer::Config { take_keys: secret || !self.srtp_needs_tls, ..self.offer_answer.clone() };
        let plan = match self.calls.get(&id) {
            None => offer_answer::negotiate(offer, &config),
            Some(call) => offer_answer::renegotiate(offer, &config, &call.agreed),
        };
        match plan {
            Err(refusal) => {
                tracing::info!(call_id, %refusal, "an offer is refused");
                Err(Refused::new(refusal.status, refusal.text, Refusal::NotAcceptable))
            }
            Ok(plan) => {
                if !secret && plan.audio().any(|audio| audio.sound.crypto.is_some()) {
                    tracing::warn!(call_id, "the keys of SRTP came over SIP without TLS: they are no secret");
                }
                self.take(id, call_id, &plan, peer)
            }
        }
    }

    fn take(&mut self, id: K, call_id: &str, plan: &Plan, peer: &Peer) -> Result<SessionDescription, Refused> {
        let mut random = [0; LONGEST_KEY];
        getrandom::fill(&mut random).map_err(|error| {
            tracing::error!(call_id, %error, "no random numbers: a call is refused");
            Refused::internal_error()
        })?;
        let local = Local {
            address: self.told_address.unwrap_or(peer.local.ip()),
            mrcp_port: self.ports.plain,
            mrcp_tls_port: self.ports.tls,
            fingerprint: self.tls.as_ref().map(Tls::fingerprint),
            random_key: MasterKey::new(random.to_vec()),
            session_id: self.shared.next_session.fetch_add(1, Ordering::Relaxed),
            existing_connection: self.registry.is_connected(peer.remote.ip(), false),
            existing_tls_connection: self.registry.is_connected(peer.remote.ip(), true),
        };
        if let Some(call) = self.calls.get(&id) {
            let (change, ports, channels) = self.change(call_id, plan, &call.permit, &call.events, &call.inputs)?;
            let agreed = plan.answer(&local, &ports, &channels);
            let answer = agreed.answer.clone();
            // A driver that is so far behind is in trouble; the call goes on as it was.
            if call.inputs.try_send(Input::Change(Box::new(change))).is_err() {
                return Err(Refused::internal_error());
            }
            if let Some(call) = self.calls.get_mut(&id) {
                call.agreed = agreed;
            }
            return Ok(answer);
        }
        let permit = Arc::new(self.shared.engine.admit().ok_or_else(|| {
            let load = self.shared.engine.load();
            let why = load.full.map_or_else(|| "all calls are taken".to_owned(), |full| full.to_string());
            let (calls, share, lag_ms) = (load.calls, load.share, load.lag_ms);
            tracing::warn!(call_id, calls, share, lag_ms, "a call is refused: {why}");
            let reason = match load.full {
                Some(Full::Load | Full::Lag) => Refusal::Overload,
                Some(Full::Calls) | None => Refusal::Full,
            };
            self.unavailable(&why, reason)
        })?);
        let (inputs, inbox) = mpsc::channel(INPUTS);
        let (events, heard) = mpsc::unbounded_channel();
        let (change, ports, channels) = self.change(call_id, plan, &permit, &events, &inputs)?;
        let agreed = plan.answer(&local, &ports, &channels);
        let answer = agreed.answer.clone();
        let ended = CancellationToken::new();
        let shared_id: Arc<str> = call_id.into();
        let parts = Parts {
            session: Session::new(Arc::clone(&self.session)).of_call(Arc::clone(&shared_id)),
            call_id: shared_id,
            change,
            permit: Arc::clone(&permit),
            inputs: inbox,
            events: heard,
            ended: ended.clone(),
            phase: self.shared.phase.clone(),
            connection_timeout: self.connection_timeout,
            fetcher: self.shared.outside.fetcher.clone(),
            waveforms: self.shared.outside.waveforms(peer.local.ip()),
            decisions: self.shared.engine.decisions().clone(),
            in_call: self.shared.metrics.call(self.door),
            metrics: self.shared.metrics.clone(),
        };
        let span = tracing::info_span!("call", call_id);
        let task = self.drivers.spawn(driver::run(parts).instrument(span));
        self.by_task.insert(task.id(), id);
        self.calls.insert(id, Call { call_id: call_id.to_owned(), inputs, events, permit, ended, agreed });
        tracing::info!(call_id, peer = %peer.remote, calls = self.shared.engine.calls(), "call");
        Ok(answer)
    }

    fn unavailable(&self, reason: &str, why: Refusal) -> Refused {
        Refused { retry_after_s: Some(self.retry_after_s), ..Refused::new(503, reason, why) }
    }

    /// Makes what a plan needs that is not there yet.
    fn change(
        &self,
        call_id: &str,
        plan: &Plan,
        permit: &Permit,
        events: &mpsc::UnboundedSender<(usize, StreamEvent)>,
        inputs: &mpsc::Sender<Input>,
    ) -> Result<Made, Refused> {
        let failed = |error: &dyn fmt::Display| {
            tracing::error!(call_id, %error, "a call can't be taken");
            Refused::internal_error()
        };
        let mut change = Change::default();
        let (mut ports, mut channels) = (Vec::new(), Vec::new());
        for audio in plan.audio() {
            let formats = formats(&audio.sound);
            if audio.previous.is_none() {
                let spec = StreamSpec { formats, name: call_id.to_owned(), number: audio.section };
                let stream = self.shared.engine.open(permit, spec, events.clone()).map_err(|error| match error {
                    OpenError::Stopped => failed(&error),
                    OpenError::Socket(error) => {
                        tracing::error!(call_id, %error, "no RTP socket: a call is refused");
                        self.unavailable("no RTP port is free", Refusal::NoPort)
                    }
                })?;
                ports.push((audio.section, stream.rtp_port().unwrap_or_default()));
                change.streams.push((audio.section, stream));
            } else if audio.is_changed() {
                change.formats.push((audio.section, formats));
            }
        }
        for control in plan.controls() {
            let channel = match &control.previous {
                Some(channel) => {
                    self.registry.agree(channel, control.tls.clone());
                    channel.clone()
                }
                None => {
                    let channel = channel_identifier().map_err(|error| failed(&error))?;
                    let entry = Channel { call: inputs.clone(), tls: control.tls.clone() };
                    change.registered.push(self.registry.register(channel.clone(), entry));
                    channels.push((control.section, channel.clone()));
                    channel
                }
            };
            change.channels.push((channel, control.audio));
        }
        change.removed_channels.extend(plan.removed_channels().cloned());
        change.removed_ports.extend(plan.removed_ports());
        Ok((change, ports, channels))
    }

    /// How busy the server is.
    pub(super) fn load(&self) -> Load {
        let load = self.shared.engine.load();
        Load {
            full: load.full.is_some(),
            percent: (load.share * 100.0).round().clamp(0.0, 999.0) as u32,
            calls: load.calls,
            max_calls: load.max_calls,
        }
    }

    /// Whether no call is left.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.drivers.is_empty()
    }

    /// Where the call's driver takes its inputs.
    pub(super) fn inputs(&self, call: K) -> Option<&mpsc::Sender<Input>> {
        self.calls.get(&call).map(|call| &call.inputs)
    }

    /// The dialog is over: the driver stops and frees what it holds.
    pub(super) fn ended(&mut self, call: K, why: impl fmt::Debug) {
        if let Some(call) = self.calls.remove(&call) {
            tracing::info!(call_id = call.call_id, ?why, "call ended");
            call.ended.cancel();
        }
    }

    /// Waits for a driver to stop; tells its call if it is to be hung up.
    pub(super) async fn next_stopped(&mut self) -> Option<K> {
        let (task, stopped) = match self.drivers.join_next_with_id().await {
            None => return std::future::pending().await,
            Some(Ok((task, stopped))) => (task, stopped),
            Some(Err(error)) => {
                tracing::error!(%error, "a call's driver");
                (error.id(), Stopped::Panicked)
            }
        };
        let call = self.by_task.remove(&task)?;
        if stopped == Stopped::Ended {
            return None;
        }
        let Call { call_id, .. } = self.calls.remove(&call)?;
        match stopped {
            Stopped::Ended | Stopped::Drained => tracing::info!(call_id, "call ended: the server stops"),
            Stopped::NoConnection => tracing::warn!(call_id, "call ended: no MRCP connection for too long"),
            Stopped::Panicked => tracing::error!(call_id, "call ended: its driver panicked"),
        }
        Some(call)
    }
}

fn formats(sound: &Sound) -> media::Formats {
    media::Formats {
        remote: sound.remote,
        sound: vec![(sound.payload_type, sound.codec)],
        telephone_event: sound.telephone_event,
        srtp: sound.crypto.as_ref().map(|crypto| crypto.parameters.clone()),
    }
}

/// 128 random bits: a channel can't be guessed.
fn channel_identifier() -> Result<ChannelIdentifier, getrandom::Error> {
    let (high, low) = (getrandom::u64()?, getrandom::u64()?);
    Ok(ChannelIdentifier::new(&format!("{high:016x}{low:016x}"), Resource::SpeechRecog))
}
