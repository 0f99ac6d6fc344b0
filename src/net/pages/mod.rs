//! Pages for operators: metrics, health, readiness, what runs here, and the calls of late.

mod calls;
mod collect;
mod config;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::net::driver::Phase;
use crate::net::pages::calls::Calls;
pub use crate::net::pages::config::OpsConfig;
use crate::ops::{Access, FeedbackConfig, Form, Metrics, RecentCalls, Store, Tally};

/// What the pages tell of.
#[derive(Clone)]
pub(super) struct Pages(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    engine: Arc<Engine>,
    phase: watch::Receiver<Phase>,
    about: About,
}

/// What runs here.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    /// Of answerd.
    pub version: &'static str,
    /// The commit that it was built from, where whoever built it set `ANSWERD_COMMIT`.
    pub commit: Option<&'static str>,
    /// What runs the model: `built-in`, `onnxruntime`, `rten`, or `rules` where there is none.
    pub backend: &'static str,
    /// The model, if there is one.
    pub model: Option<Model>,
}

/// A model.
#[derive(Debug, Clone, Serialize)]
pub struct Model {
    /// Its path; `built-in` for the one that the program brings along.
    pub name: String,
    /// Its digest, as its card tells it.
    pub sha256: String,
}

impl Pages {
    pub(super) fn new(metrics: Metrics, engine: Arc<Engine>, phase: watch::Receiver<Phase>, about: About) -> Self {
        let of_engine = Arc::clone(&engine);
        metrics.read(move |page| collect::write(page, &of_engine));
        Self(Arc::new(Inner { metrics, engine, phase, about }))
    }

    /// The pages, and what keeps the calls of late in mind, and in the store if there is one, until it is told to stop.
    pub(super) fn serve(
        self,
        feedback: FeedbackConfig,
        store: Option<Arc<Store>>,
        access: Access,
        stop: CancellationToken,
    ) -> (Router, impl Future<Output = ()> + Send + 'static) {
        let tally = store.as_ref().map_or_else(Tally::default, |store| store.tally());
        self.0.metrics.read(move |page| collect::stored(page, tally.counts()));
        let recent = RecentCalls::new(feedback, self.0.metrics.clone());
        let following = calls::follow(self.0.engine.decisions().listen(false), recent.clone(), store.clone(), stop);
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(health))
            .route("/readyz", get(readiness))
            .route("/version", get(version))
            .with_state(self)
            .merge(Calls::new(recent, store, access).router());
        (router, following)
    }
}

async fn metrics(State(Pages(pages)): State<Pages>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let form = Form::of_accept(&accept);
    ([(CONTENT_TYPE, form.content_type()), (CACHE_CONTROL, "no-store")], pages.metrics.show(form)).into_response()
}

async fn version(State(Pages(pages)): State<Pages>) -> Response {
    fresh(StatusCode::OK, &pages.about)
}

/// Whether the process works at all; where it doesn't, only another start helps.
async fn health(State(Pages(pages)): State<Pages>) -> Response {
    let workers = pages.engine.workers();
    let well = workers.iter().all(|worker| worker.is_well());
    let told: Vec<_> = workers.iter().map(|worker| worker.as_str()).collect();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    fresh(status, &json!({ "status": if well { "ok" } else { "failed" }, "workers": told }))
}

/// Whether a call would be taken now.
async fn readiness(State(Pages(pages)): State<Pages>) -> Response {
    let load = pages.engine.load();
    let mut reasons = Vec::new();
    if *pages.phase.borrow() != Phase::Serving {
        reasons.push("draining: the server is on its way down".to_owned());
    }
    reasons.extend(load.full.map(|full| format!("full: {full}")));
    if !pages.engine.workers().iter().any(|worker| worker.is_well()) {
        reasons.push("no worker: no thread is left that listens".to_owned());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let share = (load.share * 1_000.0).round() / 1_000.0;
    let told = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "calls": load.calls,
        "max_calls": load.max_calls,
        "headroom": load.headroom,
        "load": share,
        "backend": pages.about.backend,
    });
    fresh(status, &told)
}

/// A page that is true only now.
fn fresh<T: Serialize + ?Sized>(status: StatusCode, told: &T) -> Response {
    let body = serde_json::to_string(told).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}
