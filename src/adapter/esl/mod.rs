//! FreeSWITCH's Event Socket: servers that are told what was decided, and calls that come by the dialplan's `socket`.

mod action;
mod config;
mod counts;
mod fields;
mod link;
mod outbound;
mod server;
mod telling;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use crate::adapter::esl::config::{ActionsConfig, EslConfig, ServerConfig};
pub use crate::adapter::esl::counts::{EslCounts, EslServer};
use crate::adapter::esl::outbound::{Outbound, Waiting};
use crate::adapter::esl::telling::Plan;
use crate::engine::Decisions;

/// What runs.
#[derive(Debug)]
pub(super) struct Door {
    servers: Vec<Arc<EslServer>>,
    address: Option<SocketAddr>,
}

impl Door {
    /// In the order of the configuration; last the calls that come by `socket`.
    pub(super) fn servers(&self) -> &[Arc<EslServer>] {
        &self.servers
    }

    pub(super) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }
}

/// Starts what the settings ask for.
pub(super) fn start(
    config: &EslConfig,
    decisions: &Decisions,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> io::Result<Door> {
    if !config.is_used() {
        return Ok(Door { servers: Vec::new(), address: None });
    }
    let config = Arc::new(config.clone());
    let plan = Arc::new(Plan::new(&config).map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?);
    let by_socket = Waiting::default();
    let connect = |server| server::start(&config, server, &plan, decisions, &by_socket, tasks, closing);
    let mut servers = config.servers.iter().map(connect).collect::<Vec<_>>();
    let mut address = None;
    if let Some(wanted) = config.address() {
        let outbound = Outbound::bind(wanted, &config, &plan, &by_socket)?;
        address = Some(outbound.address());
        servers.push(outbound.server());
        outbound.start(decisions, tasks, closing);
    }
    Ok(Door { servers, address })
}
