//! The methods of a recognizer that need grammars, and STOP: RFC 6787 sections 9.8, 9.9, 9.10 and 9.20.

use std::time::Instant;

use crate::detect::LabelSet;
use crate::grammar::{self, Mode, Resolved};
use crate::session::ConnectionId;
use crate::session::mrcp::Outbox;
use crate::session::mrcp::answer::{NEVER, WithCause, grammar_failure, refusal_with, refused};
use crate::session::mrcp::channel::{Channel, State};
use crate::session::mrcp::headers::serves_language;
use crate::session::mrcp::held::{Held, Unready};
use crate::session::mrcp::params::Params;
use crate::session::mrcp::recognition::{Heard, Recognition};
use crate::wire::mrcp::{
    CompletionCause, Event, EventName, HeaderName, MediaType, On, Request, RequestId, RequestState, Resource,
    StatusCode, quote, request_ids,
};

impl Channel {
    /// DEFINE-GRAMMAR, section 9.8.
    pub(super) fn define_grammar(&mut self, held: &mut Held, outbox: &mut Outbox) -> Result<(), Unready> {
        let request = &held.request;
        let failed = CompletionCause::GRAMMAR_DEFINITION_FAILURE;
        let refuse = |status, reason| Err(Unready::from(refused(request, status, failed, reason)));
        if self.is_recognizing() {
            return refuse(StatusCode::METHOD_NOT_VALID, "a recognition is in progress");
        }
        if self.draining {
            return refuse(StatusCode::FAILED, "the server is shutting down");
        }
        let params = Params::of_request(&request.headers, On::DEFINE_GRAMMAR, &self.config)
            .map_err(|refusal| refusal_with(refusal, request, failed))?;
        self.note(&params);
        self.state = State::Idle;
        let content_id = request.headers.get(HeaderName::ContentId);
        let success = || request.response(params.success()).with_cause(CompletionCause::SUCCESS);
        if request.body.is_empty() {
            // An empty body takes the Content-ID's grammar away (section 9.5.1).
            let Some(content_id) = content_id else {
                return refuse(StatusCode::MISSING_HEADER, "no Content-ID");
            };
            self.grammars.forget(content_id);
            outbox.respond(held.connection, success());
            return Ok(());
        }
        let resolved = self.gather(held, &params)?;
        self.check_grammars(request, &params, &resolved)?;
        let typed = request.headers.get(HeaderName::ContentType).and_then(MediaType::parse);
        let inline = typed.is_some_and(|typed| !typed.essence.starts_with("multipart/") && !is_list(&typed.essence));
        if content_id.is_none() && inline {
            return refuse(StatusCode::MISSING_HEADER, "no Content-ID");
        }
        let silent = resolved
            .active
            .iter()
            .all(|active| active.grammar.mode == Mode::Voice && active.grammar.accepts() == LabelSet::EMPTY);
        self.keep_inline(&resolved).map_err(|error| grammar_failure(request, &error))?;
        if let Some(content_id) = content_id {
            let defined = self.grammars.define(content_id, resolved.active);
            defined.map_err(|error| grammar_failure(request, &error))?;
        }
        let mut response = success();
        if silent {
            response = response.with(HeaderName::CompletionReason, quote(NEVER));
        }
        for cookie in &held.cookies {
            response = response.with(HeaderName::SetCookie, cookie);
        }
        outbox.respond(held.connection, response);
        Ok(())
    }

    fn keep_inline(&mut self, resolved: &Resolved) -> Result<(), grammar::Error> {
        for (id, active) in &resolved.inline {
            self.grammars.define(id, vec![active.clone()])?;
        }
        Ok(())
    }

    /// Whether the grammars are for this resource (section 9) and in languages that are served.
    fn check_grammars(&self, request: &Request, params: &Params, resolved: &Resolved) -> Result<(), Unready> {
        let voice = || resolved.active.iter().filter(|active| active.grammar.mode == Mode::Voice);
        let refuse = |cause, reason: &str| Err(refused(request, StatusCode::FAILED, cause, reason).into());
        if self.identifier.resource() == Some(Resource::DtmfRecog) && voice().next().is_some() {
            let reason = "a dtmfrecog resource takes grammars of keys alone";
            return refuse(CompletionCause::GRAMMAR_LOAD_FAILURE, reason);
        }
        let session = params.text(HeaderName::SpeechLanguage).or_else(|| self.params.text(HeaderName::SpeechLanguage));
        let tags = voice().filter_map(|active| active.grammar.language.as_deref().or(session));
        match tags.into_iter().find(|tag| !serves_language(&self.config, tag)) {
            None => Ok(()),
            Some(tag) => {
                let served = self.config.languages.join(", ");
                let reason = format!("the language {tag} is not served: {served}");
                refuse(CompletionCause::LANGUAGE_UNSUPPORTED, &reason)
            }
        }
    }

    /// RECOGNIZE, section 9.9.
    pub(super) fn recognize(&mut self, now: Instant, held: &mut Held, outbox: &mut Outbox) -> Result<(), Unready> {
        let (recognition, status) = self.prepare(held, On::RECOGNIZE)?;
        if recognition.clear_keys {
            self.ahead.clear_before(held.arrived);
        }
        let id = recognition.id;
        let answer = |state| {
            let mut response = held.request.response(status);
            response.state = state;
            if recognition.can_never_match() {
                response.with(HeaderName::CompletionReason, quote(NEVER))
            } else {
                response
            }
        };
        let (mut pending, mut in_progress) = (answer(RequestState::Pending), answer(RequestState::InProgress));
        if let State::Recognizing(active) = &self.state
            && active.recognition.cancel_if_queue
        {
            // Section 6.2.3: the request that is touched is named.
            for response in [&mut pending, &mut in_progress] {
                response.headers.push(HeaderName::ActiveRequestIdList, active.recognition.id.to_string());
            }
            let reason = format!("cancelled by RECOGNIZE {id}");
            self.end_active(Heard::Nothing(CompletionCause::CANCELLED, reason), outbox);
        }
        if self.is_recognizing() || !self.queue.is_empty() {
            self.queue.push_back(recognition);
            outbox.respond(held.connection, pending);
            self.begin_next(now, outbox);
        } else {
            outbox.respond(held.connection, in_progress);
            self.begin(now, recognition, outbox);
        }
        Ok(())
    }

    /// What a RECOGNIZE or an INTERPRET asks for, and the status of success.
    fn prepare(&mut self, held: &mut Held, on: On) -> Result<(Recognition, StatusCode), Unready> {
        let request = &held.request;
        let cause = CompletionCause::RECOGNIZER_ERROR;
        let refuse = |status, reason| Err(Unready::from(refused(request, status, cause, reason)));
        if self.draining {
            return refuse(StatusCode::FAILED, "the server is shutting down");
        }
        let params = Params::of_request(&request.headers, on, &self.config)
            .map_err(|refusal| refusal_with(refusal, request, cause))?;
        self.note(&params);
        let would_wait = match &self.state {
            State::Recognizing(active) => !active.recognition.cancel_if_queue || !self.queue.is_empty(),
            State::Idle | State::Recognized(_) => false,
        };
        if would_wait && self.queue.len() >= self.config.max_queued {
            return refuse(StatusCode::METHOD_NOT_VALID, "too many requests are pending");
        }
        let resolved = self.gather(held, &params)?;
        self.check_grammars(request, &params, &resolved)?;
        self.keep_inline(&resolved).map_err(|error| grammar_failure(request, &error))?;
        let from = (request.id, held.connection);
        let mut recognition = Recognition::new(from, &params, &self.params, resolved.active, &self.config)
            .map_err(|refusal| refusal_with(refusal, request, cause))?;
        recognition.waveform = held.waveform.take().and_then(Result::ok);
        recognition.cookies = std::mem::take(&mut held.cookies);
        recognition.call_id.clone_from(&self.call_id);
        Ok((recognition, params.success()))
    }

    /// INTERPRET, section 9.20: no sound, and it takes no time.
    pub(super) fn interpret(&mut self, held: &mut Held, outbox: &mut Outbox) -> Result<(), Unready> {
        let request = &held.request;
        if self.is_recognizing() {
            let response = request.response(StatusCode::METHOD_NOT_VALID);
            return Err(response.with(HeaderName::CompletionReason, quote("a recognition is in progress")).into());
        }
        let Some(given) = request.headers.get(HeaderName::InterpretText).filter(|text| !text.is_empty()) else {
            let response = request.response(StatusCode::MISSING_HEADER);
            return Err(response.with(HeaderName::CompletionReason, quote("no Interpret-Text")).into());
        };
        let text = interpreted(request, given)?;
        let (recognition, status) = self.prepare(held, On::INTERPRET)?;
        let mut response = held.request.response(status);
        response.state = RequestState::InProgress;
        outbox.respond(held.connection, response);
        let completion = recognition.complete_text(&text);
        let name = EventName::InterpretationComplete;
        let mut event = Event::new(self.identifier.clone(), name, recognition.id, RequestState::Complete)
            .with(HeaderName::CompletionCause, completion.cause.to_string());
        if !completion.reason.is_empty() {
            event = event.with(HeaderName::CompletionReason, quote(&completion.reason));
        }
        for cookie in &recognition.cookies {
            event = event.with(HeaderName::SetCookie, cookie);
        }
        if let Some((media_type, body)) = completion.result {
            event = event.with_body(media_type, body);
        }
        self.tell(recognition.connection, event, outbox);
        Ok(())
    }

    /// STOP, section 9.10. It does not wait for what is held.
    pub(super) fn stop(&mut self, now: Instant, connection: ConnectionId, request: &Request, outbox: &mut Outbox) {
        let list = request.headers.get(HeaderName::ActiveRequestIdList).filter(|list| !list.is_empty());
        let Ok(chosen) = list.map(request_ids).transpose() else {
            let value = list.unwrap_or_default();
            let response = request.response(StatusCode::ILLEGAL_VALUE);
            return outbox.respond(connection, response.with(HeaderName::ActiveRequestIdList, value));
        };
        let is_chosen = |id: RequestId| chosen.as_ref().is_none_or(|ids| ids.contains(&id));
        let reason = format!("stopped by STOP {} before it began", request.id);
        self.refuse_waiting(now, CompletionCause::CANCELLED, &reason, is_chosen, outbox);
        let mut stopped = Vec::new();
        let active = matches!(&self.state, State::Recognizing(active) if is_chosen(active.recognition.id));
        if active {
            self.unlisten(outbox);
            if let State::Recognizing(active) = std::mem::replace(&mut self.state, State::Idle) {
                stopped.push(active.recognition.id);
            }
        }
        if !self.is_recognizing() && list.is_none() {
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
}

fn is_list(media_type: &str) -> bool {
    matches!(media_type, "text/uri-list" | "text/grammar-ref-list")
}

/// The text to interpret: Interpret-Text itself, or what it names by Content-ID in the body (section 9.4.30).
fn interpreted(request: &Request, given: &str) -> Result<String, Unready> {
    let content_type = request.headers.get(HeaderName::ContentType).and_then(MediaType::parse);
    let named = given.strip_prefix("cid:").unwrap_or(given);
    let found = content_type.and_then(|media_type| {
        let body = grammar::Body {
            media_type: &media_type.essence,
            boundary: media_type.parameter("boundary"),
            bytes: &request.body,
            ..grammar::Body::default()
        };
        body.text_part(named)
    });
    match found {
        Some(text) => Ok(text),
        None if given.starts_with("cid:") => {
            let response = request.response(StatusCode::ILLEGAL_VALUE);
            Err(response.with(HeaderName::InterpretText, given).into())
        }
        None => Ok(given.to_owned()),
    }
}
