//! `[tls]`: the server's certificate, and what is asked of clients.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// `[tls]`: the certificate that TLS listeners show, and what they ask of clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those between it and its root, PEM, the server's first.
    pub certificate: PathBuf,
    /// Its private key, PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub key: PathBuf,
    /// Roots that clients' certificates must come from, PEM; empty: clients need none.
    pub client_ca: PathBuf,
    /// Oldest version that is spoken.
    pub min_version: TlsVersion,
    /// How long a handshake may take, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// How often the files are looked at for changes, in milliseconds; 0: never, SIGHUP reloads them.
    pub reload_ms: u64,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            client_ca: PathBuf::new(),
            min_version: TlsVersion::V1_2,
            // Two round trips and a signature take less than a second on any line.
            handshake_timeout_ms: 10_000,
            // Two looks that see the same must pass before a change is taken.
            reload_ms: 5_000,
        }
    }
}

impl TlsConfig {
    /// Tells the first key whose value can't be obeyed, and why; `needed` if there is a listener that speaks TLS. The
    /// files are not read.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self, needed: bool) -> Result<(), (&'static str, String)> {
        let given = |path: &Path| !path.as_os_str().is_empty();
        for (key, path) in [("certificate", &self.certificate), ("key", &self.key)] {
            if needed && !given(path) {
                return Err((
                    key,
                    "a listener speaks TLS (sip.listen, mrcp.tls_port or http.tls): it needs one".to_owned(),
                ));
            }
        }
        if given(&self.certificate) != given(&self.key) {
            let missing = if given(&self.key) { "certificate" } else { "key" };
            return Err((missing, "certificate and key are given together".to_owned()));
        }
        if !(100..=600_000).contains(&self.handshake_timeout_ms) {
            let reason = format!("{} is not from 100 to 600000", self.handshake_timeout_ms);
            return Err(("handshake_timeout_ms", reason));
        }
        if self.reload_ms != 0 && !(100..=86_400_000).contains(&self.reload_ms) {
            return Err(("reload_ms", format!("{} is not 0, nor from 100 to 86400000", self.reload_ms)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_and_key_belong_together() {
        let with = |certificate: &str, key: &str, needed| {
            let config = TlsConfig { certificate: certificate.into(), key: key.into(), ..TlsConfig::default() };
            config.validate(needed).err().map(|(key, _)| key)
        };
        assert_eq!(with("", "", false), None);
        assert_eq!(with("", "", true), Some("certificate"));
        assert_eq!(with("a", "", true), Some("key"));
        assert_eq!(with("", "a", false), Some("certificate"));
        assert_eq!(with("a", "b", true), None);
        for wrong in [
            TlsConfig { handshake_timeout_ms: 0, ..TlsConfig::default() },
            TlsConfig { reload_ms: 1, ..TlsConfig::default() },
        ] {
            assert!(wrong.validate(false).is_err());
        }
    }
}
