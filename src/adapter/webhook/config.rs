//! `[webhook]`: who is told decisions over HTTP.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::{Decision, Stage};

/// `[webhook]`: URLs to which each decision is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// `http://` or `https://` URLs; each has a queue of its own.
    pub urls: Vec<String>,
    /// Key of the signatures (HMAC-SHA256); empty: messages are not signed.
    pub secret: String,
    /// Which decisions are told: `provisional`, `final`, `corrected`.
    pub stages: Vec<String>,
    /// How long an attempt may take, in milliseconds.
    pub timeout_ms: u64,
    /// Most attempts for a message.
    pub attempts: u32,
    /// Pause before the second attempt, in milliseconds; it doubles from attempt to attempt.
    pub retry_min_ms: u64,
    /// Longest such pause, in milliseconds.
    pub retry_max_ms: u64,
    /// Messages that may wait for one URL; further ones are dropped.
    pub queue: usize,
    /// Messages under way to one URL at once, pauses between attempts included.
    pub concurrency: usize,
    /// A file of certificates (PEM) that are trusted beside the system's.
    pub ca_file: PathBuf,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            secret: String::new(),
            stages: vec![Stage::Final.as_str().to_owned(), Stage::Corrected.as_str().to_owned()],
            timeout_ms: 5_000,
            attempts: 6,
            retry_min_ms: 500,
            retry_max_ms: 60_000,
            queue: 1_000,
            concurrency: 16,
            ca_file: PathBuf::new(),
        }
    }
}

impl WebhookConfig {
    pub(super) fn wants(&self, decision: &Decision) -> bool {
        self.stages.iter().any(|stage| stage == decision.stage.as_str())
    }

    /// Whether others than results are wanted.
    pub(super) fn wants_early(&self) -> bool {
        self.stages.iter().any(|stage| stage != Stage::Final.as_str())
    }

    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        for text in &self.urls {
            let refused = |reason: &str| Err(("urls", format!("{text:?}: {reason}")));
            match url::Url::parse(text) {
                Err(error) => return refused(&error.to_string()),
                Ok(url) if !["http", "https"].contains(&url.scheme()) => return refused("neither http nor https"),
                Ok(url) if url.host_str().is_none_or(str::is_empty) => return refused("there is no host in it"),
                Ok(_) => {}
            }
        }
        let known = [Stage::Provisional, Stage::Final, Stage::Corrected].map(Stage::as_str);
        if let Some(stage) = self.stages.iter().find(|stage| !known.contains(&stage.as_str())) {
            return Err(("stages", format!("unknown stage {stage:?}; there are {}", known.join(", "))));
        }
        let at_least = |key, value: u64, least: u64| {
            if value < least { Err((key, format!("{value} is too small, at least {least} is needed"))) } else { Ok(()) }
        };
        at_least("timeout_ms", self.timeout_ms, 1)?;
        at_least("attempts", self.attempts.into(), 1)?;
        at_least("retry_min_ms", self.retry_min_ms, 1)?;
        at_least("retry_max_ms", self.retry_max_ms, self.retry_min_ms)?;
        at_least("queue", self.queue as u64, 1)?;
        at_least("concurrency", self.concurrency as u64, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let check = |text: &str, expected: &str| {
            let config: WebhookConfig = toml::from_str(text).unwrap();
            let told = config.validate().map_or_else(|(key, reason)| format!("{key}: {reason}"), |()| "ok".to_owned());
            assert!(told.starts_with(expected), "{told:?} is not {expected:?}");
        };
        check("", "ok");
        check(r#"urls = ["http://127.0.0.1:8000/x?y=1", "https://u:p@example.com"]"#, "ok");
        check(r#"urls = ["example.com"]"#, "urls: \"example.com\": ");
        check(r#"urls = ["ftp://example.com"]"#, "urls: \"ftp://example.com\": neither http nor https");
        check(r#"stages = ["last"]"#, "stages: unknown stage \"last\"");
        check("attempts = 0", "attempts: 0 is too small");
        check("retry_max_ms = 10", "retry_max_ms: 10 is too small, at least 500");
    }
}
