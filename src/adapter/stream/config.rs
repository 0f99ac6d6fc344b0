//! `[streams]`: where call audio is taken over WebSocket and AudioSocket.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::adapter::stream::signature::HookKey;
use crate::detect::Listen;
use crate::wire::text::socket_address;

/// `[streams]`: call audio over WebSocket, and over Asterisk's AudioSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamsConfig {
    /// Where WebSockets are taken, `ADDRESS:PORT`; port 0: a free one is chosen. Empty: nowhere.
    pub listen: String,
    /// Whether they come over TLS (wss), with the certificate of `[tls]`.
    pub tls: bool,
    /// Where AudioSocket is taken (TCP), `ADDRESS:PORT`; empty: nowhere.
    pub audiosocket: String,
    /// WebSocket connections at once, and AudioSocket connections at once; further ones are closed at once.
    pub max_connections: usize,
    /// Secrets of which a WebSocket must show one; with none, all are taken.
    pub tokens: Vec<String>,
    /// Auth tokens of Twilio's accounts: a stream that one has signed is taken.
    pub twilio_auth_tokens: Vec<String>,
    /// `KEY:SECRET` of Genesys AudioHook, the secret in Base64: a stream that one has signed is taken.
    pub audiohook_keys: Vec<String>,
    /// `SCHEME://HOST[:PORT]` by which clients reach this door, where that is not what their requests say: for signatures.
    pub public_url: String,
    /// Origins of web pages that may connect, beside the server's own host; `*`: all.
    pub allowed_origins: Vec<String>,
    /// What a stream is asked that does not say.
    pub goal: StreamGoal,
    /// Whether a second stream of the same call ends the first one.
    pub newest_wins: bool,
    /// How long a request for a WebSocket may take, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// How often a WebSocket is pinged, in milliseconds; 0: never.
    pub ping_ms: u64,
    /// A stream that has brought no sound for so long is closed, in milliseconds.
    pub idle_ms: u64,
    /// Longest message, in bytes.
    pub max_message_bytes: usize,
    /// How much faster than it lasts sound is taken.
    pub max_speed: u32,
    /// How far in advance of the wall clock it may be, in milliseconds; beyond that the stream is closed.
    pub max_ahead_ms: u64,
}

/// What a stream is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamGoal {
    /// Who answered.
    Answer,
    /// The moment to speak.
    Beep,
    /// Who answered; then, of a machine, the moment to speak.
    Voicemail,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            listen: String::new(),
            tls: false,
            audiosocket: String::new(),
            max_connections: 2_048,
            tokens: Vec::new(),
            twilio_auth_tokens: Vec::new(),
            audiohook_keys: Vec::new(),
            public_url: String::new(),
            allowed_origins: Vec::new(),
            goal: StreamGoal::Voicemail,
            newest_wins: true,
            handshake_timeout_ms: 10_000,
            ping_ms: 15_000,
            idle_ms: 60_000,
            max_message_bytes: 1_048_576,
            max_speed: 8,
            max_ahead_ms: 60_000,
        }
    }
}

/// Shortest token: a shorter one is guessed.
const MIN_TOKEN: usize = 8;

impl StreamsConfig {
    /// Whether a certificate is needed.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.tls && !self.listen.is_empty()
    }

    /// Where WebSockets are taken, if they are.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        socket_address(&self.listen).ok().flatten()
    }

    /// Where AudioSocket is taken, if it is.
    #[must_use]
    pub fn audiosocket_address(&self) -> Option<SocketAddr> {
        socket_address(&self.audiosocket).ok().flatten()
    }

    /// Whether a stream has to show a token or a signature.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        [&self.tokens, &self.twilio_auth_tokens, &self.audiohook_keys].iter().any(|secrets| !secrets.is_empty())
    }

    /// How long a request may take.
    #[must_use]
    pub const fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    /// How long nothing at all may come on a connection: twice what a ping needs, and no less than sound may stay away.
    #[must_use]
    pub fn dead_after(&self) -> Duration {
        Duration::from_millis((self.ping_ms * 3).max(self.idle_ms + 5_000))
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for (key, address) in [("listen", &self.listen), ("audiosocket", &self.audiosocket)] {
            socket_address(address).map_err(|reason| (key, reason))?;
        }
        if let Some(token) = self.tokens.iter().find(|token| token.len() < MIN_TOKEN) {
            return Err(("tokens", format!("one of {} characters is guessed: at least {MIN_TOKEN}", token.len())));
        }
        if let Some(token) = self.twilio_auth_tokens.iter().find(|token| token.len() < MIN_TOKEN) {
            let length = token.len();
            return Err(("twilio_auth_tokens", format!("one of {length} characters is none: it has 32")));
        }
        if let Some(at) = self.audiohook_keys.iter().position(|key| HookKey::parse(key).is_none()) {
            let place = at + 1;
            return Err(("audiohook_keys", format!("number {place} is not KEY:SECRET with the secret in Base64")));
        }
        if !self.public_url.is_empty() && !url::Url::parse(&self.public_url).is_ok_and(|url| url.has_host()) {
            return Err(("public_url", format!("{:?} is not SCHEME://HOST[:PORT]", self.public_url)));
        }
        let is_origin = |origin: &String| origin == "*" || origin == "null" || origin.contains("://");
        if let Some(origin) = self.allowed_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(("allowed_origins", format!("{origin:?} is not SCHEME://HOST[:PORT], null or *")));
        }
        let whole = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        for (key, value, least, most) in [
            ("max_connections", whole(self.max_connections), 1, 1_000_000),
            ("handshake_timeout_ms", self.handshake_timeout_ms, 100, 300_000),
            ("ping_ms", self.ping_ms, 0, 3_600_000),
            ("idle_ms", self.idle_ms, 1_000, 86_400_000),
            ("max_message_bytes", whole(self.max_message_bytes), 16_384, 67_108_864),
            ("max_speed", self.max_speed.into(), 1, 1_000),
            ("max_ahead_ms", self.max_ahead_ms, 1_000, 3_600_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err((key, format!("{value} is not from {least} to {most}")));
            }
        }
        Ok(())
    }
}

/// What the doors are started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where and how streams are taken.
    pub streams: StreamsConfig,
    /// How it is listened for who answered.
    pub answer: Listen,
    /// How it is listened for the moment to speak.
    pub beep: Listen,
    /// How long a person that was told may be corrected.
    pub revise: Duration,
    /// How long nothing may come before a stream's time goes on by itself.
    pub grace: Duration,
    /// Retry-After where all calls are taken, in seconds.
    pub retry_after_s: u32,
    /// How long streams may go on when the server stops.
    pub drain_timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let good = StreamsConfig { listen: "0.0.0.0:8080".to_owned(), ..StreamsConfig::default() };
        assert_eq!(good.validate(), Ok(()));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (key, wrong) in [
            ("listen", StreamsConfig { listen: "8080".to_owned(), ..good.clone() }),
            ("audiosocket", StreamsConfig { audiosocket: "localhost:9092".to_owned(), ..good.clone() }),
            ("tokens", StreamsConfig { tokens: words(&["long enough", "short"]), ..good.clone() }),
            ("allowed_origins", StreamsConfig { allowed_origins: words(&["example.com"]), ..good.clone() }),
            ("twilio_auth_tokens", StreamsConfig { twilio_auth_tokens: words(&["short"]), ..good.clone() }),
            ("audiohook_keys", StreamsConfig { audiohook_keys: words(&["key:c2VjcmV0", "key"]), ..good.clone() }),
            ("public_url", StreamsConfig { public_url: "answer.example.com".to_owned(), ..good.clone() }),
            ("max_connections", StreamsConfig { max_connections: 0, ..good.clone() }),
            ("idle_ms", StreamsConfig { idle_ms: 10, ..good.clone() }),
            ("max_message_bytes", StreamsConfig { max_message_bytes: 10, ..good.clone() }),
            ("max_speed", StreamsConfig { max_speed: 0, ..good.clone() }),
        ] {
            assert_eq!(wrong.validate().unwrap_err().0, key);
        }
    }
}
