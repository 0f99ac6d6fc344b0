//! One RTSP session, RFC 2326 section 3.4: a recognizer, and the numbers of its requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::wire::mrcp::v1::{self, Ids};
use crate::wire::mrcp::{ChannelIdentifier, HeaderName, Message, RequestId, RequestState, request_ids};
use crate::wire::rtsp::Transport;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    /// Session identifier; empty until the shell has found one.
    pub(super) id: String,
    /// The URI of its recognizer, as the client writes it: events name it.
    pub(super) uri: String,
    /// The path of that URI.
    pub(super) path: String,
    /// The recognizer's channel.
    pub(super) channel: Option<ChannelIdentifier>,
    /// The SETUP that waits for the shell's answer: its CSeq and transport.
    pub(super) setup: Option<(String, Option<Transport>)>,
    /// When something was last heard of it.
    pub(super) heard_at: Instant,
    /// Requests that are not answered yet: CSeq.
    pub(super) unanswered: BTreeMap<RequestId, String>,
    requests: Requests,
}

/// The requests that are not over, by the number that they have in MRCPv2.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    live: BTreeMap<RequestId, v1::RequestId>,
    /// Those of them that are STOP.
    stops: BTreeSet<RequestId>,
}

impl Session {
    pub(super) fn new(now: Instant, uri: &str, path: &str, cseq: &str, transport: Option<Transport>) -> Self {
        Self {
            id: String::new(),
            uri: uri.to_owned(),
            path: path.to_owned(),
            channel: None,
            setup: Some((cseq.to_owned(), transport)),
            heard_at: now,
            unanswered: BTreeMap::new(),
            requests: Requests::default(),
        }
    }

    /// Whether `path` is that of the session's recognizer.
    pub(super) fn is_recognizer(&self, path: &str) -> bool {
        self.path.eq_ignore_ascii_case(path)
    }

    /// Whether `path` is that of what contains the recognizer (RFC 4463 section 2.2).
    pub(super) fn is_container(&self, path: &str) -> bool {
        let container = self.path.rsplit_once('/').map_or("", |(container, _)| container);
        container.eq_ignore_ascii_case(path)
    }

    /// Whether something runs: a request is not over.
    pub(super) fn is_busy(&self) -> bool {
        !self.requests.live.is_empty()
    }

    /// Gives a request its number in MRCPv2.
    pub(super) fn begin(&mut self, id: v1::RequestId, cseq: &str) -> RequestId {
        self.requests.last += 1;
        let number = RequestId(self.requests.last);
        self.requests.live.insert(number, id);
        self.unanswered.insert(number, cseq.to_owned());
        number
    }

    /// Notes that a request is a STOP: the requests that its response names are over.
    pub(super) fn begin_stop(&mut self, number: RequestId) {
        self.requests.stops.insert(number);
    }

    pub(super) const fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Notes what is over after a message.
    pub(super) fn note(&mut self, message: &Message) {
        let state = match message {
            Message::Request(_) => return,
            Message::Response(response) => response.state,
            Message::Event(event) => event.state,
        };
        if state == RequestState::Complete {
            self.requests.live.remove(&message.id());
        }
        // Requests that a STOP has ended get no event. Other responses name those that go on.
        if !self.requests.stops.remove(&message.id()) {
            return;
        }
        let stopped = message.headers().get(HeaderName::ActiveRequestIdList).map(request_ids);
        for id in stopped.and_then(Result::ok).into_iter().flatten() {
            self.requests.live.remove(&id);
        }
    }
}

impl Ids for Requests {
    fn of_client(&self, id: v1::RequestId) -> RequestId {
        let found = self.live.iter().find(|(_, known)| **known == id);
        // No request has the number 0.
        found.map_or(RequestId(0), |(number, _)| *number)
    }

    fn of_server(&self, id: RequestId) -> Option<v1::RequestId> {
        self.live.get(&id).copied()
    }
}
