//! Settings of the RTSP server.

use std::time::Duration;

use crate::wire::mrcp::v1::Scale;

/// Settings of the RTSP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The names of the recognizer in URIs: the last segment of the path, in any case. What stands before it is not
    /// looked at: clients are configured with all sorts of it.
    pub resources: Vec<String>,
    /// Sessions at once on one connection; further ones get 503.
    pub max_sessions: usize,
    /// A session of which nothing was heard for so long, and in which nothing runs, is ended. Clients of MRCPv1 send no
    /// keep-alives, so this is long.
    pub session_idle: Duration,
    /// Retry-After of a 503, in seconds.
    pub retry_after_s: u32,
    /// How confidences are written in results.
    pub confidence: Scale,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // UniMRCP's and Nuance's; RFC 4463's and LumenVox's; SpeechPro's.
            resources: ["speechrecognizer", "recognizer", "asr"].map(str::to_owned).to_vec(),
            max_sessions: 1_000,
            session_idle: Duration::from_secs(3_600),
            retry_after_s: 5,
            confidence: Scale::Percent,
        }
    }
}

impl Config {
    /// Whether a path is that of a recognizer.
    pub(super) fn is_recognizer(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        self.resources.iter().any(|resource| resource.eq_ignore_ascii_case(name))
    }
}
