//! Requests that wait for documents: grammars and sound by `http:`, `https:` and `file:`.
//!
//! RFC 6787 sections 9.8 and 9.9: DEFINE-GRAMMAR and RECOGNIZE fetch all URIs that they need before they are answered. The
//! rules here:
//!
//! - A request whose documents are not there yet is *held*: it has no response, and is in none of the states of section 5.3.
//! - Requests of a channel are answered in the order in which they came. Those behind a held one wait, and what they need is
//!   fetched meanwhile. Another channel of the session does not wait.
//! - STOP does not wait. Held and waiting RECOGNIZE, INTERPRET and DEFINE-GRAMMAR requests that it applies to get 407 with
//!   cause 011 cancelled at once, before its own response, which does not name them: they were not in progress.
//! - A document has Fetch-Timeout, a request [`Config::max_fetching_ms`] from its arrival; both end in 407 with cause 009
//!   uri-failure, Failed-URI and Failed-URI-Cause `timeout`. The first document that fails fails the request.
//! - When the request's connection is gone, nobody waits for the response: the request is forgotten.
//! - Whatever ends a request takes back its open fetches ([`Output::CancelFetch`]); an answer that comes all the same is
//!   ignored.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::grammar::{self, Body, Document, Documents, FetchError, Resolution, Resolved};
use crate::session::mrcp::answer::{fetch_failure, grammar_failure, refused, with_cause_if_missing};
use crate::session::mrcp::channel::Channel;
use crate::session::mrcp::params::Params;
use crate::session::mrcp::waveform;
use crate::session::mrcp::{Config, Outbox};
use crate::session::{ConnectionId, Fetch, FetchKind, Output};
use crate::wire::mrcp::{
    CompletionCause, HeaderName, MediaType, Method, On, Request, RequestId, Response, StatusCode, quote,
};

/// A request that is not answered yet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) connection: ConnectionId,
    pub(super) request: Request,
    /// When it came.
    pub(super) arrived: Instant,
    /// When all of its documents must be there.
    deadline: Instant,
    /// Grammars that are there.
    documents: Documents,
    /// Sound that is there, or why it can't be read.
    pub(super) waveform: Option<Result<Arc<[i16]>, String>>,
    /// Fetches under way.
    open: Vec<Open>,
    /// The first document that could not be had.
    failed: Option<(String, FetchError)>,
    /// New cookies, which the client is told with the final message (section 6.2.15).
    pub(super) cookies: Vec<String>,
}

/// A fetch under way.
#[derive(Debug)]
struct Open {
    fetch: u64,
    uri: String,
    kind: FetchKind,
    due: Instant,
}

/// Why a request can't be answered as it asks.
#[derive(Debug)]
pub(super) enum Unready {
    /// It is refused.
    Refused(Box<Response>),
    /// It needs these first.
    Needs(Vec<(String, FetchKind)>),
}

impl From<Response> for Unready {
    fn from(response: Response) -> Self {
        Self::Refused(Box::new(response))
    }
}

impl Held {
    pub(super) fn new(now: Instant, connection: ConnectionId, request: Request, config: &Config) -> Self {
        Self {
            connection,
            request,
            arrived: now,
            deadline: now + Duration::from_millis(config.max_fetching_ms),
            documents: Documents::new(),
            waveform: None,
            open: Vec::new(),
            failed: None,
            cookies: Vec::new(),
        }
    }

    /// Whether it can be tried: nothing is being fetched for it.
    fn is_ready(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether its method needs grammars.
    const fn needs_grammars(&self) -> bool {
        matches!(self.request.method, Method::Recognize | Method::Interpret | Method::DefineGrammar)
    }

    /// Takes back the fetches under way.
    pub(super) fn cancel(&mut self, outbox: &mut Outbox) {
        for open in self.open.drain(..) {
            outbox.push(Output::CancelFetch { fetch: open.fetch });
        }
    }

    fn fail(&mut self, uri: String, error: FetchError, outbox: &mut Outbox) {
        self.failed.get_or_insert((uri, error));
        self.cancel(outbox);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.due).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        if let Some(late) = self.open.iter().find(|open| open.due <= now) {
            let uri = late.uri.clone();
            let error = timeout(&uri);
            self.fail(uri, error, outbox);
        }
    }

    /// Takes what a fetch came to, if it is one of this request's. Returns the cookies that came along.
    pub(super) fn handle_fetched(
        &mut self,
        fetch: u64,
        result: Result<Document, FetchError>,
        outbox: &mut Outbox,
    ) -> Result<Vec<String>, Result<Document, FetchError>> {
        let Some(at) = self.open.iter().position(|open| open.fetch == fetch) else { return Err(result) };
        let open = self.open.swap_remove(at);
        match result {
            Ok(document) => {
                let cookies = document.cookies.clone();
                self.cookies.extend(cookies.iter().cloned());
                match open.kind {
                    FetchKind::Grammar => {
                        self.documents.insert(open.uri, Ok(document));
                    }
                    FetchKind::Waveform => self.waveform = Some(waveform::decode(&document)),
                }
                Ok(cookies)
            }
            Err(error) => {
                self.fail(open.uri, error, outbox);
                Ok(Vec::new())
            }
        }
    }
}

fn timeout(uri: &str) -> FetchError {
    FetchError { cause: "timeout".to_owned(), reason: format!("{uri} did not come in time") }
}

/// Whether a document of that URI can be asked for.
fn is_fetched(uri: &str) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    ["http", "https", "file"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// RECOGNIZE and DEFINE-GRAMMAR that fail always say a cause (section 9.4.11).
fn with_cause_of(method: &Method, response: Response) -> Response {
    match method {
        Method::DefineGrammar => with_cause_if_missing(response, CompletionCause::GRAMMAR_DEFINITION_FAILURE),
        Method::Recognize => with_cause_if_missing(response, CompletionCause::RECOGNIZER_ERROR),
        _ => response,
    }
}

impl Channel {
    /// Grammars and sound of a request; or what is to be fetched first, or why they can't be had.
    pub(super) fn gather(&self, held: &Held, params: &Params) -> Result<Resolved, Unready> {
        let request = &held.request;
        if let Some((uri, error)) = &held.failed {
            return Err(fetch_failure(request, uri, error).into());
        }
        let mut needs = Vec::new();
        match (&held.waveform, params.text(HeaderName::InputWaveformUri)) {
            (None, Some(uri)) if is_fetched(uri) => needs.push((uri.to_owned(), FetchKind::Waveform)),
            (None, Some(uri)) => {
                let reason = format!("{uri} is not fetched: http, https and file are");
                let error = FetchError { cause: "not-supported".to_owned(), reason };
                return Err(fetch_failure(request, uri, &error).into());
            }
            (Some(Err(reason)), _) => {
                return Err(refused(request, StatusCode::FAILED, CompletionCause::RECOGNIZER_ERROR, reason).into());
            }
            (Some(Ok(_)), _) | (None, None) => {}
        }
        match self.resolve(held)? {
            Resolution::Done(resolved) if needs.is_empty() => return Ok(resolved),
            Resolution::Done(_) => {}
            Resolution::Needs(uris) => needs.extend(uris.into_iter().map(|uri| (uri, FetchKind::Grammar))),
        }
        let has = |(uri, kind): &(String, FetchKind)| match kind {
            FetchKind::Grammar => held.documents.contains_key(uri),
            FetchKind::Waveform => false,
        };
        needs.retain(|need| !has(need));
        needs.sort_by(|(a, _), (b, _)| a.cmp(b));
        needs.dedup();
        let load_failure = |reason: &str| {
            Unready::from(refused(request, StatusCode::FAILED, CompletionCause::GRAMMAR_LOAD_FAILURE, reason))
        };
        if needs.is_empty() {
            return Err(load_failure("a grammar refers to a document that does not help"));
        }
        Err(Unready::Needs(needs))
    }

    /// The grammars of a request's body.
    fn resolve(&self, held: &Held) -> Result<Resolution, Unready> {
        let request = &held.request;
        let Some(content_type) = request.headers.get(HeaderName::ContentType) else {
            let response = request.response(StatusCode::MISSING_HEADER);
            return Err(response.with(HeaderName::CompletionReason, quote("no Content-Type")).into());
        };
        let about = |status, name: HeaderName, value: &str| request.response(status).with(name, value);
        let Some(media_type) = MediaType::parse(content_type) else {
            return Err(about(StatusCode::ILLEGAL_VALUE, HeaderName::ContentType, content_type).into());
        };
        if let Some(encoding) = request.headers.get(HeaderName::ContentEncoding)
            && !encoding.eq_ignore_ascii_case("identity")
        {
            return Err(about(StatusCode::UNSUPPORTED_VALUE, HeaderName::ContentEncoding, encoding).into());
        }
        let body = Body {
            media_type: &media_type.essence,
            boundary: media_type.parameter("boundary"),
            content_id: request.headers.get(HeaderName::ContentId),
            content_base: request.headers.get(HeaderName::ContentBase),
            content_location: request.headers.get(HeaderName::ContentLocation),
            bytes: &request.body,
        };
        grammar::resolve(&body, &self.grammars, &held.documents)
            .map_err(|error| grammar_failure(request, &error).into())
    }

    /// Asks for what a request needs.
    pub(super) fn fetch(&self, now: Instant, held: &mut Held, needs: Vec<(String, FetchKind)>, outbox: &mut Outbox) {
        let on = match held.request.method {
            Method::Interpret => On::INTERPRET,
            Method::DefineGrammar => On::DEFINE_GRAMMAR,
            _ => On::RECOGNIZE,
        };
        // What is wrong with the headers is told when the request is tried.
        let params = Params::of_request(&held.request.headers, on, &self.config).unwrap_or_default();
        let timeout_ms = params
            .milliseconds(HeaderName::FetchTimeout)
            .or_else(|| self.params.milliseconds(HeaderName::FetchTimeout))
            .unwrap_or(self.config.fetch_timeout_ms);
        let due = (now + Duration::from_millis(timeout_ms)).min(held.deadline);
        if due <= now {
            if let Some((uri, _)) = needs.into_iter().next() {
                let error = timeout(&uri);
                held.fail(uri, error, outbox);
            }
            return;
        }
        let left = u64::try_from(due.duration_since(now).as_millis()).unwrap_or(timeout_ms);
        let cache_control =
            params.text(HeaderName::CacheControl).or_else(|| self.params.text(HeaderName::CacheControl));
        for (uri, kind) in needs {
            let fetch = outbox.next_fetch();
            outbox.push(Output::Fetch {
                channel: self.identifier.clone(),
                fetch,
                wanted: Fetch {
                    uri: uri.clone(),
                    kind,
                    timeout_ms: Some(left),
                    cache_control: cache_control.map(str::to_owned),
                    cookies: self.cookies.all().to_vec(),
                },
            });
            held.open.push(Open { fetch, uri, kind, due });
        }
    }

    /// Takes a request. Each method answers exactly once: at once, or when its documents are there.
    pub(in crate::session) fn handle_request(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: Request,
        outbox: &mut Outbox,
    ) {
        if request.method == Method::Stop {
            return self.stop(now, connection, &request, outbox);
        }
        if self.waiting.len() > self.config.max_waiting {
            let response = request.response(StatusCode::METHOD_NOT_VALID);
            let response = response.with(HeaderName::CompletionReason, quote("too many requests wait for documents"));
            return outbox.respond(connection, with_cause_of(&request.method, response));
        }
        let mut held = Held::new(now, connection, request, &self.config);
        if !self.waiting.is_empty() {
            self.fetch_ahead(now, &mut held, outbox);
        }
        self.waiting.push_back(held);
        self.advance(now, outbox);
    }

    /// What a request needs that waits behind another one is fetched meanwhile, as far as it can be told.
    fn fetch_ahead(&mut self, now: Instant, held: &mut Held, outbox: &mut Outbox) {
        let on = match held.request.method {
            Method::Recognize => On::RECOGNIZE,
            Method::Interpret => On::INTERPRET,
            Method::DefineGrammar => On::DEFINE_GRAMMAR,
            _ => return,
        };
        let Ok(params) = Params::of_request(&held.request.headers, on, &self.config) else { return };
        self.note(&params);
        if let Err(Unready::Needs(needs)) = self.gather(held, &params) {
            self.fetch(now, held, needs, outbox);
        }
    }

    /// Answers the requests that can be answered, in order.
    pub(super) fn advance(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some(mut held) = self.waiting.pop_front_if(|held| held.is_ready()) {
            let connection = held.connection;
            match self.attempt(now, &mut held, outbox) {
                Ok(()) => {}
                Err(Unready::Refused(response)) => {
                    let mut response = with_cause_of(&held.request.method, *response);
                    for cookie in held.cookies {
                        response.headers.push(HeaderName::SetCookie, cookie);
                    }
                    outbox.respond(connection, response);
                }
                Err(Unready::Needs(needs)) => {
                    self.fetch(now, &mut held, needs, outbox);
                    self.waiting.push_front(held);
                }
            }
        }
    }

    /// Refuses requests that need grammars and are not answered yet, those that are `chosen`, and goes on with the others.
    pub(super) fn refuse_waiting(
        &mut self,
        now: Instant,
        cause: CompletionCause,
        reason: &str,
        chosen: impl Fn(RequestId) -> bool,
        outbox: &mut Outbox,
    ) {
        self.waiting.retain_mut(|held| {
            let refuse = held.needs_grammars() && chosen(held.request.id);
            if refuse {
                held.cancel(outbox);
                outbox.respond(held.connection, refused(&held.request, StatusCode::FAILED, cause, reason));
            }
            !refuse
        });
        self.advance(now, outbox);
    }

    /// A document is there, or can't be had.
    pub(in crate::session) fn handle_fetched(
        &mut self,
        now: Instant,
        fetch: u64,
        result: Result<Document, FetchError>,
        outbox: &mut Outbox,
    ) {
        let mut result = result;
        for held in &mut self.waiting {
            match held.handle_fetched(fetch, result, outbox) {
                Ok(cookies) => {
                    for cookie in cookies {
                        self.cookies.set(&cookie);
                    }
                    return self.advance(now, outbox);
                }
                Err(not_its_own) => result = not_its_own,
            }
        }
    }
}
