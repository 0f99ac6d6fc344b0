//! Pages about calls of late: what was told of one, and who really answered it.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::detect::Label;
use crate::engine::{DecisionListener, Told};
use crate::net::http::Remote;
use crate::net::pages::fresh;
use crate::ops::{self, Access, FeedbackError, RecentCalls, Store, unix_s};

/// What the pages need.
#[derive(Clone)]
pub(super) struct Calls {
    recent: RecentCalls,
    store: Option<Arc<Store>>,
    access: Access,
}

/// Longest feedback.
const MAX_BODY: usize = 4_096;

/// What a feedback says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feedback {
    label: String,
}

impl Calls {
    pub(super) const fn new(recent: RecentCalls, store: Option<Arc<Store>>, access: Access) -> Self {
        Self { recent, store, access }
    }

    pub(super) fn router(self) -> Router {
        Router::new()
            .route("/calls/{id}", get(show))
            .route("/calls/{id}/feedback", post(feedback))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    /// A refusal for who may not read or change anything here.
    fn refused(&self, headers: &HeaderMap, peer: SocketAddr) -> Option<Response> {
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let denied = self.access.admits(authorization, peer.ip()).err()?;
        let status = StatusCode::from_u16(denied.status()).unwrap_or(StatusCode::FORBIDDEN);
        let mut response = error(status, denied.reason());
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Some(response)
    }
}

/// Notes all decisions for the pages, and stores what they rest on, until it is told to stop: what is told already comes
/// first.
pub(super) async fn follow(
    mut decisions: DecisionListener,
    recent: RecentCalls,
    store: Option<Arc<Store>>,
    stop: CancellationToken,
) {
    loop {
        let told = tokio::select! {
            biased;
            told = decisions.next() => told,
            () = stop.cancelled() => return,
        };
        let Some(told) = told else { return };
        match told {
            Told::Decision(decision) => {
                let told = ops::Told {
                    label: decision.label,
                    confidence: (f64::from(decision.confidence) * 100.0).round() / 100.0,
                    method: decision.method.as_str(),
                    stage: decision.stage.as_str(),
                    decided_ms: decision.times.decided_ms,
                    reason: decision.reason.clone(),
                    at_s: unix_s(decision.at),
                };
                let door = decision.door.as_str();
                if let (Some(store), Some(end)) = (&store, decision.end) {
                    let (call_id, uuid) = (&decision.call_id, decision.uuid.as_deref());
                    store.decision(door, call_id, uuid, end, &told, decision.findings.as_ref());
                }
                recent.note(Instant::now(), door, &decision.call_id, decision.uuid.as_ref(), told);
            }
            Told::Missed(missed) => tracing::warn!(missed, "decisions were missed: nothing is remembered of them"),
        }
    }
}

/// `GET /calls/ID`.
async fn show(
    State(calls): State<Calls>,
    ConnectInfo(Remote(peer)): ConnectInfo<Remote>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(refused) = calls.refused(&headers, peer) {
        return refused;
    }
    match calls.recent.find(Instant::now(), &id) {
        Some(call) => fresh(StatusCode::OK, &call),
        None => error(StatusCode::NOT_FOUND, UNKNOWN),
    }
}

/// `POST /calls/ID/feedback`.
async fn feedback(
    State(calls): State<Calls>,
    ConnectInfo(Remote(peer)): ConnectInfo<Remote>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refused) = calls.refused(&headers, peer) {
        return refused;
    }
    // A page of somebody else in a browser here can't send this type without being asked first, which nobody answers.
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json");
    }
    let label = match serde_json::from_slice::<Feedback>(&body) {
        Ok(feedback) => feedback.label,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, &format!("not {{\"label\": ..}}: {wrong}")),
    };
    let truth = |label: &Label| !matches!(label, Label::Beep | Label::Unknown);
    let Some(label) = Label::from_str(&label).ok().filter(truth) else {
        let known: Vec<&str> = Label::ALL.iter().filter(|label| truth(label)).map(|label| label.as_str()).collect();
        return error(StatusCode::BAD_REQUEST, &format!("{label:?} is no label; there are {}", known.join(", ")));
    };
    match calls.recent.feedback(Instant::now(), &id, label) {
        Ok(given) => {
            let (told, label) = (given.told, given.label);
            tracing::info!(call_id = %given.call_id, %told, correct = %label, "feedback");
            calls.store.iter().for_each(|store| store.feedback(&given, SystemTime::now()));
            fresh(StatusCode::OK, &given)
        }
        Err(FeedbackError::Unknown) => error(StatusCode::NOT_FOUND, UNKNOWN),
        Err(FeedbackError::Undecided) => {
            error(StatusCode::CONFLICT, "of this call it is not decided who answered: there is nothing to correct")
        }
    }
}

const UNKNOWN: &str = "no such call is remembered; it is named by its Call-ID, or by the uuid that its client told";

fn error(status: StatusCode, reason: &str) -> Response {
    fresh(status, &json!({ "error": reason }))
}
