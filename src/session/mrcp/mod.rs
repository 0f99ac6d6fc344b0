//! The recognizer resource, RFC 6787 section 9: channels, parameters, recognitions.

mod channel;
mod config;
mod outbox;
mod params;
mod recognition;

#[cfg(test)]
mod tests;

pub(super) use channel::Channel;
pub use config::Config;
pub(super) use outbox::Outbox;
