//! One HTTP request, to an address that may be connected to.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, COOKIE, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::redirect::Policy as Redirects;
use reqwest::{Certificate, StatusCode};
use tokio_rustls::rustls;
use url::Url;

use crate::grammar::FetchError;
use crate::net::fetch::cache::{Key, Stored};
use crate::net::fetch::policy::{Addresses, Trust, not_permitted, refused};
use crate::net::fetch::{FetchConfig, fetch_error};

/// Connections that nobody uses are kept for so long.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Makes requests. Hosts that the operator named and others have connections apart: one that was checked less strictly
/// does not serve the others.
#[derive(Debug, Clone)]
pub(super) struct Client {
    named: reqwest::Client,
    open: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The content of a 200; that of others is not read.
    pub(super) bytes: Bytes,
}

impl Client {
    /// # Errors
    /// The file of certificates can't be read.
    pub(super) fn new(config: &FetchConfig, addresses: Addresses) -> io::Result<Self> {
        let mut certificates = Vec::new();
        if !config.ca_file.as_os_str().is_empty() {
            let named = |error: &dyn fmt::Display| io::Error::other(format!("{}: {error}", config.ca_file.display()));
            let pem = std::fs::read(&config.ca_file).map_err(|error| named(&error))?;
            certificates = Certificate::from_pem_bundle(&pem).map_err(|error| named(&error))?;
            if certificates.is_empty() {
                return Err(named(&"there is no certificate in it"));
            }
        }
        // Only one can be; who was first wants the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let build = |trust| {
            let builder = || {
                reqwest::Client::builder()
                    .user_agent(concat!("answerd/", env!("CARGO_PKG_VERSION")))
                    // Each hop is checked here.
                    .redirect(Redirects::none())
                    .referer(false)
                    // A proxy would look names up itself, and connect to what is not permitted here.
                    .no_proxy()
                    .dns_resolver(Resolver { trust, addresses })
                    .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
                    .pool_idle_timeout(POOL_IDLE)
                    .http1_only()
            };
            builder().tls_certs_merge(certificates.clone()).build().or_else(|error| {
                tracing::warn!(error = %Chain(&error), "the system's certificates can't be used: only those of fetch.ca_file are trusted");
                builder().tls_certs_only(certificates.clone()).build()
            })
        };
        let failed = |error: reqwest::Error| io::Error::other(format!("HTTP client: {}", Chain(&error)));
        Ok(Self { named: build(Trust::Named).map_err(failed)?, open: build(Trust::Open).map_err(failed)? })
    }

    /// Gets what `key` asks for, or with `known` whether that still holds (status 304). A content of more than `limit`
    /// bytes is an error.
    pub(super) async fn get(
        &self,
        trust: Trust,
        key: &Key,
        known: Option<&Stored>,
        limit: usize,
    ) -> Result<Response, FetchError> {
        let client = match trust {
            Trust::Named => &self.named,
            Trust::Open => &self.open,
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(key.accept));
        let conditions = [
            (COOKIE, (!key.cookie.is_empty()).then_some(key.cookie.as_str())),
            (IF_NONE_MATCH, known.and_then(Stored::etag)),
            (IF_MODIFIED_SINCE, known.and_then(Stored::last_modified)),
        ];
        for (name, value) in conditions {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        }
        let request = client.get(key.uri.as_str()).headers(headers);
        let mut response = request.send().await.map_err(|error| failure(&key.uri, error))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        if status != StatusCode::OK {
            return Ok(Response { status, headers, bytes: Bytes::new() });
        }
        if let Some(encoding) = headers.get(CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(fetch_error("bad-response", format!("Content-Encoding {encoding:?} was not asked for")));
        }
        let too_large = || fetch_error("too-large", format!("more than {limit} bytes"));
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&key.uri, error))? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, bytes: bytes.freeze() })
    }
}

/// Looks names up, and gives only addresses that may be connected to: the connection goes to one that was checked.
#[derive(Debug, Clone, Copy)]
struct Resolver {
    trust: Trust,
    addresses: Addresses,
}

/// A name whose addresses are all refused.
#[derive(Debug)]
struct NotPermitted;

impl fmt::Display for NotPermitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of the host's addresses may be connected to")
    }
}

impl Error for NotPermitted {}

impl Resolver {
    fn choose(self, found: impl Iterator<Item = IpAddr>) -> Result<Vec<SocketAddr>, NotPermitted> {
        let permitted = found.filter(|address| self.addresses.permit(self.trust, *address));
        let chosen = permitted.map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>();
        if chosen.is_empty() { Err(NotPermitted) } else { Ok(chosen) }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let chosen = resolver.choose(found.map(|address| address.ip()))?;
            Ok(Box::new(chosen.into_iter()) as Addrs)
        })
    }
}

/// What a client is told of a request that failed.
fn failure(uri: &str, error: reqwest::Error) -> FetchError {
    // The URI may hold a password, and is told anyway.
    let error = error.without_url();
    if source::<NotPermitted>(&error).is_some() {
        let host = Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        return refused(not_permitted(&host));
    }
    let cause = match () {
        () if error.is_timeout() => "timeout",
        () if source::<rustls::Error>(&error).is_some() => "tls",
        () if error.is_connect() => "unreachable",
        () if source::<io::Error>(&error).is_some() => "unreachable",
        () => "bad-response",
    };
    fetch_error(cause, Chain(&error).to_string())
}

/// The first of an error's causes that is a `T`, also where it is wrapped as an I/O error.
fn source<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An I/O error's source is that of the error that it wraps, not that error.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// An error and all its causes in one line.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        f.write_str(&told)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            told = text;
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::fetch::policy::Policy;

    fn chosen(trust: Trust, found: &[&str]) -> Vec<String> {
        let addresses = Policy::new(&FetchConfig::default()).addresses;
        let found = found.iter().map(|text| text.parse().unwrap());
        let chosen = Resolver { trust, addresses }.choose(found).unwrap_or_default();
        chosen.into_iter().map(|address| address.ip().to_string()).collect()
    }

    #[test]
    fn a_name_leads_only_where_it_may() {
        assert!(chosen(Trust::Open, &["127.0.0.1", "::1", "169.254.169.254"]).is_empty());
        assert_eq!(chosen(Trust::Open, &["10.0.0.1", "8.8.8.8", "::ffff:10.0.0.1"]), ["8.8.8.8"]);
        assert_eq!(chosen(Trust::Named, &["10.0.0.1", "8.8.8.8", "224.0.0.1"]), ["10.0.0.1", "8.8.8.8"]);
        assert!(chosen(Trust::Named, &["0.0.0.0"]).is_empty());
    }

    #[tokio::test]
    async fn a_lookup_is_checked() {
        let addresses = Policy::new(&FetchConfig::default()).addresses;
        let open = Resolver { trust: Trust::Open, addresses };
        let error = open.resolve("localhost".parse().unwrap()).await.err().expect("localhost is no public host");
        assert!(error.downcast_ref::<NotPermitted>().is_some());
        let named = Resolver { trust: Trust::Named, addresses };
        let found = named.resolve("localhost".parse().unwrap()).await.unwrap().collect::<Vec<_>>();
        assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()));
    }
}
