//! SIP messages, RFC 3261 sections 7, 20 and 25.
//!
//! A [`Message`] keeps its header fields in order, as text; the typed fields ([`Via`], [`Address`], [`CSeq`], ..) are
//! read on demand, so that one bad field does not hide the others. [`parse`] reads a datagram, [`Parser`] a stream.

mod address;
mod fields;
mod headers;
mod message;
mod method;
mod parser;
mod uri;
mod via;

pub use address::{Address, Contact};
pub use fields::{CSeq, MediaType, Refresher, RetryAfter, SessionExpires};
pub use headers::{Header, HeaderName, Headers};
pub use message::{Malformed, Message, Request, Response, Version, parse, reason_phrase};
pub use method::Method;
pub use parser::{Limits, Parser, Received};
pub use uri::{Host, HostPort, Params, SipUri, Uri};
pub use via::{MAGIC_COOKIE, Via};

#[cfg(test)]
mod tests;
