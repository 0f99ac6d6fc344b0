//! SIP user agent server: transactions and dialogs, RFC 3261 sections 8.2, 12 and 17.2, RFC 6026.
//!
//! [`Endpoint`] is one user agent over any number of sockets. It is driven like this: hand in what came
//! ([`Endpoint::handle_datagram`], [`Endpoint::handle_message`], [`Endpoint::handle_timeout`], ..) or a command
//! ([`Endpoint::accept`], ..), then take [`Endpoint::poll_output`] until it is empty, then sleep until
//! [`Endpoint::poll_timeout`].

mod call;
mod client;
mod config;
mod dialog;
mod endpoint;
mod peer;
mod response;
mod session_timer;
mod shared;
mod timers;
mod tokens;
mod transaction;

pub use config::Config;
pub use endpoint::{CallId, EndReason, Endpoint, Output};
pub use peer::{ConnectionId, Peer, Transport};

#[cfg(test)]
mod tests;
