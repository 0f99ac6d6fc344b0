//! MRCPv1 messages, RFC 4463, and what they are in MRCPv2.
//!
//! The recognizer knows MRCPv2 alone: requests become those of [`crate::wire::mrcp`], and its responses and events are
//! written as MRCPv1 has them. `names` is the table of all that has another name or scale; what is not in it is the
//! same in both versions.

mod message;
mod names;
mod result;
#[cfg(test)]
mod tests;
mod translate;

pub use message::{Event, Malformed, Message, Request, RequestId, Response, parse};
pub use result::Scale;
pub use translate::{Ids, event_from_v2, request_into_v2, response_from_v2};
