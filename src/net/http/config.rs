//! `[http]`: where HTTP is spoken.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::wire::text::socket_address;

/// `[http]`: the listener that serves recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// `ADDRESS:PORT`; port 0: a free one is chosen. Empty: HTTP is not spoken, and recordings are not kept.
    pub listen: String,
    /// Whether it is HTTPS, with the certificate of `[tls]`.
    pub tls: bool,
    /// Connections at once; further ones are closed at once.
    pub max_connections: usize,
    /// What clients have to know (`Authorization: Bearer TOKEN`) to read of calls and to change what is kept of them.
    /// Empty: only this host may.
    pub token: String,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: String::new(), tls: false, max_connections: 256, token: String::new() }
    }
}

impl HttpConfig {
    /// Whether a certificate is needed.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.tls && !self.listen.is_empty()
    }

    pub(in crate::net) fn address(&self) -> Option<SocketAddr> {
        socket_address(&self.listen).ok().flatten()
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        socket_address(&self.listen).map_err(|reason| ("listen", reason))?;
        if self.max_connections == 0 {
            return Err(("max_connections", "0 is too small, at least 1 is needed".to_owned()));
        }
        // RFC 6750 section 2.1: what can stand in the header.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if !self.token.bytes().all(allowed) {
            return Err(("token", "a token has letters, digits and -._~+/= only".to_owned()));
        }
        if (1..MIN_TOKEN).contains(&self.token.len()) {
            return Err(("token", format!("a token of less than {MIN_TOKEN} characters can be guessed")));
        }
        Ok(())
    }
}

/// A shorter token is no secret.
const MIN_TOKEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let with = |listen: &str| HttpConfig { listen: listen.to_owned(), ..HttpConfig::default() }.validate();
        assert_eq!(with(""), Ok(()));
        assert_eq!(with("[::1]:8080"), Ok(()));
        for wrong in ["8080", "localhost:8080", "http://127.0.0.1:8080", "127.0.0.1"] {
            assert_eq!(with(wrong).unwrap_err().0, "listen", "{wrong}");
        }
        let with = |token: &str| HttpConfig { token: token.to_owned(), ..HttpConfig::default() }.validate();
        assert_eq!(with("c2VjcmV0LXRva2VuLTE="), Ok(()));
        for wrong in ["secret", "a secret with blanks", "0123456789abcdef\n"] {
            let (key, reason) = with(wrong).unwrap_err();
            assert!(key == "token" && !reason.contains(wrong), "{reason}");
        }
    }
}
