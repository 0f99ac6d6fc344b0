//! One control channel of a recognizer, RFC 6787 sections 4.2 and 9.1: its state, and what it says.
//!
//! Requests come in by [`held`](crate::session::mrcp::held), which calls the methods here and beside.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audio::SampleTime;
use crate::detect::{self, InputType};
use crate::grammar::Store;
use crate::session::mrcp::answer::WithCause;
use crate::session::mrcp::cookies::Cookies;
use crate::session::mrcp::held::{Held, Unready};
use crate::session::mrcp::keys::{Collector, KeysEnd, Pushed, TypeAhead};
use crate::session::mrcp::params::Params;
use crate::session::mrcp::recognition::{Completion, Heard, Recognition};
use crate::session::mrcp::waveform::waveform_uri;
use crate::session::mrcp::{Config, Outbox};
use crate::session::{ConnectionId, Output, Waveform};
use crate::wire::mrcp::{
    ChannelIdentifier, CompletionCause, Event, EventName, HeaderName, Method, On, Request, RequestState, Response,
    StatusCode, quote,
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
/// DEFINE-GRAMMAR and INTERPRET are refused while Recognizing; RECOGNIZE is queued then, or cancels the active one.
/// GET-RESULT is for Recognized alone. INTERPRET, which takes no time, changes no state.
#[derive(Debug)]
pub(super) enum State {
    Idle,
    Recognizing(Box<Active>),
    Recognized(Box<Finished>),
}

/// The recognition that runs.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) recognition: Recognition,
    /// Number of its listening.
    pub(super) generation: u64,
    /// Whether the listening runs: not any more when keys were pressed that decide instead.
    pub(super) listening: bool,
    /// Whether input began.
    heard: bool,
    /// When sound began that counts as input.
    speech: Option<SampleTime>,
    pub(super) timers_started: bool,
    /// Keys, if a grammar is one of keys.
    keys: Option<Collector>,
    /// What was recorded.
    waveform: Option<Waveform>,
    /// When detection must have concluded.
    backstop: Instant,
    /// The latest that `backstop` can be.
    latest: Instant,
}

/// The last recognition, for GET-RESULT (section 9.14: kept until the next RECOGNIZE).
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) recognition: Recognition,
    pub(super) heard: Heard,
    pub(super) waveform: Option<Waveform>,
}

/// Keys and sound may come of one sound: of keys in band the tones are heard before the key is known. Milliseconds.
const SAME_INPUT_MS: u64 = 200;

/// A control channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(super) identifier: ChannelIdentifier,
    pub(super) config: Arc<Config>,
    pub(super) params: Params,
    pub(super) cookies: Cookies,
    pub(super) grammars: Store,
    pub(super) state: State,
    /// RECOGNIZE requests that are PENDING.
    pub(super) queue: VecDeque<Recognition>,
    /// Requests that are not answered yet: the first one is held for documents.
    pub(super) waiting: VecDeque<Held>,
    /// Keys that nobody took yet.
    pub(super) ahead: TypeAhead,
    /// Connections that carried a request for this channel, the newest last.
    connections: Vec<ConnectionId>,
    /// Events that found no connection.
    undelivered: Vec<Event>,
    call_uuid: Option<String>,
    /// What the call is called here.
    pub(super) call_id: Option<Arc<str>>,
    pub(super) draining: bool,
}

impl Channel {
    pub(in crate::session) fn new(
        identifier: ChannelIdentifier,
        config: Arc<Config>,
        call_id: Option<Arc<str>>,
        draining: bool,
    ) -> Self {
        Self {
            params: Params::default(),
            cookies: Cookies::default(),
            grammars: Store::new(config.max_grammars),
            identifier,
            config,
            state: State::Idle,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            ahead: TypeAhead::default(),
            connections: Vec::new(),
            undelivered: Vec::new(),
            call_uuid: None,
            call_id,
            draining,
        }
    }

    /// Whether a recognition runs, or a request is not answered yet.
    pub(in crate::session) fn is_busy(&self) -> bool {
        self.is_recognizing() || !self.waiting.is_empty()
    }

    pub(super) const fn is_recognizing(&self) -> bool {
        matches!(self.state, State::Recognizing(_))
    }

    pub(in crate::session) fn call_uuid(&self) -> Option<&str> {
        self.call_uuid.as_deref()
    }

    pub(in crate::session) fn logging_tag(&self) -> Option<&str> {
        self.params.text(HeaderName::LoggingTag)
    }

    pub(in crate::session) fn poll_timeout(&self) -> Option<Instant> {
        let documents = self.waiting.iter().filter_map(Held::poll_timeout);
        let active = match &self.state {
            State::Recognizing(active) => active.poll_timeout(),
            State::Idle | State::Recognized(_) => None,
        };
        documents.chain(active).min()
    }

    pub(in crate::session) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        for held in &mut self.waiting {
            held.handle_timeout(now, outbox);
        }
        if let State::Recognizing(active) = &mut self.state {
            let keys = active.keys.as_mut().and_then(|keys| keys.handle_timeout(now));
            let overdue = active.listening && active.backstop <= now;
            if let Some(end) = keys {
                self.end_by_keys(now, end, outbox);
            } else if overdue {
                self.fail(now, "detection told nothing in time", outbox);
            }
        }
        self.advance(now, outbox);
    }

    /// A request came over `connection`: events that found none before go there first.
    pub(in crate::session) fn seen_on(&mut self, connection: ConnectionId, outbox: &mut Outbox) {
        self.connections.retain(|known| *known != connection);
        self.connections.push(connection);
        for event in self.undelivered.drain(..) {
            outbox.tell(connection, event);
        }
    }

    pub(in crate::session) fn handle_disconnect(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        outbox: &mut Outbox,
    ) {
        self.connections.retain(|known| *known != connection);
        self.waiting.retain_mut(|held| {
            let gone = held.connection == connection;
            if gone {
                held.cancel(outbox);
            }
            !gone
        });
        self.advance(now, outbox);
    }

    /// Tries a request: answers it, or tells why it can't be answered as it asks.
    pub(super) fn attempt(&mut self, now: Instant, held: &mut Held, outbox: &mut Outbox) -> Result<(), Unready> {
        let request = &held.request;
        let response = match request.method {
            Method::SetParams => self.set_params(request),
            Method::GetParams => {
                let defaults = Params::defaults(&self.config);
                self.params.get(&defaults, &self.cookies, request)
            }
            Method::DefineGrammar => return self.define_grammar(held, outbox),
            Method::Recognize => return self.recognize(now, held, outbox),
            Method::Interpret => return self.interpret(held, outbox),
            Method::GetResult => self.get_result(request),
            Method::StartInputTimers => self.start_input_timers(now, request, outbox),
            Method::Stop
            | Method::StartPhraseEnrollment
            | Method::EnrollmentRollback
            | Method::EndPhraseEnrollment
            | Method::ModifyPhrase
            | Method::DeletePhrase
            | Method::Other(_) => request.response(StatusCode::METHOD_NOT_ALLOWED),
        };
        outbox.respond(held.connection, response);
        Ok(())
    }

    fn set_params(&mut self, request: &Request) -> Response {
        let params = match Params::of_set_params(&request.headers, &self.config) {
            Ok(params) => params,
            Err(refusal) => return refusal.response(request),
        };
        match Params::of_context(request, &self.config) {
            Ok(Some(context)) => self.params.merge(&context),
            Ok(None) => {}
            Err(response) => return response,
        }
        self.note(&params);
        self.params.merge(&params);
        request.response(params.success())
    }

    /// Takes what a request says beside what it asks: the call's identifier, and cookies.
    pub(super) fn note(&mut self, params: &Params) {
        if let Some(uuid) = params.call_uuid() {
            self.call_uuid = Some(uuid.to_owned());
        }
        for cookies in params.cookies() {
            self.cookies.set(cookies);
        }
    }

    /// Section 9.11: the last recognition's result, computed anew.
    fn get_result(&self, request: &Request) -> Response {
        let State::Recognized(finished) = &self.state else {
            return request.response(StatusCode::METHOD_NOT_VALID);
        };
        let params = match Params::of_request(&request.headers, On::GET_RESULT, &self.config) {
            Ok(params) => params,
            Err(refusal) => return refusal.response(request),
        };
        let completion = finished.recognition.with(&params).complete(&finished.heard);
        let mut response = request.response(params.success()).with_cause(completion.cause);
        if !completion.reason.is_empty() {
            response = response.with(HeaderName::CompletionReason, quote(&completion.reason));
        }
        if finished.recognition.recording.is_some() {
            response = response.with(HeaderName::WaveformUri, waveform_uri(finished.waveform.as_ref()));
        }
        match completion.result {
            Some((media_type, body)) => response.with_body(media_type, body),
            None => response,
        }
    }

    /// Makes a recognition the active one. Keys that were pressed ahead are its first input.
    pub(super) fn begin(&mut self, now: Instant, recognition: Recognition, outbox: &mut Outbox) {
        let latest = now + Duration::from_millis(self.config.max_recognition_ms);
        let mut active = Box::new(Active {
            generation: outbox.next_generation(),
            listening: false,
            heard: false,
            speech: None,
            timers_started: recognition.listen.start_input_timers,
            keys: recognition.timing.map(Collector::new),
            waveform: None,
            backstop: latest,
            latest,
            recognition,
        });
        active.set_backstop(now, &self.config);
        let takes_keys = active.keys.is_some();
        self.state = State::Recognizing(active);
        let kept = self.params.milliseconds(HeaderName::DtmfBufferTime).unwrap_or(self.config.dtmf_buffer_time_ms);
        let kept = Duration::from_millis(kept);
        let generation = outbox.generation();
        let is_active = |state: &State| matches!(state, State::Recognizing(active) if active.generation == generation);
        while takes_keys && is_active(&self.state) {
            let Some(key) = self.ahead.pop(now, kept) else { break };
            self.key(now, key, None, outbox);
        }
        if let State::Recognizing(active) = &mut self.state
            && active.generation == generation
            && (active.recognition.is_hotword() || !active.heard)
        {
            active.listening = true;
            outbox.push(Output::Listen {
                channel: self.identifier.clone(),
                generation,
                listen: active.recognition.listen.clone(),
                waveform: active.recognition.waveform.take(),
                media_type: active.recognition.recording.clone(),
            });
        }
    }

    fn start_input_timers(&mut self, now: Instant, request: &Request, outbox: &mut Outbox) -> Response {
        if let State::Recognizing(active) = &mut self.state
            && active.listening
            && !active.timers_started
        {
            active.timers_started = true;
            active.set_backstop(now, &self.config);
            let (channel, generation) = (self.identifier.clone(), active.generation);
            outbox.push(Output::StartInputTimers { channel, generation });
            // Section 6.2.3: the request that is touched is named.
            let touched = active.recognition.id.to_string();
            return request.response(StatusCode::SUCCESS).with(HeaderName::ActiveRequestIdList, touched);
        }
        // Also if the recognition is over: mod_unimrcp sends this at the end of a prompt, and its channel is of no use any
        // more after any other answer.
        request.response(StatusCode::SUCCESS)
    }

    pub(in crate::session) fn handle_detect(
        &mut self,
        now: Instant,
        generation: u64,
        event: detect::Event,
        outbox: &mut Outbox,
    ) {
        if let detect::Event::Key { key, at } = event {
            return self.key(now, key, Some(at), outbox);
        }
        let State::Recognizing(active) = &mut self.state else { return };
        if active.generation != generation || !active.listening {
            return;
        }
        match event {
            // MRCP carries one result, which is not corrected.
            detect::Event::Key { .. } | detect::Event::Provisional(_) => {}
            detect::Event::InputStarted { input, at } => {
                if input == InputType::Speech {
                    active.speech.get_or_insert(at);
                }
                self.input_started(now, input, outbox);
            }
            detect::Event::Concluded(outcome) => {
                active.listening = false;
                self.end(now, Heard::Sound(outcome), outbox);
            }
        }
    }

    pub(in crate::session) fn handle_recorded(&mut self, generation: u64, waveform: Waveform) {
        if let State::Recognizing(active) = &mut self.state
            && active.generation == generation
        {
            active.waveform = Some(waveform);
        }
    }

    /// Input began: START-OF-INPUT, once.
    fn input_started(&mut self, now: Instant, input: InputType, outbox: &mut Outbox) {
        let State::Recognizing(active) = &mut self.state else { return };
        if active.heard {
            return;
        }
        active.heard = true;
        active.set_backstop(now, &self.config);
        // In hotword mode it is not sent (section 9.9): the prompt would stop at any speech.
        if active.recognition.is_hotword() {
            return;
        }
        let (id, connection) = (active.recognition.id, active.recognition.connection);
        let input = match input {
            InputType::Speech => "speech",
            InputType::Dtmf => "dtmf",
        };
        let sync = format!("{}-{}", self.identifier.session(), active.generation);
        let event = Event::new(self.identifier.clone(), EventName::StartOfInput, id, RequestState::InProgress);
        let event = event.with(HeaderName::InputType, input).with(HeaderName::ProxySyncId, sync);
        self.tell(connection, event, outbox);
    }

    /// A key was pressed, or (`at` is `None`) was pressed ahead.
    fn key(&mut self, now: Instant, key: char, at: Option<SampleTime>, outbox: &mut Outbox) {
        let State::Recognizing(active) = &mut self.state else { return self.ahead.push(now, key) };
        let (hotword, generation) = (active.recognition.is_hotword(), active.generation);
        // With grammars of words alone it is input that matches none of them; detection tells that input began.
        if active.keys.is_none() {
            return;
        }
        // The first input decides; but what is heard of the key itself is no other input.
        let spoken = active.speech.zip(at).is_some_and(|(speech, at)| speech.plus_ms(SAME_INPUT_MS) < at);
        if !hotword {
            if spoken && active.listening {
                return;
            }
            if std::mem::take(&mut active.listening) {
                outbox.push(Output::Unlisten { channel: self.identifier.clone(), generation });
            }
            self.input_started(now, InputType::Dtmf, outbox);
        }
        let State::Recognizing(active) = &mut self.state else { return };
        let Active { keys: Some(keys), recognition, .. } = &mut **active else { return };
        match keys.push(now, key, |keys| recognition.fit(keys)) {
            Pushed::Taken => {}
            Pushed::Ended(end) => self.end_by_keys(now, end, outbox),
            Pushed::EndedBefore(end) => {
                self.ahead.put_back(now, key);
                self.end_by_keys(now, end, outbox);
            }
        }
    }

    fn end_by_keys(&mut self, now: Instant, end: KeysEnd, outbox: &mut Outbox) {
        let State::Recognizing(active) = &self.state else { return };
        let keys = active.keys.as_ref().map_or_else(String::new, |keys| keys.keys().to_owned());
        self.end(now, Heard::Keys(keys, end), outbox);
    }

    /// The active recognition is over: it is told, and what waits begins, or is cancelled if this one failed.
    fn end(&mut self, now: Instant, heard: Heard, outbox: &mut Outbox) {
        let cause = self.end_active(heard, outbox);
        if matches!(cause, Some(CompletionCause::SUCCESS | CompletionCause::SUCCESS_MAXTIME)) {
            self.begin_next(now, outbox);
        } else {
            self.cancel_queue("a RECOGNIZE before this one failed", outbox);
        }
    }

    /// Ends what runs and waits because of a failure here.
    pub(in crate::session) fn fail(&mut self, _now: Instant, reason: &str, outbox: &mut Outbox) {
        if self.is_recognizing() {
            self.end_active(Heard::Nothing(CompletionCause::RECOGNIZER_ERROR, reason.to_owned()), outbox);
            self.cancel_queue(reason, outbox);
        }
    }

    /// Ends everything, and refuses what comes.
    pub(in crate::session) fn drain(&mut self, now: Instant, outbox: &mut Outbox) {
        let reason = "the server is shutting down";
        self.draining = true;
        self.fail(now, reason, outbox);
        self.refuse_waiting(now, CompletionCause::RECOGNIZER_ERROR, reason, |_| true, outbox);
    }

    /// The channel is gone: nothing is told.
    pub(in crate::session) fn abandon(&mut self, outbox: &mut Outbox) {
        self.unlisten(outbox);
        for mut held in self.waiting.drain(..) {
            held.cancel(outbox);
        }
        self.state = State::Idle;
        self.queue.clear();
    }

    /// Ends the listening, if one runs.
    pub(super) fn unlisten(&mut self, outbox: &mut Outbox) {
        if let State::Recognizing(active) = &mut self.state
            && std::mem::take(&mut active.listening)
        {
            outbox.push(Output::Unlisten { channel: self.identifier.clone(), generation: active.generation });
        }
    }

    /// Tells RECOGNITION-COMPLETE for the active request. Returns its cause.
    pub(super) fn end_active(&mut self, heard: Heard, outbox: &mut Outbox) -> Option<CompletionCause> {
        self.unlisten(outbox);
        let State::Recognizing(active) = std::mem::replace(&mut self.state, State::Idle) else { return None };
        let Active { recognition, waveform, .. } = *active;
        let completion = recognition.complete(&heard);
        let cause = completion.cause;
        self.complete(&recognition, waveform.as_ref(), completion, outbox);
        self.state = State::Recognized(Box::new(Finished { recognition, heard, waveform }));
        Some(cause)
    }

    fn complete(
        &mut self,
        recognition: &Recognition,
        waveform: Option<&Waveform>,
        completion: Completion,
        outbox: &mut Outbox,
    ) {
        let name = EventName::RecognitionComplete;
        let mut event = Event::new(self.identifier.clone(), name, recognition.id, RequestState::Complete);
        event = event.with(HeaderName::CompletionCause, completion.cause.to_string());
        if !completion.reason.is_empty() {
            event = event.with(HeaderName::CompletionReason, quote(&completion.reason));
        }
        if recognition.recording.is_some() {
            // Empty: nothing could be recorded (section 9.4.8).
            event = event.with(HeaderName::WaveformUri, waveform_uri(waveform));
        }
        for cookie in &recognition.cookies {
            event = event.with(HeaderName::SetCookie, cookie);
        }
        if let Some((media_type, body)) = completion.result {
            event = event.with_body(media_type, body);
        }
        self.tell(recognition.connection, event, outbox);
    }

    fn cancel_queue(&mut self, reason: &str, outbox: &mut Outbox) {
        for waiting in std::mem::take(&mut self.queue) {
            self.complete(&waiting, None, Completion::failed(CompletionCause::CANCELLED, reason), outbox);
        }
    }

    pub(super) fn begin_next(&mut self, now: Instant, outbox: &mut Outbox) {
        if !self.is_recognizing()
            && let Some(next) = self.queue.pop_front()
        {
            self.begin(now, next, outbox);
        }
    }

    /// Sends an event over `connection`, or if that is gone over the newest one that the client used for this channel.
    pub(super) fn tell(&mut self, connection: ConnectionId, event: Event, outbox: &mut Outbox) {
        let live = self.connections.contains(&connection).then_some(connection);
        match live.or_else(|| self.connections.last().copied()) {
            Some(connection) => outbox.tell(connection, event),
            // Nobody waits for a START-OF-INPUT that is late.
            None if event.name == EventName::StartOfInput => {}
            None => self.undelivered.push(event),
        }
    }
}

impl Active {
    fn set_backstop(&mut self, now: Instant, config: &Config) {
        let longest = self.recognition.longest(self.heard, self.timers_started);
        let grace = Duration::from_millis(config.backstop_grace_ms);
        self.backstop = longest.map_or(self.latest, |longest| (now + longest + grace).min(self.latest));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let keys = self.keys.as_ref().and_then(Collector::poll_timeout);
        keys.into_iter().chain(self.listening.then_some(self.backstop)).min()
    }
}
