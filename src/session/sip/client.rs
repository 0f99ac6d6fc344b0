//! Client transactions other than INVITE, RFC 3261 section 17.1.2: our BYE and our session refresh.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::session::sip::endpoint::CallId;
use crate::session::sip::peer::{ConnectionId, Peer};
use crate::session::sip::shared::{ClientId, ClientTimer, Shared, Timer};
use crate::wire::sip::{Method, Request, Response};

/// ```text
///   Trying --1xx--> Proceeding --200-699--> Completed --K--> removed
///     |  |               | F                    ^
///   F |  +---------------|------200-699---------+
///     +---> timed out <--+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
}

#[derive(Debug)]
struct ClientTransaction {
    branch: String,
    method: Method,
    call: CallId,
    peer: Peer,
    bytes: Vec<u8>,
    /// Timer E's next.
    interval: Duration,
    state: State,
}

/// What became of a request of ours.
#[derive(Debug)]
pub(super) struct Concluded {
    pub(super) call: CallId,
    pub(super) method: Method,
    /// `None` if none came in time.
    pub(super) response: Option<Response>,
}

/// All requests of ours.
#[derive(Debug, Default)]
pub(super) struct ClientTransactions {
    all: HashMap<ClientId, ClientTransaction>,
    by_branch: HashMap<String, ClientId>,
    count: u64,
}

impl ClientTransactions {
    /// Sends a request whose Via has the branch.
    pub(super) fn open(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        call: CallId,
        branch: String,
        request: &Request,
        peer: Peer,
    ) {
        self.count += 1;
        let id = ClientId(self.count);
        let (bytes, interval) = (request.write(), shared.t1());
        shared.send(peer, bytes.clone());
        shared.timers.set(Timer::Client(id, ClientTimer::F), now + shared.give_up());
        if !peer.transport.is_reliable() {
            shared.timers.set(Timer::Client(id, ClientTimer::E), now + interval);
        }
        self.by_branch.insert(branch.clone(), id);
        let (method, state) = (request.method.clone(), State::Trying);
        self.all.insert(id, ClientTransaction { branch, method, call, peer, bytes, interval, state });
    }

    /// Whether a request of ours waits for its final response.
    pub(super) fn is_waiting(&self) -> bool {
        self.all.values().any(|transaction| transaction.state != State::Completed)
    }

    /// A response; the first final one concludes its request, RFC 3261 section 17.1.3.
    pub(super) fn handle_response(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        response: Response,
    ) -> Option<Concluded> {
        // More than one Via: it lost its way, RFC 3261 section 8.1.3.3.
        let [via] = response.headers.vias().ok()?.try_into().ok()?;
        let method = response.headers.cseq().ok()??.method;
        let id = *self.by_branch.get(via.branch()?)?;
        let transaction = self.all.get_mut(&id).filter(|transaction| transaction.method == method)?;
        match (transaction.state, response.status) {
            (State::Completed, _) => None,
            (_, ..200) => {
                transaction.state = State::Proceeding;
                None
            }
            _ => {
                transaction.state = State::Completed;
                shared.timers.cancel(Timer::Client(id, ClientTimer::E));
                shared.timers.cancel(Timer::Client(id, ClientTimer::F));
                let (call, reliable) = (transaction.call, transaction.peer.transport.is_reliable());
                if reliable {
                    self.remove(shared, id);
                } else {
                    shared.timers.set(Timer::Client(id, ClientTimer::K), now + shared.t4());
                }
                Some(Concluded { call, method, response: Some(response) })
            }
        }
    }

    pub(super) fn handle_timeout(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        id: ClientId,
        timer: ClientTimer,
    ) -> Option<Concluded> {
        match timer {
            ClientTimer::E => {
                let transaction = self.all.get_mut(&id)?;
                transaction.interval = match transaction.state {
                    State::Trying => (transaction.interval * 2).min(shared.t2()),
                    _ => shared.t2(),
                };
                shared.timers.set(Timer::Client(id, ClientTimer::E), now + transaction.interval);
                shared.send(transaction.peer, transaction.bytes.clone());
                None
            }
            ClientTimer::F => {
                let transaction = self.remove(shared, id)?;
                Some(Concluded { call: transaction.call, method: transaction.method, response: None })
            }
            ClientTimer::K => {
                self.remove(shared, id);
                None
            }
        }
    }

    /// The connection is gone, and with it the response, in all likelihood; timer F decides.
    pub(super) fn handle_disconnect(&mut self, connection: ConnectionId) {
        for transaction in self.all.values_mut().filter(|transaction| transaction.peer.connection == Some(connection)) {
            transaction.peer.connection = None;
        }
    }

    fn remove(&mut self, shared: &mut Shared, id: ClientId) -> Option<ClientTransaction> {
        let transaction = self.all.remove(&id)?;
        self.by_branch.remove(&transaction.branch);
        for timer in [ClientTimer::E, ClientTimer::F, ClientTimer::K] {
            shared.timers.cancel(Timer::Client(id, timer));
        }
        Some(transaction)
    }
}
