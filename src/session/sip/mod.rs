//! SIP user agent server: transactions and dialogs, RFC 3261 sections 8.2, 12 and 17.2, RFC 6026.
//!
//! [`Endpoint`] is one user agent over any number of sockets. It is driven like this: hand in what came
//! ([`Endpoint::handle_datagram`], [`Endpoint::handle_message`], [`Endpoint::handle_timeout`], ..) or a command
//! ([`Endpoint::accept`], ..), then take [`Endpoint::poll_output`] until it is empty, then sleep until
//! [`Endpoint::poll_timeout`].
//!
//! - Only what a call answers is remembered in a transaction. All other requests (OPTIONS, and whatever is refused
//!   before it reaches a call) are answered statelessly, RFC 3261 section 8.2.7: a flood of them takes no memory.
//! - A lost connection ends no call; the shell tells of it ([`Endpoint::handle_disconnect`]), and what is sent from then
//!   on says that a new connection is needed.
//! - Names are not looked up. A request of ours goes to the address in the route or the Contact, and where that is a
//!   name or missing (FreeSWITCH sends no Contact) to where the client's requests come from.
//! - A 2xx to a re-INVITE waits until the 2xx before it is acknowledged: till then a re-INVITE gets 491.

mod call;
mod client;
mod config;
mod dialog;
mod endpoint;
mod load;
mod peer;
mod response;
mod session_timer;
mod shared;
mod timers;
mod tokens;
mod transaction;

pub use config::Config;
pub use endpoint::{CallId, EndReason, Endpoint, Output};
pub use load::Load;
pub use peer::{ConnectionId, Peer, Transport};

#[cfg(test)]
mod tests;
