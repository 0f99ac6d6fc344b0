//! Documents that are kept, as RFC 9111 has it for a shared cache, and as the request's Cache-Control asks (RFC 6787
//! section 6.2.13). Time is an argument.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{
    AGE, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, VARY,
};

/// Longest freshness that is guessed where the server tells none (RFC 9111 section 4.2.2).
const MAX_GUESSED: Duration = Duration::from_secs(24 * 3600);

/// What an entry takes beside its content.
const OVERHEAD_BYTES: usize = 1_024;

/// What is asked for: everything that a response can depend on, as all else of our requests is always the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) uri: String,
    pub(super) accept: &'static str,
    /// The Cookie header.
    pub(super) cookie: String,
}

/// Cache-Control of a request. What is not given is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wish {
    max_age: Option<u64>,
    min_fresh: Option<u64>,
    /// How long content may have been stale, in seconds.
    max_stale: Option<u64>,
    no_cache: bool,
    no_store: bool,
}

impl Wish {
    /// Reads the header. What can't be read is as if it forbade what it is about.
    pub(super) fn parse(text: &str) -> Self {
        let mut wish = Self::default();
        for (name, value) in directives(text) {
            match name.as_str() {
                "max-age" => wish.max_age = Some(seconds(value).unwrap_or(0)),
                "min-fresh" => wish.min_fresh = Some(seconds(value).unwrap_or(u64::MAX)),
                "max-stale" if value.is_none() => wish.max_stale = Some(u64::MAX),
                "max-stale" => wish.max_stale = seconds(value),
                "no-cache" => wish.no_cache = true,
                "no-store" => wish.no_store = true,
                _ => {}
            }
        }
        wish
    }

    /// Whether what comes may be kept.
    pub(super) const fn stores(&self) -> bool {
        !self.no_store
    }
}

/// A response that can be used again.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    /// Those of its headers that matter: about its freshness, and its type.
    headers: HeaderMap,
    pub(super) bytes: Bytes,
    requested: Instant,
    received: Instant,
    /// The wall clock at `received`.
    wall: SystemTime,
}

/// When a response was asked for and when it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) requested: Instant,
    pub(super) received: Instant,
    /// The wall clock at `received`.
    pub(super) wall: SystemTime,
}

const KEPT: [HeaderName; 8] = [AGE, CACHE_CONTROL, CONTENT_LOCATION, CONTENT_TYPE, DATE, ETAG, EXPIRES, LAST_MODIFIED];

impl Stored {
    /// A response with status 200 to a GET, if it may be kept at all and would be of use. `authorized`: the request had
    /// credentials (RFC 9111 section 3.5).
    pub(super) fn new(times: Times, headers: &HeaderMap, bytes: Bytes, authorized: bool) -> Option<Self> {
        let control = Control::of(headers);
        let varies = headers.get_all(VARY).iter().any(|value| value.as_bytes().contains(&b'*'));
        let shared = control.public || control.strict || control.s_maxage.is_some();
        if control.no_store || control.private || varies || (authorized && !shared) {
            return None;
        }
        let Times { requested, received, wall } = times;
        let mut stored = Self { headers: HeaderMap::new(), bytes, requested, received, wall };
        stored.take_headers(headers);
        (stored.is_validatable() || stored.lifetime() > Duration::ZERO).then_some(stored)
    }

    /// The same content, confirmed by a 304 (RFC 9111 section 4.3.4).
    pub(super) fn confirmed(mut self, times: Times, headers: &HeaderMap) -> Self {
        self.headers.remove(AGE);
        self.take_headers(headers);
        (self.requested, self.received, self.wall) = (times.requested, times.received, times.wall);
        self
    }

    fn take_headers(&mut self, headers: &HeaderMap) {
        for name in KEPT {
            if headers.contains_key(&name) {
                self.headers.remove(&name);
                for value in headers.get_all(&name) {
                    self.headers.append(&name, value.clone());
                }
            }
        }
    }

    pub(super) fn media_type(&self) -> Option<&str> {
        text(&self.headers, CONTENT_TYPE)
    }

    pub(super) fn etag(&self) -> Option<&str> {
        text(&self.headers, ETAG)
    }

    pub(super) fn last_modified(&self) -> Option<&str> {
        text(&self.headers, LAST_MODIFIED)
    }

    fn is_validatable(&self) -> bool {
        self.etag().is_some() || self.last_modified().is_some()
    }

    /// How long it is fresh after its origin sent it (RFC 9111 section 4.2.1).
    fn lifetime(&self) -> Duration {
        let control = Control::of(&self.headers);
        if control.no_cache {
            return Duration::ZERO;
        }
        if let Some(seconds) = control.s_maxage.or(control.max_age) {
            return Duration::from_secs(seconds);
        }
        let sent = date(&self.headers, DATE).unwrap_or(self.wall);
        if self.headers.contains_key(EXPIRES) {
            // A date that can't be read, such as 0, is in the past.
            let expires = date(&self.headers, EXPIRES).unwrap_or(sent);
            return expires.duration_since(sent).unwrap_or_default();
        }
        let modified = date(&self.headers, LAST_MODIFIED);
        let unchanged = modified.and_then(|at| sent.duration_since(at).ok()).unwrap_or_default();
        (unchanged / 10).min(MAX_GUESSED)
    }

    /// How long ago its origin sent it (RFC 9111 section 4.2.3).
    fn age(&self, now: Instant) -> Duration {
        let sent = date(&self.headers, DATE).unwrap_or(self.wall);
        let apparent = self.wall.duration_since(sent).unwrap_or_default();
        let told = text(&self.headers, AGE).and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let delay = self.received.saturating_duration_since(self.requested);
        let corrected = Duration::from_secs(told).saturating_add(delay);
        apparent.max(corrected).saturating_add(now.saturating_duration_since(self.received))
    }

    /// Whether it may be used at `now` for such a request without asking its server.
    fn satisfies(&self, now: Instant, wish: &Wish) -> bool {
        if wish.no_cache || Control::of(&self.headers).no_cache {
            return false;
        }
        let (age, lifetime) = (self.age(now), self.lifetime());
        if wish.max_age.is_some_and(|limit| age > Duration::from_secs(limit)) {
            return false;
        }
        if age.saturating_add(Duration::from_secs(wish.min_fresh.unwrap_or(0))) < lifetime {
            return true;
        }
        // Stale, or not fresh for long enough: max-stale is about the first only.
        let stale = age.saturating_sub(lifetime);
        let strict = Control::of(&self.headers).strict;
        let tolerated = wish.max_stale.is_some_and(|limit| stale <= Duration::from_secs(limit));
        tolerated && !strict && wish.min_fresh.is_none()
    }

    fn weight(&self, key: &Key) -> usize {
        self.bytes.len() + key.uri.len() + key.cookie.len() + OVERHEAD_BYTES
    }
}

/// Cache-Control of a response.
#[derive(Debug, Default)]
struct Control {
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    no_cache: bool,
    no_store: bool,
    private: bool,
    public: bool,
    /// Must not be used when stale.
    strict: bool,
}

impl Control {
    fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            // What is no text could be anything: it is not kept.
            let Ok(line) = line.to_str() else {
                control.no_store = true;
                continue;
            };
            for (name, value) in directives(line) {
                match name.as_str() {
                    // The first counts; what can't be read is stale (RFC 9111 section 4.2.1).
                    "max-age" => control.max_age = control.max_age.or(Some(seconds(value).unwrap_or(0))),
                    "s-maxage" => {
                        control.s_maxage = control.s_maxage.or(Some(seconds(value).unwrap_or(0)));
                        control.strict = true;
                    }
                    // With names of headers it is about these alone; to take it for the whole is the safe side.
                    "no-cache" => control.no_cache = true,
                    "no-store" => control.no_store = true,
                    "private" => control.private = true,
                    "public" => control.public = true,
                    "must-revalidate" | "proxy-revalidate" => control.strict = true,
                    _ => {}
                }
            }
        }
        control
    }
}

/// Directives by name in lower case, with their values without quotes.
fn directives(text: &str) -> Vec<(String, Option<&str>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().trim_matches('"'))),
            None => (part, None),
        };
        if !name.trim().is_empty() {
            found.push((name.trim().to_ascii_lowercase(), value));
        }
    }
    found
}

/// delta-seconds; more than fit are as many as fit.
fn seconds(value: Option<&str>) -> Option<u64> {
    let value = value?.trim();
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // RFC 9111 section 1.2.2: what is too large is 2^31.
    Some(value.parse().unwrap_or(u64::MAX).min(1 << 31))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    text(headers, name).and_then(|text| httpdate::parse_http_date(text).ok())
}

/// What the cache has of a document.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// Use it.
    Fresh(Stored),
    /// Ask the server whether it still holds.
    Stale(Stored),
    Nothing,
}

/// Documents kept in memory up to a limit; those that were not used for longest go first.
#[derive(Debug)]
pub(super) struct Cache {
    max_bytes: usize,
    bytes: usize,
    entries: HashMap<Key, (Stored, u64)>,
    /// Keys by their last use.
    used: BTreeMap<u64, Key>,
    next_use: u64,
}

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, bytes: 0, entries: HashMap::new(), used: BTreeMap::new(), next_use: 0 }
    }

    /// What there is for a request.
    pub(super) fn find(&mut self, now: Instant, key: &Key, wish: &Wish) -> Found {
        let Some((stored, used)) = self.entries.get_mut(key) else { return Found::Nothing };
        self.used.remove(used);
        *used = self.next_use;
        self.used.insert(self.next_use, key.clone());
        self.next_use += 1;
        if stored.satisfies(now, wish) {
            return Found::Fresh(stored.clone());
        }
        if stored.is_validatable() { Found::Stale(stored.clone()) } else { Found::Nothing }
    }

    /// Keeps a response in the place of an older one.
    pub(super) fn put(&mut self, key: Key, stored: Stored) {
        self.forget(&key);
        let weight = stored.weight(&key);
        // One document must not push out all others.
        if weight > self.max_bytes / 4 {
            return;
        }
        self.bytes += weight;
        self.used.insert(self.next_use, key.clone());
        self.entries.insert(key, (stored, self.next_use));
        self.next_use += 1;
        while self.bytes > self.max_bytes {
            let Some((_, oldest)) = self.used.first_key_value() else { return };
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
    }

    /// Drops what is kept for a request.
    pub(super) fn forget(&mut self, key: &Key) {
        if let Some((stored, used)) = self.entries.remove(key) {
            self.used.remove(&used);
            self.bytes -= stored.weight(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    const SENT: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

    /// A clock that the test moves.
    struct Clock {
        begin: Instant,
    }

    impl Clock {
        fn new() -> Self {
            Self { begin: Instant::now() }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.begin + Duration::from_secs(seconds)
        }

        /// A request sent and answered at once.
        fn times(&self, seconds: u64) -> Times {
            let wall = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
            Times { requested: self.at(seconds), received: self.at(seconds), wall }
        }
    }

    fn headers(text: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in text.split('|').filter(|line| !line.trim().is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.trim().to_ascii_lowercase().as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        map
    }

    fn key(uri: &str) -> Key {
        Key { uri: uri.to_owned(), accept: "*/*", cookie: String::new() }
    }

    /// Stores a response that came at 0 s and looks for it later.
    fn look(response: &str, wish: &str, later_s: u64) -> &'static str {
        let clock = Clock::new();
        let Some(stored) = Stored::new(clock.times(0), &headers(response), Bytes::from_static(b"x"), false) else {
            return "not kept";
        };
        let mut cache = Cache::new(1 << 20);
        cache.put(key("a"), stored);
        match cache.find(clock.at(later_s), &key("a"), &Wish::parse(wish)) {
            Found::Fresh(_) => "fresh",
            Found::Stale(_) => "stale",
            Found::Nothing => "nothing",
        }
    }

    #[test]
    fn servers_say_how_long_it_is_fresh() {
        assert_eq!(look("Cache-Control: max-age=60 | ETag: \"1\"", "", 59), "fresh");
        assert_eq!(look("Cache-Control: max-age=60 | ETag: \"1\"", "", 60), "stale");
        assert_eq!(look("Cache-Control: max-age=60", "", 60), "nothing");
        assert_eq!(look("Cache-Control: MAX-AGE=\"60\"", "", 59), "fresh");
        assert_eq!(look("Cache-Control: public | Cache-Control: s-maxage=10, max-age=60", "", 30), "nothing");
        assert_eq!(look("Cache-Control: max-age=60 | Age: 50", "", 9), "fresh");
        assert_eq!(look("Cache-Control: max-age=60 | Age: 50", "", 11), "nothing");
        assert_eq!(look(&format!("Date: {SENT} | Expires: Tue, 14 Nov 2023 22:14:20 GMT"), "", 59), "fresh");
        assert_eq!(look(&format!("Date: {SENT} | Expires: Tue, 14 Nov 2023 22:14:20 GMT"), "", 61), "nothing");
        assert_eq!(look("Expires: 0", "", 0), "not kept");
        assert_eq!(look("Expires: 0 | Cache-Control: max-age=60", "", 1), "fresh");
        assert_eq!(look("Cache-Control: max-age=x", "", 0), "not kept");
        assert_eq!(look("Cache-Control: max-age=99999999999999999999999", "", 1_000_000), "fresh");
    }

    #[test]
    fn a_clock_that_is_off_makes_it_no_younger() {
        // Sent a minute before it came: on the way in another cache.
        assert_eq!(look("Date: Tue, 14 Nov 2023 22:12:20 GMT | Cache-Control: max-age=90", "", 29), "fresh");
        assert_eq!(look("Date: Tue, 14 Nov 2023 22:12:20 GMT | Cache-Control: max-age=90", "", 31), "nothing");
        assert_eq!(look("Date: Tue, 14 Nov 2023 23:12:20 GMT | Cache-Control: max-age=90", "", 89), "fresh");
    }

    #[test]
    fn without_a_word_a_tenth_of_its_age_is_guessed() {
        let unchanged = format!("Date: {SENT} | Last-Modified: Tue, 14 Nov 2023 21:13:20 GMT");
        assert_eq!(look(&unchanged, "", 359), "fresh");
        assert_eq!(look(&unchanged, "", 361), "stale");
        assert_eq!(look(&format!("Date: {SENT} | Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"), "", 86_401), "stale");
        assert_eq!(look("ETag: \"1\"", "", 0), "stale");
        assert_eq!(look("", "", 0), "not kept");
    }

    #[test]
    fn what_must_not_be_kept_is_not() {
        for response in ["no-store, max-age=60", "private, max-age=60", "max-age=60, PRIVATE=\"set-cookie, x\""] {
            assert_eq!(look(&format!("Cache-Control: {response}"), "", 0), "not kept", "{response}");
        }
        assert_eq!(look("Cache-Control: max-age=60 | Vary: *", "", 0), "not kept");
        assert_eq!(look("Cache-Control: max-age=60 | Vary: accept", "", 0), "fresh");
        assert_eq!(look("Cache-Control: no-cache, max-age=60 | ETag: \"1\"", "max-stale", 0), "stale");
        let clock = Clock::new();
        let keep = |control| Stored::new(clock.times(0), &headers(control), Bytes::new(), true).is_some();
        assert!(!keep("Cache-Control: max-age=60"));
        assert!(keep("Cache-Control: max-age=60, public"));
        assert!(keep("Cache-Control: s-maxage=60"));
    }

    #[test]
    fn clients_may_want_it_fresher_or_tolerate_it_staler() {
        let response = "Cache-Control: max-age=60 | ETag: \"1\"";
        for (wish, later, expected) in [
            ("max-age=30", 30, "fresh"),
            ("max-age=30", 31, "stale"),
            // The lesser of the two counts.
            ("max-age=90", 61, "stale"),
            ("max-age=90, max-stale=10", 70, "fresh"),
            ("max-age=65, max-stale=10", 70, "stale"),
            ("max-stale", 1_000_000, "fresh"),
            ("max-stale=10", 70, "fresh"),
            ("max-stale=10", 71, "stale"),
            ("max-stale=x", 61, "stale"),
            ("min-fresh=20", 39, "fresh"),
            ("min-fresh=20", 41, "stale"),
            ("min-fresh=20, max-stale", 41, "stale"),
            ("min-fresh=x", 0, "stale"),
            ("no-cache", 0, "stale"),
            ("max-age=0", 1, "stale"),
            ("max-age=x", 1, "stale"),
            ("unknown=1", 59, "fresh"),
        ] {
            assert_eq!(look(response, wish, later), expected, "{wish} after {later} s");
        }
        assert_eq!(look("Cache-Control: max-age=60, must-revalidate | ETag: \"1\"", "max-stale", 61), "stale");
        assert!(Wish::parse("max-age=1").stores());
        assert!(!Wish::parse("No-Store").stores());
    }

    #[test]
    fn a_304_makes_it_fresh_again() {
        let clock = Clock::new();
        let first = headers("Cache-Control: max-age=60 | ETag: \"1\" | Age: 40 | Content-Type: application/srgs+xml");
        let stored = Stored::new(clock.times(0), &first, Bytes::from_static(b"x"), false).unwrap();
        let again = stored.confirmed(clock.times(100), &headers("Cache-Control: max-age=30"));
        assert_eq!(again.media_type(), Some("application/srgs+xml"));
        assert_eq!(again.etag(), Some("\"1\""));
        assert!(again.satisfies(clock.at(129), &Wish::default()));
        assert!(!again.satisfies(clock.at(131), &Wish::default()));
    }

    #[test]
    fn the_time_of_the_request_counts() {
        let clock = Clock::new();
        let times = Times { requested: clock.at(0), ..clock.times(5) };
        let stored =
            Stored::new(times, &headers("Cache-Control: max-age=60 | ETag: \"1\""), Bytes::new(), false).unwrap();
        assert!(stored.satisfies(clock.at(59), &Wish::default()));
        assert!(!stored.satisfies(clock.at(60), &Wish::default()));
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let clock = Clock::new();
        let stored = || {
            let bytes = Bytes::from(vec![0; 10_000]);
            Stored::new(clock.times(0), &headers("Cache-Control: max-age=60"), bytes, false).unwrap()
        };
        let mut cache = Cache::new(50_000);
        let kept = |cache: &mut Cache, uri: &str| {
            matches!(cache.find(clock.at(1), &key(uri), &Wish::default()), Found::Fresh(_))
        };
        for uri in ["a", "b", "c", "d"] {
            cache.put(key(uri), stored());
        }
        assert!(kept(&mut cache, "a"));
        cache.put(key("e"), stored());
        assert!(!kept(&mut cache, "b"));
        assert!(["a", "c", "d", "e"].into_iter().all(|uri| kept(&mut cache, uri)));
        // The same again takes no more room.
        cache.put(key("e"), stored());
        assert!(["a", "c", "d", "e"].into_iter().all(|uri| kept(&mut cache, uri)));
        let large = Bytes::from(vec![0; 20_000]);
        let large = Stored::new(clock.times(0), &headers("Cache-Control: max-age=60"), large, false).unwrap();
        cache.put(key("a"), large);
        assert!(!kept(&mut cache, "a"));
        for uri in ["c", "d", "e"] {
            cache.forget(&key(uri));
        }
        assert_eq!((cache.bytes, cache.entries.len(), cache.used.len()), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z=\", 0-9-]{0,60}", later in 0u64..1000) {
            let wish = Wish::parse(&text);
            let clock = Clock::new();
            if let Ok(value) = HeaderValue::from_str(&text) {
                let map = HeaderMap::from_iter([(CACHE_CONTROL, value)]);
                if let Some(stored) = Stored::new(clock.times(0), &map, Bytes::new(), false) {
                    stored.satisfies(clock.at(later), &wish);
                }
            }
        }
    }
}
