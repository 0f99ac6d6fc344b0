//! The recognizer resource, RFC 6787 section 9: channels, parameters, recognitions.

mod accept;
mod answer;
mod channel;
mod config;
mod cookies;
mod headers;
mod held;
mod keys;
mod outbox;
mod params;
mod recognition;
mod requests;
mod waveform;

#[cfg(test)]
mod tests;

pub(super) use answer::unserved;
pub(super) use channel::Channel;
pub use config::Config;
pub(super) use outbox::Outbox;
