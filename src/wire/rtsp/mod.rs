//! RTSP/1.0 messages, RFC 2326: requests and responses both ways, framing, the Transport header.

mod message;
mod method;
mod parser;
mod transport;

#[cfg(test)]
mod tests;

pub use message::{HeaderName, Headers, Message, Request, Response};
pub use method::{Method, StatusCode};
pub use parser::{Limits, Malformed, Parser, Received};
pub use transport::{Delivery, LowerTransport, Ports, Transport};
