//! Bytes to values and back. No clock, no I/O, no memory between messages.
#![deny(clippy::indexing_slicing)]

pub mod backlog;
pub mod esl;
pub mod mrcp;
pub mod rtp;
pub mod rtsp;
pub mod sdp;
pub mod sip;
pub mod stream;
pub mod text;
