//! The server's side of one RTSP connection that carries MRCPv1, RFC 4463 sections 3 and 6 over RFC 2326, sans-IO.
//!
//! A SETUP makes a session; the shell finds sound and a recognizer for it, as for the offer of a SIP call. ANNOUNCE
//! brings the session's requests, which go to that recognizer as MRCPv2 has them; its answers are the bodies of the
//! ANNOUNCE responses, and its events are ANNOUNCE requests of ours.

mod config;
mod server;
mod session;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use server::{EndReason, Output, Server, SessionNumber};
