//! Webhooks: each decision as a signed HTTP POST of JSON, tried again while it makes sense.

mod config;
mod message;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::rustls;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapter::queue::backoff;
pub use crate::adapter::webhook::config::WebhookConfig;
use crate::adapter::webhook::message::{Message, signature};
use crate::engine::{DecisionListener, Decisions, Told};

/// An endpoint, as it is seen from outside.
#[derive(Debug, Default)]
pub struct Endpoint {
    /// Its URL without user, password and query, which may be secrets.
    pub name: String,
    waiting: AtomicUsize,
    delivered: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

/// The numbers of one moment. All but `waiting` only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookCounts {
    /// Decisions that wait or are under way.
    pub waiting: usize,
    /// Decisions that were taken (2xx).
    pub delivered: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Decisions that the endpoint refused for good (3xx, 4xx).
    pub refused: u64,
    /// Decisions given up after the last attempt.
    pub given_up: u64,
    /// Decisions dropped as too many waited.
    pub dropped: u64,
}

impl Endpoint {
    /// The numbers now.
    #[must_use]
    pub fn counts(&self) -> WebhookCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WebhookCounts {
            waiting: self.waiting.load(Ordering::Relaxed),
            delivered: read(&self.delivered),
            retried: read(&self.retried),
            refused: read(&self.refused),
            given_up: read(&self.given_up),
            dropped: read(&self.dropped),
        }
    }
}

/// What runs.
#[derive(Debug)]
pub(super) struct Door {
    endpoints: Vec<Arc<Endpoint>>,
}

impl Door {
    /// In the order of the configuration.
    pub(super) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }
}

/// Header of the signature.
const SIGNATURE: &str = "answerd-signature";
/// Header of the message's identifier, the same in each attempt.
const ID: &str = "answerd-id";
/// Longest Retry-After that is waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Starts what the settings ask for.
pub(super) fn start(
    config: &WebhookConfig,
    decisions: &Decisions,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> io::Result<Door> {
    if config.urls.is_empty() {
        return Ok(Door { endpoints: Vec::new() });
    }
    let client = client(config)?;
    // Numbers begin anew with each start; with this, identifiers do not.
    let instance = getrandom::u64().map_err(|error| io::Error::other(format!("random numbers: {error}")))?;
    let endpoints = config.urls.iter().map(|url| {
        let endpoint = Arc::new(Endpoint { name: shown(url), ..Endpoint::default() });
        let (queue, messages) = mpsc::channel(config.queue);
        let listener = decisions.listen(config.wants_early());
        let collecting = collect(listener, config.clone(), instance, Arc::clone(&endpoint), queue);
        tasks.spawn(closing.clone().run_until_cancelled_owned(collecting));
        let sender = Sender {
            config: config.clone(),
            client: client.clone(),
            url: url.clone(),
            endpoint: Arc::clone(&endpoint),
            closing: closing.clone(),
        };
        tasks.spawn(Arc::new(sender).run(messages));
        endpoint
    });
    Ok(Door { endpoints: endpoints.collect() })
}

fn client(config: &WebhookConfig) -> io::Result<Client> {
    let mut certificates = Vec::new();
    if !config.ca_file.as_os_str().is_empty() {
        let named = |error: &dyn std::fmt::Display| io::Error::other(format!("webhook.ca_file: {error}"));
        let pem = std::fs::read(&config.ca_file).map_err(|error| named(&error))?;
        certificates = Certificate::from_pem_bundle(&pem).map_err(|error| named(&error))?;
        if certificates.is_empty() {
            return Err(named(&"there is no certificate in it"));
        }
    }
    // Only one can be; who was first wants the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let timeout = Duration::from_millis(config.timeout_ms);
    let builder = || {
        Client::builder()
            .user_agent(concat!("answerd/", env!("CARGO_PKG_VERSION")))
            // A signed message goes where the settings say, and nowhere else.
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(timeout)
            .timeout(timeout)
    };
    let built = builder().tls_certs_merge(certificates.clone()).build().or_else(|error| {
        tracing::warn!(%error, "the system's certificates can't be used: only those of webhook.ca_file are trusted");
        builder().tls_certs_only(certificates.clone()).build()
    });
    built.map_err(|error| io::Error::other(format!("webhook: HTTP client: {error}")))
}

/// A URL without what may be secret in it.
fn shown(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            // Only URLs without a host have no place for them.
            url.set_username("").ok();
            url.set_password(None).ok();
            url.to_string()
        }
        Err(_) => "?".to_owned(),
    }
}

/// Puts decisions into an endpoint's queue. It never waits.
async fn collect(
    mut listener: DecisionListener,
    config: WebhookConfig,
    instance: u64,
    endpoint: Arc<Endpoint>,
    queue: mpsc::Sender<Message>,
) {
    while let Some(told) = listener.next().await {
        match told {
            Told::Decision(decision) => {
                if !config.wants(&decision) {
                    continue;
                }
                endpoint.waiting.fetch_add(1, Ordering::Relaxed);
                if queue.try_send(Message::new(instance, &decision)).is_err() {
                    endpoint.waiting.fetch_sub(1, Ordering::Relaxed);
                    endpoint.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Told::Missed(missed) => {
                endpoint.dropped.fetch_add(missed, Ordering::Relaxed);
            }
        }
    }
}

/// Sends to one endpoint.
struct Sender {
    config: WebhookConfig,
    client: Client,
    url: String,
    endpoint: Arc<Endpoint>,
    closing: CancellationToken,
}

/// What an attempt came to.
enum Attempt {
    Taken,
    Refused(String),
    /// It may go better later; the endpoint may have said when.
    Failed(String, Option<Duration>),
}

impl Sender {
    async fn run(self: Arc<Self>, mut messages: mpsc::Receiver<Message>) {
        let permits = Arc::new(Semaphore::new(self.config.concurrency));
        let mut running = VecDeque::new();
        while let Some(message) = messages.recv().await {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let sender = Arc::clone(&self);
            running.retain(|task: &tokio::task::JoinHandle<()>| !task.is_finished());
            running.push_back(tokio::spawn(async move {
                sender.deliver(&message).await;
                sender.endpoint.waiting.fetch_sub(1, Ordering::Relaxed);
                drop(permit);
            }));
        }
        for task in running {
            if let Err(error) = task.await {
                tracing::error!(%error, "a webhook's task");
            }
        }
    }

    async fn deliver(&self, message: &Message) {
        let name = self.endpoint.name.as_str();
        let ms = Duration::from_millis;
        for attempt in 1..=self.config.attempts {
            if attempt > 1 {
                self.endpoint.retried.fetch_add(1, Ordering::Relaxed);
            }
            match self.attempt(message).await {
                Attempt::Taken => {
                    self.endpoint.delivered.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Attempt::Refused(reason) => {
                    self.endpoint.refused.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(webhook = name, id = message.id, reason, "a decision is refused");
                    return;
                }
                Attempt::Failed(reason, after) if attempt < self.config.attempts => {
                    let own = backoff(attempt, ms(self.config.retry_min_ms), ms(self.config.retry_max_ms));
                    let pause = after.map_or(own, |after| after.min(LONGEST_RETRY_AFTER).max(own));
                    tracing::debug!(webhook = name, id = message.id, reason, attempt, ?pause, "again later");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        // There is no later.
                        () = self.closing.cancelled() => break,
                    }
                }
                Attempt::Failed(reason, _) => {
                    tracing::warn!(webhook = name, id = message.id, reason, attempt, "a decision is given up");
                }
            }
        }
        self.endpoint.given_up.fetch_add(1, Ordering::Relaxed);
    }

    async fn attempt(&self, message: &Message) -> Attempt {
        let now = SystemTime::now();
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json").header(ID, &message.id);
        if !self.config.secret.is_empty() {
            // Signed anew each time: its time says that it is no replay.
            request = request.header(SIGNATURE, signature(&self.config.secret, now, &message.body));
        }
        let response = match request.body(message.body.clone()).send().await {
            Ok(response) => response,
            // The URL may hold a secret.
            Err(error) => return Attempt::Failed(error.without_url().to_string(), None),
        };
        let status = response.status();
        if status.is_success() {
            return Attempt::Taken;
        }
        let reason = format!("status {}", status.as_u16());
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
        {
            return Attempt::Failed(reason, retry_after(response.headers(), now));
        }
        Attempt::Refused(reason)
    }
}

/// Retry-After, in seconds or as a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

#[cfg(test)]
mod tests;
