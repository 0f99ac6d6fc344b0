//! Link: one connection to an Event Socket, and the client that sends commands over it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::adapter::esl::counts::{EslServer, count};
use crate::wire::esl::{Command, ContentType, Event, Limits, Malformed, Message, Parser};

/// Why a connection ended, or did not come about.
#[derive(Debug)]
pub(super) enum LinkError {
    Io(io::Error),
    /// Without a word.
    Closed,
    /// With a notice.
    Notice(String),
    Malformed(Malformed),
    /// The access list or the password.
    Refused(&'static str),
    /// A reply, or the greeting, did not come in time.
    Silent,
    /// Something else than a greeting came first.
    NoGreeting,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Notice(notice) => write!(f, "the server closed the connection: {notice}"),
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::Refused(what) => write!(f, "the server refuses {what}"),
            Self::Silent => f.write_str("no reply in time"),
            Self::NoGreeting => f.write_str("this is no Event Socket"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a command came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no connection, or it ended before the reply.
    Gone,
    /// The server says so.
    Refused(String),
    /// It can't be sent.
    Unsafe,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("no connection"),
            Self::Refused(reply) => f.write_str(reply.trim()),
            Self::Unsafe => f.write_str("it would be more than one command"),
        }
    }
}

/// What the server answers to a channel that it does not have.
const NO_CHANNEL: [&str; 4] =
    ["-ERR No such channel", "-ERR invalid session id", "-ERR Cannot locate session", "-ERR invalid uuid"];

impl Failure {
    /// Whether it is that the server does not have the channel.
    pub(super) fn is_no_channel(&self) -> bool {
        matches!(self, Self::Refused(reply) if NO_CHANNEL.iter().any(|known| reply.starts_with(known)))
    }
}

type Reply = oneshot::Sender<Result<String, Failure>>;

/// What a client wants sent.
#[derive(Debug)]
pub(super) enum Order {
    /// A command; its reply comes in its turn.
    Command(Command, Reply),
    /// An api line, run aside.
    Job(String, Reply),
}

/// Sends commands over whatever connection there is. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Client {
    orders: mpsc::Sender<Order>,
}

/// Orders that may wait for the connection's task.
const ORDERS: usize = 64;

impl Client {
    pub(super) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (orders, inbox) = mpsc::channel(ORDERS);
        (Self { orders }, inbox)
    }

    /// Sends a command, and returns what the server said.
    pub(super) async fn send(&self, command: Command) -> Result<String, Failure> {
        let (reply, told) = oneshot::channel();
        self.orders.send(Order::Command(command, reply)).await.map_err(|_| Failure::Gone)?;
        told.await.unwrap_or(Err(Failure::Gone))
    }

    /// `api`, for what is answered at once.
    pub(super) async fn api(&self, line: &str) -> Result<String, Failure> {
        self.send(Command::new(&format!("api {line}")).map_err(|_| Failure::Unsafe)?).await
    }

    /// `bgapi`: it has its turn when this returns; its result comes later.
    pub(super) async fn job(&self, line: String) -> Result<Job, Failure> {
        let (reply, told) = oneshot::channel();
        self.orders.send(Order::Job(line, reply)).await.map_err(|_| Failure::Gone)?;
        Ok(Job(told))
    }
}

/// An api line that runs aside.
#[derive(Debug)]
pub(super) struct Job(oneshot::Receiver<Result<String, Failure>>);

impl Job {
    /// What the server said at its end.
    pub(super) async fn result(self) -> Result<String, Failure> {
        self.0.await.unwrap_or(Err(Failure::Gone))
    }
}

/// How long what is waited for may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) command: Duration,
    /// After so long without a word the server is asked something.
    pub(super) keepalive: Duration,
}

/// A connection.
pub(super) struct Link {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    parser: Parser,
    received: BytesMut,
    to_send: BytesMut,
    /// Who waits for the replies, in their order, and until when.
    waiting: VecDeque<(Instant, Waiting)>,
    jobs: HashMap<String, (Instant, Reply)>,
    events: mpsc::Sender<Event>,
    server: Arc<EslServer>,
    patience: Patience,
    heard: Instant,
    /// Whether results of jobs come as events.
    jobs_told: bool,
}

#[derive(Debug)]
enum Waiting {
    Reply(Reply),
    /// Of `bgapi`: only a refusal is of interest, the result is an event.
    Job(String),
    /// Of the question whether the server is there.
    Nobody,
}

/// Bytes that wait for a server that does not read; with more no further order is taken.
const UNSENT: usize = 256 << 10;
/// Commands that wait for their replies.
const WAITING: usize = 1_024;
/// Jobs that run; with more no further order is taken.
const JOBS: usize = 1_024;
/// How long a job may take.
const JOB: Duration = Duration::from_secs(120);

static NEXT_JOB: AtomicU64 = AtomicU64::new(1);

impl Link {
    pub(super) fn new(
        stream: TcpStream,
        events: mpsc::Sender<Event>,
        server: Arc<EslServer>,
        patience: Patience,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            reader,
            writer,
            parser: Parser::new(Limits::default()),
            received: BytesMut::with_capacity(16 << 10),
            to_send: BytesMut::new(),
            waiting: VecDeque::new(),
            jobs: HashMap::new(),
            events,
            server,
            patience,
            heard: Instant::now(),
            jobs_told: true,
        })
    }

    /// No results of jobs will come: one that was begun is done.
    #[must_use]
    pub(super) fn without_jobs(mut self) -> Self {
        self.jobs_told = false;
        self
    }

    /// The next message; what is to be sent is sent meanwhile.
    async fn next(&mut self) -> Result<Message, LinkError> {
        loop {
            if let Some(message) = self.parser.poll_message().map_err(LinkError::Malformed)? {
                self.heard = Instant::now();
                return Ok(message);
            }
            tokio::select! {
                read = self.reader.read_buf(&mut self.received) => {
                    if read? == 0 {
                        return Err(LinkError::Closed);
                    }
                    self.parser.feed(&self.received);
                    self.received.clear();
                }
                written = self.writer.write_buf(&mut self.to_send), if self.to_send.has_remaining() => {
                    if written? == 0 {
                        return Err(LinkError::Closed);
                    }
                }
            }
        }
    }

    /// Sends a command when nothing else waits, and returns its reply. Events that come before it are taken.
    pub(super) async fn ask(&mut self, command: &Command) -> Result<Message, LinkError> {
        self.to_send.extend_from_slice(&command.write());
        let patience = self.patience.command;
        let reply = async {
            loop {
                let message = self.next().await?;
                match message.content_type() {
                    ContentType::CommandReply | ContentType::ApiResponse => return Ok(message),
                    ContentType::DisconnectNotice => return Err(LinkError::Notice(notice(&message))),
                    _ => self.event(&message),
                }
            }
        };
        tokio::time::timeout(patience, reply).await.unwrap_or(Err(LinkError::Silent))
    }

    /// Waits for the greeting and logs in: with `user`, where it is not empty.
    pub(super) async fn log_in(&mut self, user: &str, password: &str) -> Result<(), LinkError> {
        let greeting = tokio::time::timeout(self.patience.command, self.next()).await;
        match greeting.unwrap_or(Err(LinkError::Silent))?.content_type() {
            ContentType::AuthRequest => {}
            ContentType::RudeRejection => return Err(LinkError::Refused("this address (its access list)")),
            _ => return Err(LinkError::NoGreeting),
        }
        let line = if user.is_empty() { format!("auth {password}") } else { format!("userauth {user}:{password}") };
        // The settings were checked for line ends.
        let command = Command::new(&line).map_err(|_| LinkError::Refused("the password"))?;
        let reply = self.ask(&command).await?;
        if reply.reply().starts_with("+OK") { Ok(()) } else { Err(LinkError::Refused("the password")) }
    }

    /// Carries out orders until the connection ends.
    pub(super) async fn serve(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
        closing: &CancellationToken,
    ) -> Result<(), LinkError> {
        let mut closed = false;
        loop {
            let room = self.to_send.len() < UNSENT && self.waiting.len() < WAITING && self.jobs.len() < JOBS;
            let deadline = self.deadline();
            // What is decided already is told before the connection ends.
            if closed && self.waiting.is_empty() && self.to_send.is_empty() {
                return Ok(());
            }
            let order = tokio::select! {
                message = self.next() => {
                    self.message(message?)?;
                    continue;
                }
                order = orders.recv(), if room && !closed => order,
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.overdue(Instant::now())?;
                    continue;
                }
            };
            match order {
                Some(order) => self.order(order),
                // Nobody is left who could want anything.
                None if closing.is_cancelled() => closed = true,
                None => return Ok(()),
            }
        }
    }

    fn deadline(&self) -> Instant {
        let waiting = self.waiting.front().map(|(deadline, _)| *deadline);
        let jobs = self.jobs.values().map(|(deadline, _)| *deadline).min();
        let quiet = self.heard + self.patience.keepalive;
        // One question at a time: its reply is waited for.
        let quiet = self.waiting.is_empty().then_some(quiet);
        [waiting, jobs, quiet].into_iter().flatten().min().unwrap_or_else(|| self.heard + self.patience.keepalive)
    }

    fn overdue(&mut self, now: Instant) -> Result<(), LinkError> {
        if self.waiting.front().is_some_and(|(deadline, _)| *deadline <= now) {
            // Replies are told apart by their order alone: without one, no later one can be told.
            return Err(LinkError::Silent);
        }
        let late = self.jobs.iter().filter(|(_, (deadline, _))| *deadline <= now);
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.end_job(&id, Err(Failure::Refused("no result in time".to_owned())));
        }
        if self.waiting.is_empty() && now >= self.heard + self.patience.keepalive {
            let question = Command::new("api uptime").expect("a constant of one line");
            self.write(&question, Waiting::Nobody);
        }
        Ok(())
    }

    fn write(&mut self, command: &Command, waiting: Waiting) {
        tracing::trace!(server = self.server.name, command = command.line(), "sent");
        self.to_send.extend_from_slice(&command.write());
        self.waiting.push_back((Instant::now() + self.patience.command, waiting));
        count(&self.server.commands);
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Command(command, reply) => self.write(&command, Waiting::Reply(reply)),
            Order::Job(line, reply) => {
                let id = format!("answerd-{}", NEXT_JOB.fetch_add(1, Ordering::Relaxed));
                let command = Command::new(&format!("bgapi {line}")).and_then(|it| it.header("Job-UUID", &id));
                match command {
                    Ok(command) => {
                        self.jobs.insert(id.clone(), (Instant::now() + JOB, reply));
                        self.write(&command, Waiting::Job(id));
                    }
                    Err(_) => drop(reply.send(Err(Failure::Unsafe))),
                }
            }
        }
    }

    fn message(&mut self, message: Message) -> Result<(), LinkError> {
        match message.content_type() {
            ContentType::CommandReply | ContentType::ApiResponse => self.reply(&message),
            ContentType::DisconnectNotice => return Err(LinkError::Notice(notice(&message))),
            _ => self.event(&message),
        }
        Ok(())
    }

    fn reply(&mut self, message: &Message) {
        let said = message.reply();
        let failed = message.is_failure();
        let Some((_, waiting)) = self.waiting.pop_front() else {
            tracing::debug!(server = self.server.name, said, "a reply to nothing");
            return;
        };
        if failed {
            count(&self.server.command_failures);
        }
        match waiting {
            // Who waited may be gone.
            Waiting::Reply(reply) => drop(reply.send(if failed { Err(Failure::Refused(said)) } else { Ok(said) })),
            Waiting::Job(id) if failed => self.end_job(&id, Err(Failure::Refused(said))),
            Waiting::Job(id) if !self.jobs_told => self.end_job(&id, Ok(said)),
            Waiting::Job(_) | Waiting::Nobody => {}
        }
    }

    fn event(&mut self, message: &Message) {
        let Some(event) = message.event() else { return };
        count(&self.server.events);
        if event.name() == "BACKGROUND_JOB" {
            if let Some(id) = event.get("Job-UUID").map(str::to_owned) {
                let said = String::from_utf8_lossy(&event.body).trim_end().to_owned();
                let failed = crate::wire::esl::is_failure(&said);
                self.end_job(&id, if failed { Err(Failure::Refused(said)) } else { Ok(said) });
            }
            return;
        }
        if self.events.try_send(event).is_err() {
            count(&self.server.dropped_events);
        }
    }

    fn end_job(&mut self, id: &str, result: Result<String, Failure>) {
        if let Some((_, reply)) = self.jobs.remove(id) {
            // Who waited may be gone.
            drop(reply.send(result));
        }
    }
}

fn notice(message: &Message) -> String {
    let text = message.text();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let how = message.headers.get("Content-Disposition").unwrap_or_default();
    format!("{how} {first}").trim().to_owned()
}
