//! Other doors to the engine: FreeSWITCH's Event Socket, webhooks, and streams of call audio.
//!
//! What is decided comes from [`Decisions`](crate::engine::Decisions), whichever door the call came through. Adapters and
//! [`net`](crate::net) do not know one another.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: clocks, sockets and tasks")]

mod esl;
mod queue;
pub mod stream;
mod webhook;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::adapter::esl::{ActionsConfig, EslConfig, EslCounts, EslServer, ServerConfig};
pub use crate::adapter::webhook::{Endpoint as WebhookEndpoint, WebhookConfig, WebhookCounts};
use crate::engine::Engine;

/// What the adapters are started with.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// FreeSWITCH's Event Socket.
    pub esl: EslConfig,
    /// Webhooks.
    pub webhook: WebhookConfig,
}

/// The adapters at work; dropped, they stop at once.
#[derive(Debug)]
pub struct Running {
    esl: esl::Door,
    webhook: webhook::Door,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// How long what is on its way may take when the server stops.
const LINGER: Duration = Duration::from_secs(3);

/// Starts the adapters that are configured.
///
/// # Errors
/// A listener that can't be bound, or a file of the settings that can't be used.
pub fn start(config: &Config, engine: &Arc<Engine>) -> io::Result<Running> {
    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let decisions = engine.decisions();
    let esl = esl::start(&config.esl, decisions, &tasks, &closing)?;
    let webhook = webhook::start(&config.webhook, decisions, &tasks, &closing)?;
    tasks.close();
    Ok(Running { esl, webhook, tasks, closing })
}

impl Running {
    /// The FreeSWITCH servers that are connected to, in the order of the configuration.
    #[must_use]
    pub fn esl_servers(&self) -> &[Arc<EslServer>] {
        self.esl.servers()
    }

    /// Where FreeSWITCH's dialplan application `socket` finds this server, if it may.
    #[must_use]
    pub fn esl_listener(&self) -> Option<SocketAddr> {
        self.esl.address()
    }

    /// The endpoints of webhooks, in the order of the configuration.
    #[must_use]
    pub fn webhooks(&self) -> &[Arc<WebhookEndpoint>] {
        self.webhook.endpoints()
    }

    /// Stops; what was decided already is told, if that takes no more than some seconds.
    pub async fn shutdown(self) {
        self.closing.cancel();
        if tokio::time::timeout(LINGER, self.tasks.wait()).await.is_err() {
            tracing::warn!("adapters are cut short: not all decisions were told");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
