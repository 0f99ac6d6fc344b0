//! `[ops]`: where the pages for operators are.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::wire::text::socket_address;

/// `[ops]`: the listener of metrics, health and calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpsConfig {
    /// `ADDRESS:PORT`; port 0: a free one is chosen. The same as that of `[http]`: one listener serves both. Empty: the pages
    /// are not served.
    pub listen: String,
    /// Whether it is HTTPS, with the certificate of `[tls]`; where both share a listener, `[http]` says it.
    pub tls: bool,
}

impl OpsConfig {
    /// Whether a certificate is needed.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.tls && !self.listen.is_empty()
    }

    /// The address, if the pages are served.
    pub(in crate::net) fn address(&self) -> Option<SocketAddr> {
        socket_address(&self.listen).ok().flatten()
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        socket_address(&self.listen).map_err(|reason| ("listen", reason))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_or_none() {
        let with = |listen: &str| OpsConfig { listen: listen.to_owned(), tls: true };
        assert!(with("").validate().is_ok() && !with("").speaks_tls());
        assert!(with("[::1]:9464").validate().is_ok() && with("[::1]:9464").speaks_tls());
        assert_eq!(with("9464").validate().unwrap_err().0, "listen");
    }
}
