//! Media worker threads: each owns its RTP sockets, streams and detectors.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the edge: clocks, sockets and threads")]

mod config;
mod ports;

pub use config::{EngineConfig, RtpConfig};
