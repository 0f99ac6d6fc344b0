//! Cookies, RFC 6265 and RFC 6787 section 6.2.15: the client's are sent along, those that servers set go back to it.

use std::time::SystemTime;

use url::{Host, Url};

/// Most cookies and longest of one in bytes that a fetch takes (RFC 6265 section 6.1 asks for 50 and 4096).
const MAX_COOKIES: usize = 100;
const MAX_BYTES: usize = 4_096;

/// The cookies of one fetch.
#[derive(Debug, Default)]
pub(super) struct Cookies {
    cookies: Vec<Cookie>,
    /// What servers set, for the client.
    gained: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Only the domain itself, no host below.
    host_only: bool,
    path: String,
    secure: bool,
    expired: bool,
}

impl Cookies {
    /// The client's cookies, values of Set-Cookie, for a fetch of `url`. One without Domain is taken for that host's.
    pub(super) fn new(wall: SystemTime, url: &Url, given: &[String]) -> Self {
        let mut cookies = Self::default();
        let Some(host) = host(url) else { return cookies };
        for value in given.iter().flat_map(|text| split(text)) {
            if let Some(cookie) = Cookie::parse(wall, value, &host, "/") {
                cookies.put(cookie);
            }
        }
        cookies
    }

    /// What a response from `url` set.
    pub(super) fn take<'a>(&mut self, wall: SystemTime, url: &Url, set: impl Iterator<Item = &'a str>) {
        let Some(host) = host(url) else { return };
        for value in set {
            let Some(cookie) = Cookie::parse(wall, value, &host, default_path(url.path())) else { continue };
            // A server sets cookies for itself and for domains that it is in; a domain has a dot.
            let own = cookie.host_only || (cookie.domain.contains('.') && domain_matches(&host, &cookie.domain));
            if !own || self.gained.len() >= MAX_COOKIES {
                tracing::debug!(host, name = cookie.name, "a cookie is not taken");
                continue;
            }
            self.gained.push(cookie.for_client(value));
            self.put(cookie);
        }
    }

    /// The Cookie header of a request for `url`; empty if none is to be sent.
    pub(super) fn header(&self, url: &Url) -> String {
        let Some(host) = host(url) else { return String::new() };
        let matching = |cookie: &&Cookie| {
            let at_host = cookie.domain == host || (!cookie.host_only && domain_matches(&host, &cookie.domain));
            at_host && path_matches(url.path(), &cookie.path) && (!cookie.secure || url.scheme() == "https")
        };
        let mut chosen = self.cookies.iter().filter(matching).collect::<Vec<_>>();
        chosen.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs = chosen.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// What servers set, as values of Set-Cookie for the client.
    pub(super) fn into_gained(self) -> Vec<String> {
        self.gained
    }

    fn put(&mut self, cookie: Cookie) {
        let same = |old: &Cookie| (&old.name, &old.domain, &old.path) == (&cookie.name, &cookie.domain, &cookie.path);
        self.cookies.retain(|old| !same(old));
        if !cookie.expired && self.cookies.len() < MAX_COOKIES {
            self.cookies.push(cookie);
        }
    }
}

impl Cookie {
    /// RFC 6265 section 5.2, and the Age of RFC 6787: how long the client has had it.
    fn parse(wall: SystemTime, text: &str, host: &str, path: &str) -> Option<Self> {
        // What can't stand in a Cookie header is no cookie.
        if text.len() > MAX_BYTES || text.bytes().any(|byte| !(0x20..0x7f).contains(&byte)) {
            return None;
        }
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return None;
        }
        let mut cookie = Self {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: path.to_owned(),
            secure: false,
            expired: false,
        };
        let (mut max_age, mut age, mut expires) = (None, 0, None);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    if !domain.is_empty() {
                        cookie.host_only = domain == host;
                        cookie.domain = domain;
                    }
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "max-age" => max_age = value.parse::<i64>().ok(),
                "age" => age = value.parse().unwrap_or(0),
                "expires" => expires = httpdate::parse_http_date(value).ok(),
                _ => {}
            }
        }
        cookie.expired = match max_age {
            Some(seconds) => seconds <= age,
            None => expires.is_some_and(|at| at <= wall),
        };
        Some(cookie)
    }

    /// The text with the defaults of Domain and Path filled in, and with the Age that RFC 6787 asks for.
    fn for_client(&self, text: &str) -> String {
        let has = |name: &str| {
            let mut names = text.split(';').skip(1).map(|part| part.split('=').next().unwrap_or_default().trim());
            names.any(|found| found.eq_ignore_ascii_case(name))
        };
        let mut told = text.trim().to_owned();
        for (name, value) in [("Domain", self.domain.as_str()), ("Path", &self.path), ("Age", "0")] {
            if !has(name) {
                told.push_str(&format!("; {name}={value}"));
            }
        }
        told
    }
}

/// A header may hold several cookies, with commas between; dates have a comma too, but no `NAME=` behind it.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (at, _) in text.match_indices(',') {
        let name = text[at + 1..].trim_start().split(['=', ';', ',']).next().unwrap_or_default();
        let rest = text[at + 1..].trim_start().get(name.len()..).unwrap_or_default();
        let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if token && rest.starts_with('=') {
            parts.push(&text[begin..at]);
            begin = at + 1;
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn host(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => Some(name.trim_end_matches('.').to_owned()),
        address => Some(address.to_string()),
    }
}

/// RFC 6265 section 5.1.3.
fn domain_matches(host: &str, domain: &str) -> bool {
    let below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    host == domain || (below && host.parse::<std::net::Ipv4Addr>().is_err())
}

/// RFC 6265 section 5.1.4.
fn path_matches(path: &str, cookie: &str) -> bool {
    match path.strip_prefix(cookie) {
        Some(rest) => rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// The directory of a request's path.
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn wall() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn sent(given: &[&str], to: &str) -> String {
        let given = given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Cookies::new(wall(), &url("http://g.example.com/a/b"), &given).header(&url(to))
    }

    #[test]
    fn the_clients_cookies_go_where_they_belong() {
        let at = "http://g.example.com/a/b";
        assert_eq!(sent(&["id=7"], at), "id=7");
        assert_eq!(sent(&["id=7"], "http://other.example.com/"), "");
        assert_eq!(sent(&["id=7; Domain=example.com; Path=/a"], at), "id=7");
        assert_eq!(sent(&["id=7; Domain=example.com; Path=/a"], "http://x.example.com/a"), "id=7");
        assert_eq!(sent(&["id=7; Domain=example.com; Path=/a"], "http://x.example.com/ab"), "");
        assert_eq!(sent(&["id=7; Domain=ample.com"], at), "");
        assert_eq!(sent(&["id=7; Secure"], at), "");
        assert_eq!(sent(&["id=7; Secure"], "https://g.example.com/"), "id=7");
        assert_eq!(sent(&["a=1; Path=/", "b=2; Path=/a", "a=3"], at), "b=2; a=3");
        assert_eq!(sent(&["a=1; Path=/, b=\"2 3\"; Path=/a"], at), "b=\"2 3\"; a=1");
        assert_eq!(sent(&["x\u{1}=1", "=1", "none"], at), "");
    }

    #[test]
    fn cookies_that_are_over_are_not_sent() {
        let at = "http://g.example.com/";
        assert_eq!(sent(&["a=1; Max-Age=60; Age=59"], at), "a=1");
        assert_eq!(sent(&["a=1; Max-Age=60; Age=60"], at), "");
        assert_eq!(sent(&["a=1; Max-Age=0"], at), "");
        assert_eq!(sent(&["a=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT"], at), "");
        assert_eq!(sent(&["a=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT, b=2"], at), "b=2");
        assert_eq!(
            sent(&["a=1; Expires=Fri, 09 Jun 2034 10:18:14 GMT; Secure, b=2"], "https://g.example.com/"),
            "a=1; b=2"
        );
        assert_eq!(sent(&["a=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT; Max-Age=5"], at), "a=1");
    }

    #[test]
    fn what_servers_set_is_sent_on_and_told() {
        let at = url("http://g.example.com/dir/x.grxml");
        let mut cookies = Cookies::new(wall(), &at, &["sid=old; Path=/dir".to_owned()]);
        let set = [
            "sid=new; HttpOnly",
            "far=1; Domain=.example.com; Path=/",
            "theirs=1; Domain=other.com",
            "all=1; Domain=com",
            "gone=1; Max-Age=0",
        ];
        cookies.take(wall(), &at, set.into_iter());
        assert_eq!(cookies.header(&at), "sid=new; far=1");
        assert_eq!(cookies.header(&url("http://h.example.com/")), "far=1");
        assert_eq!(
            cookies.into_gained(),
            [
                "sid=new; HttpOnly; Domain=g.example.com; Path=/dir; Age=0",
                "far=1; Domain=.example.com; Path=/; Age=0",
                "gone=1; Max-Age=0; Domain=g.example.com; Path=/dir; Age=0",
            ]
        );
    }
}
