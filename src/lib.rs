//! answerd tells who, or what, answered a phone call: an MRCPv2 speech recognizer (RFC 6787).
//!
//! Layers, bottom to top; a layer may use those above it in this list only as `docs/architecture.md` says, and
//! `tests/it/tidy.rs` holds it to that.
//!
//! - [`audio`] sampled sound: frames, sample time, G.711, L16, Opus, resampling
//! - [`wire`] bytes to values and back: SIP, SDP, MRCP, RTP
//! - [`plot`] drawings as SVG and PNG, axes of charts
//! - [`ops`] for the operator: logs
//! - [`media`] datagrams to frames: source validation, jitter buffer, telephone-event
//! - [`detect`] frames to decisions: spectrum, tones, cadence, model, policy
//! - [`eval`] recordings against their truth, and pictures of what was heard
//! - [`grammar`] what may be heard and how it is told: SRGS, builtins, NLSML and JSON results
//! - [`session`] one call, sans-IO: SIP transactions and dialogs, offer/answer, the MRCP recognizer
//! - [`engine`] worker threads that own RTP sockets, streams and detectors
//! - [`client`] the other side: a small MRCPv2 client
//! - [`adapter`] other doors to the engine: FreeSWITCH's Event Socket, webhooks, streams over WebSocket
//! - [`net`] the shell: sockets, clocks, one driver task per call
//! - [`config`], [`server`], [`cli`] composition root and command line

pub mod adapter;
pub mod audio;
pub mod cli;
pub mod client;
pub mod config;
pub mod detect;
pub mod engine;
pub mod eval;
pub mod grammar;
pub mod media;
pub mod net;
pub mod ops;
pub mod plot;
pub mod server;
pub mod session;
pub mod wire;
