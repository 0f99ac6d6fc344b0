//! One call: the session, its control connection and its sound, driven by the caller's task.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::audio::codec::{CannotSend, Codec};
use crate::client::event::{By, CallError, Cause, Event, What};
use crate::client::line::{Line, sleep_until};
use crate::client::mrcp::{self, Connection};
use crate::client::result::{Answer, NotAResult};
use crate::client::rtp::{AfterSound, CODECS, Player};
use crate::client::sdp::{self, Security, Settled};
use crate::client::secure::Tls;
use crate::client::uac::{Identity, Output, Refusal, TRANSACTION_TIMEOUT, Transport};
use crate::wire::mrcp::{
    ChannelIdentifier, EventName, HeaderName, Message, Method, Request, RequestId, RequestState, Response,
};
use crate::wire::rtp::srtp::{Bare, Cryptor, MasterKey, Suite};
use crate::wire::sdp::ConnectionReuse;
use crate::wire::sip::Uri;

/// How long a request on the control connection is waited for.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the answer to BYE or CANCEL is waited for: enough for three retransmissions.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long RECOGNITION-COMPLETE may take to overtake a BYE that came before it on another socket.
const BYE_GRACE: Duration = Duration::from_millis(500);

/// What is told to, event by event, while a call runs.
pub type Observer<'a> = &'a mut (dyn FnMut(Event) + Send);

/// Whom to call, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name or address of the server.
    pub host: String,
    /// Its SIP port.
    pub port: u16,
    /// How SIP travels.
    pub transport: Transport,
    /// Codecs to offer, in order of preference.
    pub codecs: Vec<Codec>,
    /// SIP and the control channel go over TLS, whatever `transport` says.
    pub tls: Option<Tls>,
    /// The sound is encrypted by this suite.
    pub srtp: Option<Suite>,
}

impl Target {
    /// A server with SIP over UDP, every codec offered, and nothing encrypted.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let (transport, codecs) = (Transport::Udp, CODECS.to_vec());
        Self { host: host.into(), port, transport, codecs, tls: None, srtp: None }
    }

    fn transport(&self) -> Transport {
        if self.tls.is_some() { Transport::Tls } else { self.transport }
    }

    /// TLS, and whose name the server's certificate must have.
    fn tls(&self) -> Option<(&Tls, &str)> {
        self.tls.as_ref().map(|tls| (tls, self.host.as_str()))
    }

    /// What is encrypted, with new keys.
    fn security(&self) -> Result<Security, CallError> {
        let tls = self.tls.as_ref().map(|tls| tls.fingerprint().cloned());
        let key = |suite: Suite| {
            let mut octets = vec![0; suite.master_length()];
            let filled = getrandom::fill(&mut octets).map_err(io::Error::other);
            filled.map_err(|source| CallError::Socket { doing: "making a key", source })?;
            Ok((suite, MasterKey::new(octets)))
        };
        Ok(Security { tls, srtp: self.srtp.map(key).transpose()? })
    }
}

/// What to recognize.
#[derive(Debug, Clone)]
pub struct Recognize {
    /// URI of the grammar.
    pub grammar: String,
    /// Header names and values; names that are no headers of RECOGNIZE go as Vendor-Specific-Parameters.
    pub parameters: Vec<(String, String)>,
    /// The sound: linear samples, 8000 a second.
    pub sound: Arc<[i16]>,
    /// What follows the sound.
    pub after: AfterSound,
    /// How long the result is waited for after IN-PROGRESS.
    pub timeout: Duration,
}

/// A recognition that completed, with or without success.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognition {
    /// Its request identifier.
    pub request_id: u32,
    /// From RECOGNIZE sent to IN-PROGRESS received.
    pub in_progress: Duration,
    /// From the first RTP packet to START-OF-INPUT.
    pub start_of_input: Option<Duration>,
    /// From the first RTP packet to RECOGNITION-COMPLETE.
    pub completed: Duration,
    /// RTP packets sent.
    pub packets: u64,
    /// Completion-Cause.
    pub cause: Cause,
    /// Completion-Reason.
    pub reason: Option<String>,
    /// Content-Type of the body.
    pub content_type: Option<String>,
    /// The body as it came.
    pub body: Option<String>,
    /// The body as it was understood.
    pub answer: Option<Result<Answer, NotAResult>>,
}

impl Recognition {
    /// The answer, if the recognition succeeded (causes 000 and 008, RFC 6787 section 9.4.11) and told one.
    #[must_use]
    pub fn success(&self) -> Option<&Answer> {
        matches!(self.cause.code, 0 | 8).then_some(self.answer.as_ref()?.as_ref().ok()?)
    }
}

/// A session with a recognizer. Dropping it closes the sockets without a word, as a client that vanishes does;
/// [`Call::hang_up`] is the way to leave. Between its steps nothing is received: what the server sent meanwhile is
/// taken up by the next one.
#[derive(Debug)]
pub struct Call {
    began: Instant,
    server: SocketAddr,
    line: Line,
    connection: Connection,
    rtp: UdpSocket,
    player: Player,
    /// When the first packet of the present recognition was sent.
    input_began: Option<Instant>,
    settled: Settled,
    channel: ChannelIdentifier,
    next_request_id: u32,
    setup: Duration,
    connect: Duration,
}

/// Why a wait ended.
enum Wake {
    Signalling(Output),
    Control(Message),
    /// The recording has been sent whole.
    Played,
    Interrupted,
    Deadline,
}

impl Call {
    /// Places a call: INVITE, answer, ACK, control connection.
    ///
    /// # Errors
    /// If there is no session in the end. An `interrupt` before the answer cancels the INVITE.
    pub async fn place(
        target: &Target,
        interrupt: &CancellationToken,
        observer: Observer<'_>,
    ) -> Result<Self, CallError> {
        let began = Instant::now();
        let mut tell = |what| observer(Event { at: began.elapsed(), input: None, what });
        let server = resolve(&target.host, target.port).await?;
        if let Some(codec) = target.codecs.iter().find(|codec| !CODECS.contains(codec)) {
            return Err(CallError::CannotSend(CannotSend(*codec)));
        }
        let uri = request_uri(target)?;
        let mut line = Line::open(server, target.transport(), target.tls(), uri.clone(), identity()).await?;
        let local = line.local();
        let doing = "opening an RTP socket";
        let broken = |source| CallError::Socket { doing, source };
        let rtp = UdpSocket::bind((local.ip(), 0)).await.map_err(broken)?;
        let rtp_port = rtp.local_addr().map_err(broken)?.port();

        // A session identifier of NTP size that JavaScript and C clients can read as a signed number.
        let security = target.security()?;
        let offer = sdp::offer(random() >> 2, local.ip(), rtp_port, &target.codecs, ConnectionReuse::New, &security);
        line.uac.invite(Instant::now(), offer);
        tell(What::Inviting { uri: uri.to_string() });
        let answer = await_answer(&mut line, server, interrupt, &mut tell).await?;
        let setup = began.elapsed();

        let opened = async {
            let settled = sdp::settle(&answer, &target.codecs, &security)?;
            tell(What::Answered { mrcp: settled.mrcp, rtp: settled.rtp, codec: settled.codec });
            let channel = ChannelIdentifier::parse(&settled.channel)
                .ok_or_else(|| CallError::BadAnswer(format!("\"{}\" is no channel identifier", settled.channel)))?;
            rtp.connect(settled.rtp).await.map_err(|source| CallError::Socket { doing, source })?;
            let connecting = Instant::now();
            let connection = Connection::open(settled.mrcp, target.tls(), &settled.fingerprints).await?;
            tell(What::Connected { channel: settled.channel.clone() });
            Ok((settled, channel, connection, connecting.elapsed()))
        };
        let opened = tokio::select! {
            opened = opened => opened,
            () = interrupt.cancelled() => Err(CallError::Interrupted),
        };
        match opened {
            Ok((settled, channel, connection, connect)) => {
                let cryptor = security.srtp.map(|(suite, key)| Cryptor::new(suite, Bare::default(), &key, Vec::new()));
                let cryptor = cryptor.map(|made| made.expect("the key was made for its suite"));
                let player = Player::new(settled.codec, settled.payload_type, random(), cryptor);
                Ok(Self {
                    began,
                    server,
                    line,
                    connection,
                    rtp,
                    player,
                    input_began: None,
                    settled,
                    channel,
                    next_request_id: 1,
                    setup,
                    connect,
                })
            }
            Err(error) => {
                leave(&mut line).await;
                Err(error)
            }
        }
    }

    /// The server's SIP address.
    #[must_use]
    pub const fn server(&self) -> SocketAddr {
        self.server
    }

    /// The channel identifier.
    #[must_use]
    pub fn channel(&self) -> &str {
        self.channel.as_str()
    }

    /// The codec of the sound.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.settled.codec
    }

    /// From the beginning to the answer's arrival.
    #[must_use]
    pub const fn setup(&self) -> Duration {
        self.setup
    }

    /// What opening the control connection took.
    #[must_use]
    pub const fn connect(&self) -> Duration {
        self.connect
    }

    /// One recognition: RECOGNIZE, sound from IN-PROGRESS on, RECOGNITION-COMPLETE. A call can do several, one after
    /// the other.
    ///
    /// # Errors
    /// If RECOGNIZE is refused or no RECOGNITION-COMPLETE comes. After an `interrupt` or a timeout the recognition is
    /// stopped by STOP and the call can be used on.
    pub async fn recognize(
        &mut self,
        wanted: &Recognize,
        interrupt: &CancellationToken,
        observer: Observer<'_>,
    ) -> Result<Recognition, CallError> {
        self.input_began = None;
        let packets_before = self.player.packets();
        let recognized = self.run_recognition(wanted, interrupt, observer).await;
        self.player.stop();
        let mut recognized = recognized?;
        recognized.packets = self.player.packets() - packets_before;
        Ok(recognized)
    }

    async fn run_recognition(
        &mut self,
        wanted: &Recognize,
        interrupt: &CancellationToken,
        observer: Observer<'_>,
    ) -> Result<Recognition, CallError> {
        let id = self.request_id();
        let request = mrcp::recognize(&self.channel, id, &wanted.grammar, &wanted.parameters)?;
        let requested = Instant::now();
        self.connection.send(&request);
        observer(self.event(What::Requested { request_id: id.0, grammar: wanted.grammar.clone() }));

        let mut deadline = requested + RESPONSE_TIMEOUT;
        // What a deadline means: before the response, while listening, after a BYE.
        let mut in_progress = None;
        let mut start_of_input = None;
        let mut hung_up = false;
        loop {
            let woken = match self.wake(deadline, interrupt).await {
                Err(CallError::ConnectionLost { .. }) if hung_up => return Err(CallError::HungUp),
                woken => woken?,
            };
            match woken {
                Wake::Played => observer(self.event(What::Played { silence: wanted.after == AfterSound::Silence })),
                Wake::Control(Message::Response(response)) if response.id == id => {
                    if !response.status.is_success() || response.state == RequestState::Complete {
                        return Err(refused("RECOGNIZE", &response));
                    }
                    if response.state == RequestState::Pending {
                        observer(self.event(What::Queued));
                        deadline = Instant::now() + wanted.timeout;
                    } else {
                        in_progress = Some(requested.elapsed());
                        deadline = Instant::now() + wanted.timeout;
                        observer(self.event(What::Listening));
                        self.player.start(Instant::now(), Arc::clone(&wanted.sound), wanted.after);
                    }
                }
                Wake::Control(Message::Event(event)) if event.id == id => match event.name {
                    EventName::StartOfInput => {
                        start_of_input = self.input();
                        let input_type = event.headers.get(HeaderName::InputType).map(str::to_owned);
                        observer(self.event(What::StartOfInput { input_type }));
                    }
                    EventName::RecognitionComplete => {
                        let completed = self.input().unwrap_or_default();
                        self.player.stop();
                        let cause = mrcp::completion_cause(&event.headers)
                            .unwrap_or_else(|| Cause { code: 999, name: "no Completion-Cause".to_owned() });
                        let body = (!event.body.is_empty()).then(|| String::from_utf8_lossy(&event.body).into_owned());
                        let answer = body.as_deref().map(Answer::parse);
                        let label = answer.as_ref().and_then(|answer| answer.as_ref().ok()?.label()).map(str::to_owned);
                        observer(self.event(What::Completed { cause: cause.clone(), label }));
                        return Ok(Recognition {
                            request_id: id.0,
                            in_progress: in_progress.unwrap_or_default(),
                            start_of_input,
                            completed,
                            packets: 0,
                            reason: mrcp::completion_reason(&event.headers),
                            content_type: event.headers.get(HeaderName::ContentType).map(str::to_owned),
                            answer,
                            body,
                            cause,
                        });
                    }
                    EventName::InterpretationComplete | EventName::Other(_) => {}
                },
                // Of a request that was given up earlier.
                Wake::Control(_) => {}
                Wake::Signalling(Output::HungUp) => {
                    observer(self.event(What::Ended { by: By::Server }));
                    hung_up = true;
                    deadline = deadline.min(Instant::now() + BYE_GRACE);
                }
                Wake::Signalling(_) => {}
                Wake::Deadline if hung_up => return Err(CallError::HungUp),
                Wake::Deadline if in_progress.is_none() => {
                    return Err(CallError::NoResponse { method: "RECOGNIZE", after: requested.elapsed() });
                }
                Wake::Deadline => {
                    self.stop(observer).await?;
                    return Err(CallError::NoCompletion { after: wanted.timeout });
                }
                Wake::Interrupted => {
                    self.stop(observer).await?;
                    return Err(CallError::Interrupted);
                }
            }
        }
    }

    /// STOP: ends what is going on. The sound stops too.
    async fn stop(&mut self, observer: Observer<'_>) -> Result<(), CallError> {
        self.player.stop();
        let id = self.request_id();
        let sent = Instant::now();
        self.connection.send(&Request::new(self.channel.clone(), Method::Stop, id));
        loop {
            match self.wake(sent + RESPONSE_TIMEOUT, &CancellationToken::new()).await? {
                Wake::Control(Message::Response(response)) if response.id == id => {
                    observer(self.event(What::Stopped { status: response.status.0 }));
                    return if response.status.is_success() { Ok(()) } else { Err(refused("STOP", &response)) };
                }
                Wake::Signalling(Output::HungUp) => {
                    observer(self.event(What::Ended { by: By::Server }));
                    return Err(CallError::HungUp);
                }
                Wake::Deadline => return Err(CallError::NoResponse { method: "STOP", after: sent.elapsed() }),
                Wake::Control(_) | Wake::Signalling(_) | Wake::Played | Wake::Interrupted => {}
            }
        }
    }

    /// Leaves: BYE, and waits a while for the answer.
    pub async fn hang_up(mut self, observer: Observer<'_>) {
        match leave(&mut self.line).await {
            Left::Already => {}
            Left::Now { answered } => observer(self.event(What::Ended { by: By::Client { answered } })),
        }
    }

    /// Waits for what concerns the recognition, and sends the sound meanwhile.
    async fn wake(&mut self, deadline: Instant, interrupt: &CancellationToken) -> Result<Wake, CallError> {
        let mut packet = Vec::new();
        let was_played = self.player.is_played();
        loop {
            let due = self.player.poll_timeout();
            tokio::select! {
                biased;
                () = interrupt.cancelled() => return Ok(Wake::Interrupted),
                message = self.connection.next() => return Ok(Wake::Control(message?)),
                told = self.line.next() => return Ok(Wake::Signalling(told?)),
                () = sleep_until(due) => {
                    let now = Instant::now();
                    while self.player.poll_packet(now, &mut packet) {
                        self.input_began.get_or_insert(now);
                        match self.rtp.send(&packet).await {
                            Ok(_) => {}
                            // Nobody listens on the server's port (any more): as with loss, the sender can't help it.
                            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                            Err(source) => return Err(CallError::Socket { doing: "sending sound", source }),
                        }
                    }
                    if !was_played && self.player.is_played() {
                        return Ok(Wake::Played);
                    }
                }
                () = sleep_until(Some(deadline)) => return Ok(Wake::Deadline),
            }
        }
    }
}

impl Call {
    fn request_id(&mut self) -> RequestId {
        let id = RequestId(self.next_request_id);
        self.next_request_id += 1;
        id
    }

    /// Time since the first packet of the present recognition.
    fn input(&self) -> Option<Duration> {
        self.input_began.map(|began| began.elapsed())
    }

    fn event(&self, what: What) -> Event {
        Event { at: self.began.elapsed(), input: self.input(), what }
    }
}

fn refused(method: &'static str, response: &Response) -> CallError {
    CallError::RequestRefused {
        method,
        status: response.status.0,
        cause: mrcp::completion_cause(&response.headers),
        reason: mrcp::completion_reason(&response.headers),
    }
}

/// Waits for the INVITE's answer and gives its SDP.
async fn await_answer(
    line: &mut Line,
    server: SocketAddr,
    interrupt: &CancellationToken,
    tell: &mut (dyn FnMut(What) + Send),
) -> Result<Vec<u8>, CallError> {
    let sent = Instant::now();
    let deadline = sent + TRANSACTION_TIMEOUT;
    loop {
        let told = tokio::select! {
            told = line.next() => told?,
            () = interrupt.cancelled() => {
                leave(line).await;
                return Err(CallError::Interrupted);
            }
            () = sleep_until(Some(deadline)) => {
                leave(line).await;
                Output::NoAnswer
            }
        };
        match told {
            Output::Provisional { status, reason } => tell(What::Provisional { status, reason }),
            Output::Accepted { sdp } => return Ok(sdp),
            Output::Refused(Refusal { status, reason, explanation, retry_after }) => {
                return Err(CallError::Refused { status, reason, explanation, retry_after });
            }
            Output::NoAnswer => return Err(CallError::NoAnswer { server, after: sent.elapsed() }),
            Output::HungUp => return Err(CallError::HungUp),
            Output::Send { .. } | Output::Left { .. } => {}
        }
    }
}

/// How a session was left.
enum Left {
    /// It was over.
    Already,
    /// By BYE or CANCEL.
    Now { answered: bool },
}

/// Sends BYE or CANCEL as the state asks, and waits a while for the answer.
async fn leave(line: &mut Line) -> Left {
    if line.uac.is_over() {
        return Left::Already;
    }
    line.uac.leave(Instant::now());
    let deadline = Instant::now() + LEAVE_TIMEOUT;
    loop {
        tokio::select! {
            told = line.next() => match told {
                Ok(Output::Left { answered }) => return Left::Now { answered },
                Ok(Output::Refused(_)) => return Left::Now { answered: true },
                Ok(Output::NoAnswer) | Err(_) => return Left::Now { answered: false },
                Ok(_) => {}
            },
            () = sleep_until(Some(deadline)) => return Left::Now { answered: false },
        }
    }
}

fn request_uri(target: &Target) -> Result<Uri, CallError> {
    let host = match target.host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => target.host.clone(),
    };
    let parameter = match target.transport() {
        // A sips URI has TLS by itself.
        Transport::Udp | Transport::Tls => "",
        Transport::Tcp => ";transport=tcp",
    };
    let unusable = |_| CallError::Unresolved {
        host: target.host.clone(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "not a host name"),
    };
    format!("{}:{host}:{}{parameter}", target.transport().scheme(), target.port).parse().map_err(unusable)
}

async fn resolve(host: &str, port: u16) -> Result<SocketAddr, CallError> {
    let unresolved = |source| CallError::Unresolved { host: host.to_owned(), source };
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(unresolved)?;
    // IPv4 first: a server that listens on 0.0.0.0 is not found at the ::1 that "localhost" has as well.
    addresses.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| unresolved(io::ErrorKind::NotFound.into()))
}

fn identity() -> Identity {
    Identity {
        call_id: format!("{:016x}{:016x}", random(), random()),
        local_tag: format!("{:016x}", random()),
        branch: format!("{:016x}", random()),
    }
}

/// A number that nobody else has: the standard library's randomly keyed hash of nothing.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
