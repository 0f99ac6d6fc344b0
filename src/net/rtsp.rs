//! RTSP connections, RFC 2326: each carries sessions of MRCPv1, and each session is a call.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::engine::Srtp;
use crate::net::calls::{Calls, MrcpPorts, Shared};
use crate::net::connection::Connection;
use crate::net::driver::Input;
use crate::net::outbox::Outbox;
use crate::net::registry::Registry;
use crate::net::{Config, tcp};
use crate::ops::{self, Metrics};
use crate::session::offer_answer::{self, answer_to_setup, audio_capabilities, offer_of_setup};
use crate::session::rtsp::{Output, Server, SessionNumber};
use crate::session::sip::{Peer, Transport};
use crate::session::{self, ConnectionId};
use crate::wire::mrcp::{ChannelIdentifier, Message};
use crate::wire::rtsp::{self, Limits, Method, Parser, Received, StatusCode};
use crate::wire::sdp::{self, MediaDescription, MediaKind};

/// What all connections share.
pub(super) struct Door {
    config: Config,
    server: Arc<session::rtsp::Config>,
    shared: Shared,
}

/// Requests of a connection whose methods are kept until they are answered, for counting.
const MAX_ASKED: usize = 64;

/// Responses and events that may wait for a connection's task.
const MESSAGES: usize = 256;

impl Door {
    pub(super) fn new(config: &Config, shared: Shared) -> Self {
        let mut config = config.clone();
        // The offer that a SETUP makes has a control channel that nobody will open: over TCP it can always be had.
        config.mrcp.require_tls = false;
        config.mrcp.tls_port = 0;
        // Nothing in MRCPv1 agrees on keys; where sound must be encrypted it is refused.
        if config.srtp == Srtp::Optional {
            config.srtp = Srtp::Off;
        }
        // RFC 4463 section 8.9: a recognizer that recognizes refuses a further RECOGNIZE, nothing waits.
        config.session = Arc::new(session::Config { max_queued: 0, ..session::Config::clone(&config.session) });
        let server = Arc::new(config.rtsp.server(config.call.retry_after_s));
        Self { config, server, shared }
    }

    /// Serves listeners until `closing`, or until `drain` is cancelled and no session is left since.
    pub(super) async fn serve(self, listeners: Vec<TcpListener>, drain: CancellationToken, closing: CancellationToken) {
        let tasks = TaskTracker::new();
        let allowed = Arc::new(Semaphore::new(self.config.rtsp.max_connections));
        let door = Arc::new(self);
        for listener in listeners {
            let accepting = accept(
                listener,
                Arc::clone(&door),
                Arc::clone(&allowed),
                (drain.clone(), closing.clone()),
                tasks.clone(),
            );
            let (drain, closing) = (drain.clone(), closing.clone());
            tasks.spawn(async move { closing.run_until_cancelled(drain.run_until_cancelled(accepting)).await });
        }
        tasks.close();
        tasks.wait().await;
    }
}

async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    allowed: Arc<Semaphore>,
    (drain, closing): (CancellationToken, CancellationToken),
    tasks: TaskTracker,
) {
    let mut next_id = 0;
    loop {
        let (stream, remote) = tcp::accept(&listener).await;
        let Ok(permit) = Arc::clone(&allowed).try_acquire_owned() else {
            tracing::warn!(peer = %remote, "too many RTSP connections: one is refused");
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let span = tracing::info_span!("rtsp", peer = %remote);
        // What is asked of a SIP client's place is asked of this one's; no listener of SIP took it.
        let peer = Peer { listener: 0, transport: Transport::Tcp, remote, local, connection: None };
        let (task, writer) = Task::new(&door, stream, ConnectionId(next_id), peer, drain.clone());
        next_id += 1;
        let closing = closing.clone();
        tasks.spawn(writer.instrument(span.clone()));
        let serve = async move {
            closing.run_until_cancelled(task.run()).await;
            drop(permit);
        };
        tasks.spawn(serve.instrument(span));
    }
}

/// One connection.
struct Task<S> {
    id: ConnectionId,
    peer: Peer,
    reader: ReadHalf<S>,
    parser: Parser,
    outbox: Outbox,
    /// Cancelled when the connection can't be written, or is far behind.
    broken: CancellationToken,
    server: Server,
    calls: Calls<SessionNumber>,
    offer_answer: offer_answer::Config,
    metrics: Metrics,
    /// CSeq and method of requests that are not answered yet.
    asked: VecDeque<(String, Method)>,
    sender: mpsc::Sender<(SessionNumber, Message)>,
    /// What the calls say.
    messages: mpsc::Receiver<(SessionNumber, Message)>,
    idle: Duration,
    heard_at: Instant,
    drain: CancellationToken,
    draining: bool,
}

enum Woken {
    Message(SessionNumber, Message),
    Stopped(Option<SessionNumber>),
    Read(io::Result<usize>),
    Drain,
    Timeout,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Task<S> {
    fn new(
        door: &Door,
        stream: S,
        id: ConnectionId,
        peer: Peer,
        drain: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let config = &door.config;
        let (reader, write_half) = tokio::io::split(stream);
        let (outbox, writer, broken) = Outbox::new(write_half);
        let (sender, messages) = mpsc::channel(MESSAGES);
        let offer_answer = config.offer_answer();
        let address = config.told_address().unwrap_or(peer.local.ip());
        let capabilities = audio_capabilities(&offer_answer, address).to_string().into_bytes();
        // Channels of MRCPv1 have no names that a client could use on an MRCPv2 connection: nobody else knows of them.
        let calls =
            Calls::new(ops::Door::Mrcpv1, config, door.shared.clone(), Registry::default(), MrcpPorts::default(), None);
        let task = Self {
            id,
            peer,
            reader,
            parser: Parser::new(Limits { body: config.rtsp.max_message_bytes, ..Limits::default() }),
            outbox,
            broken,
            server: Server::new(Arc::clone(&door.server), capabilities.into()),
            calls,
            offer_answer,
            metrics: door.shared.metrics.clone(),
            asked: VecDeque::new(),
            sender,
            messages,
            idle: Duration::from_millis(config.rtsp.connection_idle_ms),
            heard_at: Instant::now(),
            drain,
            draining: false,
        };
        (task, writer)
    }

    /// Serves the connection until it ends, or is of no use any more. Its sessions end with it.
    async fn run(mut self) {
        let mut buffer = vec![0; 16 << 10];
        let broken = self.broken.clone();
        broken.run_until_cancelled(self.serve(&mut buffer)).await;
        if !self.server.is_empty() {
            tracing::info!("the connection is gone, and its sessions with it");
        }
    }

    async fn serve(&mut self, buffer: &mut [u8]) {
        loop {
            self.obey().await;
            if self.draining && self.server.is_empty() && self.calls.is_empty() {
                return;
            }
            let idle = self.server.is_empty().then_some(self.heard_at + self.idle);
            let timeout = [self.server.poll_timeout(), idle].into_iter().flatten().min();
            let woken = tokio::select! {
                biased;
                // What a call has said goes before its end.
                Some((session, message)) = self.messages.recv() => Woken::Message(session, message),
                session = self.calls.next_stopped() => Woken::Stopped(session),
                () = self.drain.cancelled(), if !self.draining => Woken::Drain,
                read = self.reader.read(buffer) => Woken::Read(read),
                () = sleep_until(timeout) => Woken::Timeout,
            };
            let now = Instant::now();
            match woken {
                Woken::Message(session, message) => self.server.handle_mrcp(session, &message),
                Woken::Stopped(Some(session)) => self.server.hang_up(session),
                Woken::Stopped(None) => {}
                Woken::Drain => {
                    self.draining = true;
                    self.server.drain();
                }
                Woken::Read(Ok(0)) => return,
                Woken::Read(Ok(length)) => {
                    self.parser.feed(buffer.get(..length).unwrap_or_default());
                    if !self.read(now).await {
                        return;
                    }
                }
                Woken::Read(Err(error)) => {
                    tracing::debug!(%error, "reading RTSP");
                    return;
                }
                Woken::Timeout if idle.is_some_and(|at| at <= now) => {
                    tracing::info!("nothing heard for too long: the RTSP connection is closed");
                    return;
                }
                Woken::Timeout => self.server.handle_timeout(now),
            }
        }
    }

    /// Takes the messages that have arrived. Returns whether more can come.
    async fn read(&mut self, now: Instant) -> bool {
        loop {
            match self.parser.poll_message() {
                Ok(None) => return true,
                Ok(Some(received)) => {
                    self.heard_at = now;
                    self.count(&received);
                    self.server.handle_received(now, &received);
                    self.obey().await;
                }
                Err(malformed) => {
                    self.metrics.malformed(ops::Protocol::Rtsp, 1);
                    self.server.handle_malformed(&malformed);
                    self.obey().await;
                    return false;
                }
            }
        }
    }

    fn count(&mut self, received: &Received) {
        match received {
            Received::Message(rtsp::Message::Request(request)) => {
                self.metrics.rtsp_request(request.method.as_str());
                if self.asked.len() == MAX_ASKED {
                    self.asked.pop_front();
                }
                let cseq = request.headers.get(rtsp::HeaderName::CSEQ).unwrap_or_default().to_owned();
                self.asked.push_back((cseq, request.method.clone()));
            }
            Received::Malformed(_) => self.metrics.malformed(ops::Protocol::Rtsp, 1),
            Received::Message(rtsp::Message::Response(_)) | Received::Interleaved { .. } => {}
        }
    }

    fn count_response(&mut self, bytes: &[u8]) {
        let Some((cseq, status)) = answered(bytes) else { return };
        let at = self.asked.iter().position(|(asked, _)| asked == cseq);
        let method = at.and_then(|at| self.asked.remove(at)).map(|(_, method)| method);
        self.metrics.rtsp_response(method.as_ref().map_or("", Method::as_str), status);
    }

    /// Does all that the server asks for. A call that is behind slows its connection down.
    async fn obey(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send(bytes) => {
                    self.count_response(&bytes);
                    self.outbox.send(bytes);
                }
                Output::Setup { session, offer, client_port } => self.set_up(session, &offer, client_port),
                Output::Request { session, request } => {
                    tracing::debug!(session = session.0, method = %request.method, id = %request.id, "request");
                    if let Some(call) = self.calls.inputs(session).cloned() {
                        let input = Input::Request(self.connection(session), request);
                        // A call that is over is told by its end, and the request answered then.
                        call.send(input).await.ok();
                    }
                }
                Output::Ended { session, why } => self.calls.ended(session, why),
            }
        }
    }

    fn connection(&self, session: SessionNumber) -> Connection {
        Connection::rtsp(self.id, session, self.sender.clone(), self.broken.clone())
    }

    fn set_up(&mut self, session: SessionNumber, sdp: &[u8], client_port: Option<u16>) {
        let sdp = match (!sdp.is_empty()).then(|| sdp::parse(sdp)).transpose() {
            Ok(sdp) => sdp,
            Err(error) => {
                let reason = format!("malformed SDP: {error}");
                return self.server.refuse(session, StatusCode::BAD_REQUEST, &reason, None);
            }
        };
        let client = (self.peer.remote.ip(), client_port);
        let offer = offer_of_setup(sdp.clone(), client, &self.offer_answer);
        let name = format!("{}/{}", self.peer.remote, session.0);
        let answer = match self.calls.answer(session, &name, &offer, &self.peer) {
            Ok(answer) => answer,
            Err(refused) => {
                let status = status(refused.status);
                return self.server.refuse(session, status, &refused.reason, refused.retry_after_s);
            }
        };
        let channel = answer.media.last().and_then(MediaDescription::channel).and_then(ChannelIdentifier::parse);
        let answer = answer_to_setup(answer, sdp.as_ref());
        let sound = answer.media.iter().find(|media| media.kind == MediaKind::Audio && media.port != 0);
        let (Some(channel), Some(sound), Some(inputs)) = (channel, sound, self.calls.inputs(session)) else {
            self.calls.ended(session, "no sound");
            return self.server.refuse(session, StatusCode::UNSUPPORTED_TRANSPORT, "no sound is offered", None);
        };
        // The driver has taken nothing yet: there is room.
        inputs.try_send(Input::Connected(self.connection(session))).ok();
        let (id, port) = (channel.session().to_owned(), sound.port);
        self.server.accept(session, &id, channel, answer.to_string().into_bytes(), port);
    }
}

/// Of a response as it was written: its CSeq, and its status.
fn answered(bytes: &[u8]) -> Option<(&str, u16)> {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| str::from_utf8(line).unwrap_or_default().trim_end());
    let mut lines = lines.take_while(|line| !line.is_empty());
    let status = lines.next()?.strip_prefix("RTSP/1.0 ")?.split(' ').next()?.parse().ok()?;
    Some((lines.find_map(|line| line.strip_prefix("CSeq:")).unwrap_or_default().trim(), status))
}

/// RTSP's status for what SIP would be refused with.
const fn status(sip: u16) -> StatusCode {
    match sip {
        400 => StatusCode::BAD_REQUEST,
        488 => StatusCode::UNSUPPORTED_TRANSPORT,
        503 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_ERROR,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_tell_what_they_answer() {
        assert_eq!(answered(b"RTSP/1.0 454 Session Not Found\r\nCSeq: 3\r\n\r\n"), Some(("3", 454)));
        assert_eq!(answered(b"RTSP/1.0 400 Bad Request\r\n\r\n"), Some(("", 400)));
        assert_eq!(answered(b"ANNOUNCE rtsp://a RTSP/1.0\r\nCSeq: 3\r\n\r\n"), None);
    }
}
