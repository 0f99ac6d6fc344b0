//! Documents that requests refer to (RFC 6787 section 12.4): fetched with limits, shared by all calls, and kept as HTTP
//! allows.

mod cache;
mod call;
mod config;
mod cookies;
mod file;
mod http;
mod policy;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, SET_COOKIE};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use url::Url;

use crate::grammar::{Document, FetchError};
use crate::net::fetch::cache::{Cache, Found, Key, Stored, Times, Wish};
pub(super) use crate::net::fetch::call::{Fetched, Fetches};
pub use crate::net::fetch::config::FetchConfig;
use crate::net::fetch::cookies::Cookies;
use crate::net::fetch::file::Roots;
use crate::net::fetch::http::Client;
use crate::net::fetch::policy::{Policy, Trust, refused};
use crate::session::{Fetch, FetchKind};

/// Time for a document, in milliseconds, where none is told.
const TIMEOUT_MS: u64 = 10_000;

/// Hosts whose downloads are counted are looked through for idle ones when there are so many.
const HOSTS: usize = 256;

/// Fetches documents, for all calls.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: FetchConfig,
    policy: Policy,
    client: Client,
    roots: Roots,
    cache: Mutex<Cache>,
    /// Downloads under way: who wants the same waits for the same.
    flights: Mutex<HashMap<Key, Weak<Flight>>>,
    downloads: Semaphore,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A download under way; it is given up when nobody waits for it any more.
#[derive(Debug)]
struct Flight {
    outcome: watch::Receiver<Option<Result<Arc<Reply>, FetchError>>>,
    _task: AbortOnDropHandle<()>,
}

/// What a server said in the end.
#[derive(Debug)]
struct Reply {
    what: What,
    cookies: Vec<String>,
}

#[derive(Debug, Clone)]
enum What {
    Content { media_type: Option<String>, bytes: Bytes },
    Redirect(String),
}

fn fetch_error(cause: &str, reason: impl Into<String>) -> FetchError {
    FetchError { cause: cause.to_owned(), reason: reason.into() }
}

impl Fetcher {
    /// # Errors
    /// A file of certificates or a directory that is not there, named.
    pub(super) fn new(config: &FetchConfig) -> io::Result<Self> {
        let policy = Policy::new(config);
        Ok(Self(Arc::new(Inner {
            client: Client::new(config, policy.addresses)?,
            roots: Roots::new(&config.file_roots)?,
            cache: Mutex::new(Cache::new(config.cache_bytes)),
            flights: Mutex::default(),
            downloads: Semaphore::new(config.max_concurrent),
            hosts: Mutex::default(),
            policy,
            config: config.clone(),
        })))
    }

    /// Fetches a document for a call whose downloads take turns at `call`. It takes no longer than what is wanted allows.
    pub(super) async fn fetch(&self, wanted: &Fetch, call: &Semaphore) -> Result<Document, FetchError> {
        let limit_ms = wanted.timeout_ms.unwrap_or(TIMEOUT_MS);
        let begun = Instant::now();
        let work = async {
            let _turn = call.acquire().await.map_err(|_| fetch_error("internal-error", "the call is over"))?;
            self.follow(wanted).await
        };
        let outcome = tokio::time::timeout(Duration::from_millis(limit_ms), work).await;
        let outcome = outcome.unwrap_or_else(|_| Err(fetch_error("timeout", format!("not there after {limit_ms} ms"))));
        let (uri, ms) = (shown(&wanted.uri), begun.elapsed().as_millis());
        match &outcome {
            Ok(document) => tracing::info!(uri, bytes = document.bytes.len(), ms, "fetched"),
            Err(error) => tracing::warn!(uri, cause = error.cause, reason = error.reason, ms, "not fetched"),
        }
        outcome
    }

    /// Goes after redirects.
    async fn follow(&self, wanted: &Fetch) -> Result<Document, FetchError> {
        let inner = &self.0;
        let limit = match wanted.kind {
            FetchKind::Grammar => inner.config.max_grammar_bytes,
            FetchKind::Waveform => inner.config.max_waveform_bytes,
        };
        let mut url = Url::parse(&wanted.uri).map_err(|error| fetch_error("invalid-uri", error.to_string()))?;
        url.set_fragment(None);
        if url.scheme() == "file" {
            inner.policy.check_scheme(&url)?;
            return inner.roots.read(&url, limit).await;
        }
        let wish = wanted.cache_control.as_deref().map(Wish::parse).unwrap_or_default();
        let mut cookies = Cookies::new(SystemTime::now(), &url, &wanted.cookies);
        for _ in 0..=inner.config.max_redirects {
            if url.scheme() == "file" {
                return Err(refused("a redirect to a file".to_owned()));
            }
            let trust = inner.policy.check(&url)?;
            let key = Key { uri: url.to_string(), accept: accept(wanted.kind), cookie: cookies.header(&url) };
            let (what, gained) = inner.load(&url, trust, key, &wish, limit).await?;
            cookies.take(SystemTime::now(), &url, gained.iter().map(String::as_str));
            match what {
                What::Content { media_type, bytes } => {
                    let (uri, cookies) = (url.to_string(), cookies.into_gained());
                    return Ok(Document { uri, media_type, bytes: bytes.into(), cookies });
                }
                What::Redirect(location) => {
                    let joined = url.join(&location);
                    url = joined.map_err(|error| fetch_error("bad-response", format!("Location: {error}")))?;
                    url.set_fragment(None);
                }
            }
        }
        Err(fetch_error("too-many-redirects", format!("more than {}", inner.config.max_redirects)))
    }
}

impl Inner {
    /// What is at one URI, and the cookies that were set for this call's request.
    async fn load(
        self: &Arc<Self>,
        url: &Url,
        trust: Trust,
        key: Key,
        wish: &Wish,
        limit: usize,
    ) -> Result<(What, Vec<String>), FetchError> {
        let found = lock(&self.cache).find(Instant::now(), &key, wish);
        let known = match found {
            Found::Fresh(stored) => {
                tracing::debug!(uri = shown(url.as_str()), "kept from before");
                return Ok((content(&stored), Vec::new()));
            }
            Found::Stale(stored) => Some(stored),
            Found::Nothing => None,
        };
        let (flight, own) = self.join(url, trust, key, known, wish.stores(), limit);
        let mut outcome = flight.outcome.clone();
        let outcome = match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            // The task is gone without a word: it panicked.
            Err(_) => None,
        };
        let reply = outcome.unwrap_or_else(|| Err(fetch_error("internal-error", "the download failed")))?;
        // Cookies are for whose request it was, not for all who waited with it.
        Ok((reply.what.clone(), if own { reply.cookies.clone() } else { Vec::new() }))
    }

    /// The download of `key` that is under way, or a new one. Tells whether it is new.
    fn join(
        self: &Arc<Self>,
        url: &Url,
        trust: Trust,
        key: Key,
        known: Option<Stored>,
        stores: bool,
        limit: usize,
    ) -> (Arc<Flight>, bool) {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade) {
            return (flight, false);
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let (sender, outcome) = watch::channel(None);
        let (inner, url, asked) = (Arc::clone(self), url.clone(), key.clone());
        let span = tracing::info_span!("fetch", host = url.host_str());
        let task = async move {
            let reply = inner.download(&url, trust, &asked, known, stores, limit).await;
            // Who comes later looks into the cache, or asks again.
            lock(&inner.flights).remove(&asked);
            sender.send_replace(Some(reply.map(Arc::new)));
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task.instrument(span)));
        let flight = Arc::new(Flight { outcome, _task: task });
        flights.insert(key, Arc::downgrade(&flight));
        (flight, true)
    }

    async fn download(
        &self,
        url: &Url,
        trust: Trust,
        key: &Key,
        known: Option<Stored>,
        stores: bool,
        limit: usize,
    ) -> Result<Reply, FetchError> {
        let over = |_| fetch_error("internal-error", "the server stops");
        // A host's own turn first: those who wait for a slow one don't take the turns of all.
        let host = self.host(url);
        let _host = host.acquire().await.map_err(over)?;
        let _turn = self.downloads.acquire().await.map_err(over)?;
        let requested = Instant::now();
        let response = self.client.get(trust, key, known.as_ref(), limit).await?;
        let times = Times { requested, received: Instant::now(), wall: SystemTime::now() };
        let cookies = response.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.map(str::to_owned).collect();
        let status = response.status;
        let what = match (status, known) {
            (StatusCode::OK, _) => {
                let authorized = !url.username().is_empty() || url.password().is_some();
                let stored = Stored::new(times, &response.headers, response.bytes.clone(), authorized);
                let mut cache = lock(&self.cache);
                match stored.filter(|_| stores) {
                    Some(stored) => cache.put(key.clone(), stored),
                    None => cache.forget(key),
                }
                What::Content { media_type: header(&response.headers, CONTENT_TYPE), bytes: response.bytes }
            }
            (StatusCode::NOT_MODIFIED, Some(stored)) => {
                let stored = stored.confirmed(times, &response.headers);
                let what = content(&stored);
                if stores {
                    lock(&self.cache).put(key.clone(), stored);
                }
                what
            }
            (status, _) if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                match header(&response.headers, LOCATION) {
                    Some(location) => What::Redirect(location),
                    None => return Err(fetch_error(status.as_str(), "a redirect without Location")),
                }
            }
            (status, _) => return Err(fetch_error(status.as_str(), format!("the server answered {status}"))),
        };
        Ok(Reply { what, cookies })
    }

    /// The turns of a host.
    fn host(&self, url: &Url) -> Arc<Semaphore> {
        let name = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(&name).and_then(Weak::upgrade) {
            return host;
        }
        if hosts.len() >= HOSTS {
            hosts.retain(|_, host| host.strong_count() > 0);
        }
        let host = Arc::new(Semaphore::new(self.config.max_per_host));
        hosts.insert(name, Arc::downgrade(&host));
        host
    }
}

fn content(stored: &Stored) -> What {
    What::Content { media_type: stored.media_type().map(str::to_owned), bytes: stored.bytes.clone() }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// What servers are told of the forms that are understood.
const fn accept(kind: FetchKind) -> &'static str {
    match kind {
        FetchKind::Grammar => {
            "application/srgs+xml, application/srgs, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.5"
        }
        FetchKind::Waveform => "audio/wav, audio/x-wav, audio/basic, */*;q=0.5",
    }
}

/// A URI as logs may have it: without a password.
fn shown(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(mut url) if url.password().is_some() || !url.username().is_empty() => {
            // A URI without a host has none to take away.
            url.set_password(None).ok();
            url.set_username("").ok();
            url.into()
        }
        _ => uri.to_owned(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic could leave half done here is at most a document to be fetched again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
