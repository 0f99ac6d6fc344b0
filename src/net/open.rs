//! The requests of a call that a client waits for: what a call that breaks down leaves to be answered.

use std::collections::HashMap;

use crate::session::ConnectionId;
use crate::wire::mrcp::{
    ChannelIdentifier, CompletionCause, Event, EventName, HeaderName, Message, Method, Request, RequestId,
    RequestState, Response, StatusCode, request_ids,
};

/// Requests without a final answer.
#[derive(Debug, Default)]
pub(super) struct OpenRequests {
    open: HashMap<(ChannelIdentifier, RequestId), OpenRequest>,
    /// The last request that came; it may have the number of another one, and is answered then at once.
    last: Option<(ChannelIdentifier, RequestId, Method)>,
}

#[derive(Debug)]
struct OpenRequest {
    connection: ConnectionId,
    method: Method,
    /// Its response has come, and said that the request goes on.
    answered: bool,
}

impl OpenRequests {
    /// Notes a request that came.
    pub(super) fn asked(&mut self, connection: ConnectionId, request: &Request) {
        let open = OpenRequest { connection, method: request.method.clone(), answered: false };
        self.last = Some((request.channel.clone(), request.id, request.method.clone()));
        // A number that is used twice is refused; the first request that has it goes on.
        self.open.entry((request.channel.clone(), request.id)).or_insert(open);
    }

    /// Notes what the client is told, and tells what it had asked.
    pub(super) fn told(&mut self, message: &Message) -> Option<Method> {
        let key = (message.channel().clone(), message.id());
        let last = self.last.take_if(|(channel, id, _)| *channel == key.0 && *id == key.1);
        let open = self.open.get(&key).map(|open| open.method.clone());
        let method = last.map(|(.., method)| method).or(open);
        self.note(message, key);
        method
    }

    fn note(&mut self, message: &Message, key: (ChannelIdentifier, RequestId)) {
        let state = match message {
            Message::Request(_) => return,
            Message::Response(response) => response.state,
            Message::Event(event) => event.state,
        };
        if state != RequestState::Complete {
            if let Some(open) = self.open.get_mut(&key) {
                open.answered = true;
            }
            return;
        }
        // A response without success to a number that is used twice is not the first request's.
        let refused = matches!(message, Message::Response(response) if !response.status.is_success());
        if refused && self.open.get(&key).is_some_and(|open| open.answered) {
            return;
        }
        let ended = self.open.remove(&key);
        if ended.is_some_and(|open| open.method == Method::Stop) {
            // The requests that a STOP names get no event.
            let stopped = message.headers().get(HeaderName::ActiveRequestIdList).map(request_ids);
            for id in stopped.and_then(Result::ok).into_iter().flatten() {
                self.open.remove(&(key.0.clone(), id));
            }
        }
    }

    /// A connection is gone: nobody waits there for a response. Events find another connection.
    pub(super) fn disconnected(&mut self, connection: ConnectionId) {
        self.open.retain(|_, open| open.answered || open.connection != connection);
    }

    /// A channel is gone, and who waited there.
    pub(super) fn removed(&mut self, channel: &ChannelIdentifier) {
        self.open.retain(|(of, _), _| of != channel);
    }

    /// The final answers that say that all of them have failed, and where they go.
    pub(super) fn fail(&mut self) -> impl Iterator<Item = (ConnectionId, Message)> {
        self.open.drain().map(|((channel, id), open)| {
            let (name, value) = (HeaderName::CompletionCause, CompletionCause::RECOGNIZER_ERROR.to_string());
            let message = if open.answered {
                let event = match open.method {
                    Method::Interpret => EventName::InterpretationComplete,
                    _ => EventName::RecognitionComplete,
                };
                Message::Event(Event::new(channel, event, id, RequestState::Complete).with(name, value))
            } else {
                let response = Request::new(channel, open.method.clone(), id).response(StatusCode::FAILED);
                let of_grammars = matches!(open.method, Method::Recognize | Method::Interpret | Method::DefineGrammar);
                Message::Response(if of_grammars { Response::with(response, name, value) } else { response })
            };
            (open.connection, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> ChannelIdentifier {
        ChannelIdentifier::parse("a@speechrecog").unwrap()
    }

    fn request(method: Method, id: u32) -> Request {
        Request::new(channel(), method, RequestId(id))
    }

    fn left(open: &mut OpenRequests) -> Vec<String> {
        let line = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().next().unwrap().to_owned();
        let mut lines: Vec<String> = open
            .fail()
            .map(|(connection, message)| {
                let line = line(message.write());
                format!("{} {}", connection.0, line.splitn(3, ' ').last().unwrap())
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn those_that_wait_are_told_once() {
        let mut open = OpenRequests::default();
        for (method, id) in
            [(Method::Recognize, 1), (Method::Interpret, 2), (Method::DefineGrammar, 3), (Method::GetParams, 4)]
        {
            open.asked(ConnectionId(7), &request(method, id));
        }
        for id in [1, 2] {
            let mut response = request(Method::Recognize, id).response(StatusCode::SUCCESS);
            response.state = RequestState::InProgress;
            open.told(&Message::Response(response));
        }
        // A further request with the number of one that goes on is refused, and that one goes on.
        open.asked(ConnectionId(7), &request(Method::Recognize, 1));
        open.told(&Message::Response(request(Method::Recognize, 1).response(StatusCode::OUT_OF_ORDER)));
        open.told(&Message::Response(request(Method::GetParams, 4).response(StatusCode::SUCCESS)));
        let lines = ["7 3 407 COMPLETE", "7 INTERPRETATION-COMPLETE 2 COMPLETE", "7 RECOGNITION-COMPLETE 1 COMPLETE"];
        assert_eq!(left(&mut open), lines);
        assert!(left(&mut open).is_empty());
    }

    #[test]
    fn those_that_are_over_are_not_told() {
        let mut open = OpenRequests::default();
        for id in [1, 2] {
            open.asked(ConnectionId(7), &request(Method::Recognize, id));
            let mut response = request(Method::Recognize, id).response(StatusCode::SUCCESS);
            response.state = RequestState::Pending;
            open.told(&Message::Response(response));
        }
        let event = Event::new(channel(), EventName::RecognitionComplete, RequestId(1), RequestState::Complete);
        open.told(&Message::Event(event));
        open.asked(ConnectionId(7), &request(Method::Stop, 3));
        let stopped = request(Method::Stop, 3).response(StatusCode::SUCCESS);
        open.told(&Message::Response(stopped.with(HeaderName::ActiveRequestIdList, "2")));
        open.asked(ConnectionId(7), &request(Method::DefineGrammar, 4));
        open.disconnected(ConnectionId(7));
        assert!(left(&mut open).is_empty());
    }
}
