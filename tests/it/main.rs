//! One test binary: each module a subject.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests"
)]

mod call;
mod client;
mod config;
mod conformance;
mod esl;
mod eval;
mod fetch;
mod headers;
mod load;
mod ops;
mod recognizer;
mod replay;
mod rfc6787;
mod rsipstack;
mod rtsp;
mod sdp;
mod senders;
mod server;
mod sip;
mod streams;
mod tidy;
mod tls;
mod transcript;
mod waveforms;
