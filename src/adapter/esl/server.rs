//! A FreeSWITCH server that is connected to: the connection, kept up; decisions in lanes; calls that ask for detection.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapter::esl::config::{EslConfig, ServerConfig};
use crate::adapter::esl::counts::{EslServer, count};
use crate::adapter::esl::link::{Client, Failure, Link, LinkError, Order, Patience};
use crate::adapter::esl::outbound::Waiting;
use crate::adapter::esl::telling::{Plan, Teller, Told};
use crate::adapter::queue::backoff;
use crate::engine::{self, Decision, Decisions};
use crate::wire::esl::{Command, Event, is_uuid};

/// What a lane does, one after the other: all of one call is in one lane, so that it stays in order.
#[derive(Debug)]
enum Work {
    Decision(Arc<Decision>, Instant),
    Start(String),
    Stop(String),
}

/// Lanes of a server: as many calls can wait for replies at once.
const LANES: usize = 32;
/// Events that may wait to be looked at.
const EVENTS: usize = 4_096;
/// Calls whose detection was begun here, at most.
const FOLLOWED: usize = 100_000;
/// A call of which nothing was heard for so long is forgotten: not each one's end is told.
const FORGOTTEN: Duration = Duration::from_secs(3_600);

/// Calls whose detection was begun here, and when.
type Followed = Arc<Mutex<HashMap<String, Instant>>>;

/// Starts a server's tasks.
pub(super) fn start(
    config: &Arc<EslConfig>,
    server: &ServerConfig,
    plan: &Arc<Plan>,
    decisions: &Decisions,
    by_socket: &Waiting,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> Arc<EslServer> {
    let told = Arc::new(EslServer::new(server.to_string()));
    let (client, orders) = Client::new();
    let (events, happened) = mpsc::channel(EVENTS);
    let (up, is_up) = watch::channel(false);
    let missing = Arc::default();
    let teller = Teller {
        plan: Arc::clone(plan),
        client,
        server: Arc::clone(&told),
        own_session: false,
        missing: Arc::clone(&missing),
    };
    let followed = Followed::default();
    let lanes = (0..LANES).map(|_| {
        let (lane, works) = mpsc::channel(config.queue.div_ceil(LANES));
        let max_age = Duration::from_millis(config.max_age_ms);
        let keeper = Lane { teller: teller.clone(), up: is_up.clone(), followed: Arc::clone(&followed), max_age };
        tasks.spawn(keeper.run(works));
        lane
    });
    let lanes = Lanes { lanes: lanes.collect(), server: Arc::clone(&told) };
    let listener = decisions.listen(config.provisional);
    tasks.spawn(closing.clone().run_until_cancelled_owned(dispatch(listener, lanes.clone(), by_socket.clone())));
    let calls = Calls { lanes, followed, variable: config.start_variable.clone(), seen: VecDeque::new() };
    tasks.spawn(closing.clone().run_until_cancelled_owned(calls.run(happened)));
    let keeper = Keeper {
        config: Arc::clone(config),
        server: server.clone(),
        told: Arc::clone(&told),
        plan: Arc::clone(plan),
        missing,
    };
    tasks.spawn(keeper.run(orders, events, up, closing.clone()));
    told
}

/// Hands decisions to their lanes, but those of calls that are told on a connection of their own. It never waits.
async fn dispatch(mut listener: engine::DecisionListener, lanes: Lanes, by_socket: Waiting) {
    while let Some(told) = listener.next().await {
        match told {
            engine::Told::Decision(decision) => {
                if let Some(uuid) = decision.uuid.clone().filter(|uuid| !by_socket.tells(uuid)) {
                    lanes.give(&uuid, Work::Decision(decision, Instant::now()));
                }
            }
            engine::Told::Missed(missed) => {
                lanes.server.dropped.fetch_add(missed, Ordering::Relaxed);
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Lanes {
    lanes: Vec<mpsc::Sender<Work>>,
    server: Arc<EslServer>,
}

impl Lanes {
    fn give(&self, uuid: &str, work: Work) {
        // It comes from a client's parameters, or from an event.
        if !is_uuid(uuid) {
            tracing::debug!(server = self.server.name, uuid, "this is no channel's identifier");
            count(&self.server.elsewhere);
            return;
        }
        let mut hasher = DefaultHasher::new();
        uuid.hash(&mut hasher);
        let lane = self.lanes.get((hasher.finish() % LANES as u64) as usize);
        if lane.is_none_or(|lane| lane.try_send(work).is_err()) {
            count(&self.server.dropped);
        }
    }
}

struct Lane {
    teller: Teller,
    up: watch::Receiver<bool>,
    followed: Followed,
    max_age: Duration,
}

impl Lane {
    async fn run(mut self, mut works: mpsc::Receiver<Work>) {
        while let Some(work) = works.recv().await {
            match work {
                Work::Decision(decision, since) => self.tell(&decision, since).await,
                Work::Start(uuid) => {
                    let new = {
                        let (mut followed, now) = (lock(&self.followed), Instant::now());
                        if followed.len() >= FOLLOWED {
                            followed.retain(|_, since| now.duration_since(*since) < FORGOTTEN);
                        }
                        followed.len() < FOLLOWED && followed.insert(uuid.clone(), now).is_none()
                    };
                    if new && !self.teller.start(&uuid).await {
                        lock(&self.followed).remove(&uuid);
                    }
                }
                Work::Stop(uuid) => {
                    lock(&self.followed).remove(&uuid);
                    self.teller.stop(&uuid).await;
                }
            }
        }
    }

    /// Tells a decision, again after a connection was lost, as long as it is of use.
    async fn tell(&mut self, decision: &Decision, since: Instant) {
        let server = Arc::clone(&self.teller.server);
        let Some(uuid) = decision.uuid.as_deref() else { return };
        loop {
            let left = self.max_age.saturating_sub(since.elapsed());
            let up = tokio::time::timeout(left, async { self.up.wait_for(|up| *up).await.is_ok() }).await;
            if up != Ok(true) {
                count(&server.dropped);
                tracing::warn!(server = server.name, uuid, label = %decision.label, "not connected: a decision is dropped");
                return;
            }
            match self.teller.tell(uuid, decision).await {
                Ok(Told::Elsewhere) => return count(&server.elsewhere),
                Ok(Told::Here { moved }) => {
                    tracing::debug!(server = server.name, uuid, label = %decision.label, "told");
                    // What is begun here is ended here.
                    let ended = decision.is_last() && lock(&self.followed).remove(uuid).is_some();
                    if ended && !moved {
                        self.teller.stop(uuid).await;
                    }
                    return;
                }
                Err(Failure::Gone) => {
                    // The connection's task is about to say so.
                    tokio::time::sleep(AGAIN).await;
                }
                Err(failure) => {
                    tracing::warn!(server = server.name, uuid, %failure, "a decision can't be told");
                    return count(&server.dropped);
                }
            }
        }
    }
}

/// Pause after a connection was lost in the middle of a decision.
const AGAIN: Duration = Duration::from_millis(50);

fn lock(followed: &Followed) -> MutexGuard<'_, HashMap<String, Instant>> {
    followed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at events for calls that ask for detection.
struct Calls {
    lanes: Lanes,
    followed: Followed,
    variable: String,
    /// Events that came: of a parked channel some come twice with the same number.
    seen: VecDeque<(String, String)>,
}

impl Calls {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            self.event(&event);
        }
    }

    fn event(&mut self, event: &Event) {
        let of = |name: &str| event.get(name).unwrap_or_default().to_owned();
        let number = (of("Core-UUID"), of("Event-Sequence"));
        if self.seen.contains(&number) {
            return;
        }
        self.seen.push_back(number);
        if self.seen.len() > SEEN {
            self.seen.pop_front();
        }
        // A sender that names the channel so is heard by listeners; one that says Unique-ID speaks to the session alone.
        let uuid = event.get("Channel-UUID").or_else(|| event.get("Unique-ID")).unwrap_or_default().to_owned();
        match (event.name(), event.subclass()) {
            ("CHANNEL_ANSWER", _) if event.variable(&self.variable).is_some_and(is_true) => {
                self.lanes.give(&uuid, Work::Start(uuid.clone()));
            }
            ("CHANNEL_HANGUP_COMPLETE", _) => {
                lock(&self.followed).remove(&uuid);
            }
            ("CUSTOM", START) => self.lanes.give(&uuid, Work::Start(uuid.clone())),
            ("CUSTOM", STOP) => self.lanes.give(&uuid, Work::Stop(uuid.clone())),
            _ => {}
        }
    }
}

/// Events whose numbers are remembered.
const SEEN: usize = 64;

/// What begins and ends the detection of a call, in the place of `avmd start` and `avmd stop`.
const START: &str = "answerd::start";
const STOP: &str = "answerd::stop";

/// As the server's `switch_true`.
fn is_true(value: &str) -> bool {
    let words = ["true", "yes", "on", "t", "y", "enabled", "active", "allow"];
    words.iter().any(|word| word.eq_ignore_ascii_case(value)) || value.parse::<i64>().is_ok_and(|number| number != 0)
}

/// Keeps the connection up.
struct Keeper {
    config: Arc<EslConfig>,
    server: ServerConfig,
    told: Arc<EslServer>,
    plan: Arc<Plan>,
    missing: Arc<Mutex<Vec<String>>>,
}

impl Keeper {
    async fn run(
        self,
        mut orders: mpsc::Receiver<Order>,
        events: mpsc::Sender<Event>,
        up: watch::Sender<bool>,
        closing: CancellationToken,
    ) {
        let name = &self.told.name;
        let mut failed = 0_u32;
        loop {
            let error = match self.connect(&events).await {
                Ok(mut link) => {
                    tracing::info!(server = name, "Event Socket connected");
                    failed = 0;
                    count(&self.told.connects);
                    self.told.connected.store(true, Ordering::Relaxed);
                    up.send_replace(true);
                    let ended = link.serve(&mut orders, &closing).await;
                    up.send_replace(false);
                    self.told.connected.store(false, Ordering::Relaxed);
                    match ended {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            failed = failed.saturating_add(1);
            if closing.is_cancelled() {
                return;
            }
            count(&self.told.failures);
            let refused = matches!(error, LinkError::Refused(_));
            if refused {
                count(&self.told.refusals);
            }
            // Once for an outage.
            if failed == 1 {
                tracing::warn!(server = name, %error, "Event Socket: not connected");
            } else {
                tracing::debug!(server = name, %error, failed, "Event Socket: not connected");
            }
            let ms = Duration::from_millis;
            let (least, most) = (ms(self.config.reconnect_min_ms), ms(self.config.reconnect_max_ms));
            // A password does not become right by trying.
            let pause = if refused { most } else { backoff(failed, least, most) };
            let over = tokio::time::sleep(pause);
            tokio::pin!(over);
            loop {
                tokio::select! {
                    () = &mut over => break,
                    () = closing.cancelled() => return,
                    order = orders.recv() => match order {
                        Some(order) => order.fail(),
                        None => return,
                    },
                }
            }
        }
    }

    async fn connect(&self, events: &mpsc::Sender<Event>) -> Result<Link, LinkError> {
        let ms = Duration::from_millis;
        let timeout = ms(self.config.connect_timeout_ms);
        let stream = TcpStream::connect((self.server.host.as_str(), self.server.port));
        let stream = tokio::time::timeout(timeout, stream).await.map_err(|_| LinkError::Silent)??;
        let patience =
            Patience { command: ms(self.config.command_timeout_ms), keepalive: ms(self.config.keepalive_ms) };
        let mut link = Link::new(stream, events.clone(), Arc::clone(&self.told), patience)?;
        let (user, password) = (&self.server.user, &self.server.password);
        let user = if user.is_empty() { &self.config.user } else { user };
        let password = if password.is_empty() { &self.config.password } else { password };
        let ready = async {
            link.log_in(user, password).await?;
            self.subscribe(&mut link).await?;
            self.check_applications(&mut link).await
        };
        tokio::time::timeout(timeout, ready).await.unwrap_or(Err(LinkError::Silent))?;
        Ok(link)
    }

    /// Asks for no more events than are needed: those of calls are some ten kilobytes each.
    async fn subscribe(&self, link: &mut Link) -> Result<(), LinkError> {
        let variable = &self.config.start_variable;
        let calls = if variable.is_empty() { "" } else { "CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE " };
        // After CUSTOM, every word is a subclass.
        let mut lines = vec![format!("event plain BACKGROUND_JOB {calls}CUSTOM {START} {STOP}")];
        if !variable.is_empty() {
            // Filters add up.
            lines.push(format!("filter variable_{variable} /.+/"));
            lines.push("filter Event-Name BACKGROUND_JOB".to_owned());
            lines.push("filter Event-Name CUSTOM".to_owned());
        }
        for line in lines {
            let command = Command::new(&line).expect("the variable's name was checked");
            let reply = link.ask(&command).await?;
            if reply.is_failure() {
                let said = reply.reply();
                tracing::warn!(
                    server = self.told.name,
                    line,
                    said,
                    "events are refused: calls can't ask for detection"
                );
            }
        }
        Ok(())
    }

    /// Asks whether the server has the applications that are to be executed: one that it has not hangs the call up.
    async fn check_applications(&self, link: &mut Link) -> Result<(), LinkError> {
        let wanted = self.plan.applications();
        let mut missing = Vec::new();
        if !wanted.is_empty() {
            let command = Command::new("api show application").expect("a constant of one line");
            let reply = link.ask(&command).await?;
            let listed = reply.text();
            // Without the right to ask, nothing is known.
            if !reply.is_failure() && listed.contains(',') {
                let has = |name: &str| listed.lines().any(|line| line.split(',').next() == Some(name));
                missing.extend(wanted.into_iter().filter(|name| !has(name)));
            }
        }
        for application in &missing {
            tracing::error!(server = self.told.name, application, "the server does not have it: it is not executed");
        }
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = missing;
        Ok(())
    }
}

impl Order {
    /// There is no connection.
    pub(super) fn fail(self) {
        let (Self::Command(_, reply) | Self::Job(_, reply)) = self;
        // Who waited may be gone.
        drop(reply.send(Err(Failure::Gone)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_true_as_the_server_has_it() {
        for value in ["true", "TRUE", "yes", "on", "1", "-1", "7", "enabled"] {
            assert!(is_true(value), "{value}");
        }
        for value in ["", "false", "0", "no", "off", "maybe"] {
            assert!(!is_true(value), "{value}");
        }
    }
}
