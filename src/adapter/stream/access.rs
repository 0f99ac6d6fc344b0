//! Who may open a stream: tokens, and the web pages that may.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// What a request's secrets say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It may open a stream.
    Granted,
    /// It shows none of the tokens.
    Missing,
    /// It shows a wrong one.
    Wrong,
}

/// Headers that carry a token as it is: Genesys's key, and Telnyx's.
const BARE: [&str; 2] = ["x-api-key", "x-telnyx-streaming-auth-token"];

/// Whether a request that shows these headers, and `query` as the token of its query, may open a stream; where the door is
/// not guarded, all may.
pub(super) fn access(guarded: bool, tokens: &[String], headers: &HeaderMap, query: Option<&str>) -> Access {
    if !guarded {
        return Access::Granted;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header(header::AUTHORIZATION.as_str()).and_then(secret);
    let bare = BARE.iter().filter_map(|name| header(name)).map(str::to_owned);
    let mut shown = authorization.into_iter().chain(bare).chain(query.map(str::to_owned)).peekable();
    if shown.peek().is_none() {
        return Access::Missing;
    }
    if shown.any(|secret| is_token(tokens, &secret)) { Access::Granted } else { Access::Wrong }
}

/// Whether `secret` is one of the tokens. How long it takes tells nothing of them.
pub(super) fn is_token(tokens: &[String], secret: &str) -> bool {
    let shown = Sha256::digest(secret.as_bytes());
    tokens.iter().fold(false, |found, token| {
        let known = Sha256::digest(token.as_bytes());
        let differing = shown.iter().zip(&known).fold(0u8, |differing, (a, b)| differing | (a ^ b));
        found | (differing == 0)
    })
}

/// The secret of an Authorization header: a bearer token, or the password of Basic.
fn secret(authorization: &str) -> Option<String> {
    let (scheme, rest) = authorization.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        Some(rest.to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let both = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        both.split_once(':').map(|(_, password)| password.to_owned())
    } else {
        None
    }
}

/// Whether a page of `origin` may connect to `host`: one of the same host, or of the origins that are allowed. What is no
/// browser has no origin, or tells the server's own host as one.
pub(super) fn origin_may(allowed: &[String], headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &axum::http::HeaderValue| value.to_str().unwrap_or_default());
    let Some(origin) = text(header::ORIGIN) else { return true };
    let same = |word: &String| word == "*" || word.trim_end_matches('/').eq_ignore_ascii_case(origin);
    if allowed.iter().any(same) {
        return true;
    }
    let host = text(header::HOST).map(without_port).filter(|host| !host.is_empty());
    let of_origin = origin.split_once("://").map(|(_, host)| without_port(host));
    host.zip(of_origin).is_some_and(|(host, origin)| host.eq_ignore_ascii_case(origin))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn tokens_come_in_many_ways() {
        let tokens = ["first-token".to_owned(), "second-token".to_owned()];
        let none = HeaderMap::new();
        assert_eq!(access(false, &[], &none, Some("anything")), Access::Granted);
        // Where signatures alone open, no word does.
        assert_eq!(access(true, &[], &none, Some("anything")), Access::Wrong);
        let access = |tokens: &[String], headers: &HeaderMap, query: Option<&str>| access(true, tokens, headers, query);
        assert_eq!(access(&tokens, &none, None), Access::Missing);
        assert_eq!(access(&tokens, &none, Some("second-token")), Access::Granted);
        assert_eq!(access(&tokens, &none, Some("second-toke")), Access::Wrong);
        for (name, value, wanted) in [
            ("authorization", "Bearer first-token", Access::Granted),
            ("authorization", "bearer  first-token", Access::Granted),
            ("authorization", "Bearer wrong", Access::Wrong),
            // user:second-token
            ("authorization", "Basic dXNlcjpzZWNvbmQtdG9rZW4=", Access::Granted),
            ("authorization", "Basic !!", Access::Missing),
            ("authorization", "first-token", Access::Missing),
            ("x-api-key", "first-token", Access::Granted),
            ("x-telnyx-streaming-auth-token", "other", Access::Wrong),
        ] {
            assert_eq!(access(&tokens, &headers(&[(name, value)]), None), wanted, "{name}: {value}");
        }
    }

    #[test]
    fn pages_of_other_hosts_are_refused() {
        let allowed = ["https://agent.example.com".to_owned()];
        for (lines, may) in [
            (&[("host", "127.0.0.1:8080")][..], true),
            (&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")], true),
            (&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1")], true),
            (&[("host", "[::1]:8080"), ("origin", "http://[::1]:3000")], true),
            (&[("host", "ai.example.com"), ("origin", "https://AGENT.example.com")], true),
            (&[("host", "ai.example.com"), ("origin", "https://evil.example.com")], false),
            (&[("host", "ai.example.com"), ("origin", "null")], false),
            (&[("origin", "http://")], false),
        ] {
            assert_eq!(origin_may(&allowed, &headers(lines)), may, "{lines:?}");
        }
        assert!(origin_may(&["*".to_owned()], &headers(&[("host", "a"), ("origin", "null")])));
    }
}
