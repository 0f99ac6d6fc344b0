//! The user agent: takes messages in, checks requests, RFC 3261 section 8.2, and hands them to transactions and calls.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tracing::debug;

use crate::session::sip::call::Call;
use crate::session::sip::client::ClientTransactions;
use crate::session::sip::config::Config;
use crate::session::sip::dialog::DialogId;
use crate::session::sip::load::Load;
use crate::session::sip::peer::{ConnectionId, Peer};
use crate::session::sip::response::{ACCEPT, ALLOW, SUPPORTED, response_peer, sent_by_port, stamp};
use crate::session::sip::shared::{Shared, Timer, TransactionId};
use crate::session::sip::timers::Timers;
use crate::session::sip::tokens::Tokens;
use crate::session::sip::transaction::{Key, MergeKey, Opening, ServerTransactions};
use crate::wire::sdp::{Address, SessionDescription};
use crate::wire::sip::{CSeq, HeaderName, Headers, Malformed, Message, Method, Request, Uri, Version, parse};

/// Names a call, from its first offer to its end. Not the Call-ID, which a client chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The client took its INVITE back before it was answered.
    Cancelled,
    /// The client hung up.
    Bye,
    /// We refused its first offer.
    Refused,
    /// We hung up.
    HungUp,
    /// The client never acknowledged our answer.
    NoAck,
    /// The session was not refreshed in time, RFC 4028.
    SessionExpired,
}

/// What the endpoint wants done, or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes to send: one datagram, or one write on a connection. Over TCP without a connection: connect first.
    Send {
        /// Where to.
        peer: Peer,
        /// One message.
        bytes: Vec<u8>,
    },
    /// A client offers a session, or another description of the one it has: [`Endpoint::accept`] or
    /// [`Endpoint::refuse`] it.
    Offer {
        /// The call: a new one, or one that goes on if the offer is refused.
        call: CallId,
        /// The offer, application/sdp.
        offer: Vec<u8>,
        /// Whether the call has a session already.
        reoffer: bool,
        /// Where the request came from.
        peer: Peer,
        /// Call-ID, for logs.
        call_id: String,
        /// From, for logs.
        from: String,
        /// To, for logs.
        to: String,
    },
    /// The client acknowledged the answer to its first offer.
    Confirmed {
        /// The call.
        call: CallId,
    },
    /// The call is over: all of it can be freed. Comes exactly once for each call.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        why: EndReason,
    },
}

/// A SIP user agent server, sans-IO.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) shared: Shared,
    pub(super) transactions: ServerTransactions,
    pub(super) clients: ClientTransactions,
    pub(super) calls: HashMap<CallId, Call>,
    pub(super) dialogs: HashMap<DialogId, CallId>,
    call_count: u64,
    draining: bool,
    load: Load,
    capabilities: Option<SessionDescription>,
}

/// A request whose mandatory fields were read.
pub(super) struct Inbound {
    /// With its topmost Via stamped.
    pub(super) request: Request,
    pub(super) key: Key,
    pub(super) merge_key: MergeKey,
    /// The key of the INVITE that an ACK or a CANCEL is for.
    invite_key: Key,
    /// Where it came from.
    pub(super) source: Peer,
    /// Where responses go.
    pub(super) peer: Peer,
    pub(super) sent_by_port: u16,
    pub(super) cseq: CSeq,
    /// The dialog that it says it is in, if its To has a tag.
    pub(super) dialog: Option<DialogId>,
}

impl Endpoint {
    /// An endpoint whose listeners are known to clients under these addresses, in the order of [`Peer::listener`]. They
    /// are written into Contact and Via, so none may be unspecified.
    #[must_use]
    pub fn new(config: Config, advertised: Vec<SocketAddr>) -> Self {
        Self::with_tokens(config, advertised, Tokens::new())
    }

    pub(super) fn with_tokens(config: Config, advertised: Vec<SocketAddr>, tokens: Tokens) -> Self {
        Self {
            shared: Shared { config, advertised, tokens, timers: Timers::new(), outputs: VecDeque::new() },
            transactions: ServerTransactions::default(),
            clients: ClientTransactions::default(),
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            call_count: 0,
            draining: false,
            load: Load::default(),
            capabilities: None,
        }
    }

    /// How many calls there are.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether there is no call left, and no request of ours that waits for its response.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty() && !self.clients.is_waiting()
    }

    /// Takes no new call from now on: INVITE and OPTIONS get 503 with Retry-After. Calls that are there go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Says how busy the server is. OPTIONS tells it: in a header field of ours, and by the status that an INVITE would get
    /// (RFC 3261 section 11.2), which load balancers look at. INVITE is offered all the same.
    pub fn set_load(&mut self, load: Load) {
        self.load = load;
    }

    /// Sets the description that OPTIONS gets, RFC 6787 section 7. Where its address is unspecified, each peer is told the
    /// one that it reached. Without a description OPTIONS gets no body.
    pub fn set_capabilities(&mut self, description: SessionDescription) {
        self.capabilities = Some(description);
    }

    /// When [`Endpoint::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.shared.timers.next()
    }

    /// What is to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, peer: Peer, datagram: &[u8]) {
        // Keep-alives over UDP, RFC 3261 section 7.5 and what clients make of RFC 5626.
        if datagram.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        match parse(datagram) {
            Ok(message) => self.handle_message(now, peer, message),
            Err(malformed) => self.handle_malformed(peer, malformed),
        }
    }

    /// A message came.
    pub fn handle_message(&mut self, now: Instant, peer: Peer, message: Message) {
        match message {
            Message::Request(request) => {
                if let Some(inbound) = self.inbound(peer, request) {
                    self.handle_inbound(now, inbound);
                }
            }
            Message::Response(response) => {
                if let Some(concluded) = self.clients.handle_response(&mut self.shared, now, response) {
                    self.handle_concluded(now, concluded);
                }
            }
        }
    }

    /// A message came that can't be read: a request is answered with 400 if its Via can be.
    pub fn handle_malformed(&mut self, peer: Peer, malformed: Malformed) {
        debug!(remote = %peer.remote, %malformed, "malformed SIP message");
        let mut headers = malformed.headers;
        let method = malformed.method.or_else(|| headers.cseq().ok().flatten().map(|cseq| cseq.method));
        if !malformed.is_response
            && method != Some(Method::Ack)
            && let Ok(Some(mut via)) = headers.top_via()
        {
            stamp(&mut via, &peer);
            headers.set_top_via(&via);
            self.answer(&headers, response_peer(&via, peer), 400, Some(&malformed.error.to_string()), &[]);
        }
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.shared.timers.pop(now) {
            match timer {
                Timer::Server(id, timer) => self.transactions.handle_timeout(&mut self.shared, now, id, timer),
                Timer::Client(id, timer) => {
                    if let Some(concluded) = self.clients.handle_timeout(&mut self.shared, now, id, timer) {
                        self.handle_concluded(now, concluded);
                    }
                }
                Timer::Call(call, timer) => self.handle_call_timeout(now, call, timer),
            }
        }
    }

    /// A connection is gone. Calls go on; what is sent from now on needs a new connection.
    pub fn handle_disconnect(&mut self, _now: Instant, connection: ConnectionId) {
        self.transactions.handle_disconnect(connection);
        self.clients.handle_disconnect(connection);
        for call in self.calls.values_mut() {
            call.handle_disconnect(connection);
        }
    }

    /// Reads what every request must have, RFC 3261 section 8.1.1; a request without gets 400, an ACK nothing.
    fn inbound(&mut self, source: Peer, mut request: Request) -> Option<Inbound> {
        let mut via = match request.headers.top_via() {
            Ok(Some(via)) => via,
            Ok(None) => {
                debug!(remote = %source.remote, method = %request.method, "SIP request without Via");
                return None;
            }
            Err(error) => {
                debug!(remote = %source.remote, method = %request.method, %error, "SIP request");
                return None;
            }
        };
        let unstamped = via.clone();
        stamp(&mut via, &source);
        request.headers.set_top_via(&via);
        let peer = response_peer(&via, source);
        let (status, reason) = match mandatory(&request) {
            _ if request.version != Version::TWO => (505, None),
            Err(reason) => (400, Some(reason)),
            Ok(Mandatory { from_tag, to_tag, call_id, cseq }) => {
                let invite_key = Key::new(&request, &unstamped, &Method::Invite);
                return Some(Inbound {
                    key: Key::new(&request, &unstamped, &request.method),
                    invite_key,
                    merge_key: MergeKey {
                        from_tag: from_tag.clone(),
                        call_id: call_id.clone(),
                        cseq: cseq.to_string(),
                    },
                    source,
                    peer,
                    sent_by_port: sent_by_port(&via),
                    cseq,
                    dialog: to_tag.map(|local_tag| DialogId { call_id, local_tag, remote_tag: from_tag }),
                    request,
                });
            }
        };
        debug!(remote = %source.remote, method = %request.method, status, reason, "SIP request refused");
        if request.method != Method::Ack {
            self.answer(&request.headers, peer, status, reason.as_deref(), &[]);
        }
        None
    }

    fn handle_inbound(&mut self, now: Instant, inbound: Inbound) {
        if inbound.request.method == Method::Ack {
            let refused = self.transactions.find(&inbound.invite_key);
            if !refused.is_some_and(|id| self.transactions.handle_ack(&mut self.shared, now, id)) {
                self.handle_ack(now, &inbound);
            }
            return;
        }
        if let Some(id) = self.transactions.find(&inbound.key) {
            return self.transactions.handle_retransmission(&mut self.shared, id);
        }
        if inbound.request.method == Method::Cancel {
            return self.handle_cancel(now, &inbound);
        }
        if let Err((status, fields)) = self.inspect(&inbound) {
            return self.refuse_now(&inbound, status, &fields);
        }
        match (&inbound.dialog, &inbound.request.method) {
            (Some(dialog), _) => match self.dialogs.get(dialog).copied() {
                Some(call) => self.handle_within_dialog(now, call, inbound),
                None => self.refuse_now(&inbound, 481, &[]),
            },
            (None, Method::Invite) => self.handle_invite(now, inbound),
            (None, Method::Options) => self.handle_options(&inbound),
            (None, _) => self.refuse_now(&inbound, 481, &[]),
        }
    }

    /// Method, URI, loops, extensions and content, in the order of RFC 3261 section 8.2.
    ///
    /// Max-Forwards is not among them: 483 is a proxy's answer (section 16.3), a request that has reached its end was
    /// not forwarded once too often.
    fn inspect(&self, inbound: &Inbound) -> Result<(), Refusal> {
        let Inbound { request, .. } = inbound;
        let headers = &request.headers;
        if matches!(request.method, Method::Other(_)) {
            return Err((405, vec![(HeaderName::ALLOW, ALLOW.to_owned())]));
        }
        if !matches!(request.uri, Uri::Sip(_)) {
            return Err((416, Vec::new()));
        }
        if inbound.dialog.is_none() && self.transactions.has_merge_key(&inbound.merge_key) {
            return Err((482, Vec::new()));
        }
        let unsupported: Vec<_> =
            headers.list(&HeaderName::REQUIRE).filter(|option| !option.eq_ignore_ascii_case(SUPPORTED)).collect();
        if !unsupported.is_empty() {
            return Err((420, vec![(HeaderName::UNSUPPORTED, unsupported.join(", "))]));
        }
        // A BYE ends a call whatever it carries.
        if request.method != Method::Bye {
            sdp(request)?;
        }
        Ok(())
    }

    fn handle_cancel(&mut self, now: Instant, inbound: &Inbound) {
        let Some(id) = self.transactions.find(&inbound.invite_key) else {
            return self.refuse_now(inbound, 481, &[]);
        };
        let Some((call, tag)) = self.transactions.get(id).map(|invite| (invite.call, invite.tag.clone())) else {
            return;
        };
        let response = self.shared.response(&inbound.request.headers, 200, &tag);
        self.shared.send(inbound.peer, response.write());
        if self.transactions.is_proceeding(id) {
            self.cancel(now, call, id);
        }
    }

    /// OPTIONS, RFC 3261 section 11.2. Outside of a dialog the status is that of an INVITE.
    pub(super) fn handle_options(&mut self, inbound: &Inbound) {
        if inbound.dialog.is_none() && (self.draining || self.load.full) {
            let seconds = self.shared.config.retry_after_s.to_string();
            let load = (HeaderName::LOAD, self.load.to_string());
            return self.refuse_now(inbound, 503, &[(HeaderName::RETRY_AFTER, seconds), load]);
        }
        let mut response =
            self.shared.response(&inbound.request.headers, 200, &self.stateless_tag(&inbound.request.headers));
        response.headers.push(HeaderName::ALLOW, ALLOW);
        response.headers.push(HeaderName::ACCEPT, ACCEPT);
        response.headers.push(HeaderName::SUPPORTED, SUPPORTED);
        response.headers.push(HeaderName::LOAD, self.load.to_string());
        let accepted = inbound.request.headers.accept().unwrap_or_default();
        if let Some(description) = &self.capabilities
            && (accepted.is_empty() || accepted.iter().any(|range| range.covers("application", "sdp")))
        {
            response.headers.push(HeaderName::CONTENT_TYPE, ACCEPT);
            let mut description = description.clone();
            tell_address(&mut description, inbound.peer.local.ip());
            response.body = description.to_string().into_bytes();
        }
        self.shared.send(inbound.peer, response.write());
    }

    /// Whether a new call can be taken at all; if not, the request is answered.
    pub(super) fn check_room(&mut self, inbound: &Inbound) -> bool {
        let room = !self.draining && self.transactions.len() < self.shared.config.max_transactions;
        if !room {
            self.refuse_unavailable(inbound);
        }
        room
    }

    fn refuse_unavailable(&mut self, inbound: &Inbound) {
        let seconds = self.shared.config.retry_after_s.to_string();
        self.refuse_now(inbound, 503, &[(HeaderName::RETRY_AFTER, seconds)]);
    }

    /// Answers a request without remembering it, RFC 3261 section 8.2.7: if it comes again, so does the answer.
    pub(super) fn refuse_now(&mut self, inbound: &Inbound, status: u16, fields: &[(HeaderName, String)]) {
        let Inbound { request, source, .. } = inbound;
        debug!(remote = %source.remote, method = %request.method, call_id = request.headers.call_id(), status, "SIP request refused");
        self.answer(&request.headers, inbound.peer, status, None, fields);
    }

    pub(super) fn answer(
        &mut self,
        request: &Headers,
        peer: Peer,
        status: u16,
        reason: Option<&str>,
        fields: &[(HeaderName, String)],
    ) {
        let mut response = self.shared.response(request, status, &self.stateless_tag(request));
        if let Some(reason) = reason {
            response.reason = reason.to_owned();
        }
        for (name, value) in fields {
            response.headers.push(name.clone(), value);
        }
        self.shared.send(peer, response.write());
    }

    fn stateless_tag(&self, request: &Headers) -> String {
        let fields = [HeaderName::VIA, HeaderName::FROM, HeaderName::CALL_ID, HeaderName::CSEQ];
        self.shared.tokens.stateless_tag(fields.map(|name| request.get(&name)))
    }

    pub(super) fn new_call_id(&mut self) -> CallId {
        self.call_count += 1;
        CallId(self.call_count)
    }

    /// Remembers a request that a call will answer.
    pub(super) fn open(&mut self, inbound: &Inbound, tag: String, call: CallId) -> TransactionId {
        let Inbound { request, key, merge_key, peer, sent_by_port, .. } = inbound;
        self.transactions.open(Opening {
            key: key.clone(),
            merge_key: inbound.dialog.is_none().then(|| merge_key.clone()),
            request,
            peer: *peer,
            sent_by_port: *sent_by_port,
            tag,
            call,
        })
    }
}

/// A status and the fields that go with it.
type Refusal = (u16, Vec<(HeaderName, String)>);

/// The session description in a request. A body that may be left aside is as none, RFC 3261 section 8.2.3.
pub(super) fn sdp(request: &Request) -> Result<Option<&[u8]>, Refusal> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let headers = &request.headers;
    let unsupported = |name, value: &str| {
        let optional = headers.get(&HeaderName::CONTENT_DISPOSITION).is_some_and(|disposition| {
            disposition.split(';').skip(1).any(|param| {
                let param: String = param.split_ascii_whitespace().collect();
                param.eq_ignore_ascii_case("handling=optional")
            })
        });
        if optional { Ok(None) } else { Err((415, vec![(name, value.to_owned())])) }
    };
    if headers.list(&HeaderName::CONTENT_ENCODING).any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return unsupported(HeaderName::ACCEPT_ENCODING, "identity");
    }
    match headers.content_type() {
        Ok(Some(media)) if media.is("application", "sdp") => Ok(Some(&request.body)),
        _ => unsupported(HeaderName::ACCEPT, ACCEPT),
    }
}

/// Puts an address where a description has none that can be connected to.
fn tell_address(description: &mut SessionDescription, reached: IpAddr) {
    let connection = description.connection.as_mut().map(|connection| &mut connection.address);
    for address in connection.into_iter().chain([&mut description.origin.address]) {
        if matches!(address, Address::Ip(ip) if ip.is_unspecified()) {
            *address = Address::Ip(reached);
        }
    }
}

struct Mandatory {
    from_tag: String,
    to_tag: Option<String>,
    call_id: String,
    cseq: CSeq,
}

fn mandatory(request: &Request) -> Result<Mandatory, String> {
    let headers = &request.headers;
    for name in [HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ] {
        match headers.get_all(&name).count() {
            0 => return Err(format!("Missing {name} header field")),
            1 => {}
            _ => return Err(format!("Repeated {name} header field")),
        }
    }
    let read = |error: crate::wire::text::SyntaxError| error.to_string();
    let from = headers.from().map_err(read)?.ok_or("Missing From header field")?;
    let to = headers.to().map_err(read)?.ok_or("Missing To header field")?;
    let cseq = headers.cseq().map_err(read)?.ok_or("Missing CSeq header field")?;
    if cseq.method != request.method {
        return Err("CSeq has another method".to_owned());
    }
    Ok(Mandatory {
        from_tag: from.tag().unwrap_or_default().to_owned(),
        to_tag: to.tag().map(str::to_owned),
        call_id: headers.call_id().ok_or("Empty Call-ID header field")?.to_owned(),
        cseq,
    })
}
