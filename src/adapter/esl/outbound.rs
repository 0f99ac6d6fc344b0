//! Calls that come by the dialplan's application `socket`: FreeSWITCH connects for each, detection runs, variables are set,
//! and the dialplan goes on.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapter::esl::config::EslConfig;
use crate::adapter::esl::counts::{EslServer, count};
use crate::adapter::esl::fields::Fields;
use crate::adapter::esl::link::{Client, Failure, Link, LinkError, Patience};
use crate::adapter::esl::telling::{Plan, Teller, Told, variables};
use crate::engine::{self, Decision, DecisionListener, Decisions, Stage};
use crate::wire::esl::{Command, Event, is_uuid};

/// Who waits for the decisions of which call.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<String, Wanted>>>);

#[derive(Debug)]
struct Wanted {
    decisions: mpsc::Sender<Arc<Decision>>,
    /// All is told there, not only variables.
    full: bool,
}

impl Waiting {
    /// Whether a call's decisions are told, in full, on its own connection.
    pub(super) fn tells(&self, uuid: &str) -> bool {
        self.lock().get(uuid).is_some_and(|wanted| wanted.full)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Wanted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The listener, bound.
pub(super) struct Outbound {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<EslConfig>,
    plan: Arc<Plan>,
    told: Arc<EslServer>,
    waiting: Waiting,
}

/// Decisions of one call that may wait.
const DECISIONS: usize = 16;
/// Events of one call that may wait.
const EVENTS: usize = 64;
/// How long an application that was sent may take to begin, before a call is given back all the same.
const BEGINS: Duration = Duration::from_secs(2);

impl Outbound {
    pub(super) fn bind(
        wanted: SocketAddr,
        config: &Arc<EslConfig>,
        plan: &Arc<Plan>,
        waiting: &Waiting,
    ) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("esl {wanted}: {error}"));
        let listener = listen(wanted).map_err(named)?;
        let address = listener.local_addr().map_err(named)?;
        let told = Arc::new(EslServer::new("socket".to_owned()));
        let (config, plan) = (Arc::clone(config), Arc::clone(plan));
        Ok(Self { listener, address, config, plan, told, waiting: waiting.clone() })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn server(&self) -> Arc<EslServer> {
        Arc::clone(&self.told)
    }

    pub(super) fn start(self, decisions: &Decisions, tasks: &TaskTracker, closing: &CancellationToken) {
        let listener = decisions.listen(self.config.provisional);
        let dispatching = dispatch(listener, self.waiting.clone(), Arc::clone(&self.told));
        tasks.spawn(closing.clone().run_until_cancelled_owned(dispatching));
        self.told.connected.store(true, Ordering::Relaxed);
        let (calls, closing) = (tasks.clone(), closing.clone());
        tasks.spawn(async move { self.accept(&calls, &closing).await });
    }

    async fn accept(self, calls: &TaskTracker, closing: &CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.config.max_connections));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = closing.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Such as too many open files.
                    tracing::warn!(%error, "accepting an Event Socket connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                count(&self.told.refusals);
                tracing::warn!(%peer, limit = self.config.max_connections, "too many calls by `socket`: one goes without");
                // A connection that is closed before anything was executed can leave its call parked for ever.
                let (config, told) = (Arc::clone(&self.config), self.server());
                calls.spawn(async move { refuse(stream, &config, told).await });
                continue;
            };
            let call = Call {
                config: Arc::clone(&self.config),
                plan: Arc::clone(&self.plan),
                told: self.server(),
                waiting: self.waiting.clone(),
                closing: closing.clone(),
            };
            calls.spawn(async move {
                count(&call.told.connects);
                let told = Arc::clone(&call.told);
                if let Err(error) = call.run(stream).await {
                    count(&told.failures);
                    tracing::info!(%peer, %error, "a call by `socket`");
                }
                drop(permit);
            });
        }
    }
}

/// A listener with a long queue: a connection that nobody takes blocks its call's dialplan for minutes.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4_096)?;
    TcpListener::from_std(socket.into())
}

async fn dispatch(mut listener: DecisionListener, waiting: Waiting, told: Arc<EslServer>) {
    while let Some(next) = listener.next().await {
        match next {
            engine::Told::Decision(decision) => {
                let Some(uuid) = decision.uuid.as_deref() else { continue };
                let wanted = waiting.lock().get(uuid).map(|wanted| wanted.decisions.clone());
                if wanted.is_some_and(|wanted| wanted.try_send(decision).is_err()) {
                    count(&told.dropped);
                }
            }
            engine::Told::Missed(missed) => {
                told.dropped.fetch_add(missed, Ordering::Relaxed);
            }
        }
    }
}

/// Gives a call back at once.
async fn refuse(stream: TcpStream, config: &EslConfig, told: Arc<EslServer>) {
    let (events, mut happened) = mpsc::channel(EVENTS);
    let given_back = async {
        let mut link = Link::new(stream, events, told, patience(config))?;
        greet(&mut link).await?;
        let sent = Command::execute("", "set", "answerd_result=error", false).expect("constants of one line");
        link.ask(&sent).await?;
        let (_client, mut orders) = Client::new();
        let never = CancellationToken::new();
        tokio::select! {
            served = link.serve(&mut orders, &never) => served,
            () = executed(&mut happened) => Ok(()),
        }
    };
    // Whatever comes of it, the connection ends.
    let given_back = tokio::time::timeout(BEGINS, given_back).await.unwrap_or(Err(LinkError::Silent));
    if let Err(error) = given_back {
        tracing::debug!(%error, "a call by `socket` that is refused");
    }
}

fn patience(config: &EslConfig) -> Patience {
    let ms = Duration::from_millis;
    // FreeSWITCH speaks when it is asked; a connection to nowhere is noticed by the keep-alive.
    Patience { command: ms(config.command_timeout_ms), keepalive: ms(config.keepalive_ms) }
}

/// Asks for the call's data and for its events.
async fn greet(link: &mut Link) -> Result<Event, LinkError> {
    // Anything else than `connect` would be carried out without an answer.
    let command = |line| Command::new(line).expect("constants of one line");
    let data = link.ask(&command("connect")).await?;
    let event =
        data.event().filter(|event| event.get("Unique-ID").is_some_and(is_uuid)).ok_or(LinkError::NoGreeting)?;
    // The last events of the call come after its end.
    link.ask(&command("linger 2")).await?;
    link.ask(&command("myevents")).await?;
    link.ask(&command("filter Event-Name CHANNEL_EXECUTE_COMPLETE")).await?;
    Ok(event)
}

/// An application has run: the call is in its park loop by now, and goes on in the dialplan when the connection ends.
async fn executed(events: &mut mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        if event.name() == "CHANNEL_EXECUTE_COMPLETE" {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// One call.
struct Call {
    config: Arc<EslConfig>,
    plan: Arc<Plan>,
    told: Arc<EslServer>,
    waiting: Waiting,
    closing: CancellationToken,
}

/// Its entry among those who wait; dropped, it is taken out.
struct Entry {
    waiting: Waiting,
    uuid: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.uuid);
    }
}

impl Call {
    async fn run(self, stream: TcpStream) -> Result<(), LinkError> {
        let (events, mut happened) = mpsc::channel(EVENTS);
        let mut link = Link::new(stream, events, Arc::clone(&self.told), patience(&self.config))?.without_jobs();
        let data = greet(&mut link).await?;
        let uuid = data.get("Unique-ID").unwrap_or_default().to_owned();
        let full = data.get("Control").is_some_and(|control| control.eq_ignore_ascii_case("full"));
        let (sender, mut decided) = mpsc::channel(DECISIONS);
        self.waiting.lock().insert(uuid.clone(), Wanted { decisions: sender, full });
        let _entry = Entry { waiting: self.waiting.clone(), uuid: uuid.clone() };
        let (client, mut orders) = Client::new();
        let teller = Teller {
            plan: Arc::clone(&self.plan),
            client: client.clone(),
            server: Arc::clone(&self.told),
            own_session: true,
            missing: Arc::default(),
        };
        let never = CancellationToken::new();
        // While FreeSWITCH waits for the next command, it reads no sound.
        let deaf = data.get("Socket-Mode").is_some_and(|mode| mode.eq_ignore_ascii_case("static"));
        let talk = async {
            let moved = if deaf {
                tracing::warn!(uuid, "`socket` without `async`: nothing could be heard");
                self.set(&teller, &["answerd_result=error".to_owned()]).await.ok();
                false
            } else {
                teller.start(&uuid).await;
                self.wait(&teller, &uuid, full, &mut decided).await
            };
            if !moved {
                if !deaf {
                    teller.stop(&uuid).await;
                }
                // Closed before, the call could stay parked for ever.
                drop(tokio::time::timeout(BEGINS, executed(&mut happened)).await);
            }
        };
        tokio::select! {
            ended = link.serve(&mut orders, &never) => match ended {
                // The caller hung up.
                Err(LinkError::Notice(_)) | Ok(()) => return Ok(()),
                Err(error) => return Err(error),
            },
            () = talk => {}
        }
        let exit = Command::new("exit").expect("a constant of one line");
        match link.ask(&exit).await {
            Ok(_) | Err(LinkError::Notice(_) | LinkError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the call's decision and tells it. Returns whether the call was taken elsewhere.
    async fn wait(&self, teller: &Teller, uuid: &str, full: bool, decided: &mut mpsc::Receiver<Arc<Decision>>) -> bool {
        let until = Instant::now() + Duration::from_millis(self.config.socket_timeout_ms);
        let mut known = false;
        loop {
            let decision = tokio::select! {
                decision = decided.recv() => decision,
                () = tokio::time::sleep_until(until.into()) => None,
                () = self.closing.cancelled() => None,
            };
            let Some(decision) = decision else {
                // The moment to speak has not come: what was told stays.
                if known {
                    return false;
                }
                tracing::info!(uuid, "a call by `socket` goes on without a decision");
                self.set(teller, &["answerd_result=error".to_owned()]).await.ok();
                return false;
            };
            // Without `full` the server takes neither api nor events on this connection.
            let told = if full {
                teller.tell(uuid, &decision).await
            } else {
                let fields = Fields::of_decision(uuid, &self.told.name, &decision);
                self.set(teller, &variables(&decision, &fields)).await
            };
            match told {
                Err(failure) => {
                    tracing::warn!(uuid, %failure, "a decision can't be told");
                    return false;
                }
                Ok(Told::Elsewhere) => return true,
                Ok(Told::Here { moved: true }) => return true,
                Ok(Told::Here { moved: false }) if decision.is_last() => return false,
                Ok(Told::Here { moved: false }) => known |= decision.stage != Stage::Provisional,
            }
        }
    }

    /// Sets variables by applications.
    async fn set(&self, teller: &Teller, variables: &[String]) -> Result<Told, Failure> {
        let argument = format!("^^;{}", variables.join(";"));
        let command = Command::execute("", "multiset", &argument, true).map_err(Failure::from)?;
        teller.client.send(command).await?;
        count(&self.told.decisions);
        Ok(Told::Here { moved: false })
    }
}
