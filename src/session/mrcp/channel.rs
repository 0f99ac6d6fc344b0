//! One control channel of a recognizer, RFC 6787 sections 4.2 and 9.1: requests in, responses and events out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::detect::{self, InputType};
use crate::grammar::{self, Body, Documents, Failure, Resolution, Resolved, Store};
use crate::session::mrcp::params::{Params, Refusal};
use crate::session::mrcp::recognition::{Completion, Recognition};
use crate::session::mrcp::{Config, Outbox};
use crate::session::{ConnectionId, Output};
use crate::wire::mrcp::{
    ChannelIdentifier, CompletionCause, Event, EventName, HeaderName, MediaType, Method, On, Request, RequestId,
    RequestState, Response, StatusCode, quote, request_ids,
};

/// The recognizer's state, RFC 6787 section 9.1.
///
/// ```text
///   Idle ---- RECOGNIZE ----> Recognizing ---- RECOGNITION-COMPLETE ----> Recognized
///    ^                          |   ^                                        |
///    +--------- STOP -----------+   +--------------- RECOGNIZE --------------+
///    +------------------------ STOP, DEFINE-GRAMMAR -------------------------+
/// ```
///
/// DEFINE-GRAMMAR is refused while Recognizing; RECOGNIZE is queued then, or cancels the active one.
#[derive(Debug)]
enum State {
    Idle,
    Recognizing(Box<Active>),
    Recognized,
}

/// The recognition that runs.
#[derive(Debug)]
struct Active {
    recognition: Recognition,
    /// Number of its listening.
    generation: u64,
    heard: bool,
    timers_started: bool,
    /// When detection must have concluded.
    backstop: Instant,
    /// The latest that `backstop` can be.
    latest: Instant,
}

/// A control channel.
#[derive(Debug)]
pub(crate) struct Channel {
    identifier: ChannelIdentifier,
    config: Arc<Config>,
    params: Params,
    grammars: Store,
    state: State,
    queue: VecDeque<Recognition>,
    /// Connections that carried a request for this channel, the newest last.
    connections: Vec<ConnectionId>,
    /// Events that found no connection.
    undelivered: Vec<Event>,
    call_uuid: Option<String>,
}

impl Channel {
    pub(in crate::session) fn new(identifier: ChannelIdentifier, config: Arc<Config>) -> Self {
        Self {
            params: Params::default(),
            grammars: Store::new(config.max_grammars),
            identifier,
            config,
            state: State::Idle,
            queue: VecDeque::new(),
            connections: Vec::new(),
            undelivered: Vec::new(),
            call_uuid: None,
        }
    }

    pub(in crate::session) const fn is_busy(&self) -> bool {
        matches!(self.state, State::Recognizing(_))
    }

    pub(in crate::session) fn call_uuid(&self) -> Option<&str> {
        self.call_uuid.as_deref()
    }

    pub(in crate::session) fn logging_tag(&self) -> Option<&str> {
        self.params.text(HeaderName::LoggingTag)
    }

    pub(in crate::session) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Recognizing(active) => Some(active.backstop),
            State::Idle | State::Recognized => None,
        }
    }

    /// A request came over `connection`: events that found none before go there first.
    pub(in crate::session) fn seen_on(&mut self, connection: ConnectionId, outbox: &mut Outbox) {
        self.connections.retain(|known| *known != connection);
        self.connections.push(connection);
        for event in self.undelivered.drain(..) {
            outbox.tell(connection, event);
        }
    }

    pub(in crate::session) fn handle_disconnect(&mut self, connection: ConnectionId) {
        self.connections.retain(|known| *known != connection);
    }

    /// Answers a request: each method answers exactly once.
    pub(in crate::session) fn handle_request(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &Request,
        draining: bool,
        outbox: &mut Outbox,
    ) {
        let response = match request.method {
            Method::SetParams => self.set_params(request),
            Method::GetParams => self.params.get(&Params::defaults(&self.config), request),
            Method::DefineGrammar => self.define_grammar(request),
            Method::Recognize => return self.recognize(now, connection, request, draining, outbox),
            Method::StartInputTimers => self.start_input_timers(now, request, outbox),
            Method::Stop => return self.stop(now, connection, request, outbox),
            Method::Interpret
            | Method::GetResult
            | Method::StartPhraseEnrollment
            | Method::EnrollmentRollback
            | Method::EndPhraseEnrollment
            | Method::ModifyPhrase
            | Method::DeletePhrase
            | Method::Other(_) => request.response(StatusCode::METHOD_NOT_ALLOWED),
        };
        outbox.respond(connection, response);
    }

    fn set_params(&mut self, request: &Request) -> Response {
        match Params::of_set_params(&request.headers) {
            Ok(params) => {
                self.note_call(&params);
                self.params.merge(&params);
                request.response(StatusCode::SUCCESS)
            }
            Err(refusal) => refusal.response(request),
        }
    }

    fn note_call(&mut self, params: &Params) {
        if let Some(uuid) = params.call_uuid() {
            self.call_uuid = Some(uuid.to_owned());
        }
    }

    fn define_grammar(&mut self, request: &Request) -> Response {
        let failed = CompletionCause::GRAMMAR_DEFINITION_FAILURE;
        if self.is_busy() {
            return refused(request.response(StatusCode::METHOD_NOT_VALID), failed, "a recognition is in progress");
        }
        match Params::of_request(&request.headers, On::DEFINE_GRAMMAR) {
            Ok(params) => self.note_call(&params),
            Err(refusal) => return refusal_with(refusal, request, failed),
        }
        self.state = State::Idle;
        let content_id = request.headers.get(HeaderName::ContentId);
        if request.body.is_empty() {
            // An empty body takes the Content-ID's grammar away (section 9.5.1).
            let Some(content_id) = content_id else {
                return refused(request.response(StatusCode::MISSING_HEADER), failed, "no Content-ID");
            };
            self.grammars.forget(content_id);
            return request.response(StatusCode::SUCCESS).with_cause(CompletionCause::SUCCESS);
        }
        let resolved = match self.resolve(request) {
            Ok(resolved) => resolved,
            Err(response) => return with_cause_if_missing(response, failed),
        };
        let inline = resolved.inline.len();
        if content_id.is_none() && inline < resolved.active.len() && resolved.inline.is_empty() {
            let typed = request.headers.get(HeaderName::ContentType).and_then(MediaType::parse);
            if typed.is_some_and(|media_type| media_type.essence.ends_with("xml")) {
                return refused(request.response(StatusCode::MISSING_HEADER), failed, "no Content-ID");
            }
        }
        let silent = resolved.active.iter().all(|active| active.grammar.accepts() == detect::LabelSet::EMPTY);
        let mut kept = self.keep_inline(&resolved);
        if let Some(content_id) = content_id {
            kept = kept.and_then(|()| self.grammars.define(content_id, resolved.active));
        }
        match kept {
            Ok(()) => {
                let response = request.response(StatusCode::SUCCESS).with_cause(CompletionCause::SUCCESS);
                if silent { response.with(HeaderName::CompletionReason, quote(NEVER)) } else { response }
            }
            Err(error) => grammar_failure(request, &error),
        }
    }

    fn keep_inline(&mut self, resolved: &Resolved) -> Result<(), grammar::Error> {
        for (id, active) in &resolved.inline {
            self.grammars.define(id, vec![active.clone()])?;
        }
        Ok(())
    }

    /// The grammars of a request's body, or the response that says why there are none.
    fn resolve(&self, request: &Request) -> Result<Resolved, Response> {
        let Some(content_type) = request.headers.get(HeaderName::ContentType) else {
            let response = request.response(StatusCode::MISSING_HEADER);
            return Err(response.with(HeaderName::CompletionReason, quote("no Content-Type")));
        };
        let illegal = |status, name: HeaderName, value: &str| {
            let mut response = request.response(status);
            response.headers.push(name, value);
            response
        };
        let Some(media_type) = MediaType::parse(content_type) else {
            return Err(illegal(StatusCode::ILLEGAL_VALUE, HeaderName::ContentType, content_type));
        };
        if let Some(encoding) = request.headers.get(HeaderName::ContentEncoding)
            && !encoding.eq_ignore_ascii_case("identity")
        {
            return Err(illegal(StatusCode::UNSUPPORTED_VALUE, HeaderName::ContentEncoding, encoding));
        }
        let body = Body {
            media_type: &media_type.essence,
            boundary: media_type.parameter("boundary"),
            content_id: request.headers.get(HeaderName::ContentId),
            content_base: request.headers.get(HeaderName::ContentBase),
            content_location: request.headers.get(HeaderName::ContentLocation),
            bytes: &request.body,
        };
        let resolution = grammar::resolve(&body, &self.grammars, &Documents::new());
        match resolution.map_err(|error| grammar_failure(request, &error))? {
            Resolution::Done(resolved) => Ok(resolved),
            Resolution::Needs(uris) => {
                let uri = uris.into_iter().next().unwrap_or_default();
                let reason = format!("{uri} is not fetched: builtin: and session: grammars are served");
                let cause = Some("not-supported".to_owned());
                let error = grammar::Error { failure: Failure::Uri, reason, uri: Some(uri), cause };
                Err(grammar_failure(request, &error))
            }
        }
    }

    fn recognize(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &Request,
        draining: bool,
        outbox: &mut Outbox,
    ) {
        let recognition = match self.prepare(connection, request, draining) {
            Ok(recognition) => recognition,
            Err(response) => {
                return outbox.respond(connection, with_cause_if_missing(response, CompletionCause::RECOGNIZER_ERROR));
            }
        };
        let never = recognition.can_never_match();
        let answer = |state| {
            let mut response = request.response(StatusCode::SUCCESS);
            response.state = state;
            if never { response.with(HeaderName::CompletionReason, quote(NEVER)) } else { response }
        };
        if matches!(&self.state, State::Recognizing(active) if active.recognition.cancel_if_queue) {
            let reason = format!("cancelled by RECOGNIZE {}", request.id);
            self.end_active(Completion { cause: CompletionCause::CANCELLED, reason, result: None }, true, outbox);
        }
        if self.is_busy() || !self.queue.is_empty() {
            self.queue.push_back(recognition);
            outbox.respond(connection, answer(RequestState::Pending));
            return self.begin_next(now, outbox);
        }
        outbox.respond(connection, answer(RequestState::InProgress));
        self.begin(now, recognition, outbox);
    }

    /// What a RECOGNIZE asks for, or the response that says why it can't be had.
    fn prepare(
        &mut self,
        connection: ConnectionId,
        request: &Request,
        draining: bool,
    ) -> Result<Recognition, Response> {
        let failed = |status, reason| refused(request.response(status), CompletionCause::RECOGNIZER_ERROR, reason);
        if draining {
            return Err(failed(StatusCode::FAILED, "the server is shutting down"));
        }
        let params = Params::of_request(&request.headers, On::RECOGNIZE)
            .map_err(|refusal| refusal_with(refusal, request, CompletionCause::RECOGNIZER_ERROR))?;
        self.note_call(&params);
        let would_wait = match &self.state {
            State::Recognizing(active) => !active.recognition.cancel_if_queue || !self.queue.is_empty(),
            State::Idle | State::Recognized => false,
        };
        if would_wait && self.queue.len() >= self.config.max_queued {
            return Err(failed(StatusCode::METHOD_NOT_VALID, "too many requests are pending"));
        }
        let resolved = self.resolve(request)?;
        self.keep_inline(&resolved).map_err(|error| grammar_failure(request, &error))?;
        Recognition::new((request.id, connection), &params, &self.params, resolved.active, &self.config)
            .map_err(|refusal| refusal_with(refusal, request, CompletionCause::RECOGNIZER_ERROR))
    }

    fn begin(&mut self, now: Instant, recognition: Recognition, outbox: &mut Outbox) {
        let generation = outbox.next_generation();
        outbox.push(Output::Listen {
            channel: self.identifier.clone(),
            generation,
            listen: recognition.listen.clone(),
            waveform: None,
            media_type: None,
        });
        let latest = now + Duration::from_millis(self.config.max_recognition_ms);
        let timers_started = recognition.listen.start_input_timers;
        let mut active =
            Box::new(Active { recognition, generation, heard: false, timers_started, backstop: latest, latest });
        active.set_backstop(now, &self.config);
        self.state = State::Recognizing(active);
    }

    fn start_input_timers(&mut self, now: Instant, request: &Request, outbox: &mut Outbox) -> Response {
        if let State::Recognizing(active) = &mut self.state
            && !active.timers_started
        {
            active.timers_started = true;
            active.set_backstop(now, &self.config);
            let (channel, generation) = (self.identifier.clone(), active.generation);
            outbox.push(Output::StartInputTimers { channel, generation });
        }
        // Also if the recognition is over: mod_unimrcp sends this at the end of a prompt, and its channel is of no use any
        // more after any other answer.
        request.response(StatusCode::SUCCESS)
    }

    fn stop(&mut self, now: Instant, connection: ConnectionId, request: &Request, outbox: &mut Outbox) {
        let list = request.headers.get(HeaderName::ActiveRequestIdList).filter(|list| !list.is_empty());
        let Ok(chosen) = list.map(request_ids).transpose() else {
            let value = list.unwrap_or_default();
            let response = request.response(StatusCode::ILLEGAL_VALUE);
            return outbox.respond(connection, response.with(HeaderName::ActiveRequestIdList, value));
        };
        let is_chosen = |id: RequestId| chosen.as_ref().is_none_or(|ids| ids.contains(&id));
        let mut stopped = Vec::new();
        let active = matches!(&self.state, State::Recognizing(active) if is_chosen(active.recognition.id));
        if active && let State::Recognizing(active) = std::mem::replace(&mut self.state, State::Idle) {
            stopped.push(active.recognition.id);
            let channel = self.identifier.clone();
            outbox.push(Output::Unlisten { channel, generation: active.generation });
        }
        if !self.is_busy() && list.is_none() {
            self.state = State::Idle;
        }
        self.queue.retain(|waiting| {
            let stop = is_chosen(waiting.id);
            if stop {
                stopped.push(waiting.id);
            }
            !stop
        });
        let mut response = request.response(StatusCode::SUCCESS);
        if !stopped.is_empty() {
            let ids: Vec<String> = stopped.iter().map(ToString::to_string).collect();
            response.headers.push(HeaderName::ActiveRequestIdList, ids.join(","));
        }
        outbox.respond(connection, response);
        if active {
            self.begin_next(now, outbox);
        }
    }

    pub(in crate::session) fn handle_detect(
        &mut self,
        now: Instant,
        generation: u64,
        event: detect::Event,
        outbox: &mut Outbox,
    ) {
        let State::Recognizing(active) = &mut self.state else { return };
        if active.generation != generation {
            return;
        }
        match event {
            detect::Event::Key { .. } => {}
            detect::Event::InputStarted { input, .. } => {
                if active.heard {
                    return;
                }
                active.heard = true;
                active.set_backstop(now, &self.config);
                // In hotword mode it is not sent (section 9.9): the prompt would stop at any speech.
                if !active.recognition.is_hotword() {
                    let (id, connection) = (active.recognition.id, active.recognition.connection);
                    let input = match input {
                        InputType::Speech => "speech",
                        InputType::Dtmf => "dtmf",
                    };
                    let sync = format!("{}-{generation}", self.identifier.session());
                    let event = self.event(EventName::StartOfInput, id, RequestState::InProgress);
                    let event = event.with(HeaderName::InputType, input).with(HeaderName::ProxySyncId, sync);
                    self.tell(connection, event, outbox);
                }
            }
            detect::Event::Concluded(outcome) => {
                let completion = active.recognition.complete(&outcome);
                let success = matches!(completion.cause, CompletionCause::SUCCESS | CompletionCause::SUCCESS_MAXTIME);
                self.end_active(completion, false, outbox);
                if success {
                    self.begin_next(now, outbox);
                } else {
                    self.cancel_queue("a RECOGNIZE before this one failed", outbox);
                }
            }
        }
    }

    /// Ends what runs and waits because of a failure here.
    pub(in crate::session) fn fail(&mut self, _now: Instant, reason: &str, outbox: &mut Outbox) {
        if self.is_busy() {
            let cause = CompletionCause::RECOGNIZER_ERROR;
            self.end_active(Completion { cause, reason: reason.to_owned(), result: None }, true, outbox);
            self.cancel_queue(reason, outbox);
        }
    }

    /// The channel is gone: nothing is told.
    pub(in crate::session) fn abandon(&mut self, outbox: &mut Outbox) {
        if let State::Recognizing(active) = &self.state {
            outbox.push(Output::Unlisten { channel: self.identifier.clone(), generation: active.generation });
        }
        self.state = State::Idle;
        self.queue.clear();
    }

    /// Tells RECOGNITION-COMPLETE for the active request. `listening`: detection has not concluded and is to stop.
    fn end_active(&mut self, completion: Completion, listening: bool, outbox: &mut Outbox) {
        let State::Recognizing(active) = std::mem::replace(&mut self.state, State::Recognized) else { return };
        if listening {
            outbox.push(Output::Unlisten { channel: self.identifier.clone(), generation: active.generation });
        }
        self.complete(&active.recognition, completion, outbox);
    }

    fn complete(&mut self, recognition: &Recognition, completion: Completion, outbox: &mut Outbox) {
        let mut event = self
            .event(EventName::RecognitionComplete, recognition.id, RequestState::Complete)
            .with(HeaderName::CompletionCause, completion.cause.to_string());
        if !completion.reason.is_empty() {
            event = event.with(HeaderName::CompletionReason, quote(&completion.reason));
        }
        if recognition.save_waveform {
            // Sound is not kept here; an empty header says so (section 9.4.8).
            event = event.with(HeaderName::WaveformUri, "");
        }
        if let Some((media_type, body)) = completion.result {
            event = event.with_body(media_type, body);
        }
        self.tell(recognition.connection, event, outbox);
    }

    fn cancel_queue(&mut self, reason: &str, outbox: &mut Outbox) {
        for waiting in std::mem::take(&mut self.queue) {
            let cause = CompletionCause::CANCELLED;
            self.complete(&waiting, Completion { cause, reason: reason.to_owned(), result: None }, outbox);
        }
    }

    fn begin_next(&mut self, now: Instant, outbox: &mut Outbox) {
        if !self.is_busy()
            && let Some(next) = self.queue.pop_front()
        {
            self.begin(now, next, outbox);
        }
    }

    fn event(&self, name: EventName, id: RequestId, state: RequestState) -> Event {
        Event::new(self.identifier.clone(), name, id, state)
    }

    /// Sends an event over `connection`, or if that is gone over the newest one that the client used for this channel.
    fn tell(&mut self, connection: ConnectionId, event: Event, outbox: &mut Outbox) {
        let live = self.connections.contains(&connection).then_some(connection);
        match live.or_else(|| self.connections.last().copied()) {
            Some(connection) => outbox.tell(connection, event),
            None if event.name == EventName::RecognitionComplete => self.undelivered.push(event),
            // Nobody waits for a START-OF-INPUT that is late.
            None => {}
        }
    }
}

impl Active {
    fn set_backstop(&mut self, now: Instant, config: &Config) {
        let longest = self.recognition.longest(self.heard, self.timers_started);
        let grace = Duration::from_millis(config.backstop_grace_ms);
        self.backstop = longest.map_or(self.latest, |longest| (now + longest + grace).min(self.latest));
    }
}

/// Said of a grammar that no label can match.
const NEVER: &str = "no word of the grammar is a label that can be told: it will never match";

trait WithCause {
    fn with_cause(self, cause: CompletionCause) -> Self;
}

impl WithCause for Response {
    fn with_cause(self, cause: CompletionCause) -> Self {
        self.with(HeaderName::CompletionCause, cause.to_string())
    }
}

fn refused(response: Response, cause: CompletionCause, reason: &str) -> Response {
    response.with_cause(cause).with(HeaderName::CompletionReason, quote(reason))
}

/// A response about headers.
fn refusal_with(refusal: Refusal, request: &Request, cause: CompletionCause) -> Response {
    with_cause_if_missing(refusal.response(request), cause)
}

/// RECOGNIZE and DEFINE-GRAMMAR that fail say a cause (section 9.4.11), first: what is long at the end may be cut.
fn with_cause_if_missing(mut response: Response, cause: CompletionCause) -> Response {
    if response.headers.get(HeaderName::CompletionCause).is_some() {
        return response;
    }
    let headers = std::mem::take(&mut response.headers);
    let mut response = response.with_cause(cause);
    for field in headers.iter() {
        response.headers.push_field(field.name.clone(), field.value.clone());
    }
    response
}

/// A response about a grammar: RFC 6787 sections 9.8 and 9.9 ask for 407, section 5.4 has 408 for a body of no known kind.
fn grammar_failure(request: &Request, error: &grammar::Error) -> Response {
    let (status, cause) = match error.failure {
        Failure::MediaType => (StatusCode::UNSUPPORTED_ENTITY, CompletionCause::GRAMMAR_LOAD_FAILURE),
        Failure::Load => (StatusCode::FAILED, CompletionCause::GRAMMAR_LOAD_FAILURE),
        Failure::Compilation => (StatusCode::FAILED, CompletionCause::GRAMMAR_COMPILATION_FAILURE),
        Failure::Uri => (StatusCode::FAILED, CompletionCause::URI_FAILURE),
        Failure::Definition => (StatusCode::FAILED, CompletionCause::GRAMMAR_DEFINITION_FAILURE),
        Failure::Semantics => (StatusCode::FAILED, CompletionCause::SEMANTICS_FAILURE),
    };
    let mut response = refused(request.response(status), cause, &error.reason);
    if let Some(uri) = &error.uri {
        response.headers.push(HeaderName::FailedUri, uri);
        response.headers.push(HeaderName::FailedUriCause, error.cause.as_deref().unwrap_or("not-usable"));
    }
    response
}
