//! Signatures of requests: Twilio's header, and the HTTP message signature (RFC 9421) of Genesys AudioHook.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// What a request's signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    /// It has none, or none that is known here.
    No,
    /// It is that of a secret.
    Well,
    /// It is wrong: why, for the log.
    Wrong(&'static str),
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signable<'a> {
    /// Path and query, as they came.
    pub(super) target: &'a str,
    /// `SCHEME://HOST` as clients are given it; empty: what the request says.
    pub(super) public_url: &'a str,
    pub(super) headers: &'a HeaderMap,
}

const TWILIO: &str = "x-twilio-signature";
/// What an AudioHook's signature covers at least.
const COVERED: [&str; 6] = [
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
];
/// How old a signature may be, and how far the clocks may differ, in seconds.
const MAX_AGE_S: u64 = 10;
const SKEW_S: u64 = 3;
/// Shortest nonce: 128 bits in Base64.
const MIN_NONCE: usize = 22;
/// Nonces that are remembered; a signature is too old before more than these have come, unless there is a flood.
const NONCES: usize = 4_096;

/// Whether Twilio has signed a request with one of the accounts' tokens: HMAC-SHA1 over the URL.
pub(super) fn twilio(tokens: &[String], request: &Signable<'_>) -> Signed {
    let Some(shown) = request.headers.get(TWILIO).filter(|_| !tokens.is_empty()) else { return Signed::No };
    let Ok(shown) = STANDARD.decode(shown.as_bytes()) else { return Signed::Wrong("it is no Base64") };
    let urls = urls(request);
    let good = |token: &String, url: &String| {
        let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(url.as_bytes());
        mac.verify_slice(&shown).is_ok()
    };
    // All are tried, so that how long it takes tells little.
    let found =
        tokens.iter().flat_map(|token| urls.iter().map(move |url| good(token, url))).filter(|good| *good).count();
    if found > 0 { Signed::Well } else { Signed::Wrong("it is not the URL's: see streams.public_url") }
}

/// The URLs that may have been signed: a stream's has the scheme `wss`, what a library checks sometimes `https`, and where
/// nothing follows the host a slash may or may not be there.
fn urls(request: &Signable<'_>) -> Vec<String> {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let base = match request.public_url.trim_end_matches('/') {
        "" => host,
        url => url.split_once("://").map_or(url, |(_, rest)| rest),
    };
    let bare = request.target.trim_end_matches('/');
    let ends = [request.target.to_owned(), bare.to_owned(), format!("{bare}/")];
    let schemes = ["wss", "https", "ws", "http"];
    let mut urls: Vec<String> =
        schemes.iter().flat_map(|scheme| ends.iter().map(move |end| format!("{scheme}://{base}{end}"))).collect();
    urls.dedup();
    urls
}

/// A key of AudioHook's and its secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HookKey {
    key: String,
    secret: Vec<u8>,
}

impl HookKey {
    /// Reads `KEY:SECRET`, the secret in Base64, as Genesys shows it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (key, secret) = text.trim().split_once(':')?;
        let secret = STANDARD.decode(secret).ok().filter(|secret| !secret.is_empty())?;
        (!key.is_empty()).then(|| Self { key: key.to_owned(), secret })
    }
}

/// Nonces of late: none is good twice.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<VecDeque<String>>);

impl Nonces {
    /// Takes a nonce; `false` if it came before.
    fn take(&self, nonce: &str) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|one| one == nonce) {
            return false;
        }
        if known.len() == NONCES {
            known.pop_front();
        }
        known.push_back(nonce.to_owned());
        true
    }
}

/// Whether one of the keys has signed a request of AudioHook's, `now_s` seconds after 1970.
pub(super) fn audiohook(keys: &[HookKey], nonces: &Nonces, now_s: u64, request: &Signable<'_>) -> Signed {
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let (Some(input), false) = (header("signature-input"), keys.is_empty()) else { return Signed::No };
    let Some(input) = Input::parse(input) else { return Signed::Wrong("Signature-Input can't be read") };
    let signature = header("signature").and_then(|field| bytes_of(field, input.label));
    let Some(signature) = signature else { return Signed::Wrong("there is no Signature to its Signature-Input") };
    if COVERED.iter().any(|needed| !input.covered.contains(needed)) {
        return Signed::Wrong("it does not cover what it must");
    }
    let mut base = String::new();
    for name in &input.covered {
        let value = match *name {
            "@request-target" => Some(request.target),
            "@authority" => header(header::HOST.as_str()),
            name if name.starts_with('@') => None,
            name => header(name),
        };
        let Some(value) = value else { return Signed::Wrong("it covers what the request does not have") };
        base += &format!("\"{name}\": {value}\n");
    }
    base += &format!("\"@signature-params\": {}", input.whole);
    let key_id = input.parameter("keyid");
    if key_id.is_none() || key_id != header("x-api-key") {
        return Signed::Wrong("its key is not that of X-API-KEY");
    }
    if input.parameter("alg").is_some_and(|alg| alg != "hmac-sha256") {
        return Signed::Wrong("its algorithm is not hmac-sha256");
    }
    let Some(key) = keys.iter().find(|key| Some(key.key.as_str()) == key_id) else {
        return Signed::Wrong("its key is not known");
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).expect("HMAC takes keys of any length");
    mac.update(base.as_bytes());
    if mac.verify_slice(&signature).is_err() {
        return Signed::Wrong("it is not that of its key");
    }
    let time = |name: &str| input.parameter(name).and_then(|seconds| seconds.parse::<u64>().ok());
    match time("created") {
        Some(created) if created <= now_s + SKEW_S && now_s <= created + MAX_AGE_S + SKEW_S => {}
        Some(_) => return Signed::Wrong("it is too old, or the clocks differ"),
        None => return Signed::Wrong("it does not say when it was made"),
    }
    if time("expires").is_some_and(|expires| expires + SKEW_S < now_s) {
        return Signed::Wrong("it has expired");
    }
    match input.parameter("nonce").filter(|nonce| nonce.len() >= MIN_NONCE) {
        None => Signed::Wrong("it has no nonce, or a short one"),
        Some(nonce) if nonces.take(nonce) => Signed::Well,
        Some(_) => Signed::Wrong("it came before"),
    }
}

/// The first member of Signature-Input (RFC 9421 section 4.1).
#[derive(Debug, PartialEq, Eq)]
struct Input<'a> {
    label: &'a str,
    /// The inner list with its parameters, as it came: it is signed so.
    whole: &'a str,
    covered: Vec<&'a str>,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Input<'a> {
    /// Reads `LABEL=("NAME" ..);KEY=VALUE..`; names with parameters of their own are not known here.
    fn parse(field: &'a str) -> Option<Self> {
        let (label, rest) = field.split_once('=')?;
        let whole = rest.split_at(member(rest)).0.trim_end();
        let (list, parameters) = whole.strip_prefix('(')?.split_once(')')?;
        let quoted = |word: &'a str| {
            let inner = word.strip_prefix('"')?.strip_suffix('"')?;
            (!inner.contains(['"', '\\', ';'])).then_some(inner)
        };
        let covered = list.split_ascii_whitespace().map(quoted).collect::<Option<Vec<_>>>()?;
        let mut read = Vec::new();
        for parameter in parameters.split(';').skip(1) {
            let (key, value) = parameter.trim().split_once('=')?;
            read.push((key, quoted(value).unwrap_or(value)));
        }
        Some(Self { label: label.trim(), whole, covered, parameters: read })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// Where a member of a dictionary ends: at the next comma that is not in quotes.
fn member(text: &str) -> usize {
    let mut quoted = false;
    text.bytes()
        .position(|byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        })
        .unwrap_or(text.len())
}

/// The bytes of a member `LABEL=:BASE64:` of a dictionary.
fn bytes_of(field: &str, label: &str) -> Option<Vec<u8>> {
    let value = field.split(',').find_map(|member| member.trim().strip_prefix(label)?.strip_prefix("=:"))?;
    STANDARD.decode(value.split_once(':')?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn twilio_signs_the_url() {
        let tokens = ["another token of an account".to_owned(), "0123456789abcdef0123456789abcdef".to_owned()];
        let check = |host: &str, public_url: &str, target: &str, signature: &str| {
            let headers = headers(&[("host", host), (TWILIO, signature)]);
            twilio(&tokens, &Signable { target, public_url, headers: &headers })
        };
        // wss://answer.example.com/twilio, and the same as https.
        for signature in ["KMZUzyKLY20S3H18eYPTDhmhb2U=", "SySLLknh4RYvkcGXTsoO6XHO/eY="] {
            assert_eq!(check("answer.example.com", "", "/twilio", signature), Signed::Well);
            // Behind a proxy.
            assert_eq!(check("10.0.0.7:8080", "wss://answer.example.com", "/twilio", signature), Signed::Well);
            assert!(matches!(check("10.0.0.7:8080", "", "/twilio", signature), Signed::Wrong(_)));
            assert!(matches!(check("answer.example.com", "", "/twilio/7", signature), Signed::Wrong(_)));
        }
        assert_eq!(check("answer.example.com", "", "/twilio/7?x=1", "U99/g29fE8eoF2nfIW4B/WxTTDg="), Signed::Well);
        assert!(matches!(check("answer.example.com", "", "/twilio", "!"), Signed::Wrong(_)));
        let none = headers(&[("host", "answer.example.com")]);
        let request = Signable { target: "/twilio", public_url: "", headers: &none };
        assert_eq!(twilio(&tokens, &request), Signed::No);
        assert_eq!(twilio(&[], &request), Signed::No);
    }

    const KEY: &str = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";
    const SECRET: &str = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU=";
    const INPUT: &str = "sig1=(\"@request-target\" \"@authority\" \"audiohook-organization-id\" \"audiohook-session-id\" \
                         \"audiohook-correlation-id\" \"x-api-key\");keyid=\"SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh\";\
                         nonce=\"VGhpc0lzQVVuaXF1ZU5vbmNl\";alg=\"hmac-sha256\";created=1641013200;expires=3282026430";

    /// The example of Genesys's own description of the protocol.
    fn example(changed: &[(&'static str, &str)]) -> HeaderMap {
        let mut all = headers(&[
            ("host", "audiohook.example.com"),
            ("audiohook-organization-id", "d7934305-0972-4844-938e-9060eef73d05"),
            ("audiohook-correlation-id", "e160e428-53e2-487c-977d-96989bf5c99d"),
            ("audiohook-session-id", "30b0e395-84d3-4570-ac13-9a62d8f514c0"),
            ("x-api-key", KEY),
            ("signature", "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:"),
            ("signature-input", INPUT),
        ]);
        all.extend(headers(changed));
        all
    }

    fn check(nonces: &Nonces, now_s: u64, target: &str, headers: &HeaderMap) -> Signed {
        let keys = [HookKey::parse("other:b3RoZXI=").unwrap(), HookKey::parse(&format!("{KEY}:{SECRET}")).unwrap()];
        audiohook(&keys, nonces, now_s, &Signable { target, public_url: "", headers })
    }

    const TARGET: &str = "/api/v1/voicebiometrics/ws";
    const NOW: u64 = 1_641_013_205;

    #[test]
    fn audiohook_signs_what_the_request_says() {
        let nonces = Nonces::default();
        assert_eq!(check(&nonces, NOW, TARGET, &example(&[])), Signed::Well);
        assert_eq!(check(&nonces, NOW, TARGET, &example(&[])), Signed::Wrong("it came before"));
        let wrong = |now_s, target, changed: &[(&'static str, &str)]| match check(
            &Nonces::default(),
            now_s,
            target,
            &example(changed),
        ) {
            Signed::Wrong(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(wrong(NOW + 60, TARGET, &[]).contains("too old"));
        assert!(wrong(NOW - 60, TARGET, &[]).contains("clocks"));
        let not_its = "it is not that of its key";
        assert_eq!(wrong(NOW, "/other", &[]), not_its);
        for (name, value) in [
            ("host", "other.example.com"),
            ("audiohook-session-id", "other"),
            ("signature", "sig1=:AAAA:"),
            ("signature-input", &INPUT.replace("1641013200", "1641013201")),
        ] {
            assert_eq!(wrong(NOW, TARGET, &[(name, value)]), not_its, "{name}");
        }
        assert!(wrong(NOW, TARGET, &[("x-api-key", "other")]).contains("X-API-KEY"));
        assert!(wrong(NOW, TARGET, &[("signature", "sig2=:AAAA:")]).contains("no Signature"));
        assert!(wrong(NOW, TARGET, &[("signature-input", &INPUT.replace(" \"@authority\"", ""))]).contains("cover"));
        let derived = INPUT.replace("\"@authority\"", "\"@authority\" \"@path\"");
        assert!(wrong(NOW, TARGET, &[("signature-input", &derived)]).contains("does not have"));
        assert!(wrong(NOW, TARGET, &[("signature-input", "sig1")]).contains("read"));
        let mut unsigned = example(&[]);
        unsigned.remove("signature-input");
        assert_eq!(check(&nonces, NOW, TARGET, &unsigned), Signed::No);
    }

    #[test]
    fn keys_are_read() {
        assert!(HookKey::parse("key:c2VjcmV0").is_some());
        for wrong in ["", "key", "key:", ":c2VjcmV0", "key:!"] {
            assert!(HookKey::parse(wrong).is_none(), "{wrong}");
        }
    }
}
