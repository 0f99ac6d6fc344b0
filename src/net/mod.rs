//! The shell: SIP and MRCP sockets, clocks, one driver task per call.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: clocks, sockets and tasks")]

mod config;

pub use config::{CallConfig, MrcpConfig, SipConfig, validate_listeners};
