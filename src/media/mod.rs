//! Datagrams to frames: SRTP, source validation, jitter buffer, telephone-events.
//!
//! There is no playout delay: a detector does not mind jitter, only order, place and loss. So a packet that is the next
//! one goes on at once, a packet that overtook others waits for them a little, and what did not come is told as
//! [`Frame::Missing`](crate::audio::Frame::Missing), in its place and with its length.

mod clock;
mod inlet;
mod jitter_buffer;
mod keys;
mod peer;
mod receiver;
mod report;
mod source;
mod srtp;
#[cfg(test)]
mod tests;

pub use inlet::Inlet;
pub use peer::PeerPolicy;
pub use receiver::{Config, Formats, Heard, KeyPolicy, Receiver};
pub use report::Stats;
