//! Server transactions, RFC 3261 section 17.2 with the Accepted state of RFC 6026.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use crate::session::sip::endpoint::CallId;
use crate::session::sip::peer::{ConnectionId, Peer};
use crate::session::sip::shared::{ServerTimer, Shared, Timer, TransactionId};
use crate::wire::sip::{Headers, MAGIC_COOKIE, Method, Request, Response, Via};

/// By what a request finds its transaction, RFC 3261 section 17.2.3. ACK and CANCEL look for `method` INVITE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A branch that is unique by itself.
    Branch { branch: String, sent_by: String, method: Method },
    /// From before RFC 3261: all that stays the same in an INVITE, its ACK and its CANCEL.
    Legacy { uri: String, from: String, call_id: String, number: u32, via: String, method: Method },
}

impl Key {
    /// The key of a request, as if it had the method. From, Call-ID and CSeq were checked before.
    pub(super) fn new(request: &Request, via: &Via, method: &Method) -> Self {
        match via.branch() {
            Some(branch)
                if branch.get(..MAGIC_COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE)) =>
            {
                Self::Branch {
                    branch: branch.to_ascii_lowercase(),
                    sent_by: via.sent_by.to_string().to_ascii_lowercase(),
                    method: method.clone(),
                }
            }
            _ => {
                let headers = &request.headers;
                let from = headers.from().ok().flatten().and_then(|from| from.tag().map(str::to_owned));
                Self::Legacy {
                    uri: request.uri.to_string(),
                    from: from.unwrap_or_default(),
                    call_id: headers.call_id().unwrap_or_default().to_owned(),
                    number: headers.cseq().ok().flatten().map_or(0, |cseq| cseq.number),
                    via: via.to_string(),
                    method: method.clone(),
                }
            }
        }
    }
}

/// By what a request is known that came over two ways, RFC 3261 section 8.2.2.2.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct MergeKey {
    pub(super) from_tag: String,
    pub(super) call_id: String,
    pub(super) cseq: String,
}

/// ```text
///            INVITE                         other requests
///              | 100                              |
///         Proceeding                          Proceeding
///   300-699 |     | 2xx                           | 200-699
///       Completed  Accepted                    Answered
///    ACK |   | H       | L                        | J
///   Confirmed|         |                          |
///        | I |         |                          |
///        +---+----> removed <---------------------+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No final response yet.
    Proceeding,
    /// A refusal was sent; it is sent again until ACK comes. `interval` is timer G's next.
    Completed { interval: Duration },
    /// ACK has come.
    Confirmed,
    /// A 2xx was sent; the core sends it again until ACK comes.
    Accepted,
    /// The final response to a request other than INVITE was sent.
    Answered,
}

/// One request that is remembered. There are some for each call, for half a minute after it: what is not needed for that is
/// forgotten with the final response.
#[derive(Debug)]
pub(super) struct ServerTransaction {
    key: Digest,
    merge_key: Option<Digest>,
    /// The request's fields, its topmost Via stamped; none after the final response.
    pub(super) headers: Headers,
    /// Where responses go.
    pub(super) peer: Peer,
    /// Where they go once the connection is gone.
    pub(super) sent_by_port: u16,
    pub(super) method: Method,
    /// The tag that responses add to To.
    pub(super) tag: String,
    pub(super) call: CallId,
    state: State,
    /// The last response that was sent.
    last: Option<Box<[u8]>>,
}

/// What it takes to remember a request.
pub(super) struct Opening<'a> {
    pub(super) key: Key,
    /// Of a request outside of any dialog: no other is merged.
    pub(super) merge_key: Option<MergeKey>,
    pub(super) request: &'a Request,
    pub(super) peer: Peer,
    pub(super) sent_by_port: u16,
    pub(super) tag: String,
    pub(super) call: CallId,
}

/// What is left of a key: 128 bits by two hash functions whose secrets are this process's alone, so that nobody can find two keys
/// with the same. Keys are long, and remembered for half a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Digest(u64, u64);

/// All requests that are remembered.
#[derive(Debug, Default)]
pub(super) struct ServerTransactions {
    all: HashMap<TransactionId, Box<ServerTransaction>>,
    by_key: HashMap<Digest, TransactionId>,
    by_merge_key: HashMap<Digest, TransactionId>,
    secrets: [RandomState; 2],
    count: u64,
}

impl ServerTransactions {
    pub(super) fn open(&mut self, opening: Opening<'_>) -> TransactionId {
        self.count += 1;
        let id = TransactionId(self.count);
        let Opening { key, merge_key, request, peer, sent_by_port, tag, call } = opening;
        let (key, merge_key) = (self.digest(&key), merge_key.map(|key| self.digest(&key)));
        self.by_key.insert(key, id);
        self.by_merge_key.extend(merge_key.map(|key| (key, id)));
        let (headers, method) = (request.headers.clone(), request.method.clone());
        let (state, last) = (State::Proceeding, None);
        let transaction =
            ServerTransaction { key, merge_key, headers, peer, sent_by_port, method, tag, call, state, last };
        self.all.insert(id, Box::new(transaction));
        id
    }

    pub(super) fn find(&self, key: &Key) -> Option<TransactionId> {
        self.by_key.get(&self.digest(key)).copied()
    }

    fn digest(&self, key: &impl Hash) -> Digest {
        let [one, other] = &self.secrets;
        Digest(one.hash_one(key), other.hash_one(key))
    }

    pub(super) fn get(&self, id: TransactionId) -> Option<&ServerTransaction> {
        self.all.get(&id).map(|transaction| &**transaction)
    }

    pub(super) fn has_merge_key(&self, key: &MergeKey) -> bool {
        self.by_merge_key.contains_key(&self.digest(key))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_proceeding(&self, id: TransactionId) -> bool {
        self.all.get(&id).is_some_and(|transaction| transaction.state == State::Proceeding)
    }

    /// The request came again: so does the last response, but a 2xx to INVITE, which is the core's to repeat.
    pub(super) fn handle_retransmission(&self, shared: &mut Shared, id: TransactionId) {
        if let Some(transaction) = self.all.get(&id)
            && let Some(last) = &transaction.last
            && matches!(transaction.state, State::Proceeding | State::Completed { .. } | State::Answered)
        {
            shared.send(transaction.peer, last.to_vec());
        }
    }

    /// An ACK with the INVITE's branch; it belongs to the transaction if that one was refused.
    pub(super) fn handle_ack(&mut self, shared: &mut Shared, now: Instant, id: TransactionId) -> bool {
        let Some(transaction) = self.all.get_mut(&id) else { return false };
        match transaction.state {
            State::Completed { .. } => {
                transaction.state = State::Confirmed;
                shared.timers.cancel(Timer::Server(id, ServerTimer::G));
                shared.timers.cancel(Timer::Server(id, ServerTimer::H));
                if transaction.peer.transport.is_reliable() {
                    self.remove(shared, id);
                } else {
                    shared.timers.set(Timer::Server(id, ServerTimer::I), now + shared.t4());
                }
                true
            }
            State::Confirmed => true,
            State::Proceeding | State::Accepted | State::Answered => false,
        }
    }

    /// Sends a response, provisional or final. After the final one no other is sent.
    pub(super) fn respond(&mut self, shared: &mut Shared, now: Instant, id: TransactionId, response: &Response) {
        let Some(transaction) = self.all.get_mut(&id) else { return };
        if transaction.state != State::Proceeding {
            return;
        }
        let bytes = response.write();
        transaction.last = Some(bytes.as_slice().into());
        shared.send(transaction.peer, bytes);
        let reliable = transaction.peer.transport.is_reliable();
        let (t1, give_up) = (shared.t1(), shared.give_up());
        let mut set = |timer, after| shared.timers.set(Timer::Server(id, timer), now + after);
        if response.status >= 200 {
            transaction.headers = Headers::new();
        }
        match (response.status, &transaction.method) {
            (..200, _) => {}
            (200..300, Method::Invite) => {
                transaction.state = State::Accepted;
                // The core keeps its own copy until ACK comes.
                transaction.last = None;
                set(ServerTimer::L, give_up);
            }
            (_, Method::Invite) => {
                let interval = t1;
                transaction.state = State::Completed { interval };
                if !reliable {
                    set(ServerTimer::G, interval);
                }
                set(ServerTimer::H, give_up);
            }
            _ if reliable => self.remove(shared, id),
            _ => {
                transaction.state = State::Answered;
                set(ServerTimer::J, give_up);
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, shared: &mut Shared, now: Instant, id: TransactionId, timer: ServerTimer) {
        match timer {
            ServerTimer::G => {
                let Some(transaction) = self.all.get_mut(&id) else { return };
                if let (State::Completed { interval }, Some(last)) = (&mut transaction.state, &transaction.last) {
                    *interval = (*interval * 2).min(shared.t2());
                    shared.timers.set(Timer::Server(id, ServerTimer::G), now + *interval);
                    shared.send(transaction.peer, last.to_vec());
                }
            }
            ServerTimer::H | ServerTimer::I | ServerTimer::J | ServerTimer::L => self.remove(shared, id),
        }
    }

    /// From now on responses need a new connection, RFC 3261 section 18.2.2.
    pub(super) fn handle_disconnect(&mut self, connection: ConnectionId) {
        for transaction in self.all.values_mut().filter(|transaction| transaction.peer.connection == Some(connection)) {
            transaction.peer.connection = None;
            transaction.peer.remote.set_port(transaction.sent_by_port);
        }
    }

    fn remove(&mut self, shared: &mut Shared, id: TransactionId) {
        let Some(transaction) = self.all.remove(&id) else { return };
        self.by_key.remove(&transaction.key);
        // A later transaction with the same key has taken the place.
        if let Some(key) = transaction.merge_key
            && self.by_merge_key.get(&key) == Some(&id)
        {
            self.by_merge_key.remove(&key);
        }
        for timer in [ServerTimer::G, ServerTimer::H, ServerTimer::I, ServerTimer::J, ServerTimer::L] {
            shared.timers.cancel(Timer::Server(id, timer));
        }
    }
}
