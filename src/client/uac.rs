//! The calling side of one SIP dialog, RFC 3261 sections 12, 13.2 and 17.1.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::wire::sip::{self, Address, Contact, HeaderName, Message, Method, Request, Response, Uri, Via};

/// Estimate of the round-trip time (RFC 3261 section 17.1.1.1).
const T1: Duration = Duration::from_millis(500);
/// Longest interval between retransmissions of a request other than INVITE (RFC 3261 section 17.1.2.1).
const T2: Duration = Duration::from_secs(4);
/// Timers B and F: how long a request is waited for.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(32);

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE";

/// How SIP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Datagrams, retransmitted.
    #[default]
    Udp,
    /// A connection.
    Tcp,
    /// A connection under TLS, to a sips URI.
    Tls,
}

impl Transport {
    /// The scheme of our URIs.
    pub(super) const fn scheme(self) -> &'static str {
        match self {
            Self::Udp | Self::Tcp => "sip",
            Self::Tls => "sips",
        }
    }
}

/// What the machine wants done or tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Send this message; to another address than the server's if the dialog's next hop has one.
    Send { to: Option<SocketAddr>, bytes: Vec<u8> },
    /// A provisional response.
    Provisional { status: u16, reason: String },
    /// The INVITE was accepted, with this SDP.
    Accepted { sdp: Vec<u8> },
    /// The INVITE was refused.
    Refused(Refusal),
    /// The INVITE was not answered within [`TRANSACTION_TIMEOUT`].
    NoAnswer,
    /// The server sent BYE.
    HungUp,
    /// Our BYE was answered, or given up.
    Left { answered: bool },
}

/// A final response that is not 2xx.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: String,
    /// `Warning`, `Reason` and `Contact` (of 3xx), as they were told.
    pub(super) explanation: Vec<String>,
    pub(super) retry_after: Option<u32>,
}

/// The names that make this call unlike any other.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    /// What every branch begins with, after the magic cookie.
    pub(super) branch: String,
}

/// A user agent client with one dialog.
///
/// ```text
///            invite        1xx             2xx / ACK                 bye            final, timer F
///      Idle -------> Calling ----> Proceeding ------> Established ------> Leaving ------> Ended
///                       |              |                  |                                 ^
///                       | 3xx-6xx / ACK|                  | BYE / 200                       |
///                       +--------------+--> Refused       +---------------------------------+
/// ```
#[derive(Debug)]
pub(super) struct Uac {
    identity: Identity,
    transport: Transport,
    local: SocketAddr,
    /// The request URI, also of To.
    uri: Uri,
    cseq: u32,
    branches: u32,
    state: State,
    /// CANCEL on its way, beside the INVITE.
    cancel: Option<ClientTransaction>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    Idle,
    /// INVITE sent. `proceeding`: a provisional response stopped its retransmission.
    Inviting {
        invite: Invite,
        proceeding: bool,
        cancelled: bool,
    },
    /// A final response other than 2xx; each retransmission of it is acknowledged again.
    Refused {
        branch: String,
        ack: Vec<u8>,
    },
    /// Each retransmission of the 2xx is acknowledged again, here and in the two states that follow.
    Established(Dialog),
    Leaving {
        dialog: Dialog,
        bye: ClientTransaction,
    },
    Ended(Option<Dialog>),
}

#[derive(Debug)]
struct Invite {
    transaction: ClientTransaction,
    branch: String,
}

/// What RFC 3261 section 12 keeps, as far as a caller of one server needs it.
#[derive(Debug)]
struct Dialog {
    remote_tag: String,
    /// To of the 2xx.
    to: Address,
    remote_target: Uri,
    /// In the order in which they are sent.
    route_set: Vec<Address>,
    next_hop: Option<SocketAddr>,
    remote_seq: Option<u32>,
    ack: Vec<u8>,
}

/// A request that is retransmitted until it is answered (timers A and B, E and F).
#[derive(Debug)]
struct ClientTransaction {
    bytes: Vec<u8>,
    to: Option<SocketAddr>,
    cseq: u32,
    interval: Duration,
    longest: Duration,
    /// `None` over a reliable transport and after a provisional response to INVITE.
    retransmit_at: Option<Instant>,
    gives_up_at: Option<Instant>,
}

impl ClientTransaction {
    fn start(now: Instant, transport: Transport, cseq: u32, to: Option<SocketAddr>, bytes: Vec<u8>) -> Self {
        let retransmit_at = (transport == Transport::Udp).then(|| now + T1);
        let gives_up_at = Some(now + TRANSACTION_TIMEOUT);
        Self { bytes, to, cseq, interval: T1, longest: T2, retransmit_at, gives_up_at }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.retransmit_at.into_iter().chain(self.gives_up_at).min()
    }

    /// Retransmits if it is time; false if the request is given up.
    fn handle_timeout(&mut self, now: Instant, outputs: &mut VecDeque<Output>) -> bool {
        if self.gives_up_at.is_some_and(|at| at <= now) {
            return false;
        }
        if self.retransmit_at.is_some_and(|at| at <= now) {
            outputs.push_back(Output::Send { to: self.to, bytes: self.bytes.clone() });
            self.interval = (self.interval * 2).min(self.longest);
            self.retransmit_at = Some(now + self.interval);
        }
        true
    }
}

impl Uac {
    /// A machine that will call `uri` from `local`.
    pub(super) const fn new(identity: Identity, transport: Transport, local: SocketAddr, uri: Uri) -> Self {
        Self {
            identity,
            transport,
            local,
            uri,
            cseq: 0,
            branches: 0,
            state: State::Idle,
            cancel: None,
            outputs: VecDeque::new(),
        }
    }

    /// Our address.
    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether there is a session that neither side has ended.
    pub(super) const fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Whether nothing more is to be waited for.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Idle | State::Refused { .. } | State::Ended(_))
    }

    /// What to do or tell next.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Uac::handle_timeout`] is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let transaction = match &self.state {
            State::Inviting { invite, .. } => Some(&invite.transaction),
            State::Leaving { bye, .. } => Some(bye),
            State::Idle | State::Refused { .. } | State::Established(_) | State::Ended(_) => None,
        };
        transaction.into_iter().chain(&self.cancel).filter_map(ClientTransaction::poll_timeout).min()
    }

    /// Sends INVITE with an SDP offer. Once only.
    pub(super) fn invite(&mut self, now: Instant, sdp: Vec<u8>) {
        self.cseq += 1;
        let branch = self.branch();
        let mut request = self.request(Method::Invite, &self.uri, &branch, self.cseq, Address::new(self.uri.clone()));
        request.headers.push(HeaderName::CONTACT, self.contact());
        request.headers.push(HeaderName::ALLOW, ALLOW);
        request.headers.push(HeaderName::ACCEPT, "application/sdp");
        request.headers.push(HeaderName::CONTENT_TYPE, "application/sdp");
        request.body = sdp;
        let mut transaction = self.start(now, None, &request);
        // Timer A doubles without limit (RFC 3261 section 17.1.1.2).
        transaction.longest = Duration::MAX;
        let invite = Invite { transaction, branch };
        self.state = State::Inviting { invite, proceeding: false, cancelled: false };
    }

    /// Gives the call up: CANCEL before the answer, BYE after it. Nothing if it is over.
    pub(super) fn leave(&mut self, now: Instant) {
        match self.take_state() {
            State::Inviting { invite, proceeding, cancelled } => {
                // CANCEL waits for a provisional response (RFC 3261 section 9.1).
                if proceeding && !cancelled {
                    self.send_cancel(now, &invite);
                }
                self.state = State::Inviting { invite, proceeding, cancelled: true };
            }
            State::Established(dialog) => self.send_bye(now, dialog),
            other => self.state = other,
        }
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(mut cancel) = self.cancel.take()
            && cancel.handle_timeout(now, &mut self.outputs)
        {
            self.cancel = Some(cancel);
        }
        match self.take_state() {
            State::Inviting { mut invite, proceeding, cancelled } => {
                if invite.transaction.handle_timeout(now, &mut self.outputs) {
                    self.state = State::Inviting { invite, proceeding, cancelled };
                } else {
                    self.outputs.push_back(Output::NoAnswer);
                }
            }
            State::Leaving { dialog, mut bye } => {
                if bye.handle_timeout(now, &mut self.outputs) {
                    self.state = State::Leaving { dialog, bye };
                } else {
                    self.outputs.push_back(Output::Left { answered: false });
                    self.state = State::Ended(Some(dialog));
                }
            }
            other => self.state = other,
        }
    }

    /// Takes a message from the server; those that belong to no transaction or dialog of ours are answered or ignored.
    pub(super) fn handle_message(&mut self, now: Instant, message: &Message) {
        match message {
            Message::Response(response) => self.handle_response(now, response),
            Message::Request(request) => self.handle_request(request),
        }
    }

    fn handle_response(&mut self, now: Instant, response: &Response) {
        let headers = &response.headers;
        let (Ok(Some(via)), Ok(Some(from)), Ok(Some(to)), Ok(Some(cseq))) =
            (headers.top_via(), headers.from(), headers.to(), headers.cseq())
        else {
            return;
        };
        let ours = headers.call_id() == Some(&self.identity.call_id) && from.tag() == Some(&self.identity.local_tag);
        let Some(branch) = via.branch().filter(|_| ours) else { return };
        match cseq.method {
            Method::Invite => self.handle_invite_response(now, response, branch, to),
            Method::Cancel if response.status >= 200 => self.cancel = None,
            Method::Bye if response.status >= 200 => match self.take_state() {
                State::Leaving { dialog, bye } if bye.cseq == cseq.number => {
                    self.outputs.push_back(Output::Left { answered: true });
                    self.state = State::Ended(Some(dialog));
                }
                other => self.state = other,
            },
            _ => {}
        }
    }

    fn handle_invite_response(&mut self, now: Instant, response: &Response, branch: &str, to: Address) {
        match self.take_state() {
            State::Inviting { mut invite, proceeding, cancelled } if invite.branch == branch => match response.status {
                ..200 => {
                    if cancelled && !proceeding {
                        self.send_cancel(now, &invite);
                    }
                    // A provisional response ends timers A and B: it may ring as long as the caller likes. A cancelled
                    // INVITE is waited for as long as any request (RFC 3261 section 9.1).
                    invite.transaction.retransmit_at = None;
                    invite.transaction.gives_up_at = cancelled.then(|| now + TRANSACTION_TIMEOUT);
                    let reason = response.reason.clone();
                    self.outputs.push_back(Output::Provisional { status: response.status, reason });
                    self.state = State::Inviting { invite, proceeding: true, cancelled };
                }
                200..300 => {
                    self.cancel = None;
                    let dialog = self.confirm(response, invite.transaction.cseq, to);
                    if cancelled {
                        self.send_bye(now, dialog);
                    } else {
                        self.outputs.push_back(Output::Accepted { sdp: response.body.clone() });
                        self.state = State::Established(dialog);
                    }
                }
                300.. => {
                    self.cancel = None;
                    // This ACK belongs to the INVITE's transaction: its branch and URI (RFC 3261 section 17.1.1.3).
                    let ack = self.request(Method::Ack, &self.uri, &invite.branch, invite.transaction.cseq, to).write();
                    self.outputs.push_back(Output::Send { to: None, bytes: ack.clone() });
                    self.outputs.push_back(Output::Refused(Refusal::of(response)));
                    self.state = State::Refused { branch: invite.branch, ack };
                }
            },
            State::Refused { branch: refused, ack } => {
                if refused == branch && response.status >= 300 {
                    self.outputs.push_back(Output::Send { to: None, bytes: ack.clone() });
                }
                self.state = State::Refused { branch: refused, ack };
            }
            other => {
                if let State::Established(dialog) | State::Leaving { dialog, .. } | State::Ended(Some(dialog)) = &other
                    && (200..300).contains(&response.status)
                    && to.tag() == Some(&dialog.remote_tag)
                {
                    self.outputs.push_back(Output::Send { to: dialog.next_hop, bytes: dialog.ack.clone() });
                }
                self.state = other;
            }
        }
    }

    /// Makes the dialog of a 2xx and acknowledges it (RFC 3261 sections 12.1.2 and 13.2.2.4).
    fn confirm(&mut self, response: &Response, cseq: u32, to: Address) -> Dialog {
        let contact = response.headers.contacts().unwrap_or_default().into_iter().find_map(|contact| match contact {
            Contact::Address(address) => Some(address.uri),
            Contact::Star => None,
        });
        let mut route_set = response.headers.record_routes().unwrap_or_default();
        route_set.reverse();
        let remote_target = contact.unwrap_or_else(|| self.uri.clone());
        let hop = route_set.first().map_or(&remote_target, |route| &route.uri);
        let next_hop = hop.as_sip().and_then(|uri| uri.host_port.socket_addr());
        let remote_tag = to.tag().unwrap_or_default().to_owned();
        let mut dialog =
            Dialog { remote_tag, to, remote_target, route_set, next_hop, remote_seq: None, ack: Vec::new() };
        dialog.ack = self.request_within(&dialog, Method::Ack, cseq).write();
        self.outputs.push_back(Output::Send { to: dialog.next_hop, bytes: dialog.ack.clone() });
        dialog
    }

    fn send_cancel(&mut self, now: Instant, invite: &Invite) {
        let to = Address::new(self.uri.clone());
        let cancel = self.request(Method::Cancel, &self.uri, &invite.branch, invite.transaction.cseq, to);
        self.cancel = Some(self.start(now, None, &cancel));
    }

    fn send_bye(&mut self, now: Instant, dialog: Dialog) {
        self.cseq += 1;
        let request = self.request_within(&dialog, Method::Bye, self.cseq);
        let bye = self.start(now, dialog.next_hop, &request);
        self.state = State::Leaving { dialog, bye };
    }

    fn handle_request(&mut self, request: &Request) {
        let headers = &request.headers;
        let (Ok(Some(from)), Ok(Some(to)), Ok(Some(cseq))) = (headers.from(), headers.to(), headers.cseq()) else {
            return;
        };
        let ours = headers.call_id() == Some(&self.identity.call_id) && to.tag() == Some(&self.identity.local_tag);
        let dialog = match &mut self.state {
            State::Established(dialog) | State::Leaving { dialog, .. } | State::Ended(Some(dialog)) => Some(dialog),
            _ => None,
        };
        let dialog = dialog.filter(|dialog| ours && from.tag() == Some(&dialog.remote_tag));
        let response = match (&request.method, dialog) {
            (Method::Ack, _) => return,
            (Method::Options, None) if to.tag().is_none() => Response::new(200),
            (_, None) => Response::new(481),
            (_, Some(dialog)) if dialog.remote_seq.is_some_and(|last| cseq.number < last) => Response::new(500),
            (method, Some(dialog)) => {
                dialog.remote_seq = Some(cseq.number);
                match method {
                    Method::Bye | Method::Options => Response::new(200),
                    // A refresh without an offer changes nothing; another offer is declined, which leaves the session
                    // as it is (RFC 3261 section 14.2, RFC 3311 section 5.2).
                    Method::Update if request.body.is_empty() => Response::new(200),
                    Method::Update | Method::Invite => Response::new(488),
                    Method::Cancel => Response::new(481),
                    Method::Ack | Method::Other(_) => Response::new(405),
                }
            }
        };
        self.respond(request, response);
        if request.method == Method::Bye && ours {
            match self.take_state() {
                State::Established(dialog) => {
                    self.outputs.push_back(Output::HungUp);
                    self.state = State::Ended(Some(dialog));
                }
                // If both leave at once, the answer to our BYE is still waited for.
                other => self.state = other,
            }
        }
    }

    /// Sends a response to a request from the server, which goes where the request came from.
    fn respond(&mut self, request: &Request, mut response: Response) {
        for header in request.headers.iter() {
            let copied = [HeaderName::VIA, HeaderName::FROM, HeaderName::CALL_ID, HeaderName::CSEQ];
            if copied.contains(&header.name) {
                response.headers.push(header.name.clone(), &header.value);
            } else if header.name == HeaderName::TO {
                let has_tag = request.headers.to().is_ok_and(|to| to.is_some_and(|to| to.tag().is_some()));
                let tag = if has_tag { String::new() } else { format!(";tag={}", self.identity.local_tag) };
                response.headers.push(HeaderName::TO, format!("{}{tag}", header.value));
            }
        }
        if response.status == 200 {
            response.headers.push(HeaderName::CONTACT, self.contact());
        }
        if matches!(response.status, 200 | 405) {
            response.headers.push(HeaderName::ALLOW, ALLOW);
        }
        if request.method == Method::Options {
            response.headers.push(HeaderName::ACCEPT, "application/sdp");
        }
        self.outputs.push_back(Output::Send { to: None, bytes: response.write() });
    }

    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Ended(None))
    }

    fn branch(&mut self) -> String {
        self.branches += 1;
        format!("{}{}{}", sip::MAGIC_COOKIE, self.identity.branch, self.branches)
    }

    fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:answerd@{}>", self.local),
            Transport::Tcp => format!("<sip:answerd@{};transport=tcp>", self.local),
            Transport::Tls => format!("<sips:answerd@{}>", self.local),
        }
    }

    /// Sends a request and keeps it for retransmission.
    fn start(&mut self, now: Instant, to: Option<SocketAddr>, request: &Request) -> ClientTransaction {
        let bytes = request.write();
        self.outputs.push_back(Output::Send { to, bytes: bytes.clone() });
        let cseq = request.headers.cseq().ok().flatten().map_or(0, |cseq| cseq.number);
        ClientTransaction::start(now, self.transport, cseq, to, bytes)
    }

    fn request_within(&mut self, dialog: &Dialog, method: Method, cseq: u32) -> Request {
        let branch = self.branch();
        let mut request = self.request(method, &dialog.remote_target, &branch, cseq, dialog.to.clone());
        for route in &dialog.route_set {
            request.headers.push(HeaderName::ROUTE, route);
        }
        request
    }

    fn request(&self, method: Method, uri: &Uri, branch: &str, cseq: u32, to: Address) -> Request {
        let transport = match self.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        };
        let mut via = Via::new(transport, self.local, branch);
        via.params.set("rport", None);
        let Identity { call_id, local_tag, .. } = &self.identity;
        let mut request = Request::new(method.clone(), uri.clone());
        request.headers.push(HeaderName::VIA, via);
        request.headers.push(HeaderName::MAX_FORWARDS, 70);
        request
            .headers
            .push(HeaderName::FROM, format!("<{}:answerd@{}>;tag={local_tag}", self.transport.scheme(), self.local));
        request.headers.push(HeaderName::TO, to);
        request.headers.push(HeaderName::CALL_ID, call_id);
        request.headers.push(HeaderName::CSEQ, format!("{cseq} {method}"));
        request.headers.push(HeaderName::USER_AGENT, concat!("answerd/", env!("CARGO_PKG_VERSION")));
        request
    }
}

impl Refusal {
    fn of(response: &Response) -> Self {
        let redirection = (300..400).contains(&response.status).then_some(HeaderName::CONTACT);
        let names = [HeaderName::WARNING, HeaderName::from("Reason")].into_iter().chain(redirection);
        let told = |name: HeaderName| {
            response.headers.get_all(&name).map(|value| format!("{}: {value}", name.as_str())).collect::<Vec<_>>()
        };
        Self {
            status: response.status,
            reason: response.reason.clone(),
            explanation: names.flat_map(told).collect(),
            retry_after: response.headers.retry_after().ok().flatten().map(|after| after.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "192.0.2.1:8060";

    struct Script {
        uac: Uac,
        start: Instant,
        /// Requests that the machine sent, in order.
        sent: Vec<Request>,
        told: Vec<Output>,
    }

    impl Script {
        fn new(transport: Transport) -> Self {
            let identity = Identity { call_id: "call".into(), local_tag: "ours".into(), branch: "b".into() };
            let local = "192.0.2.7:5060".parse().expect("an address");
            let uri = format!("sip:{SERVER}").parse().expect("a URI");
            let start = Instant::now();
            let mut script =
                Self { uac: Uac::new(identity, transport, local, uri), start, sent: Vec::new(), told: Vec::new() };
            script.uac.invite(start, b"v=0\r\n".to_vec());
            script.drain();
            script
        }

        fn drain(&mut self) {
            while let Some(output) = self.uac.poll_output() {
                match output {
                    Output::Send { bytes, .. } => match sip::parse(&bytes).expect("SIP") {
                        Message::Request(request) => self.sent.push(request),
                        Message::Response(response) => {
                            self.told.push(Output::Provisional { status: response.status, reason: "sent".into() });
                        }
                    },
                    told => self.told.push(told),
                }
            }
        }

        /// Lets time pass up to `ms` after the start, and gives the times of what was sent meanwhile.
        fn pass(&mut self, ms: u64) -> Vec<u128> {
            let mut times = Vec::new();
            while let Some(at) = self.uac.poll_timeout().filter(|at| *at <= self.start + Duration::from_millis(ms)) {
                let before = self.sent.len();
                self.uac.handle_timeout(at);
                self.drain();
                times.extend(std::iter::repeat_n((at - self.start).as_millis(), self.sent.len() - before));
            }
            times
        }

        /// The server answers the request with index `to`.
        fn respond(&mut self, ms: u64, to: usize, status: u16, extra: &str) {
            let request = &self.sent[to];
            let mut text = format!("SIP/2.0 {status} Reason\r\n");
            for name in [HeaderName::VIA, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::CSEQ] {
                let value = request.headers.get(&name).expect("each request has it");
                let tag =
                    if name == HeaderName::TO && status > 100 && !value.contains("tag=") { ";tag=theirs" } else { "" };
                text += &format!("{}: {value}{tag}\r\n", name.as_str());
            }
            self.handle(ms, &format!("{text}{extra}Content-Length: 5\r\n\r\nv=0\r\n"));
        }

        /// The server sends a request within the dialog.
        fn request(&mut self, ms: u64, method: &str, cseq: u32) {
            self.handle(
                ms,
                &format!(
                    "{method} sip:answerd@192.0.2.7:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {SERVER};branch=z9hG4bKs{cseq}\r\n\
                 From: <sip:{SERVER}>;tag=theirs\r\nTo: <sip:answerd@192.0.2.7:5060>;tag=ours\r\nCall-ID: call\r\n\
                 CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
                ),
            );
        }

        fn handle(&mut self, ms: u64, text: &str) {
            let message = sip::parse(text.as_bytes()).expect("SIP");
            self.uac.handle_message(self.start + Duration::from_millis(ms), &message);
            self.drain();
        }

        fn methods(&self) -> Vec<&str> {
            self.sent.iter().map(|request| request.method.as_str()).collect()
        }

        fn branch(&self, index: usize) -> String {
            self.sent[index].headers.top_via().expect("a Via").expect("a Via").branch().expect("a branch").to_owned()
        }
    }

    #[test]
    fn invite_is_retransmitted_until_it_is_given_up() {
        let mut script = Script::new(Transport::Udp);
        assert_eq!(script.pass(40_000), [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(script.told, [Output::NoAnswer]);
        assert!(script.sent.iter().all(|request| *request == script.sent[0]));
        assert!(script.uac.is_over());
    }

    #[test]
    fn over_tcp_nothing_is_retransmitted() {
        let mut script = Script::new(Transport::Tcp);
        assert_eq!(script.pass(40_000), [] as [u128; 0]);
        assert_eq!(script.told, [Output::NoAnswer]);
    }

    #[test]
    fn a_provisional_response_ends_retransmission_and_patience_is_the_callers() {
        let mut script = Script::new(Transport::Udp);
        script.respond(600, 0, 180, "");
        assert_eq!(script.pass(100_000).len(), 0);
        assert_eq!(script.told, [Output::Provisional { status: 180, reason: "Reason".into() }]);
        assert_eq!(script.uac.poll_timeout(), None);
    }

    #[test]
    fn acceptance_is_acknowledged_to_the_contact_by_the_route_and_again_when_repeated() {
        let mut script = Script::new(Transport::Udp);
        let extra =
            "Contact: <sip:asr@192.0.2.9:7000>\r\nRecord-Route: <sip:192.0.2.3;lr>, <sip:192.0.2.4:5080;lr>\r\n";
        script.respond(100, 0, 200, extra);
        assert_eq!(script.told, [Output::Accepted { sdp: b"v=0\r\n".to_vec() }]);
        let ack = &script.sent[1];
        assert_eq!((ack.method.as_str(), ack.uri.to_string().as_str()), ("ACK", "sip:asr@192.0.2.9:7000"));
        let routes: Vec<_> = ack.headers.routes().expect("routes").iter().map(|route| route.uri.to_string()).collect();
        assert_eq!(routes, ["sip:192.0.2.4:5080;lr", "sip:192.0.2.3;lr"]);
        assert_ne!(script.branch(0), script.branch(1), "the ACK to a 2xx is a transaction of its own");
        assert_eq!(ack.headers.get(&HeaderName::CSEQ), Some("1 ACK"));
        script.respond(600, 0, 200, extra);
        assert_eq!(script.methods(), ["INVITE", "ACK", "ACK"]);
        assert_eq!(script.sent[1], script.sent[2]);
        assert_eq!(script.told.len(), 1);
    }

    #[test]
    fn requests_within_the_dialog_go_to_its_next_hop() {
        let mut script = Script::new(Transport::Udp);
        script.respond(100, 0, 200, "Contact: <sip:asr@192.0.2.9:7000>\r\n");
        script.uac.leave(script.start);
        let to = |output| match output {
            Some(Output::Send { to, .. }) => to,
            other => panic!("{other:?}"),
        };
        assert_eq!(to(script.uac.poll_output()), Some("192.0.2.9:7000".parse().expect("an address")));
    }

    #[test]
    fn refusal_is_acknowledged_within_the_transaction_and_told_whole() {
        let mut script = Script::new(Transport::Udp);
        script.respond(100, 0, 503, "Retry-After: 5\r\nWarning: 399 asr \"no capacity\"\r\n");
        assert_eq!(script.methods(), ["INVITE", "ACK"]);
        assert_eq!(script.branch(0), script.branch(1));
        assert_eq!(script.sent[0].uri, script.sent[1].uri);
        assert_eq!(script.sent[1].headers.to().expect("To").expect("To").tag(), Some("theirs"));
        let [Output::Refused(refusal)] = script.told.as_slice() else { panic!("{:?}", script.told) };
        assert_eq!((refusal.status, refusal.retry_after), (503, Some(5)));
        assert_eq!(refusal.explanation, ["Warning: 399 asr \"no capacity\""]);
        script.respond(600, 0, 503, "");
        assert_eq!((script.methods().len(), script.told.len()), (3, 1));
        assert!(script.uac.is_over());
    }

    #[test]
    fn bye_is_retransmitted_and_its_answer_told() {
        let mut script = Script::new(Transport::Udp);
        script.respond(0, 0, 200, "");
        script.uac.leave(script.start);
        script.drain();
        assert_eq!(script.pass(12_000), [500, 1_500, 3_500, 7_500, 11_500]);
        assert_eq!(script.sent.last().expect("BYE").headers.get(&HeaderName::CSEQ), Some("2 BYE"));
        script.respond(12_000, 2, 200, "");
        assert_eq!(script.told.last(), Some(&Output::Left { answered: true }));
        assert_eq!(script.uac.poll_timeout(), None);
    }

    #[test]
    fn bye_without_answer_is_given_up() {
        let mut script = Script::new(Transport::Tcp);
        script.respond(0, 0, 200, "");
        script.uac.leave(script.start);
        script.pass(33_000);
        assert_eq!(script.told.last(), Some(&Output::Left { answered: false }));
    }

    #[test]
    fn cancel_waits_for_a_provisional_response_and_uses_the_invites_branch() {
        let mut script = Script::new(Transport::Udp);
        script.uac.leave(script.start);
        script.drain();
        assert_eq!(script.methods(), ["INVITE"]);
        script.respond(100, 0, 100, "");
        assert_eq!(script.methods(), ["INVITE", "CANCEL"]);
        assert_eq!(script.branch(0), script.branch(1));
        assert_eq!(script.sent[1].headers.get(&HeaderName::CSEQ), Some("1 CANCEL"));
        script.respond(200, 1, 200, "");
        script.respond(200, 0, 487, "");
        assert_eq!(script.methods(), ["INVITE", "CANCEL", "ACK"]);
        assert!(matches!(script.told.last(), Some(Output::Refused(Refusal { status: 487, .. }))));
        assert_eq!(script.pass(60_000), [] as [u128; 0], "nothing is left to retransmit");
    }

    #[test]
    fn an_answer_that_crosses_cancel_is_acknowledged_and_left() {
        let mut script = Script::new(Transport::Udp);
        script.respond(50, 0, 100, "");
        script.uac.leave(script.start);
        script.drain();
        script.respond(100, 0, 200, "");
        assert_eq!(script.methods(), ["INVITE", "CANCEL", "ACK", "BYE"]);
        script.respond(200, 3, 200, "");
        assert_eq!(script.told.last(), Some(&Output::Left { answered: true }));
    }

    #[test]
    fn the_servers_requests_are_answered() {
        let mut script = Script::new(Transport::Udp);
        script.respond(0, 0, 200, "");
        script.told.clear();
        for (method, cseq) in
            [("OPTIONS", 1), ("UPDATE", 2), ("INVITE", 3), ("INFO", 4), ("OPTIONS", 3), ("BYE", 5), ("BYE", 5)]
        {
            script.request(1_000, method, cseq);
        }
        let statuses: Vec<_> = script
            .told
            .iter()
            .map(|told| match told {
                Output::Provisional { status, .. } => *status,
                Output::HungUp => 1,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(statuses, [200, 200, 488, 405, 500, 200, 1, 200]);
        script.uac.leave(script.start);
        script.drain();
        assert_eq!(script.methods(), ["INVITE", "ACK"], "the session is over: no BYE");
    }

    #[test]
    fn requests_of_other_dialogs_are_not_ours() {
        let mut script = Script::new(Transport::Udp);
        script.request(0, "BYE", 1);
        assert_eq!(script.told, [Output::Provisional { status: 481, reason: "sent".into() }]);
    }

    #[test]
    fn responses_to_others_are_ignored() {
        let mut script = Script::new(Transport::Udp);
        script.handle(
            0,
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKb1\r\nFrom: <sip:a@b>;tag=other\r\n\
             To: <sip:c@d>;tag=theirs\r\nCall-ID: call\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        );
        assert!(script.told.is_empty());
        assert_eq!(script.methods(), ["INVITE"]);
    }
}
