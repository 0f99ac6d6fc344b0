//! One connection: requests of the client in, responses and events out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tracing::{debug, warn};

use crate::session::rtsp::Config;
use crate::session::rtsp::session::Session;
use crate::wire::mrcp::v1;
use crate::wire::mrcp::{self, ChannelIdentifier};
use crate::wire::rtsp::{
    Delivery, HeaderName, LowerTransport, Malformed, Message, Method, Ports, Received, Request, Response, StatusCode,
    Transport,
};

/// A session of a connection, as they are numbered here; a number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionNumber(pub u64);

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The client has sent TEARDOWN.
    Teardown,
    /// Nothing was heard of it for too long.
    Idle,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send to the client.
    Send(Vec<u8>),
    /// Find sound and a recognizer for a new session, then call [`Server::accept`] or [`Server::refuse`].
    Setup {
        /// The session.
        session: SessionNumber,
        /// The SDP of the SETUP; empty if it has none.
        offer: Bytes,
        /// The port that the client sends from and receives at, as Transport has it.
        client_port: Option<u16>,
    },
    /// Hand a request to the session's recognizer.
    Request {
        /// The session.
        session: SessionNumber,
        /// The request.
        request: mrcp::Request,
    },
    /// The session is over: free what it has.
    Ended {
        /// The session.
        session: SessionNumber,
        /// Why.
        why: EndReason,
    },
}

/// The sessions of one connection.
///
/// After each `handle_*` and command, poll [`Server::poll_output`] until it is `None`, then wait for input until
/// [`Server::poll_timeout`]. Each request gets exactly one response: at once, or for ANNOUNCE when the recognizer has
/// answered. When the connection is gone all its sessions are, since nothing of them could be told any more.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    capabilities: Bytes,
    sessions: BTreeMap<SessionNumber, Session>,
    last_session: u64,
    /// CSeq of the last request of ours.
    last_cseq: u64,
    draining: bool,
    outputs: VecDeque<Output>,
}

/// The methods that are served (RFC 4463 section 3.2, RFC 2326 section 10.1).
const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, ANNOUNCE, TEARDOWN, GET_PARAMETER";

/// Requests of one session that may wait for the recognizer's answer: clients send the next one after the answer.
const MAX_UNANSWERED: usize = 64;

const SDP: &str = "application/sdp";
const MRCP: &str = "application/mrcp";

/// A request that can be answered.
struct Inbound<'a> {
    request: &'a Request,
    /// CSeq as it came.
    cseq: &'a str,
    /// The path of the URI.
    path: &'a str,
}

impl Server {
    /// A connection without sessions. `capabilities` is the SDP that DESCRIBE is answered with.
    #[must_use]
    pub const fn new(config: Arc<Config>, capabilities: Bytes) -> Self {
        Self {
            config,
            capabilities,
            sessions: BTreeMap::new(),
            last_session: 0,
            last_cseq: 0,
            draining: false,
            outputs: VecDeque::new(),
        }
    }

    /// Whether there is no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Takes no further sessions.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Server::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let idle = self.sessions.values().filter(|session| !session.is_busy());
        idle.map(|session| session.heard_at + self.config.session_idle).min()
    }

    /// Ends sessions of which nothing was heard for too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        let idle = self.config.session_idle;
        let over = self.sessions.iter().filter(|(_, session)| !session.is_busy() && session.heard_at + idle <= now);
        for number in over.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.end(number, EndReason::Idle);
        }
    }

    /// Takes what the connection brought.
    pub fn handle_received(&mut self, now: Instant, received: &Received) {
        match received {
            Received::Message(Message::Request(request)) => self.handle_request(now, request),
            Received::Message(Message::Response(response)) => {
                // An answer to an event.
                if !response.status.is_success() {
                    warn!(status = response.status.0, cseq = response.headers.cseq(), "an event is refused");
                }
            }
            Received::Malformed(malformed) => self.handle_malformed(malformed),
            Received::Interleaved { channel, length } => {
                debug!(channel, length, "interleaved data are not taken");
            }
        }
    }

    /// Answers a message that can't be read.
    pub fn handle_malformed(&mut self, malformed: &Malformed) {
        warn!(%malformed, "malformed RTSP message");
        if let Some(answer) = malformed.answer() {
            self.send(&answer);
        }
    }

    /// Answers the session's SETUP with 200: `id` names the session, at `port` sound is received, `sdp` tells how.
    pub fn accept(&mut self, number: SessionNumber, id: &str, channel: ChannelIdentifier, sdp: Vec<u8>, port: u16) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Some((cseq, transport)) = session.setup.take() else { return };
        id.clone_into(&mut session.id);
        session.channel = Some(channel);
        let mut transport = transport.unwrap_or_else(plain_transport);
        // RTCP's port is told where the client told its own, and where it can be the next one.
        let pair = transport.client_port.is_none_or(|ports| ports.rtcp.is_some()) && port.is_multiple_of(2);
        transport.server_port = Some(Ports { rtp: port, rtcp: pair.then(|| port.saturating_add(1)) });
        let response = Response::new(StatusCode::OK)
            .with(HeaderName::CSEQ, cseq)
            .with(HeaderName::TRANSPORT, transport)
            .with(HeaderName::SESSION, id)
            .with_body(SDP, sdp);
        self.send(&response);
    }

    /// Answers the session's SETUP with a failure, and forgets the session. `reason` is for people.
    pub fn refuse(&mut self, number: SessionNumber, status: StatusCode, reason: &str, retry_after_s: Option<u32>) {
        let Some((cseq, _)) = self.sessions.remove(&number).and_then(|session| session.setup) else { return };
        let mut response = Response::new(status).with(HeaderName::CSEQ, cseq);
        response.reason = format!("{} ({reason})", status.phrase());
        if let Some(seconds) = retry_after_s {
            response.headers.push(HeaderName::RETRY_AFTER, seconds);
        }
        self.send(&response);
    }

    /// Tells the client what a session's recognizer says.
    pub fn handle_mrcp(&mut self, number: SessionNumber, message: &mrcp::Message) {
        let Some(session) = self.sessions.get_mut(&number) else { return };
        let Some(id) = v1::Ids::of_server(session.requests(), message.id()) else {
            warn!(session = session.id, id = message.id().0, "the recognizer speaks of a request that is over");
            return;
        };
        let confidence = self.config.confidence;
        let bytes = match message {
            mrcp::Message::Response(response) => {
                let body = v1::response_from_v2(response, id, session.requests(), confidence).write();
                let Some(cseq) = session.unanswered.remove(&message.id()) else { return };
                let answer = Response::new(StatusCode::OK).with(HeaderName::CSEQ, cseq);
                answer.with(HeaderName::SESSION, &session.id).with_body(MRCP, body).write()
            }
            mrcp::Message::Event(event) => {
                let body = v1::event_from_v2(event, id, session.requests(), confidence).write();
                self.last_cseq += 1;
                let mut request = Request::new(Method::Announce, &session.uri);
                request.headers.push(HeaderName::CSEQ, self.last_cseq);
                request.headers.push(HeaderName::SESSION, &session.id);
                request.headers.push(HeaderName::CONTENT_TYPE, MRCP);
                request.body = body.into();
                request.write()
            }
            mrcp::Message::Request(_) => return,
        };
        session.note(message);
        self.outputs.push_back(Output::Send(bytes));
    }

    /// A session's recognizer is gone: what it has not answered is answered with a failure. RTSP has nothing to tell a
    /// client that its session is over; its next request gets 454.
    pub fn hang_up(&mut self, number: SessionNumber) {
        if let Some(session) = self.sessions.remove(&number) {
            self.answer_rest(&session, StatusCode::INTERNAL_ERROR);
        }
    }

    fn end(&mut self, number: SessionNumber, why: EndReason) {
        if let Some(session) = self.sessions.remove(&number) {
            self.answer_rest(&session, StatusCode::SESSION_NOT_FOUND);
            self.outputs.push_back(Output::Ended { session: number, why });
        }
    }

    fn answer_rest(&mut self, session: &Session, status: StatusCode) {
        let setup = session.setup.iter().map(|(cseq, _)| cseq);
        let answers: Vec<_> = setup
            .chain(session.unanswered.values())
            .map(|cseq| Response::new(status).with(HeaderName::CSEQ, cseq).with(HeaderName::SESSION, &session.id))
            .collect();
        for answer in answers {
            self.send(&answer);
        }
    }

    fn send(&mut self, response: &Response) {
        self.outputs.push_back(Output::Send(response.write()));
    }
}

/// Requests.
impl Server {
    fn handle_request(&mut self, now: Instant, request: &Request) {
        let Some(cseq) = request.headers.get(HeaderName::CSEQ).filter(|_| request.headers.cseq().is_some()) else {
            return self.send(&request.response(StatusCode::BAD_REQUEST));
        };
        let inbound = Inbound { request, cseq, path: request.path() };
        if let Some(response) = refused_options(request) {
            return self.send(&response);
        }
        let session = match request.headers.session() {
            None => None,
            Some(id) => match self.find(id) {
                Some(number) => Some(number),
                None => return self.send(&request.response(StatusCode::SESSION_NOT_FOUND)),
            },
        };
        if let Some(session) = session.and_then(|number| self.sessions.get_mut(&number)) {
            session.heard_at = now;
        }
        match request.method {
            Method::Options => self.send(&ok(&inbound).with(HeaderName::PUBLIC, METHODS)),
            Method::Describe => self.describe(&inbound),
            Method::Setup => self.setup(now, &inbound, session),
            Method::Announce => self.announce(&inbound, session),
            Method::Teardown => self.teardown(&inbound, session),
            Method::GetParameter => self.send(&if request.body.is_empty() {
                ok(&inbound)
            } else {
                request.response(StatusCode::PARAMETER_NOT_UNDERSTOOD)
            }),
            // RFC 4463 section 3.2.
            Method::Play | Method::Record | Method::Pause | Method::Redirect | Method::SetParameter => {
                let response = request.response(StatusCode::METHOD_NOT_ALLOWED).with(HeaderName::ALLOW, METHODS);
                self.send(&response);
            }
            Method::Other(_) => {
                self.send(&request.response(StatusCode::NOT_IMPLEMENTED).with(HeaderName::PUBLIC, METHODS));
            }
        }
    }

    fn find(&self, id: &str) -> Option<SessionNumber> {
        self.sessions.iter().find(|(_, session)| session.id == id).map(|(number, _)| *number)
    }

    fn describe(&mut self, inbound: &Inbound<'_>) {
        let accepts = |accept: &str| {
            accept.split(',').any(|range| {
                let essence = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                ["*/*", "application/*", SDP].contains(&essence.as_str())
            })
        };
        let response = if !self.config.is_recognizer(inbound.path) {
            inbound.request.response(StatusCode::NOT_FOUND)
        } else if !inbound.request.headers.get(HeaderName::ACCEPT).is_none_or(accepts) {
            inbound.request.response(StatusCode::NOT_ACCEPTABLE)
        } else {
            ok(inbound).with_body(SDP, self.capabilities.clone())
        };
        self.send(&response);
    }

    fn setup(&mut self, now: Instant, inbound: &Inbound<'_>, session: Option<SessionNumber>) {
        let Inbound { request, cseq, path } = *inbound;
        if !self.config.is_recognizer(path) {
            return self.send(&request.response(StatusCode::NOT_FOUND));
        }
        if session.is_some() {
            // A session has its recognizer, and its sound is not changed (RFC 2326 section 10.4).
            return self.send(&request.response(StatusCode::METHOD_NOT_VALID));
        }
        let has_sdp = !request.body.is_empty();
        if has_sdp && request.headers.content_type().as_deref() != Some(SDP) {
            return self.send(&request.response(StatusCode::UNSUPPORTED_MEDIA_TYPE).with(HeaderName::ACCEPT, SDP));
        }
        let transport = match request.headers.get(HeaderName::TRANSPORT).map(Transport::parse_list) {
            None if has_sdp => None,
            None => return self.send(&request.response(StatusCode::UNSUPPORTED_TRANSPORT)),
            Some(Err(error)) => {
                debug!(%error, "malformed Transport");
                return self.send(&request.response(StatusCode::BAD_REQUEST));
            }
            Some(Ok(offered)) => {
                match offered.into_iter().find(|one| is_served(one) && (has_sdp || one.client_port.is_some())) {
                    Some(transport) => Some(transport),
                    None => {
                        let served = plain_transport();
                        let response = request.response(StatusCode::UNSUPPORTED_TRANSPORT);
                        return self.send(&response.with(HeaderName::TRANSPORT, served));
                    }
                }
            }
        };
        let full = self.sessions.len() >= self.config.max_sessions;
        if full || self.draining {
            let response = request.response(StatusCode::SERVICE_UNAVAILABLE);
            return self.send(&response.with(HeaderName::RETRY_AFTER, self.config.retry_after_s));
        }
        self.last_session += 1;
        let number = SessionNumber(self.last_session);
        let client_port = transport.as_ref().and_then(|transport| transport.client_port).map(|ports| ports.rtp);
        self.sessions.insert(number, Session::new(now, &request.uri, path, cseq, transport));
        self.outputs.push_back(Output::Setup { session: number, offer: request.body.clone(), client_port });
    }

    fn announce(&mut self, inbound: &Inbound<'_>, session: Option<SessionNumber>) {
        let Inbound { request, cseq, path } = *inbound;
        let found = session.and_then(|number| Some((number, self.sessions.get_mut(&number)?)));
        let Some((number, session)) = found else {
            return self.send(&request.response(StatusCode::SESSION_NOT_FOUND));
        };
        let Some(channel) = session.channel.clone().filter(|_| session.is_recognizer(path)) else {
            return self.send(&request.response(StatusCode::NOT_FOUND));
        };
        if request.headers.content_type().as_deref() != Some(MRCP) {
            return self.send(&request.response(StatusCode::UNSUPPORTED_MEDIA_TYPE).with(HeaderName::ACCEPT, MRCP));
        }
        let message = match v1::parse(&request.body) {
            Ok(v1::Message::Request(message)) => message,
            Ok(_) => {
                debug!("a client sent what only servers send");
                return self.send(&request.response(StatusCode::BAD_REQUEST));
            }
            Err(malformed) => {
                warn!(%malformed, session = session.id, "malformed MRCP message");
                let response = match malformed.answer() {
                    Some(answer) => ok(inbound).with_body(MRCP, answer.write()),
                    None => request.response(StatusCode::BAD_REQUEST),
                };
                return self.send(&response);
            }
        };
        if session.unanswered.len() >= MAX_UNANSWERED {
            let response = request.response(StatusCode::SERVICE_UNAVAILABLE);
            return self.send(&response.with(HeaderName::RETRY_AFTER, self.config.retry_after_s));
        }
        let id = session.begin(message.id, cseq);
        let request = v1::request_into_v2(message, channel, id, session.requests());
        if request.method == mrcp::Method::Stop {
            session.begin_stop(id);
        }
        self.outputs.push_back(Output::Request { session: number, request });
    }

    fn teardown(&mut self, inbound: &Inbound<'_>, session: Option<SessionNumber>) {
        let found = session.and_then(|number| Some((number, self.sessions.get(&number)?)));
        let Some((number, session)) = found else {
            return self.send(&inbound.request.response(StatusCode::SESSION_NOT_FOUND));
        };
        // The session has one resource: without it, it is over (RFC 4463 section 11).
        if !session.is_recognizer(inbound.path) && !session.is_container(inbound.path) {
            return self.send(&inbound.request.response(StatusCode::NOT_FOUND));
        }
        self.end(number, EndReason::Teardown);
        self.send(&ok(inbound));
    }
}

/// 200, with CSeq and the request's Session.
fn ok(inbound: &Inbound<'_>) -> Response {
    let response = Response::new(StatusCode::OK).with(HeaderName::CSEQ, inbound.cseq);
    match inbound.request.headers.session() {
        Some(session) => response.with(HeaderName::SESSION, session),
        None => response,
    }
}

/// The answer to a request that requires what is not had (RFC 2326 section 12.32).
fn refused_options(request: &Request) -> Option<Response> {
    let required: Vec<&str> =
        request.headers.all(HeaderName::REQUIRE).chain(request.headers.all(HeaderName::PROXY_REQUIRE)).collect();
    let response = || request.response(StatusCode::OPTION_NOT_SUPPORTED);
    (!required.is_empty()).then(|| response().with(HeaderName::UNSUPPORTED, required.join(", ")))
}

/// RTP over UDP, from one to one.
fn is_served(transport: &Transport) -> bool {
    transport.profile == "AVP" && transport.lower == LowerTransport::Udp && transport.delivery == Delivery::Unicast
}

fn plain_transport() -> Transport {
    Transport {
        profile: "AVP".to_owned(),
        lower: LowerTransport::Udp,
        delivery: Delivery::Unicast,
        client_port: None,
        server_port: None,
        destination: None,
        others: Vec::new(),
    }
}
