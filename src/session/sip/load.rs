//! How busy the server is, as OPTIONS tells it.
//!
//! RFC 3261 has nothing for it but 503. RFC 7339's `oc` asks clients that know it to send fewer calls, and RFC 7200 lets them
//! subscribe to filters; neither tells how busy a server is. So it stands in a header field of ours, which others ignore
//! (RFC 3261 section 8.1.3.5 and 20).

use std::fmt;

/// How busy the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// A new call would be refused.
    pub full: bool,
    /// What is in use of the processors, in percent.
    pub percent: u32,
    /// Calls that are taken, and how many may be.
    pub calls: usize,
    /// See `calls`.
    pub max_calls: usize,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%;calls={};max-calls={}", self.percent, self.calls, self.max_calls)
    }
}
