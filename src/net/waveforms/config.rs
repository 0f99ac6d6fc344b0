//! `[waveforms]`: where recordings are kept, how long, and how much of them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

/// `[waveforms]`: what Save-Waveform records (RFC 6787 section 9.4.22).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaveformsConfig {
    /// A directory of this server alone; empty: recordings are kept in memory.
    pub directory: PathBuf,
    /// How long a recording is kept after its call, in seconds.
    pub lifetime_s: u64,
    /// Memory or disk for all recordings, in bytes; the oldest go first.
    pub max_bytes: u64,
    /// Longest recording, in bytes; a longer one is not kept.
    pub max_recording_bytes: u64,
    /// Beginning of the URIs told to clients, as `https://answerd.example.com/answerd`; empty: made of the address that
    /// the client reaches and the port of `[http]`.
    pub base_url: String,
}

impl Default for WaveformsConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            lifetime_s: 3_600,
            max_bytes: 256 << 20,
            // A quarter of an hour, and some.
            max_recording_bytes: 16 << 20,
            base_url: String::new(),
        }
    }
}

impl WaveformsConfig {
    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.max_recording_bytes > self.max_bytes {
            let reason = format!("{} is more than max_bytes {}", self.max_recording_bytes, self.max_bytes);
            return Err(("max_recording_bytes", reason));
        }
        if self.base_url.is_empty() {
            return Ok(());
        }
        match Url::parse(&self.base_url) {
            Ok(url)
                if matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none() =>
            {
                Ok(())
            }
            Ok(_) => Err(("base_url", format!("{:?} is not http://HOST/PATH or https://HOST/PATH", self.base_url))),
            Err(error) => Err(("base_url", format!("{:?}: {error}", self.base_url))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let with = |base_url: &str| WaveformsConfig { base_url: base_url.to_owned(), ..WaveformsConfig::default() };
        for right in ["", "http://answerd.example.com", "https://10.0.0.1:8443/answerd/"] {
            assert_eq!(with(right).validate(), Ok(()), "{right}");
        }
        for wrong in ["answerd", "ftp://a/", "http://a/?x=1", "http://"] {
            assert_eq!(with(wrong).validate().unwrap_err().0, "base_url", "{wrong}");
        }
        let small = WaveformsConfig { max_bytes: 1_000, ..WaveformsConfig::default() };
        assert_eq!(small.validate().unwrap_err().0, "max_recording_bytes");
    }
}
