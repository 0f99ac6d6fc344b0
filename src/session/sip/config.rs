//! Settings of the SIP user agent.

use serde::Deserialize;

/// Settings of the SIP user agent. Where it listens, and under which addresses it is known, is not among them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Text of the Server header.
    pub server_name: String,
    /// T1, the round-trip time that is assumed; RFC 3261 table 4 has 500 ms.
    pub t1_ms: u32,
    /// T2, the longest wait between retransmissions; RFC 3261 table 4 has 4 s.
    pub t2_ms: u32,
    /// T4, how long a message stays in the network; RFC 3261 table 4 has 5 s.
    pub t4_ms: u32,
    /// Shortest session interval that is accepted; a shorter one gets 422. RFC 4028 allows no less than 90.
    pub min_session_expires_s: u32,
    /// Session interval that is asked of clients that know session timers but did not ask for one, so that the call of
    /// a client that vanished does not last for ever. 0 asks for none. RFC 4028 recommends 1800.
    pub session_expires_s: u32,
    /// Retry-After of a 503 while no new call is taken.
    pub retry_after_s: u32,
    /// INVITE and other transactions that are remembered at once; beyond it new calls get 503. Each lasts some 32 s
    /// over UDP, so this is a bound on calls per half minute.
    pub max_transactions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: concat!("answerd/", env!("CARGO_PKG_VERSION")).to_owned(),
            t1_ms: 500,
            t2_ms: 4000,
            t4_ms: 5000,
            min_session_expires_s: 90,
            session_expires_s: 1800,
            retry_after_s: 5,
            max_transactions: 50_000,
        }
    }
}

impl Config {
    /// Checks what the types can't say.
    ///
    /// # Errors
    /// A sentence that begins with the key.
    pub fn validate(&self) -> Result<(), String> {
        for (key, value) in [("t1_ms", self.t1_ms), ("t2_ms", self.t2_ms), ("t4_ms", self.t4_ms)] {
            if !(1..=60_000).contains(&value) {
                return Err(format!("{key} is {value}, but must be 1 to 60000"));
            }
        }
        if self.t2_ms < self.t1_ms {
            return Err(format!("t2_ms is {}, but must not be less than t1_ms, {}", self.t2_ms, self.t1_ms));
        }
        if self.min_session_expires_s < 90 {
            return Err(format!(
                "min_session_expires_s is {}, but RFC 4028 allows no less than 90",
                self.min_session_expires_s
            ));
        }
        if self.session_expires_s != 0 && self.session_expires_s < self.min_session_expires_s {
            return Err(format!(
                "session_expires_s is {}, but must be 0 or at least min_session_expires_s, {}",
                self.session_expires_s, self.min_session_expires_s
            ));
        }
        if self.max_transactions == 0 {
            return Err("max_transactions is 0, but must be at least 1".to_owned());
        }
        if self.server_name.chars().any(char::is_control) {
            return Err("server_name has a control character".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_bad_values_are_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        for (config, key) in [
            (Config { t1_ms: 0, ..Config::default() }, "t1_ms"),
            (Config { t2_ms: 100, ..Config::default() }, "t2_ms"),
            (Config { min_session_expires_s: 89, ..Config::default() }, "min_session_expires_s"),
            (Config { session_expires_s: 60, ..Config::default() }, "session_expires_s"),
            (Config { max_transactions: 0, ..Config::default() }, "max_transactions"),
            (Config { server_name: "a\nb".into(), ..Config::default() }, "server_name"),
        ] {
            assert!(config.validate().unwrap_err().starts_with(key));
        }
        assert!(toml::from_str::<Config>("t1 = 5").is_err());
        assert_eq!(toml::from_str::<Config>("t1_ms = 5").unwrap().t1_ms, 5);
    }
}
