//! Responses that refuse, with the completion causes of RFC 6787 section 9.4.11.

use crate::grammar::{self, Failure, FetchError};
use crate::session::mrcp::headers::Refusal;
use crate::wire::mrcp::{CompletionCause, HeaderName, Method, Request, Response, StatusCode, quote};

/// Said of a grammar that no label can match.
pub(super) const NEVER: &str = "no word of the grammar is a label that can be told: it will never match";

pub(super) trait WithCause {
    fn with_cause(self, cause: CompletionCause) -> Self;
}

impl WithCause for Response {
    fn with_cause(self, cause: CompletionCause) -> Self {
        self.with(HeaderName::CompletionCause, cause.to_string())
    }
}

/// A failure with its cause and reason.
pub(super) fn refused(request: &Request, status: StatusCode, cause: CompletionCause, reason: &str) -> Response {
    request.response(status).with_cause(cause).with(HeaderName::CompletionReason, quote(reason))
}

/// A refusal that a request gets before its method is looked at: one that asks for a cause has it (section 9.4.11).
pub(in crate::session) fn unserved(request: &Request, status: StatusCode) -> Response {
    let response = request.response(status);
    match request.method {
        Method::Recognize => response.with_cause(CompletionCause::RECOGNIZER_ERROR),
        Method::DefineGrammar => response.with_cause(CompletionCause::GRAMMAR_DEFINITION_FAILURE),
        _ => response,
    }
}

/// A response about headers.
pub(super) fn refusal_with(refusal: Refusal, request: &Request, cause: CompletionCause) -> Response {
    with_cause_if_missing(refusal.response(request), cause)
}

/// RECOGNIZE and DEFINE-GRAMMAR that fail say a cause (section 9.4.11), first: what is long at the end may be cut.
pub(super) fn with_cause_if_missing(mut response: Response, cause: CompletionCause) -> Response {
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
pub(super) fn grammar_failure(request: &Request, error: &grammar::Error) -> Response {
    let (status, cause) = match error.failure {
        Failure::MediaType => (StatusCode::UNSUPPORTED_ENTITY, CompletionCause::GRAMMAR_LOAD_FAILURE),
        Failure::Load => (StatusCode::FAILED, CompletionCause::GRAMMAR_LOAD_FAILURE),
        Failure::Compilation => (StatusCode::FAILED, CompletionCause::GRAMMAR_COMPILATION_FAILURE),
        Failure::Uri => (StatusCode::FAILED, CompletionCause::URI_FAILURE),
        Failure::Semantics => (StatusCode::FAILED, CompletionCause::SEMANTICS_FAILURE),
        Failure::Definition => (StatusCode::FAILED, CompletionCause::GRAMMAR_DEFINITION_FAILURE),
    };
    let response = refused(request, status, cause, &error.reason);
    // Where a document was there, but is no grammar, the URI did not fail.
    match (&error.uri, &error.cause) {
        (Some(uri), Some(cause)) => failed_uri(response, uri, cause),
        _ => response,
    }
}

/// A response about a document that could not be had (sections 9.4.20 and 9.4.21).
pub(super) fn fetch_failure(request: &Request, uri: &str, error: &FetchError) -> Response {
    let response = refused(request, StatusCode::FAILED, CompletionCause::URI_FAILURE, &error.reason);
    failed_uri(response, uri, &error.cause)
}

fn failed_uri(response: Response, uri: &str, cause: &str) -> Response {
    response.with(HeaderName::FailedUri, uri).with(HeaderName::FailedUriCause, cause)
}
