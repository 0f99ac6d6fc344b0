//! Logs: where they go, and in which form.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

/// `[log]`: what is logged, and how. Logs go to the standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or filter directives, as `info,answerd::net=debug`.
    pub level: String,
    /// One line of text per event, or one JSON object.
    pub format: Format,
}

impl Default for Config {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: Format::Text }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Config {
    /// Tells the first key whose value can't be obeyed, and why.
    ///
    /// # Errors
    /// The key and the reason.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        EnvFilter::builder().parse(&self.level).map(drop).map_err(|error| ("level", error.to_string()))
    }
}

/// Sends the process's log events, panics among them, to the standard error from now on.
///
/// # Errors
/// When a subscriber is set already.
pub fn init(config: &Config) -> Result<(), TryInitError> {
    use std::io::IsTerminal;
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).finish().try_init()?,
        Format::Json => builder.json().flatten_event(true).with_span_list(false).finish().try_init()?,
    }
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let thread = std::thread::current();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(thread = thread.name(), %backtrace, "{panic}");
    }));
    Ok(())
}

/// Panics of this process since [`init`].
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Panics of this process since [`init`]: bugs, each of which cost a call or less.
#[must_use]
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused() {
        let refused = Config { level: "answerd=loud".to_owned(), ..Config::default() }.validate();
        assert_eq!(refused.unwrap_err().0, "level");
        for level in ["off", "debug", "info,answerd::net=debug"] {
            Config { level: level.to_owned(), ..Config::default() }.validate().unwrap();
        }
    }
}
